//! The weights that a run publishes: those of its newest checkpoint, or their mean over several.
//!
//! A mean over a span that is chosen after the run is a post-hoc average (Karras et al. 2024, arXiv 2312.02696, §3). Each
//! checkpoint here holds a moving average of its own, so a few of them cover the span.

use std::path::Path;

use tailor_packs::{ModelConfig, PackError, TensorSpec, Tensors, Weights};

use super::checkpoint::{self, Stored};
use super::live::{learngene_tensors, tailor_tensors};
use super::trainer::Trainer;
use crate::compute::device::Device;
use crate::data::number;
use crate::error::Error;
use crate::say;

/// The newest checkpoint of a run, and what is added up of older ones.
pub(crate) struct Snapshots {
    newest: Trainer,
    weights: Weights,
    older: Option<Sums>,
}

/// Values of several checkpoints, added up.
struct Sums {
    learngene: Vec<f64>,
    tailors: Vec<Vec<f64>>,
    count: usize,
}

impl Snapshots {
    /// The newest checkpoint, and with `over` the mean with those that the run in `run` keeps of so many steps before it.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Refused`] where there is nothing to average.
    pub(crate) fn new(
        stored: &Stored,
        run: &Path,
        over: Option<u64>,
        weights: Weights,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut found = Self { newest: stored.restore(device)?, weights, older: None };
        let Some(over) = over else { return Ok(found) };
        for path in checkpoint::list(run)?.into_iter().skip_while(|path| *path != stored.path).skip(1) {
            match checkpoint::read(&path) {
                Ok(older) if older.header.step.saturating_add(over) >= stored.header.step => {
                    // One at a time: each holds moments and averages as well.
                    found.add(&older.restore(device)?)?;
                }
                Ok(_) => break,
                Err(error) => say!("passed over: {error}"),
            }
        }
        let Some(older) = &found.older else {
            let steps = number(usize::try_from(over).unwrap_or(usize::MAX), "step");
            return Err(Error::Refused {
                what: format!("{} keeps no other checkpoint of its last {steps}", run.display()),
                help: "name more steps, or have `tailor train` keep more with --checkpoint-every and --keep"
                    .to_owned(),
            });
        };
        say!("the mean of {} checkpoints", older.count + 1);
        Ok(found)
    }

    /// The model's sizes.
    pub(crate) fn config(&self) -> &ModelConfig {
        self.newest.config()
    }

    /// The learngene's tensors.
    pub(crate) fn learngene(&self) -> Result<Tensors, Error> {
        let newest = learngene_tensors(&self.newest, self.weights)?;
        self.mean(&self.config().learngene_tensors(), newest, |sums| &sums.learngene)
    }

    /// The tensors of class number `class`.
    pub(crate) fn tailor(&self, class: usize) -> Result<Tensors, Error> {
        let newest = tailor_tensors(&self.newest, class, self.weights)?;
        self.mean(&self.config().tailor_tensors(), newest, |sums| &sums.tailors[class])
    }

    /// Adds up what another checkpoint holds.
    fn add(&mut self, older: &Trainer) -> Result<(), Error> {
        let (config, classes) = (self.newest.config(), self.newest.tailors().len());
        let (shared, own) = (config.learngene_tensors(), config.tailor_tensors());
        let learngene = learngene_tensors(older, self.weights)?.to_flat(&shared).map_err(refused)?;
        let tailor = |class| tailor_tensors(older, class, self.weights)?.to_flat(&own).map_err(refused);
        let tailors = (0..classes).map(tailor).collect::<Result<Vec<_>, _>>()?;
        let sums = self.older.get_or_insert_with(|| Sums {
            learngene: vec![0.0; learngene.len()],
            tailors: tailors.iter().map(|tailor| vec![0.0; tailor.len()]).collect(),
            count: 0,
        });
        sums.count += 1;
        let all = sums.tailors.iter_mut().zip(tailors).chain([(&mut sums.learngene, learngene)]);
        for (sums, values) in all {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
        }
        Ok(())
    }

    fn mean(
        &self,
        specs: &[TensorSpec],
        newest: Tensors,
        of: impl Fn(&Sums) -> &Vec<f64>,
    ) -> Result<Tensors, Error> {
        let Some(older) = &self.older else { return Ok(newest) };
        let values = newest.to_flat(specs).map_err(refused)?;
        let count = (older.count + 1) as f64;
        let means =
            values.iter().zip(of(older)).map(|(value, sum)| ((f64::from(*value) + sum) / count) as f32);
        Tensors::from_flat(specs, &means.collect::<Vec<_>>()).map_err(refused)
    }
}

fn refused(error: PackError) -> Error {
    Error::Refused { what: error.to_string(), help: String::new() }
}
