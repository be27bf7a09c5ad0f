//! A model in training: one step takes a batch's gradients and updates the learngene densely and the tailors
//! of its classes lazily.
//!
//! On the processor the gradients are those of [`super::processor`], else Burn's graph ([`super::graph`]).
//! The batch is cut into shards with a thread each; their gradients are summed in order, so a run repeats
//! bit for bit with the same number of shards.

use std::ops::{Add, Range};
use std::sync::Arc;

use burn::tensor::Device;
use tailor_core::init;
use tailor_packs::ModelConfig;

use super::bank::{AdamW, Learned, TailorBank, Update};
use super::loader::Batch;
use super::processor::{self, Network, Sample};
use super::{add_tailors, graph, norm_squared};
use crate::parallel::Workers;

/// Values of the learngene that one thread updates at a time.
const UPDATE_PART: usize = 1 << 16;

/// What a step needs to know of the run.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// EMA decay in the long run; early steps use less, `(1 + s)/(10 + s)`.
    pub ema_decay: f64,
    /// Largest norm of the whole gradient, to which larger ones are scaled down; 0 for none.
    pub clip: f64,
}

/// Which program computes gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Written out by hand for the processor.
    Processor,
    /// Burn's graph, on any device.
    Graph,
}

/// Where the learngene is learned.
#[derive(Clone, Debug)]
enum Learngene {
    Processor { network: Arc<Network>, learned: Learned },
    Graph(graph::Learngene),
}

/// A model in training.
#[derive(Clone, Debug)]
pub struct Trainer {
    config: ModelConfig,
    device: Device,
    adamw: AdamW,
    workers: Arc<Workers>,
    micro_batch: usize,
    frozen: bool,
    learngene: Learngene,
    /// The tailors, beside the graph.
    pub bank: TailorBank,
    /// Steps made.
    pub step: u64,
    /// Σ ln d over the steps made: the clock of the EMA's closed form.
    pub ema_clock: f64,
}

impl Trainer {
    /// A random model of `classes` classes on `device` (without autodiff).
    pub fn new(config: &ModelConfig, classes: usize, seed: u64, device: &Device) -> Self {
        let learngene = Learned::new(init::learngene(config, seed).concat());
        Self::from_parts(config, device, learngene, TailorBank::new(config, seed, classes), 0, 0.0)
    }

    /// A model from saved parts, on the engine that suits the device.
    pub fn from_parts(
        config: &ModelConfig,
        device: &Device,
        learngene: Learned,
        bank: TailorBank,
        step: u64,
        ema_clock: f64,
    ) -> Self {
        let learngene = Learngene::Processor { network: Arc::new(Network::new(config)), learned: learngene };
        let trainer = Self {
            config: config.clone(),
            device: device.clone(),
            adamw: AdamW::default(),
            workers: Arc::new(Workers::with_count(1)),
            micro_batch: usize::MAX,
            frozen: false,
            learngene,
            bank,
            step,
            ema_clock,
        };
        match *device == Device::flex() {
            true => trainer,
            false => trainer.with_engine(Engine::Graph),
        }
    }

    /// Computes gradients with `engine`.
    pub fn with_engine(mut self, engine: Engine) -> Self {
        let learned = self.learngene();
        self.learngene = match engine {
            Engine::Processor => {
                Learngene::Processor { network: Arc::new(Network::new(&self.config)), learned }
            }
            Engine::Graph => Learngene::Graph(graph::Learngene::new(&self.config, &learned, &self.device)),
        };
        self
    }

    /// Cuts each batch into `n` shards with a thread of their own.
    pub fn with_shards(mut self, n: usize) -> Self {
        self.workers = Arc::new(Workers::with_count(n));
        self
    }

    /// Puts no more than `n` images at a time through a graph, and accumulates their gradients.
    pub fn with_micro_batch(mut self, n: usize) -> Self {
        self.micro_batch = n.max(1);
        self
    }

    /// Keeps the learngene as it is, to train tailors alone.
    pub fn with_frozen_learngene(mut self) -> Self {
        self.frozen = true;
        self
    }

    /// The model's sizes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the model is sampled, and trained unless the engine is the processor's own.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The learngene with its moments and average, on the host.
    pub fn learngene(&self) -> Learned {
        match &self.learngene {
            Learngene::Processor { learned, .. } => learned.clone(),
            Learngene::Graph(learngene) => learngene.learned(),
        }
    }

    /// The mean squared error on a batch and the gradients by the learngene's flat parameters and by the
    /// tailors of its classes, nothing updated.
    pub fn gradients(&self, batch: &Batch) -> processor::Gradients {
        match &self.learngene {
            Learngene::Processor { network, learned } => self.by_hand(network, learned, batch),
            Learngene::Graph(learngene) => {
                let found = self.by_graph(learngene, batch);
                let learngene = found.learngene_values();
                processor::Gradients { squares: found.squares, learngene, tailors: found.tailors }
            }
        }
    }

    /// One step on a batch; returns the mean squared error. When error or gradient is not finite, nothing
    /// is changed and what is returned is not finite either.
    pub fn step(&mut self, batch: &Batch, settings: &StepSettings) -> f32 {
        let decay = settings.ema_decay.min((2 + self.step) as f64 / (11 + self.step) as f64);
        let clock = self.ema_clock + decay.ln();
        let mut update =
            Update { learning_rate: settings.learning_rate, scale: 1.0, ema_clock: clock, decay };
        // The factor of a gradient; none when there is no going on with it.
        let scale = |squares: f64, norm_squared: f64| {
            let clipped = match settings.clip {
                0.0 => 1.0,
                clip => (clip / norm_squared.sqrt().max(1e-12)).min(1.0),
            };
            (squares.is_finite() && norm_squared.is_finite()).then_some(clipped)
        };
        let squares;
        let tailors = match &self.learngene {
            Learngene::Processor { network, learned } => {
                let found = self.by_hand(network, learned, batch);
                squares = found.squares;
                let Some(scale) = scale(squares, found.norm_squared()) else { return f32::NAN };
                update.scale = scale;
                if let (Learngene::Processor { learned, .. }, false) = (&mut self.learngene, self.frozen) {
                    let parts = learned.parts(&found.learngene, UPDATE_PART, &self.adamw, &update);
                    self.workers.map(parts, super::bank::Part::update);
                }
                found.tailors
            }
            Learngene::Graph(learngene) => {
                let found = self.by_graph(learngene, batch);
                squares = found.squares;
                let Some(scale) = scale(squares, found.norm_squared()) else { return f32::NAN };
                update.scale = scale;
                if let (Learngene::Graph(learngene), false) = (&mut self.learngene, self.frozen) {
                    learngene.update(found.learngene, &self.adamw, &update);
                }
                found.tailors
            }
        };
        for (class, gradient) in tailors {
            self.bank.state_mut(class).update(&gradient, &self.adamw, &update);
        }
        self.step += 1;
        self.ema_clock = clock;
        (squares / batch.target.len() as f64) as f32
    }

    /// Gradients by hand: images of one class follow each other, and each shard takes its part of them.
    fn by_hand(&self, network: &Network, learned: &Learned, batch: &Batch) -> processor::Gradients {
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|&i| batch.labels[i]);
        let factor = 1.0 / batch.target.len() as f32;
        let parts = self.workers.map(parts(batch.len(), self.workers.count()), |range| {
            let sample = |&i: &usize| Sample {
                x: batch.image(&batch.x, i),
                target: batch.image(&batch.target, i),
                t: batch.times[i],
                class: batch.labels[i],
            };
            let samples: Vec<Sample<'_>> = order[range].iter().map(sample).collect();
            let tailor = |class: usize| &self.bank.states()[class].parameters[..];
            network.gradients(&learned.parameters, tailor, &samples, factor, self.frozen)
        });
        parts.into_iter().reduce(Add::add).unwrap_or_default()
    }

    fn by_graph(&self, learngene: &graph::Learngene, batch: &Batch) -> graph::Gradients {
        let of = |range| learngene.gradients(&self.bank, batch, range, self.frozen);
        let workers = self.workers.count();
        let parts = parts(batch.len(), workers.max(batch.len().div_ceil(self.micro_batch)));
        // In turn, each portion is added before the next is begun: no two are held at once.
        match workers {
            1 => parts.into_iter().map(of).reduce(Add::add),
            _ => self.workers.map(parts, of).into_iter().reduce(Add::add),
        }
        .unwrap_or_default()
    }
}

impl Add for processor::Gradients {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.squares += other.squares;
        super::kernels::add(&mut self.learngene, &other.learngene);
        add_tailors(&mut self.tailors, other.tailors);
        self
    }
}

impl processor::Gradients {
    /// Sum of the squares of every gradient.
    pub fn norm_squared(&self) -> f64 {
        super::kernels::sum_of_squares(&self.learngene) + norm_squared(&self.tailors)
    }
}

/// `0..len` in `n` parts of about the same length, none empty.
fn parts(len: usize, n: usize) -> Vec<Range<usize>> {
    let n = n.min(len);
    (0..n).map(|i| i * len / n..(i + 1) * len / n).collect()
}
