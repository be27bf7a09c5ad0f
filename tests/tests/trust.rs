//! Whom the page trusts: asked once, remembered over restarts and between tabs, and never talked back.

use std::path::Path;
use std::time::Duration;

use crate::support::*;
use minisign::KeyPair;
use tailor_packs::PublicKey;
use tailor_tests::chromium::{Browser, Gpu, Page};
use tailor_tests::server::{Fault, Server};

const GALLERY: &str = "/?gallery=galleries/tiny/&backend=cpu#class=one&seed=1&steps=20";

fn key_pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

/// A signed gallery on a server, and a browser.
struct Signed {
    folder: tempfile::TempDir,
    pair: KeyPair,
    server: Server,
    browser: Browser,
}

impl Signed {
    fn new(version: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        tiny_gallery(folder.path());
        let pair = key_pair();
        sign(folder.path(), &pair, |index| index.version = version);
        let server = site(Some(folder.path()));
        Self { folder, pair, server, browser: Browser::launch(Gpu::NoAdapter).unwrap() }
    }

    /// The same after a visitor has trusted its key.
    fn trusted(version: u64) -> Self {
        let this = Self::new(version);
        let (page, _) = this.visit();
        agree(&page);
        wait_for_image(&page);
        this
    }

    fn sign(&self, version: u64) {
        sign(self.folder.path(), &self.pair, |index| index.version = version);
    }

    fn visit(&self) -> (Page, String) {
        visit(&self.browser, &self.server)
    }
}

/// A fresh tab on the gallery, and what it says once it has stopped.
fn visit(browser: &Browser, server: &Server) -> (Page, String) {
    let page = browser.page().unwrap();
    page.navigate(&server.url(GALLERY)).unwrap();
    let words = refusal(&page);
    (page, words)
}

fn agree(page: &Page) {
    page.click("#remedy").unwrap();
}

fn wait_for_code(page: &Page, code: &str) {
    let asked = format!("document.querySelector('#error')?.dataset.code === '{code}'");
    page.wait_for(&asked, PATIENCE).unwrap();
}

fn version(folder: &Path, version: u64) {
    let mut index = index_of(folder);
    index.version = version;
    std::fs::write(folder.join("index.json"), index.to_json().unwrap()).unwrap();
}

#[test]
fn a_signed_gallery_is_trusted_once_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    tiny_gallery(folder.path());
    let (ours, theirs) = (key_pair(), key_pair());
    let key: PublicKey = sign(folder.path(), &ours, |index| index.version = 5).parse().unwrap();
    let server = site(Some(folder.path()));
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let visit = || visit(&browser, &server);

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
    let pair = key_pair();
    sign(folder.path(), &pair, |index| index.version = 5);
    let server = site(Some(folder.path()));
    let url = server.url(GALLERY);
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

#[test]
fn an_unsigned_gallery_does_not_go_back_either_unless_the_visitor_says_so() {
    let folder = tempfile::tempdir().unwrap();
    tiny_gallery(folder.path());
    version(folder.path(), 9);
    let server = site(Some(folder.path()));
    // Under a name that is not this machine's, where the browser is told that it may keep things.
    let url = server.url(GALLERY).replace("localhost", "gallery.test");
    let origin = server.url("").replace("localhost", "gallery.test");
    let secure = format!("--unsafely-treat-insecure-origin-as-secure={origin}");
    let arguments = ["--host-resolver-rules=MAP gallery.test 127.0.0.1", &*secure];
    let browser = Browser::launch_with(Gpu::NoAdapter, None, &arguments).unwrap();
    let visit = || {
        let page = browser.page().unwrap();
        page.navigate(&url).unwrap();
        let words = refusal(&page);
        (page, words)
    };
    assert_eq!(visit().1, "");
    version(folder.path(), 3);
    let (page, words) = visit();
    assert!(words.contains("version 3, and version 9 was already seen"), "{words}");
    page.click("#error summary").unwrap();
    page.click("#forget").unwrap();
    wait_for_image(&page);
    assert_eq!(visit().1, "");

    // On one's own machine one may begin anew.
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    assert_eq!(self::visit(&browser, &server).1, "");
    version(folder.path(), 1);
    assert_eq!(self::visit(&browser, &server).1, "");
}

#[test]
fn a_slow_tab_does_not_take_back_what_another_has_seen() {
    let at = Signed::trusted(2);
    let signature = "/galleries/tiny/index.json.minisig";
    at.server.set_fault_times(signature, Fault::Delay(Duration::from_secs(6)), 1);
    at.server.clear_log();
    let slow = at.browser.page().unwrap();
    slow.navigate(&at.server.url(GALLERY)).unwrap();
    wait_until("the index is asked for", || {
        at.server.sent().iter().any(|sent| sent.path.ends_with("index.json"))
    });
    // The old signature is on its way by then.
    std::thread::sleep(Duration::from_secs(1));
    at.sign(7);
    assert_eq!(at.visit().1, "");
    let words = refusal(&slow);
    assert!(words.is_empty() || words.contains("version 7 was already seen"), "{words}");
    at.sign(2);
    assert!(at.visit().1.contains("version 2, and version 7 was already seen"));
}

#[test]
fn a_question_that_was_left_open_does_not_replace_the_key_that_was_trusted_meanwhile() {
    let at = Signed::new(5);
    let (first, _) = at.visit();
    sign(at.folder.path(), &key_pair(), |index| index.version = 1);
    let (second, _) = at.visit();
    agree(&first);
    wait_for_image(&first);
    agree(&second);
    wait_for_code(&second, "wrong-key");
}

#[test]
fn trust_does_not_depend_on_how_an_address_is_spelled() {
    let at = Signed::trusted(2);
    std::fs::remove_file(at.folder.path().join("index.json.minisig")).unwrap();
    let words_at = |gallery: &str| {
        let page = at.browser.page().unwrap();
        page.navigate(&at.server.url(&GALLERY.replace("galleries/tiny/", gallery))).unwrap();
        refusal(&page)
    };
    for spelling in ["galleries/t%69ny/", "galleries//tiny", "./galleries/x/../%74iny//"] {
        assert!(words_at(spelling).contains("has no index.json.minisig"), "{spelling}");
    }
    for none in ["javascript:alert(1)", "https://a@example.org/", "galleries/tiny/%3Fx", "data:,x"] {
        let words = words_at(none);
        assert!(words.contains("no address of a gallery"), "{none}: {words}");
    }
}
