//! Images with classes, decoded once, from a folder of class folders or from IDX files, on disk or in an
//! archive.
//!
//! An archive (`.zip`, `.tar`, `.tar.gz`, `.tgz`, `.tar.zst`) is read as the folder that it would unpack
//! to, without unpacking it: same classes, same order, same things left out. Folders that lead to all
//! classes are no part of their names. Symbolic links in an archive are not followed.
//!
//! What is an image is told by the content. What is left out is named with the reason: a file that ends
//! early, one of more than 64 MiB, or one whose pixels take more than 512 MiB.
//!
//! How an image becomes `C × S × S` bytes: EXIF orientation is applied; transparent parts are laid
//! over white; the largest centred square is cut out and, if it is not `S × S` yet, resized with a
//! triangle filter (no ringing, so no value leaves the image's own range); then it becomes grey
//! (`C = 1`, luma) or RGB (`C = 3`).
//!
//! Of any other number of channels are an autoencoder's latents, which are read as they are from
//! `.safetensors` files in the same folders or archives.

mod archive;
mod cache;
mod contents;
mod error;
mod folder;
mod idx;
mod latents;
mod listing;
pub mod names;
mod picture;
pub mod splits;
mod tree;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tailor_packs::Digest;
use tailor_packs::config::ModelConfig;

use archive::Archive;
use cache::{Cache, Pixels};
pub use error::DataError;
use listing::Tree;
use picture::Ending;
use splits::Split;

use crate::system::float::Float;
use crate::system::output::{one_line, shown};

/// What the images of a data set must become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Channels `C`: 1 (grey), 3 (RGB), or any other number, of latents.
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
    /// Whether folders that lead to all classes stay a part of the classes' names, as they did in runs of
    /// earlier versions.
    pub whole_names: bool,
    /// Which classes to use, some of them merged; `None` for all as they are.
    pub split: Option<Split>,
}

impl Options {
    /// All classes of images of this size, as the tests want them.
    #[cfg(test)]
    const fn of(channels: usize, size: usize) -> Self {
        let (strict, whole_names) = (false, false);
        Self { channels, size, strict, cache: None, class: None, whole_names, split: None }
    }

    /// The images that `config` is a model of.
    pub fn for_model(config: &ModelConfig, strict: bool) -> Self {
        Self {
            channels: config.channels as usize,
            size: config.image_size as usize,
            strict,
            cache: None,
            class: None,
            whole_names: false,
            split: None,
        }
    }

    /// The same, with folders that lead to all classes in the classes' names.
    pub fn with_whole_names(self) -> Self {
        Self { whole_names: true, ..self }
    }

    /// The same, with decoded images kept in `folder`, which is made when it is not there.
    pub fn with_cache(self, folder: PathBuf) -> Self {
        Self { cache: Some(folder), ..self }
    }

    /// The same, with the classes of `split`, if there is one.
    pub fn with_split(self, split: Option<Split>) -> Self {
        Self { split, ..self }
    }

    /// The same, with all images taken for one class of this name.
    pub fn of_class(self, name: &str) -> Self {
        Self { class: Some(name.to_owned()), ..self }
    }

    /// Whether an autoencoder's latents are wanted, and not images.
    fn latents(&self) -> bool {
        latents::are(self.channels)
    }

    /// Bytes of one image.
    fn image_len(&self) -> usize {
        image_len(self.channels, self.size)
    }

    /// What the ending of a file says of it.
    fn ending(&self, path: &Path) -> Ending {
        if self.latents() { latents::ending(path) } else { Ending::of(path) }
    }
}

/// Bytes of one image of a data set: one for each value, or four of a latent's.
fn image_len(channels: usize, size: usize) -> usize {
    let value = if latents::are(channels) { latents::VALUE } else { 1 };
    channels * size * size * value
}

/// One class of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataClass {
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
    pub classes: Vec<DataClass>,
    /// All images in one block, `[N, C, S, S]`, one byte per value, or four for each of a latent's.
    images: Pixels,
    /// The class of each image, `[N]`.
    pub labels: Vec<u32>,
    /// Where each image came from, `[N]`: its file's name up to the first dot (for glyphs the font's
    /// id), or its number in an IDX file.
    pub sources: Vec<String>,
    /// Channels `C`.
    pub channels: usize,
    /// Height and width `S`.
    pub size: usize,
    /// Images left out because they could not be read, each with the reason.
    pub skipped: Vec<(PathBuf, String)>,
    /// What the user should know: how the files were taken, and that the cache could not be written or was
    /// damaged.
    pub notes: Vec<String>,
    /// Whether folders that lead to all classes were left out of the classes' names.
    pub wrapped: bool,
}

/// What a path leads to.
enum Input {
    Folder(Tree),
    Archive(Archive),
    Idx(idx::Pair),
}

/// How many of the files that were left out a summary names.
const SHOWN: usize = 5;

/// A number of things, one or more.
pub(crate) fn number(count: usize, what: &str) -> String {
    let ending = match (count, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {what}{ending}")
}

/// How many of the classes a summary names.
const CLASSES: usize = 8;

impl Input {
    fn find(path: &Path, options: &Options) -> Result<Self, DataError> {
        if let Some(archive) = Archive::named(path).filter(|_| path.is_file()) {
            return Ok(Self::Archive(archive));
        }
        if path.is_file() {
            return match idx::beside(path)? {
                Some(pair) => Ok(Self::Idx(pair)),
                None => Err(DataError::NoData(path.to_owned())),
            };
        }
        if !path.is_dir() {
            return Err(DataError::NoData(path.to_owned()));
        }
        let tree = folder::list(path, options)?;
        // Those hold pixels.
        let idx = if options.latents() { None } else { idx::in_folder(path, &tree.listing)? };
        Ok(match idx {
            Some(pair) => Self::Idx(pair),
            None => Self::Folder(tree),
        })
    }

    fn read(&self, path: &Path, options: &Options) -> Result<Dataset, DataError> {
        let data = self.read_all(path, options)?;
        match &options.split {
            Some(split) => Ok(split.apply(path, data)?),
            None => Ok(data),
        }
    }

    /// Reads the classes that are there, or of class folders only those that a split needs.
    fn read_all(&self, path: &Path, options: &Options) -> Result<Dataset, DataError> {
        match self {
            Self::Folder(tree) => tree::read(path, None, tree, options),
            Self::Archive(archive) => {
                let tree = archive.list(options)?;
                let idx = match options.class {
                    None if !options.latents() => idx::read_archive(path, archive, &tree.listing, options)?,
                    _ => None,
                };
                idx.map_or_else(|| tree::read(path, Some(archive), &tree, options), Ok)
            }
            // It has labels of its own.
            Self::Idx(_) if options.class.is_some() => Err(DataError::HasClasses(path.to_owned())),
            Self::Idx(_) if options.latents() => {
                Err(DataError::NoLatents { path: path.to_owned(), channels: options.channels })
            }
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
    /// The SHA-256 of the images as they are learned from.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.images)
    }

    /// Refuses a path at which there is nothing, before any work.
    ///
    /// # Errors
    /// [`DataError::Missing`].
    pub fn there(path: &Path) -> Result<(), DataError> {
        if path.exists() { Ok(()) } else { Err(DataError::Missing(path.to_owned())) }
    }

    /// Reads every image at `path`, and says how far it is when that takes more than two seconds.
    ///
    /// `path` is a folder of class folders (a nested folder is a class of its own), a folder with IDX files
    /// (of which it takes the training pair), one IDX file beside its other half, or an archive of either
    /// folder. Unreadable images are left out and listed in [`Dataset::skipped`].
    ///
    /// # Errors
    /// A [`DataError`] that names the file or class that is at fault.
    pub fn open(path: &Path, options: &Options) -> Result<Self, DataError> {
        Self::there(path)?;
        let input = Input::find(path, options)?;
        let mut notes = Vec::new();
        let mut data = match &options.cache {
            Some(folder) => cached(folder, path, &input, options, &mut notes)?,
            None => input.read(path, options)?,
        };
        data.notes.extend(notes);
        if options.strict
            && let Some((path, reason)) = data.skipped.first()
        {
            let (path, reason) = (path.clone(), reason.clone());
            return Err(DataError::BrokenImage { path, reason, others: data.skipped.len() - 1 });
        }
        Ok(data)
    }

    /// No images of these classes.
    fn new(classes: Vec<DataClass>, options: &Options) -> Self {
        let (channels, size) = (options.channels, options.size);
        let (labels, sources, skipped, notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (images, wrapped) = (Pixels::Memory(Vec::new()), false);
        Self { classes, images, labels, sources, channels, size, skipped, notes, wrapped }
    }

    /// A few lines for people: how many images and classes there are, how evenly they are shared, and
    /// what was left out.
    pub fn summary(&self) -> String {
        let mut counts: Vec<(usize, &str)> =
            self.classes.iter().map(|c| (c.count, c.name.as_str())).collect();
        // Stable, so that of several equal classes the first by name is shown.
        counts.sort_by_key(|(count, _)| *count);
        let mut text = format!("{} in {}", number(self.len(), "image"), number(self.classes.len(), "class"));
        for (i, class) in self.classes.iter().take(CLASSES).enumerate() {
            let _ = write!(text, "{} {}", if i == 0 { ':' } else { ',' }, one_line(&class.name));
        }
        if self.classes.len() > CLASSES {
            text += ", …";
        }
        if let (Some(&(least, smallest)), Some(&(most, _))) = (counts.first(), counts.last()) {
            let largest = counts.iter().find(|(count, _)| *count == most).map_or("", |(_, name)| name);
            let median = counts[counts.len() / 2].0;
            text += &if least == most {
                format!("\n{least} in each class")
            } else {
                let (smallest, largest) = (one_line(smallest), one_line(largest));
                format!("\n{least} ({smallest}) to {most} ({largest}) in a class, median {median}")
            };
        }
        if !self.skipped.is_empty() {
            let _ = write!(text, "\n{} left out:", number(self.skipped.len(), "file"));
            for (path, reason) in self.skipped.iter().take(SHOWN) {
                let _ = write!(text, "\n  {}: {reason}", shown(path));
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

    /// Bytes of one image: `C·S·S`, of a latent four times as many.
    pub fn image_len(&self) -> usize {
        image_len(self.channels, self.size)
    }

    /// Image `i` as bytes; of a latent, those of its values in f32, little-endian.
    ///
    /// # Shapes
    /// `[C, S, S]`.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.images[i * self.image_len()..][..self.image_len()]
    }

    /// The images at `indices`, with 0 to 255 mapped to −1 to 1; latents as they are.
    ///
    /// # Shapes
    /// `[B, C, S, S]`, `B` the number of indices.
    pub fn batch(&self, indices: &[usize]) -> Vec<f32> {
        if latents::are(self.channels) {
            return indices.iter().flat_map(|&i| Float::F32.decode(self.image(i))).collect();
        }
        let bytes = indices.iter().flat_map(|&i| self.image(i));
        bytes.map(|&byte| f32::from(byte) / 127.5 - 1.0).collect()
    }

    /// Indices of the images to keep and of those whose source is `held_out`, for an evaluation on
    /// fonts, drawings or people that training never saw.
    pub fn split(&self, held_out: impl Fn(&str) -> bool) -> (Vec<usize>, Vec<usize>) {
        (0..self.len()).partition(|&i| !held_out(&self.sources[i]))
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

#[cfg(test)]
mod tests {
    use image::RgbaImage;

    use super::*;

    #[test]
    fn a_summary_counts_classes_and_names_what_was_left_out() {
        let root = tempfile::tempdir().unwrap();
        for (class, count) in [("a", 3), ("b", 1), ("c", 2), ("d", 3)] {
            std::fs::create_dir(root.path().join(class)).unwrap();
            for i in 0..count {
                RgbaImage::new(2, 2).save(root.path().join(format!("{class}/{i}.png"))).unwrap();
            }
        }
        let options = Options::of(1, 2);
        let summary = |path: &Path| Dataset::open(path, &options).unwrap().summary();
        assert_eq!(
            summary(root.path()),
            "9 images in 4 classes: a, b, c, d\n1 (b) to 3 (a) in a class, median 3"
        );

        for i in 0..7 {
            std::fs::write(root.path().join(format!("b/{i}.tiff")), "").unwrap();
        }
        let expected = "\
9 images in 4 classes: a, b, c, d
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
        assert_eq!(summary(one.path()), "1 image in 1 class: a\n1 in each class");
    }
}
