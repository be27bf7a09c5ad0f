//! The whole path in a real browser: what a first visit downloads, that the browser makes the image that
//! this machine makes, and what a visitor sees when a download goes wrong.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::Device;
use minisign::KeyPair;
use tailor_core::noise::{Stream, standard_normal};
use tailor_core::{Item, Model, SampleSettings, Sampling};
use tailor_packs::index::{learngene_file_name, tailor_file_name};
use tailor_packs::pack::{Card, Contents};
use tailor_packs::{
    Class, ClassEntry, Digest, FORMAT_VERSION, FileEntry, Index, ModelConfig, Parameters, PublicKey,
    TensorSpec, Tensors, Weights, write_learngene, write_tailor,
};
use tailor_tests::chromium::{Browser, Gpu, Page};
use tailor_tests::server::{Fault, Server};

/// Long enough for a software GPU on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);
const FIRST_VISIT: u64 = 4_000_000;
const GPU_ENGINE: u64 = 2_000_000;
/// Steps of the images that are compared.
const STEPS: usize = 20;
/// Two levels of 255, in the range from -1 to 1.
const TOLERANCE: f32 = 2.0 / 127.5;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn letters() -> PathBuf {
    root().join("web/galleries/letters")
}

/// The site that `just site` built, with the letters, and `tiny` where a test makes one.
fn site(tiny: Option<&Path>) -> Server {
    let dist = root().join("web/dist");
    assert!(dist.join("page_bg.wasm").exists(), "the site is not built; run: just site");
    let mut mounts = vec![("/galleries/letters/", letters())];
    mounts.extend(tiny.map(|folder| ("/galleries/tiny/", folder.to_owned())));
    mounts.push(("/", dist));
    Server::start(&mounts).unwrap()
}

fn open(gpu: Gpu, url: &str) -> (Browser, Page) {
    let browser = Browser::launch(gpu).unwrap();
    let page = browser.page().unwrap();
    page.navigate(url).unwrap();
    (browser, page)
}

fn wait_for_image(page: &Page) {
    let settled = "['done', 'failed'].includes(document.body.dataset.state)";
    page.wait_for(settled, PATIENCE).unwrap();
    let state = page.eval("document.body.dataset.state + ': ' + document.body.innerText").unwrap();
    assert!(state.as_str().unwrap().starts_with("done"), "{state}\n{}", page.console().join("\n"));
}

/// The values of the finished images that the page shows.
fn shown(page: &Page) -> Vec<f32> {
    let script = "import('./page.js').then(page => Array.from(page.shown().values))";
    let values = page.eval(script).unwrap();
    values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// The same image made on this machine's processor in [`STEPS`] steps.
fn made_here(gallery: &Path, class: &str, seed: u64) -> Vec<f32> {
    let index = Index::parse(&std::fs::read(gallery.join("index.json")).unwrap()).unwrap();
    let read = |entry: &FileEntry| std::fs::read(gallery.join(&entry.path)).unwrap();
    let learngene = index.read_learngene(&read(&index.learngene)).unwrap();
    let mut model = Model::new(&index.config, &learngene.tensors, &Device::flex()).unwrap();
    let pack = read(&index.class(class).unwrap().file);
    model.insert(class, index.read_tailor(class, &pack).unwrap().tensors).unwrap();
    let settings = SampleSettings {
        sampler: index.sampling.sampler.parse().unwrap(),
        steps: STEPS,
        guidance: f64::from(index.sampling.guidance),
        items: vec![Item { gate: vec![(class.to_owned(), 1.0)], seed }],
    };
    let mut sampling = Sampling::new(&model, settings).unwrap();
    while sampling.step() {}
    sampling.images().into_data().convert::<f32>().as_slice::<f32>().unwrap().to_vec()
}

fn assert_same_image(found: &[f32], expected: &[f32], where_: &str) {
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let spread =
        expected.iter().fold(f32::MIN, |m, v| m.max(*v)) - expected.iter().fold(f32::MAX, |m, v| m.min(*v));
    println!("{where_}: largest difference {:.4} of 255 levels", worst * 127.5);
    assert!(spread > 0.5, "the image is flat: this test would pass for any");
    assert!(worst <= TOLERANCE, "{where_}: pixels differ by up to {} levels", worst * 127.5);
}

/// A gallery of two classes with random weights, small enough for a GPU in software.
fn tiny_gallery(folder: &Path) {
    let config = ModelConfig::preset("tiny").unwrap();
    let random = |specs: &[TensorSpec], seed: u64| {
        let mut tensors = Tensors::new();
        for (i, spec) in specs.iter().enumerate() {
            // Larger than a fresh model's weights, whose zeros would make every image plain noise.
            let scale = if spec.shape.len() == 1 { 0.2 } else { 1.0 / (spec.shape[0] as f32).sqrt() };
            let offset = if spec.name.ends_with("sigma") { 1.0 } else { 0.0 };
            let values = standard_normal(seed, Stream::Init(i as u32), spec.len());
            let values = values.into_iter().map(|v| v * scale + offset).collect();
            tensors.insert(spec.name.clone(), &spec.shape, values).unwrap();
        }
        tensors
    };
    let card =
        Card { title: "Tiny".into(), data: "none".into(), licence: "CC0-1.0".into(), ..Card::default() };
    let tensors = random(&config.learngene_tensors(), 1);
    let contents = Contents {
        model: "tiny",
        config: &config,
        weights: Weights::Raw,
        steps: 0,
        tensors: &tensors,
        card: &card,
        preview: None,
    };
    let bytes = write_learngene(&contents).unwrap();
    let digest = Digest::of(&bytes);
    let keep = |name: String, bytes: &[u8]| {
        std::fs::write(folder.join(&name), bytes).unwrap();
        FileEntry::of(name, bytes)
    };
    let learngene = keep(learngene_file_name("tiny", &digest), &bytes);
    let pack = |(seed, id): (u64, &str)| {
        let class = Class { id: id.to_owned(), name: id.to_owned(), wordnet: None };
        let tensors = random(&config.tailor_tensors(), seed);
        let bytes = write_tailor(&Contents { tensors: &tensors, ..contents }, digest, &class).unwrap();
        ClassEntry::new(&class, keep(tailor_file_name(id, &Digest::of(&bytes)), &bytes))
    };
    let classes = [(2, "one"), (3, "two")].map(pack).into();
    let index = Index {
        format: FORMAT_VERSION,
        id: "tiny".into(),
        title: "Tiny".into(),
        version: 1,
        expires: None,
        key: None,
        next_key: None,
        parameters: Parameters::of(&config).unwrap(),
        // One evaluation of the network a step: a GPU in software takes seconds for each.
        sampling: tailor_packs::Sampling { sampler: "dpm++".into(), steps: 20, guidance: 1.5 },
        config: config.clone(),
        learngene,
        classes,
        shards: Vec::new(),
        names: None,
    };
    std::fs::write(folder.join("index.json"), index.to_json().unwrap()).unwrap();
}

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

/// Signs the index in `folder` after `change`, and gives back the key's line.
fn sign(folder: &Path, pair: &KeyPair, change: impl FnOnce(&mut Index)) -> String {
    let path = folder.join("index.json");
    let mut index = Index::parse(&std::fs::read(&path).unwrap()).unwrap();
    let key = pair.pk.to_base64();
    index.key = Some(key.parse().unwrap());
    index.format = tailor_packs::index::INDEX_VERSION;
    change(&mut index);
    let json = index.to_json().unwrap();
    let signature =
        minisign::sign(None, &pair.sk, &json[..], None, Some("signature from tailor")).unwrap().into_string();
    std::fs::write(folder.join("index.json.minisig"), signature).unwrap();
    std::fs::write(path, json).unwrap();
    key
}

/// What the page says once it has stopped; the message of a failure, else nothing.
fn refusal(page: &Page) -> String {
    page.wait_for("['done', 'failed'].includes(document.body.dataset.state)", PATIENCE).unwrap();
    let words = page.eval("document.querySelector('#error')?.innerText ?? ''").unwrap();
    let words = words.as_str().unwrap().to_owned();
    println!("{words}");
    words
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
    assert!(visit().1.contains("signed by key"), "the old key is no longer good");
}

#[test]
fn a_damaged_pack_is_refused_in_words_and_fetched_again_on_request() {
    let folder = tempfile::tempdir().unwrap();
    tiny_gallery(folder.path());
    let server = site(Some(folder.path()));
    let index = Index::parse(&std::fs::read(folder.path().join("index.json")).unwrap()).unwrap();
    let path = format!("/galleries/tiny/{}", index.class("one").unwrap().file.path);
    for fault in [Fault::FlipByte(3000), Fault::Truncate(500), Fault::Status(404)] {
        let what = format!("{fault:?}");
        server.set_fault(&path, fault);
        let url = server.url("/?gallery=galleries/tiny/&backend=cpu#class=one&seed=1");
        let (_browser, page) = open(Gpu::NoAdapter, &url);
        page.wait_for("document.body.dataset.state === 'failed'", PATIENCE).unwrap();
        let words = page.eval("document.querySelector('#error').innerText").unwrap();
        println!("{what}: {words}");
        assert!(words.as_str().is_some_and(|w| w.len() > 20), "{what}: {words}");
        server.set_fault(&path, None);
        page.click("#remedy").unwrap();
        page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
        assert_same_image(&shown(&page), &made_here(folder.path(), "one", 1), &what);
    }
}
