//! Measures what a page or a worker downloaded.

use wasm_bindgen::JsCast as _;

/// Counts the bytes that the resources of a page or worker took from the network, as far as the
/// browser tells.
pub(crate) fn network_bytes(clock: Option<web_sys::Performance>) -> u64 {
    let Some(clock) = clock else { return 0 };
    let size = |entry: wasm_bindgen::JsValue| {
        entry.unchecked_into::<web_sys::PerformanceResourceTiming>().transfer_size()
    };
    clock.get_entries_by_type("resource").iter().map(size).sum::<f64>() as u64
}
