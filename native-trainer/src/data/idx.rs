//! A data set from the IDX files of MNIST and its relatives, gzipped or not.
//!
//! ```text
//! images   0x00000803 | count | rows | columns   u32, big-endian | count·rows·columns bytes
//! labels   0x00000801 | count                                    | count bytes
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use image::{DynamicImage, GrayImage};
use rayon::prelude::*;

use super::archive::Archive;
use super::tree::{Listing, Node};
use super::{Class, DataError, Dataset, Options, PatientBar, fit, names};

/// The part of an images file's name that tells it from its labels file.
const IMAGES: &str = "images-idx3";
const LABELS: &str = "labels-idx1";

/// The most images, and the longest side, that a header may ask for.
const MAX_COUNT: u64 = 10_000_000;
const MAX_SIDE: u64 = 1024;

/// Bytes of pictures held at a time, beside the data set itself.
const CHUNK: usize = 16 << 20;

/// The images files that a folder or archive is searched for.
const NAMES: [&str; 2] = ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"];

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

/// The pair that `path` means, if it means IDX: the images file itself, or the training images in the
/// folder.
pub(super) fn find(path: &Path) -> Result<Option<Pair>, DataError> {
    let images = if path.is_file() {
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().contains(IMAGES));
        named.then(|| path.to_owned())
    } else {
        NAMES.map(|name| path.join(name)).into_iter().find(|file| file.is_file())
    };
    let pair = |images: PathBuf| {
        let labels = labels_beside(&images).into_iter().find(|path| path.is_file());
        let labels = labels.ok_or_else(|| missing_labels(&images))?;
        Ok(Pair { images, labels })
    };
    images.map(pair).transpose()
}

/// Reads a pair of files.
pub(super) fn read(pair: &Pair, options: &Options) -> Result<Dataset, DataError> {
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(DataError::read(path));
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
    let number = |path: &Path| match listing.get(path) {
        Some(Node::File(at)) => Some(*at),
        _ => None,
    };
    let find = |name: &str| {
        listing.keys().find_map(|path| (path.file_name()? == name).then_some((path, number(path)?)))
    };
    let Some((images, images_at)) = NAMES.into_iter().find_map(find) else { return Ok(None) };
    let labels = labels_beside(images).into_iter().find_map(|path| Some((number(&path)?, path)));
    let (labels_at, labels) = labels.ok_or_else(|| missing_labels(&root.join(images)))?;
    let wanted = HashMap::from([(images_at, 0), (labels_at, 1)]);
    let pair = Pair { images: root.join(images), labels: root.join(labels) };

    let (mut pixels, mut numbers) = (None, None);
    archive.visit(&wanted, &mut |which, reader| {
        let path = if which == 0 { &pair.images } else { &pair.labels };
        let reader = reader.map_err(|reason| DataError::Archive { path: path.clone(), reason })?;
        match which {
            0 => pixels = Some(read_images(path, reader, options)?),
            _ => numbers = Some(read_labels(path, reader)?),
        }
        Ok(())
    })?;
    // Both were found, or the visit would have failed.
    let (Some(pixels), Some(numbers)) = (pixels, numbers) else { return Ok(None) };
    join(&pair, pixels, numbers, options).map(Some)
}

/// The names that the labels beside `images` may have.
fn labels_beside(images: &Path) -> [PathBuf; 3] {
    let name = images.file_name().unwrap_or_default().to_string_lossy().replace(IMAGES, LABELS);
    let plain = name.trim_end_matches(".gz");
    [name.clone(), plain.to_owned(), format!("{plain}.gz")].map(|name| images.with_file_name(name))
}

fn missing_labels(images: &Path) -> DataError {
    let [first, ..] = labels_beside(images);
    DataError::Missing(first)
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
    let bar = PatientBar::new(count);
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
    let mut data = Dataset::new(classes(&labels, &pair.images, &pair.labels)?, options);
    data.images = images.into();
    data.sources = (0..labels.len()).map(|i| i.to_string()).collect();
    data.labels = labels;
    Ok(data)
}

fn classes(labels: &[u32], images: &Path, path: &Path) -> Result<Vec<Class>, DataError> {
    let count = labels.iter().max().map_or(0, |&label| label as usize + 1);
    // The folder's own name tells: whoever has unpacked the files elsewhere gets numbers.
    let folder = images.parent().and_then(Path::file_name).unwrap_or_default();
    let fashion = count <= FASHION.len() && folder.to_string_lossy().to_lowercase().contains("fashion");
    let mut classes: Vec<Class> = (0..count)
        .map(|label| {
            let name = if fashion { FASHION[label].to_owned() } else { label.to_string() };
            let id = names::class_id(&name).unwrap_or_else(|| name.clone());
            Class { id, name, count: 0 }
        })
        .collect();
    for &label in labels {
        classes[label as usize].count += 1;
    }
    match classes.iter().find(|class| class.count == 0) {
        Some(class) => {
            Err(DataError::EmptyClass { class: class.name.clone(), path: path.to_owned(), unreadable: 0 })
        }
        None => Ok(classes),
    }
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
        let gzip = path.extension().is_some_and(|ending| ending == "gz");
        let bytes: Box<dyn Read + 'a> =
            if gzip { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
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
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const OPTIONS: Options = Options { channels: 1, size: 2, strict: false, cache: None, class: None };

    fn words(words: &[u32], body: &[u8]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).chain(body.iter().copied()).collect()
    }

    fn zip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    /// Three 2×2 images of two classes.
    fn write(folder: &Path) {
        let images: Vec<u8> = (0..12).collect();
        fs::write(folder.join("train-images-idx3-ubyte"), words(&[0x803, 3, 2, 2], &images)).unwrap();
        fs::write(folder.join("train-labels-idx1-ubyte.gz"), zip(&words(&[0x801, 3], &[1, 0, 1]))).unwrap();
    }

    fn error_with(file: &str, bytes: Vec<u8>) -> DataError {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        fs::write(folder.path().join(file), bytes).unwrap();
        Dataset::open(folder.path(), &OPTIONS).unwrap_err()
    }

    #[test]
    fn plain_and_gzipped_files_are_read_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let data = Dataset::open(folder.path(), &OPTIONS).unwrap();
        assert_eq!(*data.images, (0..12).collect::<Vec<u8>>());
        assert_eq!(data.labels, [1, 0, 1]);
        assert_eq!(data.classes[1], Class { id: "digit-one".into(), name: "1".into(), count: 2 });
    }

    #[test]
    fn another_size_and_colour_are_made_from_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let data = Dataset::open(
            folder.path(),
            &Options { channels: 3, size: 4, strict: false, cache: None, class: None },
        )
        .unwrap();
        assert_eq!(data.images.len(), 3 * 3 * 16);
    }

    #[test]
    fn fashion_has_its_own_names() {
        let folder = tempfile::Builder::new().prefix("Fashion-").tempdir().unwrap();
        write(folder.path());
        let data = Dataset::open(folder.path(), &OPTIONS).unwrap();
        assert_eq!((data.classes[0].id.as_str(), data.classes[1].name.as_str()), ("t-shirt-top", "Trouser"));
    }

    #[test]
    fn a_truncated_file_is_refused_with_both_lengths() {
        let error = error_with("train-images-idx3-ubyte", words(&[0x803, 3, 2, 2], &[0; 11]));
        assert!(matches!(error, DataError::IdxLength { found: 11, expected: 12, .. }), "{error}");
    }

    #[test]
    fn a_truncated_gzip_is_refused() {
        let whole = zip(&words(&[0x801, 3], &[1, 0, 1]));
        let error = error_with("train-labels-idx1-ubyte.gz", whole[..whole.len() - 10].to_vec());
        assert!(error.to_string().contains("train-labels-idx1-ubyte.gz"), "{error}");
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let error = error_with("train-images-idx3-ubyte", words(&[0x803, 3, 2, 2], &[0; 99]));
        assert!(matches!(error, DataError::IdxLength { .. }), "{error}");
    }

    #[test]
    fn a_wrong_magic_number_is_refused() {
        let error = error_with("train-images-idx3-ubyte", words(&[0x801, 3], &[1, 0, 1]));
        assert!(matches!(error, DataError::IdxMagic { found: 0x801, expected: 0x803, .. }), "{error}");
    }

    #[test]
    fn a_header_that_asks_for_too_much_is_refused_before_allocating() {
        let error = error_with("train-images-idx3-ubyte", words(&[0x803, u32::MAX, 2, 2], &[]));
        assert!(matches!(error, DataError::IdxLimit { what: "number of images", .. }), "{error}");
        let error = error_with("train-images-idx3-ubyte", words(&[0x803, 3, 0, 2], &[]));
        assert!(matches!(error, DataError::IdxLimit { what: "number of rows", .. }), "{error}");
    }

    #[test]
    fn images_and_labels_of_different_counts_are_refused() {
        let error = error_with("train-images-idx3-ubyte", words(&[0x803, 2, 2, 2], &[0; 8]));
        assert!(matches!(error, DataError::IdxCount { images: 2, labels: 3, .. }), "{error}");
    }

    #[test]
    fn a_number_that_no_image_has_is_a_class_with_no_images() {
        let error = error_with("train-labels-idx1-ubyte.gz", zip(&words(&[0x801, 3], &[2, 0, 2])));
        assert!(matches!(&error, DataError::EmptyClass { class, .. } if class == "1"), "{error}");
    }

    #[test]
    fn missing_labels_are_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train-images-idx3-ubyte"), words(&[0x803, 1, 2, 2], &[0; 4])).unwrap();
        let error = Dataset::open(folder.path(), &OPTIONS).unwrap_err();
        assert!(error.to_string().contains("train-labels-idx1-ubyte"), "{error}");
    }
}
