//! Splits galleries of thousands of classes into a small index and files that are loaded when
//! needed.
//!
//! ```text
//! index.json                      the classes to show first, in full; a FileEntry for each file below
//! classes-0123456789abcdef.json   a shard: the ClassEntry list of the classes whose id falls to it
//! names-0123456789abcdef.json     [[id, name], …] of every class, for search; not needed to make an image
//! ```
//!
//! [`shard_of`] tells in which shard a class is, so a reader who knows an id loads one shard. The
//! index holds the digests of all these files, so one signature covers a gallery of any size.

use super::index::{ClassEntry, Index, check_texts, fits};
use crate::digest::Digest;
use crate::error::{PackError, Result, check_limit, index_invalid as invalid};
use crate::file::FileEntry;
use crate::format::names::{check_id, check_name};
use crate::limits;
use crate::lists::each;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// About how many classes a shard holds, which is about 30 kB of JSON.
const PER_SHARD: usize = 80;

/// Returns which of `count` shards holds the class with this id: the first 8 bytes of the id's
/// SHA-256, as a big-endian number, modulo `count`.
pub fn shard_of(id: &str, count: usize) -> usize {
    let [a, b, c, d, e, f, g, h, ..] = Digest::of(id.as_bytes()).0;
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    (number % count.max(1) as u64) as usize
}

/// A file to publish beside the index, with its entry in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// The file's entry in the index.
    pub entry: FileEntry,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

impl NewFile {
    fn json(kind: &str, json: Vec<u8>) -> Self {
        let path = format!("{kind}-{}.json", Digest::of(&json).short());
        Self { entry: FileEntry::of(path, &json), bytes: json }
    }
}

impl Index {
    /// Keeps the `first` classes in the index and moves the others of [`Index::classes`] to files.
    /// Returns the new index and those files. If there are no more than `first` classes, there are
    /// no such files.
    ///
    /// # Errors
    /// [`PackError::IndexInvalid`] for classes that no index could hold; [`PackError::LimitExceeded`].
    pub fn sharded(mut self, first: usize) -> Result<(Self, Vec<NewFile>)> {
        (self.shards, self.names) = (Vec::new(), None);
        if self.classes.len() <= first {
            return Ok((self, Vec::new()));
        }
        let mut ids = BTreeSet::new();
        for class in &self.classes {
            class.validate().map_err(invalid)?;
            if !ids.insert(&class.id) {
                return Err(invalid(format!("class id {:?} stands there twice", class.id)));
            }
        }
        let mut names: Vec<_> = self.classes.iter().map(|c| (&c.id, &c.name)).collect();
        names.sort();
        let mut files = vec![NewFile::json("names", serde_json::to_vec(&names).map_err(invalid)?)];
        check_limit("the file of names", files[0].entry.size, limits::NAMES)?;

        let rest = self.classes.split_off(first);
        let count = rest.len().div_ceil(PER_SHARD).next_power_of_two().min(limits::SHARDS as usize);
        let mut shards = vec![Vec::new(); count];
        rest.into_iter().for_each(|class| shards[shard_of(&class.id, count)].push(class));
        for mut shard in shards {
            shard.sort_by(|a, b| a.id.cmp(&b.id));
            let file = NewFile::json("classes", serde_json::to_vec(&shard).map_err(invalid)?);
            check_limit("a shard", file.entry.size, limits::SHARD)?;
            self.shards.push(file.entry.clone());
            // Empty shards are the same file.
            if !files.contains(&file) {
                files.push(file);
            }
        }
        self.names = Some(files[0].entry.clone());
        Ok((self, files))
    }

    /// Returns number and file of the shard to which the class with this id belongs, or `None` for
    /// a gallery without shards. Ask [`Index::class`] first: the classes that it finds are in no
    /// shard.
    pub fn shard(&self, class: &str) -> Option<(usize, &FileEntry)> {
        let number = shard_of(class, self.shards.len());
        self.shards.get(number).map(|file| (number, file))
    }

    /// Verifies and reads shard `number`. Returns its classes sorted by id, none of which is in
    /// [`Index::classes`].
    ///
    /// # Errors
    /// Those of [`FileEntry::verify`]; [`PackError::IndexInvalid`] for a shard that is not there,
    /// cannot be read, or holds a class twice or one that belongs to another shard.
    pub fn read_shard(&self, number: usize, bytes: &[u8]) -> Result<Vec<ClassEntry>> {
        let file = self.shards.get(number).ok_or_else(|| invalid(format!("it has no shard {number}")))?;
        read(file, bytes, |before: Option<&ClassEntry>, class| {
            class.validate()?;
            fits("a pack", class.file.size, self.parameters.per_tailor)?;
            let here = shard_of(&class.id, self.shards.len()) == number && self.class(&class.id).is_none();
            if here && before.is_none_or(|before| before.id < class.id) {
                return Ok(());
            }
            Err(format!("class {:?} has no place in shard {number}", class.id))
        })
    }

    /// Returns the index of the same gallery with the classes of every shard in it. `shards` are
    /// the bytes of the shards, in order.
    ///
    /// # Errors
    /// As [`Index::read_shard`]; [`PackError::IndexInvalid`] for another number of shards.
    pub fn whole(mut self, shards: &[Vec<u8>]) -> Result<Self> {
        if shards.len() != self.shards.len() {
            return Err(invalid(format!("it has {} shards, not {}", self.shards.len(), shards.len())));
        }
        let read = |(number, bytes): (usize, &Vec<u8>)| self.read_shard(number, bytes);
        let more = shards.iter().enumerate().map(read).collect::<Result<Vec<_>>>()?;
        self.classes.extend(more.into_iter().flatten());
        (self.shards, self.names) = (Vec::new(), None);
        Ok(self)
    }

    /// Verifies and reads the file of [`Index::names`]. Returns id and name of every class, sorted
    /// by id.
    ///
    /// These names are for search. Beside an image, show the name in the class's entry.
    ///
    /// # Errors
    /// As [`FileEntry::verify`]; [`PackError::IndexInvalid`] when there is none, or it cannot be read.
    pub fn read_names(&self, bytes: &[u8]) -> Result<Vec<(String, String)>> {
        let file = self.names.as_ref().ok_or_else(|| invalid("it has no file of names"))?;
        read(file, bytes, |before: Option<&(String, String)>, (id, name)| {
            check_id("class id", id)?;
            check_name("class name", name)?;
            let in_order = before.is_none_or(|before| before.0 < *id);
            if in_order { Ok(()) } else { Err(format!("class id {id:?} is out of order")) }
        })
    }
}

/// Verifies and reads a list. First passes each entry with the one before it to `check`, and keeps
/// none of them; only then reads the list as a whole.
fn read<T: DeserializeOwned>(
    file: &FileEntry,
    bytes: &[u8],
    check: impl Fn(Option<&T>, &T) -> std::result::Result<(), String>,
) -> Result<Vec<T>> {
    file.verify(bytes)?;
    let refused = |reason: String| PackError::IndexInvalid { reason: format!("{}: {reason}", file.path) };
    check_texts(bytes).map_err(refused)?;
    let (mut json, mut before) = (serde_json::Deserializer::from_slice(bytes), None);
    let look = |entry| {
        check(before.as_ref(), &entry)?;
        before = Some(entry);
        Ok(())
    };
    let looked = each(&mut json, look).and_then(|()| json.end());
    looked.and_then(|()| serde_json::from_slice(bytes)).map_err(|error| refused(error.to_string()))
}
