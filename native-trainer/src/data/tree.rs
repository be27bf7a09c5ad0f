//! From a tree of files, in a folder or in an archive, to a data set.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::archive::Archive;
use super::listing::{Listing, Node, Tree};
use super::picture::{self, Ending, Found, whole};
use super::{DataClass, DataError, Dataset, Options, latents, names, number, room_for};
use crate::system::files;
use crate::system::output::{one_line, shown};
use crate::system::progress::Progress;

/// Bytes of files and images held at a time, beside the data set itself.
const CHUNK: usize = 16 << 20;

/// Names by which people keep the parts of a data set apart.
const PARTS: [&str; 8] = ["train", "training", "test", "testing", "val", "valid", "validation", "dev"];

/// What one folder holds.
#[derive(Debug, Default)]
struct Folder<'a> {
    /// Its images, each with its number in the archive.
    images: Vec<(&'a Path, usize)>,
    folders: Vec<&'a Path>,
}

/// Reads the class folders below `root`, which is `archive`, or else a folder.
pub(super) fn read(
    root: &Path,
    archive: Option<&Archive>,
    tree: &Tree,
    options: &Options,
) -> Result<Dataset, DataError> {
    let listing = &tree.listing;
    if listing.is_empty() {
        return Err(DataError::EmptyFolder(root.to_owned()));
    }
    let looks = looks(root, archive, listing, options)?;
    let mut sorted = Sorted::default();
    sorted.add_all(root, listing, &looks, options);
    let Sorted { mut folders, mut skipped, ignored } = sorted;
    if options.latents() && folders.values().all(|folder| folder.images.is_empty()) {
        return Err(DataError::NoLatents { path: root.to_owned(), channels: options.channels });
    }
    let top = match options.class {
        None if !options.whole_names => leading(&folders),
        _ => Path::new(""),
    };
    if let Some(name) = &options.class {
        let images = std::mem::take(&mut folders).into_values().flat_map(|folder| folder.images).collect();
        folders.insert(Path::new(name), Folder { images, folders: Vec::new() });
    }
    let loose = folders.remove(top).unwrap_or_default().images;
    skipped.extend(loose.iter().map(|(path, _)| (root.join(path), "it lies in no class folder".to_owned())));
    skipped.sort();
    // A folder that only sorts other folders is no class.
    folders.retain(|_, folder| !folder.images.is_empty() || folder.folders.is_empty());
    if folders.is_empty() {
        let (path, unreadable) = (root.to_owned(), skipped.len());
        return Err(DataError::NoClassFolders {
            path,
            first: skipped.into_iter().next().map(Box::new),
            unreadable,
        });
    }
    if let Some(split) = &options.split {
        split.require(root, folders.keys().map(|path| name(top, path)))?;
        folders.retain(|path, _| split.class_of(&name(top, path)).is_some());
    }
    let classes = classes(root, top, &folders)?;

    let files: Vec<(u32, &Path, usize)> = (0..)
        .zip(&classes)
        .flat_map(|(label, (path, _))| folders[path].images.iter().map(move |&(path, at)| (label, path, at)))
        .collect();
    let (mut images, broken) = decode(root, archive, &files, options)?;

    let mut data = Dataset::new(classes.iter().map(|(_, class)| class.clone()).collect(), options);
    data.skipped = skipped;
    data.notes =
        notes(root, top, tree, &classes, &ignored, if options.latents() { "latent" } else { "image" });
    data.wrapped = !top.as_os_str().is_empty();
    // Readable images move up over the gaps that broken ones leave.
    let bytes = options.image_len();
    for (i, &(label, path, _)) in files.iter().enumerate() {
        if let Some(reason) = broken.get(&i) {
            data.skipped.push((root.join(path), reason.clone()));
            continue;
        }
        images.copy_within(i * bytes..(i + 1) * bytes, data.labels.len() * bytes);
        data.labels.push(label);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        data.sources.push(name.split('.').next().unwrap_or_default().to_owned());
        data.classes[label as usize].count += 1;
    }
    images.truncate(data.labels.len() * bytes);
    data.images = images.into();
    match empty_class(root, &classes, &data, options.class.is_some()) {
        Some(error) => Err(error),
        None => Ok(data),
    }
}

/// What the files are whose endings do not tell, by their first bytes.
fn looks<'a>(
    root: &Path,
    archive: Option<&Archive>,
    listing: &'a Listing,
    options: &Options,
) -> Result<HashMap<&'a Path, Found>, DataError> {
    let unsure: Vec<(&Path, usize)> = listing
        .iter()
        .filter_map(|(path, node)| match node {
            Node::File(at) if options.ending(path) == Ending::Unsure => Some((path.as_path(), *at)),
            _ => None,
        })
        .collect();
    let Some(archive) = archive else {
        let look = |path: &Path| match files::open(&root.join(path)) {
            Ok(mut file) => looked(path, &head(Ok(&mut file))),
            Err(error) => looked(path, &Err(error.to_string())),
        };
        return Ok(unsure.par_iter().map(|&(path, _)| (path, look(path))).collect());
    };
    let mut found = HashMap::new();
    if unsure.is_empty() {
        return Ok(found);
    }
    let mut paths = HashMap::<usize, Vec<&Path>>::new();
    unsure.iter().for_each(|&(path, at)| paths.entry(at).or_default().push(path));
    archive.visit(&paths, &mut |at, reader| {
        let head = head(reader);
        found.extend(paths.get(&at).into_iter().flatten().map(|&path| (path, looked(path, &head))));
        Ok(())
    })?;
    Ok(found)
}

/// The first bytes of a file, or why it cannot be read.
fn head(reader: Result<&mut dyn Read, String>) -> Result<Vec<u8>, String> {
    let mut head = Vec::new();
    reader?.take(picture::HEAD).read_to_end(&mut head).map_err(|error| error.to_string())?;
    Ok(head)
}

fn looked(path: &Path, head: &Result<Vec<u8>, String>) -> Found {
    let found = picture::look(path, head.as_deref().unwrap_or_default());
    match (found, head) {
        (Found::Left(_), Err(reason)) => Found::Left(one_line(reason).into_owned()),
        (found, _) => found,
    }
}

/// The files of a tree, sorted by what is to become of them.
#[derive(Default)]
struct Sorted<'a> {
    /// Every folder with what lies directly in it; `""` is the root.
    folders: BTreeMap<&'a Path, Folder<'a>>,
    /// What is left out, with the reason.
    skipped: Vec<(PathBuf, String)>,
    /// What is no image.
    ignored: Vec<&'a Path>,
}

impl<'a> Sorted<'a> {
    fn add_all(
        &mut self,
        root: &Path,
        listing: &'a Listing,
        looks: &HashMap<&'a Path, Found>,
        options: &Options,
    ) {
        for (path, node) in listing {
            let parent = path.parent().unwrap_or(Path::new(""));
            match node {
                Node::Folder => {
                    self.folders.entry(parent).or_default().folders.push(path);
                    self.folders.entry(path).or_default();
                }
                Node::Left(reason) => self.skipped.push((root.join(path), reason.clone())),
                Node::File(at) => {
                    let found = match options.ending(path) {
                        Ending::Readable => &Found::Picture,
                        Ending::Never => &Found::Nothing,
                        Ending::Unsure => looks.get(path.as_path()).unwrap_or(&Found::Nothing),
                    };
                    match found {
                        Found::Picture => self.folders.entry(parent).or_default().images.push((path, *at)),
                        Found::Left(reason) => self.skipped.push((root.join(path), reason.clone())),
                        Found::Nothing => self.ignored.push(path),
                    }
                }
            }
        }
    }
}

/// What the user should know of how the tree was taken.
fn notes(
    root: &Path,
    top: &Path,
    tree: &Tree,
    classes: &[(&Path, DataClass)],
    ignored: &[&Path],
    wanted: &str,
) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(ignored.first().map(|first| {
        let first = shown(&root.join(first));
        match ignored.len() {
            1 => format!("{first} is no {wanted}"),
            n => format!("{} are no {wanted}s, the first is {first}", number(n, "file")),
        }
    }));
    notes.extend(tree.dotted.iter().map(|folder| {
        format!(
            "{} is no class, since its name begins with a dot; rename it to make it one",
            shown(&root.join(folder))
        )
    }));
    let parts: BTreeSet<&str> = classes
        .iter()
        .filter_map(|(path, _)| {
            let mut below = path.strip_prefix(top).unwrap_or(path).iter();
            let first = below.next()?.to_str()?;
            (below.next().is_some() && PARTS.contains(&first.to_lowercase().as_str())).then_some(first)
        })
        .collect();
    if let Some(first) = parts.first() {
        let all: Vec<&str> = parts.iter().copied().collect();
        notes.push(format!(
            "{} became a part of the classes' names; to use the images of one part alone, name its folder, such as {}",
            all.join(" and "),
            shown(&root.join(top).join(first))
        ));
    }
    notes
}

/// The classes without one readable image, if there are any.
fn empty_class(root: &Path, classes: &[(&Path, DataClass)], data: &Dataset, one: bool) -> Option<DataError> {
    let mut empty = classes.iter().zip(&data.classes).filter(|(_, class)| class.count == 0);
    let ((path, _), class) = empty.next()?;
    let path = if one { root.to_owned() } else { root.join(path) };
    let below: Vec<_> = data
        .skipped
        .iter()
        .filter(|(file, _)| if one { file.starts_with(&path) } else { file.parent() == Some(&path) })
        .collect();
    Some(DataError::EmptyClass {
        class: class.name.clone(),
        unreadable: below.len(),
        first: below.first().map(|first| Box::new((*first).clone())),
        others: empty.map(|(_, class)| class.name.clone()).collect(),
        path,
    })
}

/// The folder that stands for all of a tree: the deepest that leads to every class.
fn leading<'a>(folders: &BTreeMap<&'a Path, Folder<'a>>) -> &'a Path {
    let mut top = Path::new("");
    while let Some(folder) = folders.get(top)
        && let ([], [only]) = (&folder.images[..], &folder.folders[..])
        && folders.get(only).is_some_and(|inside| !inside.folders.is_empty())
    {
        top = *only;
    }
    top
}

/// The name of the class in the folder at `path` below `top`.
fn name(top: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(top).unwrap_or(path).iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// The classes that the folders below `top` stand for, sorted by name, each beside its folder.
fn classes<'a>(
    root: &Path,
    top: &Path,
    folders: &BTreeMap<&'a Path, Folder<'a>>,
) -> Result<Vec<(&'a Path, DataClass)>, DataError> {
    let mut by_id = BTreeMap::<String, (&Path, DataClass)>::new();
    for &path in folders.keys() {
        let name = name(top, path);
        let class = names::class_name(&name);
        let id = names::class_id(&name).ok_or_else(|| DataError::NoId(root.join(path)))?;
        if let Some((first, _)) = by_id.get(&id) {
            return Err(DataError::SameId { id, first: root.join(first), second: root.join(path) });
        }
        by_id.insert(id.clone(), (path, DataClass { id, name: class, count: 0 }));
    }
    let mut classes: Vec<_> = by_id.into_values().collect();
    classes.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
    Ok(classes)
}

/// All images of `files`, `[N, C, S, S]`, and why some of them are missing.
fn decode(
    root: &Path,
    archive: Option<&Archive>,
    files: &[(u32, &Path, usize)],
    options: &Options,
) -> Result<(Vec<u8>, BTreeMap<usize, String>), DataError> {
    let mut decoder = Decoder::new(options, files.len())?;
    match archive {
        None => {
            for (slot, (_, path, _)) in files.iter().enumerate() {
                decoder.push(slot, Content::File(root.join(path)));
            }
        }
        Some(archive) => {
            // An entry with several names is as many images.
            let mut slots = HashMap::<usize, Vec<usize>>::new();
            (0..).zip(files).for_each(|(slot, file)| slots.entry(file.2).or_default().push(slot));
            archive.visit(&slots, &mut |at, reader| {
                let bytes = reader.and_then(whole);
                for &slot in slots.get(&at).into_iter().flatten() {
                    decoder.push(slot, Content::Bytes(bytes.clone()));
                }
                Ok(())
            })?;
        }
    }
    Ok(decoder.finish())
}

/// A file that waits to be decoded.
enum Content {
    File(PathBuf),
    Bytes(Result<Vec<u8>, String>),
}

impl Content {
    /// The image, `[C, S, S]`, or why there is none.
    fn image(self, options: &Options) -> Result<Vec<u8>, String> {
        let bytes = match self {
            Self::File(path) => whole(&mut files::open(&path).map_err(|error| error.to_string())?)?,
            Self::Bytes(bytes) => bytes?,
        };
        if options.latents() { latents::read(&bytes, options) } else { picture::read(&bytes, options) }
    }
}

/// Decodes files on all cores, a chunk at a time, into one block.
struct Decoder<'a> {
    options: &'a Options,
    images: Vec<u8>,
    broken: BTreeMap<usize, String>,
    waiting: Vec<(usize, Content)>,
    held: usize,
    bar: Progress,
}

impl<'a> Decoder<'a> {
    fn new(options: &'a Options, count: usize) -> Result<Self, DataError> {
        let images = room_for(count, options.image_len())?;
        let (broken, waiting) = (BTreeMap::new(), Vec::new());
        Ok(Self {
            options,
            images,
            broken,
            waiting,
            held: 0,
            bar: Progress::new("reading images", count as u64),
        })
    }

    /// Takes what is to become the image number `slot`.
    fn push(&mut self, slot: usize, content: Content) {
        let bytes = if let Content::Bytes(Ok(bytes)) = &content { bytes.len() } else { 0 };
        self.held += bytes + self.options.image_len();
        self.waiting.push((slot, content));
        if self.held >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let (options, bytes, bar) = (self.options, self.options.image_len(), &self.bar);
        let done: Vec<(usize, Result<Vec<u8>, String>)> = std::mem::take(&mut self.waiting)
            .into_par_iter()
            .map(|(slot, content)| {
                let image = content.image(options);
                bar.step();
                (slot, image)
            })
            .collect();
        for (slot, image) in done {
            match image {
                Ok(image) => self.images[slot * bytes..][..bytes].copy_from_slice(&image),
                Err(reason) => {
                    self.broken.insert(slot, reason);
                }
            }
        }
        self.held = 0;
    }

    /// All images, `[N, C, S, S]`, and why some of them are missing.
    fn finish(mut self) -> (Vec<u8>, BTreeMap<usize, String>) {
        self.flush();
        (self.images, self.broken)
    }
}
