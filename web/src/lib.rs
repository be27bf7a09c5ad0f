//! `tailor` in the browser: an engine in a worker, and the page that drives it.
//!
//! These downloads come from this crate, each with its own feature and binary:
//!
//! | feature | binary | what it is |
//! |---|---|---|
//! | `page` | `page` | the studio (Leptos) and the embedding API, `embed` |
//! | `cpu` | `engine-cpu-relaxed` | the engine on relaxed WASM SIMD; small, so it makes the first image |
//! | `cpu` | `engine-cpu` | the same without relaxed SIMD, for browsers that lack it |
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
pub mod page;
#[cfg(any(feature = "engine", feature = "page"))]
mod traffic;
