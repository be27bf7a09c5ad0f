//! The altered packs of `tailor-packs/tests/alterations.rs` once more, as WebAssembly in a real browser: no trap, and
//! exactly as many refused as on this machine. `TAILOR_MUTANTS=100000` tries more of the random ones.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

#[path = "../../tailor-packs/tests/support/mutants.rs"]
mod mutants;
#[path = "../../tailor-packs/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::Duration;

use mutants::Tally;
use serde_json::json;
use tailor_packs::Index;
use tailor_tests::chromium::{Browser, Gpu};
use tailor_tests::server::Server;

/// Long enough for a hundred thousand on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1800);

const PAGE: &str = "<!doctype html><title>mutants</title><script>
  const done = [];
  let failed = null;
  const worker = new Worker('worker.js', { type: 'module' });
  worker.onmessage = e => done.push(e.data);
  worker.onerror = e => failed = e.message ?? 'no worker';
</script>";

/// In a worker, so that the page can be asked meanwhile.
const WORKER: &str = "
const { instance } = await WebAssembly.instantiateStreaming(fetch('wasm/torture.wasm'));
const pack = new Uint8Array(await (await fetch(`gallery/${path}`)).arrayBuffer());
pack.forEach(byte => instance.exports.push(byte));
for (const [name, ...numbers] of calls) {
  try {
    postMessage(`${instance.exports[name](...numbers) ?? 'nothing'}`);
  } catch (error) {
    postMessage(`${error}`);
  }
}";

#[test]
fn a_browser_refuses_the_same_mutants_without_a_trap() {
    let count: u32 = std::env::var("TAILOR_MUTANTS").map_or(5_000, |n| n.parse().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let wasm = root.join("target/wasm32-unknown-unknown/web/examples");
    assert!(wasm.join("torture.wasm").exists(), "the mutants are not built; run: just mutants-wasm");
    let gallery = root.join("web/galleries/letters");
    let index = Index::parse(&std::fs::read(gallery.join("index.json")).unwrap()).unwrap();
    let path = &index.classes[0].file.path;
    let pack = std::fs::read(gallery.join(path)).unwrap();

    // Of no bytes at all one mutant is the original, which is no pack: a panic that must be seen as a trap.
    let calls = json!([
        ["systematic"],
        ["random", 11, count],
        ["random_pack", 12, count / 10],
        ["clear"],
        ["random_pack", 13, 1000],
    ]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), PAGE).unwrap();
    let script = format!("const path = {}, calls = {calls};\n{WORKER}", json!(path));
    std::fs::write(folder.path().join("worker.js"), script).unwrap();
    let mounts = [("/wasm/", wasm.as_path()), ("/gallery/", &gallery), ("/", folder.path())];
    let server = Server::start(&mounts).unwrap();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    page.navigate(&server.url("/")).unwrap();

    // While the browser is at it.
    let here = [
        mutants::systematic(),
        mutants::random(11, count.into()),
        mutants::random_packs(&pack, 12, (count / 10).into()),
    ];
    page.wait_for("failed !== null || done.length === 5", PATIENCE).unwrap();
    let found = page.eval("failed === null ? done : [failed]").unwrap();
    let found: Vec<&str> = found.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(found.len(), 5, "{found:?}");
    for (number, (there, here)) in found.iter().zip(here).enumerate() {
        let both: u64 = there.parse().unwrap_or_else(|_| panic!("{}: {there}", calls[number]));
        assert_eq!(Tally { tried: both >> 32, refused: both & 0xffff_ffff }, here, "{}", calls[number]);
        println!("{} in Chromium and here: {here:?}", calls[number]);
    }
    assert_eq!(found[3], "nothing");
    assert!(found[4].starts_with("RuntimeError"), "{} instead of a trap", found[4]);
}
