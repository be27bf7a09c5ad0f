//! `tailor` in the browser: engines that run in workers, and the page that drives them.
//!
//! The page opens a *gallery*: a folder on a web server with a *learngene*, the part of an image
//! generator that all classes share, and one *pack* for each class. A pack holds the class's
//! *tailor*, which is what the class adds to the learngene. The method is KIND, *Knowledge
//! Integration and Diversion* (Xie et al., ICML 2025,
//! <https://proceedings.mlr.press/v267/xie25d.html>). The engines download the files that are
//! needed, verify them with `tailor-packs`, and compute images with `tailor-core`.
//!
//! The crate is built into seven programs, each with its own feature and binary:
//!
//! | feature | binary | what it is |
//! |---|---|---|
//! | `page` | `page` | the studio (Leptos) |
//! | `cpu` | `engine-cpu-relaxed` | the engine for the processor, with relaxed WASM SIMD; small, so it makes the first image |
//! | `cpu` | `engine-cpu` | the same without relaxed SIMD, for browsers that lack it |
//! | `teach` | `teach` | the view in which a visitor teaches a class; loaded when it is opened |
//! | `teacher` | `teacher-relaxed`, `teacher` | teaches it, in workers; with and without relaxed SIMD |
//! | `gpu` | `engine-gpu` | the engine for WebGPU; loaded after the first image, where there is an adapter |
//!
//! Page and engine exchange nothing but the messages in [`protocol`].
#![forbid(unsafe_code)]
#![cfg_attr(feature = "gpu", deny(warnings))]

pub mod address;
pub mod failure;
pub mod link;
pub mod protocol;
pub mod teaching;

#[cfg(feature = "engine")]
pub mod engine;
pub mod page;
#[cfg(any(feature = "page", feature = "cpu", feature = "teach"))]
mod spawn;
#[cfg(any(feature = "engine", feature = "page", feature = "teach"))]
mod traffic;
