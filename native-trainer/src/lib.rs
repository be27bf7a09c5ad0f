//! What runs on the trainer's machine: data, training, publishing, fetching, native sampling, local serving.
//!
//! The binary `tailor` reads downwards through these modules, and none needs one above it:
//!
//! - [`cli`]: what the command line accepts, the only place that knows `clap`, turned into [`settings`];
//! - [`commands`]: one file per command, named as it is typed: it calls what is below and prints;
//! - [`experiment`]: several runs, carried out, judged and compared;
//! - [`report`] and `evaluate`: a run on one page, a gallery judged by a classifier;
//! - `metrics`: figures by which sets of images are judged, from Fréchet distances to precision and recall;
//! - [`gallery`]: what is published, from a run to a signed folder, over the network and back;
//! - [`train`]: from images to checkpoints, and what a run leaves beside them;
//! - [`compute`]: devices, and models on them;
//! - [`settings`]: what is asked for, in plain types;
//! - [`weights`]: plain models in the files of other programs;
//! - [`data`]: images with classes;
//! - [`system`]: files, output, signals, shells.

pub mod cli;
pub mod commands;
pub mod compute;
pub mod data;
pub mod error;
#[cfg(feature = "graph")]
pub mod evaluate;
pub mod experiment;
pub mod gallery;
#[cfg(feature = "graph")]
pub mod metrics;
pub mod report;
pub mod settings;
pub mod system;
pub mod train;
pub mod weights;

pub use error::Error;

// What tests inside and outside of this crate share calls it by its name.
#[cfg(test)]
extern crate self as tailor_trainer;
