//! A published gallery as it lies on disk.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tailor_packs::index::INDEX_FILE;
use tailor_packs::{ClassEntry, FileEntry, Index, Learngene, Tailor, limits, read_learngene, read_tailor};

use crate::error::Error;

/// A folder with an index; every file in it is checked against the index when it is read.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// Where it lies.
    pub folder: PathBuf,
    /// What it holds.
    pub index: Index,
}

impl Gallery {
    /// Opens the gallery in `path`, a folder or its `index.json`.
    ///
    /// # Errors
    /// [`Error::NoGallery`], [`Error::Read`], or [`Error::Pack`] when the index is not valid.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) }.to_owned();
        let file = folder.join(INDEX_FILE);
        if !path.exists() {
            return Err(Error::read(path)(std::io::ErrorKind::NotFound.into()));
        }
        if !file.is_file() {
            return Err(Error::NoGallery(folder));
        }
        let index = Index::parse(&read_limited(&file, limits::INDEX)?).map_err(Error::pack(&file))?;
        Ok(Self { folder, index })
    }

    /// The class whose id, or else whose name, is `asked`.
    ///
    /// # Errors
    /// [`Error::UnknownClass`] with some that are there.
    pub fn class(&self, asked: &str) -> Result<&ClassEntry, Error> {
        let classes = &self.index.classes;
        let found = self.index.class(asked).or_else(|| classes.iter().find(|class| class.name == asked));
        found.ok_or_else(|| Error::UnknownClass {
            asked: asked.to_owned(),
            gallery: self.index.id.clone(),
            known: alike(classes, asked),
        })
    }

    /// The learngene, verified.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Pack`] when the file is not the one that the index names.
    pub fn learngene(&self) -> Result<Learngene, Error> {
        let (path, bytes) = self.read(&self.index.learngene)?;
        read_learngene(&bytes).map_err(Error::pack(&path))
    }

    /// The tailor of `class`, verified, for this `learngene`.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Pack`] when the file is not the one that the index names or does
    /// not fit the learngene.
    pub fn tailor(&self, class: &ClassEntry, learngene: &Learngene) -> Result<Tailor, Error> {
        let (path, bytes) = self.read(&class.file)?;
        let fits = (&learngene.digest, &learngene.manifest.config);
        read_tailor(&bytes, Some(fits)).map_err(Error::pack(&path))
    }

    fn read(&self, entry: &FileEntry) -> Result<(PathBuf, Vec<u8>), Error> {
        let path = self.folder.join(&entry.path);
        // One byte more than the index says is enough to tell that there are too many.
        let bytes = read_limited(&path, entry.size)?;
        entry.verify(&bytes).map_err(Error::pack(&path))?;
        Ok((path, bytes))
    }
}

/// Reads a file, but at most one byte more than `limit`, for the caller's check to refuse.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::read(path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::read(path))?;
    Ok(bytes)
}

/// Some classes to offer instead of `asked`: those that share its beginning, else the first.
fn alike(classes: &[ClassEntry], asked: &str) -> String {
    const OFFERED: usize = 8;
    let label = |class: &ClassEntry| {
        if class.id == class.name { class.id.clone() } else { format!("{} ({})", class.name, class.id) }
    };
    let asked = asked.to_lowercase();
    let near = |class: &&ClassEntry| {
        let (id, name) = (class.id.as_str(), class.name.to_lowercase());
        !asked.is_empty() && (id.contains(&asked) || name.contains(&asked) || asked.contains(&name))
    };
    let mut offered: Vec<String> = classes.iter().filter(near).take(OFFERED).map(label).collect();
    if offered.is_empty() {
        offered = classes.iter().take(OFFERED).map(label).collect();
    }
    let more = if offered.len() < classes.len() {
        format!(", … ({} in all)", classes.len())
    } else {
        String::new()
    };
    offered.join(", ") + &more
}
