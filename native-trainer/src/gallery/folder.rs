//! A published gallery as it lies on disk.

use std::path::{Path, PathBuf};

use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::{ClassEntry, FileEntry, Index, Learngene, PublicKey, Tailor, Verdict, limits, trust};

use super::origin::Origin;
use crate::error::Error;
use crate::settings::storage::StorageChoice;
use crate::system::files::read_limited;
use crate::system::shell;

/// A folder with an index; every file in it is checked against the index when it is read.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// Where it lies.
    pub folder: PathBuf,
    /// What it holds, the classes of every shard included, but no class whose pack was not fetched.
    pub index: Index,
    /// The index as it was published.
    pub published: Index,
    /// The key that signed the index; none for an unsigned gallery. Nobody has vouched for the key yet.
    pub key: Option<PublicKey>,
    /// Where `tailor fetch` had it from; none for a gallery that was made here.
    pub origin: Option<Origin>,
    /// Classes whose packs were not fetched.
    pub absent: Vec<ClassEntry>,
    /// How many shards were not fetched, with the classes in them.
    pub absent_shards: usize,
}

impl Gallery {
    /// Opens the gallery in `path`, a folder or its `index.json`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NoGallery`], [`Error::Read`], or [`Error::Pack`] when the index is not valid.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) }.to_owned();
        let file = folder.join(INDEX_FILE);
        if !path.exists() {
            return Err(Error::Missing(path.to_owned()));
        }
        if !file.is_file() {
            return Err(Error::NoGallery(folder));
        }
        let json = read_limited(&file, limits::INDEX)?;
        // Expiry is for who asks whether to trust it: on the publisher's own disk an old one can be renewed.
        let verdict = trust::check(None, None, &json, signature(&folder)?.as_deref(), 0);
        let (Verdict::Signed(checked) | Verdict::Unsigned(checked) | Verdict::FirstUse { checked, .. }) =
            verdict.map_err(Error::pack(&file))?;
        let mut gallery = Self {
            origin: Origin::read(&folder)?,
            folder,
            index: checked.index.clone(),
            published: checked.index,
            key: checked.trust.key,
            absent: Vec::new(),
            absent_shards: 0,
        };
        (gallery.index.shards, gallery.index.names) = (Vec::new(), None);
        for (number, entry) in gallery.published.shards.iter().enumerate() {
            if gallery.origin.is_some() && !gallery.holds(entry) {
                gallery.absent_shards += 1;
                continue;
            }
            let (path, bytes) = gallery.read(entry)?;
            let classes = gallery.published.read_shard(number, &bytes).map_err(Error::pack(&path))?;
            gallery.index.classes.extend(classes);
        }
        if gallery.origin.is_some() {
            let classes = std::mem::take(&mut gallery.index.classes);
            (gallery.index.classes, gallery.absent) =
                classes.into_iter().partition(|class| gallery.holds(&class.file));
        }
        Ok(gallery)
    }

    /// Whether a file of the gallery is here.
    pub(crate) fn holds(&self, entry: &FileEntry) -> bool {
        self.folder.join(&entry.path).exists()
    }

    /// Every file that the gallery has or may have.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let packs = self.index.classes.iter().map(|class| &class.file.path);
        let named = self.published.files().map(|file| &file.path).chain(packs).map(String::as_str);
        named.chain([INDEX_FILE, SIGNATURE_FILE, Origin::FILE]).map(|name| self.folder.join(name))
    }

    /// What was not fetched, in words.
    pub fn missing(&self) -> Option<String> {
        let absent: Vec<_> = self.absent.iter().map(|c| (c.id.as_str(), c.name.as_str())).collect();
        let all = self.published.shards.len();
        let shards = match self.absent_shards {
            0 => String::new(),
            some => format!("the classes of {some} of {all} shards"),
        };
        let words = [few(&absent), shards].into_iter().filter(|words| !words.is_empty());
        Some(words.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty())
    }

    /// Refuses a gallery of which only a part was fetched, because a change would remove the rest.
    ///
    /// # Errors
    /// [`Error::Refused`] names what was not fetched.
    pub(crate) fn require_all(&self) -> Result<(), Error> {
        let Some(missing) = self.missing() else { return Ok(()) };
        Err(Error::Refused {
            what: format!(
                "{} was fetched without {missing}, which the change would remove",
                self.folder.display()
            ),
            help: "fetch it with --all-classes first".to_owned(),
        })
    }

    /// The class whose id, or else whose name, is `asked`.
    ///
    /// # Errors
    /// [`Error::UnknownClass`] with some that are there; [`Error::Refused`] for one that was not fetched.
    pub fn class(&self, asked: &str) -> Result<&ClassEntry, Error> {
        class(&self.index, asked).map_err(|unknown| match &self.origin {
            Some(origin)
                if self.absent_shards > 0 || self.absent.iter().any(|c| c.id == asked || c.name == asked) =>
            {
                let folder = shell::path(&self.folder);
                let (url, class) = (shell::word(&origin.url), shell::word(asked));
                Error::Refused {
                    what: format!("class {asked:?} was not fetched into {}", self.folder.display()),
                    help: format!("tailor fetch {url} --class {class} --out {folder}"),
                }
            }
            _ => unknown,
        })
    }

    /// The learngene, verified.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Pack`] when the file is not the one that the index names.
    pub fn learngene(&self) -> Result<Learngene, Error> {
        let (path, bytes) = self.read(&self.index.learngene)?;
        self.index.read_learngene(&bytes).map_err(Error::pack(&path))
    }

    /// The tailor of `class`, verified.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Pack`] when the file is not the one that the index names or does
    /// not fit the gallery's learngene.
    pub fn tailor(&self, class: &ClassEntry) -> Result<Tailor, Error> {
        let (path, bytes) = self.read(&class.file)?;
        self.index.read_tailor(&class.id, &bytes).map_err(Error::pack(&path))
    }

    /// The number format of some tailor that is there, when this program knows it.
    pub(crate) fn tailor_storage(&self) -> Option<StorageChoice> {
        let tailor = self.index.classes.iter().find_map(|class| self.tailor(class).ok())?;
        StorageChoice::of(&tailor.manifest)
    }

    fn read(&self, entry: &FileEntry) -> Result<(PathBuf, Vec<u8>), Error> {
        let path = self.folder.join(&entry.path);
        // One byte more than the index says is enough to tell that there are too many.
        let bytes = read_limited(&path, entry.size)?;
        Ok((path, bytes))
    }
}

/// The class of `index` whose id, or else whose name, is `asked`.
///
/// # Errors
/// [`Error::UnknownClass`] with some that are there.
pub(crate) fn class<'a>(index: &'a Index, asked: &str) -> Result<&'a ClassEntry, Error> {
    let found = index.class(asked).or_else(|| index.classes.iter().find(|class| class.name == asked));
    found.ok_or_else(|| {
        let names: Vec<_> = index.classes.iter().map(|c| (c.id.clone(), c.name.clone())).collect();
        let (gallery, known) = (index.id.clone(), alike(&names, asked));
        Error::UnknownClass { asked: asked.to_owned(), gallery, known }
    })
}

/// The signature beside the index in `folder`, if there is one.
pub(crate) fn signature(folder: &Path) -> Result<Option<Vec<u8>>, Error> {
    let path = folder.join(SIGNATURE_FILE);
    Ok(path.exists().then(|| read_limited(&path, limits::SIGNATURE)).transpose()?)
}

/// The first of some classes, given by id and name, and how many there are in all.
pub(crate) fn few(classes: &[(&str, &str)]) -> String {
    const NAMED: usize = 8;
    let mut words: Vec<String> = classes.iter().take(NAMED).map(|(id, name)| label(id, name)).collect();
    if classes.len() > NAMED {
        words.push(format!("… ({} in all)", classes.len()));
    }
    words.join(", ")
}

/// A class's name and id.
fn label(id: &str, name: &str) -> String {
    if id == name { id.to_owned() } else { format!("{name} ({id})") }
}

/// Some classes to offer instead of `asked`, out of ids and names: those that share its beginning, else the first.
pub(crate) fn alike(classes: &[(String, String)], asked: &str) -> String {
    const OFFERED: usize = 8;
    let asked = asked.to_lowercase();
    let near = |(id, name): &&(String, String)| {
        let name = name.to_lowercase();
        !asked.is_empty() && (id.contains(&asked) || name.contains(&asked) || asked.contains(&name))
    };
    let label = |(id, name): &(String, String)| label(id, name);
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

#[cfg(test)]
#[path = "../../tests/support/gallery.rs"]
mod draft;

#[cfg(test)]
pub(crate) mod tests {
    use super::draft::Draft;
    use super::*;

    /// A gallery of the classes `A` and `B` with a tiny model, every value of which is `value`.
    pub(crate) fn write(folder: &Path, value: f32) {
        let classes = [("latin-capital-a", "A"), ("latin-capital-b", "B")];
        let classes = classes.map(|(id, name)| (id.to_owned(), name.to_owned()));
        Draft::of(folder, "tiny", value, &classes).publish(None);
    }

    #[test]
    fn a_gallery_in_shards_is_one_gallery() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 0.5);
        let whole = Gallery::open(folder.path()).unwrap();
        let (index, files) = whole.index.clone().sharded(1).unwrap();
        assert!(index.classes.len() == 1 && !index.shards.is_empty());
        std::fs::write(folder.path().join(INDEX_FILE), index.to_json().unwrap()).unwrap();
        let sharded = || Gallery::open(folder.path());
        assert!(matches!(sharded(), Err(Error::Read { .. })), "a shard is missing");
        for file in &files {
            std::fs::write(folder.path().join(&file.entry.path), &file.bytes).unwrap();
        }
        assert_eq!(sharded().unwrap().index.classes, whole.index.classes);
        let gallery = sharded().unwrap();
        gallery.tailor(gallery.class("B").unwrap()).unwrap();
        let shard = files.iter().find(|file| file.entry.path.starts_with("classes")).unwrap();
        std::fs::write(folder.path().join(&shard.entry.path), b"[]").unwrap();
        assert!(matches!(sharded(), Err(Error::Pack { .. })), "a shard was altered");
    }

    /// The path of the gallery's file whose name begins with `start`.
    pub(crate) fn file(folder: &Path, start: &str) -> PathBuf {
        let mut paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start)).unwrap()
    }

    #[test]
    fn a_class_is_found_by_its_id_and_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 0.5);
        let gallery = Gallery::open(folder.path()).unwrap();
        assert_eq!(gallery.learngene().unwrap().manifest.model, "test");
        for asked in ["B", "latin-capital-b"] {
            let class = gallery.class(asked).unwrap();
            assert_eq!(gallery.tailor(class).unwrap().class.id, "latin-capital-b");
        }
    }

    #[test]
    fn an_unknown_class_is_refused_with_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 0.5);
        let error = Gallery::open(folder.path()).unwrap().class("Q").unwrap_err();
        assert!(error.to_string().contains("\"Q\""), "{error}");
        assert!(error.help().unwrap().contains("A (latin-capital-a), B (latin-capital-b)"));
    }

    #[test]
    fn a_folder_without_an_index_is_no_gallery() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Gallery::open(folder.path()), Err(Error::NoGallery(_))));
        assert!(matches!(Gallery::open(&folder.path().join("absent")), Err(Error::Missing(_))));
    }
}
