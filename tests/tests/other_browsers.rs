//! Firefox and WebKitGTK: each makes the image that this machine makes, teaches a class, and goes on without a network.

use std::time::Duration;

use crate::support::{STEPS, assert_same_image, drawings, in_base64, letters, made_here, root};
use base64::Engine as _;
use tailor_packs::{Index, read_tailor};
use tailor_tests::server::Server;
use tailor_tests::webdriver::{Kind, Window};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(200);

fn text(window: &Window, selector: &str) -> String {
    let found = window.eval(&format!("document.querySelector('{selector}')?.innerText ?? ''")).unwrap();
    found.as_str().unwrap().to_owned()
}

fn wait_for_image(window: &Window) {
    window.wait_for("['done', 'failed'].includes(document.body.dataset.state)", PATIENCE).unwrap();
    let state = window.eval("document.body.dataset.state").unwrap();
    assert_eq!(state, "done", "{}", text(window, "body"));
}

fn shown(window: &Window) -> Vec<f32> {
    let values = window.eval("import('/page.js').then((page) => Array.from(page.shown()))").unwrap();
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

fn wait_for_phase(window: &Window, phase: &str) {
    window
        .wait_for(&format!("document.querySelector('.teach')?.dataset.phase === '{phase}'"), PATIENCE)
        .unwrap();
}

/// The site without the page's security policy, which forbids the scripts with which a driver of these browsers reaches
/// the page's own modules. That the policy stops nothing of the page is tested in Chromium.
fn without_policy() -> TempDir {
    let (site, dist) = (tempfile::tempdir().unwrap(), root().join("web/dist"));
    for entry in std::fs::read_dir(&dist).unwrap() {
        let name = entry.unwrap().file_name();
        std::os::unix::fs::symlink(dist.join(&name), site.path().join(&name)).unwrap();
    }
    let page = std::fs::read_to_string(dist.join("index.html")).unwrap();
    let lines = page.lines().filter(|line| !line.contains("Content-Security-Policy"));
    let fewer: Vec<&str> = lines.collect();
    assert_eq!(fewer.len() + 1, page.lines().count(), "the policy is one line of the page");
    for name in ["index.html", "index.html.br"] {
        std::fs::remove_file(site.path().join(name)).unwrap();
    }
    std::fs::write(site.path().join("index.html"), fewer.join("\n")).unwrap();
    site
}

/// What works in every browser.
fn works_in(kind: Kind) {
    let site = without_policy();
    let server = Server::start(&[("/", site.path().to_owned())]).unwrap();
    let window = Window::launch(kind).unwrap();
    window
        .navigate(&server.url(&format!("/?backend=cpu#class=latin-capital-a&seed=7&steps={STEPS}")))
        .unwrap();
    wait_for_image(&window);
    let image = shown(&window);
    assert_same_image(&image, &made_here(&letters(), "latin-capital-a", 7), &format!("{kind:?}"));
    let keeps = window.eval("!!navigator.storage?.getDirectory").unwrap() == true;
    println!("{kind:?} keeps files: {keeps}");

    // Taught through the page, from files.
    window.eval("document.querySelector('#tab-teach').click()").unwrap();
    wait_for_phase(&window, "gathering");
    window.choose("#teach-files", &drawings("greek-small-omega")).unwrap();
    window.wait_for("document.querySelectorAll('.thumbnails li').length === 20", PATIENCE).unwrap();
    window
        .eval(
            "(() => {
                document.querySelector('details.more').open = true;
                for (const [field, value] of [['#teach-name', 'Omega of mine'], ['#teach-steps', '3']]) {
                    const input = document.querySelector(field);
                    input.value = value;
                    for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind, { bubbles: true }));
                }
            })()",
        )
        .unwrap();
    window.wait_for("!document.querySelector('#teach-begin').disabled", PATIENCE).unwrap();
    window.eval("document.querySelector('#teach-begin').click()").unwrap();
    wait_for_phase(&window, "ended");
    window.eval("document.querySelector('#teach-save').click()").unwrap();
    wait_for_phase(&window, "saved");
    if keeps {
        window.eval("document.querySelector('#teach-make').click()").unwrap();
        window
            .wait_for("document.querySelector('#status')?.innerText.startsWith('Omega of mine')", PATIENCE)
            .unwrap();
        wait_for_image(&window);
    } else {
        // Where nothing is kept, the pack has to be saved as a file, and the page says so.
        assert!(text(&window, ".teach").contains("could not keep it"), "{}", text(&window, ".teach"));
        assert_eq!(text(&window, "#teach-status"), "The pack is made.");
    }

    // Taught through the JavaScript API by another page, since one tab teaches at a time: the pack is one that any reader takes.
    window.navigate(&server.url("/lessons/1.html")).unwrap();
    let pictures = in_base64(&drawings("greek-small-omega"));
    let pack = window
        .eval(&format!(
            "(async () => {{
                const {{ createEngine }} = await import('/tailor.js');
                const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
                const pictures = {pictures:?}.map((text) => new Blob([bytes(text)], {{ type: 'image/png' }}));
                const engine = await createEngine({{ gallery: '/galleries/letters/' }});
                let pack = '';
                for await (const event of engine.teach({{ name: 'Omega', pictures, steps: 3 }})) {{
                    for (const byte of event.pack ?? []) pack += String.fromCharCode(byte);
                }}
                engine.dispose();
                return btoa(pack);
            }})()"
        ))
        .unwrap();
    let pack = base64::engine::general_purpose::STANDARD.decode(pack.as_str().unwrap()).unwrap();
    let index = Index::parse(&std::fs::read(letters().join("index.json")).unwrap()).unwrap();
    let pack = read_tailor(&pack, Some((&index.learngene.sha256, &index.config))).unwrap();
    assert_eq!(pack.manifest.class().unwrap().name, "Omega");

    // Without a network: what was fetched is there.
    let active = "navigator.serviceWorker.getRegistrations().then((all) => all.some((one) => one.active))";
    window.wait_for(active, PATIENCE).unwrap();
    let asks =
        "caches.keys().then((all) => Promise.all(all.map((name) => caches.open(name).then((c) => c.keys()))))
        .then((all) => all.flat().some((request) => request.url.endsWith('page_bg.wasm')))";
    window.wait_for(asks, PATIENCE).unwrap();
    let url = server.url(&format!("/?backend=cpu#class=latin-capital-a&seed=7&steps={STEPS}"));
    drop(server);
    window.navigate("about:blank").unwrap();
    window.navigate(&url).unwrap();
    wait_for_image(&window);
    assert_eq!(shown(&window), image);
}

#[test]
#[ignore = "needs Firefox; `just other-browsers` runs it"]
fn firefox_draws_teaches_and_goes_on_without_a_network() {
    works_in(Kind::Firefox);
}

#[test]
#[ignore = "needs WebKitGTK; `just other-browsers` runs it"]
fn webkit_draws_teaches_and_goes_on_without_a_network() {
    works_in(Kind::WebKit);
}
