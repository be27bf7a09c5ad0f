//! The whole path in a real browser: what a first visit downloads, that the browser makes the image that
//! this machine makes.

use crate::support::*;
use tailor_packs::Index;
use tailor_tests::chromium::Gpu;

const FIRST_VISIT: u64 = 1_800_000;
const CPU_ENGINE: u64 = 252_000;
const GPU_ENGINE: u64 = 2_000_000;

#[test]
fn a_first_visit_stays_under_its_limit_and_one_more_class_costs_exactly_its_pack() {
    let server = site(None);
    let (_browser, page) = open(Gpu::NoAdapter, &server.url("/?gallery=galleries/letters2/#class=A&seed=7"));
    wait_for_image(&page);
    // Helpers of the engine start after the first image, from the script that the engine came from; and so
    // does the worker for visits without a network, which keeps the page under its name without a question.
    let helpers = |url: &str| {
        url.starts_with("blob:")
            || url.contains("/engine-cpu")
            || url.ends_with("/sw.js")
            || url == server.url("/")
    };
    let mut visit = page.network();
    let mut seen = std::collections::BTreeSet::new();
    visit.retain(|r| seen.insert(r.url.clone()) || !helpers(&r.url));
    let total: u64 = visit.iter().map(|r| r.encoded_bytes).sum();
    for response in &visit {
        println!("{:>9} {}", response.encoded_bytes, response.url);
    }
    println!("{total:>9} in all");
    assert!(total <= FIRST_VISIT, "the first visit took {total} bytes");
    let engine = visit.iter().find(|r| r.url.contains("engine-cpu") && r.url.ends_with(".wasm")).unwrap();
    assert!(
        engine.encoded_bytes <= CPU_ENGINE,
        "the engine for the processor is {} bytes",
        engine.encoded_bytes
    );
    assert_eq!(visit.iter().filter(|r| r.url.ends_with(".tailor")).count(), 1);
    assert!(!visit.iter().any(|r| r.url.contains("engine-gpu")), "no adapter, so no engine for one");

    let index =
        Index::parse(&std::fs::read(root().join("web/galleries/letters2/index.json")).unwrap()).unwrap();
    let b = index.classes.iter().find(|c| c.name == "B").unwrap();
    page.clear_logs();
    page.click(&format!(".class[data-class='{}']", b.id)).unwrap();
    page.wait_for(&format!("document.querySelector('#status').innerText.startsWith('{}')", b.name), PATIENCE)
        .unwrap();
    wait_for_image(&page);
    let more: Vec<_> = page.network().into_iter().filter(|r| !r.from_cache && !helpers(&r.url)).collect();
    assert_eq!(more.len(), 1, "{more:?}");
    assert!(more[0].url.ends_with(&b.file.path));
    let sent: Vec<_> = server.sent().into_iter().filter(|s| s.path.ends_with(&b.file.path)).collect();
    assert_eq!(sent.iter().map(|s| s.body_bytes).collect::<Vec<_>>(), [b.file.size as usize]);
}

#[test]
fn webgpu_makes_the_image_that_the_processor_makes_and_its_engine_keeps_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    tiny_gallery(folder.path());
    let server = site(Some(folder.path()));
    let url = server.url("/?gallery=galleries/tiny/&backend=gpu#class=two&seed=11");
    let (_browser, page) = open(Gpu::Software, &url);
    wait_for_image(&page);
    let backend = page.eval("document.querySelector('#backend').dataset.backend").unwrap();
    assert_eq!(backend, "gpu", "{}", page.eval("document.querySelector('#backend').innerText").unwrap());
    assert_same_image(&shown(&page), &made_here(folder.path(), "two", 11), "tiny, WebGPU");
    let engine: u64 =
        page.network().iter().filter(|r| r.url.contains("engine-gpu")).map(|r| r.encoded_bytes).sum();
    println!("the WebGPU engine is {engine} bytes");
    assert!(engine <= GPU_ENGINE, "the WebGPU engine is {engine} bytes");
}
