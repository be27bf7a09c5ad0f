//! A sampling run: from settings to images, one step at a time, so that a caller can show a preview
//! after each step and stop between two.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::factored::GatedTailors;
use crate::model::{Model, ModelError};
use crate::noise::{Stream, standard_normal};
use crate::path::{Node, nodes};
use crate::sampler::{Past, Sampler, step};

/// Values of one tensor that a device is asked for at most: a browser's memory ends at 4 GiB, and several of
/// them are needed at once.
const LARGEST: u64 = if cfg!(target_pointer_width = "32") { 1 << 27 } else { 1 << 31 };

/// One image to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Classes and weights: one class at weight 1, a blend of several, or none for the learngene alone.
    pub gate: Vec<(String, f32)>,
    /// One seed is one image, whatever else is in the batch.
    pub seed: u64,
}

/// How to make images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleSettings {
    /// The way from noise to image.
    pub sampler: Sampler,
    /// Steps, 1 to 1000.
    pub steps: usize,
    /// Classifier-free guidance: 0 is the learngene, 1 the gated model, more exaggerates the class.
    pub guidance: f64,
    /// The images of the batch.
    pub items: Vec<Item>,
}

/// A run under way.
#[derive(Debug)]
pub struct Sampling<'a> {
    model: &'a Model,
    settings: SampleSettings,
    tailors: Option<GatedTailors>,
    nodes: Vec<Node>,
    done: usize,
    x: Tensor<4>,
    preview: Tensor<4>,
    past: Option<Past>,
}

impl<'a> Sampling<'a> {
    /// Draws the start noise and gathers the tailors.
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`], or [`ModelError::Setting`] for steps, guidance or a batch that is empty or too
    /// large.
    pub fn new(model: &'a Model, settings: SampleSettings) -> Result<Self, ModelError> {
        let refuse = |setting, found: String, allowed| Err(ModelError::Setting { setting, found, allowed });
        if !(1..=1000).contains(&settings.steps) {
            return refuse("steps", settings.steps.to_string(), "1 to 1000");
        }
        if !(0.0..=100.0).contains(&settings.guidance) {
            return refuse("guidance", settings.guidance.to_string(), "0 to 100");
        }
        if settings.items.is_empty() {
            return refuse("images", "0".to_owned(), "at least one");
        }
        let count = settings.items.len();
        if model.config().largest_activation(count) > LARGEST {
            return refuse(
                "images",
                count.to_string(),
                "fewer, or of a smaller model: these do not fit into memory",
            );
        }
        let weight_ok = |w: f32| w.is_finite() && w.abs() <= 100.0;
        if let Some((_, w)) = settings.items.iter().flat_map(|i| &i.gate).find(|(_, w)| !weight_ok(*w)) {
            return refuse("gate weight", w.to_string(), "-100 to 100");
        }
        let gates: Vec<_> = settings.items.iter().map(|i| i.gate.clone()).collect();
        let tailors = model.gate(&gates)?;
        let x = noise(model, &settings.items, Stream::Start);
        let nodes = nodes(model.config().objective, settings.steps);
        Ok(Self { model, settings, tailors, nodes, done: 0, preview: x.clone(), x, past: None })
    }

    /// Makes one step; `false` when there was none left to make.
    ///
    /// Nothing is read back from the device here.
    pub fn step(&mut self) -> bool {
        if self.done == self.settings.steps {
            return false;
        }
        let span = (self.nodes[self.done], self.nodes[self.done + 1]);
        let objective = self.model.config().objective;
        let stepped = step(
            self.settings.sampler,
            objective,
            span,
            self.x.clone(),
            self.past.take(),
            |x, node| self.predict(x, node),
            || noise(self.model, &self.settings.items, Stream::Step(self.done as u32)),
        );
        self.x = stepped.x;
        self.preview = stepped.x0;
        self.past = Some(stepped.past);
        self.done += 1;
        true
    }

    /// Steps made so far.
    pub fn steps_done(&self) -> usize {
        self.done
    }

    /// The clean images as the last step predicted them, `[B, C, H, W]`, roughly in `[-1, 1]`.
    pub fn preview(&self) -> Tensor<4> {
        self.preview.clone().clamp(-1.0, 1.0)
    }

    /// The images as they stand, `[B, C, H, W]` in `[-1, 1]`; finished after the last step.
    pub fn images(&self) -> Tensor<4> {
        self.x.clone().clamp(-1.0, 1.0)
    }

    /// The guided prediction; the unconditional pass is the learngene alone (null row, gate off).
    fn predict(&self, x: Tensor<4>, node: Node) -> Tensor<4> {
        let dit = self.model.dit();
        let t = vec![node.t as f32; self.settings.items.len()];
        let guidance = self.settings.guidance;
        let Some(tailors) = &self.tailors else {
            return dit.forward(x, &t, None);
        };
        if guidance == 1.0 {
            return dit.forward(x, &t, Some(tailors));
        }
        let alone = dit.forward(x.clone(), &t, None);
        if guidance == 0.0 {
            return alone;
        }
        let gated = dit.forward(x, &t, Some(tailors));
        alone.clone() + (gated - alone) * guidance
    }
}

/// Noise for each item from its own seed, `[B, C, H, W]`.
fn noise(model: &Model, items: &[Item], stream: Stream) -> Tensor<4> {
    let config = model.config();
    let (c, side) = (config.channels as usize, config.image_size as usize);
    let n = c * side * side;
    let values: Vec<f32> = items.iter().flat_map(|i| standard_normal(i.seed, stream, n)).collect();
    Tensor::from_data(TensorData::new(values, [items.len(), c, side, side]), model.device())
}
