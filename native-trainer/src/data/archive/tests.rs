//! Archives as people and programs make them, sound and unsound.

use std::fs;
use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder};
use image::{ImageFormat, Rgb, RgbImage};
use zip::write::SimpleFileOptions;

use super::*;
use crate::data::picture::MAX_FILE;
use crate::data::{DataClass, Dataset, Options};

const OPTIONS: Options = Options::of(3, 4);

type Files = Vec<(&'static str, Vec<u8>)>;

fn picture(brightness: u8, side: u32) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(side, side, |x, y| Rgb([brightness, x as u8, y as u8]));
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

/// A bit of all that can lie in a folder, in no order.
fn clutter() -> Files {
    vec![
        ("b/2.png", picture(2, 4)),
        ("Latin/Z/10.png", picture(3, 9)),
        ("A/x.y.png", picture(1, 5)),
        ("b/10.PNG", picture(4, 4)),
        ("b/broken.png", b"no image".to_vec()),
        ("b/half.png", picture(9, 64)[..150].to_vec()),
        ("b/scan.tiff", Vec::new()),
        ("b/notes.txt", b"read me".to_vec()),
        ("cover.png", picture(7, 4)),
        ("Latin/Å/1.png", picture(5, 4)),
        ("b/empty.png", Vec::new()),
        (".git/a/1.png", picture(6, 4)),
        ("__MACOSX/b/2.png", b"fork".to_vec()),
        ("b/.hidden.png", b"fork".to_vec()),
    ]
}

fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn header(name: &str, size: u64, kind: EntryType) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

/// The entries alone, without an end.
fn tar_entries(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entry = |(name, bytes): &(&str, Vec<u8>)| {
        let header = header(name, bytes.len() as u64, EntryType::Regular);
        let padding = vec![0; bytes.len().next_multiple_of(512) - bytes.len()];
        [header.as_bytes(), &bytes[..], &padding].concat()
    };
    files.iter().flat_map(entry).collect()
}

fn ended(mut tar: Vec<u8>) -> Vec<u8> {
    tar.extend([0; 1024]);
    tar
}

fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    ended(tar_entries(files))
}

pub(in crate::data) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn open_bytes(name: &str, bytes: &[u8]) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    Dataset::open(&folder.path().join(name), &OPTIONS)
}

/// The same files in every form of archive, opened.
fn open_all(files: &[(&str, Vec<u8>)]) -> Vec<(&'static str, Result<Dataset, DataError>)> {
    let tar = tar(files);
    [
        ("data.zip", zip(files)),
        ("data.tar", tar.clone()),
        ("data.tar.gz", gzip(&tar)),
        ("Data.TGZ", gzip(&tar)),
        ("data.tar.zst", zstd::encode_all(&tar[..], 1).unwrap()),
    ]
    .into_iter()
    .map(|(name, bytes)| (name, open_bytes(name, &bytes)))
    .collect()
}

type Contents = (Vec<DataClass>, Vec<u8>, Vec<u32>, Vec<String>, Vec<(String, String)>);

/// All of a data set, with what was skipped named from `after` on.
fn contents(data: &Dataset, after: &str) -> Contents {
    let skipped = data.skipped.iter().map(|(path, reason)| {
        let path = path.to_string_lossy().into_owned();
        (path.split_once(after).unwrap().1.to_owned(), reason.clone())
    });
    let (classes, labels, sources) = (data.classes.clone(), data.labels.clone(), data.sources.clone());
    (classes, data.images.to_vec(), labels, sources, skipped.collect())
}

fn of_folder(files: &[(&str, Vec<u8>)]) -> Result<Contents, DataError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join("the data").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    Dataset::open(&folder.path().join("the data"), &OPTIONS).map(|data| contents(&data, "the data/"))
}

#[test]
fn every_archive_is_read_as_the_folder_it_would_unpack_to() {
    let files = clutter();
    let expected = of_folder(&files).unwrap();
    assert_eq!(expected.3, ["x", "10", "1", "10", "2"]);
    assert_eq!(expected.4.len(), 5, "{:?}", expected.4);
    for (name, data) in open_all(&files) {
        assert_eq!(contents(&data.unwrap(), &format!("{name}/")), expected, "{name}");
    }
}

#[test]
fn folders_that_lead_to_all_classes_are_no_part_of_their_names() {
    let names = |files: &[(&str, Vec<u8>)]| {
        let all: Vec<Vec<String>> = open_all(files)
            .into_iter()
            .map(|(_, data)| data.unwrap().classes.into_iter().map(|class| class.name).collect())
            .collect();
        assert!(all.iter().all(|names| *names == all[0]), "{all:?}");
        all[0].clone()
    };
    let one = |name: &'static str| (name, picture(0, 4));
    assert_eq!(names(&[one("glyphs/latin-capital-a/f.png"), one("glyphs/b/f.png")]), ["A", "b"]);
    assert_eq!(names(&[one("./a/0.png"), one("./b/0.png")]), ["a", "b"]);
    assert_eq!(
        names(&[one("small/Magi/character01/0709_01.png"), one("small/Latin/character01/1.png")]),
        ["Latin/character01", "Magi/character01"]
    );
    assert_eq!(names(&[one("only/class/0.png")]), ["class"]);
    assert_eq!(names(&[one("a/0.png")]), ["a"]);
}

#[test]
fn hard_links_in_an_archive_are_images_too() {
    let mut bytes = tar_entries(&[("./a/0.png", picture(7, 4)), ("./a/1.png", picture(8, 4))]);
    for (name, target) in [("./a/2.png", "./a/0.png"), ("./b/3.png", "a/0.png"), ("./b/4.png", "b/3.png")] {
        let mut header = header(name, 0, EntryType::Link);
        header.set_link_name(target).unwrap();
        header.set_cksum();
        bytes.extend(header.as_bytes());
    }
    let data = open_bytes("x.tar", &ended(bytes)).unwrap();
    let brightness: Vec<u8> = (0..data.len()).map(|i| data.image(i)[0]).collect();
    assert_eq!((brightness, data.labels, data.skipped.len()), (vec![7, 8, 7, 7, 7], vec![0, 0, 0, 1, 1], 0));
}

#[test]
fn when_nothing_can_be_read_the_first_file_is_named_with_its_reason() {
    let one = |name: &'static str| (name, picture(0, 4));
    for (_, data) in open_all(&[one("/data/cat/0.png"), one("/data/cat/1.png")]) {
        let error = data.unwrap_err().to_string();
        assert!(error.contains("cat/0.png: its name leads out of the archive (and one more)"), "{error}");
    }
    let mut encrypted = zip(&[one("cat/0.png")]);
    let mut bzip2 = encrypted.clone();
    // The flags stand 6 bytes after the mark of a local header, 8 after that of the directory, and the
    // method 2 bytes later.
    for (mark, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = encrypted.windows(4).position(|bytes| bytes == mark).unwrap() + flags;
        encrypted[at] |= 1;
        bzip2[at + 2] = 12;
    }
    for (bytes, reason) in [(encrypted, "it is encrypted"), (bzip2, "it is compressed by bzip2")] {
        let error = open_bytes("x.zip", &bytes).unwrap_err().to_string();
        assert!(error.contains(&format!("cat/0.png: {reason}")), "{error}");
    }
}

#[test]
fn folders_of_the_system_are_no_classes_and_dotted_ones_are_noted() {
    let one = |name: &'static str| (name, picture(0, 4));
    let files = [
        one("cat/0.png"),
        one("dog/0.png"),
        one("cat/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg"),
        one("$RECYCLE.BIN/x/0.png"),
        one("System Volume Information/0.png"),
        one("lost+found/0.png"),
        one("#recycle/0.png"),
        one("__MACOSX/cat/0.png"),
        one(".thumbnails/0.png"),
        one(".net/0.png"),
    ];
    let expected = of_folder(&files).unwrap();
    assert_eq!(expected.0.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["cat", "dog"]);
    for (name, data) in open_all(&files) {
        let data = data.unwrap();
        assert_eq!((data.notes.len(), data.notes[0].contains(".net is no class")), (1, true), "{name}");
        assert_eq!(contents(&data, &format!("{name}/")), expected, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_stay_apart() {
    let mut tar = tar::Builder::new(Vec::new());
    for name in [&b"a/\xe9.png"[..], b"a/\xe8.png"] {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        let bytes = picture(name[2], 4);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, &bytes[..]).unwrap();
    }
    let data = open_bytes("x.tar", &tar.into_inner().unwrap()).unwrap();
    assert_eq!((data.len(), data.image(0)[0], data.image(1)[0]), (2, 0xe8, 0xe9));
}

#[test]
fn an_archive_is_refused_for_the_same_reasons_as_a_folder() {
    let one = |name: &'static str| (name, picture(0, 4));
    for files in [
        vec![],
        vec![one("0.png")],
        vec![one("hot dog/0.png"), one("hot-dog/0.png")],
        vec![one("a/0.png"), ("b/0.png", b"no image".to_vec()), ("b/1.png", Vec::new())],
        vec![one("a/0.png"), one("!!!/0.png")],
        vec![one("a/0.png"), ("train-images-idx3-ubyte", vec![0, 0, 8, 3])],
    ] {
        let folder = if files.is_empty() {
            let folder = tempfile::tempdir().unwrap();
            Dataset::open(folder.path(), &OPTIONS).unwrap_err()
        } else {
            of_folder(&files).unwrap_err()
        };
        for (name, data) in open_all(&files) {
            let error = data.unwrap_err();
            assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&folder), "{name}: {error}");
        }
    }
}

#[test]
fn an_empty_folder_in_an_archive_is_a_class_with_no_images() {
    let mut bytes = tar_entries(&[("a/0.png", picture(0, 4))]);
    bytes.extend(header("hollow/", 0, EntryType::Directory).as_bytes());
    let error = open_bytes("x.tar", &ended(bytes)).unwrap_err();
    assert!(matches!(&error, DataError::EmptyClass { class, .. } if class == "hollow"), "{error}");
}

#[test]
fn the_last_of_several_entries_with_one_name_counts() {
    let data = open_bytes("x.tar", &tar(&[("a/0.png", picture(1, 4)), ("a/0.png", picture(2, 4))])).unwrap();
    assert_eq!((data.len(), data.image(0)[0]), (1, 2));
}

#[test]
fn idx_files_are_read_out_of_an_archive() {
    let words = |words: &[u32], body: &[u8]| -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).chain(body.iter().copied()).collect()
    };
    let images = words(&[0x803, 3, 2, 2], &(0..12).collect::<Vec<u8>>());
    let labels = words(&[0x801, 3], &[1, 0, 1]);
    let files = [
        ("fashion/train-labels-idx1-ubyte.gz", gzip(&labels)),
        ("fashion/train-images-idx3-ubyte", images.clone()),
        ("fashion/t10k-images-idx3-ubyte", vec![]),
    ];
    let expected = of_folder(&files.clone().map(|(name, bytes)| (&name[8..], bytes))).unwrap();
    for (name, data) in open_all(&files) {
        let data = data.unwrap();
        assert_eq!(
            (data.labels.clone(), data.images.to_vec()),
            (expected.2.clone(), expected.1.clone()),
            "{name}"
        );
        assert_eq!(data.classes[1].name, "Trouser");
    }
    for (_, data) in
        open_all(&[("train-images-idx3-ubyte", images[..20].to_vec()), ("train-labels-idx1-ubyte", labels)])
    {
        let error = data.unwrap_err();
        assert!(matches!(error, DataError::IdxLength { found: 4, expected: 12, .. }), "{error}");
    }
}

#[test]
fn names_that_lead_out_of_an_archive_are_left_out_by_name() {
    for evil in ["../../a/evil.png", "/etc/a/evil.png", "a/../../evil.png", "a/../evil.png"] {
        for (name, data) in open_all(&[("a/0.png", picture(1, 4)), (evil, picture(2, 4))]) {
            let data = data.unwrap();
            assert_eq!((data.len(), data.classes.len(), data.skipped.len()), (1, 1, 1), "{name} {evil}");
            let (path, reason) = &data.skipped[0];
            assert!(path.to_string_lossy().contains(name) && path.ends_with("evil.png"), "{path:?}");
            assert!(reason.contains("leads out"), "{reason}");
        }
    }
}

#[test]
fn links_in_an_archive_are_left_out_by_name() {
    let mut bytes = tar_entries(&[("a/0.png", picture(1, 4))]);
    for (name, kind) in [("a/soft.png", EntryType::Symlink), ("a/hard.png", EntryType::Link)] {
        let mut header = header(name, 0, kind);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_cksum();
        bytes.extend(header.as_bytes());
    }
    bytes.extend(header("a/pipe.png", 0, EntryType::Fifo).as_bytes());
    let data = open_bytes("x.tar", &ended(bytes)).unwrap();
    assert_eq!((data.len(), data.skipped.len()), (1, 3), "{:?}", data.skipped);

    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a/0.png", SimpleFileOptions::default()).unwrap();
    zip.write_all(&picture(1, 4)).unwrap();
    zip.add_symlink("a/soft.png", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let data = open_bytes("x.zip", &zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!((data.len(), data.skipped.len()), (1, 1));
    assert!(data.skipped[0].1.contains("link"), "{:?}", data.skipped);
}

#[test]
fn a_truncated_archive_is_refused_wherever_it_ends() {
    let files = [("a/0.png", picture(1, 40)), ("b/0.png", picture(2, 40))];
    let tar = tar(&files);
    for (name, whole) in [
        ("x.zip", zip(&files)),
        ("x.tar.gz", gzip(&tar)),
        ("x.tar.zst", zstd::encode_all(&tar[..], 1).unwrap()),
        ("x.tar", tar[..tar.len() - 1024].to_vec()),
    ] {
        for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let error = open_bytes(name, &whole[..length]).unwrap_err();
            assert!(matches!(&error, DataError::Archive { .. }), "{name} at {length}: {error}");
        }
    }
}

#[test]
fn no_flipped_byte_makes_reading_panic() {
    let files = [("a/0.png", picture(1, 8)), ("b/0.png", picture(2, 8))];
    let tar = tar(&files);
    for (name, whole) in [
        ("x.zip", zip(&files)),
        ("x.tar", tar.clone()),
        ("x.tar.gz", gzip(&tar)),
        ("x.tar.zst", zstd::encode_all(&tar[..], 1).unwrap()),
    ] {
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let _ = open_bytes(name, &bytes);
        }
    }
}

#[test]
fn claimed_sizes_allocate_nothing() {
    // A tar entry of 8 GiB less one byte, the most that its header can say in digits.
    let mut bytes = tar_entries(&[("a/0.png", picture(1, 4))]);
    bytes.extend(header("a/1.png", (8 << 30) - 1, EntryType::Regular).as_bytes());
    bytes.extend([0; 4096]);
    let error = open_bytes("x.tar", &bytes).unwrap_err();
    assert!(matches!(error, DataError::Archive { .. }), "{error}");
    // 4 GiB in a zip file, where it says how long the file unpacks to: nobody asks.
    let mut bytes = zip(&[("a/0.png", picture(1, 4))]);
    let length = (picture(1, 4).len() as u32).to_le_bytes();
    let claims: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == length).collect();
    assert_eq!(claims.len(), 2);
    for at in claims {
        bytes[at..at + 4].fill(0xfe);
    }
    assert_eq!(open_bytes("x.zip", &bytes).unwrap().image(0)[0], 1);
}

#[test]
fn a_file_that_unpacks_to_too_much_is_left_out() {
    let bomb = vec![0; MAX_FILE as usize + 1];
    for (name, data) in open_all(&[("a/0.png", picture(1, 4)), ("a/bomb.png", bomb)]) {
        let data = data.unwrap();
        assert_eq!((data.len(), data.skipped.len()), (1, 1), "{name}");
        assert!(data.skipped[0].1.contains("64 MiB"), "{:?}", data.skipped);
    }
}

#[test]
fn headers_that_unpack_to_too_much_are_refused() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let mut bytes = tar_entries(&[("a/0.png", picture(1, 4))]);
        bytes.extend(header("long", 2 * MAX_HEADERS, kind).as_bytes());
        bytes.extend(vec![b'a'; 2 * MAX_HEADERS as usize]);
        bytes.extend(tar_entries(&[("a/1.png", picture(1, 4))]));
        let error = open_bytes("x.tar.gz", &gzip(&ended(bytes))).unwrap_err();
        assert!(error.to_string().contains("headers"), "{error}");
    }
    let mut bytes = header("long", 5000, EntryType::GNULongName).as_bytes().to_vec();
    bytes.extend(vec![b'a'; 5120]);
    bytes.extend(tar_entries(&[("a/1.png", picture(1, 4))]));
    let error = open_bytes("x.tar", &ended(bytes)).unwrap_err();
    assert!(error.to_string().contains("5000 bytes"), "{error}");
}

#[test]
fn a_sparse_file_neither_hangs_nor_hides_long_headers() {
    let mut sparse = header("a/sparse.png", 0, EntryType::GNUSparse);
    let gnu = sparse.as_gnu_mut().unwrap();
    gnu.sparse[0].offset.copy_from_slice(b"77777777777\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    gnu.realsize.copy_from_slice(b"77777777777\0");
    sparse.set_cksum();
    let mut bytes = tar_entries(&[("a/0.png", picture(1, 4))]);
    bytes.extend(sparse.as_bytes());
    let data = open_bytes("x.tar", &ended(bytes.clone())).unwrap();
    assert_eq!((data.len(), data.skipped.len()), (1, 1));
    bytes.extend(header("long", 2 * MAX_HEADERS, EntryType::GNULongName).as_bytes());
    bytes.extend(vec![b'a'; 2 * MAX_HEADERS as usize]);
    let error = open_bytes("x.tar", &ended(bytes)).unwrap_err();
    assert!(error.to_string().contains("headers"), "{error}");
}

#[test]
fn an_encrypted_file_is_left_out_by_name() {
    let mut bytes = zip(&[("a/0.png", picture(1, 4)), ("a/1.png", picture(2, 4))]);
    // The flag stands 6 bytes after the mark of a local header, 8 after that of the directory.
    for (mark, flag) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let last = (0..bytes.len() - 4).rfind(|&at| bytes[at..at + 4] == *mark).unwrap();
        bytes[last + flag] |= 1;
    }
    let data = open_bytes("x.zip", &bytes).unwrap();
    assert_eq!((data.len(), data.skipped.len()), (1, 1));
    assert!(data.skipped[0].1.to_lowercase().contains("password"), "{:?}", data.skipped);
}

#[test]
fn thousands_of_empty_files_are_one_class_without_images() {
    let names: Vec<String> = (0..20_000).map(|i| format!("a/{i}.png")).collect();
    let files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (name.as_str(), Vec::new())).collect();
    for (name, data) in open_all(&files) {
        let error = data.unwrap_err();
        assert!(matches!(&error, DataError::EmptyClass { unreadable: 20_000, .. }), "{name}: {error}");
    }
}

#[test]
fn a_path_of_very_many_folders_does_not_fill_memory() {
    let deep = format!("{}0.png", "a/".repeat(2000));
    let data = open_bytes("x.zip", &zip(&[("b/0.png", picture(1, 4)), (&deep, picture(1, 4))])).unwrap();
    assert_eq!(data.len(), 2);
    let names: Vec<String> =
        (0..2000).map(|i| format!("{i}/{deep}")).map(|name| name[..4000].to_owned()).collect();
    let files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (name.as_str(), Vec::new())).collect();
    let error = open_bytes("x.zip", &zip(&files)).unwrap_err();
    assert!(error.to_string().contains("more names"), "{error}");
}

#[test]
fn a_file_that_is_no_archive_is_refused_with_what_would_be_read() {
    for name in ["x.zip", "x.tar", "x.tar.gz", "x.tar.zst"] {
        let error = open_bytes(name, &[b'x'; 5000]).unwrap_err();
        assert!(matches!(&error, DataError::Archive { .. }), "{error}");
    }
    let error = open_bytes("x.rar", b"Rar!").unwrap_err();
    assert!(matches!(&error, DataError::NoData(_)) && error.help().contains(".tar.zst"), "{error}");
}
