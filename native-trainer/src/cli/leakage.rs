//! The command that looks for a removed class in what is left.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{ClassifierFlags, FigureFlags, SamplingFlags, samples};
use crate::settings::device::DeviceChoice;
use crate::settings::evaluate::{EvaluateSettings, FigureSettings};
use crate::settings::leakage::LeakageSettings;

/// `tailor leakage`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor leakage --gallery web/galleries/letters --data letters --remove A --picture a.png
  tailor leakage --gallery galleries/mine --data greek --remove A --remove greek-small-xi

No file is changed: the class is removed in thought. The rest is asked for it in every way that is left: the \
learngene alone, the tailor of each other class, and mixtures of those that come nearest. A --reference, such \
as a gallery of `tailor train --method plain`, is asked in the same ways. docs/figures.md says what the figures mean.")]
pub struct LeakageArgs {
    /// Folder of a gallery
    #[arg(long, value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// The real images, one folder per class, those of the removed classes among them
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Which classes of them to use: a split by name (see `tailor inspect --splits`) or a file
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub split: Option<OsString>,
    /// Class to remove, by id or name; repeat to remove several together
    #[arg(long = "remove", value_name = "CLASS", required = true)]
    pub removed: Vec<String>,
    /// Class whose tailor is asked for the removed ones; repeat for several [default: every class that stays]
    #[arg(long = "class", value_name = "CLASS")]
    pub classes: Vec<String>,
    /// Another gallery of the same classes to compare with, such as one of a plain network
    #[arg(long, value_name = "GALLERY")]
    pub reference: Option<PathBuf>,
    /// Samples of each class, and ten times as many of the learngene alone
    #[arg(long, value_name = "N", default_value_t = EvaluateSettings::default().per_class, value_parser = samples)]
    pub per_class: usize,
    /// How the classifier is trained.
    #[command(flatten)]
    pub training: ClassifierFlags,
    /// How to sample.
    #[command(flatten)]
    pub sampling: SamplingFlags,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// Where the classifier is, and how sure its figures are.
    #[command(flatten)]
    pub figures: FigureFlags,
    /// What came nearest, beside samples of the class itself and real images
    #[arg(long, value_name = "FILE.png")]
    pub picture: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

impl LeakageArgs {
    /// The settings asked for.
    pub fn settings(&self) -> LeakageSettings {
        LeakageSettings {
            evaluate: EvaluateSettings {
                gallery: self.gallery.clone(),
                data: self.data.clone(),
                split: self.split.clone(),
                classes: self.classes.clone(),
                per_class: self.per_class,
                hold_out: self.training.hold_out as usize,
                epochs: self.training.epochs,
                seed: self.training.seed,
                sampling: self.sampling.settings(),
                figures: FigureSettings {
                    classifier: self.figures.classifier.clone(),
                    resamples: self.figures.resamples as usize,
                    ..FigureSettings::default()
                },
                device: self.device,
            },
            removed: self.removed.clone(),
            reference: self.reference.clone(),
        }
    }
}
