//! What to train and how: defaults, then the config file, then the flags.
//!
//! ```toml
//! channels = 1            # the model: every field of ModelConfig
//! image_size = 32
//! # …
//!
//! [training]              # optional, any of the fields of Training
//! steps = 20000
//! ```

use std::path::Path;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tailor_packs::ModelConfig;

use super::{ModelFlags, TrainArgs};
use crate::error::Error;
use crate::gallery::read_limited;

/// A config file is a page of text; anything larger is another file.
const MAX_FILE: u64 = 1 << 20;

/// The preset that is trained when nothing else is said.
const DEFAULT_PRESET: &str = "letters";

/// The settings of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// Optimiser steps in all.
    pub steps: u64,
    /// Images of one step, `B`.
    pub batch_size: usize,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    pub warmup: u64,
    /// Last part of the run over which the learning rate falls to zero.
    pub cooldown_fraction: f64,
    /// Chance that an image's class is dropped, so that the learngene learns to stand alone.
    pub label_dropout: f64,
    /// Decay of the moving average of the weights.
    pub ema: f64,
    /// Seed of initial weights, order of images, noise and dropout.
    pub seed: u64,
    /// Largest norm of the gradient, to which larger ones are scaled down; 0 for none.
    pub clip: f64,
    /// Images that go through a graph at a time; their gradients add up to those of the batch.
    pub micro_batch: usize,
    /// Whether images are mirrored left to right at random.
    pub flip: bool,
    /// Whether classes take turns, however many images each has.
    pub balanced: bool,
    /// Steps between two lines of `metrics.jsonl`.
    pub log_every: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept, the newest.
    pub keep: usize,
    /// Steps between sample grids; 0 for none.
    pub sample_every: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            steps: 20_000,
            batch_size: 64,
            learning_rate: 1e-3,
            warmup: 200,
            cooldown_fraction: 0.3,
            label_dropout: 0.1,
            ema: 0.999,
            seed: 0,
            clip: 1.0,
            micro_batch: 65_536,
            flip: false,
            balanced: false,
            log_every: 20,
            checkpoint_every: 500,
            keep: 3,
            sample_every: 1000,
        }
    }
}

impl Training {
    /// Refuses settings with which no run can go well.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |name, found: f64, ok: bool, allowed| {
            if ok { Ok(()) } else { Err(Error::Setting { name, found: found.to_string(), allowed }) }
        };
        let fraction = |value: f64| (0.0..=1.0).contains(&value);
        check("steps", self.steps as f64, self.steps > 0, "1 or more")?;
        check("batch_size", self.batch_size as f64, (1..=65_536).contains(&self.batch_size), "1 to 65536")?;
        let rate = self.learning_rate;
        check("learning_rate", rate, rate > 0.0 && rate <= 1.0, "above 0 and at most 1")?;
        check("cooldown_fraction", self.cooldown_fraction, fraction(self.cooldown_fraction), "0 to 1")?;
        check("label_dropout", self.label_dropout, fraction(self.label_dropout), "0 to 1")?;
        check("ema", self.ema, self.ema > 0.0 && self.ema < 1.0, "above 0 and less than 1")?;
        check("clip", self.clip, self.clip >= 0.0, "0 or more")?;
        check("micro_batch", self.micro_batch as f64, self.micro_batch > 0, "1 or more")?;
        check("log_every", self.log_every as f64, self.log_every > 0, "1 or more")?;
        check("checkpoint_every", self.checkpoint_every as f64, self.checkpoint_every > 0, "1 or more")?;
        check("keep", self.keep as f64, self.keep > 0, "1 or more")
    }
}

/// The flags for [`Training`]; the defaults shown are its own.
#[derive(Clone, Debug, Default, Serialize, Args)]
pub struct TrainingFlags {
    /// Optimiser steps in all [default: 20000; for one class 1500]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Images of one step [default: 64; for one class 16]
    #[arg(long, value_name = "B")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Peak learning rate of AdamW [default: 0.001]
    #[arg(long, allow_negative_numbers = true, value_name = "RATE", value_parser = super::finite::<f64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Steps over which the learning rate rises [default: 200; for one class 50]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<u64>,
    /// Last part of the run over which it falls to zero [default: 0.3]
    #[arg(long, value_name = "FRACTION", value_parser = super::finite::<f64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_fraction: Option<f64>,
    /// Chance that an image trains the learngene alone [default: 0.1; for one class 0]
    #[arg(long, value_name = "CHANCE", value_parser = super::finite::<f64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_dropout: Option<f64>,
    /// Decay of the weights' moving average [default: 0.999; for one class 0.99]
    #[arg(long, value_name = "DECAY", value_parser = super::finite::<f64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Seed of weights, order, noise and dropout [default: 0]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Largest norm of the gradient, 0 for no limit [default: 1]
    #[arg(long, value_name = "NORM", value_parser = super::finite::<f64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Images on a GPU at a time, their gradients added up [default: the whole batch]
    #[arg(long, value_name = "B")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// Mirror images left to right at random; not for letters [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<bool>,
    /// Let classes take turns, however many images each has [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balanced: Option<bool>,
    /// Steps between lines of metrics.jsonl [default: 20]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_every: Option<u64>,
    /// Steps between checkpoints [default: 500]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u64>,
    /// Checkpoints to keep, the newest [default: 3]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
    /// Steps between sample grids, 0 for none [default: 1000; for one class 500]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_every: Option<u64>,
}

/// What is trained, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The preset's name, or the config file's stem.
    pub name: String,
    /// The model's sizes.
    pub model: ModelConfig,
    /// The run's settings.
    pub training: Training,
}

impl TrainArgs {
    /// The recipe of these arguments: for a new run from the defaults, for a resumed one from what
    /// the run has `stored`, in both cases overruled by the config file and then by the flags.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ConfigFile`], [`Error::Read`] or [`Error::Setting`] for what is
    /// asked for, [`Error::OtherModel`] when it is another model than the stored one.
    pub fn recipe(&self, stored: Option<&Recipe>) -> Result<Recipe, Error> {
        let (mut recipe, mut file) = match (&self.config, &self.preset, stored) {
            (Some(path), _, _) => read_file(path)?,
            (None, None, Some(stored)) => (stored.clone(), Map::new()),
            (None, preset, _) => {
                let name = preset.as_deref().unwrap_or(DEFAULT_PRESET).to_owned();
                let model = ModelConfig::preset(&name)?;
                (Recipe { name, model, training: Training::default() }, Map::new())
            }
        };
        if let Some(stored) = stored {
            if recipe.model != stored.model {
                return Err(Error::OtherModel(self.out.clone()));
            }
            recipe = stored.clone();
        }
        let invalid = |reason: serde_json::Error| Error::ConfigFile {
            path: self.config.clone().unwrap_or_default(),
            reason: format!("[training]: {reason}"),
        };
        recipe.training = layered(&recipe.training, &mut file).map_err(invalid)?;
        recipe.with(&self.training)
    }
}

impl Recipe {
    /// This recipe, overruled by flags.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Setting`] when the outcome is nothing to train.
    pub fn with(mut self, flags: &TrainingFlags) -> Result<Self, Error> {
        let flags = as_map(flags).and_then(|mut flags| layered(&self.training, &mut flags));
        self.training = flags.unwrap_or_else(|_| unreachable!("flags have the types of the settings"));
        self.model.validate()?;
        self.training.validate()?;
        Ok(self)
    }
}

/// `settings` overruled by `file`: both are maps of the same keys, so the later one simply wins.
fn layered(settings: &Training, file: &mut Map<String, Value>) -> Result<Training, serde_json::Error> {
    let mut layers = as_map(settings)?;
    layers.append(file);
    serde_json::from_value(Value::Object(layers))
}

impl ModelFlags {
    /// The model asked for.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ConfigFile`] or [`Error::Read`].
    pub fn read(&self) -> Result<ModelConfig, Error> {
        let model = match &self.config {
            Some(path) => read_file(path)?.0.model,
            None => ModelConfig::preset(self.preset.as_deref().unwrap_or(DEFAULT_PRESET))?,
        };
        model.validate()?;
        Ok(model)
    }
}

fn as_map(settings: &impl Serialize) -> Result<Map<String, Value>, serde_json::Error> {
    match serde_json::to_value(settings)? {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

/// The model of a config file with default settings, and the settings that the file names.
fn read_file(path: &Path) -> Result<(Recipe, Map<String, Value>), Error> {
    let invalid = |reason: String| Error::ConfigFile { path: path.to_owned(), reason };
    let bytes = read_limited(path, MAX_FILE)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(invalid(format!("a config file has at most {MAX_FILE} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8 text".to_owned()))?;
    let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| invalid(e.to_string()))?;
    let training = table.remove("training").map(Value::deserialize);
    let training = training.transpose().map_err(|e: toml::de::Error| invalid(e.to_string()))?;
    let training = match training {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(invalid("training is no table".to_owned())),
    };
    let model: ModelConfig = table.try_into().map_err(|e| invalid(e.to_string()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((Recipe { name, model, training: Training::default() }, training))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(flags: &str) -> TrainArgs {
        let line = format!("tailor train --data d --out run {flags}");
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::Train(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn tiny() -> String {
        toml::to_string(&ModelConfig::preset("tiny").unwrap()).unwrap()
    }

    #[test]
    fn flags_overrule_the_file_and_the_file_overrules_the_defaults() {
        let file = file(&format!("{}\n[training]\nsteps = 7\nema = 0.5\n", tiny()));
        let recipe = args(&format!("--config {} --steps 9", file.path().display())).recipe(None).unwrap();
        assert_eq!(recipe.model, ModelConfig::preset("tiny").unwrap());
        assert_eq!((recipe.training.steps, recipe.training.ema), (9, 0.5));
        assert_eq!(recipe.training.batch_size, Training::default().batch_size);
    }

    #[test]
    fn a_resumed_run_keeps_its_settings_but_for_the_flags() {
        let stored = args("--preset tiny --batch-size 3 --seed 18446744073709551615").recipe(None).unwrap();
        let resumed = args("--resume --steps 9").recipe(Some(&stored)).unwrap();
        assert_eq!((resumed.training.batch_size, resumed.training.steps), (3, 9));
        assert_eq!((resumed.training.seed, &resumed.model), (u64::MAX, &stored.model));
        assert!(matches!(args("--preset letters").recipe(Some(&stored)), Err(Error::OtherModel(_))));
        assert!(args("--preset tiny").recipe(Some(&stored)).is_ok());
    }

    #[test]
    fn a_recipe_survives_json() {
        let recipe = args("--preset cifar").recipe(None).unwrap();
        let json = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
    }

    #[test]
    fn unknown_names_and_impossible_settings_are_refused() {
        assert!(matches!(args("--preset huge").recipe(None), Err(Error::Config(_))));
        assert!(matches!(args("--ema 1").recipe(None), Err(Error::Setting { name: "ema", .. })));
        assert!(matches!(args("--batch-size 0").recipe(None), Err(Error::Setting { .. })));
        assert!(matches!(args("--learning-rate -1").recipe(None), Err(Error::Setting { .. })));
        assert!(matches!(args("--config no.toml").recipe(None), Err(Error::Read { .. })));
        for text in [
            "width = 3".to_owned(),
            "not toml".to_owned(),
            format!("training = 3\n{}", tiny()),
            format!("{}\n[training]\nstep = 7\n", tiny()),
            format!("{}\n[training]\nsteps = 'many'\n", tiny()),
            format!("colour = 3\n{}", tiny()),
        ] {
            let file = file(&text);
            let error = args(&format!("--config {}", file.path().display())).recipe(None).unwrap_err();
            assert!(matches!(error, Error::ConfigFile { .. }), "{text}: {error}");
        }
    }
}
