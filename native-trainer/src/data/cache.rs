//! Decoded images on disk, mapped into memory the next time.
//!
//! ```text
//! "tailor data v2\n\0" | table length u64 | images length u64 | SHA-256 of the table | table | images
//! ```
//!
//! Numbers are little-endian; the table is JSON; the images are `[N, C, S, S]`, one byte per value
//! (four of a latent's). The file's name is a digest of all that the images depend on, so changed data is looked for under
//! another name. Nothing in it is trusted that was not checked, except that the bytes of the images are
//! those that were written: a wrong one is a wrong pixel, and in a latent one
//! value that may be any.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use tailor_packs::Digest;

use super::listing::Node;
use super::picture::Ending;
use super::{DataClass, Dataset, Input, Options};
use crate::system::files::{self, WriteError, create_folder, write_atomic_with};

/// What a file begins with. It stands in the key too: a change of the form or of how images are made
/// takes another number.
const MAGIC: [u8; 16] = *b"tailor data v2\n\0";

/// What earlier versions' files begin with. They are of no use any more.
const BEFORE: [[u8; 16]; 1] = [*b"tailor data v1\n\0"];

/// Files that are kept for one data set: as it is, and as it was.
const KEPT: usize = 2;

const ENDING: &str = ".tailor-data";

/// Bytes before the table.
const HEAD: usize = 16 + 8 + 8 + 32;

/// The bytes of all images, in memory or in a file.
#[derive(Clone)]
pub(super) enum Pixels {
    Memory(Vec<u8>),
    /// A file of the cache, from `HEAD` and the table on.
    File {
        map: Arc<Mmap>,
        start: usize,
    },
}

impl From<Vec<u8>> for Pixels {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes)
    }
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::File { map, start } => &map[*start..],
        }
    }
}

impl std::fmt::Debug for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pixels({} bytes)", self.len())
    }
}

/// All of a data set but its images.
#[derive(Serialize, Deserialize)]
struct Table<'a> {
    classes: Cow<'a, [DataClass]>,
    labels: Cow<'a, [u32]>,
    sources: Cow<'a, [String]>,
    /// Paths below the data set's own.
    skipped: Vec<(String, String)>,
    notes: Cow<'a, [String]>,
    wrapped: bool,
}

/// The file for one data set in one state.
pub(super) struct Cache {
    path: PathBuf,
    /// What the names of all files for this data set begin with.
    start: String,
}

impl Cache {
    /// The file in `folder` for what `input`, at `path`, is now.
    pub(super) fn of(folder: &Path, path: &Path, input: &Input, options: &Options) -> io::Result<Self> {
        let mut key = Key(Digest::of(&MAGIC));
        key.add(path.canonicalize()?.as_os_str().as_encoded_bytes());
        key.add(format!("{}x{}", options.channels, options.size).as_bytes());
        key.add(format!("{:?}", options.class).as_bytes());
        // Without a split the name is that of earlier versions.
        if let Some(split) = &options.split {
            key.add(split.key().as_bytes());
        }
        let start = key.0.to_string()[..16].to_owned();
        key.add(&[u8::from(options.whole_names)]);
        match input {
            Input::Archive(_) => key.add_file(Path::new(""), &path.metadata()?)?,
            Input::Idx(pair) => {
                for file in [&pair.images, &pair.labels] {
                    key.add_file(file.file_name().unwrap_or_default().as_ref(), &file.metadata()?)?;
                }
            }
            Input::Folder(tree) => {
                for (file, node) in &tree.listing {
                    match node {
                        // What is no image makes no difference.
                        Node::File(_) if options.ending(file) == Ending::Never => {}
                        Node::File(_) => key.add_file(file, &path.join(file).metadata()?)?,
                        Node::Folder | Node::Left(_) => key.add(file.as_os_str().as_encoded_bytes()),
                    }
                }
            }
        }
        Ok(Self { path: folder.join(format!("{start}-{}{ENDING}", key.0)), start })
    }

    /// The file's name: of the data set in another state it is another.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The data set, if it is there; else why it cannot be used.
    pub(super) fn read(&self, root: &Path, options: &Options) -> Result<Option<Dataset>, String> {
        let map = match files::open(&self.path).and_then(|file| map(&file)) {
            Ok(map) => map,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}", self.path.display())),
        };
        let damaged = || format!("{} is damaged", self.path.display());
        let (table, start) = parse(&map, options.image_len()).ok_or_else(damaged)?;
        let mut data = Dataset::new(table.classes.into_owned(), options);
        data.labels = table.labels.into_owned();
        data.sources = table.sources.into_owned();
        data.skipped = table.skipped.into_iter().map(|(path, reason)| (root.join(path), reason)).collect();
        data.notes = table.notes.into_owned();
        data.wrapped = table.wrapped;
        data.images = Pixels::File { map: Arc::new(map), start };
        Ok(Some(data))
    }

    /// Puts `data` there, replacing what was there.
    pub(super) fn write(&self, root: &Path, data: &Dataset) -> Result<(), WriteError> {
        if let Some(folder) = self.path.parent() {
            create_folder(folder)?;
        }
        write_atomic_with(&self.path, |file| {
            let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
            let table = serde_json::to_vec(&Table {
                classes: Cow::Borrowed(&data.classes),
                labels: Cow::Borrowed(&data.labels),
                sources: Cow::Borrowed(&data.sources),
                skipped: data.skipped.iter().map(|(path, reason)| (below(path), reason.clone())).collect(),
                notes: Cow::Borrowed(&data.notes),
                wrapped: data.wrapped,
            })?;
            file.write_all(&MAGIC)?;
            file.write_all(&(table.len() as u64).to_le_bytes())?;
            file.write_all(&(data.images.len() as u64).to_le_bytes())?;
            file.write_all(&Digest::of(&table).0)?;
            file.write_all(&table)?;
            file.write_all(&data.images)
        })?;
        self.tidy();
        Ok(())
    }

    /// Removes files that were written for earlier states of this data set, or by earlier versions.
    fn tidy(&self) {
        let Some(entries) = self.path.parent().and_then(|folder| std::fs::read_dir(folder).ok()) else {
            return;
        };
        let mut ours = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(ENDING) || path == self.path {
                continue;
            }
            if name.starts_with(&self.start) {
                ours.push((path.metadata().and_then(|metadata| metadata.modified()).ok(), path));
            } else if begins_as_before(&path) {
                // What cannot be removed only takes room.
                let _ = std::fs::remove_file(path);
            }
        }
        ours.sort();
        let old = (ours.len() + 1).saturating_sub(KEPT);
        ours.into_iter().take(old).for_each(|(_, path)| std::fs::remove_file(path).unwrap_or_default());
    }
}

fn begins_as_before(path: &Path) -> bool {
    let mut magic = [0; 16];
    files::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && BEFORE.contains(&magic)
}

/// The table and where the images begin, if all of it is as it was written.
fn parse(bytes: &[u8], image_len: usize) -> Option<(Table<'static>, usize)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (magic, head) = head.split_at_checked(16)?;
    let (table_len, head) = head.split_first_chunk::<8>()?;
    let (images_len, digest) = head.split_first_chunk::<8>()?;
    let table_len = usize::try_from(u64::from_le_bytes(*table_len)).ok()?;
    let (table, images) = rest.split_at_checked(table_len)?;
    let whole = magic == MAGIC && images.len() as u64 == u64::from_le_bytes(*images_len);
    if !whole || Digest::of(table).0 != digest {
        return None;
    }
    let table: Table = serde_json::from_slice(table).ok()?;
    let mut counts = vec![0; table.classes.len()];
    for &label in table.labels.iter() {
        *counts.get_mut(label as usize)? += 1;
    }
    let agrees = counts.iter().eq(table.classes.iter().map(|class| &class.count))
        && table.sources.len() == table.labels.len()
        && table.labels.len().checked_mul(image_len) == Some(images.len());
    agrees.then_some((table, HEAD + table_len))
}

#[allow(unsafe_code, reason = "a map is sound only while nobody changes the file")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: files of the cache are replaced as a whole and never changed, so the map keeps the bytes of the
    // file that was opened. This holds as long as nobody else writes into the folder, which is the run's own
    // or was named for this purpose.
    unsafe { Mmap::map(file) }
}

/// A digest that grows by one part after the other.
struct Key(Digest);

impl Key {
    fn add(&mut self, part: &[u8]) {
        self.0 = Digest::of(&[&self.0.0, part].concat());
    }

    fn add_file(&mut self, path: &Path, file: &Metadata) -> io::Result<()> {
        let nanos = match file.modified()?.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        self.add(path.as_os_str().as_encoded_bytes());
        self.add(&file.len().to_le_bytes());
        self.add(&nanos.to_le_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::data::archive::tests::gzip;

    /// A folder with a data set in `data` and a place for the cache beside it.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            for (i, name) in ["a/0", "a/1", "b/0"].iter().enumerate() {
                place.paint(&format!("{name}.bmp"), 10 + i as u8);
            }
            fs::write(place.data().join("b/broken.png"), "no image").unwrap();
            place
        }

        fn data(&self) -> PathBuf {
            self.0.path().join("data")
        }

        fn cache(&self) -> PathBuf {
            self.0.path().join("kept/here")
        }

        fn paint(&self, name: &str, brightness: u8) {
            let path = self.data().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_pixel(4, 4, Rgb([brightness; 3])).save(path).unwrap();
        }

        /// As `paint`, unseen by who only looks at length and time.
        fn repaint(&self, name: &str, brightness: u8) {
            let path = self.data().join(name);
            let time = path.metadata().unwrap().modified().unwrap();
            self.paint(name, brightness);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }

        fn options(&self) -> Options {
            Options::of(1, 4).with_cache(self.cache())
        }

        fn open(&self) -> Dataset {
            Dataset::open(&self.data(), &self.options()).unwrap()
        }

        fn files(&self) -> Vec<PathBuf> {
            fs::read_dir(self.cache()).unwrap().map(|entry| entry.unwrap().path()).collect()
        }
    }

    type Change<'a> = &'a dyn Fn(&Place);

    fn assert_same(a: &Dataset, b: &Dataset) {
        assert_eq!((&a.classes, &a.labels, &a.sources), (&b.classes, &b.labels, &b.sources));
        assert_eq!((&*a.images, &a.skipped, &a.notes), (&*b.images, &b.skipped, &b.notes));
    }

    #[test]
    fn the_second_time_nothing_is_decoded() {
        let place = Place::new();
        let first = place.open();
        assert!(matches!(first.images, Pixels::Memory(_)) && first.notes.is_empty());
        place.repaint("a/0.bmp", 200);
        let second = place.open();
        assert!(matches!(second.images, Pixels::File { .. }));
        assert_same(&first, &second);
        assert_eq!((second.image(0)[0], second.image(2)[0], second.skipped.len()), (10, 12, 1));
        assert_eq!(second.batch(&[1]), first.batch(&[1]));
        // Without a cache the new pixels are seen.
        let plain = Dataset::open(&place.data(), &Options { cache: None, ..place.options() }).unwrap();
        assert_eq!(plain.image(0)[0], 200);
    }

    #[test]
    fn what_was_left_out_is_refused_by_strict_reading_from_the_cache_too() {
        let place = Place::new();
        place.open();
        let error = Dataset::open(&place.data(), &Options { strict: true, ..place.options() }).unwrap_err();
        assert!(error.to_string().contains("broken.png"), "{error}");
    }

    #[test]
    fn changed_data_is_decoded_anew() {
        let changes: [(&str, Change); 5] = [
            ("a time", &|place| {
                let file = File::options().write(true).open(place.data().join("a/0.bmp")).unwrap();
                file.set_modified(SystemTime::now() - std::time::Duration::from_secs(99)).unwrap();
            }),
            ("a length", &|place| fs::write(place.data().join("b/broken.png"), "still no image").unwrap()),
            ("a new image", &|place| place.paint("b/9.bmp", 1)),
            ("a name", &|place| {
                fs::rename(place.data().join("a/0.bmp"), place.data().join("a/00.bmp")).unwrap()
            }),
            ("an image less", &|place| fs::remove_file(place.data().join("a/0.bmp")).unwrap()),
        ];
        for (what, change) in changes {
            let place = Place::new();
            place.open();
            change(&place);
            assert!(matches!(place.open().images, Pixels::Memory(_)), "{what}");
            assert_eq!(place.files().len(), 2, "{what}");
        }
        let place = Place::new();
        place.open();
        let larger = Dataset::open(&place.data(), &Options { size: 8, ..place.options() }).unwrap();
        assert_eq!((larger.size, larger.image_len()), (8, 64));
        fs::create_dir(place.data().join("hollow")).unwrap();
        Dataset::open(&place.data(), &place.options()).unwrap_err();
    }

    #[test]
    fn data_that_changes_often_does_not_fill_the_disk() {
        let place = Place::new();
        place.open();
        let old = place.cache().join(format!("{}{ENDING}", "0".repeat(64)));
        fs::write(&old, [&BEFORE[0][..], b"of an earlier version"].concat()).unwrap();
        let other = place.cache().join(format!("{}{ENDING}", "1".repeat(64)));
        fs::write(&other, [&MAGIC[..], b"of other data"].concat()).unwrap();
        for brightness in 0..5 {
            place.paint(&format!("b/{brightness}.bmp"), brightness);
            place.open();
        }
        assert_eq!(place.files().len(), KEPT + 1);
        assert!(other.exists() && !old.exists());
        assert!(matches!(place.open().images, Pixels::File { .. }), "the newest is kept");
    }

    #[test]
    fn archives_and_idx_files_are_kept_by_length_and_time() {
        let place = Place::new();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_dir_all("set", place.data()).unwrap();
        let archive = place.0.path().join("set.tar.gz");
        fs::write(&archive, gzip(&tar.into_inner().unwrap())).unwrap();
        let idx = place.0.path().join("x-images-idx3-ubyte");
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        fs::write(&idx, [words(&[0x803, 2, 1, 1]), vec![7, 9]].concat()).unwrap();
        fs::write(place.0.path().join("x-labels-idx1-ubyte"), [words(&[0x801, 2]), vec![0, 1]].concat())
            .unwrap();
        for path in [archive, idx] {
            let open = || Dataset::open(&path, &place.options()).unwrap();
            let (first, second) = (open(), open());
            assert!(matches!((&first.images, &second.images), (Pixels::Memory(_), Pixels::File { .. })));
            assert_same(&first, &second);
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(5)).unwrap();
            assert!(matches!(open().images, Pixels::Memory(_)), "{path:?}");
        }
    }

    #[test]
    fn a_damaged_file_is_noticed_and_made_anew() {
        let place = Place::new();
        let plain = place.open();
        let file = place.files().remove(0);
        let whole = fs::read(&file).unwrap();
        let images = whole.len() - plain.images.len();
        let mut damaged: Vec<Vec<u8>> = (0..images)
            .map(|at| {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                bytes
            })
            .collect();
        damaged.extend((0..whole.len()).step_by(13).chain([whole.len() - 1]).map(|n| whole[..n].to_vec()));
        damaged.extend([
            [&whole[..], b"x"].concat(),
            b"something else altogether".to_vec(),
            vec![0xff; 4096],
        ]);
        for bytes in damaged {
            fs::write(&file, bytes).unwrap();
            let again = place.open();
            assert!(matches!(again.images, Pixels::Memory(_)));
            assert!(again.notes.len() == 1 && again.notes[0].contains("damaged"), "{:?}", again.notes);
            assert_same(&plain, &Dataset { notes: Vec::new(), ..again });
            assert_eq!(fs::read(&file).unwrap(), whole);
        }
        assert_same(&plain, &place.open());
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused_whoever_signed_it() {
        let write = |table: &str, images: &[u8]| {
            let (t, i) = ((table.len() as u64).to_le_bytes(), (images.len() as u64).to_le_bytes());
            [&MAGIC[..], &t, &i, &Digest::of(table.as_bytes()).0, table.as_bytes(), images].concat()
        };
        let table = |labels: &str, count: usize| {
            format!(
                r#"{{"classes":[{{"id":"a","name":"a","count":{count}}}],"labels":{labels},"sources":["x"],"skipped":[],"notes":[],"wrapped":false}}"#
            )
        };
        assert!(parse(&write(&table("[0]", 1), &[1, 2, 3, 4]), 4).is_some());
        assert!(parse(&write(&table("[0]", 1), &[1, 2, 3]), 4).is_none());
        assert!(parse(&write(&table("[1]", 1), &[1, 2, 3, 4]), 4).is_none());
        assert!(parse(&write(&table("[0,0]", 2), &[0; 8]), 4).is_none());
        assert!(parse(&write(&table("[0]", 7), &[1, 2, 3, 4]), 4).is_none());
        assert!(parse(&write("{}", &[]), 4).is_none());
        let mut lengths = write(&table("[0]", 1), &[1, 2, 3, 4]);
        lengths[16..32].fill(0xff);
        assert!(parse(&lengths, 4).is_none());
    }

    #[test]
    fn where_nothing_can_be_written_reading_goes_on_with_a_note() {
        let place = Place::new();
        let plain = Dataset::open(&place.data(), &Options { cache: None, ..place.options() }).unwrap();
        // A file where the folder should be stands for every disk that cannot be written.
        fs::write(place.0.path().join("kept"), "in the way").unwrap();
        let data = place.open();
        assert_same(&plain, &Dataset { notes: Vec::new(), ..data.clone() });
        assert!(
            data.notes.iter().any(|note| note.contains("not kept") && note.contains("here")),
            "{:?}",
            data.notes
        );
    }
}
