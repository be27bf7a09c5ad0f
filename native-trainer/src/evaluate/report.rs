//! What an evaluation found, for people and for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::figures::{Figure, Sampled};
use crate::data::Dataset;
use crate::metrics::bootstrap::{Interval, of_share};

/// A pair of classes is confusable when the reader takes so much of one's real images for the other.
const CONFUSABLE: f64 = 0.05;

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
    /// The 95 % interval of `agreement`; none without resamples.
    pub agreement_interval: Option<Interval>,
    /// How the samples were made.
    pub sampling: Sampled,
    /// Figures of the samples as a whole.
    pub figures: Vec<Figure>,
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
    /// The same with equal numbers on both sides.
    pub as_many: AsMany,
}

/// Samples beside as many real images, both compared with the same other real images, so that no figure is larger
/// because there are fewer images behind it. Distances are in the reader's features.
#[derive(Debug, Serialize)]
pub struct AsMany {
    /// Samples, and real images beside them.
    pub images: usize,
    /// Real images that both are compared with.
    pub others: usize,
    /// Fréchet distance of the samples.
    pub samples: f64,
    /// Fréchet distance of the real images beside them.
    pub real: f64,
    /// Mean distance from a sample to the nearest of the others. Samples that are copies of real images have a smaller
    /// one than real images.
    pub nearest_to_samples: f64,
    /// Mean distance from one of the real images beside them to the nearest of the others.
    pub nearest_to_real: f64,
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

/// How often class `a` was answered with class `b`.
pub(super) struct Confusion {
    classes: usize,
    counts: Vec<usize>,
}

impl Confusion {
    pub(super) fn new(classes: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Self {
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

    /// The 95 % interval of the share of right answers.
    fn interval(&self, resamples: usize, seed: u64) -> Option<Interval> {
        let right: usize = (0..self.classes).map(|class| self.row(class)[class]).sum();
        let all: usize = self.counts.iter().sum();
        let answers: Vec<f64> = (0..all).map(|i| f64::from(u8::from(i < right))).collect();
        of_share(&answers, resamples, seed)
    }

    fn accuracy(&self, right: impl Fn(usize, usize) -> bool) -> f64 {
        let hits =
            |a: usize| (0..self.classes).filter(|b| right(a, *b)).map(|b| self.row(a)[b]).sum::<usize>();
        let total = self.counts.iter().sum::<usize>().max(1);
        (0..self.classes).map(hits).sum::<usize>() as f64 / total as f64
    }
}

/// What is known besides the classifier's answers.
pub(super) struct Found {
    pub(super) frechet: Option<Frechet>,
    pub(super) figures: Vec<Figure>,
    pub(super) sampling: Sampled,
    pub(super) resamples: usize,
}

/// What the answers to three sets of images mean: real ones of held-out sources, samples of the classes `sampled`,
/// and samples of the learngene alone.
pub(super) fn report(
    data: &Dataset,
    real: &Confusion,
    made: &Confusion,
    alone: &[usize],
    sampled: &[usize],
    found: Found,
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
        frechet: found.frechet,
        not_sampled: (0..k).filter(|c| !sampled.contains(c)).map(name).collect(),
        learngene_samples: alone.len(),
        learngene_most: most,
        learngene_classes: answers.len(),
        largest_entropy: (k as f64).ln(),
        learngene_entropy: -answers.values().map(|n| share(*n) * share(*n).ln()).sum::<f64>() + 0.0,
        agreement_interval: made.interval(found.resamples, found.sampling.seed),
        sampling: found.sampling,
        figures: found.figures,
    }
}
