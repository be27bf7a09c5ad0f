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
#[cfg(any(feature = "engine", feature = "page"))]
mod traffic;
