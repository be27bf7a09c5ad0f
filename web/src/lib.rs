//! `tailor` in the browser: an engine in a worker, and the page that drives it.
//!
//! Three downloads come from this crate, each with its own feature and binary:
//!
//! | feature | binary | what it is |
//! |---|---|---|
//! | `page` | `page` | the studio (Leptos) and the embedding API, [`embed`] |
//! | `cpu` | `engine-cpu` | the engine on WASM SIMD; small, so it makes the first image |
//! | `gpu` | `engine-gpu` | the engine on WebGPU; streams in behind it where there is an adapter |
//!
//! Page and engine share nothing but [`protocol`].
#![forbid(unsafe_code)]

pub mod address;
pub mod link;
pub mod protocol;

#[cfg(feature = "page")]
pub mod embed;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "page")]
pub mod page;

/// Bytes that the resources of a page or worker took from the network, as far as the browser tells.
#[cfg(any(feature = "engine", feature = "page"))]
fn network_bytes(clock: Option<web_sys::Performance>) -> u64 {
    use wasm_bindgen::JsCast as _;
    let Some(clock) = clock else { return 0 };
    let size = |entry: wasm_bindgen::JsValue| {
        entry.unchecked_into::<web_sys::PerformanceResourceTiming>().transfer_size()
    };
    clock.get_entries_by_type("resource").iter().map(size).sum::<f64>() as u64
}
