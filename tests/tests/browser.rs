//! The whole path in a real browser: what a first visit downloads, that the browser makes the image that
//! this machine makes, and whom it trusts.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod support;

use minisign::KeyPair;
use support::*;
use tailor_packs::{Index, PublicKey};
use tailor_tests::chromium::{Browser, Gpu};

const FIRST_VISIT: u64 = 4_000_000;
const GPU_ENGINE: u64 = 2_000_000;

#[test]
fn a_first_visit_stays_under_its_limit_and_one_more_class_costs_exactly_its_pack() {
    let server = site(None);
    let (_browser, page) = open(Gpu::NoAdapter, &server.url("/#class=A&seed=7"));
    wait_for_image(&page);
    let visit = page.network();
    let total: u64 = visit.iter().map(|r| r.encoded_bytes).sum();
    for response in &visit {
        println!("{:>9} {}", response.encoded_bytes, response.url);
    }
    println!("{total:>9} in all");
    assert!(total <= FIRST_VISIT, "the first visit took {total} bytes");
    assert_eq!(visit.iter().filter(|r| r.url.ends_with(".tailor")).count(), 1);
    assert!(!visit.iter().any(|r| r.url.contains("engine-gpu")), "no adapter, so no engine for one");

    let index = Index::parse(&std::fs::read(letters().join("index.json")).unwrap()).unwrap();
    let b = index.classes.iter().find(|c| c.name == "B").unwrap();
    page.clear_logs();
    page.click(&format!(".class[data-class='{}']", b.id)).unwrap();
    page.wait_for(&format!("document.querySelector('#status').innerText.startsWith('{}')", b.name), PATIENCE)
        .unwrap();
    wait_for_image(&page);
    let more: Vec<_> = page.network().into_iter().filter(|r| !r.from_cache).collect();
    assert_eq!(more.len(), 1, "{more:?}");
    assert!(more[0].url.ends_with(&b.file.path));
    let sent: Vec<_> = server.sent().into_iter().filter(|s| s.path.ends_with(&b.file.path)).collect();
    assert_eq!(sent.iter().map(|s| s.body_bytes).collect::<Vec<_>>(), [b.file.size as usize]);
}

#[test]
fn the_letters_come_out_in_wasm_as_they_do_natively() {
    let server = site(None);
    let url = server.url(&format!("/?backend=cpu#class=A&seed=7&steps={STEPS}"));
    let (_browser, page) = open(Gpu::NoAdapter, &url);
    wait_for_image(&page);
    assert_same_image(&shown(&page), &made_here(&letters(), "latin-capital-a", 7), "letters, WASM");
}

#[test]
#[ignore = "takes minutes on a GPU in software; `just test -- --ignored` runs it"]
fn the_letters_come_out_on_webgpu_as_they_do_natively() {
    let server = site(None);
    let url = server.url(&format!("/?backend=gpu#class=A&seed=7&steps={STEPS}"));
    let (_browser, page) = open(Gpu::Software, &url);
    wait_for_image(&page);
    let backend = page.eval("document.querySelector('#backend').dataset.backend").unwrap();
    assert_eq!(backend, "gpu");
    assert_same_image(&shown(&page), &made_here(&letters(), "latin-capital-a", 7), "letters, WebGPU");
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

#[test]
fn a_signed_gallery_is_trusted_once_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    tiny_gallery(folder.path());
    let (ours, theirs) =
        (KeyPair::generate_unencrypted_keypair().unwrap(), KeyPair::generate_unencrypted_keypair().unwrap());
    let key: PublicKey = sign(folder.path(), &ours, |index| index.version = 5).parse().unwrap();
    let server = site(Some(folder.path()));
    let url = server.url("/?gallery=galleries/tiny/&backend=cpu#class=one&seed=1&steps=20");
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let visit = || {
        let page = browser.page().unwrap();
        page.navigate(&url).unwrap();
        let words = refusal(&page);
        (page, words)
    };

    let (page, words) = visit();
    assert!(words.contains(&key.fingerprint()), "the fingerprint is shown: {words}");
    assert!(page.network().iter().all(|r| !r.url.contains(".learngene")), "nothing else is fetched yet");
    page.click("#remedy").unwrap();
    page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
    assert_same_image(&shown(&page), &made_here(folder.path(), "one", 1), "signed");
    assert_eq!(page.eval("document.querySelector('#signed').innerText").unwrap(), "signed ✓");

    // The next visit asks nothing.
    assert_eq!(visit().1, "");
    sign(folder.path(), &ours, |index| index.version = 4);
    assert!(visit().1.contains("version 4, and version 5 was already seen"));
    sign(folder.path(), &theirs, |index| index.version = 6);
    assert!(visit().1.contains("signed by key"));
    sign(folder.path(), &ours, |index| (index.version, index.expires) = (6, Some(1_700_000_000)));
    assert!(visit().1.contains("expired on 2023-11-14"));
    sign(folder.path(), &ours, |index| (index.version, index.expires) = (6, None));
    let signature = folder.path().join("index.json.minisig");
    let kept = std::fs::read(&signature).unwrap();
    std::fs::remove_file(&signature).unwrap();
    assert!(visit().1.contains("has no index.json.minisig"));
    std::fs::write(&signature, &kept).unwrap();
    assert_eq!(visit().1, "");
    // The publisher hands over to another key.
    let next: PublicKey = theirs.pk.to_base64().parse().unwrap();
    sign(folder.path(), &ours, |index| (index.version, index.next_key) = (7, Some(next)));
    assert_eq!(visit().1, "");
    sign(folder.path(), &theirs, |index| (index.version, index.next_key) = (8, None));
    assert_eq!(visit().1, "");
    sign(folder.path(), &ours, |index| index.version = 9);
    let (page, words) = visit();
    assert!(words.contains("signed by key"), "the old key is no longer good: {words}");
    // Unless the visitor says so, in two steps.
    page.click("#error summary").unwrap();
    page.click("#forget").unwrap();
    page.wait_for("document.querySelector('#error')?.dataset.code === 'first-use'", PATIENCE).unwrap();
    let words = refusal(&page);
    assert!(words.contains(&key.fingerprint()), "{words}");
    page.click("#remedy").unwrap();
    page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
    assert_eq!(visit().1, "");
}

#[test]
fn an_older_index_is_refused_when_the_browser_was_closed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    tiny_gallery(folder.path());
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    sign(folder.path(), &pair, |index| index.version = 5);
    let server = site(Some(folder.path()));
    let url = server.url("/?gallery=galleries/tiny/&backend=cpu#class=one&seed=1&steps=20");
    let profile = tempfile::tempdir().unwrap();
    {
        let browser = Browser::launch_with(Gpu::NoAdapter, Some(profile.path()), &[]).unwrap();
        let page = browser.page().unwrap();
        page.navigate(&url).unwrap();
        refusal(&page);
        page.click("#remedy").unwrap();
        page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
    }
    sign(folder.path(), &pair, |index| index.version = 4);
    server.clear_log();
    let browser = Browser::launch_with(Gpu::NoAdapter, Some(profile.path()), &[]).unwrap();
    let page = browser.page().unwrap();
    page.navigate(&url).unwrap();
    let words = refusal(&page);
    assert!(words.contains("version 4, and version 5 was already seen"), "{words}");
    // With the version that was seen nothing else is downloaded again, either.
    sign(folder.path(), &pair, |index| index.version = 5);
    page.click("#remedy").unwrap();
    page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
    let packs = server.sent().into_iter().filter(|s| s.path.ends_with("gene") || s.path.ends_with(".tailor"));
    assert_eq!(packs.count(), 0);
}
