//! A data set from the IDX files of MNIST and its relatives, gzipped or not.
//!
//! ```text
//! images   0x00000803 | count | rows | columns   u32, big-endian | count·rows·columns bytes
//! labels   0x00000801 | count                                    | count bytes
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use image::{DynamicImage, GrayImage};
use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::archive::Archive;
use super::listing::{Listing, Node};
use super::picture::fit;
use super::{DataClass, DataError, Dataset, Options, names};
use crate::system::files;
use crate::system::progress::Progress;

/// What a compressed file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The most images, and the longest side, that a header may ask for.
const MAX_COUNT: u64 = 10_000_000;
const MAX_SIDE: u64 = 1024;

/// Bytes of pictures held at a time, beside the data set itself.
const CHUNK: usize = 16 << 20;

/// Fashion-MNIST's classes (Xiao et al. 2017); its files hold numbers only.
const FASHION: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// An images file and the labels file beside it.
pub(super) struct Pair {
    pub(super) images: PathBuf,
    pub(super) labels: PathBuf,
}

/// What the name of an IDX file says: `train-images-idx3-ubyte`, `train-images.idx3-ubyte`,
/// `emnist-letters-train-images-idx3-ubyte.gz` and the like.
struct Name {
    /// What stands before `images` or `labels`, in lower case: `train`, `t10k`, `emnist-letters-train`.
    set: String,
    is_images: bool,
}

impl Name {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let separators = ['-', '.', '_'];
        for (what, dimensions, is_images) in [("images", "idx3", true), ("labels", "idx1", false)] {
            let Some((set, rest)) = name.rsplit_once(what) else { continue };
            let Some(rest) = rest.strip_prefix(separators).and_then(|rest| rest.strip_prefix(dimensions))
            else {
                continue;
            };
            if rest.is_empty() || rest.starts_with(separators) {
                return Some(Self { set: set.trim_end_matches(separators).to_owned(), is_images });
            }
        }
        None
    }

    fn is_for_training(&self) -> bool {
        let before = self.set.strip_suffix("train");
        before.is_some_and(|before| before.is_empty() || before.ends_with(['-', '.', '_']))
    }
}

/// The folder that a set of files lies in. Some archives unpack each file into a folder of its name.
fn home(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(Path::new(""));
    match Name::of(folder) {
        Some(_) => folder.parent().unwrap_or(Path::new("")),
        None => folder,
    }
}

/// The images and the labels of one set, as far as they are there: the first of each counts, which is the one
/// that lies highest.
#[derive(Default)]
struct Set<'a> {
    images: Option<&'a Path>,
    labels: Option<&'a Path>,
}

/// Every set of IDX files among `paths`, by its folder and name.
fn sets<'a>(paths: impl Iterator<Item = &'a Path>) -> BTreeMap<(&'a Path, String), Set<'a>> {
    let mut named: Vec<(usize, &Path, Name)> =
        paths.filter_map(|path| Some((path.components().count(), path, Name::of(path)?))).collect();
    named.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    let mut sets = BTreeMap::<_, Set>::new();
    for (_, path, name) in named {
        let set = sets.entry((home(path), name.set)).or_default();
        (if name.is_images { &mut set.images } else { &mut set.labels }).get_or_insert(path);
    }
    sets
}

fn files(listing: &Listing) -> impl Iterator<Item = &Path> {
    let is_file = |node: &Node| matches!(node, Node::File(_));
    listing.iter().filter(move |(_, node)| is_file(node)).map(|(path, _)| path.as_path())
}

/// The training set in a folder or archive, each file by its path below the root, if it holds IDX files.
fn training<'a>(root: &Path, listing: &'a Listing) -> Result<Option<(&'a Path, &'a Path)>, DataError> {
    let sets = sets(files(listing));
    let mut found: Vec<_> = sets
        .iter()
        .filter_map(|((home, set), files)| {
            let images = files.images?;
            let name = Name { set: set.clone(), is_images: true };
            name.is_for_training().then_some((home, set == "train", images, files.labels))
        })
        .collect();
    // One that is called just so stands for its folder, whatever else lies there.
    if let Some(plain) = found.iter().filter(|set| set.1).min_by_key(|set| set.0.components().count()) {
        found = vec![*plain];
    }
    match &found[..] {
        [] => Ok(None),
        [(_, _, images, Some(labels))] => Ok(Some((*images, *labels))),
        [(_, _, images, None)] => Err(missing_labels(&root.join(images))),
        several => Err(DataError::SeveralIdx {
            path: root.to_owned(),
            images: several.iter().map(|(_, _, images, _)| root.join(images)).collect(),
        }),
    }
}

/// The pair of which the file at `path` is one, if its name is that of an IDX file.
pub(super) fn beside(path: &Path) -> Result<Option<Pair>, DataError> {
    let Some(name) = Name::of(path) else { return Ok(None) };
    let home = match home(path) {
        empty if empty.as_os_str().is_empty() => Path::new("."),
        home => home,
    };
    let walk = WalkDir::new(home).min_depth(1).max_depth(2).follow_links(true).into_iter();
    let around: Vec<PathBuf> = walk
        .filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_file()))
        .map(DirEntry::into_path)
        .collect();
    // What was named counts before its twins.
    let set = sets(around.iter().map(PathBuf::as_path)).remove(&(home, name.set)).unwrap_or_default();
    let (images, labels) = match name.is_images {
        true => (Some(path), set.labels),
        false => (set.images, Some(path)),
    };
    match (images, labels) {
        (Some(images), Some(labels)) => {
            Ok(Some(Pair { images: images.to_owned(), labels: labels.to_owned() }))
        }
        (Some(images), None) => Err(missing_labels(images)),
        (None, _) => Err(DataError::Missing(path.with_file_name(swapped(path, "labels", "images")))),
    }
}

/// The training pair in the folder at `root`, if it holds IDX files.
pub(super) fn in_folder(root: &Path, listing: &Listing) -> Result<Option<Pair>, DataError> {
    let found = training(root, listing)?;
    Ok(found.map(|(images, labels)| Pair { images: root.join(images), labels: root.join(labels) }))
}

/// Reads a pair of files.
pub(super) fn read(pair: &Pair, options: &Options) -> Result<Dataset, DataError> {
    let open = |path: &Path| files::open(path).map(BufReader::new).map_err(DataError::read(path));
    let images = read_images(&pair.images, &mut open(&pair.images)?, options)?;
    let labels = read_labels(&pair.labels, &mut open(&pair.labels)?)?;
    join(pair, images, labels, options)
}

/// Reads the training images in an archive, if it holds IDX files.
pub(super) fn read_archive(
    root: &Path,
    archive: &Archive,
    listing: &Listing,
    options: &Options,
) -> Result<Option<Dataset>, DataError> {
    let Some((images, labels)) = training(root, listing)? else { return Ok(None) };
    let number = |path: &Path| match listing.get(path) {
        Some(Node::File(at)) => *at,
        _ => unreachable!("only files are found"),
    };
    let images_at = number(images);
    let wanted = HashMap::from([(images_at, ()), (number(labels), ())]);
    let pair = Pair { images: root.join(images), labels: root.join(labels) };

    let (mut pixels, mut numbers) = (None, None);
    archive.visit(&wanted, &mut |at, reader| {
        let path = if at == images_at { &pair.images } else { &pair.labels };
        let reader = reader.map_err(|reason| DataError::Archive { path: path.clone(), reason })?;
        match at == images_at {
            true => pixels = Some(read_images(path, reader, options)?),
            false => numbers = Some(read_labels(path, reader)?),
        }
        Ok(())
    })?;
    // Both were found, or the visit would have failed.
    let (Some(pixels), Some(numbers)) = (pixels, numbers) else { return Ok(None) };
    join(&pair, pixels, numbers, options).map(Some)
}

/// The name of a file with `what` in place of `this`.
fn swapped(path: &Path, this: &str, what: &str) -> String {
    let (from, to) = if this == "images" { ("idx3", "idx1") } else { ("idx1", "idx3") };
    path.file_name().unwrap_or_default().to_string_lossy().replace(this, what).replace(from, to)
}

fn missing_labels(images: &Path) -> DataError {
    DataError::Missing(images.with_file_name(swapped(images, "images", "labels")))
}

/// Reads an images file into one block.
///
/// # Shapes
/// `[N, C, S, S]`.
fn read_images(path: &Path, reader: &mut dyn Read, options: &Options) -> Result<Vec<u8>, DataError> {
    let mut idx = Idx::open(path, reader, "images", 0x803)?;
    let count = idx.number("number of images", MAX_COUNT)? as usize;
    let rows = idx.number("number of rows", MAX_SIDE)?;
    let columns = idx.number("number of columns", MAX_SIDE)?;
    let (picture, bytes) = ((rows * columns) as usize, options.image_len());
    let all = count as u64 * rows * columns;
    let too_large = || DataError::TooLarge { images: count, bytes };
    let mut images = Vec::<u8>::new();
    let mut chunk = Vec::new();
    let bar = Progress::new("reading images", count as u64);
    let mut done = 0;
    // The block grows with what is really there, so a header alone cannot make us allocate.
    while done < count {
        let n = (count - done).min((CHUNK / picture).max(1));
        idx.fill(&mut chunk, n * picture, all)?;
        images.try_reserve(n * bytes).map_err(|_| too_large())?;
        images.resize((done + n) * bytes, 0);
        let out = images[done * bytes..].par_chunks_mut(bytes);
        out.zip(chunk.par_chunks(picture)).for_each(|(out, picture)| {
            // The chunk has exactly rows·columns bytes, so this never fails.
            if let Some(grey) = GrayImage::from_raw(columns as u32, rows as u32, picture.to_vec()) {
                fit(&DynamicImage::from(grey), options.channels, options.size, out);
            }
            bar.step();
        });
        done += n;
    }
    idx.end(all)?;
    Ok(images)
}

/// Reads a labels file.
fn read_labels(path: &Path, reader: &mut dyn Read) -> Result<Vec<u32>, DataError> {
    let mut idx = Idx::open(path, reader, "labels", 0x801)?;
    let count = idx.number("number of labels", MAX_COUNT)? as usize;
    let mut labels = Vec::new();
    idx.fill(&mut labels, count, count as u64)?;
    idx.end(count as u64)?;
    Ok(labels.into_iter().map(u32::from).collect())
}

fn join(pair: &Pair, images: Vec<u8>, labels: Vec<u32>, options: &Options) -> Result<Dataset, DataError> {
    let count = images.len() / options.image_len();
    if count != labels.len() {
        let (images_path, labels_path) = (pair.images.clone(), pair.labels.clone());
        return Err(DataError::IdxCount { images_path, images: count, labels_path, labels: labels.len() });
    }
    let (classes, numbers) = classes(&labels, &pair.images);
    let mut data = Dataset::new(classes, options);
    data.images = images.into();
    data.sources = (0..labels.len()).map(|i| i.to_string()).collect();
    data.labels = labels.into_iter().map(|label| numbers[label as usize]).collect();
    Ok(data)
}

/// A class for each label that occurs, and the class's number for each label.
fn classes(labels: &[u32], images: &Path) -> (Vec<DataClass>, Vec<u32>) {
    let mut counts = vec![0; labels.iter().max().map_or(0, |&label| label as usize + 1)];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    // The folder's own name tells: whoever has unpacked the files elsewhere gets numbers.
    let folder = home(images).file_name().unwrap_or_default();
    let fashion =
        counts.len() <= FASHION.len() && folder.to_string_lossy().to_lowercase().contains("fashion");
    let (mut classes, mut numbers) = (Vec::new(), vec![0; counts.len()]);
    for (label, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        numbers[label] = classes.len() as u32;
        let name = if fashion { FASHION[label].to_owned() } else { label.to_string() };
        let id = names::class_id(&name).unwrap_or_else(|| name.clone());
        classes.push(DataClass { id, name, count });
    }
    (classes, numbers)
}

/// An IDX file, read from its beginning.
struct Idx<'a> {
    path: &'a Path,
    bytes: Box<dyn Read + 'a>,
    /// Bytes read after the header.
    found: u64,
}

impl<'a> Idx<'a> {
    fn open(
        path: &'a Path,
        reader: &'a mut dyn Read,
        what: &'static str,
        expected: u32,
    ) -> Result<Self, DataError> {
        // The ending does not tell: some programs unpack a file and leave it its name.
        let mut begin = Vec::new();
        (&mut *reader).take(GZIP.len() as u64).read_to_end(&mut begin).map_err(DataError::read(path))?;
        let gzip = begin == GZIP;
        let all = Cursor::new(begin).chain(reader);
        let bytes: Box<dyn Read + 'a> = if gzip { Box::new(MultiGzDecoder::new(all)) } else { Box::new(all) };
        let mut idx = Self { path, bytes, found: 0 };
        let found = idx.u32()?;
        if found != expected {
            return Err(DataError::IdxMagic { path: path.to_owned(), what, found, expected });
        }
        Ok(idx)
    }

    fn u32(&mut self) -> Result<u32, DataError> {
        let mut word = [0; 4];
        self.bytes.read_exact(&mut word).map_err(DataError::read(self.path))?;
        Ok(u32::from_be_bytes(word))
    }

    fn number(&mut self, what: &'static str, allowed: u64) -> Result<u64, DataError> {
        let found = u64::from(self.u32()?);
        if (1..=allowed).contains(&found) {
            return Ok(found);
        }
        Err(DataError::IdxLimit { path: self.path.to_owned(), what, found, allowed })
    }

    /// The next `n` of the `all` bytes that the header asks for.
    fn fill(&mut self, into: &mut Vec<u8>, n: usize, all: u64) -> Result<(), DataError> {
        into.clear();
        let read = (&mut self.bytes).take(n as u64).read_to_end(into);
        self.found += into.len() as u64;
        match read {
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(DataError::read(self.path)(error)),
            _ if into.len() == n => Ok(()),
            _ => Err(self.length(all)),
        }
    }

    /// Refuses a file that goes on after the `all` bytes that its header asks for.
    fn end(&mut self, all: u64) -> Result<(), DataError> {
        self.found += self.bytes.read(&mut [0]).map_err(DataError::read(self.path))? as u64;
        if self.found == all { Ok(()) } else { Err(self.length(all)) }
    }

    fn length(&self, expected: u64) -> DataError {
        DataError::IdxLength { path: self.path.to_owned(), found: self.found, expected }
    }
}

#[cfg(test)]
mod tests;
