//! The film of a gallery: real steps of real samples, which the page plays before its program has come.
//!
//! It is a picture in a file of its own beside `index.json`, which does not name it: older programs refuse an index
//! with fields that they do not know. So nothing depends on it, and a page plays it only for the galleries that it lists.

use std::path::Path;

use image::ImageFormat;
use tailor_core::diffusion::images::Images;
use tailor_core::{Guide, Item, SampleSettings, Sampler};
use tailor_packs::{ModelConfig, Sampling};

use crate::compute::model::Model;
use crate::error::Error;
use crate::system::files::write_atomic;
use crate::system::grid;

/// The file's name.
const FILE: &str = "film.webp";
/// How many samples the film shows, one below the other. The page counts on it.
const SAMPLES: usize = 6;
/// How many steps the film shows, where the sampler can make as many.
const STEPS: usize = 12;
/// The most bytes that the film may have: it must not delay what is really needed.
const MOST: usize = 30_000;

/// Chooses the classes that the film shows, by their numbers: spread evenly, all where there are few.
pub fn chosen(classes: usize) -> impl Iterator<Item = usize> {
    let shown = classes.min(SAMPLES);
    (0..shown).map(move |n| n * classes / shown)
}

/// Takes the film out of the gallery's folder, if there is one.
pub fn remove(folder: &Path) {
    let _ = std::fs::remove_file(folder.join(FILE));
}

/// Draws the film of a model, and writes it into the gallery's folder. The samples show these classes, whose tailors
/// are put on, or the learngene alone where there are none.
///
/// # Errors
/// Those of sampling, and of writing.
pub fn write(folder: &Path, model: &Model, classes: &[String], sampling: &Sampling) -> Result<(), Error> {
    // Latents are no pictures.
    let drawn = !model.config().makes_latents();
    let frames = drawn.then(|| model.film(settings(model.config(), classes, sampling))).transpose()?;
    match frames.and_then(small) {
        Some(film) => Ok(write_atomic(&folder.join(FILE), &film)?),
        // Nor may one of other weights stay.
        None => {
            remove(folder);
            Ok(())
        }
    }
}

fn settings(config: &ModelConfig, classes: &[String], sampling: &Sampling) -> SampleSettings {
    let sampler = sampling.sampler.parse().unwrap_or(Sampler::Heun);
    let steps = if sampler.check(config, STEPS).is_ok() { STEPS } else { sampling.steps as usize };
    let item = |n: usize| {
        let class = classes.get(n * classes.len() / SAMPLES);
        // A class that comes again shows another image.
        Item { gate: class.iter().map(|class| ((*class).clone(), 1.0)).collect(), seed: 1 + n as u64 }
    };
    SampleSettings {
        sampler,
        steps,
        guidance: f64::from(sampling.guidance),
        guide: Guide::default(),
        items: (0..SAMPLES).map(item).collect(),
    }
}

/// Encodes the film so that it is small enough: with fewer frames, then with smaller ones, where it must be.
fn small(mut frames: Vec<Images>) -> Option<Vec<u8>> {
    loop {
        let film = grid::film(&frames, ImageFormat::WebP).ok()?;
        if film.len() <= MOST {
            return Some(film);
        }
        if frames.len() > 6 {
            // The last frame is the finished image, and stays.
            let last = frames.len() - 1;
            frames = frames
                .into_iter()
                .enumerate()
                .filter(|(n, _)| (last - n).is_multiple_of(2))
                .map(|f| f.1)
                .collect();
        } else if frames.first()?.shape[3] > 16 {
            frames = frames.iter().map(halved).collect();
        } else {
            return None;
        }
    }
}

/// Halves height and width, each pixel the mean of four.
///
/// # Shapes
/// - `images`: `[B, C, H, W]`, the output: `[B, C, H/2, W/2]`
fn halved(images: &Images) -> Images {
    let [b, c, h, w] = images.shape;
    let (height, width) = (h / 2, w / 2);
    let pixel = |n: usize| {
        let (plane, y, x) = (n / (height * width), n / width % height, n % width);
        let at = |dy, dx| images.values[(plane * h + 2 * y + dy) * w + 2 * x + dx];
        (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4.0
    };
    Images::new([b, c, height, width], (0..b * c * height * width).map(pixel).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tailor_core::diffusion::noise::{Stream, standard_normal};

    #[test]
    fn a_film_of_large_images_is_made_small_enough() {
        let shape = [SAMPLES, 3, 128, 128];
        let frame = |seed| Images::new(shape, standard_normal(seed, Stream::Start, shape.iter().product()));
        let film = small((0..12).map(frame).collect()).unwrap();
        assert!(film.len() <= MOST, "{}", film.len());
        let picture = image::load_from_memory(&film).unwrap();
        assert_eq!(picture.height() as usize % SAMPLES, 0);
        assert_eq!(picture.width() % (picture.height() / SAMPLES as u32), 0, "square frames");
    }

    #[test]
    fn halving_takes_the_mean_of_four() {
        let images = Images::new([1, 1, 2, 4], vec![1.0, 3.0, 0.0, 0.0, 5.0, 7.0, 0.0, 4.0]);
        assert_eq!(halved(&images), Images::new([1, 1, 1, 2], vec![4.0, 1.0]));
    }

    #[test]
    fn six_samples_show_the_classes_whatever_their_number() {
        let config = ModelConfig::preset("tiny").unwrap();
        let sampling = Sampling { sampler: "heun".into(), steps: 20, guidance: 1.5 };
        let shown = |n: usize| {
            let classes: Vec<String> = (0..n).map(|n| n.to_string()).collect();
            let items = settings(&config, &classes, &sampling).items;
            items
                .iter()
                .map(|item| item.gate.first().map_or("-", |(c, _)| c.as_str()).to_owned())
                .collect::<String>()
        };
        assert_eq!((shown(0), shown(2), shown(6)), ("------".into(), "000111".into(), "012345".into()));
        let spread = |classes| chosen(classes).collect::<Vec<_>>();
        assert_eq!((spread(0), spread(2), spread(9)), (vec![], vec![0, 1], vec![0, 1, 3, 4, 6, 7]));
    }
}
