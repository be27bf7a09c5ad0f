//! The page's own files: when they do not come, it says in words what is wrong, and what can be done without
//! is done without.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tailor_tests::chromium::{Browser, Gpu, Page};
use tailor_tests::server::{Fault, Server};

const PATIENCE: Duration = Duration::from_secs(300);
/// The shortest way to an image.
const ONE_STEP: &str = "#class=A&seed=7&steps=1";

fn dist() -> PathBuf {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("web/dist");
    assert!(dist.join("page_bg.wasm").exists(), "the site is not built; run: just site");
    dist
}

fn site() -> Server {
    Server::start(&[("/", dist())]).unwrap()
}

fn visit(browser: &Browser, url: &str) -> Page {
    let page = browser.page().unwrap();
    page.navigate(url).unwrap();
    page
}

/// What the page says once it has given up.
fn refusal(page: &Page) -> String {
    page.wait_for("document.body.dataset.state === 'failed'", PATIENCE).unwrap();
    status(page)
}

fn status(page: &Page) -> String {
    page.eval("document.querySelector('#status').innerText").unwrap().as_str().unwrap().to_owned()
}

fn wait_for_image(page: &Page) {
    page.wait_for("['done', 'failed'].includes(document.body.dataset.state)", PATIENCE).unwrap();
    let state = page.eval("document.body.dataset.state + ': ' + document.body.innerText").unwrap();
    assert!(state.as_str().unwrap().starts_with("done"), "{state}\n{}", page.console().join("\n"));
}

/// The names of the engines' scripts that the page asked for, in order. An engine's own helpers ask for the
/// script that it came from once more.
fn asked(page: &Page) -> Vec<String> {
    let name = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    let names = page.network().into_iter().map(|response| name(&response.url));
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with("engine-") && name.ends_with(".js")).collect();
    names.dedup();
    names
}

#[test]
fn a_page_opened_as_a_file_says_that_it_needs_a_server() {
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = visit(&browser, &format!("file://{}", dist().join("index.html").display()));
    let words = refusal(&page);
    assert!(words.contains("opened as a file") && words.contains("tailor serve"), "{words}");
}

#[test]
fn a_file_of_the_page_that_does_not_come_as_it_should_is_named_with_what_is_wrong() {
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    for (file, fault, parts) in [
        ("/page.js", Fault::Status(404), ["page.js", "status 404"]),
        ("/page.js", Fault::Type("text/plain"), ["page.js as “text/plain”", "text/javascript"]),
        ("/page.js", Fault::WebPage, ["page.js as “text/html", "text/javascript"]),
        ("/page_bg.wasm", Fault::Status(404), ["page_bg.wasm", "status 404"]),
        ("/page_bg.wasm", Fault::Status(503), ["page_bg.wasm", "status 503"]),
        ("/page_bg.wasm", Fault::FlipByte(2), ["did not start", "Load the page again"]),
    ] {
        let server = site();
        server.set_fault(file, fault.clone());
        let page = visit(&browser, &server.url("/"));
        let words = refusal(&page);
        assert!(parts.iter().all(|part| words.contains(part)), "{fault:?}: {words}");
        assert!(!words.contains("SIMD"), "{words}");
        page.close().unwrap();
    }
}

#[test]
fn a_program_sent_under_another_type_is_run_all_the_same() {
    let server = site();
    server.set_fault("/page_bg.wasm", Fault::Type("application/octet-stream"));
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    wait_for_image(&visit(&browser, &server.url(&format!("/?backend=cpu{ONE_STEP}"))));
}

#[test]
fn a_page_whose_first_script_does_not_come_still_says_so() {
    let server = site();
    server.set_fault("/start.js", Fault::Status(404));
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = visit(&browser, &server.url("/"));
    let visible = "getComputedStyle(document.querySelector('#status')).visibility";
    assert_eq!(page.eval(visible).unwrap(), "hidden", "it may still come");
    page.wait_for(&format!("{visible} === 'visible'"), PATIENCE).unwrap();
    assert!(status(&page).contains("has not arrived"));
}

#[test]
fn a_sandboxed_frame_is_told_so_unless_its_server_lets_it_read() {
    let server = site();
    // The same as a frame with sandbox="allow-scripts": a page without an origin.
    let index = Fault::Header("Content-Security-Policy: sandbox allow-scripts");
    server.set_fault("/", index.clone());
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let url = server.url(&format!("/?backend=cpu{ONE_STEP}"));
    let page = visit(&browser, &url);
    let words = refusal(&page);
    assert!(words.contains("cut off from its own site") && words.contains(&url), "{words}");
    page.close().unwrap();
    server.share();
    wait_for_image(&visit(&browser, &url));
}

#[test]
fn a_policy_that_forbids_webassembly_is_named_and_a_strict_one_that_allows_it_will_do() {
    let server = site();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    server.set_fault("/", Fault::Header("Content-Security-Policy: default-src 'self'"));
    let page = visit(&browser, &server.url("/"));
    let words = refusal(&page);
    assert!(words.contains("security policy") && words.contains("'wasm-unsafe-eval'"), "{words}");
    page.close().unwrap();
    let strict = "Content-Security-Policy: default-src 'none'; style-src 'self'; connect-src 'self'; \
                  script-src 'self' 'wasm-unsafe-eval'; worker-src blob:";
    server.set_fault("/", Fault::Header(strict));
    wait_for_image(&visit(&browser, &server.url(&format!("/?backend=cpu{ONE_STEP}"))));
}

#[test]
fn the_page_brings_its_own_policy_which_runs_nothing_but_its_own_files_and_stops_none_of_them() {
    let server = site();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = visit(&browser, &server.url(&format!("/?backend=cpu{ONE_STEP}")));
    wait_for_image(&page);
    let policy = "document.querySelector('meta[http-equiv=Content-Security-Policy]').content";
    let policy = page.eval(policy).unwrap().as_str().unwrap().to_owned();
    let part = |name: &str| policy.split("; ").find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
    assert_eq!(
        (part("default-src "), part("script-src ")),
        ("'none'".into(), "'self' 'wasm-unsafe-eval'".into())
    );
    for view in ["word", "apart", "teach", "device", "make"] {
        page.click(&format!("#tab-{view}")).unwrap();
        page.wait_for(&format!("document.body.dataset.view === '{view}'"), PATIENCE).unwrap();
        wait_for_image(&page);
    }
    page.wait_for("navigator.serviceWorker.controller || navigator.serviceWorker.ready", PATIENCE).unwrap();
    let refused = |page: &Page| {
        page.console().into_iter().filter(|line| line.contains("Content Security Policy")).collect::<Vec<_>>()
    };
    assert_eq!(refused(&page), [""; 0]);
    let foreign = "(async () => {
        const script = document.createElement('script');
        script.textContent = 'globalThis.inline = true';
        document.body.append(script);
        setTimeout('globalThis.compiled = true');
        await new Promise((resolve) => setTimeout(resolve, 100));
        return [globalThis.inline, globalThis.compiled].includes(true);
    })()";
    assert_eq!(page.eval(foreign).unwrap(), false);
    assert!(!refused(&page).is_empty(), "so a refusal is seen above");
}

#[test]
fn the_relaxed_engine_is_asked_for_first_and_the_plain_one_where_that_is_not_there() {
    let server = site();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = visit(&browser, &server.url(&format!("/?backend=cpu{ONE_STEP}")));
    wait_for_image(&page);
    assert_eq!(asked(&page), ["engine-cpu-relaxed.js"], "every Chromium since 114 has relaxed SIMD");
    page.close().unwrap();
    let page = visit(&browser, &server.url(&format!("/?backend=cpu-simd{ONE_STEP}")));
    wait_for_image(&page);
    assert_eq!(asked(&page), ["engine-cpu.js"]);
    page.close().unwrap();
    for file in ["/engine-cpu-relaxed.js", "/engine-cpu-relaxed_bg.wasm"] {
        let server = site();
        server.set_fault(file, Fault::Status(404));
        let page = visit(&browser, &server.url(&format!("/?backend=cpu{ONE_STEP}")));
        wait_for_image(&page);
        assert_eq!(asked(&page), ["engine-cpu-relaxed.js", "engine-cpu.js"], "{file}");
        page.close().unwrap();
    }
}

#[test]
fn an_engine_that_is_not_on_the_server_is_named_and_asked_for_again() {
    let server = site();
    server.set_fault("/engine-cpu_bg.wasm", Fault::Status(404));
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = visit(&browser, &server.url(&format!("/?backend=cpu-simd{ONE_STEP}")));
    refusal(&page);
    let words = page.eval("document.querySelector('#error').innerText").unwrap();
    assert!(words.as_str().unwrap().contains("engine-cpu_bg.wasm is not on the server"), "{words}");
    assert_eq!(page.eval("document.querySelector('#error').dataset.code").unwrap(), "engine");
    server.set_fault("/engine-cpu_bg.wasm", None);
    page.click("#remedy").unwrap();
    wait_for_image(&page);
}

#[test]
fn a_webgpu_engine_that_is_still_being_built_leaves_the_studio_at_work_on_the_cpu() {
    let server = site();
    for file in ["/engine-gpu.js", "/engine-gpu_bg.wasm"] {
        server.set_fault(file, Fault::Status(404));
    }
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    // An adapter that claims to be real; nothing but its name is ever asked for.
    let adapter = "Object.defineProperty(navigator, 'gpu', { value: {
        requestAdapter: async () => ({ info: { vendor: 'acme', architecture: 'one' } }) } });";
    page.call("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": adapter })).unwrap();
    page.navigate(&server.url(&format!("/{ONE_STEP}"))).unwrap();
    wait_for_image(&page);
    let line = "document.querySelector('#backend').innerText";
    page.wait_for(&format!("{line}.includes('still being built')"), PATIENCE).unwrap();
    let words = page.eval(line).unwrap();
    assert!(words.as_str().unwrap().contains("(acme one)"), "{words}");
    assert_eq!(page.eval("document.body.dataset.state").unwrap(), "done");
    page.click(".class[data-class='latin-capital-b']").unwrap();
    page.wait_for("document.querySelector('#status').innerText.startsWith('B')", PATIENCE).unwrap();
    assert_eq!(page.eval("document.querySelector('#backend').dataset.backend").unwrap(), "cpu");
}

#[test]
fn a_webgpu_engine_that_was_asked_for_before_it_is_built_offers_the_cpu() {
    let server = site();
    for file in ["/engine-gpu.js", "/engine-gpu_bg.wasm"] {
        server.set_fault(file, Fault::Status(404));
    }
    let browser = Browser::launch(Gpu::Software).unwrap();
    let page = visit(&browser, &server.url(&format!("/?backend=gpu{ONE_STEP}")));
    refusal(&page);
    let words = page.eval("document.querySelector('#error').innerText").unwrap();
    assert!(words.as_str().unwrap().contains("still being built"), "{words}");
    page.click("#remedy").unwrap();
    wait_for_image(&page);
}
