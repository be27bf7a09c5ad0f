//! Computes the network and its gradients on a processor, written out by hand on plain slices:
//! natively on threads, in a browser in WebAssembly.
//!
//! | module | what it holds |
//! |---|---|
//! | [`layout`] | where every tensor lies in the flat parameters of a config |
//! | [`kernels`] | matrix products and the loops between them |
//! | `forward` | the network's prediction, the same code for training and for sampling |
//! | [`backward`] | its gradients |
//! | `loss` | what training minimises |
//! | `orthogonality` | a term that keeps components apart |
//! | [`adamw`] | the optimiser's step |
//! | [`sampling`] | a learngene with tailors, prepared to predict |
//!
//! Burn's graph (`tailor_core::graph`) is the specification: tests compare gradients and images
//! with it. Each image goes all the way through the network by itself, so that its activations stay
//! in the cache; threads share the images of a batch.

pub mod adamw;
pub mod backward;
mod forward;
pub mod kernels;
pub mod layout;
mod loss;
mod merged;
pub(crate) mod orthogonality;
mod outputs;
mod pool;
pub mod sampling;

pub use layout::Network;
pub use pool::{Features, Gradients, Pool, Sample};
pub use sampling::Model;
