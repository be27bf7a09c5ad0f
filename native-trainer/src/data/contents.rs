//! What a data set holds, as a digest: by it an experiment sees that its images are no longer those that it began with.

use std::path::Path;

use tailor_packs::Digest;

use super::cache::Cache;
use super::{DataError, Dataset, Input, Options};

impl Dataset {
    /// A name for what is at `path` now, found without reading it: as long as names, lengths and times of the files
    /// stay the same, so does this. None where the system does not say.
    ///
    /// # Errors
    /// [`DataError`] where there is no data.
    pub fn state(path: &Path, options: &Options) -> Result<Option<String>, DataError> {
        Self::there(path)?;
        let input = Input::find(path, options)?;
        Ok(Cache::of(Path::new(""), path, &input, options).ok().map(|cache| cache.name()))
    }

    /// The SHA-256 of all that is learned from: the images, and which class each is of. In which files they lie makes
    /// no difference.
    pub fn contents(&self) -> Digest {
        let classes: Vec<(&str, usize)> = self.classes.iter().map(|c| (c.id.as_str(), c.count)).collect();
        Digest::of(format!("{} {:?} {classes:?}", self.digest(), [self.channels, self.size]).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};

    use super::*;

    #[test]
    fn other_images_are_noticed_and_the_same_ones_elsewhere_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let paint = |name: &str, brightness: u8| {
            let path = at(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            GrayImage::from_pixel(4, 4, Luma([brightness])).save(path).unwrap();
        };
        for name in ["one/a/1.bmp", "one/b/1.bmp", "other/a/1.png", "other/b/1.bmp"] {
            paint(name, 9);
        }
        let of = |name: &str| Dataset::open(&at(name), &Options::of(1, 4)).unwrap().contents();
        let before = of("one");
        assert_eq!(before, of("other"));
        std::fs::write(at("other/LICENSE"), "no image").unwrap();
        assert_eq!(before, of("other"));
        // A file of the same length.
        paint("other/b/1.bmp", 8);
        assert_ne!(before, of("other"));
        std::fs::rename(at("one/a"), at("one/c")).unwrap();
        assert_ne!(before, of("one"));
        let state = |name: &str| Dataset::state(&at(name), &Options::of(1, 4));
        assert!(state("one").unwrap().is_some() && state("one").unwrap() == state("one").unwrap());
        assert!(matches!(state("absent"), Err(DataError::Missing(_))));
    }
}
