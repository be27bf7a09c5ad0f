//! What to judge, and how thoroughly.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use super::device::DeviceChoice;
use super::sampling::SamplingSettings;

/// What to judge, and how thoroughly.
#[derive(Clone, Debug)]
pub struct EvaluateSettings {
    /// Folder of a gallery.
    pub gallery: PathBuf,
    /// The real images, one folder per class.
    pub data: PathBuf,
    /// Which classes of them to use: the name of a split, or its file; none for all.
    pub split: Option<OsString>,
    /// Classes to sample, by id or name; none for every class that data and gallery have.
    pub classes: Vec<String>,
    /// Samples of each class.
    pub per_class: usize,
    /// One source in so many is held out from the classifier's training.
    pub hold_out: usize,
    /// Passes of the classifier over its training images; none for [`EPOCHS`], and of few images for more.
    ///
    /// [`EPOCHS`]: Self::EPOCHS
    pub epochs: Option<usize>,
    /// Seed of the classifier and of the first sample.
    pub seed: u64,
    /// How to sample.
    pub sampling: SamplingSettings,
    /// Which figures to find.
    pub figures: FigureSettings,
    /// Where to compute.
    pub device: DeviceChoice,
}

impl EvaluateSettings {
    /// Passes over images of which there are enough.
    pub const EPOCHS: usize = 4;
    /// Steps that the classifier makes at least, unless it is told how many passes.
    pub const LEAST_STEPS: usize = 150;
}

impl Default for EvaluateSettings {
    fn default() -> Self {
        Self {
            gallery: PathBuf::new(),
            data: PathBuf::new(),
            split: None,
            classes: Vec::new(),
            per_class: 100,
            hold_out: 10,
            epochs: None,
            seed: 7,
            sampling: SamplingSettings::default(),
            figures: FigureSettings::default(),
            device: DeviceChoice::Auto,
        }
    }
}

/// Which figures to find, and with what.
#[derive(Clone, Debug)]
pub struct FigureSettings {
    /// Figures asked for; none for all that the networks at hand can give from so many images.
    pub metrics: Vec<Metric>,
    /// Files with the weights of networks, in whose features figures are found instead of the classifier's.
    pub features: Vec<PathBuf>,
    /// Where the autoencoder is that makes images of a model's latents, for those networks and [`Self::npz`].
    pub autoencoder: Option<PathBuf>,
    /// Where the classifier's weights are: read where the file is there, else written once it is trained.
    pub classifier: Option<PathBuf>,
    /// Resamples behind each interval; none for no intervals.
    pub resamples: usize,
    /// Where to write the samples as an array of NumPy.
    pub npz: Option<PathBuf>,
}

impl FigureSettings {
    /// Resamples behind each interval unless told otherwise.
    pub const RESAMPLES: usize = 200;
}

impl Default for FigureSettings {
    fn default() -> Self {
        Self {
            metrics: Vec::new(),
            features: Vec::new(),
            autoencoder: None,
            classifier: None,
            resamples: Self::RESAMPLES,
            npz: None,
        }
    }
}

/// Figures that are found together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Fréchet distance.
    Fid,
    /// Fréchet distance in features that say where things are.
    SpatialFid,
    /// Inception Score.
    InceptionScore,
    /// Precision and recall.
    PrecisionRecall,
    /// Fréchet distance in DINOv2's features.
    Fdd,
    /// Entropy, variance and kurtosis of class predictions.
    Entropy,
}

/// A name that no figure has.
#[derive(Debug, thiserror::Error)]
#[error("there is no figure {asked:?}; there are {known}")]
pub struct UnknownMetric {
    /// What was asked for.
    asked: String,
    /// The names of all.
    known: String,
}

impl Metric {
    /// All figures.
    pub const ALL: [Self; 6] =
        [Self::Fid, Self::SpatialFid, Self::InceptionScore, Self::PrecisionRecall, Self::Fdd, Self::Entropy];

    /// The name by which it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fid => "fid",
            Self::SpatialFid => "sfid",
            Self::InceptionScore => "is",
            Self::PrecisionRecall => "precision-recall",
            Self::Fdd => "fdd",
            Self::Entropy => "entropy",
        }
    }
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(asked: &str) -> Result<Self, UnknownMetric> {
        Self::ALL.into_iter().find(|metric| metric.name() == asked).ok_or_else(|| UnknownMetric {
            asked: asked.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}
