//! `manifest.postcard`: what a pack is, and the digest of everything else in it.

use super::archive;
use super::config::ModelConfig;
use crate::digest::Digest;
use crate::error::{PackError, Result, check_limit, shorten};
use crate::limits;
use crate::lists::few;
use serde::{Deserialize, Deserializer, Serialize};

/// The newest format version, the one that is written. Older ones stay readable.
pub const FORMAT_VERSION: u16 = 1;

/// A class that a tailor adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Stable id, `[a-z0-9_-]{1,64}`, unique in a gallery.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// WordNet synset such as `n02084071`, where there is one.
    pub wordnet: Option<String>,
}

/// Which weights of the training run these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// The exponential moving average.
    Ema,
    /// The weights themselves.
    Raw,
}

/// What a pack holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Kind {
    /// The part that every class shares.
    Learngene,
    /// The part that one class adds.
    Tailor {
        /// SHA-256 of the whole learngene file that this tailor fits.
        learngene: Digest,
        /// The class.
        class: Class,
    },
}

impl Kind {
    /// `learngene` or `tailor`, also the file's extension.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Learngene => "learngene",
            Kind::Tailor { .. } => "tailor",
        }
    }
}

/// Another entry of the same pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// One of the fixed names in [`archive::ENTRIES`].
    pub name: String,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

/// What a pack is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format version. It comes first in every version, so that any reader can tell.
    pub format: u16,
    /// Learngene, or tailor of which learngene and class.
    pub kind: Kind,
    /// Stable id of the model, `[a-z0-9_-]{1,64}`, for example `letters`.
    pub model: String,
    /// The sizes from which every tensor follows.
    pub config: ModelConfig,
    /// Which weights of the training run.
    pub weights: Weights,
    /// Training steps behind these weights.
    pub steps: u64,
    /// Every other entry, in file order.
    #[serde(deserialize_with = "few_entries")]
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// The class of a tailor.
    pub fn class(&self) -> Option<&Class> {
        match &self.kind {
            Kind::Learngene => None,
            Kind::Tailor { class, .. } => Some(class),
        }
    }

    /// The manifest's bytes.
    ///
    /// A last field of 0 to 7 zero bytes makes their number a multiple of 8. With the fixed names that puts
    /// the tensors at a multiple of 8 in the file.
    ///
    /// # Errors
    /// [`PackError::ManifestInvalid`], [`PackError::LimitExceeded`] or [`PackError::Config`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.validate()?;
        let bare = postcard::to_allocvec(self).map_err(invalid)?;
        // The field's length takes one byte more.
        let align = vec![0u8; (bare.len() + 1).next_multiple_of(8) - (bare.len() + 1)];
        let bytes = postcard::to_allocvec(&(self, align)).map_err(invalid)?;
        check_limit("manifest.postcard", bytes.len() as u64, limits::MANIFEST)?;
        Ok(bytes)
    }

    /// Reads what [`Manifest::to_bytes`] writes, and nothing else.
    ///
    /// # Errors
    /// [`PackError::VersionTooNew`], [`PackError::ManifestInvalid`], [`PackError::LimitExceeded`] or
    /// [`PackError::Config`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        check_limit("manifest.postcard", bytes.len() as u64, limits::MANIFEST)?;
        let (found, _) = postcard::take_from_bytes::<u16>(bytes).map_err(invalid)?;
        if found > FORMAT_VERSION {
            return Err(PackError::VersionTooNew { what: "pack", found, supported: FORMAT_VERSION });
        }
        let (manifest, _): (Self, Alignment) = postcard::from_bytes(bytes).map_err(invalid)?;
        // Writing it again refuses trailing bytes, a wrong alignment and a second spelling of a number.
        if manifest.to_bytes()? != bytes {
            return Err(invalid("not in the form that tailor writes"));
        }
        Ok(manifest)
    }

    fn validate(&self) -> Result<()> {
        if self.format == 0 {
            return Err(invalid("there is no format version 0"));
        }
        check_id("model id", &self.model).map_err(invalid)?;
        self.config.validate()?;
        if let Some(class) = self.class() {
            class.validate().map_err(invalid)?;
        }
        let names: Vec<_> = self.entries.iter().map(|e| e.name.as_str()).collect();
        let mandatory = [archive::TENSORS, archive::CARD];
        if names.strip_prefix(&mandatory).is_none_or(|rest| !rest.is_empty() && rest != [archive::PREVIEW]) {
            return Err(invalid(format!("its entries are {}", shorten(&names.join(", ")))));
        }
        Ok(())
    }
}

fn few_entries<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<Entry>, D::Error> {
    few(deserializer, archive::ENTRIES.len() - 1)
}

/// The zero bytes at a manifest's end.
struct Alignment;

impl<'de> Deserialize<'de> for Alignment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        few::<u8, D>(deserializer, 7).map(|_| Self)
    }
}

impl Class {
    /// What is wrong with the class, if anything.
    pub(crate) fn validate(&self) -> std::result::Result<(), String> {
        check_id("class id", &self.id)?;
        check_name("class name", &self.name)?;
        let synset = |text: &str| text.strip_prefix('n').is_some_and(|n| n.len() == 8 && is_digits(n));
        match &self.wordnet {
            Some(id) if !synset(id) => Err(format!("WordNet id {:?} is not n and 8 digits", shorten(id))),
            _ => Ok(()),
        }
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether `id` is a stable id, `[a-z0-9_-]{1,64}`.
pub fn is_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    !id.is_empty() && id.len() as u64 <= limits::ID && id.bytes().all(allowed)
}

pub(crate) fn check_id(what: &str, id: &str) -> std::result::Result<(), String> {
    if is_id(id) {
        return Ok(());
    }
    Err(format!("{what} {:?} is not 1 to {} characters out of a-z, 0-9, _ and -", shorten(id), limits::ID))
}

pub(crate) fn check_name(what: &str, name: &str) -> std::result::Result<(), String> {
    let printable = !name.trim().is_empty() && !name.chars().any(|c| c.is_control() || is_invisible(c));
    if printable && name.len() as u64 <= limits::NAME {
        return Ok(());
    }
    Err(format!("{what} {:?} is not 1 to {} printable bytes", shorten(name), limits::NAME))
}

/// Characters that show nothing, or turn the direction of what is beside them, so that two names would look
/// alike. The joiners U+200C and U+200D are not among them: scripts and emoji need those.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn invalid(reason: impl ToString) -> PackError {
    PackError::ManifestInvalid { reason: reason.to_string() }
}
