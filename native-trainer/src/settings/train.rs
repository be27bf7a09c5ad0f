//! What to train on, where, and into which folders.

use std::ffi::OsString;
use std::path::PathBuf;

use tailor_packs::{Digest, FactoredSet, ModelConfig};

use super::device::DeviceSettings;
use super::gallery::CardSettings;
use super::recipe::{ModelChoice, Recipe};
use super::storage::StorageChoice;
use super::training::{Changes, Training};
use crate::error::Error;

/// Where and how long a run goes, and how it takes its data.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunningSettings {
    /// On which device.
    pub device: DeviceSettings,
    /// Whether to refuse the data if any image is unreadable, instead of skipping it.
    pub strict: bool,
    /// Minutes after which to stop with a checkpoint.
    pub max_minutes: Option<f64>,
}

impl RunningSettings {
    /// Refuses a time limit that no run can keep.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<(), Error> {
        match self.max_minutes {
            Some(minutes) if minutes.is_nan() || minutes < 0.0 => {
                Err(Error::Setting { name: "max_minutes", found: minutes.to_string(), allowed: "0 or more" })
            }
            _ => Ok(()),
        }
    }
}

/// How a network is trained that begins from nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromScratch {
    /// It comes apart into a learngene and tailors.
    Kind,
    /// No matrix of it comes apart.
    Plain,
}

impl FromScratch {
    /// The names by which both are asked for.
    pub const NAMES: [&str; 2] = ["kind", "plain"];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "kind" => Some(Self::Kind),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// A run that learns a learngene and the tailors of all classes.
#[derive(Clone, Debug)]
pub struct TrainSettings {
    /// Folder of class folders or of IDX files, or an archive of either.
    pub data: PathBuf,
    /// Which classes to use: the name of a split, or its file; none for all.
    pub split: Option<OsString>,
    /// Folder for decoded images; none for one in the run's folder.
    pub cache: Option<PathBuf>,
    /// Which model.
    pub model: ModelChoice,
    /// How; none for what the model says.
    pub method: Option<FromScratch>,
    /// Folder of the run.
    pub out: PathBuf,
    /// Whether to go on from the run's last checkpoint.
    pub resume: bool,
    /// Settings that differ from the defaults, the config file's and the stored run's.
    pub training: Changes,
    /// Where and how long.
    pub running: RunningSettings,
    /// The command that goes on with this run, for whoever has stopped it.
    pub again: String,
}

impl TrainSettings {
    /// The recipe of these settings: for a new run from the defaults, for a resumed one from what the run has
    /// `stored`, in both cases overruled by the config file and then by the changes.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ConfigFile`], [`Error::Read`] or [`Error::Setting`] for what is
    /// asked for, [`Error::OtherModel`] when it is another model than the stored one.
    pub fn recipe(&self, stored: Option<&Recipe>) -> Result<Recipe, Error> {
        let (mut recipe, file) = self.model.begin(stored)?;
        match self.method {
            Some(FromScratch::Plain) => recipe.model.factored = FactoredSet::none(),
            Some(FromScratch::Kind) if recipe.model.factored.matrices().is_empty() => {
                return Err(match (&self.model.config, stored) {
                    (Some(path), None) => Error::ConfigFile {
                        path: path.clone(),
                        reason:
                            "its factored names no matrix, so that --method kind has nothing to take apart"
                                .to_owned(),
                    },
                    _ => Error::OtherModel(self.out.clone()),
                });
            }
            _ => {}
        }
        if let Some(stored) = stored {
            if recipe.model != stored.model {
                return Err(Error::OtherModel(self.out.clone()));
            }
            recipe = stored.clone();
        }
        let invalid = |reason: String| Error::ConfigFile {
            path: self.model.config.clone().unwrap_or_default(),
            reason: format!("[training]: {reason}"),
        };
        Training::concerns(&file, &recipe.model).map_err(|error| invalid(error.to_string()))?;
        recipe.training = recipe.training.with(&file).map_err(|error| invalid(error.to_string()))?;
        recipe.with(&self.training).map_err(|error| match error {
            Error::Setting { name, .. } if file.contains_key(name) && !self.training.contains_key(name) => {
                invalid(error.to_string())
            }
            error => error,
        })
    }
}

/// A run that adapts a trained network to the classes of its data.
#[derive(Clone, Debug)]
pub struct FinetuneSettings {
    /// Name of the method.
    pub method: String,
    /// The network: its learngene file, or the folder of its gallery.
    pub base: PathBuf,
    /// SHA-256 that the network must have; none for any.
    pub expected: Option<Digest>,
    /// The method's size; none for the paper's.
    pub rank: Option<usize>,
    /// Blocks of the network that the method builds; none for those of the base.
    pub depth: Option<usize>,
    /// Data, folder and settings of the run. The model is that of the network.
    pub run: TrainSettings,
}

/// A run that learns tailors for a learngene that stays as it is.
#[derive(Clone, Debug)]
pub struct TailorSettings {
    /// Images: of one class in any folders, or a folder of class folders or of IDX files; or an archive of them.
    pub data: PathBuf,
    /// Which of several classes to use: the name of a split, or its file; none for all.
    pub split: Option<OsString>,
    /// The learngene's file, or the folder of its gallery.
    pub learngene: PathBuf,
    /// Name of the one class of which all images are; none to make a class of each class folder.
    pub class: Option<String>,
    /// The pack of the one class, or the folder for those of several.
    pub out: PathBuf,
    /// A related tailor to start from: a pack, or a class of the learngene's gallery.
    pub from: Option<OsString>,
    /// Number format of the packs' matrices; none for that of the packs in the learngene's gallery.
    pub storage: Option<StorageChoice>,
    /// Folder of the run; none for one beside the pack or the folder of packs.
    pub run: Option<PathBuf>,
    /// Settings that differ from the defaults and the stored run's.
    pub training: Changes,
    /// What the card says.
    pub card: CardSettings,
    /// Where and how long.
    pub running: RunningSettings,
}

/// What to measure of training.
#[derive(Clone, Debug)]
pub struct BenchSettings {
    /// The model's sizes.
    pub model: ModelConfig,
    /// Name of a method that adapts a network of these sizes, to compare it with full fine-tuning; none for training
    /// from the beginning.
    pub method: Option<String>,
    /// The method's size; none for the paper's.
    pub rank: Option<usize>,
    /// Blocks of the network that the method builds; none for as many as the model has.
    pub depth: Option<usize>,
    /// Whether steps of full fine-tuning take turns with the method's.
    pub beside_full: bool,
    /// Images of one step.
    pub batch_size: usize,
    /// Images on a GPU at a time; none for the whole batch.
    pub micro_batch: Option<usize>,
    /// Images to measure the loader with; none for random ones in memory.
    pub data: Option<PathBuf>,
    /// Classes, whose tailors stand in the bank.
    pub classes: usize,
    /// Steps to measure.
    pub steps: usize,
    /// On which device.
    pub device: DeviceSettings,
}
