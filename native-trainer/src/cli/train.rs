//! The commands that train, and those about a run.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValue;

use super::{CardFlags, DeviceFlags, TrainingFlags, finite, positive};
use crate::error::Error;
use crate::settings::device::DeviceChoice;
use crate::settings::recipe::ModelChoice;
use crate::settings::storage::StorageChoice;
use crate::settings::train::{
    BenchSettings, FinetuneSettings, FromScratch, RunningSettings, TailorSettings, TrainSettings,
};
use crate::settings::training::{Setting, Training};
use crate::train::method::{METHODS, adapting_apart};

/// `tailor train`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor train --data my-images --out runs/mine --steps 500
  tailor train --data my-images --out runs/mine --resume --steps 20000
  tailor train --data fashion-mnist --preset fashion --out runs/fashion
  tailor train --data letters --split some.toml --out runs/some

A folder of data holds one folder per class with PNG, JPEG, WebP, BMP or GIF images; each gives \
its largest centred square, resized to the model's size.

Ctrl-C saves and ends with status 130, SIGTERM with 143.

Settings come from the defaults below, then from the config file's [training] table, then from \
the flags; a resumed run has its own instead of the defaults.")]
pub struct TrainArgs {
    /// Folder of class folders or of IDX files, or an archive of either: zip, tar, tar.gz, tar.zst
    #[arg(long, value_name = "DIR|ARCHIVE")]
    pub data: PathBuf,
    /// Which classes to use, and which of them as one: a split by name (see `tailor inspect --splits`) or a file
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub split: Option<OsString>,
    /// Folder for decoded images, to start faster the next time [default: cache in the run's folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Model by name [default: letters]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<String>,
    /// Model and training settings from a TOML file
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// How to train: kind gives each class a tailor, plain makes one network that does not come apart, for
    /// comparison [default: what the model says, for every preset kind]
    #[arg(long, value_name = "NAME", value_parser = FromScratch::NAMES)]
    pub method: Option<String>,
    /// Folder of the run: checkpoints, metrics.jsonl, sample grids
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Go on from the run's last checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Settings that a config file may hold too.
    #[command(flatten)]
    pub training: TrainingFlags,
    /// Where and how long.
    #[command(flatten)]
    pub running: RunningFlags,
}

/// Where and how long a run goes, and how it takes its data.
#[derive(Clone, Debug, Args)]
pub struct RunningFlags {
    /// On which device.
    #[command(flatten)]
    pub device: DeviceFlags,
    /// Refuse the data if any image is unreadable, instead of skipping it
    #[arg(long)]
    pub strict: bool,
    /// Stop with a checkpoint after so many minutes
    #[arg(long, value_name = "MINUTES", value_parser = finite::<f64>)]
    pub max_minutes: Option<f64>,
    /// One JSON object about the outcome on standard output
    #[arg(long)]
    pub json: bool,
}

/// `tailor finetune`
#[derive(Clone, Debug, Args)]
#[command(after_help = finetune_help())]
pub struct FinetuneArgs {
    /// How to adapt it
    #[arg(long, value_name = "NAME", required_unless_present = "list", value_parser = methods())]
    pub method: Option<String>,
    /// The trained network: its learngene file, or the folder of its gallery
    #[arg(long, value_name = "FILE.learngene|GALLERY", required_unless_present = "list")]
    pub base: Option<PathBuf>,
    /// Folder of class folders or of IDX files, or an archive of either
    #[arg(long, value_name = "DIR|ARCHIVE", required_unless_present = "list")]
    pub data: Option<PathBuf>,
    /// Which classes to use: a split by name (see `tailor inspect --splits`) or a file
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub split: Option<OsString>,
    /// Folder for decoded images [default: cache in the run's folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Folder of the run, to be published with `tailor publish`
    #[arg(long, value_name = "RUN", required_unless_present = "list")]
    pub out: Option<PathBuf>,
    /// The method's size: rank of the products, for oft the number of blocks, for heur-lg, auto-lg and laptop-diff the
    /// blocks that are kept of the network [default: the paper's, of the classes and of the components of a tailor, or
    /// of the network's blocks]
    #[arg(long, value_name = "R", value_parser = positive)]
    pub rank: Option<usize>,
    /// Blocks of the network that heur-lg or auto-lg makes of those that it keeps and of random ones [default: as many
    /// as the base has]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub depth: Option<usize>,
    /// Go on from the run's last checkpoint
    #[arg(long)]
    pub resume: bool,
    /// List what trains by each method and what a pass costs, on average over the paper's 18 tasks
    #[arg(long, conflicts_with_all = of_a_run())]
    pub list: bool,
    /// With --list: classes to adapt to, instead of the average over the paper's tasks
    #[arg(long, value_name = "N", requires = "list", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub classes: Option<u32>,
    /// With --list: the model.
    #[command(flatten)]
    pub model: ModelFlags,
    /// Settings of the run.
    #[command(flatten)]
    pub training: TrainingFlags,
    /// Where and how long.
    #[command(flatten)]
    pub running: RunningFlags,
}

/// The flags of a run that adapts, none of which changes what `--list` counts.
fn of_a_run() -> Vec<&'static str> {
    let own = ["method", "base", "data", "split", "cache", "out", "rank", "depth", "resume"];
    own.into_iter().chain(Training::SETTINGS.iter().map(|setting| setting.name)).collect()
}

fn methods() -> clap::builder::PossibleValuesParser {
    METHODS
        .iter()
        .map(|method| PossibleValue::new(method.name()).help(method.about()))
        .collect::<Vec<_>>()
        .into()
}

fn finetune_help() -> String {
    let rates = METHODS.iter().map(|m| format!("{} {}", m.name(), m.learning_rate(0)));
    format!(
        "\
Examples:
  tailor train --data letters --method plain --out runs/plain
  tailor publish runs/plain --out galleries/plain
  tailor finetune --method lora --base galleries/plain --data greek --out runs/lora --rank 8
  tailor finetune --list --preset dit-b-2
  tailor finetune --list --preset letters --classes 7

{} adapt a network that comes apart, every other method a plain one. The learning rate is the paper's unless said \
otherwise: {}. The base is only read, and kept in the run's folder.",
        adapting_apart(" and "),
        rates.collect::<Vec<_>>().join(", ")
    )
}

/// `tailor train-tailor`
#[derive(Clone, Debug, Args)]
#[command(after_help = train_tailor_examples())]
pub struct TrainTailorArgs {
    /// Folder with the images of one class, or folder of class folders or of IDX files; or an archive of any of these
    #[arg(value_name = "DIR|ARCHIVE")]
    pub data: PathBuf,
    /// The learngene that the classes are for: its file, or the folder of its gallery
    #[arg(long, value_name = "FILE.learngene|GALLERY")]
    pub learngene: PathBuf,
    /// Name of the one class of which all the images are [default: each class folder is a class]
    #[arg(long, value_name = "NAME")]
    pub class: Option<String>,
    /// Which of several classes to use: a split by name (see `tailor inspect --splits`) or a file
    #[arg(long, value_name = "NAME|FILE.toml", conflicts_with = "class")]
    pub split: Option<OsString>,
    /// The pack of one class, or a folder for the packs of several, each named after its class
    #[arg(long, value_name = "FILE.tailor|DIR")]
    pub out: PathBuf,
    /// Start from a related tailor: a pack, or a class of the gallery in which the learngene lies
    #[arg(long, value_name = "CLASS|FILE.tailor")]
    pub from: Option<OsString>,
    /// Number format of the packs' matrices [default: that of the pack that is written anew, else of the gallery's
    /// packs, else f16]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub tailor_dtype: Option<StorageChoice>,
    /// Folder of the run [default: beside the pack or the folder of packs, ending in .run]
    #[arg(long, value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// Settings of the run.
    #[command(flatten)]
    pub training: TrainingFlags,
    /// What the card says.
    #[command(flatten)]
    pub card: CardFlags,
    /// Where and how long.
    #[command(flatten)]
    pub running: RunningFlags,
}

/// `tailor bench`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor bench --preset letters
  tailor bench --preset letters --classes 1000 --json
  tailor bench --preset letters --data my-images
  tailor bench --preset letters --method full --classes 10")]
pub struct BenchArgs {
    /// The model.
    #[command(flatten)]
    pub model: ModelFlags,
    /// Adapt a random network by a method of `tailor finetune`, and take turns with full fine-tuning
    #[arg(long, value_name = "NAME", value_parser = methods(), hide_possible_values = true)]
    pub method: Option<String>,
    /// The method's size [default: the paper's for so many classes]
    #[arg(long, value_name = "R", value_parser = positive, requires = "method")]
    pub rank: Option<usize>,
    /// Images of one step
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch_size: u32,
    /// Images on a GPU at a time.
    #[arg(long, value_name = "B", value_parser = positive, help = help_of("micro_batch"))]
    pub micro_batch: Option<usize>,
    /// Images to measure the loader with, read and decoded afresh [default: random ones in memory]
    #[arg(long, value_name = "DIR|ARCHIVE")]
    pub data: Option<PathBuf>,
    /// Classes, whose tailors stand in the bank
    #[arg(long, value_name = "K", default_value_t = 62, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub classes: u32,
    /// Steps to measure, after some to warm up
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// On which device.
    #[command(flatten)]
    pub device: DeviceFlags,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Which model.
#[derive(Clone, Debug, Args)]
pub struct ModelFlags {
    /// Model by name [default: letters]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<String>,
    /// Model from a TOML file
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
}

/// `tailor report`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor report runs/mine --out report.html")]
pub struct ReportArgs {
    /// Folder of a training run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The page, which needs no network [default: report.html in the run's folder]
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// Where to compute the samples with and without tailors
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
}

/// The help of the setting that a flag of another command stands for.
fn help_of(name: &str) -> String {
    Setting::named(name).map(Setting::help).unwrap_or_default()
}

fn train_tailor_examples() -> String {
    let Training { steps, batch_size, label_dropout, ema, .. } = Training::for_one_class();
    let labels = match label_dropout {
        0.0 => "no dropped labels".to_owned(),
        chance => format!("labels dropped with chance {chance}"),
    };
    let (most, images) = (Training::default().batch_size, steps * batch_size as u64);
    let example = Training::for_classes(24).steps;
    format!(
        "\
Examples:
  tailor train-tailor images/alpha --learngene galleries/mine \\
    --class greek-small-alpha --out alpha.tailor
  tailor gallery add galleries/mine alpha.tailor
  tailor train-tailor icons --learngene galleries/mine --out icon-packs
  tailor gallery add galleries/mine icon-packs/*.tailor

With --class all images are of one class, in whatever folders they lie. Without it each class folder is a class, \
named as `tailor train` names it, and all of them train at once. The learngene's file is only read. Ctrl-C saves; \
the same command goes on.

Defaults of a run for one class: {steps} steps of {batch_size} images, {labels}, average {ema}. Several classes \
have steps of up to {most} images, and so many steps that each class is shown as many images as one alone, \
{images}: {example} steps for 24 classes. The average spans as many of its images, too."
    )
}

impl RunningFlags {
    /// The settings asked for.
    pub fn settings(&self) -> RunningSettings {
        let Self { device, strict, max_minutes, json: _ } = self;
        RunningSettings { device: device.settings(), strict: *strict, max_minutes: *max_minutes }
    }
}

impl ModelFlags {
    /// The model asked for.
    pub fn choice(&self) -> ModelChoice {
        ModelChoice { preset: self.preset.clone(), config: self.config.clone() }
    }
}

impl TrainArgs {
    /// The settings asked for; `again` is the command that goes on with the run.
    pub fn settings(&self, again: String) -> TrainSettings {
        TrainSettings {
            data: self.data.clone(),
            split: self.split.clone(),
            cache: self.cache.clone(),
            model: ModelChoice { preset: self.preset.clone(), config: self.config.clone() },
            method: self.method.as_deref().and_then(FromScratch::named),
            out: self.out.clone(),
            resume: self.resume,
            training: self.training.changes().clone(),
            running: self.running.settings(),
            again,
        }
    }
}

impl FinetuneArgs {
    /// The settings asked for; `again` is the command that goes on with the run.
    pub fn settings(&self, again: String) -> FinetuneSettings {
        FinetuneSettings {
            method: self.method.clone().unwrap_or_default(),
            base: self.base.clone().unwrap_or_default(),
            expected: None,
            rank: self.rank,
            depth: self.depth,
            run: TrainSettings {
                data: self.data.clone().unwrap_or_default(),
                split: self.split.clone(),
                cache: self.cache.clone(),
                model: ModelChoice::default(),
                method: None,
                out: self.out.clone().unwrap_or_default(),
                resume: self.resume,
                training: self.training.changes().clone(),
                running: self.running.settings(),
                again,
            },
        }
    }
}

impl TrainTailorArgs {
    /// The settings asked for.
    pub fn settings(&self) -> TailorSettings {
        TailorSettings {
            data: self.data.clone(),
            split: self.split.clone(),
            learngene: self.learngene.clone(),
            class: self.class.clone(),
            out: self.out.clone(),
            from: self.from.clone(),
            storage: self.tailor_dtype,
            run: self.run.clone(),
            training: self.training.changes().clone(),
            card: self.card.settings(),
            running: self.running.settings(),
        }
    }
}

impl BenchArgs {
    /// The settings asked for.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ConfigFile`] or [`Error::Read`] for a model that cannot be had.
    pub fn settings(&self) -> Result<BenchSettings, Error> {
        Ok(BenchSettings {
            model: self.model.choice().read()?,
            method: self.method.clone(),
            rank: self.rank,
            depth: None,
            beside_full: self.method.is_some(),
            batch_size: self.batch_size as usize,
            micro_batch: self.micro_batch,
            data: self.data.clone(),
            classes: self.classes as usize,
            steps: self.steps as usize,
            device: self.device.settings(),
        })
    }
}
