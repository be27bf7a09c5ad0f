//! A learngene and its tailors on the processor, and what other workers need to have the same.

use std::collections::BTreeMap;
use tailor_core::{ModelError, Predict as _, engine};
use tailor_packs::{ModelConfig, Tensors};

/// Values of a learngene up to which other workers get a copy: each takes twice the memory.
const SHARED: u64 = 32 << 20;

/// A learngene with the tailors that have been put onto it.
pub struct Model {
    pub(super) engine: engine::Model,
    /// Tells this model from others of this device, and how often each tailor came anew.
    pub(super) number: u64,
    pub(super) tailors: BTreeMap<String, u64>,
    insertions: u64,
    /// For other workers, where it is small enough.
    pub(super) learngene: Option<Tensors>,
}

impl Model {
    /// Makes a learngene ready as model number `number`.
    ///
    /// # Errors
    /// [`ModelError`] when the tensors are not those of the config, or the engine does not know it.
    pub(super) fn new(number: u64, config: &ModelConfig, learngene: Tensors) -> Result<Self, ModelError> {
        let engine = engine::Model::new(config, &learngene)?;
        let learngene = (config.learngene_parameters() <= SHARED).then_some(learngene);
        Ok(Self { engine, number, tailors: BTreeMap::new(), insertions: 0, learngene })
    }

    /// Adds the tailor of `class`, or replaces it.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when the tailor is not one of this model's shape.
    pub fn insert(&mut self, class: &str, tailor: Tensors) -> Result<(), ModelError> {
        self.engine.insert(class, tailor)?;
        self.insertions += 1;
        self.tailors.insert(class.to_owned(), self.insertions);
        Ok(())
    }

    /// Takes the tailor of `class` away.
    pub fn remove(&mut self, class: &str) {
        self.engine.remove(class);
        self.tailors.remove(class);
    }

    /// The classes whose tailors are loaded, sorted.
    pub fn classes(&self) -> Vec<String> {
        self.engine.classes()
    }

    /// The model's sizes.
    pub(super) fn config(&self) -> &ModelConfig {
        self.engine.config()
    }

    /// The tailor of a class that is loaded.
    pub(super) fn tailor(&self, class: &str) -> Option<&Tensors> {
        self.engine.tailor(class)
    }
}
