//! Reads, writes and checks the files of diffusion models that come apart.
//!
//! Such a model is trained with KIND, *Knowledge Integration and Diversion* (Xie et al., ICML 2025,
//! <https://proceedings.mlr.press/v267/xie25d.html>), which splits a network into parts:
//!
//! - The **learngene** is what all classes share: one `.learngene` file.
//! - A **tailor** is what one class adds to it: a few extra components for each matrix, and a
//!   label.
//! - A **pack** is the `.tailor` file that holds one tailor. Where both kinds of file are meant,
//!   this crate calls a learngene file a pack, too ([`Pack`]).
//! - A **gallery** is a folder with one learngene file, its packs, and an index that lists them
//!   all.
//!
//! Anyone may publish a pack, and strangers' browsers open it. So a reader trusts no byte before it
//! is checked, and nobody has to trust a pack: every file that is not exactly as the writer writes
//! it is refused with a [`PackError`] that names the fault.
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
//! The crate does no I/O: it takes bytes and returns values, natively and in WebAssembly. It has no
//! unsafe code.
//!
//! # Where to start
//!
//! | task | use |
//! |---|---|
//! | read a pack whose bytes are at hand | [`read_any`], [`read_learngene`], [`read_tailor`] |
//! | write a pack | [`write_learngene`], [`write_tailor`] |
//! | open a gallery, and see later what was published anew | [`gallery::Opening`], with the [`Trust`] that was kept |
//! | decide whether to trust an index and its signature | [`trust::check`] |
//! | read the files that an index lists | [`Index::read_learngene`], [`Index::read_pack`] |
//! | download them from servers that may be wrong | [`download::Download`] |
//! | join packs of several people into a gallery of their own | [`join::Join`] |
//! | publish a gallery; one of thousands of classes | [`publish::Draft`]; [`Index::sharded`] |
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
//! # Guarantees
//!
//! - No input makes it panic, loop or overflow, natively or in WebAssembly.
//! - Refusing a file takes less than 1 MiB of memory beside the file, and 64 KiB for its manifest.
//!   Reading a pack takes the memory of its tensors in `f32`, and less than a twentieth of that and
//!   1 MiB more.
//! - A file that is read through an index is hashed once, on a second thread beside the other
//!   checks where there are threads.
//! - Files of older formats stay readable. Whatever a newer writer adds has a name ([`manifest`]):
//!   a reader that does not know the name refuses the pack by it if the pack marks it as required,
//!   and else ignores it and keeps its bytes. A format with a higher number is refused by that
//!   number.
//!
//! The example `list_gallery` verifies a whole gallery and lists it.
#![forbid(unsafe_code)]

pub mod digest;
pub mod download;
pub mod error;
mod file;
mod format;
pub mod gallery;
pub mod join;
pub mod limits;
mod lists;
pub mod publish;
pub mod trust;

pub use format::{archive, config, manifest, pack, tensors};
pub use trust::{index, shards, signature};

pub use config::{ConfigError, FactoredSet, Feature, Gelu, Matrix, ModelConfig, Norm, Objective};
pub use digest::Digest;
pub use download::{Download, DownloadError};
pub use error::{PackError, Result};
pub use file::FileEntry;
pub use format::{DataType, Storage, TensorSpec, is_name};
pub use index::{ClassEntry, Index, ParameterCounts, Sampling};
pub use manifest::{Class, Entry, Extension, FORMAT_VERSION, Kind, Manifest, Weights};
pub use pack::{
    Card, CardValue, Contents, Further, Learngene, Pack, Tailor, read_any, read_learngene, read_tailor,
    renamed, write_learngene, write_tailor,
};
pub use shards::NewFile;
pub use signature::PublicKey;
pub use tensors::Tensors;
pub use trust::{Checked, Trust, Verdict};
