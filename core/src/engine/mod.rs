//! The network and its gradients on a processor, written out by hand on plain slices: natively on threads,
//! in a browser in WASM.
//!
//! | module | what it holds |
//! |---|---|
//! | [`layout`] | where every tensor lies in the flat parameters of a config |
//! | [`kernels`] | matrix products and the loops between them |
//! | `forward` | the network, once, for training and for sampling |
//! | [`backward`] | its gradients |
//! | [`adamw`] | the step that gradients lead to |
//! | [`sampling`] | a learngene and tailors made ready to predict |
//!
//! Burn's graph (`tailor_core::graph`) is the specification: tests hold gradients and images to it. One image
//! at a time goes all the way through while its activations lie in the cache; images are spread over threads.

pub mod adamw;
pub mod backward;
mod forward;
pub mod kernels;
pub mod layout;
mod pool;
pub mod sampling;

pub use layout::Network;
pub use pool::{Gradients, Pool, Sample};
pub use sampling::Model;
