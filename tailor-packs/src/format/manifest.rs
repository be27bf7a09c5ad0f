//! `manifest.postcard`, which says what a pack is and holds the digest of every other entry in it.
//!
//! Format 2 appends two lists to format 1: further entries, and *extensions*, each of which is a
//! name with a value of bytes. Both are marked as required or optional. A reader that does not know
//! a required one refuses the pack by its name; it ignores an optional one, and keeps its bytes. So
//! whatever a pack may come to say needs no other format. A pack that format 1 can describe is
//! written in format 1.

use super::archive;
use super::config::{FactoredSet, Feature, Gelu, ModelConfig, Norm, Objective};
use super::names::{check_id, check_name};
use super::specs::TensorSpec;
use super::types::{DataType, Storage};
use crate::digest::Digest;
use crate::error::{PackError, Result, check_limit, shorten};
use crate::limits;
use crate::lists::few;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use super::names::{is_id, is_name};

/// The format version of a pack that needs no newer one.
pub const FORMAT_VERSION: u16 = 1;
/// The newest format version. This crate reads every version from 1 to this one.
pub const NEWEST_FORMAT: u16 = 2;

/// The extension that gives the number format of each tensor.
const TYPES: &str = "tensor-types";

/// The class that a tailor adds to a model.
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

/// Which weights of the training run a pack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// The exponential moving average of the weights over the training steps.
    Ema,
    /// The weights of the last step.
    Raw,
}

/// Which part of a model a pack holds.
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
    /// Returns `learngene` or `tailor`, which is also the file's extension.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Learngene => "learngene",
            Kind::Tailor { .. } => "tailor",
        }
    }
}

/// Name, length and digest of another entry of the same pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The entry's name in the archive.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

/// A statement of a pack beside the fields of its manifest, which a reader may ignore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// The extension's name, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Its content, in the form that its name stands for.
    pub value: Vec<u8>,
}

/// The content of `manifest.postcard`: what a pack is.
///
/// Serde writes it to postcard as the manifest's bytes without the alignment at their end, and to
/// JSON, for people, as its fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format version, see [`Manifest::needed_format`]. It is the first field in every version, so
    /// that any reader can tell the version.
    pub format: u16,
    /// Learngene or tailor; of a tailor, its class and the learngene that it fits.
    pub kind: Kind,
    /// Stable id of the model, `[a-z0-9_-]{1,64}`, for example `letters`.
    pub model: String,
    /// The model config, which implies every tensor.
    pub config: ModelConfig,
    /// Which weights of the training run.
    pub weights: Weights,
    /// Training steps behind these weights.
    pub steps: u64,
    /// Every entry out of [`archive::ENTRIES`] but the manifest, in file order.
    pub entries: Vec<Entry>,
    /// The number format of each tensor, in the order of the config's list; empty if every tensor
    /// has [its usual one](DataType::usual).
    #[serde(default)]
    pub types: Vec<DataType>,
    /// Optional entries that this crate does not know, in ascending order of their names.
    #[serde(default)]
    pub further: Vec<Entry>,
    /// Optional extensions that this crate does not know, in ascending order of their names. Those
    /// that it knows are fields: of the config, and [`Manifest::types`].
    #[serde(default)]
    pub extensions: Vec<Extension>,
}

impl Manifest {
    /// Returns a tailor's class; `None` for a learngene.
    pub fn class(&self) -> Option<&Class> {
        match &self.kind {
            Kind::Learngene => None,
            Kind::Tailor { class, .. } => Some(class),
        }
    }

    /// Returns the oldest format that can say all of this, in which the manifest has to be written.
    pub fn needed_format(&self) -> u16 {
        let plain = self.config.needs().is_empty() && self.types.is_empty();
        if plain && self.further.is_empty() && self.extensions.is_empty() {
            FORMAT_VERSION
        } else {
            NEWEST_FORMAT
        }
    }

    /// Returns the tensors that the config implies for this kind of pack.
    pub fn specs(&self) -> Vec<TensorSpec> {
        match self.kind {
            Kind::Learngene => self.config.learngene_tensors(),
            Kind::Tailor { .. } => self.config.tailor_tensors(),
        }
    }

    /// Returns the number format of each tensor that the config implies.
    pub fn storage(&self) -> Storage<'_> {
        if self.types.is_empty() { Storage::Usual } else { Storage::Each(&self.types) }
    }

    /// Writes the manifest's bytes.
    ///
    /// A last field of 0 to 7 zero bytes makes their number a multiple of 8. With the fixed names
    /// of the entries, that puts the tensors at a multiple of 8 in the file.
    ///
    /// # Errors
    /// [`PackError::ManifestInvalid`], [`PackError::LimitExceeded`] or [`PackError::Config`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.validate()?;
        let bare = postcard::to_allocvec(self).map_err(invalid)?;
        // The field's length takes one byte more.
        let align = vec![0u8; (bare.len() + 1).next_multiple_of(8) - (bare.len() + 1)];
        let bytes = [bare, postcard::to_allocvec(&align).map_err(invalid)?].concat();
        check_limit("manifest.postcard", bytes.len() as u64, limits::MANIFEST)?;
        Ok(bytes)
    }

    /// Reads what [`Manifest::to_bytes`] writes, and nothing else.
    ///
    /// # Errors
    /// [`PackError::VersionTooNew`], [`PackError::RequiredUnknown`], [`PackError::ManifestInvalid`],
    /// [`PackError::LimitExceeded`] or [`PackError::Config`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        check_limit("manifest.postcard", bytes.len() as u64, limits::MANIFEST)?;
        let (found, rest) = postcard::take_from_bytes::<u16>(bytes).map_err(invalid)?;
        if found > NEWEST_FORMAT {
            return Err(PackError::VersionTooNew { what: "pack", found, supported: NEWEST_FORMAT });
        }
        let (first, rest) = postcard::take_from_bytes::<First>(rest).map_err(invalid)?;
        let mut manifest = first.manifest(found);
        let rest = if found < 2 { rest } else { manifest.read_second(rest)? };
        let _: Alignment = postcard::from_bytes(rest).map_err(invalid)?;
        // Writing it again refuses trailing bytes, a wrong alignment and a second spelling of a number.
        if manifest.to_bytes()? != bytes {
            return Err(invalid("not in the form that tailor writes"));
        }
        Ok(manifest)
    }

    /// Takes the two lists of format 2. Returns the bytes after them.
    fn read_second<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let (Second { further, extensions }, rest) =
            postcard::take_from_bytes::<Second<'_>>(bytes).map_err(invalid)?;
        for FurtherWire { required, entry } in further.0 {
            if required {
                return Err(PackError::RequiredUnknown { what: "entry", name: shorten(&entry.name) });
            }
            self.further.push(entry);
        }
        for ExtensionWire { name, required, value } in extensions.0 {
            let feature = Feature::ALL.into_iter().find(|feature| feature.name() == name);
            match feature {
                // That the value is empty is checked when all is written again.
                Some(feature) => self.config.add(feature),
                None if name == TYPES => {
                    let Few::<_, { limits::EXTENSION as usize }>(types) =
                        postcard::from_bytes(value).map_err(invalid)?;
                    self.types = types;
                }
                None if required => {
                    return Err(PackError::RequiredUnknown { what: "extension", name: shorten(name) });
                }
                None => self.extensions.push(Extension { name: name.to_owned(), value: value.to_vec() }),
            }
        }
        Ok(rest)
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
        self.validate_second()?;
        let needed = self.needed_format();
        if self.format != needed {
            return Err(invalid(format!("it is in format {} and needs format {needed}", self.format)));
        }
        Ok(())
    }

    /// Checks the parts that only format 2 has.
    fn validate_second(&self) -> Result<()> {
        let count = self.further.len() as u64;
        check_limit("the number of further entries", count, limits::FURTHER_ENTRIES)?;
        let bytes = self.further.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.len));
        check_limit("the length of all further entries in bytes", bytes, limits::FURTHER)?;
        if let Some(entry) = self.further.iter().find(|entry| !archive::is_further(&entry.name)) {
            return Err(invalid(format!("{:?} is no name of a further entry", shorten(&entry.name))));
        }
        if !self.further.is_sorted_by(|a, b| a.name < b.name) {
            return Err(invalid("its further entries do not ascend by name"));
        }
        let count = self.extensions.len() + self.config.needs().len() + usize::from(!self.types.is_empty());
        check_limit("the number of extensions", count as u64, limits::EXTENSIONS)?;
        for Extension { name, value } in &self.extensions {
            check_id("extension", name).map_err(invalid)?;
            check_limit("an extension's length in bytes", value.len() as u64, limits::EXTENSION)?;
            if name == TYPES || Feature::ALL.iter().any(|feature| feature.name() == name) {
                return Err(invalid(format!("extension {name:?} is known by a field")));
            }
        }
        if !self.extensions.is_sorted_by(|a, b| a.name < b.name) {
            return Err(invalid("its extensions do not ascend by name"));
        }
        if self.types.is_empty() {
            return Ok(());
        }
        let specs = self.specs();
        if Storage::Each(&self.types).types(&specs)? == Storage::Usual.types(&specs)? {
            return Err(invalid("it gives the usual number formats, which are left out"));
        }
        Ok(())
    }
}

impl Class {
    /// Refuses a class that no gallery can have.
    ///
    /// # Errors
    /// [`PackError::ManifestInvalid`], which says what is wrong with its id, name or WordNet id.
    pub fn check(&self) -> Result<()> {
        self.validate().map_err(invalid)
    }

    /// Returns what is wrong with the class, as the error.
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

/// The fields with which both formats begin, after the version; as postcard has them.
#[derive(Serialize, Deserialize)]
struct First {
    kind: Kind,
    model: String,
    config: Sizes,
    weights: Weights,
    steps: u64,
    entries: Few<Entry, { archive::ENTRIES.len() - 1 }>,
}

/// The fields of a model config that format 1 has.
#[derive(Serialize, Deserialize)]
struct Sizes {
    channels: u32,
    image_size: u32,
    patch_size: u32,
    width: u32,
    depth: u32,
    heads: u32,
    learngene_components: u32,
    tailor_components: u32,
    factored: FactoredSet,
    objective: Objective,
}

/// The fields of format 2 after those of [`First`].
#[derive(Serialize, Deserialize)]
struct Second<'a> {
    further: Few<FurtherWire, { limits::FURTHER_ENTRIES as usize }>,
    #[serde(borrow)]
    extensions: Few<ExtensionWire<'a>, { limits::EXTENSIONS as usize }>,
}

#[derive(Serialize, Deserialize)]
struct FurtherWire {
    required: bool,
    entry: Entry,
}

#[derive(Serialize, Deserialize)]
struct ExtensionWire<'a> {
    name: &'a str,
    required: bool,
    value: &'a [u8],
}

/// A list of at most `MOST` items. Reading one takes memory for the items that are there only.
#[derive(Serialize)]
#[serde(transparent)]
struct Few<T, const MOST: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        few(deserializer, MOST).map(Self)
    }
}

impl First {
    fn of(manifest: &Manifest) -> Self {
        let config = &manifest.config;
        Self {
            kind: manifest.kind.clone(),
            model: manifest.model.clone(),
            config: Sizes {
                channels: config.channels,
                image_size: config.image_size,
                patch_size: config.patch_size,
                width: config.width,
                depth: config.depth,
                heads: config.heads,
                learngene_components: config.learngene_components,
                tailor_components: config.tailor_components,
                factored: config.factored.clone(),
                objective: config.objective,
            },
            weights: manifest.weights,
            steps: manifest.steps,
            entries: Few(manifest.entries.clone()),
        }
    }

    /// Makes a manifest that has these fields, and defaults for all others.
    fn manifest(self, format: u16) -> Manifest {
        let Self { kind, model, config, weights, steps, entries: Few(entries) } = self;
        let config = ModelConfig {
            channels: config.channels,
            image_size: config.image_size,
            patch_size: config.patch_size,
            width: config.width,
            depth: config.depth,
            heads: config.heads,
            learngene_components: config.learngene_components,
            tailor_components: config.tailor_components,
            factored: config.factored,
            objective: config.objective,
            gelu: Gelu::Exact,
            learned_variance: false,
            separate_attention: false,
            norm: Norm::Layer,
            qk_norm: false,
            rope: false,
            swiglu: false,
            clean_output: false,
            few_steps: false,
        };
        let (types, further, extensions) = (Vec::new(), Vec::new(), Vec::new());
        Manifest { format, kind, model, config, weights, steps, entries, types, further, extensions }
    }
}

impl<'a> Second<'a> {
    fn of(manifest: &'a Manifest, types: &'a [u8]) -> Self {
        let further =
            manifest.further.iter().map(|entry| FurtherWire { required: false, entry: entry.clone() });
        let own = |name, value: &'a [u8], required| ExtensionWire { name, required, value };
        let features = manifest.config.needs();
        let mut extensions: Vec<_> = features.iter().map(|feature| own(feature.name(), &[], true)).collect();
        extensions.extend(manifest.extensions.iter().map(|e| own(&e.name, &e.value, false)));
        if !manifest.types.is_empty() {
            extensions.push(own(TYPES, types, true));
        }
        extensions.sort_unstable_by_key(|extension| extension.name);
        Self { further: Few(further.collect()), extensions: Few(extensions) }
    }
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Shown::of(self).serialize(serializer);
        }
        let first = First::of(self);
        if self.format < 2 {
            return (self.format, first).serialize(serializer);
        }
        let types = postcard::to_allocvec(&self.types).map_err(serde::ser::Error::custom)?;
        (self.format, first, Second::of(self, &types)).serialize(serializer)
    }
}

/// A manifest's fields as JSON has them.
#[derive(Serialize)]
struct Shown<'a> {
    format: u16,
    kind: &'a Kind,
    model: &'a str,
    config: &'a ModelConfig,
    weights: Weights,
    steps: u64,
    entries: &'a [Entry],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    types: &'a [DataType],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    further: &'a [Entry],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    extensions: &'a [Extension],
}

impl<'a> Shown<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        let Manifest { format, kind, model, config, weights, steps, entries, types, further, extensions } =
            manifest;
        let (format, weights, steps) = (*format, *weights, *steps);
        Self { format, kind, model, config, weights, steps, entries, types, further, extensions }
    }
}

/// The zero bytes at a manifest's end.
struct Alignment;

impl<'de> Deserialize<'de> for Alignment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        few::<u8, D>(deserializer, 7).map(|_| Self)
    }
}

fn invalid(reason: impl ToString) -> PackError {
    PackError::ManifestInvalid { reason: reason.to_string() }
}
