//! What the browser tests share: the site that is served, galleries, and images to compare with.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part, and a failed set-up fails the test"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use minisign::KeyPair;
use serde_json::json;
use tailor_core::diffusion::noise::{Stream, standard_normal};
use tailor_core::engine::Model;
use tailor_core::{Guide, Item, Predict, SampleRun, SampleSettings};
use tailor_packs::pack::{Card, Contents};
use tailor_packs::publish::Draft;
use tailor_packs::{Class, FileEntry, Index, ModelConfig, NewFile, TensorSpec, Tensors, Weights};
use tailor_tests::chromium::{Browser, Gpu, Page};
use tailor_tests::server::Server;

/// Long enough for a software GPU on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(900);
/// Steps of the images that are compared.
pub const STEPS: usize = 20;
/// Two levels of 255, in the range from -1 to 1.
pub const TOLERANCE: f32 = 2.0 / 127.5;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub fn letters() -> PathBuf {
    root().join("web/galleries/letters")
}

/// The site that `just site` built, with the letters, and `tiny` where a test makes one.
pub fn site(tiny: Option<&Path>) -> Server {
    let dist = root().join("web/dist");
    assert!(dist.join("page_bg.wasm").exists(), "the site is not built; run: just site");
    let tiny = tiny.map(|folder| ("/galleries/tiny/", folder.to_owned()));
    let mounts: Vec<_> = tiny.into_iter().chain([("/", dist)]).collect();
    Server::start(&mounts).unwrap()
}

/// What lies in a folder, by name.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// The drawings of one of the letters that are taught.
pub fn drawings(class: &str) -> Vec<PathBuf> {
    let files = entries(&root().join("tests/fixtures/teach").join(class));
    assert_eq!(files.len(), 20, "of {class}");
    files
}

/// Files as scripts can take them.
pub fn in_base64(files: &[PathBuf]) -> Vec<String> {
    let text = |file: &PathBuf| base64::prelude::BASE64_STANDARD.encode(std::fs::read(file).unwrap());
    files.iter().map(text).collect()
}

/// Waits until "Teach it" is in this phase.
pub fn wait_for_phase(page: &Page, phase: &str) {
    let there = format!("document.querySelector('.teach')?.dataset.phase === '{phase}'");
    let outcome = page.wait_for(&there, PATIENCE);
    assert!(outcome.is_ok(), "{phase}: {}\n{}", text(page, "body"), page.console().join("\n"));
}

/// Returns the text that the page shows there, or nothing.
pub fn text(page: &Page, selector: &str) -> String {
    let script = format!("document.querySelector('{selector}')?.innerText ?? ''");
    page.eval(&script).unwrap().as_str().unwrap().to_owned()
}

/// Chooses files in an input of the page.
pub fn choose_in(page: &Page, selector: &str, files: &[PathBuf]) {
    let document = page.call("DOM.getDocument", json!({})).unwrap();
    let query = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
    let node = page.call("DOM.querySelector", query).unwrap()["nodeId"].clone();
    page.call("DOM.setFileInputFiles", json!({ "nodeId": node, "files": files })).unwrap();
}

/// Waits until "Teach it" shows so many pictures.
pub fn count(page: &Page, pictures: usize) {
    let there = format!("document.querySelectorAll('.thumbnails li').length === {pictures}");
    page.wait_for(&there, PATIENCE).unwrap();
}

pub fn open(gpu: Gpu, url: &str) -> (Browser, Page) {
    let browser = Browser::launch(gpu).unwrap();
    let page = browser.page().unwrap();
    page.navigate(url).unwrap();
    (browser, page)
}

pub fn wait_for_image(page: &Page) {
    let settled = "['done', 'failed'].includes(document.body.dataset.state)";
    page.wait_for(settled, PATIENCE).unwrap();
    let state = page.eval("document.body.dataset.state + ': ' + document.body.innerText").unwrap();
    assert!(state.as_str().unwrap().starts_with("done"), "{state}\n{}", page.console().join("\n"));
}

/// The values of the finished images that the page shows.
pub fn shown(page: &Page) -> Vec<f32> {
    let script = "import('./page.js').then(page => Array.from(page.shown()))";
    let values = page.eval(script).unwrap();
    values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// The same image made on this machine's processor in [`STEPS`] steps.
pub fn made_here(gallery: &Path, class: &str, seed: u64) -> Vec<f32> {
    let index = Index::parse(&std::fs::read(gallery.join("index.json")).unwrap()).unwrap();
    made_with(gallery, &index, class, seed)
}

/// The same with an index that is not in the gallery's folder.
pub fn made_with(gallery: &Path, index: &Index, class: &str, seed: u64) -> Vec<f32> {
    let read = |entry: &FileEntry| std::fs::read(gallery.join(&entry.path)).unwrap();
    let learngene = index.read_learngene(&read(&index.learngene)).unwrap();
    let mut model = Model::new(&index.config, &learngene.tensors).unwrap();
    let pack = read(&index.class(class).unwrap().file);
    model.insert(class, index.read_tailor(class, &pack).unwrap().tensors).unwrap();
    let settings = SampleSettings {
        sampler: index.sampling.sampler.parse().unwrap(),
        steps: STEPS,
        guidance: f64::from(index.sampling.guidance),
        guide: Guide::default(),
        items: vec![Item { gate: vec![(class.to_owned(), 1.0)], seed }],
    };
    let mut sampling = SampleRun::new(&model, settings).unwrap();
    while sampling.step() {}
    sampling.images().values
}

pub fn assert_same_image(found: &[f32], expected: &[f32], where_: &str) {
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let spread =
        expected.iter().fold(f32::MIN, |m, v| m.max(*v)) - expected.iter().fold(f32::MAX, |m, v| m.min(*v));
    println!("{where_}: largest difference {:.4} of 255 levels", worst * 127.5);
    assert!(spread > 0.5, "the image is flat: this test would pass for any");
    assert!(worst <= TOLERANCE, "{where_}: pixels differ by up to {} levels", worst * 127.5);
}

/// A gallery of two classes with random weights, small enough for a GPU in software.
pub fn tiny_gallery(folder: &Path) {
    let config = ModelConfig::preset("tiny").unwrap();
    let random = |specs: &[TensorSpec], seed: u64| {
        let mut tensors = Tensors::new();
        for (i, spec) in specs.iter().enumerate() {
            // Larger than a fresh model's weights, whose zeros would make every image plain noise.
            let scale = if spec.shape.len() == 1 { 0.2 } else { 1.0 / (spec.shape[0] as f32).sqrt() };
            let offset = if spec.name.ends_with("sigma") { 1.0 } else { 0.0 };
            let values = standard_normal(seed, Stream::Learngene(i as u32), spec.len());
            let values = values.into_iter().map(|v| v * scale + offset).collect();
            tensors.insert(spec.name.clone(), &spec.shape, values).unwrap();
        }
        tensors
    };
    let card =
        Card { title: "Tiny".into(), data: "none".into(), licence: "CC0-1.0".into(), ..Card::default() };
    let tensors = random(&config.learngene_tensors(), 1);
    let contents = Contents { weights: Weights::Raw, ..Contents::new("tiny", &config, &tensors, &card) };
    let save = |file: NewFile| std::fs::write(folder.join(&file.entry.path), &file.bytes).unwrap();
    // One evaluation of the network a step: a GPU in software takes seconds for each.
    let sampling = tailor_packs::Sampling { sampler: "dpm++".into(), steps: 20, guidance: 1.5 };
    let (mut draft, learngene) = Draft::new(&contents, "Tiny", sampling).unwrap();
    save(learngene);
    for (seed, id) in [(2, "one"), (3, "two")] {
        let class = Class { id: id.to_owned(), name: id.to_owned(), wordnet: None };
        let tensors = random(&config.tailor_tensors(), seed);
        save(draft.add(&Contents { tensors: &tensors, ..contents }, &class).unwrap());
    }
    std::fs::write(folder.join("index.json"), draft.finish().to_json().unwrap()).unwrap();
}

/// Signs the index in `folder` after `change`, and gives back the key's line.
pub fn sign(folder: &Path, pair: &KeyPair, change: impl FnOnce(&mut Index)) -> String {
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
pub fn refusal(page: &Page) -> String {
    page.wait_for("['done', 'failed'].includes(document.body.dataset.state)", PATIENCE).unwrap();
    let words = page.eval("document.querySelector('#error')?.innerText ?? ''").unwrap();
    let words = words.as_str().unwrap().to_owned();
    println!("{words}");
    words
}

/// The index of the gallery in `folder`.
pub fn index_of(folder: &Path) -> Index {
    Index::parse(&std::fs::read(folder.join("index.json")).unwrap()).unwrap()
}

/// Clears what the browser keeps of this server's site.
pub fn forget_everything(browser: &Browser, server: &Server) {
    let page = browser.page().unwrap();
    let origin = server.url("");
    page.call("Storage.clearDataForOrigin", serde_json::json!({ "origin": origin, "storageTypes": "all" }))
        .unwrap();
    page.close().unwrap();
}

/// Waits a minute at most.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Clicks, and returns the archive (a gallery, or a pack) of this name that the browser then downloads. Chromium makes
/// an empty file first, so the archive is there when it can be read to its end.
pub fn downloaded(browser: &Browser, page: &Page, selector: &str, name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let behaviour = json!({ "behavior": "allow", "downloadPath": folder.path() });
    browser.call("Browser.setDownloadBehavior", behaviour).unwrap();
    page.click(selector).unwrap();
    let mut bytes = Vec::new();
    wait_until("the download is whole", || {
        bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
        zip::ZipArchive::new(std::io::Cursor::new(&bytes)).is_ok()
    });
    bytes
}
