//! From a tree of files, in a folder or in an archive, to a data set.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};
use rayon::prelude::*;

use super::archive::Archive;
use super::{Class, DataError, Dataset, Options, PatientBar, fit, names, room_for};

/// Endings of the files that are read.
const READABLE: [&str; 6] = ["png", "jpg", "jpeg", "webp", "bmp", "gif"];

/// Endings of files that are images all the same: they are skipped, but never silently.
const OTHER_IMAGES: [&str; 9] = ["tif", "tiff", "avif", "heic", "heif", "jxl", "svg", "ppm", "tga"];

/// Longest side of a picture, in pixels: larger ones are refused before anything is allocated.
const MAX_SIDE: u32 = 1 << 15;

/// Bytes of one image file: of a larger one no more than these are read.
pub(super) const MAX_FILE: u64 = 64 << 20;

/// Bytes of files and images held at a time, beside the data set itself.
const CHUNK: usize = 16 << 20;

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

/// Whether a file or folder of this name is no part of the data.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// Whether a file of this name is an image, one that is read or not.
pub(super) fn is_image(path: &Path) -> bool {
    let ending = ending(path);
    READABLE.contains(&ending.as_str()) || OTHER_IMAGES.contains(&ending.as_str())
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// What one folder holds.
#[derive(Default)]
struct Folder<'a> {
    /// Its images, each with its number in the archive.
    images: Vec<(&'a Path, usize)>,
    folders: Vec<&'a Path>,
}

/// Reads the class folders below `root`, which is `archive`, or else a folder.
pub(super) fn read(
    root: &Path,
    archive: Option<&Archive>,
    listing: &Listing,
    options: &Options,
) -> Result<Dataset, DataError> {
    if listing.is_empty() {
        return Err(DataError::EmptyFolder(root.to_owned()));
    }
    let mut skipped = Vec::new();
    let mut folders = folders(root, listing, &mut skipped);
    let top = match archive {
        Some(_) if options.class.is_none() => leading(&folders),
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
        return Err(DataError::NoClassFolders(root.to_owned()));
    }
    if let (Some(class), true) = (&options.class, folders.values().all(|folder| folder.images.is_empty())) {
        return Err(DataError::EmptyClass { class: class.clone(), path: root.to_owned(), unreadable: 0 });
    }
    let classes = classes(root, top, &folders)?;

    let files: Vec<(u32, &Path, usize)> = (0..)
        .zip(&classes)
        .flat_map(|(label, (path, _))| folders[path].images.iter().map(move |&(path, at)| (label, path, at)))
        .collect();
    let mut decoder = Decoder::new(options, files.len())?;
    match archive {
        None => {
            for (slot, (_, path, _)) in files.iter().enumerate() {
                decoder.push(slot, Content::File(root.join(path)));
            }
        }
        Some(archive) => {
            let wanted: HashMap<usize, usize> =
                (0..).zip(&files).map(|(slot, file)| (file.2, slot)).collect();
            archive.visit(&wanted, &mut |slot, reader| {
                decoder.push(slot, Content::Bytes(reader.and_then(whole)));
                Ok(())
            })?;
        }
    }
    let (images, broken) = decoder.finish();

    let mut data = Dataset::new(classes.iter().map(|(_, class)| class.clone()).collect(), options);
    data.skipped = skipped;
    // Readable images move up over the gaps that broken ones leave.
    let (mut images, bytes) = (images, options.image_len());
    for (i, &(label, path, _)) in files.iter().enumerate() {
        if let Some(reason) = broken.get(&i) {
            data.skipped.push((root.join(path), reason.clone()));
            continue;
        }
        images.copy_within(i * bytes..(i + 1) * bytes, data.labels.len() * bytes);
        data.labels.push(label);
        data.sources.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        data.classes[label as usize].count += 1;
    }
    images.truncate(data.labels.len() * bytes);
    data.images = images.into();
    match classes.iter().zip(&data.classes).find(|(_, class)| class.count == 0) {
        Some(((path, _), class)) => Err(DataError::EmptyClass {
            class: class.name.clone(),
            path: if options.class.is_some() { root.to_owned() } else { root.join(path) },
            unreadable: folders[path].images.len(),
        }),
        None => Ok(data),
    }
}

/// Every folder of a tree with what lies directly in it; `""` is the root.
fn folders<'a>(
    root: &Path,
    listing: &'a Listing,
    skipped: &mut Vec<(PathBuf, String)>,
) -> BTreeMap<&'a Path, Folder<'a>> {
    let mut folders = BTreeMap::<&Path, Folder>::new();
    for (path, node) in listing {
        let parent = path.parent().unwrap_or(Path::new(""));
        match node {
            Node::Folder => {
                folders.entry(parent).or_default().folders.push(path);
                folders.entry(path).or_default();
            }
            Node::Left(reason) => skipped.push((root.join(path), reason.clone())),
            Node::File(at) => {
                let ending = ending(path);
                if READABLE.contains(&ending.as_str()) {
                    folders.entry(parent).or_default().images.push((path, *at));
                } else if OTHER_IMAGES.contains(&ending.as_str()) {
                    skipped.push((root.join(path), format!(".{ending} files are not read")));
                }
            }
        }
    }
    folders
}

/// The folder in an archive that stands for all of it: the deepest that leads to every class.
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

/// The classes that the folders below `top` stand for, sorted by name, each beside its folder.
fn classes<'a>(
    root: &Path,
    top: &Path,
    folders: &BTreeMap<&'a Path, Folder<'a>>,
) -> Result<Vec<(&'a Path, Class)>, DataError> {
    let mut by_id = BTreeMap::<String, (&Path, Class)>::new();
    for (&path, folder) in folders {
        let parts = path.strip_prefix(top).unwrap_or(path).iter().map(|part| part.to_string_lossy());
        let name = parts.collect::<Vec<_>>().join("/");
        let class = names::class_name(&name);
        if folder.images.is_empty() {
            return Err(DataError::EmptyClass { class, path: root.join(path), unreadable: 0 });
        }
        let id = names::class_id(&name).ok_or_else(|| DataError::NoId(root.join(path)))?;
        if let Some((first, _)) = by_id.get(&id) {
            return Err(DataError::SameId { id, first: root.join(first), second: root.join(path) });
        }
        by_id.insert(id.clone(), (path, Class { id, name: class, count: 0 }));
    }
    let mut classes: Vec<_> = by_id.into_values().collect();
    classes.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
    Ok(classes)
}

/// A file that waits to be decoded.
enum Content {
    File(PathBuf),
    Bytes(Result<Vec<u8>, String>),
}

impl Content {
    /// The picture, upright, or why there is none.
    fn picture(self) -> Result<DynamicImage, String> {
        let bytes = match self {
            Self::File(path) => whole(&mut File::open(path).map_err(|error| error.to_string())?)?,
            Self::Bytes(bytes) => bytes?,
        };
        decode(&bytes).map_err(|error| error.to_string())
    }
}

/// All bytes of an image file, if they are not too many.
fn whole(reader: &mut dyn Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
    }
    Ok(bytes)
}

/// One picture, upright. The format is told by the content: endings are often wrong.
fn decode(bytes: &[u8]) -> Result<DynamicImage, ImageError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Decodes files on all cores, a chunk at a time, into one block.
struct Decoder<'a> {
    options: &'a Options,
    images: Vec<u8>,
    broken: BTreeMap<usize, String>,
    waiting: Vec<(usize, Content)>,
    held: usize,
    bar: PatientBar,
}

impl<'a> Decoder<'a> {
    fn new(options: &'a Options, count: usize) -> Result<Self, DataError> {
        let images = room_for(count, options.image_len())?;
        let (broken, waiting) = (BTreeMap::new(), Vec::new());
        Ok(Self { options, images, broken, waiting, held: 0, bar: PatientBar::new(count) })
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
                let image = content.picture().map(|picture| {
                    let mut image = vec![0; bytes];
                    fit(&picture, options.channels, options.size, &mut image);
                    image
                });
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
