//! The weights of a trainer as tensors and as a model, for whoever samples or publishes a run.

use tailor_core::{Guide, Item, SampleSettings, Sampler};
use tailor_packs::{TensorSpec, Tensors, Weights};

use super::checkpoint::ClassName;
use super::trainer::Trainer;
use crate::compute::model::Model;
use crate::error::Error;
use crate::settings::training::Training;

/// Steps of a look at a run under way.
pub(crate) const LOOK_STEPS: usize = 12;

/// Guidance of such a look.
pub(crate) const LOOK_GUIDANCE: f64 = 1.5;

/// How a run under way is sampled: by Heun's sampler, the same for every run, so that pictures can be compared. Only a run
/// of which no image trains the learngene alone has nothing that guidance could lead away from.
pub(crate) fn at_a_look(training: &Training, items: Vec<Item>) -> SampleSettings {
    SampleSettings {
        sampler: Sampler::Heun,
        steps: LOOK_STEPS,
        guidance: if training.null_gate { 1.0 } else { LOOK_GUIDANCE },
        guide: Guide::default(),
        items,
    }
}

/// The learngene's tensors, averaged or as they are.
pub(crate) fn learngene_tensors(trainer: &Trainer, weights: Weights) -> Result<Tensors, Error> {
    named(&trainer.config().learngene_tensors(), &trainer.network_values(weights))
}

/// The tensors of class number `class`, averaged or as they are.
pub(crate) fn tailor_tensors(trainer: &Trainer, class: usize, weights: Weights) -> Result<Tensors, Error> {
    let learned = trainer.tailor(class);
    let values = match weights {
        Weights::Ema => learned.ema(trainer.ema_clock),
        Weights::Raw => learned.parameters,
    };
    named(&trainer.config().tailor_tensors(), &values)
}

fn named(specs: &[TensorSpec], values: &[f32]) -> Result<Tensors, Error> {
    Tensors::from_flat(specs, values).map_err(|e| Error::Refused { what: e.to_string(), help: String::new() })
}

/// The averaged model of a run under way, with the tailors of `chosen` classes.
///
/// # Errors
/// [`Error::Refused`] when the device cannot be read.
pub fn live_model(trainer: &Trainer, classes: &[ClassName], chosen: &[usize]) -> Result<Model, Error> {
    let learngene = learngene_tensors(trainer, Weights::Ema)?;
    let mut model = Model::new(trainer.config(), &learngene, trainer.device())?;
    for &class in chosen {
        model.insert(&classes[class].id, tailor_tensors(trainer, class, Weights::Ema)?)?;
    }
    Ok(model)
}

/// Most classes of a run's sample grid, a column for each, and its rows: so many seeds, and one of the learngene alone.
pub(crate) const GRID_CLASSES: usize = 16;
pub(crate) const GRID_SEEDS: u64 = 4;
/// Side of the square that is drawn for a pixel of a sample.
pub(crate) const GRID_SCALE: usize = 2;

/// Up to `n` of `0..len`, evenly spread.
pub(crate) fn spread(len: usize, n: usize) -> Vec<usize> {
    let n = n.min(len);
    (0..n).map(|i| i * len / n).collect()
}
