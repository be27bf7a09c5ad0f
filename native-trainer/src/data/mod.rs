//! Images with classes, decoded once into memory, from a folder of class folders or from IDX files.
//!
//! How an image becomes `C × S × S` bytes: EXIF orientation is applied; transparent parts are laid
//! over white; the largest centred square is cut out and, if it is not `S × S` yet, resized with a
//! triangle filter (no ringing, so no value leaves the image's own range); then it becomes grey
//! (`C = 1`, luma) or RGB (`C = 3`).

mod folder;
mod idx;
pub mod names;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::{DynamicImage, imageops::FilterType};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tailor_packs::config::ModelConfig;

/// What the images of a data set must become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Channels `C`: 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Height and width `S` in pixels.
    pub size: usize,
    /// Refuse the data set when any image is unreadable, instead of skipping that image.
    pub strict: bool,
}

impl Options {
    /// The images that `config` is a model of.
    pub fn for_model(config: &ModelConfig, strict: bool) -> Self {
        Self { channels: config.channels as usize, size: config.image_size as usize, strict }
    }
}

/// One class of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub images: Vec<u8>,
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
    /// A folder with nothing in it.
    #[error("{} is empty", .0.display())]
    EmptyFolder(PathBuf),
    /// A folder without class folders.
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

impl Dataset {
    /// Reads every image at `path`, and says how far it is when that takes more than two seconds.
    ///
    /// `path` is a folder of class folders (a nested folder is a class of its own), a folder of
    /// IDX files (the training pair `train-*`), or one IDX images file whose labels lie beside it.
    /// Unreadable images are left out and listed in [`Dataset::skipped`].
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
        let data = match idx::find(path) {
            Some(images) => idx::read(&images, options)?,
            None => folder::read(path, options)?,
        };
        if options.strict
            && let Some((path, reason)) = data.skipped.first()
        {
            let (path, reason) = (path.clone(), reason.clone());
            return Err(DataError::BrokenImage { path, reason, others: data.skipped.len() - 1 });
        }
        Ok(data)
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
}
