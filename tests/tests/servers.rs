//! Servers that are wrong in every way: a visitor is told in words, and what can be had is had.

use crate::support::*;
use tailor_packs::{ClassEntry, Digest, FileEntry, Index, ParameterCounts};
use tailor_tests::chromium::{Browser, Gpu};
use tailor_tests::server::{Fault, Sent, Server};

/// A gallery of two small classes, and the page that makes `one` of it.
struct Tiny {
    folder: tempfile::TempDir,
    server: Server,
    index: Index,
}

impl Tiny {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        tiny_gallery(folder.path());
        let server = site(Some(folder.path()));
        let index = index_of(folder.path());
        Self { folder, server, index }
    }

    fn pack(&self) -> String {
        format!("/galleries/tiny/{}", self.index.class("one").unwrap().file.path)
    }

    /// What the page says with this fault, and what the error is called; nothing for an image.
    fn with(&self, browser: &Browser, path: &str, fault: Fault, times: usize) -> (String, String) {
        forget_everything(browser, &self.server);
        self.server.set_fault_times(path, fault.clone(), times);
        let page = browser.page().unwrap();
        page.navigate(&self.server.url("/?gallery=galleries/tiny/&backend=cpu#class=one&seed=1&steps=20"))
            .unwrap();
        print!("{fault:?} {times}: ");
        let words = refusal(&page);
        let code = page.eval("document.querySelector('#error')?.dataset.code ?? ''").unwrap();
        self.server.set_fault(path, None);
        if !words.is_empty() {
            page.click("#remedy").unwrap();
            page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
        }
        assert_same_image(&shown(&page), &made_here(self.folder.path(), "one", 1), &format!("{fault:?}"));
        page.close().unwrap();
        (words, code.as_str().unwrap().to_owned())
    }
}

#[test]
fn a_server_that_is_wrong_for_good_is_named_in_words_and_asked_again_on_request() {
    let tiny = Tiny::new();
    let elsewhere = Server::start(&[("/", root().join("web/dist"))]).unwrap();
    elsewhere.share();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let pack = tiny.pack();
    let cases = [
        (Fault::Status(404), "missing", "it is not on the server"),
        (Fault::Status(403), "forbidden", "does not give it out"),
        (Fault::Status(418), "status", "status 418"),
        (Fault::Busy("3600"), "later", "come back in 3600 seconds"),
        (Fault::WebPage, "web-page", "sent a web page instead"),
        (Fault::Longer(7), "wrong-length", "instead of"),
        (Fault::FlipByte(3000), "damaged", "arrived damaged"),
        // A pack may come from anywhere, but it is none.
        (Fault::Redirect(elsewhere.url("/index.html")), "web-page", "sent a web page instead"),
    ];
    for (fault, code, part) in cases {
        let (words, found) = tiny.with(&browser, &pack, fault, usize::MAX);
        assert_eq!(found, code, "{words}");
        assert!(words.contains(part), "{words}");
    }
    let index = "/galleries/tiny/index.json";
    let (words, _) = tiny.with(&browser, index, Fault::WebPage, usize::MAX);
    assert!(words.contains("a login or a network's welcome page"), "{words}");
    let there = Fault::Redirect(elsewhere.url("/index.html"));
    let (words, code) = tiny.with(&browser, index, there, usize::MAX);
    assert!(code == "elsewhere" && words.contains("sent us on to"), "{words}");
}

#[test]
fn a_server_that_fails_again_and_again_is_given_up_in_words() {
    let tiny = Tiny::new();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let pack = tiny.pack();
    let (words, code) = tiny.with(&browser, &pack, Fault::Status(500), usize::MAX);
    assert!(code == "busy" && words.contains("overloaded or out of order (status 500)"), "{words}");
    let (words, code) = tiny.with(&browser, &pack, Fault::Truncate(500), usize::MAX);
    assert!(code == "broken" && words.contains("the connection broke"), "{words}");

    // A gallery on a server that lets no other page read it.
    let other = site(Some(tiny.folder.path()));
    let page = browser.page().unwrap();
    let url = |of: &Server| {
        let gallery = of.url("/galleries/tiny/");
        tiny.server.url(&format!("/?gallery={gallery}&backend=cpu#class=one&seed=1&steps=20"))
    };
    page.navigate(&url(&other)).unwrap();
    let words = refusal(&page);
    assert!(words.contains("does not let this page read it (CORS)"), "{words}");
    other.share();
    page.click("#remedy").unwrap();
    page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
    assert_same_image(&shown(&page), &made_here(tiny.folder.path(), "one", 1), "another origin");
}

#[test]
fn a_server_that_is_wrong_for_a_while_costs_the_visitor_nothing_but_time() {
    let tiny = Tiny::new();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let pack = tiny.pack();
    let here = tiny.server.url(&pack.replace("/one-", "/./one-"));
    for (fault, times) in [
        (Fault::Truncate(500), 2),
        (Fault::Status(500), 2),
        (Fault::Busy("1"), 1),
        (Fault::FlipByte(3000), 2),
        (Fault::Status(416), 1),
        (Fault::Gzip, usize::MAX),
        (Fault::Whole, usize::MAX),
        (Fault::Redirect(here), 1),
        // A connection counts as stalled after 20 seconds.
        (Fault::StallAt(500), 1),
    ] {
        assert_eq!(tiny.with(&browser, &pack, fault, times), Default::default());
    }
}

#[test]
fn a_gallery_published_anew_under_an_open_page_is_followed() {
    let tiny = Tiny::new();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    page.navigate(&tiny.server.url("/?gallery=galleries/tiny/&backend=cpu#class=one&seed=1&steps=20"))
        .unwrap();
    wait_for_image(&page);
    // Both classes change places: other files under other names.
    let mut index = tiny.index.clone();
    index.version += 1;
    let swap = |id: &str, pack: &str| {
        let old = tiny.index.class(pack).unwrap();
        let bytes = std::fs::read(tiny.folder.path().join(&old.file.path)).unwrap();
        let learngene = std::fs::read(tiny.folder.path().join(&tiny.index.learngene.path)).unwrap();
        let config = &tiny.index.config;
        let tensors = tiny.index.read_tailor(pack, &bytes).unwrap().tensors;
        let card =
            tailor_packs::Card { title: "Anew".into(), licence: "CC0-1.0".into(), ..Default::default() };
        let class = tailor_packs::Class { id: id.into(), name: id.into(), wordnet: None };
        let bytes = tailor_packs::write_tailor(
            &tailor_packs::Contents::new("tiny", config, &tensors, &card),
            Digest::of(&learngene),
            &class,
        )
        .unwrap();
        let name = tailor_packs::index::tailor_file_name(id, &Digest::of(&bytes));
        std::fs::write(tiny.folder.path().join(&name), &bytes).unwrap();
        ClassEntry::new(&class, FileEntry::of(name, &bytes))
    };
    index.classes = vec![swap("one", "two"), swap("two", "one")];
    std::fs::write(tiny.folder.path().join("index.json"), index.to_json().unwrap()).unwrap();
    for class in &tiny.index.classes {
        std::fs::remove_file(tiny.folder.path().join(&class.file.path)).unwrap();
    }
    page.click(".class[data-class='two']").unwrap();
    page.wait_for("document.querySelector('#status').innerText.startsWith('two')", PATIENCE).unwrap();
    wait_for_image(&page);
    assert_same_image(&shown(&page), &made_here(tiny.folder.path(), "two", 1), "published anew");
}

#[test]
fn a_gallery_of_latents_is_named_as_one_before_its_files_are_downloaded() {
    let tiny = Tiny::new();
    let mut index = tiny.index.clone();
    index.config.channels = 4;
    index.parameters = ParameterCounts::of(&index.config).unwrap();
    std::fs::write(tiny.folder.path().join("index.json"), index.to_json().unwrap()).unwrap();
    let (_browser, page) =
        open(Gpu::NoAdapter, &tiny.server.url("/?gallery=galleries/tiny/&backend=cpu#class=one"));
    let words = refusal(&page);
    assert!(words.contains("latents of 4 channels"), "{words}");
    assert_eq!(page.eval("document.querySelector('#error').dataset.code").unwrap(), "latents");
    let asked: Vec<_> = tiny.server.sent().into_iter().map(|sent| sent.path).collect();
    assert!(!asked.iter().any(|path| path.ends_with(".learngene") || path.ends_with(".tailor")), "{asked:?}");
}

#[test]
fn a_class_among_ten_thousand_costs_less_than_300_kb_beside_its_files() {
    const FEW: u64 = 300_000;
    let tiny = Tiny::new();
    let mut index = tiny.index.clone();
    let real = index.classes.clone();
    // Most are made up: their packs are nowhere. The two real ones are found by search and by link.
    index.classes = (0..9_998)
        .map(|n| {
            let (id, name) = (format!("class-{n:05}"), format!("Class {n}"));
            let class = tailor_packs::Class { id: id.clone(), name, wordnet: Some(format!("n{n:08}")) };
            let name = tailor_packs::index::tailor_file_name(&id, &Digest::of(id.as_bytes()));
            ClassEntry::new(&class, FileEntry::of(name, id.as_bytes()))
        })
        .chain(real)
        .collect();
    let (index, files) = index.sharded(48).unwrap();
    for file in &files {
        std::fs::write(tiny.folder.path().join(&file.entry.path), &file.bytes).unwrap();
    }
    std::fs::write(tiny.folder.path().join("index.json"), index.to_json().unwrap()).unwrap();

    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    page.navigate(&tiny.server.url("/?gallery=galleries/tiny/&backend=cpu#class=one&seed=1&steps=20"))
        .unwrap();
    wait_for_image(&page);
    let lists = |server: &Server| {
        let of_gallery = |s: &Sent| s.path.starts_with("/galleries/tiny/") && s.path.ends_with(".json");
        server.sent().into_iter().filter(of_gallery).map(|s| s.body_bytes as u64).collect::<Vec<_>>()
    };
    let bytes = lists(&tiny.server);
    println!("10,000 classes: {bytes:?}, {} bytes before the first image", bytes.iter().sum::<u64>());
    assert!(bytes.len() == 2 && bytes.iter().sum::<u64>() <= FEW, "{bytes:?}");

    // The list may fail to come at first.
    let names = format!("/galleries/tiny/{}", index.names.as_ref().unwrap().path);
    tiny.server.set_fault(&names, Fault::Status(404));
    page.click("#search").unwrap();
    page.wait_for("document.querySelector('.classes').innerText.includes('Try again')", PATIENCE).unwrap();
    tiny.server.set_fault(&names, None);
    page.set_value("#search", "two").unwrap();
    page.wait_for("document.querySelector(\".class[data-class='two']\")", PATIENCE).unwrap();
    page.click(".class[data-class='two']").unwrap();
    page.wait_for("document.querySelector('#status').innerText.startsWith('two')", PATIENCE).unwrap();
    wait_for_image(&page);
    assert_same_image(
        &shown(&page),
        &made_with(tiny.folder.path(), &tiny.index, "two", 1),
        "found by search",
    );
    page.navigate(&tiny.server.url("/?gallery=galleries/tiny/&backend=cpu#class=nowhere&seed=2")).unwrap();
    page.eval("location.reload()").unwrap();
    page.wait_for("document.querySelector('#error')?.dataset.code === 'unknown-class'", PATIENCE).unwrap();
}
