//! `index.json`, which lists a gallery's classes and files with their digests.
//!
//! This crate reads formats 1 to 3. Format 2 adds the keys of signed galleries, shards for large
//! galleries, and files of one chunk without that chunk's digest, which is the file's own. Format 3
//! adds the fields of [`ModelConfig`] for its [`Feature`](crate::config::Feature)s. The crate
//! writes format 2, or format 3 where the model needs it, so that older programs read whatever they
//! can.

use super::signature::PublicKey;
use crate::error::{PackError, Result, check_limit, index_invalid as invalid, shorten};
use crate::format::config::ModelConfig;
use crate::format::manifest::Class;
use crate::format::names::{check_id, check_name};
use crate::format::pack::{self, Learngene, Tailor};
use crate::format::tensors::count;
use crate::limits;
use crate::lists::{each, few};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

pub use crate::file::{FileEntry, INDEX_FILE, SIGNATURE_FILE, learngene_file_name, tailor_file_name};

/// The format version of an `index.json` that needs no newer one.
pub const INDEX_VERSION: u16 = 2;
/// The newest format version. This crate reads every version from 1 to this one.
pub const NEWEST_INDEX: u16 = 3;
/// The content of `index.json`. It describes a gallery: one learngene and the tailors that fit it.
///
/// `C` is the type of its classes. [`Index::parse`] first checks an index with a type that keeps
/// none of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index<C = Vec<ClassEntry>> {
    /// Format version, as it was read. [`Index::to_json`] writes the one that the model needs.
    pub format: u16,
    /// Stable id of the gallery, `[a-z0-9_-]{1,64}`.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Number of the publication, which grows each time.
    pub version: u64,
    /// The time until which the publisher vouches for the index, in unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// The key that signs the gallery. A reader who knows no key can ask the visitor whether to
    /// trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PublicKey>,
    /// The key that will sign the gallery from some later version on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_key: Option<PublicKey>,
    /// The model's sizes.
    pub config: ModelConfig,
    /// The numbers of values that the config implies.
    pub parameters: ParameterCounts,
    /// The sampling settings that the publisher recommends.
    pub sampling: Sampling,
    /// The learngene file.
    pub learngene: FileEntry,
    /// The classes, each id once. Of a large gallery, only those to show first.
    pub classes: C,
    /// The files with a large gallery's other classes, see [`super::shards`].
    #[serde(default, deserialize_with = "few_shards", skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<FileEntry>,
    /// The file with id and name of every class of a large gallery, for search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<FileEntry>,
}

/// Numbers of values, which the config implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterCounts {
    /// Values of the learngene.
    pub learngene: u64,
    /// Values of one tailor.
    pub per_tailor: u64,
}

/// Default sampling settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// The sampler's name, as on the command line.
    pub sampler: String,
    /// Number of steps.
    pub steps: u32,
    /// Scale of the classifier-free guidance (Ho and Salimans 2022); 1 turns it off.
    pub guidance: f32,
}

/// What an index says of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassEntry {
    /// Stable id, `[a-z0-9_-]{1,64}`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// WordNet synset, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wordnet: Option<String>,
    /// The class's tailor pack.
    pub file: FileEntry,
}

fn few_shards<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<FileEntry>, D::Error> {
    few(deserializer, limits::SHARDS as usize)
}

impl ClassEntry {
    /// Makes the entry of `class`, whose pack is `file`.
    pub fn new(class: &Class, file: FileEntry) -> Self {
        Self { id: class.id.clone(), name: class.name.clone(), wordnet: class.wordnet.clone(), file }
    }

    pub(crate) fn validate(&self) -> std::result::Result<(), String> {
        let Self { id, name, wordnet, .. } = self.clone();
        Class { id, name, wordnet }.validate()?;
        self.file.validate()
    }
}

impl ParameterCounts {
    /// Counts the values of `config`.
    ///
    /// # Errors
    /// [`PackError::Config`] for a config that no model can have, [`PackError::LimitExceeded`] for
    /// one that is too large.
    pub fn of(config: &ModelConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            learngene: count(&config.learngene_tensors())?,
            per_tailor: count(&config.tailor_tensors())?,
        })
    }
}

impl Index {
    /// Makes the index of a gallery without classes: unsigned, with version 1, without expiry. Set
    /// the fields that differ.
    ///
    /// # Errors
    /// As [`ParameterCounts::of`].
    pub fn new(
        id: &str,
        title: &str,
        config: &ModelConfig,
        sampling: Sampling,
        learngene: FileEntry,
    ) -> Result<Self> {
        Ok(Self {
            format: written_format(config),
            id: id.to_owned(),
            title: title.to_owned(),
            version: 1,
            expires: None,
            key: None,
            next_key: None,
            parameters: ParameterCounts::of(config)?,
            config: config.clone(),
            sampling,
            learngene,
            classes: Vec::new(),
            shards: Vec::new(),
            names: None,
        })
    }

    /// Reads `index.json`, and refuses one that contradicts itself. Does not check a signature;
    /// [`crate::trust::check`] does.
    ///
    /// # Errors
    /// [`PackError::VersionTooNew`], [`PackError::LimitExceeded`], [`PackError::Config`] or
    /// [`PackError::IndexInvalid`].
    pub fn parse(json: &[u8]) -> Result<Self> {
        Index::look(json)?.read(json)
    }

    /// Writes the bytes of `index.json`, in format [`INDEX_VERSION`], or in [`NEWEST_INDEX`] if the
    /// model needs it.
    ///
    /// # Errors
    /// As [`Index::parse`]: an index that could not be read is not written.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut seen = Seen::default();
        self.classes.iter().try_for_each(|class| seen.add(class)).map_err(invalid)?;
        let format = if self.format == 0 { 0 } else { written_format(&self.config) };
        let written = Self { format, ..self.clone() };
        written.validate(&seen)?;
        let mut json = serde_json::to_vec_pretty(&written).map_err(invalid)?;
        json.push(b'\n');
        check_limit(INDEX_FILE, json.len() as u64, limits::INDEX)?;
        Ok(json)
    }

    /// Returns the class with this id, if it is in [`Index::classes`].
    pub fn class(&self, id: &str) -> Option<&ClassEntry> {
        self.classes.iter().find(|class| class.id == id)
    }

    /// Verifies and reads the gallery's learngene file.
    ///
    /// # Errors
    /// Those of [`FileEntry::verify`] and [`crate::pack::read_learngene`];
    /// [`PackError::IndexInvalid`] when its config is not the index's.
    pub fn read_learngene(&self, bytes: &[u8]) -> Result<Learngene> {
        pack::read_learngene_of(bytes, &self.learngene, &self.config)
    }

    /// Verifies and reads the tailor pack of the class with this id, which must fit the gallery's learngene.
    ///
    /// # Errors
    /// [`PackError::ClassUnknown`] unless the class is in [`Index::classes`]; those of
    /// [`Index::read_pack`].
    pub fn read_tailor(&self, class: &str, bytes: &[u8]) -> Result<Tailor> {
        let unknown = || PackError::ClassUnknown { found: shorten(class) };
        self.read_pack(self.class(class).ok_or_else(unknown)?, bytes)
    }

    /// Verifies and reads the tailor pack of `class`. The class may come from the index or from one
    /// of its shards.
    ///
    /// # Errors
    /// As [`FileEntry::verify`] and [`crate::pack::read_tailor`]; [`PackError::IndexInvalid`] when it is the pack
    /// of another class.
    pub fn read_pack(&self, class: &ClassEntry, bytes: &[u8]) -> Result<Tailor> {
        let tailor = pack::read_tailor_of(bytes, &class.file, (&self.learngene.sha256, &self.config))?;
        if tailor.class.id != class.id {
            return Err(invalid(format!("{} is the pack of class {:?}", class.file.path, tailor.class.id)));
        }
        Ok(tailor)
    }

    /// Returns every file that the index itself names: learngene, packs, shards and names.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        let packs = self.classes.iter().map(|class| &class.file);
        std::iter::once(&self.learngene).chain(packs).chain(&self.shards).chain(&self.names)
    }
}

/// Returns the format in which to write an index of this config.
fn written_format(config: &ModelConfig) -> u16 {
    if config.needs().is_empty() { INDEX_VERSION } else { NEWEST_INDEX }
}

impl<C> Index<C> {
    /// Refuses an index past its expiry, or older than the newest version already `seen`; `now` is in
    /// unix seconds.
    ///
    /// # Errors
    /// [`PackError::IndexExpired`] or [`PackError::IndexRolledBack`].
    pub fn check_fresh(&self, now: u64, seen: Option<u64>) -> Result<()> {
        if let Some(expires) = self.expires.filter(|expires| *expires < now) {
            return Err(PackError::IndexExpired { expires, now });
        }
        match seen.filter(|seen| *seen > self.version) {
            Some(seen) => Err(PackError::IndexRolledBack { seen, found: self.version }),
            None => Ok(()),
        }
    }

    /// Checks everything in the index but `classes`, which were checked before.
    fn validate(&self, classes: &Seen) -> Result<()> {
        if self.format == 0 {
            return Err(invalid("there is no format version 0"));
        }
        let news = self.key.is_some() || self.next_key.is_some() || self.names.is_some();
        if self.format < 2 && (news || !self.shards.is_empty()) {
            return Err(invalid("format 1 has no keys, shards or names"));
        }
        if let Some(feature) = self.config.needs().first().filter(|_| self.format < 3) {
            return Err(invalid(format!("format {} has no {feature}", self.format)));
        }
        if self.version > limits::VERSION {
            let Self { version, .. } = self;
            return Err(invalid(format!(
                "its version is {version}, and the last one is {}",
                limits::VERSION
            )));
        }
        if self.next_key.is_some() && self.next_key == self.key {
            return Err(invalid("its next key is its present key"));
        }
        check_id("gallery id", &self.id).map_err(invalid)?;
        check_name("title", &self.title).map_err(invalid)?;
        check_name("sampler", &self.sampling.sampler).map_err(invalid)?;
        let Sampling { steps, guidance, .. } = self.sampling;
        if !(1..=limits::SAMPLING_STEPS).contains(&steps) || !guidance.is_finite() {
            return Err(invalid(format!("it samples with {steps} steps and guidance {guidance}")));
        }
        if self.parameters != ParameterCounts::of(&self.config)? {
            return Err(invalid("its parameter counts are not those of its model config"));
        }
        let fits = |what, size, values| fits(what, size, values).map_err(invalid);
        fits("the learngene", self.learngene.size, self.parameters.learngene)?;
        fits("a pack", classes.largest, self.parameters.per_tailor)?;
        check_shards(self).map_err(invalid)?;
        let others = || std::iter::once(&self.learngene).chain(&self.names);
        others().chain(&self.shards).try_for_each(FileEntry::validate).map_err(invalid)?;
        // Two shards without a class are one file.
        let mut paths = BTreeSet::new();
        paths.extend(self.shards.iter().map(|shard| &shard.path));
        let again = others().map(|file| &file.path).find(|path| !paths.insert(path));
        match again.or_else(|| paths.into_iter().find(|path| classes.paths.contains(*path))) {
            Some(path) => Err(invalid(format!("file {path} stands there twice"))),
            None => Ok(()),
        }
    }
}

impl Index<Seen> {
    /// Checks `index.json` completely and keeps none of its classes, so that a refused one takes
    /// little memory.
    pub(crate) fn look(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u16,
        }
        check_limit(INDEX_FILE, json.len() as u64, limits::INDEX)?;
        check_texts(json).map_err(invalid)?;
        let Version { format: found } = serde_json::from_slice(json).map_err(invalid)?;
        if found > NEWEST_INDEX {
            return Err(PackError::VersionTooNew { what: INDEX_FILE, found, supported: NEWEST_INDEX });
        }
        let index: Self = serde_json::from_slice(json).map_err(invalid)?;
        index.validate(&index.classes)?;
        Ok(index)
    }

    /// Reads the same index with its classes.
    pub(crate) fn read(self, json: &[u8]) -> Result<Index> {
        drop(self);
        serde_json::from_slice(json).map_err(invalid)
    }
}

/// Refuses a size that no file with so many values can have.
pub(crate) fn fits(what: &str, size: u64, values: u64) -> std::result::Result<(), String> {
    // The names of its entries, twice, and what is between them.
    const AROUND: u64 = 4 << 10;
    let beside = limits::MANIFEST + limits::TENSOR_HEADER + limits::CARD + limits::PREVIEW + limits::FURTHER;
    let most = 4 * values + beside + AROUND;
    if size <= most {
        Ok(())
    } else {
        Err(format!("{what} has {size} bytes; this model's have at most {most}"))
    }
}

/// Ids and paths of the classes that were found to be right, to refuse a second one.
#[derive(Default)]
pub(crate) struct Seen {
    ids: BTreeSet<String>,
    paths: BTreeSet<String>,
    /// The size of the largest pack.
    largest: u64,
}

impl Seen {
    fn add(&mut self, class: &ClassEntry) -> std::result::Result<(), String> {
        class.validate()?;
        if !self.ids.insert(class.id.clone()) {
            return Err(format!("class id {:?} stands there twice", class.id));
        }
        if !self.paths.insert(class.file.path.clone()) {
            return Err(format!("file {} stands there twice", class.file.path));
        }
        self.largest = self.largest.max(class.file.size);
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut seen = Self::default();
        each(deserializer, |class| seen.add(&class))?;
        Ok(seen)
    }
}

/// Refuses JSON with a longer text than a gallery can have, before serde copies it or an error
/// repeats it.
pub(crate) fn check_texts(json: &[u8]) -> std::result::Result<(), String> {
    // Each byte of a name may be written as an escape of six.
    const LONGEST: u64 = 6 * limits::NAME;
    let (mut inside, mut length, mut bytes) = (false, 0, json.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => (inside, length) = (!inside, 0),
            // An escaped quotation mark does not end a text.
            b'\\' => length += 1 + u64::from(bytes.next().is_some()),
            _ => length += 1,
        }
        if inside && length > LONGEST {
            return Err(format!("a text has more than {LONGEST} bytes"));
        }
    }
    Ok(())
}

/// Checks the shards and the names of a large gallery.
fn check_shards<C>(index: &Index<C>) -> std::result::Result<(), String> {
    if index.shards.is_empty() != index.names.is_none() {
        return Err("it has shards without names, or names without shards".into());
    }
    if index.shards.len() as u64 > limits::SHARDS {
        return Err(format!("it has {} shards; {} are allowed", index.shards.len(), limits::SHARDS));
    }
    if let Some(large) = index.shards.iter().find(|file| file.size > limits::SHARD) {
        return Err(format!("a shard has {} bytes; {} are allowed", large.size, limits::SHARD));
    }
    match &index.names {
        Some(names) if names.size > limits::NAMES => {
            Err(format!("the names have {} bytes; {} are allowed", names.size, limits::NAMES))
        }
        _ => Ok(()),
    }
}
