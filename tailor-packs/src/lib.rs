//! What is on disk and on the wire: learngene files, tailor packs and gallery indexes.
//!
//! ```text
//! letters-0123456789abcdef.learngene          a-0123456789abcdef.tailor
//! ├── manifest.postcard    what it is: model config, class, steps, digest of every other entry
//! ├── tensors.safetensors  exactly the tensors that the config implies
//! ├── card.json            for people: data, licence, metrics, authors
//! └── preview.png          samples at fixed seeds (optional)
//! index.json               the gallery: every file with its size and digests
//! ```
//!
//! A pack is a ZIP archive of stored entries. The reader accepts exactly what the writer writes and
//! trusts no byte before it is checked. This crate does no I/O: bytes in, values out, on every target.
#![forbid(unsafe_code)]

pub mod archive;
pub mod config;
pub mod digest;
pub mod error;
pub mod index;
pub mod limits;
pub mod manifest;
pub mod pack;
mod parallel;
pub mod shards;
pub mod signature;
pub mod tensors;
pub mod trust;

pub use config::{ConfigError, FactoredSet, Matrix, ModelConfig, Objective, TensorSpec};
pub use digest::Digest;
pub use error::{PackError, Result};
pub use index::{ClassEntry, FileEntry, Index, Parameters, Sampling};
pub use manifest::{Class, Entry, FORMAT_VERSION, Kind, Manifest, Weights};
pub use pack::{
    Card, CardValue, Contents, Learngene, Pack, Tailor, read_any, read_learngene, read_tailor,
    write_learngene, write_tailor,
};
pub use shards::NewFile;
pub use signature::PublicKey;
pub use tensors::Tensors;
pub use trust::{Checked, Trust, Verdict};
