//! Which figures are found with which network, and what they say.

use std::collections::BTreeSet;

use burn::tensor::Device;
use serde::Serialize;
use tailor_core::SampleSettings;

use super::FEW;
use super::classifier::{self, FEATURES};
use crate::error::Error;
use crate::metrics::MetricError;
use crate::metrics::bootstrap::{CONFIDENCE, Interval, interval, mean, of_mean, of_share};
use crate::metrics::frechet::{Anchor, FrechetError, Gaussian};
use crate::metrics::neighbours::{NEIGHBOUR, covered};
use crate::metrics::networks::{Network, Reading, inception, load};
use crate::metrics::predictions::{Certainty, Predictions, SPLITS};
use crate::metrics::table::Table;
use crate::settings::evaluate::{FigureSettings, Metric};

/// How samples were made.
#[derive(Clone, Debug, Serialize)]
pub struct Sampled {
    /// Name of the sampler.
    pub sampler: &'static str,
    /// Its steps.
    pub steps: usize,
    /// Guidance scale, 1 for none.
    pub guidance: f64,
    /// Part of each tailor that the model keeps from which guidance leads away.
    pub guide: f32,
    /// Whether that is the whole tailor without its label instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub guide_unnamed: bool,
    /// Times at which guidance takes effect, from 0 (clean) to 1 (noise).
    pub guide_times: (f64, f64),
    /// Seed of the first sample of each class; the others have those that follow.
    pub seed: u64,
}

impl Sampled {
    /// The same of these settings, with the seed of the first sample.
    pub(super) fn of(settings: &SampleSettings, seed: u64) -> Self {
        Self {
            sampler: settings.sampler.name(),
            steps: settings.steps,
            guidance: settings.guidance,
            guide: settings.guide.tailor,
            guide_unnamed: settings.guide.unnamed,
            guide_times: settings.guide.times,
            seed,
        }
    }
}

/// One figure with all that it depends on.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Which figure: `fid`, `sfid`, `is`, `precision`, `recall`, `fdd`, `entropy`, `variance` or `kurtosis`.
    pub metric: &'static str,
    /// Of which images: `samples`, `learngene` (samples of it alone) or `real images`.
    pub of: &'static str,
    /// The network that looked at them.
    pub network: &'static str,
    /// The figure.
    pub value: f64,
    /// Where 95 % of the figures of other such images would lie; none without resamples.
    pub interval: Option<Interval>,
    /// The share of figures that the interval holds.
    pub confidence: f64,
    /// Resamples behind the interval.
    pub resamples: usize,
    /// Images that the figure is of.
    pub images: usize,
    /// Real images that they were compared with, where they were.
    pub real_images: Option<usize>,
    /// How the samples were made.
    #[serde(flatten)]
    pub sampling: Sampled,
}

/// What one network made of the images.
pub(super) struct Sets<'a> {
    pub(super) samples: &'a Reading,
    pub(super) alone: &'a Reading,
    pub(super) real: &'a Reading,
}

/// What is to be found.
pub(super) struct Plan {
    /// Networks besides the classifier.
    pub(super) networks: Vec<Box<dyn Network>>,
    /// Figures, each with the number of its network: 0 is the classifier, the others follow.
    metrics: Vec<(Metric, usize)>,
}

impl Plan {
    /// Reads the networks' weights, and decides what each is for. Samples and real images that there will be
    /// say what can be found.
    pub(super) fn new(
        settings: &FigureSettings,
        size: usize,
        samples: usize,
        real: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut networks: Vec<Box<dyn Network>> = Vec::new();
        for path in &settings.features {
            let network = load(path, device)?;
            if networks.iter().any(|other| is_dino(other.name()) == is_dino(network.name())) {
                return Err(MetricError::Twice { path: path.clone(), network: network.name() }.into());
            }
            networks.push(network);
        }
        let number_of = |metric: Metric| {
            let place = networks.iter().position(|n| is_dino(n.name()) == (metric == Metric::Fdd));
            place.map(|place| place + 1).or((metric != Metric::Fdd).then_some(0))
        };
        let need = |(metric, number): &(Metric, usize)| {
            let network = number.checked_sub(1).map(|i| &networks[i]);
            let name = network.map_or(classifier::NAME, |n| n.name());
            let features = network.map_or(FEATURES, |n| n.features());
            let spatial = network.map_or(classifier::spatial(size), |n| n.spatial());
            enough(*metric, name, [features, spatial], [samples, real])
        };
        let mut metrics = Vec::new();
        if settings.metrics.is_empty() {
            let possible = Metric::ALL.into_iter().filter_map(|metric| Some((metric, number_of(metric)?)));
            metrics.extend(possible.filter(|planned| need(planned).is_ok()));
        }
        for metric in settings.metrics.iter().copied() {
            let missing = MetricError::NoNetwork { metric: metric.name(), network: "DINOv2" };
            let planned = (metric, number_of(metric).ok_or(missing)?);
            need(&planned)?;
            if !metrics.contains(&planned) {
                metrics.push(planned);
            }
        }
        let used: BTreeSet<usize> = metrics.iter().map(|planned| planned.1).collect();
        for (i, path) in settings.features.iter().enumerate() {
            if used.contains(&(i + 1)) {
                continue;
            }
            // Without a list of figures it is their number that keeps a network from being used.
            let wanted = Metric::ALL.into_iter().find(|metric| number_of(*metric) == Some(i + 1));
            if let Some(metric) = wanted.filter(|_| settings.metrics.is_empty()) {
                need(&(metric, i + 1))?;
            }
            return Err(MetricError::Unused { path: path.clone(), network: networks[i].name() }.into());
        }
        Ok(Self { networks, metrics })
    }

    /// The number of Inception-v3 among the networks.
    pub(super) fn inception(&self) -> Option<usize> {
        self.networks.iter().position(|network| network.name() == inception::NAME).map(|i| i + 1)
    }

    /// Finds all figures; `sets` gives what the network with a number made of the images.
    pub(super) fn figures<'a>(
        &self,
        sets: impl Fn(usize) -> Sets<'a>,
        sampling: &Sampled,
        resamples: usize,
    ) -> Result<Vec<Figure>, Error> {
        let mut figures = Vec::new();
        for &(metric, number) in &self.metrics {
            let network = number.checked_sub(1).map_or(classifier::NAME, |i| self.networks[i].name());
            let finder = Finder { network, sampling, resamples };
            figures.extend(finder.find(metric, &sets(number))?);
        }
        Ok(figures)
    }
}

fn is_dino(network: &str) -> bool {
    network != inception::NAME
}

/// Refuses a figure that so many samples and real images do not have.
fn enough(
    metric: Metric,
    network: &'static str,
    [features, spatial]: [usize; 2],
    [samples, real]: [usize; 2],
) -> Result<(), MetricError> {
    // A covariance is of full rank from one image more than it has rows.
    let needed = match metric {
        Metric::Fid | Metric::Fdd => [FEW.max(features + 1); 2],
        Metric::SpatialFid => [FEW.max(spatial + 1); 2],
        // Two for each part.
        Metric::InceptionScore => [2 * SPLITS, 0],
        Metric::PrecisionRecall => [NEIGHBOUR + 1; 2],
        Metric::Entropy => [1; 2],
    };
    for ((what, found), needed) in [("samples", samples), ("real images", real)].into_iter().zip(needed) {
        if found < needed {
            return Err(MetricError::TooFew { metric: metric.name(), network, what, found, needed });
        }
    }
    Ok(())
}

/// Finds the figures of one network.
struct Finder<'a> {
    network: &'static str,
    sampling: &'a Sampled,
    resamples: usize,
}

impl Finder<'_> {
    fn find(&self, metric: Metric, sets: &Sets<'_>) -> Result<Vec<Figure>, MetricError> {
        let Sets { samples, alone, real } = sets;
        match metric {
            Metric::Fid | Metric::Fdd => self.frechet(metric, &samples.features, &real.features),
            Metric::SpatialFid => self.frechet(metric, &samples.spatial, &real.spatial),
            Metric::InceptionScore => Ok(self.inception_score(&Predictions::new(&samples.scores))),
            Metric::PrecisionRecall => Ok(self.precision_recall(&samples.features, &real.features)),
            Metric::Entropy => {
                let sets = [("samples", samples), ("learngene", alone), ("real images", real)];
                Ok(sets.into_iter().flat_map(|(of, read)| self.certainty(of, &read.scores)).collect())
            }
        }
    }

    fn figure(&self, metric: &'static str, value: f64, interval: Option<Interval>, images: usize) -> Figure {
        Figure {
            metric,
            of: "samples",
            network: self.network,
            value,
            interval,
            confidence: CONFIDENCE,
            resamples: self.resamples,
            images,
            real_images: None,
            sampling: self.sampling.clone(),
        }
    }

    /// The interval is that of other samples; the real images stay the same, as they do wherever distances to
    /// one set of them are compared.
    fn frechet(&self, metric: Metric, samples: &Table, real: &Table) -> Result<Vec<Figure>, MetricError> {
        let found = || -> Result<_, FrechetError> {
            let anchor = Anchor::new(Gaussian::fit(real)?)?;
            let value = anchor.distance(&Gaussian::fit(samples)?)?;
            let distance = |rows: &[usize]| anchor.distance(&Gaussian::of(samples, rows)?);
            let (n, seed) = (samples.rows(), self.sampling.seed);
            Ok((value, interval(value, n, self.resamples, seed, distance)?))
        };
        let refused = |source| MetricError::Frechet { network: self.network, source };
        let (value, interval) = found().map_err(refused)?;
        let figure = self.figure(metric.name(), value, interval, samples.rows());
        Ok(vec![Figure { real_images: Some(real.rows()), ..figure }])
    }

    fn inception_score(&self, predictions: &Predictions) -> Vec<Figure> {
        let (n, seed) = (predictions.rows(), self.sampling.seed);
        let value = predictions.inception_score(&predictions.shuffled(seed), SPLITS);
        let score = |rows: &[usize]| -> Result<f64, std::convert::Infallible> {
            Ok(predictions.inception_score(rows, SPLITS))
        };
        let Ok(interval) = interval(value, n, self.resamples, seed, score);
        vec![self.figure("is", value, interval, n)]
    }

    /// The interval of precision is that of other samples, that of recall is that of other real images.
    fn precision_recall(&self, samples: &Table, real: &Table) -> Vec<Figure> {
        let found = covered(real, samples, NEIGHBOUR);
        let figure = |metric, inside: &[bool]| {
            let values: Vec<f64> = inside.iter().map(|inside| f64::from(u8::from(*inside))).collect();
            let interval = of_share(&values, self.resamples, self.sampling.seed);
            let figure = self.figure(metric, mean(&values), interval, samples.rows());
            Figure { real_images: Some(real.rows()), ..figure }
        };
        vec![figure("precision", &found.samples), figure("recall", &found.real)]
    }

    fn certainty(&self, of: &'static str, scores: &Table) -> Vec<Figure> {
        let predictions = Predictions::new(scores);
        let each: Vec<Certainty> = (0..predictions.rows()).map(|i| predictions.certainty(i)).collect();
        let figure = |metric, value: fn(&Certainty) -> f64| {
            let values: Vec<f64> = each.iter().map(value).collect();
            let interval = of_mean(&values, self.resamples, self.sampling.seed);
            Figure { of, ..self.figure(metric, mean(&values), interval, values.len()) }
        };
        vec![
            figure("entropy", |found| found.entropy),
            figure("variance", |found| found.variance),
            figure("kurtosis", |found| found.kurtosis),
        ]
    }
}
