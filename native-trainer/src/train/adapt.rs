//! A run that adapts a trained network: what it begins with, by whichever method.

use std::collections::BTreeMap;
use std::path::Path;

use tailor_core::engine::adamw::Learned;

use super::bank::TailorBank;
use super::base::{self, Base, base_file};
use super::lesson;
use super::method::{Method, MethodHeader, Start, Starting, Task, Trains, usual_matrices};
use super::teacher::Teacher;
use super::trainer::Trainer;
use crate::compute::device::Device;
use crate::data::Dataset;
use crate::error::Error;
use crate::say;
use crate::settings::recipe::Recipe;
use crate::settings::train::RunningSettings;
use crate::settings::training::Training;
use crate::system::files::write_atomic;

/// What to adapt, and by which method.
#[derive(Debug)]
pub struct Adapt {
    /// The trained network.
    pub base: Base,
    /// The label's row `[D]` of each class that it knows, by id, for a method that wants them.
    pub labels: BTreeMap<String, Vec<f32>>,
    /// The method.
    pub method: &'static dyn Method,
    /// Its size; none for the paper's.
    pub rank: Option<usize>,
    /// Blocks of the network that the method builds; none for those of the trained one.
    pub depth: Option<usize>,
}

impl Adapt {
    /// What a new run begins with: the sizes of the network that the method trains, and its learning rate.
    pub fn recipe(&self) -> Recipe {
        let manifest = &self.base.learngene.manifest;
        let learning_rate = self.method.learning_rate(manifest.config.width);
        let training = Training { learning_rate, ..Training::default() }.led_as(&self.base.learngene);
        let model = self.method.network(&manifest.config, self.rank, self.depth);
        Recipe { name: manifest.model.clone(), model, training }
    }

    /// What checkpoints say of it, for so many classes; `base` is the trained network itself here.
    pub fn header(&self, classes: usize) -> MethodHeader {
        let config = &self.base.learngene.manifest.config;
        let task = Task::of(config, classes);
        let matrices = Some(self.method.matrices(config));
        MethodHeader {
            name: self.method.name().to_owned(),
            rank: self.rank.or_else(|| self.method.rank(&task)),
            depth: self.depth,
            base: self.base.digest,
            from: None,
            matrices: matrices.filter(|matrices| *matrices != usual_matrices()),
            kept: None,
            of: None,
            teacher: None,
        }
    }

    /// Begins a run on `data` in the folder `out`, where it keeps the network from which it starts: the trained one as it
    /// is or the one that the method builds of it, with new tailors (labels alone where it is plain).
    pub(super) fn begin(
        &self,
        recipe: &Recipe,
        data: &Dataset,
        device: &Device,
        running: &RunningSettings,
        out: &Path,
    ) -> Result<(Trainer, MethodHeader), Error> {
        let (seed, classes) = (recipe.training.seed, data.classes.len());
        let mut header = self.header(classes);
        let started = self.method.start(&Starting {
            base: &self.base.learngene,
            labels: &self.labels,
            network: &recipe.model,
            rank: header.rank.unwrap_or(0),
            training: &recipe.training,
            data,
            train: &|lesson| lesson::train(lesson, data, &recipe.training, device, &running.device),
        })?;
        let mut bank = None;
        let built = match started {
            None => None,
            Some(Start { values, tailors, kept }) => {
                bank =
                    tailors.map(|rows| TailorBank::from_states(rows.into_iter().map(Learned::new).collect()));
                let built = Base::built(&recipe.model, &values, &self.base, &base_file(out))?;
                let of = kept.is_some().then_some(self.base.learngene.manifest.config.depth);
                header =
                    MethodHeader { base: built.digest, from: Some(self.base.digest), kept, of, ..header };
                Some(built)
            }
        };
        if let Some(words) = header.kept_in_words() {
            say!("{} keeps blocks {words}, in a network of {}", header.name, recipe.model.depth);
        }
        let base = built.as_ref().unwrap_or(&self.base);
        let adaption = base::adaption(&header, base, seed, device)?;
        let first = match &adaption {
            Some(adaption) => adaption.first(),
            None => base.values()?,
        };
        let bank = bank.unwrap_or_else(|| TailorBank::new(&recipe.model, seed, classes));
        let trainer =
            Trainer::from_parts(&recipe.model, device, adaption, Learned::new(first), bank, 0, 0.0)?;
        write_atomic(&base_file(out), &base.bytes)?;
        let trainer = match (self.method.is_taught(), &header.kept) {
            (true, Some(kept)) => {
                let labels = trainer.tailors().iter().map(|label| label.parameters.clone()).collect();
                let config = self.base.learngene.manifest.config.clone();
                let teacher = Teacher::new(config, self.base.values()?, labels, kept.clone())?;
                header.teacher = Some(teacher.keep(out)?);
                trainer.with_teacher(teacher)
            }
            _ => trainer,
        };
        let trainer = match self.method.trains() {
            Trains::Tailors => trainer.with_frozen_learngene(),
            Trains::Whole | Trains::Matrices => trainer,
        };
        Ok((trainer, header))
    }
}
