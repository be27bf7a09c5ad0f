//! Diffusion models that come apart, on disk and on the wire: learngene files, tailor packs, galleries.
//!
//! A model is one shared `.learngene` file and a small `.tailor` pack for each class. Packs come from anyone
//! and are opened by strangers' browsers, so a reader here trusts no byte before it is checked, and nobody
//! has to trust a pack: whatever is not exactly what the writer writes is refused, by name
//! ([`PackError`]).
//!
//! ```text
//! letters-0123456789abcdef.learngene          a-0123456789abcdef.tailor
//! ├── manifest.postcard    what it is: model config, class, steps, digest of every other entry
//! ├── tensors.safetensors  exactly the tensors that the config implies
//! ├── card.json            for people: data, licence, metrics, authors
//! ├── preview.png          samples at fixed seeds (optional)
//! └── …                    further entries, each required or optional by its name
//! index.json               the gallery: every file with its size and digests
//! index.json.minisig       its publisher's signature (optional)
//! ```
//!
//! The crate does no I/O: bytes in, values out, on every target. It has no unsafe code.
//!
//! # What to start with
//!
//! | to | use |
//! |---|---|
//! | read a pack that one was given | [`read_any`], [`read_learngene`], [`read_tailor`] |
//! | write one | [`write_learngene`], [`write_tailor`] |
//! | open a gallery, and see whether it was published anew | [`gallery::Opening`], keeping its [`Trust`] |
//! | decide about an index and a signature that one has | [`trust::check`] |
//! | read the files that an index vouches for | [`Index::read_learngene`], [`Index::read_pack`] |
//! | download them from servers that may be wrong | [`download::Download`] |
//! | publish a gallery | [`publish::Draft`], and of thousands of classes [`Index::sharded`] |
//! | refuse a model that an engine cannot run | [`ModelConfig::supported_by`] |
//!
//! ```
//! use tailor_packs::*;
//!
//! # fn main() -> Result<()> {
//! // A learngene of the smallest model, written and read.
//! let config = ModelConfig::preset("tiny")?;
//! let mut tensors = Tensors::new();
//! for spec in config.learngene_tensors() {
//!     tensors.insert(&spec.name, &spec.shape, vec![0.25; spec.len()])?;
//! }
//! let card = Card { title: "Tiny".into(), licence: "CC0-1.0".into(), ..Card::default() };
//! let bytes = write_learngene(&Contents { steps: 1, ..Contents::new("tiny", &config, &tensors, &card) })?;
//! assert_eq!(read_learngene(&bytes)?.tensors, tensors);
//!
//! // One altered bit is one error.
//! let mut altered = bytes.clone();
//! altered[bytes.len() / 2] ^= 1;
//! assert!(matches!(read_learngene(&altered), Err(PackError::ChecksumMismatch { .. })));
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - No input makes it panic, loop or overflow, natively or in WebAssembly.
//! - A refused file costs less than 1 MiB of memory and 64 KiB for its manifest; a pack that is read, its
//!   tensors in `f32` and less than a twentieth and 1 MiB more.
//! - Through an index each byte is hashed once, beside the other checks where there are threads.
//! - A format that is older stays readable. What is new has a name ([`manifest`]): where a pack cannot do without it, it is
//!   refused by that name, and else passed over and kept. A newer format altogether is refused by its number.
//!
//! The example `list_gallery` lists a gallery after verifying all of it.
#![forbid(unsafe_code)]

pub mod digest;
pub mod download;
pub mod error;
mod file;
mod format;
pub mod gallery;
pub mod limits;
mod lists;
pub mod publish;
pub mod trust;

pub use format::{archive, config, manifest, pack, tensors};
pub use trust::{index, shards, signature};

pub use config::{ConfigError, FactoredSet, Feature, Gelu, Matrix, ModelConfig, Objective};
pub use digest::Digest;
pub use download::{Download, DownloadError};
pub use error::{PackError, Result};
pub use file::FileEntry;
pub use format::{DataType, Storage, TensorSpec};
pub use index::{ClassEntry, Index, Parameters, Sampling};
pub use manifest::{Class, Entry, Extension, FORMAT_VERSION, Kind, Manifest, Weights};
pub use pack::{
    Card, CardValue, Contents, Further, Learngene, Pack, Tailor, read_any, read_learngene, read_tailor,
    write_learngene, write_tailor,
};
pub use shards::NewFile;
pub use signature::PublicKey;
pub use tensors::Tensors;
pub use trust::{Checked, Trust, Verdict};
