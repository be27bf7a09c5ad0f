//! A data set from the IDX files of MNIST and its relatives, gzipped or not.
//!
//! ```text
//! images   0x00000803 | count | rows | columns   u32, big-endian | count·rows·columns bytes
//! labels   0x00000801 | count                                    | count bytes
//! ```

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use image::{DynamicImage, GrayImage};
use rayon::prelude::*;

use super::{Class, DataError, Dataset, Options, PatientBar, fit, names, room_for};

/// The part of an images file's name that tells it from its labels file.
const IMAGES: &str = "images-idx3";
const LABELS: &str = "labels-idx1";

/// The most images, and the longest side, that a header may ask for.
const MAX_COUNT: u64 = 10_000_000;
const MAX_SIDE: u64 = 1024;

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

/// The images file that `path` means, if it means IDX: the file itself, or the training images in
/// the folder.
pub(super) fn find(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return path.file_name()?.to_string_lossy().contains(IMAGES).then(|| path.to_owned());
    }
    ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"]
        .map(|name| path.join(name))
        .into_iter()
        .find(|file| file.is_file())
}

/// Reads an images file and the labels file beside it.
pub(super) fn read(images_path: &Path, options: &Options) -> Result<Dataset, DataError> {
    let labels_path = labels_beside(images_path)?;
    let mut images = Idx::open(images_path, "images", 0x803)?;
    let mut labels = Idx::open(&labels_path, "labels", 0x801)?;
    let count = images.number("number of images", MAX_COUNT)?;
    let rows = images.number("number of rows", MAX_SIDE)?;
    let columns = images.number("number of columns", MAX_SIDE)?;
    let label_count = labels.number("number of labels", MAX_COUNT)?;
    if count != label_count {
        let (images_path, images, labels) = (images_path.to_owned(), count as usize, label_count as usize);
        return Err(DataError::IdxCount { images_path, images, labels_path, labels });
    }
    let labels: Vec<u32> = labels.body(count)?.into_iter().map(u32::from).collect();
    let pixels = images.body(count * rows * columns)?;

    let classes = classes(&labels, images_path, &labels_path)?;
    let (channels, size) = (options.channels, options.size);
    let mut out = room_for(labels.len(), channels * size * size)?;
    let bar = PatientBar::new(labels.len());
    let pictures = pixels.par_chunks((rows * columns) as usize);
    out.par_chunks_mut(channels * size * size).zip(pictures).for_each(|(out, picture)| {
        // The chunk has exactly rows·columns bytes, so this never fails.
        if let Some(grey) = GrayImage::from_raw(columns as u32, rows as u32, picture.to_vec()) {
            fit(&DynamicImage::from(grey), channels, size, out);
        }
        bar.step();
    });
    let sources = (0..labels.len()).map(|i| i.to_string()).collect();
    Ok(Dataset { classes, images: out, labels, sources, channels, size, skipped: Vec::new() })
}

fn labels_beside(images: &Path) -> Result<PathBuf, DataError> {
    let name = images.file_name().unwrap_or_default().to_string_lossy().replace(IMAGES, LABELS);
    let plain = name.trim_end_matches(".gz");
    [name.clone(), plain.to_owned(), format!("{plain}.gz")]
        .into_iter()
        .map(|name| images.with_file_name(name))
        .find(|path| path.is_file())
        .ok_or_else(|| DataError::Missing(images.with_file_name(name)))
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
    bytes: Box<dyn Read>,
}

impl<'a> Idx<'a> {
    fn open(path: &'a Path, what: &'static str, expected: u32) -> Result<Self, DataError> {
        let file = BufReader::new(File::open(path).map_err(DataError::read(path))?);
        let gzip = path.extension().is_some_and(|ending| ending == "gz");
        let bytes: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut idx = Self { path, bytes };
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

    /// The rest of the file, which must be `expected` bytes. It grows with what is really there, so
    /// a header alone cannot make us allocate.
    fn body(&mut self, expected: u64) -> Result<Vec<u8>, DataError> {
        let mut body = Vec::new();
        let read = (&mut self.bytes).take(expected + 1).read_to_end(&mut body);
        let path = self.path.to_owned();
        match read {
            Ok(_) if body.len() as u64 == expected => Ok(body),
            Ok(_) => Err(DataError::IdxLength { path, found: body.len() as u64, expected }),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(DataError::IdxLength { path, found: body.len() as u64, expected })
            }
            Err(source) => Err(DataError::Read { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const OPTIONS: Options = Options { channels: 1, size: 2, strict: false };

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
        assert_eq!(data.images, (0..12).collect::<Vec<u8>>());
        assert_eq!(data.labels, [1, 0, 1]);
        assert_eq!(data.classes[1], Class { id: "digit-one".into(), name: "1".into(), count: 2 });
    }

    #[test]
    fn another_size_and_colour_are_made_from_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let data = Dataset::open(folder.path(), &Options { channels: 3, size: 4, strict: false }).unwrap();
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
