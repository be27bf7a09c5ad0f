//! A learngene and its tailors on the processor, with copies for other workers.

use std::collections::BTreeMap;
use tailor_core::{ModelError, Predict as _, engine};
use tailor_packs::{ModelConfig, Tensors};

/// The most values a learngene may have for other workers to get a copy: each takes twice the
/// memory.
const SHARED: u64 = 32 << 20;

/// A learngene with the tailors that were put onto it.
pub struct Model {
    pub(super) engine: engine::Model,
    /// Number that tells this model from others of the device. `tailors` has for each class the
    /// number of its last insertion.
    pub(super) number: u64,
    pub(super) tailors: BTreeMap<String, u64>,
    insertions: u64,
    /// A copy for other workers, if it is small enough.
    pub(super) learngene: Option<Tensors>,
}

impl Model {
    /// Prepares a learngene as model number `number`.
    ///
    /// # Errors
    /// [`ModelError`] when the tensors are not those of the config, or the engine does not know the
    /// config.
    pub(super) fn new(number: u64, config: &ModelConfig, learngene: Tensors) -> Result<Self, ModelError> {
        let engine = engine::Model::new(config, &learngene)?;
        let learngene = (config.learngene_parameters() <= SHARED).then_some(learngene);
        Ok(Self { engine, number, tailors: BTreeMap::new(), insertions: 0, learngene })
    }

    /// Adds the tailor of `class`, or replaces it.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when the tailor's tensors do not have this model's shapes.
    pub fn insert(&mut self, class: &str, tailor: Tensors) -> Result<(), ModelError> {
        self.engine.insert(class, tailor)?;
        self.insertions += 1;
        self.tailors.insert(class.to_owned(), self.insertions);
        Ok(())
    }

    /// Removes the tailor of `class`.
    pub fn remove(&mut self, class: &str) {
        self.engine.remove(class);
        self.tailors.remove(class);
    }

    /// Returns the classes whose tailors are loaded, sorted.
    pub fn classes(&self) -> Vec<String> {
        self.engine.classes()
    }

    /// Returns the model's config.
    pub(super) fn config(&self) -> &ModelConfig {
        self.engine.config()
    }

    /// Returns the tailor of `class`, if it is loaded.
    pub fn tailor(&self, class: &str) -> Option<&Tensors> {
        self.engine.tailor(class).ok()
    }
}
