//! The format of one file: a learngene file or a tailor pack.

pub mod archive;
mod card;
pub mod config;
mod features;
pub mod manifest;
pub(crate) mod names;
pub mod pack;
mod parallel;
mod specs;
pub mod tensors;
mod types;

pub use names::is_name;
pub use specs::TensorSpec;
pub use types::{DataType, Storage};
