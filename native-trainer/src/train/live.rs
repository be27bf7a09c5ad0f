//! The weights of a trainer as tensors and as a model, for whoever samples or publishes a run.

use tailor_core::engine::adamw::Learned;
use tailor_packs::{TensorSpec, Tensors, Weights};

use super::checkpoint::ClassName;
use super::trainer::Trainer;
use crate::compute::model::Model;
use crate::error::Error;

/// Flat values as the named tensors of `specs`.
fn named(specs: &[TensorSpec], flat: &[f32]) -> Result<Tensors, Error> {
    let refused = |e: tailor_packs::PackError| Error::Refused { what: e.to_string(), help: String::new() };
    let mut rest = flat;
    let mut tensors = Tensors::new();
    for spec in specs {
        let (values, after) = rest.split_at(spec.len());
        rest = after;
        tensors.insert(spec.name.clone(), &spec.shape, values.to_vec()).map_err(refused)?;
    }
    Ok(tensors)
}

/// The learngene's tensors, averaged or as they are.
pub(crate) fn learngene_tensors(trainer: &Trainer, weights: Weights) -> Result<Tensors, Error> {
    let learned = trainer.learngene();
    named(&trainer.config().learngene_tensors(), &chosen(&learned, trainer, weights))
}

/// The tensors of class number `class`, averaged or as they are.
pub(crate) fn tailor_tensors(trainer: &Trainer, class: usize, weights: Weights) -> Result<Tensors, Error> {
    named(&trainer.config().tailor_tensors(), &chosen(&trainer.tailor(class), trainer, weights))
}

fn chosen(learned: &Learned, trainer: &Trainer, weights: Weights) -> Vec<f32> {
    match weights {
        Weights::Ema => learned.ema(trainer.ema_clock),
        Weights::Raw => learned.parameters.clone(),
    }
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

/// Up to `n` of `0..len`, evenly spread.
pub(crate) fn spread(len: usize, n: usize) -> Vec<usize> {
    let n = n.min(len);
    (0..n).map(|i| i * len / n).collect()
}
