//! Does a gallery draw what it is asked for, and does its learngene stand for no
//! class in particular? Judged by a [`Classifier`] that is trained on the real images.

pub mod classifier;
pub mod frechet;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tailor_core::Item;

use classifier::{Classifier, FEATURES, Reading};
use frechet::Gaussian;
use rand::seq::SliceRandom;
use tailor_core::diffusion::noise::{Stream, generator};

use crate::compute::device;
use crate::compute::model::Model;
use crate::data::splits::Split;
use crate::data::{Dataset, Options};
use crate::error::Error;
use crate::gallery::folder::Gallery;
use crate::gallery::sample;
use crate::say;
use crate::settings::evaluate::EvaluateSettings;

/// A pair of classes is confusable when the reader takes so much of one's real images for the other.
const CONFUSABLE: f64 = 0.05;

/// Real images with which samples are compared, at most.
const REAL: usize = 10_000;
/// Samples below which a Fréchet distance says more about their number than about them.
const FEW: usize = 200;

/// What the evaluation found.
#[derive(Debug, Serialize)]
pub struct Evaluation {
    /// The reader's share of right answers on real images of sources it never saw.
    pub classifier_accuracy: f64,
    /// Real images behind that figure.
    pub held_out_images: usize,
    /// Samples made of the asked classes.
    pub samples: usize,
    /// Share of samples that the reader takes for the asked class.
    pub agreement: f64,
    /// As `agreement`, with a sample read as its confusable partner counted as right.
    pub agreement_up_to_confusable: f64,
    /// Pairs of classes that the reader confuses on real images.
    pub confusable: Vec<[String; 2]>,
    /// Agreement of each class, the worst first.
    pub classes: Vec<ClassReport>,
    /// How far the samples lie from real images of their classes; none for too few of either.
    pub frechet: Option<Frechet>,
    /// Classes of the data that were not sampled; the reader knows them all the same.
    pub not_sampled: Vec<String>,
    /// Samples made of the learngene alone.
    pub learngene_samples: usize,
    /// The class for which the reader takes most of them, and the share.
    pub learngene_most: (String, f64),
    /// Classes that occur among its answers.
    pub learngene_classes: usize,
    /// Entropy of its answers in nats.
    pub learngene_entropy: f64,
    /// The most that can be: the logarithm of the number of classes that the reader knows.
    pub largest_entropy: f64,
}

/// Fréchet distances in the reader's features.
#[derive(Debug, Serialize)]
pub struct Frechet {
    /// From the samples to the real images.
    pub samples: f64,
    /// From one half of the real images to the other: what no sample can be expected to beat.
    pub real_halves: f64,
    /// Real images behind both figures.
    pub real_images: usize,
}

/// One class of the report.
#[derive(Debug, Serialize)]
pub struct ClassReport {
    /// Name for people.
    pub name: String,
    /// Share of its samples read as this class.
    pub agreement: f64,
    /// What they are most often read as instead.
    pub taken_for: Option<String>,
}

/// Judges a gallery.
///
/// # Errors
/// Anything wrong with gallery, data or device.
pub fn evaluate(settings: &EvaluateSettings) -> Result<Evaluation, Error> {
    let gallery = Gallery::open(&settings.gallery)?;
    let split = settings.split.as_deref().map(Split::open).transpose()?;
    let options = Options::for_model(&gallery.index.config, false).with_split(split);
    let data = Dataset::open(&settings.data, &options)?;
    let ids: Vec<String> = data.classes.iter().map(|c| c.id.clone()).collect();
    let sampled = sampled(settings, &gallery, &data)?;
    let device = device::open(settings.device)?;
    let sources: BTreeSet<&String> = data.sources.iter().collect();
    let held_out: BTreeSet<&String> = sources.into_iter().step_by(settings.hold_out).collect();
    let (kept, held_out) = data.split(|source| held_out.contains(&source.to_owned()));

    let bar = bar("reading real images");
    let reader = Classifier::train(
        &data,
        &kept,
        settings.epochs,
        settings.seed,
        &device.for_graph(),
        |step, steps| {
            bar.set_length(steps as u64);
            bar.set_position(step as u64);
        },
    );
    bar.finish_and_clear();
    let answers = reader.read(&data.batch(&held_out)).answers;
    let real = Confusion::new(ids.len(), held_out.iter().map(|&i| data.labels[i] as usize).zip(answers));

    let chosen: Vec<String> = sampled.iter().map(|&c| ids[c].clone()).collect();
    let model = sample::assemble(&gallery, &chosen, &device)?;
    let asked: Vec<usize> = sampled.iter().flat_map(|&c| vec![c; settings.per_class]).collect();
    let item = |(i, class): (usize, Option<usize>)| Item {
        gate: class.map(|c| (ids[c].clone(), 1.0)).into_iter().collect(),
        seed: settings.seed.wrapping_add((i % settings.per_class.max(1)) as u64),
    };
    let of_classes = asked.iter().map(|c| Some(*c)).enumerate().map(item).collect();
    let made = readings_of(settings, &gallery, &model, &reader, of_classes, "sampling every class")?;
    let frechet = frechet(settings.seed, &data, &sampled, &reader, &made.features);
    let made = Confusion::new(ids.len(), asked.into_iter().zip(made.answers));
    let alone = (0..settings.per_class.max(1) * 10)
        .map(|i| Item { gate: Vec::new(), seed: settings.seed.wrapping_add(i as u64) })
        .collect();
    let alone = readings_of(settings, &gallery, &model, &reader, alone, "sampling the learngene alone")?;
    Ok(report(&data, &real, &made, &alone.answers, &sampled, frechet))
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
    settings.classes.iter().map(find).collect()
}

/// The distances of the samples of some classes, and of two halves of the real images of those classes.
fn frechet(
    seed: u64,
    data: &Dataset,
    sampled: &[usize],
    reader: &Classifier,
    samples: &[f32],
) -> Option<Frechet> {
    let mut images: Vec<usize> =
        (0..data.len()).filter(|&i| sampled.contains(&(data.labels[i] as usize))).collect();
    images.shuffle(&mut generator(seed, Stream::HeldOut));
    images.truncate(REAL);
    if images.len() < 2 * FEW || samples.len() < FEW * FEATURES {
        return None;
    }
    let features = reader.read(&data.batch(&images)).features;
    let (one, other) = features.split_at(images.len() / 2 * FEATURES);
    let fit = |features| Gaussian::fit(features, FEATURES);
    Some(Frechet {
        samples: fit(samples)?.distance(&fit(&features)?),
        real_halves: fit(one)?.distance(&fit(other)?),
        real_images: images.len(),
    })
}

/// A bar on a terminal, else a line that says what begins.
fn bar(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        say!("{what}");
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}  {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
}

/// What the reader makes of each item's sample.
fn readings_of(
    settings: &EvaluateSettings,
    gallery: &Gallery,
    model: &Model,
    reader: &Classifier,
    items: Vec<Item>,
    what: &'static str,
) -> Result<Reading, Error> {
    let bar = bar(what);
    bar.set_length(items.len() as u64);
    let batches: Vec<Vec<Item>> = items.chunks(50).map(<[Item]>::to_vec).collect();
    let mut all = Reading::default();
    for items in batches {
        let n = items.len() as u64;
        let images = model.generate(sample::settings(gallery, &settings.sampling, items)?, |_| ())?;
        let Reading { answers, features } = reader.read(&images.values);
        all.answers.extend(answers);
        all.features.extend(features);
        bar.inc(n);
    }
    bar.finish_and_clear();
    Ok(all)
}

/// How often class `a` was answered with class `b`.
struct Confusion {
    classes: usize,
    counts: Vec<usize>,
}

impl Confusion {
    fn new(classes: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        pairs.for_each(|(asked, answer)| counts[asked * classes + answer] += 1);
        Self { classes, counts }
    }

    fn row(&self, class: usize) -> &[usize] {
        &self.counts[class * self.classes..(class + 1) * self.classes]
    }

    fn share(&self, asked: usize, answer: usize) -> f64 {
        self.row(asked)[answer] as f64 / self.row(asked).iter().sum::<usize>().max(1) as f64
    }

    fn accuracy(&self, right: impl Fn(usize, usize) -> bool) -> f64 {
        let hits =
            |a: usize| (0..self.classes).filter(|b| right(a, *b)).map(|b| self.row(a)[b]).sum::<usize>();
        let total = self.counts.iter().sum::<usize>().max(1);
        (0..self.classes).map(hits).sum::<usize>() as f64 / total as f64
    }
}

fn report(
    data: &Dataset,
    real: &Confusion,
    made: &Confusion,
    alone: &[usize],
    sampled: &[usize],
    frechet: Option<Frechet>,
) -> Evaluation {
    let name = |class: usize| data.classes[class].name.clone();
    let k = real.classes;
    let confused = |a, b| a != b && (real.share(a, b) >= CONFUSABLE || real.share(b, a) >= CONFUSABLE);
    let pairs = (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b))).filter(|(a, b)| confused(*a, *b));
    let class = |a: usize| {
        let others = (0..k).filter(|b| *b != a && made.row(a)[*b] > 0);
        let most = others.max_by_key(|b| made.row(a)[*b]);
        ClassReport { name: name(a), agreement: made.share(a, a), taken_for: most.map(name) }
    };
    let mut classes: Vec<ClassReport> = sampled.iter().copied().map(class).collect();
    classes.sort_by(|a, b| a.agreement.total_cmp(&b.agreement));
    let mut answers = BTreeMap::<usize, usize>::new();
    alone.iter().for_each(|answer| *answers.entry(*answer).or_default() += 1);
    let share = |n: usize| n as f64 / alone.len().max(1) as f64;
    let most =
        answers.iter().max_by_key(|(_, n)| **n).map_or((String::new(), 0.0), |(c, n)| (name(*c), share(*n)));
    Evaluation {
        classifier_accuracy: real.accuracy(|a, b| a == b),
        held_out_images: real.counts.iter().sum(),
        samples: made.counts.iter().sum(),
        agreement: made.accuracy(|a, b| a == b),
        agreement_up_to_confusable: made.accuracy(|a, b| a == b || confused(a, b)),
        confusable: pairs.map(|(a, b)| [name(a), name(b)]).collect(),
        classes,
        frechet,
        not_sampled: (0..k).filter(|c| !sampled.contains(c)).map(name).collect(),
        learngene_samples: alone.len(),
        learngene_most: most,
        learngene_classes: answers.len(),
        largest_entropy: (k as f64).ln(),
        learngene_entropy: -answers.values().map(|n| share(*n) * share(*n).ln()).sum::<f64>() + 0.0,
    }
}
