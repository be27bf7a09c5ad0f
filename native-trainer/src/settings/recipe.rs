//! What to train and how: defaults, then the config file, then the changes to them.
//!
//! ```toml
//! channels = 1            # the model: every field of ModelConfig
//! image_size = 32
//! # …
//!
//! [training]              # optional, any of the fields of Training
//! steps = 20000
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tailor_packs::ModelConfig;

use super::training::{Changes, Training};
use crate::error::Error;
use crate::system::files::read_limited;

/// A config file is a page of text; anything larger is another file.
const MAX_FILE: u64 = 1 << 20;

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

/// Which model: that of the config file, else that of the preset, else [`ModelChoice::DEFAULT`].
#[derive(Clone, Debug, Default)]
pub struct ModelChoice {
    /// Model by name.
    pub preset: Option<String>,
    /// Model from a TOML file.
    pub config: Option<PathBuf>,
}

impl ModelChoice {
    /// The preset that is trained when nothing else is said.
    pub const DEFAULT: &str = "letters";

    /// The model asked for.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ConfigFile`] or [`Error::Read`].
    pub fn read(&self) -> Result<ModelConfig, Error> {
        let model = match &self.config {
            Some(path) => read_file(path)?.0.model,
            None => ModelConfig::preset(self.preset())?,
        };
        model.validate()?;
        Ok(model)
    }

    /// What to begin with, `stored` being the recipe of the run that goes on, and the settings that a config file
    /// names.
    pub(crate) fn begin(&self, stored: Option<&Recipe>) -> Result<(Recipe, Changes), Error> {
        match (&self.config, &self.preset, stored) {
            (Some(path), _, _) => read_file(path),
            (None, None, Some(stored)) => Ok((stored.clone(), Map::new())),
            (None, _, _) => {
                let name = self.preset().to_owned();
                let mut model = ModelConfig::preset(&name)?;
                // A preset may have other layers now than when the run began.
                if let Some(stored) = stored.filter(|stored| stored.name == name) {
                    (model.rope, model.swiglu) = (stored.model.rope, stored.model.swiglu);
                }
                Ok((Recipe { name, model, training: Training::default() }, Map::new()))
            }
        }
    }

    fn preset(&self) -> &str {
        self.preset.as_deref().unwrap_or(Self::DEFAULT)
    }
}

impl Recipe {
    /// This recipe, overruled by `changes`.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Setting`] when the outcome is nothing to train; [`Error::Refused`] for a change
    /// to something that is no setting.
    pub fn with(mut self, changes: &Changes) -> Result<Self, Error> {
        let refused = |e: serde_json::Error| Error::Refused { what: e.to_string(), help: String::new() };
        self.training = self.training.with(changes).map_err(refused)?;
        self.model.validate()?;
        self.training.validate()?;
        Training::concerns(changes, &self.model)?;
        Ok(self)
    }
}

/// The model of a config file with default settings, and the settings that the file names.
fn read_file(path: &Path) -> Result<(Recipe, Changes), Error> {
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
    model.validate().map_err(|e| invalid(e.to_string()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((Recipe { name, model, training: Training::default() }, training))
}
