//! A live model: one learngene and any set of tailors, which may come and go.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use tailor_packs::{ModelConfig, TensorSpec, Tensors};

use crate::dit::Dit;
use crate::factored::{GatedTailors, TailorStack};
use crate::parameters::Parameters;

/// What cannot be assembled or sampled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// A config that is no model.
    #[error(transparent)]
    Config(#[from] tailor_packs::ConfigError),
    /// A tensor that the config asks for and the pack does not have in that shape.
    #[error("tensor {name} is missing or not of shape {shape:?}; the pack does not fit this model")]
    Tensor {
        /// Its name.
        name: String,
        /// The shape the config asks for.
        shape: Vec<usize>,
    },
    /// A class whose pack is not loaded.
    #[error("class {class:?} is not loaded; loaded: {}", loaded.join(", "))]
    UnknownClass {
        /// The class asked for.
        class: String,
        /// The classes there are.
        loaded: Vec<String>,
    },
    /// A setting outside its range.
    #[error("{setting} is {found}, must be {allowed}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// What it was.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
}

/// A learngene on a device with the tailors that have been put onto it.
#[derive(Clone, Debug)]
pub struct Model {
    config: ModelConfig,
    device: Device,
    dit: Dit,
    // Kept on the host: a sampling run uploads only the tailors it asks for.
    tailors: BTreeMap<String, Tensors>,
}

impl Model {
    /// Puts a learngene's tensors on `device`.
    ///
    /// # Errors
    /// [`ModelError::Config`] or [`ModelError::Tensor`].
    pub fn new(config: &ModelConfig, learngene: &Tensors, device: &Device) -> Result<Self, ModelError> {
        config.validate()?;
        let specs = config.learngene_tensors();
        let upload = |spec: &TensorSpec| {
            let values = values(learngene, spec)?.to_vec();
            Ok(Tensor::<1>::from_data(TensorData::new(values, [spec.len()]), device))
        };
        let flat = specs.iter().map(upload).collect::<Result<Vec<_>, ModelError>>()?;
        let dit = Dit::new(config, &Parameters::new(&specs, flat), device);
        Ok(Self { config: config.clone(), device: device.clone(), dit, tailors: BTreeMap::new() })
    }

    /// Adds the tailor of `class`, or replaces it.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when the tailor is not one of this model's shape.
    pub fn insert(&mut self, class: &str, tailor: Tensors) -> Result<(), ModelError> {
        for spec in self.config.tailor_tensors() {
            values(&tailor, &spec)?;
        }
        self.tailors.insert(class.to_owned(), tailor);
        Ok(())
    }

    /// Takes the tailor of `class` away; whether it was there.
    pub fn remove(&mut self, class: &str) -> bool {
        self.tailors.remove(class).is_some()
    }

    /// The classes whose tailors are loaded, sorted.
    pub fn classes(&self) -> Vec<String> {
        self.tailors.keys().cloned().collect()
    }

    /// The model's sizes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the model lives.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The shared network.
    pub fn dit(&self) -> &Dit {
        &self.dit
    }

    /// Gathers tailors for a batch, each sample a list of classes and weights (a soft gate); an
    /// empty list is the learngene alone. `None` when no sample has a class.
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`].
    pub fn gate(&self, samples: &[Vec<(String, f32)>]) -> Result<Option<GatedTailors>, ModelError> {
        let mut used: Vec<&str> = samples.iter().flatten().map(|(class, _)| class.as_str()).collect();
        used.sort_unstable();
        used.dedup();
        let find = |class: &&str| {
            let unknown = || ModelError::UnknownClass { class: (*class).to_owned(), loaded: self.classes() };
            self.tailors.get(*class).ok_or_else(unknown)
        };
        let tailors = used.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let stack = |spec: &TensorSpec| {
            let mut stacked = Vec::with_capacity(tailors.len() * spec.len());
            for tailor in &tailors {
                stacked.extend_from_slice(values(tailor, spec)?);
            }
            let n = stacked.len();
            Ok(Tensor::<1>::from_data(TensorData::new(stacked, [n]), &self.device))
        };
        let flat = self.config.tailor_tensors().iter().map(stack).collect::<Result<Vec<_>, ModelError>>()?;
        let index =
            |class: &str| used.binary_search(&class).unwrap_or_else(|_| unreachable!("collected above"));
        let gate = samples.iter().map(|s| s.iter().map(|(c, w)| (index(c), *w)).collect()).collect();
        Ok(TailorStack::from_flat(&self.config, tailors.len(), &flat).gather(&gate))
    }
}

fn values<'a>(tensors: &'a Tensors, spec: &TensorSpec) -> Result<&'a [f32], ModelError> {
    match tensors.get(&spec.name) {
        Some((shape, values)) if shape == spec.shape => Ok(values),
        _ => Err(ModelError::Tensor { name: spec.name.clone(), shape: spec.shape.clone() }),
    }
}
