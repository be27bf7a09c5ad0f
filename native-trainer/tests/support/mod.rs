//! Small data to train on: each class is a pattern, each image of it another shift.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::path::{Path, PathBuf};

use tailor_core::diffusion::noise::{Stream, generator, uniform};
use tailor_packs::ModelConfig;
use tailor_trainer::compute::device::Device;
use tailor_trainer::train::loader::{Batch, Draws};
use tailor_trainer::train::trainer::{StepSettings, Trainer};

/// The folder of the repository, from which documents and examples name files.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Images of one step.
pub(crate) const BATCH: usize = 8;

/// The batch of step `step`, drawn from `classes` alone, images mirrored at random.
pub(crate) fn batch(config: &ModelConfig, step: u64, classes: &[usize], label_dropout: f64) -> Batch {
    let mut rng = generator(77, Stream::ClassImages { class: 3, epoch: step as u32 });
    let side = config.image_size as usize;
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        let class = classes[(uniform(&mut rng) * classes.len() as f64) as usize];
        let shift = (uniform(&mut rng) * 8.0) as usize;
        let lit = |x: usize, y: usize| match class % 3 {
            0 => (x + shift) % 11 < 4,
            1 => (y + shift) % 8 < 4,
            _ => (x + y + shift) % 8 < 4,
        };
        let values = (0..side * side).map(|i| if lit(i % side, i / side) { 1.0 } else { -1.0 });
        // A colour image is three times the grey one.
        (0..config.channels).for_each(|_| images.extend(values.clone()));
        labels.push(class);
    }
    let share = if config.few_steps { 0.5 } else { 0.0 };
    Draws::new(config, 5, label_dropout, true).with_shortcuts(share, 2.0).batch(step, images, &labels)
}

/// A new run of `tiny` with two shards, as on a processor with two cores.
pub(crate) fn trainer(classes: usize) -> Trainer {
    let config = ModelConfig::preset("tiny").unwrap();
    Trainer::new(&config, classes, 5, &Device::Processor).unwrap().with_shards(2)
}

/// Settings with a rate at which a hundred steps show.
pub(crate) fn settings() -> StepSettings {
    StepSettings { learning_rate: 3e-3, ema_decay: 0.99, clip: 1.0 }
}
