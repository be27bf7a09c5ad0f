//! Training: from images to a run's folder of checkpoints, metrics and sample grids.
//!
//! [`begin`] reads settings and data and makes or restores a [`trainer`]; [`run`] takes it through its steps,
//! on batches from [`loader`], and leaves each [`checkpoint`] and the [`metrics`].

pub mod adapt;
pub mod bank;
pub mod base;
pub mod begin;
pub mod bench;
pub mod checkpoint;
#[cfg(feature = "graph")]
pub mod graph;
mod lesson;
pub mod live;
pub mod loader;
pub mod method;
pub mod metrics;
pub mod noted;
pub mod run;
pub(crate) mod snapshots;
pub mod teacher;
pub mod trainer;
