//! Measures what a program of the page downloaded, and the memory that it takes.

use wasm_bindgen::JsCast as _;

/// Returns the bytes of this program's WebAssembly memory, which grows and never shrinks.
pub(crate) fn memory_bytes() -> u64 {
    let memory = wasm_bindgen::memory().unchecked_into::<js_sys::WebAssembly::Memory>();
    // As a number of its own: 4 GiB are one more than the bindings' number of bytes holds.
    let bytes = js_sys::Reflect::get(&memory.buffer(), &"byteLength".into());
    bytes.ok().and_then(|bytes| bytes.as_f64()).unwrap_or_default() as u64
}

/// Counts the bytes that the resources of a page or worker took from the network, as far as the
/// browser tells.
#[cfg(any(feature = "engine", feature = "page"))]
pub(crate) fn network_bytes(clock: Option<web_sys::Performance>) -> u64 {
    let Some(clock) = clock else { return 0 };
    let size = |entry: wasm_bindgen::JsValue| {
        entry.unchecked_into::<web_sys::PerformanceResourceTiming>().transfer_size()
    };
    clock.get_entries_by_type("resource").iter().map(size).sum::<f64>() as u64
}
