//! The harness is itself under test: a browser test is only as good as the logs it reads.

use std::{fs, time::Duration};

use tailor_tests::{
    Error,
    chromium::{Browser, Gpu, Page},
    server::{Fault, Server},
};

const PAGE: &str = r#"<!doctype html><title>harness</title>
<input id="name"><button id="go" onclick="document.title = document.querySelector('#name').value">go</button>
<p id="heard"></p><p id="worker"></p>
<script>
  document.querySelector('#name').addEventListener('input', e => heard.textContent = e.target.value);
  const engine = new Worker('worker.js', { type: 'module' });
  engine.onmessage = e => document.querySelector('#worker').textContent = e.data;
  console.log('page', { up: true }, 7);
</script>"#;

const WORKER: &str = r#"console.warn('worker is up');
const answer = await fetch('data/pack.bin').then(r => r.arrayBuffer()).then(b => b.byteLength, e => 'failed: ' + e.message);
postMessage(answer);
const inner = new Worker('inner.js');
inner.onerror = e => e.preventDefault();"#;

const INNER: &str =
    "fetch('data/inner.bin').then(r => r.blob()).then(() => { throw new Error('inner broke') });";

/// A server with the page above: `data/pack.bin` of 10,000 bytes with a `.br` of 40 bytes beside it.
fn site() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("files");
    fs::create_dir(&data).unwrap();
    fs::write(folder.path().join("index.html"), PAGE).unwrap();
    fs::write(folder.path().join("worker.js"), WORKER).unwrap();
    fs::write(folder.path().join("inner.js"), INNER).unwrap();
    fs::write(data.join("pack.bin"), vec![7; 10_000]).unwrap();
    fs::write(data.join("inner.bin"), vec![7; 500]).unwrap();
    let server = Server::start(&[("/data/", data.as_path()), ("/", folder.path())]).unwrap();
    (folder, server)
}

fn open(server: &Server, gpu: Gpu) -> (Browser, Page) {
    let browser = Browser::launch(gpu).unwrap();
    let page = browser.page().unwrap();
    page.navigate(&server.url("/")).unwrap();
    page.wait_for("document.querySelector('#worker').textContent !== ''", Duration::from_secs(30)).unwrap();
    (browser, page)
}

#[test]
fn requests_and_words_of_the_page_its_worker_and_the_workers_worker_are_logged_once_each() {
    let (_folder, server) = site();
    let (_browser, page) = open(&server, Gpu::NoAdapter);
    page.wait_for("true", Duration::ZERO).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !page.console().iter().any(|line| line.contains("inner broke")) {
        assert!(std::time::Instant::now() < deadline, "console: {:#?}", page.console());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(page.console().contains(&"log: page Object 7".into()), "{:#?}", page.console());
    assert!(page.console().contains(&"warning: worker is up".into()), "{:#?}", page.console());

    let network = page.network();
    for (path, body) in [
        ("/", PAGE.len()),
        ("/worker.js", WORKER.len()),
        ("/data/pack.bin", 10_000),
        ("/inner.js", INNER.len()),
        ("/data/inner.bin", 500),
    ] {
        let found: Vec<_> = network.iter().filter(|response| response.url == server.url(path)).collect();
        assert_eq!(found.len(), 1, "{path} in {network:#?}");
        let response = found[0];
        assert_eq!((response.status, response.finished, response.failure.as_deref()), (200, true, None));
        let headers =
            (response.encoded_bytes as usize).checked_sub(body).unwrap_or_else(|| panic!("{network:#?}"));
        assert!(
            (50..600).contains(&headers),
            "{path}: {} bytes for a body of {body}",
            response.encoded_bytes
        );
    }
    let sent: usize =
        server.sent().iter().filter(|sent| sent.path == "/data/pack.bin").map(|sent| sent.body_bytes).sum();
    assert_eq!(sent, 10_000);
}

#[test]
fn clicks_and_typed_values_reach_the_page_as_a_users_would() {
    let (_folder, server) = site();
    let (_browser, page) = open(&server, Gpu::NoAdapter);
    page.set_value("#name", "it's \"A\"").unwrap();
    assert_eq!(page.eval("heard.textContent").unwrap(), "it's \"A\"");
    page.click("#go").unwrap();
    page.wait_for("document.title === 'it\\'s \"A\"'", Duration::from_secs(5)).unwrap();
    assert!(matches!(page.click("#nowhere"), Err(Error::Script { .. })));
}

#[test]
fn scripts_may_return_promises_and_errors_name_the_script() {
    let (_folder, server) = site();
    let (_browser, page) = open(&server, Gpu::NoAdapter);
    assert_eq!(page.eval("(async () => ({ sum: await 1 + 1 }))()").unwrap(), serde_json::json!({ "sum": 2 }));
    let Err(Error::Script { script, message }) = page.eval("Promise.reject(new TypeError('no'))") else {
        panic!("a rejected promise is an error");
    };
    assert!(script.starts_with("Promise") && message.contains("TypeError: no"), "{message}");
    let timeout = page.wait_for("missing.thing", Duration::from_millis(200)).unwrap_err().to_string();
    assert!(timeout.contains("missing is not defined") && timeout.contains("worker is up"), "{timeout}");
}

#[test]
fn a_screenshot_is_a_png_of_the_asked_size() {
    let (folder, server) = site();
    let (_browser, page) = open(&server, Gpu::NoAdapter);
    let path = folder.path().join("shot.png");
    page.screenshot(&path, 320, 200, 2.0).unwrap();
    let png = fs::read(path).unwrap();
    assert_eq!(&png[1..4], b"PNG");
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((side(16), side(20)), (640, 400));
}

#[test]
fn faults_reach_the_browser_and_can_be_taken_back() {
    let (_folder, server) = site();
    let (_browser, page) = open(&server, Gpu::NoAdapter);
    let get = "fetch('data/pack.bin', { cache: 'no-store' }).then(async r => [r.status, ...new Uint8Array(await r.arrayBuffer()).slice(0, 3)])";
    server.set_fault("/data/pack.bin", Fault::FlipByte(1));
    assert_eq!(page.eval(get).unwrap(), serde_json::json!([200, 7, 248, 7]));
    server.set_fault("/data/pack.bin", Fault::Status(503));
    assert_eq!(page.eval(get).unwrap()[0], 503);
    server.set_fault("/data/pack.bin", Fault::Truncate(100));
    assert!(matches!(page.eval(get), Err(Error::Script { .. })));
    // Not the last of all: the worker's worker may still be asking for its own file.
    let log = page.network();
    let answer = log.iter().rfind(|response| response.url.ends_with("/data/pack.bin")).unwrap();
    assert!(answer.failure.is_some(), "{log:#?}");
    server.set_fault("/data/pack.bin", Fault::Hang);
    assert_eq!(
        page.eval(&format!("Promise.race([{get}, new Promise(r => setTimeout(r, 300, 'late'))])")).unwrap(),
        "late"
    );
    server.set_fault("/data/pack.bin", None);
    assert_eq!(page.eval(get).unwrap(), serde_json::json!([200, 7, 7, 7]));
    assert_eq!(page.eval("fetch('data/../../secret').then(r => r.status)").unwrap(), 404);
}

#[test]
fn brotli_files_are_served_to_whoever_takes_them() {
    let (folder, server) = site();
    // An empty brotli stream: one byte that says "last block, nothing in it".
    fs::write(folder.path().join("files/pack.bin.br"), [0x06]).unwrap();
    let (_browser, page) = open(&server, Gpu::NoAdapter);
    assert_eq!(page.eval("document.querySelector('#worker').textContent").unwrap(), "0");
    let sent = server.sent().into_iter().find(|sent| sent.path == "/data/pack.bin").unwrap();
    assert_eq!((sent.brotli, sent.body_bytes), (true, 1));
}

#[test]
fn the_software_adapter_is_there_when_asked_for_and_absent_when_not() {
    let (_folder, server) = site();
    let adapter = "(async () => { const a = await navigator.gpu?.requestAdapter(); return a ? a.info.architecture : null })()";
    let (_browser, page) = open(&server, Gpu::Software);
    assert_eq!(page.eval(adapter).unwrap(), "swiftshader");
    let (_browser, page) = open(&server, Gpu::NoAdapter);
    assert_eq!(page.eval(adapter).unwrap(), serde_json::Value::Null);
}

#[test]
fn a_closed_port_is_a_navigation_error() {
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    assert!(matches!(page.navigate("http://localhost:1/"), Err(Error::Navigation { .. })));
}
