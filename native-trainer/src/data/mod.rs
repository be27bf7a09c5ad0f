//! Images with classes, decoded once, from a folder of class folders or from IDX files, on disk or in an
//! archive.
//!
//! An archive (`.zip`, `.tar`, `.tar.gz`, `.tgz`, `.tar.zst`) is read as the folder that it would unpack
//! to, without unpacking it: same classes, same order, same things left out. Folders that lead to all of
//! its classes are no part of their names. Links in it are not followed, and a file of more than 64 MiB
//! is left out, as it is in a folder.
//!
//! How an image becomes `C × S × S` bytes: EXIF orientation is applied; transparent parts are laid
//! over white; the largest centred square is cut out and, if it is not `S × S` yet, resized with a
//! triangle filter (no ringing, so no value leaves the image's own range); then it becomes grey
//! (`C = 1`, luma) or RGB (`C = 3`).

mod archive;
mod cache;
mod folder;
mod idx;
pub mod names;
mod tree;

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::{DynamicImage, imageops::FilterType};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use tailor_packs::config::ModelConfig;

use archive::Archive;
use cache::{Cache, Pixels};
use tree::Listing;

/// What the images of a data set must become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Channels `C`: 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Height and width `S` in pixels.
    pub size: usize,
    /// Refuse the data set when any image is unreadable, instead of skipping that image.
    pub strict: bool,
    /// A folder in which decoded images are kept for the next time; `None` keeps nothing.
    ///
    /// They are used again as long as path, channels, size, and the length and time of change of every
    /// image file (of the archive, of both IDX files) stay the same.
    pub cache: Option<PathBuf>,
    /// A name for the one class of which all images are, whatever folders they lie in; `None` makes a
    /// class of each folder.
    pub class: Option<String>,
}

impl Options {
    /// The images that `config` is a model of.
    pub fn for_model(config: &ModelConfig, strict: bool) -> Self {
        Self {
            channels: config.channels as usize,
            size: config.image_size as usize,
            strict,
            cache: None,
            class: None,
        }
    }

    /// The same, with decoded images kept in `folder`, which is made when it is not there.
    pub fn with_cache(self, folder: PathBuf) -> Self {
        Self { cache: Some(folder), ..self }
    }

    /// The same, with all images taken for one class of this name.
    pub fn of_class(self, name: &str) -> Self {
        Self { class: Some(name.to_owned()), ..self }
    }

    /// Bytes of one image, `C·S·S`.
    fn image_len(&self) -> usize {
        self.channels * self.size * self.size
    }
}

/// One class of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Stable id, `[a-z0-9_-]{1,64}`, unique in its data set.
    pub id: String,
    /// Name for people: the character itself for a folder named after a letter or digit in Unicode
    /// (`latin-capital-a` is shown as `A`), else the folder's name.
    pub name: String,
    /// Number of images.
    pub count: usize,
}

/// Images and their classes, in an order that depends on names alone.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The classes, sorted by name; a label is an index into this list.
    pub classes: Vec<Class>,
    /// All images in one block, `[N, C, S, S]`, one byte per value.
    images: Pixels,
    /// The class of each image, `[N]`.
    pub labels: Vec<u32>,
    /// Where each image came from, `[N]`: its file's stem (for glyphs the font's id), or its number
    /// in an IDX file.
    pub sources: Vec<String>,
    /// Channels `C`.
    pub channels: usize,
    /// Height and width `S`.
    pub size: usize,
    /// Images left out because they could not be read, each with the reason.
    pub skipped: Vec<(PathBuf, String)>,
    /// What the user should know about the cache: that it could not be written, or was damaged.
    pub notes: Vec<String>,
}

/// What a path leads to.
enum Input {
    Folder(Listing),
    Archive(Archive),
    Idx(idx::Pair),
}

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The path leads nowhere.
    #[error("there is no data at {}", .0.display())]
    Missing(PathBuf),
    /// A file or folder that the system would not let us read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is none of those that are read.
    #[error("{} is no folder, archive or IDX file of images", .0.display())]
    NoData(PathBuf),
    /// IDX files where images of one class are wanted.
    #[error("{} holds images of several classes", .0.display())]
    HasClasses(PathBuf),
    /// An archive that is damaged, or that no honest program would make.
    #[error("cannot read the archive {}: {reason}", path.display())]
    Archive {
        /// The archive, or a file in it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder or archive with nothing in it.
    #[error("{} is empty", .0.display())]
    EmptyFolder(PathBuf),
    /// A folder or archive without class folders.
    #[error("{} holds no class folders", .0.display())]
    NoClassFolders(PathBuf),
    /// A class without one readable image.
    #[error(
        "class {class:?} has no {}images (in {})",
        if *unreadable > 0 { "readable " } else { "" },
        path.display()
    )]
    EmptyClass {
        /// The class's name.
        class: String,
        /// Its folder, or the labels file.
        path: PathBuf,
        /// Files that are there and cannot be read.
        unreadable: usize,
    },
    /// Two folders that would become one class, or one that has no id.
    #[error("class folders {} and {} would both have the id {id:?}", first.display(), second.display())]
    SameId {
        /// The id.
        id: String,
        /// The folder that has it already.
        first: PathBuf,
        /// The folder that would have it too.
        second: PathBuf,
    },
    /// A folder's name from which no id can be made.
    #[error("no class id can be made from the folder name {:?}", .0.display().to_string())]
    NoId(PathBuf),
    /// With `--strict`: an image that cannot be read.
    #[error("cannot read image {}: {reason}{}", path.display(), and_more(*others))]
    BrokenImage {
        /// The first such image.
        path: PathBuf,
        /// Why it cannot be read.
        reason: String,
        /// How many more there are.
        others: usize,
    },
    /// An IDX file that does not begin as it must.
    #[error("{} begins with {found:#010x}, an IDX file of {what} begins with {expected:#010x}", path.display())]
    IdxMagic {
        /// The file.
        path: PathBuf,
        /// `images` or `labels`.
        what: &'static str,
        /// The first four bytes.
        found: u32,
        /// What they must be.
        expected: u32,
    },
    /// An IDX file shorter or longer than its header says.
    #[error("{} holds {found} bytes{}, its header asks for {expected}", path.display(), if found > expected { " or more" } else { "" })]
    IdxLength {
        /// The file.
        path: PathBuf,
        /// Bytes after the header.
        found: u64,
        /// Bytes that the header asks for.
        expected: u64,
    },
    /// An IDX header beyond what this program reads.
    #[error("{}: {what} is {found}, must be 1 to {allowed}", path.display())]
    IdxLimit {
        /// The file.
        path: PathBuf,
        /// Which number.
        what: &'static str,
        /// What it was.
        found: u64,
        /// The most it may be.
        allowed: u64,
    },
    /// Images and labels that do not belong together.
    #[error("{} has {images} images, {} has {labels} labels", images_path.display(), labels_path.display())]
    IdxCount {
        /// The images file.
        images_path: PathBuf,
        /// Its number of images.
        images: usize,
        /// The labels file.
        labels_path: PathBuf,
        /// Its number of labels.
        labels: usize,
    },
    /// Channels that images cannot be read into.
    #[error("images cannot be read into {0} channels; 1 (grey) and 3 (RGB) can")]
    Channels(usize),
    /// More images than memory holds.
    #[error("{images} images of {bytes} bytes each do not fit into memory")]
    TooLarge {
        /// Number of images.
        images: usize,
        /// Bytes of one.
        bytes: usize,
    },
}

/// How many of the files that were left out a summary names.
const SHOWN: usize = 5;

/// A number of things, one or more.
fn number(count: usize, what: &str) -> String {
    let ending = match (count, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {what}{ending}")
}

fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " (and one more)".to_owned(),
        n => format!(" (and {n} more)"),
    }
}

impl DataError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Missing(_) => "check the path after --data",
            Self::Read { .. } => "check the permissions and the disk",
            Self::NoData(_) => {
                "name a folder, a .zip, .tar, .tar.gz, .tgz or .tar.zst file, or an IDX file with images-idx3 in its name"
            }
            Self::HasClasses(_) => "name a folder or archive with images of one class",
            Self::Archive { .. } => "fetch it again, or unpack it and name the folder",
            Self::EmptyFolder(_) | Self::NoClassFolders(_) => {
                "make one folder per class with its images inside (PNG, JPEG, WebP, BMP, GIF), or name a folder of IDX files"
            }
            Self::EmptyClass { .. } => "put images into it, or remove the class",
            Self::SameId { .. } | Self::NoId(_) => "rename the folder",
            Self::BrokenImage { .. } => "remove or replace it, or leave out --strict to skip it",
            Self::IdxMagic { .. } | Self::IdxLength { .. } | Self::IdxLimit { .. } => {
                "the file is damaged or of another kind: fetch it again"
            }
            Self::IdxCount { .. } => "use images and labels of the same set",
            Self::Channels(_) => "set channels in the model config to 1 or 3",
            Self::TooLarge { .. } => "use fewer or smaller images",
        }
    }

    fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}

impl Input {
    fn find(path: &Path) -> Result<Self, DataError> {
        if let Some(archive) = Archive::named(path).filter(|_| path.is_file()) {
            return Ok(Self::Archive(archive));
        }
        if let Some(pair) = idx::find(path)? {
            return Ok(Self::Idx(pair));
        }
        if !path.is_dir() {
            return Err(DataError::NoData(path.to_owned()));
        }
        folder::list(path).map(Self::Folder)
    }

    fn read(&self, path: &Path, options: &Options) -> Result<Dataset, DataError> {
        match self {
            Self::Folder(listing) => tree::read(path, None, listing, options),
            Self::Archive(archive) => {
                let listing = archive.list()?;
                let idx = match options.class {
                    Some(_) => None,
                    None => idx::read_archive(path, archive, &listing, options)?,
                };
                idx.map_or_else(|| tree::read(path, Some(archive), &listing, options), Ok)
            }
            // It has labels of its own.
            Self::Idx(_) if options.class.is_some() => Err(DataError::HasClasses(path.to_owned())),
            Self::Idx(pair) => idx::read(pair, options),
        }
    }
}

/// What the cache in `folder` holds, or else what `input` holds, which is then put there. Without a
/// cache that works all goes on as if there were none.
fn cached(
    folder: &Path,
    path: &Path,
    input: &Input,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Dataset, DataError> {
    let cache = match Cache::of(folder, path, input, options) {
        Ok(cache) => cache,
        Err(error) => {
            notes.push(format!("the decoded images are not kept: {error}"));
            return input.read(path, options);
        }
    };
    match cache.read(path, options) {
        Ok(Some(data)) => return Ok(data),
        Ok(None) => {}
        Err(reason) => notes.push(format!("the decoded images are made anew: {reason}")),
    }
    let data = input.read(path, options)?;
    if let Err(error) = cache.write(path, &data) {
        notes.push(format!("the decoded images are not kept: {error}"));
    }
    Ok(data)
}

impl Dataset {
    /// Reads every image at `path`, and says how far it is when that takes more than two seconds.
    ///
    /// `path` is a folder of class folders (a nested folder is a class of its own), a folder of
    /// IDX files (the training pair `train-*`), one IDX images file whose labels lie beside it, or an
    /// archive of either folder. Unreadable images are left out and listed in [`Dataset::skipped`].
    ///
    /// # Errors
    /// A [`DataError`] that names the file or class that is at fault.
    pub fn open(path: &Path, options: &Options) -> Result<Self, DataError> {
        if !matches!(options.channels, 1 | 3) {
            return Err(DataError::Channels(options.channels));
        }
        if !path.exists() {
            return Err(DataError::Missing(path.to_owned()));
        }
        let input = Input::find(path)?;
        let mut notes = Vec::new();
        let mut data = match &options.cache {
            Some(folder) => cached(folder, path, &input, options, &mut notes)?,
            None => input.read(path, options)?,
        };
        data.notes = notes;
        if options.strict
            && let Some((path, reason)) = data.skipped.first()
        {
            let (path, reason) = (path.clone(), reason.clone());
            return Err(DataError::BrokenImage { path, reason, others: data.skipped.len() - 1 });
        }
        Ok(data)
    }

    /// No images of these classes.
    fn new(classes: Vec<Class>, options: &Options) -> Self {
        let (channels, size) = (options.channels, options.size);
        let (labels, sources, skipped, notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { classes, images: Pixels::Memory(Vec::new()), labels, sources, channels, size, skipped, notes }
    }

    /// A few lines for people: how many images and classes there are, how evenly they are shared, and
    /// what was left out.
    pub fn summary(&self) -> String {
        let mut counts: Vec<(usize, &str)> =
            self.classes.iter().map(|c| (c.count, c.name.as_str())).collect();
        // Stable, so that of several equal classes the first by name is shown.
        counts.sort_by_key(|(count, _)| *count);
        let mut text = format!("{} in {}", number(self.len(), "image"), number(self.classes.len(), "class"));
        if let (Some(&(least, smallest)), Some(&(most, _))) = (counts.first(), counts.last()) {
            let largest = counts.iter().find(|(count, _)| *count == most).map_or("", |(_, name)| name);
            let median = counts[counts.len() / 2].0;
            text += &if least == most {
                format!("\n{least} in each class")
            } else {
                format!("\n{least} ({smallest}) to {most} ({largest}) in a class, median {median}")
            };
        }
        if !self.skipped.is_empty() {
            let _ = write!(text, "\n{} left out:", number(self.skipped.len(), "file"));
            for (path, reason) in self.skipped.iter().take(SHOWN) {
                let _ = write!(text, "\n  {}: {reason}", path.display());
            }
            if self.skipped.len() > SHOWN {
                let _ = write!(text, "\n  ... and {} more", self.skipped.len() - SHOWN);
            }
        }
        text
    }

    /// Number of images `N`.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images; never true for an opened data set.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of one image, `C·S·S`.
    pub fn image_len(&self) -> usize {
        self.channels * self.size * self.size
    }

    /// Image `i` as bytes.
    ///
    /// # Shapes
    /// `[C, S, S]`.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.images[i * self.image_len()..][..self.image_len()]
    }

    /// The images at `indices`, with 0 to 255 mapped to −1 to 1.
    ///
    /// # Shapes
    /// `[B, C, S, S]`, `B` the number of indices.
    pub fn batch(&self, indices: &[usize]) -> Vec<f32> {
        let bytes = indices.iter().flat_map(|&i| self.image(i));
        bytes.map(|&byte| f32::from(byte) / 127.5 - 1.0).collect()
    }

    /// Indices of the images to keep and of those whose source is `held_out`, for an evaluation on
    /// fonts, drawings or people that training never saw.
    pub fn split(&self, held_out: impl Fn(&str) -> bool) -> (Vec<usize>, Vec<usize>) {
        (0..self.len()).partition(|&i| !held_out(&self.sources[i]))
    }
}

/// Cuts, resizes and converts a picture into one image of a data set; see the module's head.
///
/// # Shapes
/// `out`: `[C, S, S]`.
fn fit(picture: &DynamicImage, channels: usize, size: usize, out: &mut [u8]) {
    let side = picture.width().min(picture.height());
    let (left, top) = ((picture.width() - side) / 2, (picture.height() - side) / 2);
    let mut square = picture.crop_imm(left, top, side, side);
    if square.color().has_alpha() {
        let mut over_white = square.to_rgba8();
        for pixel in over_white.pixels_mut() {
            let alpha = u32::from(pixel.0[3]);
            for value in &mut pixel.0[..3] {
                *value = ((u32::from(*value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
            }
            pixel.0[3] = 255;
        }
        square = over_white.into();
    }
    if side as usize != size {
        square = square.resize_exact(size as u32, size as u32, FilterType::Triangle);
    }
    if channels == 1 {
        out.copy_from_slice(square.to_luma8().as_raw());
    } else {
        let plane = size * size;
        for (i, pixel) in square.to_rgb8().pixels().enumerate() {
            for (channel, &value) in pixel.0.iter().enumerate() {
                out[channel * plane + i] = value;
            }
        }
    }
}

/// Room for `count` images of `bytes` bytes, all zero.
fn room_for(count: usize, bytes: usize) -> Result<Vec<u8>, DataError> {
    let too_large = || DataError::TooLarge { images: count, bytes };
    let total = count.checked_mul(bytes).ok_or_else(too_large)?;
    let mut room = Vec::new();
    room.try_reserve_exact(total).map_err(|_| too_large())?;
    room.resize(total, 0);
    Ok(room)
}

/// A progress bar that stays out of sight for the first two seconds.
struct PatientBar(ProgressBar);

impl PatientBar {
    fn new(count: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("reading images {bar:30} {pos}/{len}, {eta} left");
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn step(&self) {
        self.0.inc(1);
        if self.0.is_hidden()
            && self.0.position().is_multiple_of(64)
            && self.0.elapsed() > Duration::from_secs(2)
        {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for PatientBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgba, RgbaImage};

    use super::*;

    fn fitted(picture: impl Into<DynamicImage>, channels: usize, size: usize) -> Vec<u8> {
        let mut out = vec![0; channels * size * size];
        fit(&picture.into(), channels, size, &mut out);
        out
    }

    #[test]
    fn an_image_of_the_right_size_is_kept_byte_for_byte() {
        let picture = GrayImage::from_fn(4, 4, |x, y| Luma([(x * 16 + y) as u8]));
        assert_eq!(fitted(picture.clone(), 1, 4), picture.into_raw());
    }

    #[test]
    fn a_wide_image_gives_its_centre() {
        let picture = GrayImage::from_fn(9, 3, |x, _| Luma([if (3..6).contains(&x) { 200 } else { 0 }]));
        assert_eq!(fitted(picture.clone(), 1, 3), [200; 9]);
        assert_eq!(fitted(picture, 1, 2), [200; 4]);
    }

    #[test]
    fn a_colour_image_becomes_three_planes() {
        let picture = RgbaImage::from_pixel(2, 2, Rgba([10, 20, 30, 255]));
        assert_eq!(fitted(picture, 3, 2), [10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30]);
    }

    #[test]
    fn transparent_parts_become_white() {
        let picture = RgbaImage::from_pixel(2, 2, Rgba([0, 0, 0, 0]));
        assert_eq!(fitted(picture, 1, 2), [255; 4]);
    }

    #[test]
    fn a_summary_counts_classes_and_names_what_was_left_out() {
        let root = tempfile::tempdir().unwrap();
        for (class, count) in [("a", 3), ("b", 1), ("c", 2), ("d", 3)] {
            std::fs::create_dir(root.path().join(class)).unwrap();
            for i in 0..count {
                RgbaImage::new(2, 2).save(root.path().join(format!("{class}/{i}.png"))).unwrap();
            }
        }
        let options = Options { channels: 1, size: 2, strict: false, cache: None, class: None };
        let summary = |path: &Path| Dataset::open(path, &options).unwrap().summary();
        assert_eq!(summary(root.path()), "9 images in 4 classes\n1 (b) to 3 (a) in a class, median 3");

        for i in 0..7 {
            std::fs::write(root.path().join(format!("b/{i}.tiff")), "").unwrap();
        }
        let expected = "\
9 images in 4 classes
1 (b) to 3 (a) in a class, median 3
7 files left out:
  ROOT/b/0.tiff: .tiff files are not read
  ROOT/b/1.tiff: .tiff files are not read
  ROOT/b/2.tiff: .tiff files are not read
  ROOT/b/3.tiff: .tiff files are not read
  ROOT/b/4.tiff: .tiff files are not read
  ... and 2 more";
        assert_eq!(summary(root.path()).replace(root.path().to_str().unwrap(), "ROOT"), expected);

        let one = tempfile::tempdir().unwrap();
        std::fs::create_dir(one.path().join("a")).unwrap();
        RgbaImage::new(2, 2).save(one.path().join("a/0.png")).unwrap();
        assert_eq!(summary(one.path()), "1 image in 1 class\n1 in each class");
    }
}
