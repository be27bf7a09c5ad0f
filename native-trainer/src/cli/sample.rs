//! The commands that sample from a gallery.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use tailor_core::{Guide, Sampler};

use super::{finite, positive, samples};
use crate::settings::device::DeviceChoice;
use crate::settings::evaluate::{EvaluateSettings, FigureSettings, Metric};
use crate::settings::sampling::SamplingSettings;

/// `tailor sample`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor sample --gallery web/galleries/letters --class A --class B --seed 7 --out ab.png
  tailor sample --gallery web/galleries/letters --all-classes --out all.png --raw all.npy
  tailor sample --gallery web/galleries/letters --learngene-only --count 8 --out shared.png
  tailor sample --gallery web/galleries/letters --class A --class B --film ab.webp --out ab.png

The grid has one column per class and one row per seed; many seeds of one class make a square, and what \
one picture cannot hold goes into several, grid-2.png and so on. The same seed, class and settings \
give the same image on every device.")]
#[command(
    override_usage = "tailor sample [OPTIONS] --gallery <GALLERY> <--class <CLASS>|--all-classes|--learngene-only> \
                      --out <FILE.png>"
)]
pub struct SampleArgs {
    /// Folder of a gallery
    #[arg(long, value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// Class by id or name; repeat for several
    #[arg(long = "class", value_name = "CLASS", required_unless_present_any = ["all_classes", "learngene_only"])]
    pub classes: Vec<String>,
    /// Every class of the gallery
    #[arg(long, conflicts_with = "classes")]
    pub all_classes: bool,
    /// The learngene without any tailor
    #[arg(long, conflicts_with_all = ["classes", "all_classes"])]
    pub learngene_only: bool,
    /// Seed of the first row
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Rows, with seeds that follow each other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// How to sample.
    #[command(flatten)]
    pub sampling: SamplingFlags,
    /// What guidance leads away from.
    #[command(flatten)]
    pub guide: GuideFlags,
    /// The autoencoder of a model of latents, as diffusers saves it: the grid then shows images
    #[arg(long, value_name = "DIR|FILE")]
    pub autoencoder: Option<PathBuf>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// The grid: PNG, or JPEG, WebP or BMP by the ending of the name
    #[arg(long, value_name = "FILE.png")]
    pub out: PathBuf,
    /// The images too, as a NumPy array f32 [B, C, H, W] in [-1, 1]; of a model of latents its latents
    #[arg(long, value_name = "FILE.npy")]
    pub raw: Option<PathBuf>,
    /// The first row's steps too, as one strip: a row for each class, and a column for each step
    #[arg(long, value_name = "FILE.webp")]
    pub film: Option<PathBuf>,
}

/// `tailor evaluate`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor evaluate --gallery web/galleries/letters --data letters --per-class 100
  tailor evaluate --gallery galleries/mine --data greek --class greek-small-xi
  tailor evaluate --gallery galleries/mine --data greek --metrics precision-recall --npz mine.npz

The data may hold more classes than the gallery: the classifier then tells the gallery's from those, too.")]
pub struct EvaluateArgs {
    /// Folder of a gallery
    #[arg(long, value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// The real images, one folder per class
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Which classes of them to use: a split by name (see `tailor inspect --splits`) or a file
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub split: Option<OsString>,
    /// Class to sample; repeat for several [default: every class that data and gallery have]
    #[arg(long = "class", value_name = "NAME")]
    pub classes: Vec<String>,
    /// Samples of each class
    #[arg(long, value_name = "N", default_value_t = EvaluateSettings::default().per_class, value_parser = samples)]
    pub per_class: usize,
    /// How the classifier is trained.
    #[command(flatten)]
    pub training: ClassifierFlags,
    /// How to sample.
    #[command(flatten)]
    pub sampling: SamplingFlags,
    /// What guidance leads away from.
    #[command(flatten)]
    pub guide: GuideFlags,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// Figures to find, separated by commas: fid, sfid, is, precision-recall, fdd, entropy [default: all that the
    /// networks at hand can give from so many images]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub metrics: Vec<Metric>,
    /// Weights of Inception-v3 or DINOv2 (safetensors), in whose features figures are found instead of the
    /// classifier's; once for each network
    #[arg(long, value_name = "FILE")]
    pub features: Vec<PathBuf>,
    /// The autoencoder of a model of latents, as diffusers saves it: --features and --npz then have images
    #[arg(long, value_name = "DIR|FILE")]
    pub autoencoder: Option<PathBuf>,
    /// Where the classifier is, and how sure its figures are.
    #[command(flatten)]
    pub figures: FigureFlags,
    /// The samples as an array, in the layout of ADM's evaluation suite; with Inception-v3 its statistics too
    #[arg(long, value_name = "FILE.npz")]
    pub npz: Option<PathBuf>,
    /// The figures as JSON too
    #[arg(long, value_name = "FILE.json")]
    pub out: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// How the classifier that judges samples is trained.
#[derive(Clone, Debug, Args)]
pub struct ClassifierFlags {
    /// One source (for letters: font) in so many is held out from the classifier's training
    #[arg(long, value_name = "N", default_value_t = EvaluateSettings::default().hold_out as u32, value_parser = clap::value_parser!(u32).range(2..))]
    pub hold_out: u32,
    /// Passes of the classifier over its training images [default: 4, and of few images as many as make 150 steps]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub epochs: Option<usize>,
    /// Seed of the classifier and of the first sample
    #[arg(long, default_value_t = EvaluateSettings::default().seed)]
    pub seed: u64,
}

/// Where the classifier that judges samples is, and how sure its figures are.
#[derive(Clone, Debug, Args)]
pub struct FigureFlags {
    /// Read the classifier's weights from this file, or write them there when it is not there yet
    #[arg(long, value_name = "FILE")]
    pub classifier: Option<PathBuf>,
    /// Resamples behind each 95 % interval, 0 for no intervals
    #[arg(long, value_name = "N", default_value_t = FigureSettings::RESAMPLES as u32, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub resamples: u32,
}

/// How to sample.
#[derive(Clone, Debug, Default, Args)]
pub struct SamplingFlags {
    /// Sampling steps.
    #[arg(long, value_name = "N", help = own_or("Sampling steps", format!("{}, with shortcut {}", SamplingSettings::STEPS, SamplingSettings::FEW_STEPS)), value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: Option<u32>,
    /// Guidance scale, 1 for none.
    #[arg(long, value_name = "W", help = own_or("Guidance scale, 1 for none", format!("{}, with shortcut 1", SamplingSettings::GUIDANCE)), value_parser = finite::<f32>)]
    pub guidance: Option<f32>,
    /// The way from noise to an image.
    #[arg(long, value_name = "NAME", help = samplers())]
    pub sampler: Option<Sampler>,
}

fn own_or(what: &str, default: impl std::fmt::Display) -> String {
    format!("{what} [default: the gallery's own, else {default}]")
}

fn samplers() -> String {
    let [others @ .., last] = Sampler::ALL.map(Sampler::name);
    format!("{} or {last} [default: the gallery's own, else what suits the model]", others.join(", "))
}

impl SamplingFlags {
    /// The settings asked for.
    pub fn settings(&self) -> SamplingSettings {
        let Self { steps, guidance, sampler } = *self;
        SamplingSettings { steps, guidance, sampler, ..SamplingSettings::default() }
    }
}

/// What guidance leads away from, and when.
#[derive(Clone, Debug, Args)]
pub struct GuideFlags {
    /// Part of each tailor that the model keeps from which guidance leads away: 0 is the learngene alone, `unnamed` the
    /// whole tailor without its label
    #[arg(long, value_name = "PART", default_value = "0", value_parser = guide)]
    pub guide: Guide,
    /// Times at which guidance takes effect, of 0 (clean) to 1 (noise); at others a step takes half the work
    #[arg(long, value_name = "FROM..UNTIL", default_value = "0..1", value_parser = times)]
    pub guide_times: (f64, f64),
}

impl GuideFlags {
    /// The settings asked for, with these.
    pub fn over(&self, sampling: SamplingSettings) -> SamplingSettings {
        SamplingSettings { guide: Guide { times: self.guide_times, ..self.guide }, ..sampling }
    }
}

fn guide(text: &str) -> Result<Guide, String> {
    if text == "unnamed" {
        return Ok(Guide { unnamed: true, ..Guide::default() });
    }
    let part = text.parse().map_err(|_| "it is neither a number nor “unnamed”".to_owned())?;
    let guide = Guide { tailor: part, ..Guide::default() };
    if guide.part_fits() { Ok(guide) } else { Err("it must be 0 to 1".to_owned()) }
}

fn times(text: &str) -> Result<(f64, f64), String> {
    let pair =
        text.split_once("..").and_then(|(from, until)| Some((from.parse().ok()?, until.parse().ok()?)));
    match pair {
        Some(times) if (Guide { times, ..Guide::default() }).times_fit() => Ok(times),
        _ => Err("it must be two numbers of 0 to 1 such as 0.2..0.8, the smaller one first".to_owned()),
    }
}

impl EvaluateArgs {
    /// The settings asked for.
    pub fn settings(&self) -> EvaluateSettings {
        EvaluateSettings {
            gallery: self.gallery.clone(),
            data: self.data.clone(),
            split: self.split.clone(),
            classes: self.classes.clone(),
            per_class: self.per_class,
            hold_out: self.training.hold_out as usize,
            epochs: self.training.epochs,
            seed: self.training.seed,
            sampling: self.guide.over(self.sampling.settings()),
            figures: FigureSettings {
                metrics: self.metrics.clone(),
                features: self.features.clone(),
                autoencoder: self.autoencoder.clone(),
                classifier: self.figures.classifier.clone(),
                resamples: self.figures.resamples as usize,
                npz: self.npz.clone(),
            },
            device: self.device,
        }
    }
}
