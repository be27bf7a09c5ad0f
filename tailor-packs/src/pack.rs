//! Learngene files and tailor packs as values, and their bytes.

use crate::archive::{self, Archive};
use crate::config::{ModelConfig, TensorSpec};
use crate::digest::Digest;
use crate::error::{PackError, Result};
use crate::limits;
use crate::manifest::{Class, Entry, FORMAT_VERSION, Kind, Manifest, Weights};
use crate::tensors::Tensors;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `card.json`: what people and other programs want to know about a pack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Title, for example `Letters: A`.
    pub title: String,
    /// What it was trained on.
    pub data: String,
    /// Licence of the weights, as an SPDX expression where there is one.
    pub licence: String,
    /// Who made it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// Program and version that trained and published it.
    #[serde(default)]
    pub tool: String,
    /// Measurements by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, CardValue>,
    /// Training settings by name.
    #[serde(default)]
    pub training: BTreeMap<String, CardValue>,
    /// Anything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// A number or a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CardValue {
    /// A finite number.
    Number(f64),
    /// A text.
    Text(String),
}

impl From<f64> for CardValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for CardValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Card {
    fn to_json(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_vec_pretty(self).map_err(invalid(archive::CARD))?;
        // Reading it back refuses what JSON cannot carry: NaN, infinity, an extra key that is a field's name.
        Self::from_json(&json)?;
        Ok(json)
    }

    fn from_json(json: &[u8]) -> Result<Self> {
        limits::check(archive::CARD, json.len() as u64, limits::CARD)?;
        serde_json::from_slice(json).map_err(invalid(archive::CARD))
    }
}

/// What the writers need, beside a tailor's class and learngene.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Stable id of the model, `[a-z0-9_-]{1,64}`.
    pub model: &'a str,
    /// The model's sizes.
    pub config: &'a ModelConfig,
    /// Which weights of the training run.
    pub weights: Weights,
    /// Training steps behind the weights.
    pub steps: u64,
    /// Exactly [`ModelConfig::learngene_tensors`] or [`ModelConfig::tailor_tensors`].
    pub tensors: &'a Tensors,
    /// For people.
    pub card: &'a Card,
    /// A PNG with samples at fixed seeds.
    pub preview: Option<&'a [u8]>,
}

/// A learngene file, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Learngene {
    /// What it is.
    pub manifest: Manifest,
    /// Exactly [`ModelConfig::learngene_tensors`].
    pub tensors: Tensors,
    /// For people.
    pub card: Card,
    /// A PNG.
    pub preview: Option<Vec<u8>>,
    /// SHA-256 of the whole file, by which tailors name it.
    pub digest: Digest,
}

/// A tailor pack, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Tailor {
    /// What it is.
    pub manifest: Manifest,
    /// The class that it adds; the manifest's.
    pub class: Class,
    /// SHA-256 of the learngene file that it fits; the manifest's.
    pub learngene: Digest,
    /// Exactly [`ModelConfig::tailor_tensors`].
    pub tensors: Tensors,
    /// For people.
    pub card: Card,
    /// A PNG.
    pub preview: Option<Vec<u8>>,
    /// SHA-256 of the whole file.
    pub digest: Digest,
}

/// A pack of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Pack {
    /// A learngene file.
    Learngene(Learngene),
    /// A tailor pack.
    Tailor(Tailor),
}

impl Pack {
    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        match self {
            Pack::Learngene(learngene) => &learngene.manifest,
            Pack::Tailor(tailor) => &tailor.manifest,
        }
    }

    /// Its card.
    pub fn card(&self) -> &Card {
        match self {
            Pack::Learngene(learngene) => &learngene.card,
            Pack::Tailor(tailor) => &tailor.card,
        }
    }

    /// SHA-256 of the whole file.
    pub fn digest(&self) -> Digest {
        match self {
            Pack::Learngene(learngene) => learngene.digest,
            Pack::Tailor(tailor) => tailor.digest,
        }
    }
}

/// The bytes of a `.learngene` file, the same for the same contents.
///
/// # Errors
/// Any variant about manifests, configs, tensors, cards and limits.
pub fn write_learngene(contents: &Contents<'_>) -> Result<Vec<u8>> {
    contents.config.validate()?;
    write(contents, Kind::Learngene, &contents.config.learngene_tensors())
}

/// The bytes of a `.tailor` file for `class`, which fits only the learngene file of this digest.
///
/// # Errors
/// Any variant about manifests, configs, tensors, cards and limits.
pub fn write_tailor(contents: &Contents<'_>, learngene: Digest, class: &Class) -> Result<Vec<u8>> {
    contents.config.validate()?;
    let kind = Kind::Tailor { learngene, class: class.clone() };
    write(contents, kind, &contents.config.tailor_tensors())
}

fn write(contents: &Contents<'_>, kind: Kind, specs: &[TensorSpec]) -> Result<Vec<u8>> {
    let tensors = contents.tensors.to_safetensors(specs)?;
    let card = contents.card.to_json()?;
    let mut entries = vec![(archive::TENSORS, tensors.as_slice()), (archive::CARD, card.as_slice())];
    if let Some(preview) = contents.preview {
        check_preview(preview)?;
        entries.push((archive::PREVIEW, preview));
    }
    let manifest = Manifest {
        format: FORMAT_VERSION,
        kind,
        model: contents.model.to_owned(),
        config: contents.config.clone(),
        weights: contents.weights,
        steps: contents.steps,
        entries: entries.iter().map(|(name, bytes)| describe(name, bytes)).collect(),
    };
    let manifest = manifest.to_bytes()?;
    entries.insert(0, (archive::MANIFEST, &manifest));
    archive::write(&entries)
}

/// Reads a `.learngene` file.
///
/// # Errors
/// Any variant of [`PackError`] about packs; [`PackError::WrongKind`] for a tailor.
pub fn read_learngene(bytes: &[u8]) -> Result<Learngene> {
    let (manifest, archive) = open(bytes)?;
    learngene(bytes, manifest, &archive)
}

/// Reads a `.tailor` file; `learngene` is the digest and config of the learngene that it is for.
///
/// # Errors
/// Any variant of [`PackError`] about packs; [`PackError::WrongKind`] for a learngene, and
/// [`PackError::WrongLearngene`] for a tailor of another one, before its tensors are decoded.
pub fn read_tailor(bytes: &[u8], learngene: Option<(&Digest, &ModelConfig)>) -> Result<Tailor> {
    let (manifest, archive) = open(bytes)?;
    tailor(bytes, manifest, &archive, learngene)
}

/// Reads a pack of either kind.
///
/// # Errors
/// Any variant of [`PackError`] about packs.
pub fn read_any(bytes: &[u8]) -> Result<Pack> {
    let (manifest, archive) = open(bytes)?;
    match manifest.kind {
        Kind::Learngene => learngene(bytes, manifest, &archive).map(Pack::Learngene),
        Kind::Tailor { .. } => tailor(bytes, manifest, &archive, None).map(Pack::Tailor),
    }
}

fn learngene(bytes: &[u8], manifest: Manifest, archive: &Archive<'_>) -> Result<Learngene> {
    if manifest.kind != Kind::Learngene {
        return Err(PackError::WrongKind { expected: "learngene", found: manifest.kind.name() });
    }
    let (tensors, card, preview) = decode(archive, &manifest.config.learngene_tensors())?;
    Ok(Learngene { manifest, tensors, card, preview, digest: Digest::of(bytes) })
}

fn tailor(
    bytes: &[u8],
    manifest: Manifest,
    archive: &Archive<'_>,
    wanted: Option<(&Digest, &ModelConfig)>,
) -> Result<Tailor> {
    let Kind::Tailor { learngene, class } = manifest.kind.clone() else {
        return Err(PackError::WrongKind { expected: "tailor", found: manifest.kind.name() });
    };
    if let Some((found, config)) = wanted {
        if *found != learngene {
            return Err(PackError::WrongLearngene { expected: learngene, found: *found });
        }
        if *config != manifest.config {
            let reason = "its model config is not that of its learngene".into();
            return Err(PackError::ManifestInvalid { reason });
        }
    }
    let (tensors, card, preview) = decode(archive, &manifest.config.tailor_tensors())?;
    Ok(Tailor { manifest, class, learngene, tensors, card, preview, digest: Digest::of(bytes) })
}

/// The manifest, and the entries once their digests are those it names.
fn open(bytes: &[u8]) -> Result<(Manifest, Archive<'_>)> {
    let archive = archive::read(bytes)?;
    let manifest = Manifest::from_bytes(archive.require(archive::MANIFEST)?)?;
    for expected in &manifest.entries {
        let entry = archive::ENTRIES.iter().map(|(name, _)| *name).find(|name| *name == expected.name);
        let entry = entry.ok_or_else(|| PackError::EntryUnexpected { found: expected.name.clone() })?;
        let found = describe(entry, archive.require(entry)?);
        if found.sha256 != expected.sha256 {
            let (expected, found) = (expected.sha256, found.sha256);
            return Err(PackError::DigestMismatch { entry: entry.to_owned(), expected, found });
        }
        if found.len != expected.len {
            let reason = format!("it gives {} bytes for {entry}, which has {}", expected.len, found.len);
            return Err(PackError::ManifestInvalid { reason });
        }
    }
    // The manifest names tensors and card; only a preview can be in the archive without being named.
    match archive.entries().get(manifest.entries.len() + 1) {
        Some((name, _)) => Err(PackError::EntryUnexpected { found: (*name).to_owned() }),
        None => Ok((manifest, archive)),
    }
}

fn decode(archive: &Archive<'_>, specs: &[TensorSpec]) -> Result<(Tensors, Card, Option<Vec<u8>>)> {
    let card = Card::from_json(archive.require(archive::CARD)?)?;
    let preview = archive.get(archive::PREVIEW);
    preview.map_or(Ok(()), check_preview)?;
    let tensors = Tensors::from_safetensors(archive.require(archive::TENSORS)?, specs)?;
    Ok((tensors, card, preview.map(<[u8]>::to_vec)))
}

fn describe(name: &str, bytes: &[u8]) -> Entry {
    Entry { name: name.to_owned(), len: bytes.len() as u64, sha256: Digest::of(bytes) }
}

fn check_preview(bytes: &[u8]) -> Result<()> {
    limits::check(archive::PREVIEW, bytes.len() as u64, limits::PREVIEW)?;
    let png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    if png { Ok(()) } else { Err(invalid(archive::PREVIEW)("it is no PNG")) }
}

fn invalid<E: ToString>(entry: &'static str) -> impl FnOnce(E) -> PackError {
    move |reason| PackError::EntryInvalid { entry, reason: reason.to_string() }
}
