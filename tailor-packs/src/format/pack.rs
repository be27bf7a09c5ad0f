//! Reads and writes learngene files and tailor packs as values.

use super::archive::{self, Archive};
use super::config::ModelConfig;
use super::manifest::{Class, Entry, Extension, FORMAT_VERSION, Kind, Manifest, Weights};
use super::parallel;
use super::specs::TensorSpec;
use super::tensors::{Scan, Tensors};
use super::types::{DataType, Storage};
use crate::digest::Digest;
use crate::error::{PackError, Result, check_limit, index_invalid};
use crate::file::FileEntry;
use crate::limits;

pub use super::card::{Card, CardValue};

/// What a writer needs beside a tailor's class and learngene.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Stable id of the model, `[a-z0-9_-]{1,64}`.
    pub model: &'a str,
    /// The model's sizes.
    pub config: &'a ModelConfig,
    /// Which weights of the training run these are.
    pub weights: Weights,
    /// Training steps behind the weights.
    pub steps: u64,
    /// Exactly the tensors of [`ModelConfig::learngene_tensors`] or
    /// [`ModelConfig::tailor_tensors`].
    pub tensors: &'a Tensors,
    /// The card, for people to read.
    pub card: &'a Card,
    /// A PNG with samples at fixed seeds.
    pub preview: Option<&'a [u8]>,
    /// In which number formats to store the tensors.
    pub storage: Storage<'a>,
    /// Extensions that a reader may ignore, in ascending order of their names.
    pub extensions: &'a [Extension],
    /// Entries that a reader may ignore, in ascending order of their names.
    pub further: &'a [Further<'a>],
}

impl<'a> Contents<'a> {
    /// Describes averaged weights ([`Weights::Ema`]) after 0 steps, in the usual number formats,
    /// without preview, extensions or further entries. Set the fields that differ.
    pub fn new(model: &'a str, config: &'a ModelConfig, tensors: &'a Tensors, card: &'a Card) -> Self {
        Self {
            model,
            config,
            weights: Weights::Ema,
            steps: 0,
            tensors,
            card,
            preview: None,
            storage: Storage::Usual,
            extensions: &[],
            further: &[],
        }
    }
}

/// An entry of a pack beside those that every reader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Further<'a> {
    /// The entry's name, see [`archive::is_further`].
    pub name: &'a str,
    /// The entry's bytes.
    pub bytes: &'a [u8],
}

/// The content of a learngene file.
#[derive(Clone, Debug, PartialEq)]
pub struct Learngene {
    /// The manifest, which says what the file is.
    pub manifest: Manifest,
    /// Exactly the tensors of [`ModelConfig::learngene_tensors`].
    pub tensors: Tensors,
    /// The card, for people to read.
    pub card: Card,
    /// A PNG with samples at fixed seeds, if there is one.
    pub preview: Option<Vec<u8>>,
    /// SHA-256 of the whole file, by which tailors name it.
    pub digest: Digest,
}

/// The content of a tailor pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Tailor {
    /// The manifest, which says what the file is.
    pub manifest: Manifest,
    /// The class that it adds, as in the manifest.
    pub class: Class,
    /// SHA-256 of the learngene file that it fits, as in the manifest.
    pub learngene: Digest,
    /// Exactly the tensors of [`ModelConfig::tailor_tensors`].
    pub tensors: Tensors,
    /// The card, for people to read.
    pub card: Card,
    /// A PNG with samples at fixed seeds, if there is one.
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
    /// Returns the pack's manifest.
    pub fn manifest(&self) -> &Manifest {
        match self {
            Pack::Learngene(learngene) => &learngene.manifest,
            Pack::Tailor(tailor) => &tailor.manifest,
        }
    }

    /// Returns the pack's card.
    pub fn card(&self) -> &Card {
        match self {
            Pack::Learngene(learngene) => &learngene.card,
            Pack::Tailor(tailor) => &tailor.card,
        }
    }

    /// Returns the SHA-256 of the whole file.
    pub fn digest(&self) -> Digest {
        match self {
            Pack::Learngene(learngene) => learngene.digest,
            Pack::Tailor(tailor) => tailor.digest,
        }
    }
}

/// Writes the bytes of a `.learngene` file. The same contents give the same bytes.
///
/// # Errors
/// Any variant about manifests, configs, tensors, cards and limits.
pub fn write_learngene(contents: &Contents<'_>) -> Result<Vec<u8>> {
    contents.config.validate()?;
    write(contents, Kind::Learngene, &contents.config.learngene_tensors())
}

/// Writes the bytes of a `.tailor` file for `class`. The tailor fits only the learngene file whose
/// SHA-256 is `learngene`.
///
/// # Errors
/// Any variant about manifests, configs, tensors, cards and limits.
pub fn write_tailor(contents: &Contents<'_>, learngene: Digest, class: &Class) -> Result<Vec<u8>> {
    contents.config.validate()?;
    let kind = Kind::Tailor { learngene, class: class.clone() };
    write(contents, kind, &contents.config.tailor_tensors())
}

fn write(contents: &Contents<'_>, kind: Kind, specs: &[TensorSpec]) -> Result<Vec<u8>> {
    let types = contents.storage.types(specs)?;
    let tensors = contents.tensors.to_safetensors_as(specs, contents.storage)?;
    let card = contents.card.to_json()?;
    let mut entries = vec![(archive::TENSORS, tensors.as_slice()), (archive::CARD, card.as_slice())];
    if let Some(preview) = contents.preview {
        check_preview(preview)?;
        entries.push((archive::PREVIEW, preview));
    }
    let further = contents.further.iter().map(|further| describe(further.name, further.bytes));
    let usual = specs.iter().map(DataType::usual).eq(types.iter().copied());
    let mut manifest = Manifest {
        format: FORMAT_VERSION,
        kind,
        model: contents.model.to_owned(),
        config: contents.config.clone(),
        weights: contents.weights,
        steps: contents.steps,
        entries: entries.iter().map(|(name, bytes)| describe(name, bytes)).collect(),
        types: if usual { Vec::new() } else { types },
        further: further.collect(),
        extensions: contents.extensions.to_vec(),
    };
    manifest.format = manifest.needed_format();
    let manifest = manifest.to_bytes()?;
    entries.insert(0, (archive::MANIFEST, &manifest));
    entries.extend(contents.further.iter().map(|further| (further.name, further.bytes)));
    archive::write(&entries)
}

/// Writes a tailor pack once more, as one of `class`. All else in it stays as it is, byte for byte.
///
/// # Errors
/// Those of [`read_any`] about archive, manifest and digests; [`PackError::WrongKind`] for a learngene;
/// [`PackError::ManifestInvalid`] for a class that no pack can have. Card and tensors are not checked.
pub fn renamed(bytes: &[u8], class: &Class) -> Result<Vec<u8>> {
    let (mut manifest, archive) = open(bytes, true)?;
    let found = manifest.kind.name();
    let Kind::Tailor { class: named, .. } = &mut manifest.kind else {
        return Err(PackError::WrongKind { expected: "tailor", found });
    };
    named.clone_from(class);
    let manifest = manifest.to_bytes()?;
    let rest = archive.entries().iter().skip(1).copied();
    archive::write(&std::iter::once((archive::MANIFEST, &*manifest)).chain(rest).collect::<Vec<_>>())
}

/// Returns the entries of a pack that this crate does not know, in file order.
///
/// # Errors
/// Those of [`read_any`] about archive, manifest and digests. Cards and tensors are not checked.
pub fn further(bytes: &[u8]) -> Result<Vec<Further<'_>>> {
    let (manifest, archive) = open(bytes, true)?;
    let known = manifest.entries.len() + 1;
    let rest = archive.entries().iter().skip(known);
    Ok(rest.map(|(name, bytes)| Further { name, bytes }).collect())
}

/// Reads a `.learngene` file.
///
/// # Errors
/// Any variant of [`PackError`] about packs; [`PackError::WrongKind`] for a tailor.
pub fn read_learngene(bytes: &[u8]) -> Result<Learngene> {
    let (scanned, digest) = scan(bytes, None, &Wanted::Learngene(None))?;
    scanned.learngene(digest)
}

/// Reads a `.tailor` file. `learngene` is the digest and config of the learngene that the tailor
/// has to fit; with `None` any learngene will do.
///
/// # Errors
/// Any variant of [`PackError`] about packs; [`PackError::WrongKind`] for a learngene, and
/// [`PackError::WrongLearngene`] for a tailor of another one, before its tensors are decoded.
pub fn read_tailor(bytes: &[u8], learngene: Option<(&Digest, &ModelConfig)>) -> Result<Tailor> {
    let (scanned, digest) = scan(bytes, None, &Wanted::Tailor(learngene))?;
    scanned.tailor(digest)
}

/// Reads a pack of either kind.
///
/// # Errors
/// Any variant of [`PackError`] about packs.
pub fn read_any(bytes: &[u8]) -> Result<Pack> {
    let (scanned, digest) = scan(bytes, None, &Wanted::Any)?;
    match scanned.manifest.kind {
        Kind::Learngene => scanned.learngene(digest).map(Pack::Learngene),
        Kind::Tailor { .. } => scanned.tailor(digest).map(Pack::Tailor),
    }
}

/// Reads the learngene file of a gallery whose index has this entry and config.
pub(crate) fn read_learngene_of(bytes: &[u8], entry: &FileEntry, config: &ModelConfig) -> Result<Learngene> {
    let (scanned, digest) = scan(bytes, Some(entry), &Wanted::Learngene(Some(config)))?;
    scanned.learngene(digest)
}

/// Reads a tailor pack of a gallery whose index has this entry, learngene and config.
pub(crate) fn read_tailor_of(
    bytes: &[u8],
    entry: &FileEntry,
    learngene: (&Digest, &ModelConfig),
) -> Result<Tailor> {
    let (scanned, digest) = scan(bytes, Some(entry), &Wanted::Tailor(Some(learngene)))?;
    scanned.tailor(digest)
}

/// The kind of pack that the caller accepts, checked before the tensors are looked at.
enum Wanted<'a> {
    Any,
    /// Of this config, if any is given.
    Learngene(Option<&'a ModelConfig>),
    /// Of this learngene, if any is given.
    Tailor(Option<(&'a Digest, &'a ModelConfig)>),
}

/// A pack that was checked completely, of which only manifest and card were copied.
struct Scanned<'a> {
    manifest: Manifest,
    card: Card,
    preview: Option<&'a [u8]>,
    tensors: Scan<'a>,
}

/// Checks a pack completely, and returns it with its digest.
///
/// When `entry` vouches for the file, each byte is hashed once only, since the manifest's digests
/// then say nothing new. Hashing runs beside the other checks, and no tensor is decoded before both
/// are done.
fn scan<'a>(
    bytes: &'a [u8],
    entry: Option<&FileEntry>,
    wanted: &Wanted<'_>,
) -> Result<(Scanned<'a>, Digest)> {
    let hash = || match entry {
        Some(entry) => entry.verify_digest(bytes).map(|()| entry.sha256),
        None => Ok(Digest::of(bytes)),
    };
    if let Some(entry) = entry {
        entry.verify_length(bytes)?;
    }
    let (digest, scanned) = parallel::both(bytes.len(), hash, || Scanned::of(bytes, entry.is_none(), wanted));
    // A damaged file is called damaged, whatever the damage looks like.
    let digest = digest?;
    Ok((scanned?, digest))
}

impl<'a> Scanned<'a> {
    fn of(bytes: &'a [u8], digests: bool, wanted: &Wanted<'_>) -> Result<Self> {
        let (manifest, archive) = open(bytes, digests)?;
        wanted.check(&manifest)?;
        let card = Card::from_json(archive.require(archive::CARD)?)?;
        let preview = archive.get(archive::PREVIEW);
        preview.map_or(Ok(()), check_preview)?;
        let specs = match manifest.kind {
            Kind::Learngene => manifest.config.learngene_tensors(),
            Kind::Tailor { .. } => manifest.config.tailor_tensors(),
        };
        let types = manifest.storage().types(&specs)?;
        let tensors = Scan::of(archive.require(archive::TENSORS)?, specs, &types)?;
        Ok(Self { manifest, card, preview, tensors })
    }

    fn learngene(self, digest: Digest) -> Result<Learngene> {
        let Self { manifest, card, preview, tensors } = self;
        let (tensors, preview) = (tensors.decode()?, preview.map(<[u8]>::to_vec));
        Ok(Learngene { manifest, tensors, card, preview, digest })
    }

    fn tailor(self, digest: Digest) -> Result<Tailor> {
        let Self { manifest, card, preview, tensors } = self;
        let Kind::Tailor { learngene, class } = manifest.kind.clone() else {
            return Err(PackError::WrongKind { expected: "tailor", found: manifest.kind.name() });
        };
        let (tensors, preview) = (tensors.decode()?, preview.map(<[u8]>::to_vec));
        Ok(Tailor { manifest, class, learngene, tensors, card, preview, digest })
    }
}

impl Wanted<'_> {
    fn check(&self, manifest: &Manifest) -> Result<()> {
        let found = manifest.kind.name();
        match (self, &manifest.kind) {
            (Self::Any, _) | (Self::Learngene(None), Kind::Learngene) => Ok(()),
            (Self::Tailor(None), Kind::Tailor { .. }) => Ok(()),
            (Self::Learngene(Some(config)), Kind::Learngene) if **config != manifest.config => {
                Err(index_invalid("its model config is not that of its learngene"))
            }
            (Self::Learngene(Some(_)), Kind::Learngene) => Ok(()),
            (Self::Tailor(Some((found, config))), Kind::Tailor { learngene, .. }) => {
                if *found != learngene {
                    return Err(PackError::WrongLearngene { expected: *learngene, found: **found });
                }
                if **config != manifest.config {
                    let reason = "its model config is not that of its learngene".into();
                    return Err(PackError::ManifestInvalid { reason });
                }
                Ok(())
            }
            (Self::Learngene(_), _) => Err(PackError::WrongKind { expected: "learngene", found }),
            (Self::Tailor(_), _) => Err(PackError::WrongKind { expected: "tailor", found }),
        }
    }
}

/// Returns the manifest and the archive, after comparing the entries' lengths, and with `digests`
/// also their digests, with the manifest.
fn open(bytes: &[u8], digests: bool) -> Result<(Manifest, Archive<'_>)> {
    let archive = archive::read(bytes)?;
    let manifest = Manifest::from_bytes(archive.require(archive::MANIFEST)?)?;
    let named = || manifest.entries.iter().chain(&manifest.further);
    for Entry { name, len, sha256 } in named() {
        let bytes = archive.require(name)?;
        let found = if digests { Digest::of(bytes) } else { *sha256 };
        if found != *sha256 {
            return Err(PackError::DigestMismatch { entry: name.clone(), expected: *sha256, found });
        }
        if bytes.len() as u64 != *len {
            let reason = format!("it gives {len} bytes for {name}, which has {}", bytes.len());
            return Err(PackError::ManifestInvalid { reason });
        }
    }
    // The manifest stands first and is not in its own list.
    let smuggled = |(name, _): &&(&str, _)| named().all(|entry| entry.name != *name);
    match archive.entries().iter().skip(1).find(smuggled) {
        Some((name, _)) => Err(PackError::EntryUnexpected { found: (*name).to_owned() }),
        None => Ok((manifest, archive)),
    }
}

fn describe(name: &str, bytes: &[u8]) -> Entry {
    Entry { name: name.to_owned(), len: bytes.len() as u64, sha256: Digest::of(bytes) }
}

fn check_preview(bytes: &[u8]) -> Result<()> {
    check_limit(archive::PREVIEW, bytes.len() as u64, limits::PREVIEW)?;
    let png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    if png {
        Ok(())
    } else {
        Err(PackError::EntryInvalid { entry: archive::PREVIEW, reason: "it is no PNG".into() })
    }
}
