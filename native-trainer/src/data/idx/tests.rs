//! IDX files under the names that people have, sound and unsound.

use std::fs;
use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::*;

const OPTIONS: Options = Options::of(1, 2);

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
    assert_eq!(data.classes[1], DataClass { id: "digit-one".into(), name: "1".into(), count: 2 });
}

#[test]
fn another_size_and_colour_are_made_from_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let data = Dataset::open(folder.path(), &Options::of(3, 4)).unwrap();
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
fn a_number_that_no_image_has_is_no_class() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    fs::write(folder.path().join("train-labels-idx1-ubyte.gz"), words(&[0x801, 3], &[26, 1, 26])).unwrap();
    let data = Dataset::open(folder.path(), &OPTIONS).unwrap();
    let classes: Vec<_> = data.classes.iter().map(|class| (class.name.as_str(), class.count)).collect();
    assert_eq!((classes, data.labels), (vec![("1", 1), ("26", 2)], vec![1, 0, 1]));
}

/// The files of [`write`] under other names, opened.
fn open_as(images: &str, labels: &str, opened: &str) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    for (from, to) in [("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte.gz", labels)] {
        let to = folder.path().join("data").join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(folder.path().join(from), to).unwrap();
    }
    Dataset::open(&folder.path().join("data").join(opened), &OPTIONS)
}

#[test]
fn the_names_that_people_have_are_known() {
    for (images, labels) in [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("Train_Images.IDX3-ubyte", "Train_Labels.IDX1-ubyte"),
        ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz"),
        ("MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"),
        (
            "train-images-idx3-ubyte/train-images-idx3-ubyte",
            "train-labels-idx1-ubyte/train-labels-idx1-ubyte",
        ),
    ] {
        for opened in ["", images, labels] {
            let data = open_as(images, labels, opened).unwrap_or_else(|e| panic!("{images} {opened}: {e}"));
            assert_eq!((data.len(), data.labels), (3, vec![1, 0, 1]), "{images} {opened}");
        }
    }
}

#[test]
fn of_several_training_sets_one_is_to_be_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    for set in ["emnist-letters", "emnist-digits"] {
        for (from, what) in
            [("train-images-idx3-ubyte", "images-idx3"), ("train-labels-idx1-ubyte.gz", "labels-idx1")]
        {
            let to = folder.path().join(format!("gzip/{set}-train-{what}-ubyte"));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(folder.path().join(from), to).unwrap();
        }
    }
    let error = Dataset::open(&folder.path().join("gzip"), &OPTIONS).unwrap_err();
    assert!(matches!(&error, DataError::SeveralIdx { images, .. } if images.len() == 2), "{error}");
    let one = folder.path().join("gzip/emnist-digits-train-images-idx3-ubyte");
    assert_eq!(Dataset::open(&one, &OPTIONS).unwrap().len(), 3);
    // One that is called just so stands for the folder.
    assert_eq!(Dataset::open(folder.path(), &OPTIONS).unwrap().len(), 3);
}

#[test]
fn missing_labels_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train-images-idx3-ubyte"), words(&[0x803, 1, 2, 2], &[0; 4])).unwrap();
    let error = Dataset::open(folder.path(), &OPTIONS).unwrap_err();
    assert!(error.to_string().contains("train-labels-idx1-ubyte"), "{error}");
}
