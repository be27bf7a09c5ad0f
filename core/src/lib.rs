//! Computes diffusion models that come apart: their network, its gradients, and sampling.
//!
//! The method is KIND, *Knowledge Integration and Diversion* (Xie et al., ICML 2025,
//! <https://proceedings.mlr.press/v267/xie25d.html>). It trains one network in parts: the
//! **learngene**, which all classes share, and for each class a **tailor**, a few extra components
//! for its matrices and a label. To draw a class, its tailor is put onto the learngene. Tailors are
//! published as **packs**, files that the crate `tailor-packs` reads; a learngene with its packs is
//! a **gallery**.
//!
//! | module | what it holds |
//! |---|---|
//! | [`diffusion`] | paths, samplers, noise, and a run of sampling, for any engine |
//! | [`distillation`] | how a network is drawn towards another |
//! | [`engine`] | the network and its gradients on a processor, on plain slices, natively and in WASM |
//! | `graph` (feature `graph`) | the same network in Burn: the specification for the engine, and what GPUs run |
//! | [`model`] | the tailors that are put onto a learngene, and errors about those that do not fit |
//! | [`teaching`] | a class of one's own for a frozen learngene, from a handful of pictures |
//!
//! The crate names no kind of device, and touches no files, network or clock.
//!
//! Shape letters: `B` batch, `T` tokens, `D` model width, `r` components, `G` learngene components,
//! `N` components per tailor, `S` gathered components, `K` classes, `C,H,W` image, `L` layers.

pub mod diffusion;
pub mod distillation;
pub mod embedding;
pub mod engine;
#[cfg(feature = "graph")]
pub mod graph;
pub mod init;
pub mod model;
pub mod teaching;
pub mod threads;

pub use diffusion::sampler::{Sampler, UnknownSampler};
pub use diffusion::sampling::{Guide, Item, Predict, SampleRun, SampleSettings};
pub use model::ModelError;
