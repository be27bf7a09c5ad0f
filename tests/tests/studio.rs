//! The studio in a real browser: words, dials, links, saved pictures, and visits without a network.

use crate::support::*;
use tailor_tests::chromium::{Browser, Gpu, Page};

/// Waits until the status begins with these words, and nothing is under way.
fn wait_for_words(page: &Page, words: &str) {
    let there = format!(
        "document.body.dataset.state === 'done' && document.querySelector('#status').innerText.startsWith({})",
        serde_json::json!(words)
    );
    page.wait_for(&there, PATIENCE).unwrap();
}

fn text(page: &Page, script: &str) -> String {
    page.eval(script).unwrap().as_str().unwrap_or_default().to_owned()
}

/// The names of the packs that were asked for, without their digests.
fn packs(page: &Page) -> Vec<String> {
    let name =
        |url: &str| Some(url.rsplit('/').next()?.strip_suffix(".tailor")?.rsplit_once('-')?.0.to_owned());
    let mut packs: Vec<String> = page.network().iter().filter_map(|r| name(&r.url)).collect();
    packs.sort_unstable();
    packs.dedup();
    packs
}

#[test]
fn a_word_is_typed_dialled_shared_and_opened_again_without_a_network() {
    let server = site(None);
    let (browser, page) = open(Gpu::NoAdapter, &server.url("/?backend=cpu"));
    // The front door of the letters is a word.
    wait_for_words(&page, "“Hi”");
    assert_eq!(packs(&page), ["latin-capital-h", "latin-small-i"], "the packs of its letters, and no others");
    let place = text(&page, "location.search");
    assert_eq!(
        place, "?backend=cpu&gallery=galleries/letters2/",
        "a link that is made here names its gallery"
    );

    page.clear_logs();
    page.set_value("#word", "Hi hié").unwrap();
    wait_for_words(&page, "“Hi hié”");
    assert_eq!(packs(&page), ["latin-small-h"], "and of a longer one only what is new");
    let missing = text(&page, "document.querySelector('#missing').innerText");
    assert_eq!(missing.trim(), "There is no pack for é. Teach it");
    let word = shown(&page);
    assert_eq!(word.len(), 3 * 32 * 32, "a letter that comes again is made once");

    // The image follows the dial, and differs from the whole tailor's.
    page.set_value("#dial-latin-small-i", "0").unwrap();
    page.wait_for("location.hash.includes('dial=i:0')", PATIENCE).unwrap();
    wait_for_words(&page, "“Hi hié”");
    page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
    let dialled = shown(&page);
    assert_eq!(dialled[..1024], word[..1024], "one letter's dial leaves the others alone");
    assert_ne!(dialled[1024..2048], word[1024..2048]);

    // The link reproduces the image to the bit in a profile that has nothing.
    let link = text(&page, "location.href");
    let (_other, second) = open(Gpu::NoAdapter, &link);
    wait_for_words(&second, "“Hi hié”");
    assert_eq!(shown(&second), dialled);

    // Without a network, what was fetched is enough.
    page.wait_for(
        "navigator.serviceWorker.controller || navigator.serviceWorker.ready.then(() => caches.open(\
        'tailor-site-1')).then(c => c.keys()).then(keys => keys.some(k => k.url.endsWith('index.json')))",
        PATIENCE,
    )
    .unwrap();
    let sent = server.sent().iter().filter(|sent| sent.path == "/page_bg.wasm").count();
    assert_eq!(
        sent, 2,
        "once to each profile: what the browser still has is not downloaded again to be kept"
    );
    page.close().unwrap();
    drop(server);
    let page = browser.page().unwrap();
    page.navigate(&link).unwrap();
    wait_for_words(&page, "“Hi hié”");
    assert_eq!(shown(&page), dialled, "the same image without a network");
    page.set_value("#word", "Hi you").unwrap();
    page.wait_for("document.querySelector('#error')?.dataset.code === 'unreachable'", PATIENCE).unwrap();
}

#[test]
fn the_model_is_taken_apart_step_by_step_and_matrix_by_matrix() {
    let server = site(None);
    let link = "/?backend=cpu#view=apart&class=A&show=beside&steps=4";
    let (_browser, page) = open(Gpu::NoAdapter, &server.url(link));
    wait_for_words(&page, "learngene alone, A");
    page.wait_for("document.querySelector('#frame')?.max === '3'", PATIENCE).unwrap();
    page.click("#measure").unwrap();
    page.wait_for("document.querySelectorAll('.cell').length === 30", PATIENCE).unwrap();
    page.click(".cell").unwrap();
    page.wait_for(
        "document.querySelector('#formula').innerText.startsWith('Layer 1, qkv: y = x·L')",
        PATIENCE,
    )
    .unwrap();
    // With every part turned down, the tailor adds nothing: both images are the learngene's.
    let halves = |page: &Page| {
        let both = shown(page);
        let (left, right) = both.split_at(both.len() / 2);
        left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(halves(&page) > 0.5);
    page.eval("document.querySelector('.parts').open = true").unwrap();
    for part in ["1", "2", "3", "4", "5", "6", "label"] {
        page.set_value(&format!("#part-{part}"), "0").unwrap();
    }
    page.wait_for("location.hash.includes('part=1:0,2:0,3:0,4:0,5:0,6:0,label:0')", PATIENCE).unwrap();
    wait_for_words(&page, "learngene alone, A, turned down in parts");
    assert!(halves(&page) < 1e-3, "{}", halves(&page));
    page.click("#whole").unwrap();
    page.wait_for("!location.hash.includes('part=')", PATIENCE).unwrap();
    // A link of before there were versions still means the same image.
    page.navigate(&server.url("/?backend=cpu#class=A&seed=7&steps=4")).unwrap();
    wait_for_image(&page);
    let old = shown(&page);
    assert!(page.network().iter().any(|r| r.url.contains("/galleries/letters/latin-capital-a-")));
    page.navigate(&server.url("/?backend=cpu&gallery=galleries/letters/#v=1&class=A&seed=7&steps=4"))
        .unwrap();
    wait_for_image(&page);
    assert_eq!(shown(&page), old);
    // Another language, chosen at the page's foot, also changes what stands around the program.
    page.set_value("#language", "de").unwrap();
    wait_for_words(&page, "A, Startwert 7");
    let around = "document.documentElement.lang === 'de' && \
        document.querySelector('.lede').innerText.startsWith('Ein Learngene')";
    page.wait_for(around, PATIENCE).unwrap();
    assert_eq!(text(&page, "document.querySelector('#generate').innerText"), "Erzeugen");
    page.set_value("#language", "en").unwrap();
    wait_for_words(&page, "A, seed 7");
    page.wait_for("document.querySelector('.lede').innerText.startsWith('One learngene')", PATIENCE).unwrap();
}

/// Every view that a designer looks at: its name, and its link behind `?gallery=galleries/`.
const VIEWS: [(&str, &str); 9] = [
    ("word", "letters2/#v=1&view=word&word=Hello you&seed=7"),
    ("make", "letters2/#v=1&class=A&seed=7"),
    ("apart", "letters2/#v=1&view=apart&class=A&dial=A:0.6&show=beside&seed=7"),
    ("parts", "letters2/#v=1&view=apart&class=A&part=3:0,qkv:0.5&show=beside&seed=7"),
    ("teach", "letters2/#v=1&view=teach"),
    ("device", "letters2/#v=1&view=device"),
    ("fashion", "fashion/#v=1&seed=7"),
    ("avatars", "avatars/#v=1&view=apart&show=classes&seed=7"),
    ("icons", "icons/#v=1&class=house&seed=7"),
];

/// Opens a page in a theme.
fn open_in(browser: &Browser, url: &str, theme: &str) -> Page {
    let page = browser.page().unwrap();
    let scheme = serde_json::json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
    page.call("Emulation.setEmulatedMedia", scheme).unwrap();
    page.navigate(url).unwrap();
    page
}

/// Opens a view in a theme, and waits until everything stands there.
fn open_view(browser: &Browser, url: &str, name: &str, theme: &str) -> Page {
    let page = open_in(browser, url, theme);
    wait_for_image(&page);
    if name == "teach" {
        page.wait_for("document.querySelector('#teach-status')?.innerText", PATIENCE).unwrap();
    }
    page
}

/// Takes the pictures of every view that the README shows and a designer looks at.
#[test]
#[ignore = "takes pictures, for people to look at; see `just screenshots`"]
fn screenshots() {
    let server = site(None);
    let folder = root().join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    for (name, link) in VIEWS {
        for theme in ["light", "dark"] {
            let page = open_view(&browser, &server.url(&format!("/?gallery=galleries/{link}")), name, theme);
            for (width, height) in [(360, 740), (1280, 800), (1920, 1080)] {
                let file = folder.join(format!("{name}-{width}-{theme}.png"));
                page.screenshot(&file, width, height, 1.0).unwrap();
            }
            page.close().unwrap();
        }
    }
    println!("{}", folder.display());
}

/// Applies the rules of axe-core, its experimental ones too, to every view and lesson.
#[test]
#[ignore = "needs axe-core; see `just axe`"]
fn no_view_breaks_a_rule_of_accessibility() {
    let file = std::env::var("TAILOR_AXE").expect("TAILOR_AXE names the file axe.min.js");
    let axe = std::fs::read_to_string(&file).unwrap();
    let server = site(None);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let rules = "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', \
        'best-practice', 'experimental'] }).then((found) => ({ passes: found.passes.length, \
        broken: found.violations.map((rule) => rule.id + ': ' + \
            rule.nodes.map((node) => node.target.join(' ')).join(', ')) }))";
    let mut broken = Vec::new();
    let mut look = |page: &Page, name: &str, theme: &str| {
        for (width, height) in [(360, 740), (1280, 800)] {
            page.resize(width, height, 1.0).unwrap();
            let found = page.eval(&format!("{axe};\n{rules}")).unwrap();
            // A page that did not load would break no rule.
            assert!(found["passes"].as_u64().unwrap() > 10, "{name}: {found}");
            for rule in found["broken"].as_array().unwrap() {
                broken.push(format!("{name}, {width} px, {theme}: {}", rule.as_str().unwrap()));
            }
        }
    };
    for theme in ["light", "dark"] {
        for (name, link) in VIEWS {
            let url = server.url(&format!("/?gallery=galleries/{link}"));
            let page = open_view(&browser, &url, name, theme);
            look(&page, name, theme);
            page.close().unwrap();
        }
        for lesson in 1..=3 {
            let page = open_in(&browser, &server.url(&format!("/lessons/{lesson}.html")), theme);
            look(&page, &format!("lesson {lesson}"), theme);
            page.close().unwrap();
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
