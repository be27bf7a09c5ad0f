//! A published gallery as it lies on disk.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::{ClassEntry, FileEntry, Index, Learngene, PublicKey, Tailor, Verdict, limits, trust};

use crate::error::Error;

/// A folder with an index; every file in it is checked against the index when it is read.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// Where it lies.
    pub folder: PathBuf,
    /// What it holds.
    pub index: Index,
    /// The key that signed the index; none for an unsigned gallery. Nobody has vouched for the key yet.
    pub key: Option<PublicKey>,
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
        let json = read_limited(&file, limits::INDEX)?;
        // Expiry is for who asks whether to trust it: on the publisher's own disk an old one can be renewed.
        let verdict = trust::check(None, None, &json, signature(&folder)?.as_deref(), 0);
        let (Verdict::Signed(checked) | Verdict::Unsigned(checked) | Verdict::FirstUse { checked, .. }) =
            verdict.map_err(Error::pack(&file))?;
        let mut gallery = Self { folder, index: checked.index, key: checked.trust.key };
        let shards = gallery.index.shards.iter().map(|entry| Ok(gallery.read(entry)?.1));
        let shards = shards.collect::<Result<Vec<_>, Error>>()?;
        gallery.index = gallery.index.whole(&shards).map_err(Error::pack(&file))?;
        Ok(gallery)
    }

    /// The class whose id, or else whose name, is `asked`.
    ///
    /// # Errors
    /// [`Error::UnknownClass`] with some that are there.
    pub fn class(&self, asked: &str) -> Result<&ClassEntry, Error> {
        class(&self.index, asked)
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
    found.ok_or_else(|| Error::UnknownClass {
        asked: asked.to_owned(),
        gallery: index.id.clone(),
        known: alike(&index.classes, asked),
    })
}

/// The signature beside the index in `folder`, if there is one.
pub(crate) fn signature(folder: &Path) -> Result<Option<Vec<u8>>, Error> {
    let path = folder.join(SIGNATURE_FILE);
    path.exists().then(|| read_limited(&path, limits::SIGNATURE)).transpose()
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

#[cfg(test)]
pub(crate) mod tests {
    use tailor_packs::index::{INDEX_VERSION, learngene_file_name, tailor_file_name};
    use tailor_packs::{
        Card, Class, Contents, Digest, ModelConfig, Parameters, Sampling, TensorSpec, Tensors, Weights,
        write_learngene, write_tailor,
    };

    use super::*;

    /// A gallery of the classes `A` and `B` with a tiny model, every value of which is `value`.
    pub(crate) fn write(folder: &Path, value: f32) {
        let config = ModelConfig::preset("tiny").unwrap();
        let fill = |specs: Vec<TensorSpec>| {
            let mut tensors = Tensors::new();
            for spec in specs {
                tensors.insert(&spec.name, &spec.shape, vec![value; spec.len()]).unwrap();
            }
            tensors
        };
        let (shared, own) = (fill(config.learngene_tensors()), fill(config.tailor_tensors()));
        let card = Card { title: "Test".into(), ..Card::default() };
        let contents = |tensors| Contents {
            model: "test",
            config: &config,
            weights: Weights::Ema,
            steps: 3,
            tensors,
            card: &card,
            preview: None,
        };
        let save = |name: String, bytes: Vec<u8>| {
            std::fs::write(folder.join(&name), &bytes).unwrap();
            FileEntry::of(name, &bytes)
        };
        let bytes = write_learngene(&contents(&shared)).unwrap();
        let learngene_digest = Digest::of(&bytes);
        let learngene = save(learngene_file_name("test", &learngene_digest), bytes);
        let classes = [("latin-capital-a", "A"), ("latin-capital-b", "B")].map(|(id, name)| {
            let class = Class { id: id.into(), name: name.into(), wordnet: None };
            let bytes = write_tailor(&contents(&own), learngene_digest, &class).unwrap();
            ClassEntry::new(&class, save(tailor_file_name(id, &Digest::of(&bytes)), bytes))
        });
        let index = Index {
            format: INDEX_VERSION,
            id: "test".into(),
            title: "Test".into(),
            version: 1,
            expires: None,
            key: None,
            next_key: None,
            parameters: Parameters::of(&config).unwrap(),
            config,
            sampling: Sampling { sampler: "euler".into(), steps: 2, guidance: 1.5 },
            learngene,
            classes: classes.to_vec(),
            shards: Vec::new(),
            names: None,
        };
        std::fs::write(folder.join(INDEX_FILE), index.to_json().unwrap()).unwrap();
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
        assert!(matches!(Gallery::open(&folder.path().join("absent")), Err(Error::Read { .. })));
    }
}
