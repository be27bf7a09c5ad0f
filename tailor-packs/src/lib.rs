//! What is on disk and on the wire: learngene files, tailor packs and gallery indexes.
#![forbid(unsafe_code)]

pub mod config;

pub use config::{ConfigError, FactoredSet, Matrix, ModelConfig, Objective, TensorSpec};
