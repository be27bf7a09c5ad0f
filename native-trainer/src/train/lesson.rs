//! A brief training on the side, of a network that a method needs before its run begins.

use tailor_core::engine::adamw::Learned;

use super::bank::TailorBank;
use super::loader::{Draws, Order};
use super::method::Lesson;
use super::trainer::{StepSettings, Trainer};
use crate::compute::device::Device;
use crate::data::Dataset;
use crate::error::Error;
use crate::settings::device::DeviceSettings;
use crate::settings::training::Training;
use crate::system::progress::Progress;

/// Trains as a run with these settings begins, on the lesson's classes alone, and returns the network's flat values. The
/// learning rate rises over the first tenth and then stays.
pub(super) fn train(
    lesson: &Lesson,
    data: &Dataset,
    training: &Training,
    device: &Device,
    settings: &DeviceSettings,
) -> Result<Vec<f32>, Error> {
    let Lesson { what, ref model, ref first, ref classes, steps } = *lesson;
    let bank = TailorBank::new(model, training.seed, data.classes.len());
    let mut trainer = Trainer::from_parts(model, device, None, Learned::new(first.clone()), bank, 0, 0.0)?
        .with_micro_batch(training.micro_batch)
        .with_settings(settings)?;
    let draws =
        Draws::new(model, training.seed, training.label_dropout, training.flip).with_cosine(training.cosine);
    let mut order = Order::of_classes(data, training, classes);
    let progress = Progress::new(what, steps);
    for step in 0..steps {
        let indices = order.batch(step, training.batch_size);
        let labels: Vec<usize> = indices.iter().map(|&i| data.labels[i] as usize).collect();
        let batch = draws.batch(step, data.batch(&indices), &labels);
        let rise = (step + 1) as f64 / (steps / 10).max(1) as f64;
        let loss = trainer.step(
            &batch,
            &StepSettings {
                learning_rate: training.learning_rate * rise.min(1.0),
                ema_decay: training.ema,
                clip: training.clip,
            },
        );
        if !loss.is_finite() {
            return Err(Error::Refused {
                what: format!("the loss of the {what} is {loss} at step {step}: it has diverged"),
                help: "begin with a smaller --learning-rate".to_owned(),
            });
        }
        progress.step();
    }
    Ok(trainer.learngene().parameters)
}
