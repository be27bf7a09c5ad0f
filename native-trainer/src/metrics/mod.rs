//! Figures by which sets of images are judged, and the networks in whose features they are found.
//!
//! The figures are plain statistics in f64, each held to its public implementation by `tests/metrics.rs`. The
//! networks need Burn; `tests/networks.rs` holds them to theirs.

pub mod bootstrap;
mod error;
pub mod frechet;
pub mod neighbours;
#[cfg(feature = "graph")]
pub mod networks;
pub mod npz;
pub mod predictions;
pub mod table;

pub use error::MetricError;
