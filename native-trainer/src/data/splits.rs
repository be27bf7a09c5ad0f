//! Which classes of a data set to use, and which of them to take for one: `--split`.
//!
//! A split is a few lines of TOML. Those that come with the program are in `splits/`, each as a table
//! with its name:
//!
//! ```toml
//! about = "Pets"                        # one line for `tailor inspect --splits`
//! classes = ["cat", "dog", "bird"]      # without this line: every class
//! merge.bird = ["finch", "owl"]         # folders that become one class
//! invert = true                         # black becomes white
//! ```
//!
//! Nothing is copied or moved: the split is a view of the class folders.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::Pixels;
use super::{DataClass, Dataset, names, number};
use crate::system::files::{ReadError, read_limited};
use crate::system::output::{one_line, shown};

/// The splits that come with the program.
const FILES: [&str; 6] = [
    include_str!("splits/imagenet.toml"),
    include_str!("splits/letters.toml"),
    include_str!("splits/avatars.toml"),
    include_str!("splits/cifar10.toml"),
    include_str!("splits/omniglot.toml"),
    include_str!("splits/fashion.toml"),
];

/// Bytes of a split's file. All thousand classes of ImageNet take 20 kB.
const MAX_FILE: u64 = 1 << 20;

/// How many of the classes that are missing an error names.
const NAMED: usize = 5;

/// What a file says of a split.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Told {
    #[serde(skip_serializing_if = "String::is_empty")]
    about: String,
    /// A split of the program whose classes and merges this one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    like: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    invert: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    merge: BTreeMap<String, Vec<String>>,
}

/// A choice of classes, some of them merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Split {
    /// Its name, or its file's stem.
    pub name: String,
    /// One line on what it is; may be empty.
    pub about: String,
    /// Whether black becomes white.
    pub invert: bool,
    /// The classes that it chooses, superclasses among them; empty for every class that there is.
    pub classes: Vec<String>,
    /// The members of each superclass.
    pub merge: BTreeMap<String, Vec<String>>,
    #[serde(skip)]
    /// The superclass of each member, by the member's id.
    superclass: BTreeMap<String, String>,
    #[serde(skip)]
    /// The ids of `classes`.
    wanted: BTreeSet<String>,
}

/// Why a split cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// No split has this name.
    #[error("there is no split {:?}", one_line(.0))]
    Unknown(String),
    /// A file that could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file that is no split.
    #[error("{}: {reason}", shown(path))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Data without some of the split's classes.
    #[error("{}", missing(path, split, *asked, absent))]
    Missing {
        /// The data.
        path: PathBuf,
        /// The split's name.
        split: String,
        /// How many folders the split asks for.
        asked: usize,
        /// Those that are not there.
        absent: Vec<String>,
    },
}

fn missing(path: &Path, split: &str, asked: usize, absent: &[String]) -> String {
    let first: Vec<_> = absent.iter().take(NAMED).map(|name| one_line(name)).collect();
    let more = if absent.len() > NAMED { ", …" } else { "" };
    format!(
        "{} has no class {}{more}: {} of the {} that the split {split} asks for are missing",
        shown(path),
        first.join(", "),
        absent.len(),
        number(asked, "class folder")
    )
}

impl SplitError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "`tailor inspect --splits` lists them; a file of one's own ends in .toml",
            Self::Read(error) => error.help(),
            Self::File { .. } => "`tailor inspect --split cifar10-novel-1 --toml` prints one to begin with",
            Self::Missing { .. } => {
                "name the folder in which the class folders lie, or choose another split with --split"
            }
        }
    }
}

/// The id by which a class is known, however its folder spells its name.
fn id(name: &str) -> Option<String> {
    names::class_id(&names::class_name(name))
}

impl Split {
    /// The splits that come with the program, those of one data set together.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for text in FILES {
            let tables: BTreeMap<String, Told> = toml::from_str(text).unwrap_or_default();
            let splits = tables.iter().filter_map(|(name, told)| Self::new(name, told.like(&tables)).ok());
            let mut splits: Vec<_> = splits.collect();
            // Task 2 before task 10.
            splits.sort_by_key(|split| {
                let stem = split.name.trim_end_matches(|c: char| c.is_ascii_digit());
                (stem.to_owned(), split.name[stem.len()..].parse::<u32>().unwrap_or(0))
            });
            all.extend(splits);
        }
        all
    }

    /// The split of this name, or in the file at this path.
    ///
    /// # Errors
    /// [`SplitError`] for a name that no split has, and for a file that is none.
    pub fn open(name_or_file: &OsStr) -> Result<Self, SplitError> {
        let path = Path::new(name_or_file);
        let all = Self::all();
        let named = |name: &str| all.iter().find(|split| split.name == name).cloned();
        if let Some(split) = name_or_file.to_str().and_then(named) {
            return Ok(split);
        }
        if path.extension().is_none_or(|ending| ending != "toml") {
            return Err(SplitError::Unknown(name_or_file.to_string_lossy().into_owned()));
        }
        let invalid = |reason: String| SplitError::File { path: path.to_owned(), reason };
        let bytes = read_limited(path, MAX_FILE)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(invalid(format!("the file of a split has at most {MAX_FILE} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8 text".to_owned()))?;
        let mut told: Told = toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if let Some(like) = told.like.take() {
            let other =
                named(&like).ok_or_else(|| invalid(format!("there is no split {like:?} to be like")))?;
            told = told.with(other.classes, other.merge);
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::new(&name, told).map_err(invalid)
    }

    fn new(name: &str, told: Told) -> Result<Self, String> {
        let id = |name: &str| id(name).ok_or_else(|| format!("no class id can be made from {name:?}"));
        let (mut wanted, mut superclass) = (BTreeSet::new(), BTreeMap::new());
        for class in &told.classes {
            if !wanted.insert(id(class)?) {
                return Err(format!("classes has {class:?} twice"));
            }
        }
        for (name, members) in &told.merge {
            if !told.classes.is_empty() && !wanted.contains(&id(name)?) {
                return Err(format!("merge.{name} is not among the classes"));
            }
            if members.is_empty() {
                return Err(format!("merge.{name} has no members"));
            }
            for member in members {
                let member_id = id(member)?;
                if wanted.contains(&member_id) {
                    return Err(format!("{member:?} is both a class and a member of {name}"));
                }
                if let Some(other) = superclass.insert(member_id, name.clone()) {
                    return Err(format!("{member:?} is a member of {other} and of {name}"));
                }
            }
        }
        let Told { about, like: _, invert, classes, merge } = told;
        Ok(Self { name: name.to_owned(), about, invert, classes, merge, superclass, wanted })
    }

    /// The split as a file.
    ///
    /// # Errors
    /// Those of `toml`, which never occur for names.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let Self { about, invert, classes, merge, .. } = self.clone();
        toml::to_string_pretty(&Told { about, like: None, invert, classes, merge })
    }

    /// All that makes a difference to the images and classes, for the name of a cache.
    pub(super) fn key(&self) -> String {
        format!("{:?}", (self.invert, &self.classes, &self.merge))
    }

    /// The name of the class to which the folder of this name belongs; none for a folder that is left
    /// out. A folder with the name of a superclass belongs to it, too.
    pub(super) fn class_of<'a>(&'a self, folder: &'a str) -> Option<&'a str> {
        let id = id(folder)?;
        match self.superclass.get(&id) {
            Some(superclass) => Some(superclass),
            None if self.wanted.is_empty() || self.wanted.contains(&id) => Some(folder),
            None => None,
        }
    }

    /// Refuses data, at `path`, whose class folders have these names, if one is missing.
    pub(super) fn require(
        &self,
        path: &Path,
        folders: impl Iterator<Item = impl AsRef<str>>,
    ) -> Result<(), SplitError> {
        let there: BTreeSet<_> = folders.filter_map(|name| id(name.as_ref())).collect();
        let superclasses: BTreeSet<_> = self.merge.keys().filter_map(|name| id(name)).collect();
        let is_plain = |class: &&String| id(class).is_none_or(|id| !superclasses.contains(&id));
        let plain = self.classes.iter().filter(is_plain);
        let asked: Vec<_> = plain.chain(self.merge.values().flatten()).collect();
        let is_there = |name: &str| id(name).is_some_and(|id| there.contains(&id));
        let absent: Vec<_> =
            asked.iter().filter(|name| !is_there(name)).map(|name| (*name).clone()).collect();
        match absent.is_empty() {
            true => Ok(()),
            false => Err(SplitError::Missing {
                path: path.to_owned(),
                split: self.name.clone(),
                asked: asked.len(),
                absent,
            }),
        }
    }

    /// Takes the wanted classes of `data`, which lies at `path`, merges what is one, and inverts.
    pub(super) fn apply(&self, path: &Path, data: Dataset) -> Result<Dataset, SplitError> {
        self.require(path, data.classes.iter().map(|class| class.name.as_str()))?;
        let new: Vec<Option<DataClass>> = data.classes.iter().map(|class| self.renamed(class)).collect();
        let mut classes: Vec<DataClass> = Vec::new();
        for class in new.iter().flatten() {
            if classes.iter().all(|known| known.id != class.id) {
                classes.push(class.clone());
            }
        }
        classes.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
        let place = |class: &DataClass| classes.iter().position(|known| known.id == class.id);
        let labels: Vec<Option<usize>> = new.iter().map(|class| class.as_ref().and_then(place)).collect();

        let length = data.image_len();
        let mut images = match data.images {
            Pixels::Memory(images) => images,
            kept => kept.to_vec(),
        };
        let nothing = Pixels::Memory(Vec::new());
        let mut chosen = Dataset { labels: Vec::new(), sources: Vec::new(), images: nothing, ..data };
        for (i, (label, source)) in data.labels.into_iter().zip(data.sources).enumerate() {
            let Some(label) = labels[label as usize] else { continue };
            images.copy_within(i * length..(i + 1) * length, chosen.labels.len() * length);
            chosen.labels.push(label as u32);
            chosen.sources.push(source);
            classes[label].count += 1;
        }
        images.truncate(chosen.labels.len() * length);
        if self.invert {
            images.iter_mut().for_each(|value| *value = 255 - *value);
        }
        chosen.classes = classes;
        chosen.images = Pixels::Memory(images);
        Ok(chosen)
    }

    /// The class, still without images, that `class` becomes.
    fn renamed(&self, class: &DataClass) -> Option<DataClass> {
        let name = self.class_of(&class.name)?;
        if name == class.name {
            return Some(DataClass { count: 0, ..class.clone() });
        }
        Some(DataClass { id: id(name)?, name: names::class_name(name), count: 0 })
    }
}

/// The splits in a table for people: name, number of classes, what it is.
pub fn list(splits: &[Split]) -> String {
    let width = splits.iter().map(|split| split.name.len()).max().unwrap_or(0);
    let row = |split: &Split| format!("{:width$}  {:>4}  {}\n", split.name, split.classes.len(), split.about);
    splits.iter().map(row).collect()
}

/// A split for people: its classes, each with its members.
pub fn text(split: &Split) -> String {
    let Split { name, about, invert, classes, merge, .. } = split;
    let about = if about.is_empty() { String::new() } else { format!(", {}", one_line(about)) };
    let mut text = format!("{}{about}\n", one_line(name));
    text += &match (classes.len(), merge.len()) {
        (0, _) => "every class\n".to_owned(),
        (all, 0) => format!("{}\n", number(all, "class")),
        (all, merged) => format!("{}, {merged} of them merged\n", number(all, "class")),
    };
    if *invert {
        text += "inverted: black becomes white\n";
    }
    let members = |class: &String| merge.get(class).map_or(String::new(), |of| format!("  {}", of.join(" ")));
    let listed: Vec<_> = if classes.is_empty() { merge.keys().collect() } else { classes.iter().collect() };
    text + &listed
        .iter()
        .map(|class| format!("  {}\n", one_line(&format!("{class}{}", members(class)))))
        .collect::<String>()
}

impl Told {
    fn with(self, classes: Vec<String>, merge: BTreeMap<String, Vec<String>>) -> Self {
        Self { classes, merge, ..self }
    }

    /// This, with what it has of another of the same file.
    fn like(&self, tables: &BTreeMap<String, Told>) -> Self {
        let told = self.clone();
        match self.like.as_ref().and_then(|name| tables.get(name)) {
            Some(other) => told.with(other.classes.clone(), other.merge.clone()),
            None => told,
        }
    }
}

#[cfg(test)]
mod tests;
