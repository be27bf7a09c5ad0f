//! The model that comes apart and its mathematics.
//!
//! | module | what it holds |
//! |---|---|
//! | [`diffusion`] | paths, samplers, noise, and a run of sampling, for any engine |
//! | [`engine`] | the network and its gradients on a processor, on plain slices, natively and in WASM |
//! | `graph` (feature `graph`) | the same network as Burn's graph: the specification, and the engine of GPUs |
//! | [`model`] | the tailors that are put onto a learngene, and what is wrong with those that do not fit |
//!
//! Nothing here names a kind of device, touches files, the network or a clock.
//!
//! Shape letters: `B` batch, `T` tokens, `D` model width, `r` components, `G` learngene components,
//! `N` components per tailor, `S` gathered components, `K` classes, `C,H,W` image, `L` layers.

pub mod diffusion;
pub mod embedding;
pub mod engine;
#[cfg(feature = "graph")]
pub mod graph;
pub mod init;
pub mod model;
pub mod threads;

pub use diffusion::sampler::{Sampler, UnknownSampler};
pub use diffusion::sampling::{Item, Predict, SampleSettings, Sampling};
pub use model::ModelError;
