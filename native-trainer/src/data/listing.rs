//! The names in a tree of files, and which of them are no part of the data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Folders that systems and programs make beside people's files.
const OF_THE_SYSTEM: [&str; 9] = [
    "__macosx",
    "@eadir",
    "@recycle",
    "#recycle",
    "$recycle.bin",
    "recycler",
    "lost+found",
    "system volume information",
    "#snapshot",
];

/// Folders whose names begin with a dot and that nobody takes for a class.
const DOTTED: [&str; 8] =
    [".git", ".svn", ".hg", ".cache", ".thumbnails", ".ipynb_checkpoints", ".appledouble", ".temporaryitems"];

/// What a path in a tree leads to.
pub(super) enum Node {
    Folder,
    /// A file, with its number in an archive.
    File(usize),
    /// What would not be read in any case, with the reason.
    Left(String),
}

/// Everything in a tree that is not hidden, by its path below the root, in the order of the names.
pub(super) type Listing = BTreeMap<PathBuf, Node>;

/// A tree as it was found.
#[derive(Default)]
pub(super) struct Tree {
    /// What is in it.
    pub(super) listing: Listing,
    /// Folders with images in them whose names begin with a dot, which may have been meant as classes.
    pub(super) dotted: BTreeSet<PathBuf>,
}

/// Whether a file or folder of this name is no part of the data.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || OF_THE_SYSTEM.contains(&name.to_lowercase().as_str())
}

/// Whether a hidden folder of this name may have been meant as a class.
pub(super) fn is_dotted(name: &str) -> bool {
    let lower = name.to_lowercase();
    name.starts_with('.') && !DOTTED.contains(&lower.as_str()) && !lower.starts_with(".trash")
}
