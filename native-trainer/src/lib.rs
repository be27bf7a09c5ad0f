//! What runs on the trainer's machine: data, training, publishing, fetching, native sampling, local serving.
//!
//! The binary `tailor` is a thin layer over this library: [`cli`] says what it accepts, and each
//! command is one module with a `run` function.

pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod curate;
pub mod data;
pub mod device;
pub mod error;
#[cfg(feature = "graph")]
pub mod evaluate;
pub mod fetch;
pub mod files;
pub mod gallery;
pub mod grid;
pub mod inspect;
pub mod manual;
pub mod metrics;
pub mod model;
pub mod output;
pub mod publish;
pub mod report;
pub mod sample;
pub mod serve;
pub mod shell;
pub mod sign;
pub mod status;
pub mod train;
pub mod train_tailor;
pub mod verify;

pub use error::Error;

// What tests inside and outside of this crate share calls it by its name.
#[cfg(test)]
extern crate self as tailor_trainer;
