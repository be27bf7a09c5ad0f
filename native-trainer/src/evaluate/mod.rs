//! Does a gallery draw what it is asked for, and does its learngene stand for no
//! class in particular? Judged by a [`Classifier`] that is trained on the real images, and by other networks
//! whose weights the user supplies.

pub mod classifier;
mod figures;
pub mod leakage;
mod report;

use std::collections::BTreeSet;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use rand::seq::SliceRandom;
use tailor_core::Item;
use tailor_core::diffusion::images::Images;
use tailor_core::diffusion::noise::{Stream, generator};

use classifier::Classifier;
pub use figures::{Figure, Sampled};
use figures::{Plan, Sets};
pub use report::{AsMany, ClassReport, Evaluation, Frechet};
use report::{Confusion, Found};

use crate::compute::autoencoder::Autoencoder;
use crate::compute::device::{self, Device};
use crate::compute::model::Model;
use crate::data::splits::Split;
use crate::data::{Dataset, Options};
use crate::error::Error;
use crate::gallery::folder::Gallery;
use crate::gallery::sample;
use crate::metrics::frechet::Gaussian;
use crate::metrics::neighbours::nearest;
use crate::metrics::networks::weights::NetworkError;
use crate::metrics::networks::{Network, Reading};
use crate::metrics::npz;
use crate::metrics::table::Table;
use crate::say;
use crate::settings::evaluate::EvaluateSettings;
use crate::system::output;

/// Real images with which samples are compared, at most.
const REAL: usize = 10_000;
/// Samples below which a Fréchet distance says more about their number than about them.
const FEW: usize = 200;
/// Images that are sampled at a time.
const SAMPLED: usize = 50;
/// Real images that are read at a time.
const READ: usize = 256;

/// Judges a gallery.
///
/// # Errors
/// Anything wrong with gallery, data, weights or device, and figures that so few images do not have.
pub fn evaluate(settings: &EvaluateSettings) -> Result<Evaluation, Error> {
    let gallery = Gallery::open(&settings.gallery)?;
    let split = settings.split.as_deref().map(Split::open).transpose()?;
    let options = Options::for_model(&gallery.index.config, false).with_split(split);
    let data = Dataset::open(&settings.data, &options)?;
    let ids: Vec<String> = data.classes.iter().map(|c| c.id.clone()).collect();
    let sampled = sampled(settings, &gallery, &data)?;
    let sampling = sample::settings(&gallery, &settings.sampling, Vec::new())?;
    let sampling = Sampled::of(&sampling, settings.seed);
    let device = device::open(settings.device)?;
    let mut reference: Vec<usize> =
        (0..data.len()).filter(|&i| sampled.contains(&(data.labels[i] as usize))).collect();
    reference.shuffle(&mut generator(settings.seed, Stream::HeldOut));
    reference.truncate(REAL);
    let samples = sampled.len() * settings.per_class;
    let plan = Plan::new(&settings.figures, data.size, samples, reference.len(), &device.for_graph())?;
    let decoder = decoder(settings, &gallery, &device)?;

    let (reader, _, held_out) = classifier(settings, &data, &device)?;
    let others = plan.networks.iter().map(|network| &**network).collect();
    let eyes = Eyes { reader: &reader, others, decoder: decoder.as_ref() };
    let answers = read_real(&reader, &data, &held_out).answers();
    let real = Confusion::new(ids.len(), held_out.iter().map(|&i| data.labels[i] as usize).zip(answers));

    let chosen: Vec<String> = sampled.iter().map(|&c| ids[c].clone()).collect();
    let model = sample::assemble(&gallery, &chosen, &settings.sampling.guide, &device)?;
    let asked: Vec<usize> = sampled.iter().flat_map(|&c| vec![c; settings.per_class]).collect();
    let item = |(i, class): (usize, Option<usize>)| Item {
        gate: class.map(|c| (ids[c].clone(), 1.0)).into_iter().collect(),
        seed: settings.seed.wrapping_add((i % settings.per_class.max(1)) as u64),
    };
    let of_classes = asked.iter().map(|c| Some(*c)).enumerate().map(item).collect();
    let source = Source { settings, gallery: &gallery, model: &model };
    let mut images = settings.figures.npz.as_ref().map(|_| npz::Pixels::default());
    let made = source.read(&eyes, of_classes, "sampling every class", |seen| {
        if let Some(kept) = &mut images {
            kept.extend(&seen);
        }
    })?;
    let alone = (0..settings.per_class.max(1) * 10)
        .map(|i| Item { gate: Vec::new(), seed: settings.seed.wrapping_add(i as u64) })
        .collect();
    let alone = source.read(&eyes, alone, "sampling the learngene alone", |_| ())?;

    let bar = bar("reading real images, finding figures");
    let compared = eyes.read_real(&data, &reference)?;
    let sets = |i: usize| Sets { samples: &made[i], alone: &alone[i], real: &compared[i] };
    let figures = plan.figures(sets, &sampling, settings.figures.resamples)?;
    bar.finish_and_clear();
    if let (Some(path), Some(images)) = (&settings.figures.npz, &images) {
        let fit = |table: &Table| Gaussian::fit(table).ok();
        let inception = plan.inception().map(|i| &made[i]);
        let statistics = inception.and_then(|made| Some((fit(&made.features)?, fit(&made.spatial)?)));
        npz::write(path, images, statistics.as_ref().map(|(features, spatial)| (features, spatial)))?;
    }
    let found = Found {
        frechet: frechet(&made[0].features, &compared[0].features),
        figures,
        sampling,
        resamples: settings.figures.resamples,
    };
    let made = Confusion::new(ids.len(), asked.into_iter().zip(made[0].answers()));
    Ok(report::report(&data, &real, &made, &alone[0].answers(), &sampled, found))
}

/// The classifier in the file that the settings name, or one trained on the images that are not held out, which is then
/// saved there. Beside it the numbers of the images that it was trained on, and of those that were held out.
///
/// # Errors
/// [`Error::Network`] for the file, [`Error::Refused`] when all images are held out.
fn classifier(
    settings: &EvaluateSettings,
    data: &Dataset,
    device: &Device,
) -> Result<(Classifier, Vec<usize>, Vec<usize>), Error> {
    let held_out = classifier::held_out(data, settings.hold_out);
    let (kept, held_out) = data.split(|source| held_out.contains(&source.to_owned()));
    let device = device.for_graph();
    let file = settings.figures.classifier.as_deref();
    if let Some(path) = file.filter(|path| path.exists()) {
        let reader =
            Classifier::load(path, data, settings.hold_out, &device).map_err(|error| match error {
                NetworkError::Read(_) | NetworkError::OtherClassifier { .. } => error.into(),
                // What else is wrong with it was not written by this program, or not to its end.
                _ => Error::Refused {
                    what: error.to_string(),
                    help:
                        "remove it, or name another with --classifier: one that is not there yet is written"
                            .to_owned(),
                },
            })?;
        return Ok((reader, kept, held_out));
    }
    if kept.is_empty() {
        return Err(Error::Refused {
            what: format!(
                "{} has images of one source only, which are held out, and no others to train a classifier with",
                settings.data.display()
            ),
            help: "add images of other sources (for letters: fonts)".to_owned(),
        });
    }
    let bar = bar("reading real images");
    let progress = |step, steps| {
        bar.set_length(steps as u64);
        bar.set_position(step as u64);
    };
    let reader = Classifier::train(data, &kept, settings.epochs, settings.seed, &device, progress);
    bar.finish_and_clear();
    if let Some(path) = file {
        reader.save(path, data, settings.hold_out)?;
    }
    Ok((reader, kept, held_out))
}

/// The decoder for a model of latents, if the settings name one.
///
/// # Errors
/// [`Error::Refused`] where it is missing, or makes no difference.
fn decoder(
    settings: &EvaluateSettings,
    gallery: &Gallery,
    device: &Device,
) -> Result<Option<Autoencoder>, Error> {
    let figures = &settings.figures;
    let sees_images = !figures.features.is_empty() || figures.npz.is_some();
    let latents = gallery.index.config.makes_latents();
    match &figures.autoencoder {
        Some(path) if latents && sees_images => {
            let decoder = Autoencoder::open(path, &device.for_graph())?;
            decoder.fits(gallery.index.config.channels as usize)?;
            Ok(Some(decoder))
        }
        Some(path) => Err(Error::Refused {
            what: match latents {
                true => format!("{} decodes images that nothing here looks at", output::shown(path)),
                false => format!("{} makes images, which need no autoencoder", settings.gallery.display()),
            },
            help: "leave out --autoencoder; the classifier reads what the model makes".to_owned(),
        }),
        None if latents && sees_images => Err(Error::Refused {
            what: format!("{} makes latents, which only the classifier reads", settings.gallery.display()),
            help: "name with --autoencoder the folder of the autoencoder that the latents are of".to_owned(),
        }),
        None => Ok(None),
    }
}

/// What looks at images.
struct Eyes<'a> {
    /// It reads whatever the model makes, latents too.
    reader: &'a Classifier,
    /// They read images.
    others: Vec<&'a dyn Network>,
    /// Makes images of latents.
    decoder: Option<&'a Autoencoder>,
}

impl<'a> Eyes<'a> {
    /// The classifier alone.
    fn of(reader: &'a Classifier) -> Self {
        Self { reader, others: Vec::new(), decoder: None }
    }

    /// Adds what each network makes of these images to `all`, the classifier's first, and returns the images.
    fn read(&self, images: Images, all: &mut [Reading]) -> Result<Images, Error> {
        let Some((first, rest)) = all.split_first_mut() else { return Ok(images) };
        first.extend(self.reader.read(&images));
        let images = match self.decoder {
            Some(decoder) => decoder.decode(&images)?,
            None => images,
        };
        rest.iter_mut().zip(&self.others).for_each(|(all, network)| all.extend(network.read(&images)));
        Ok(images)
    }

    fn nothing(&self) -> Vec<Reading> {
        vec![Reading::default(); 1 + self.others.len()]
    }

    /// What each network makes of the real images at `indices`.
    fn read_real(&self, data: &Dataset, indices: &[usize]) -> Result<Vec<Reading>, Error> {
        let mut all = self.nothing();
        for indices in indices.chunks(READ) {
            self.read(real(data, indices), &mut all)?;
        }
        Ok(all)
    }
}

/// The real images at `indices`.
fn real(data: &Dataset, indices: &[usize]) -> Images {
    Images::new([indices.len(), data.channels, data.size, data.size], data.batch(indices))
}

/// What the classifier makes of the real images at `indices`.
fn read_real(reader: &Classifier, data: &Dataset, indices: &[usize]) -> Reading {
    let mut all = Reading::default();
    indices.chunks(READ).for_each(|indices| all.extend(reader.read(&real(data, indices))));
    all
}

/// The distances of the samples of some classes, and of two halves of the real images of those classes, in the
/// classifier's features; none for too few of either.
fn frechet(samples: &Table, real: &Table) -> Option<Frechet> {
    if real.rows() < 2 * FEW || samples.rows() < FEW {
        return None;
    }
    let [one, other] = parted(real, real.rows() / 2);
    Some(Frechet {
        samples: distance(samples, real)?,
        real_halves: distance(&one, &other)?,
        real_images: real.rows(),
        as_many: as_many(samples, real)?,
    })
}

/// Samples beside as many of the real images, which are in no order, both compared with the rest of these.
fn as_many(samples: &Table, real: &Table) -> Option<AsMany> {
    let images = samples.rows().min(real.rows() / 2);
    let [beside, others] = parted(real, images);
    // They are ordered by class.
    let even = (0..images).flat_map(|i| samples.row(i * samples.rows() / images).to_vec()).collect();
    let samples = Table::new(samples.width(), even);
    let mean = |found: Vec<(usize, f64)>| found.iter().map(|(_, far)| far).sum::<f64>() / images as f64;
    Some(AsMany {
        images,
        others: others.rows(),
        samples: distance(&samples, &others)?,
        real: distance(&beside, &others)?,
        nearest_to_samples: mean(nearest(&others, &samples)),
        nearest_to_real: mean(nearest(&others, &beside)),
    })
}

/// The first `rows` of a table, and the rest.
fn parted(table: &Table, rows: usize) -> [Table; 2] {
    let (one, other) = table.values().split_at(rows * table.width());
    [one, other].map(|values| Table::new(table.width(), values.to_vec()))
}

fn distance(one: &Table, other: &Table) -> Option<f64> {
    Gaussian::fit(one).ok()?.distance(&Gaussian::fit(other).ok()?).ok()
}

/// What samples are made with.
struct Source<'a> {
    settings: &'a EvaluateSettings,
    gallery: &'a Gallery,
    model: &'a Model,
}

impl Source<'_> {
    /// What each network makes of each item's sample. `each` is handed what was looked at.
    fn read(
        &self,
        eyes: &Eyes<'_>,
        items: Vec<Item>,
        what: &'static str,
        mut each: impl FnMut(Images),
    ) -> Result<Vec<Reading>, Error> {
        let bar = bar(what);
        bar.set_length(items.len() as u64);
        let batches: Vec<Vec<Item>> = items.chunks(SAMPLED).map(<[Item]>::to_vec).collect();
        let mut all = eyes.nothing();
        for items in batches {
            let n = items.len() as u64;
            let settings = sample::settings(self.gallery, &self.settings.sampling, items)?;
            each(eyes.read(self.model.generate(settings, |_| ())?, &mut all)?);
            bar.inc(n);
        }
        bar.finish_and_clear();
        Ok(all)
    }
}

/// The classes to sample, by their numbers in the data: those asked for, or all that the gallery has.
fn sampled(settings: &EvaluateSettings, gallery: &Gallery, data: &Dataset) -> Result<Vec<usize>, Error> {
    let number = |id: &str| data.classes.iter().position(|class| class.id == id);
    let refused = |what: String| Error::Refused {
        what,
        help: format!(
            "name a --data folder that has a folder for each class of {}",
            settings.gallery.display()
        ),
    };
    if settings.classes.is_empty() {
        let found: Vec<usize> = gallery.index.classes.iter().filter_map(|class| number(&class.id)).collect();
        return match found.is_empty() {
            true => Err(refused(format!("{} has no class of the gallery", settings.data.display()))),
            false => Ok(found),
        };
    }
    let find = |asked: &String| {
        let id = &gallery.class(asked)?.id;
        number(id).ok_or_else(|| refused(format!("{} has no class {id}", settings.data.display())))
    };
    // Named twice it is one class all the same.
    let mut seen = BTreeSet::new();
    let found = settings.classes.iter().map(find).collect::<Result<Vec<usize>, _>>()?;
    Ok(found.into_iter().filter(|class| seen.insert(*class)).collect())
}

/// A bar on a terminal, else a line that says what begins.
fn bar(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        say!("{what}");
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}  {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of two numbers that look drawn from a square, `shift` to the right.
    fn square(rows: usize, first: usize, shift: f32) -> Table {
        let part = |i: usize, step: f64| ((i as f64 * step).fract() as f32) - 0.5;
        let row = |i: usize| [part(i, 0.754_877_666) + shift, part(i, 0.569_840_291)];
        Table::new(2, (first..first + rows).flat_map(row).collect())
    }

    #[test]
    fn samples_are_compared_with_what_as_many_real_images_give() {
        let real = square(1000, 1, 0.0);
        // As many as the samples, but no more than half.
        for (samples, images) in [(300, 300), (900, 500)] {
            let found = as_many(&square(samples, 5000, 0.0), &real).unwrap();
            assert_eq!((found.images, found.others), (images, 1000 - images));
            assert!(found.samples < 0.01 && found.real < 0.01, "{found:?}");
        }
        let apart = as_many(&square(300, 5000, 2.0), &real).unwrap();
        assert!((apart.samples - 4.0).abs() < 0.1 && apart.real < 0.01, "the square of the shift: {apart:?}");
        assert!(apart.nearest_to_samples > 1.0 && apart.nearest_to_real < 0.1, "{apart:?}");

        // Samples that are copies of real images.
        let [_, others] = parted(&real, 300);
        let [copies, _] = parted(&others, 300);
        let copied = as_many(&copies, &real).unwrap();
        assert!(copied.nearest_to_samples < 1e-3 && copied.nearest_to_real > 0.005, "{copied:?}");
    }

    #[test]
    fn too_few_images_give_no_frechet_distance() {
        assert!(frechet(&square(FEW, 1, 0.0), &square(2 * FEW, 1, 0.0)).is_some());
        assert!(frechet(&square(FEW - 1, 1, 0.0), &square(2 * FEW, 1, 0.0)).is_none());
        assert!(frechet(&square(FEW, 1, 0.0), &square(2 * FEW - 1, 1, 0.0)).is_none());
    }
}
