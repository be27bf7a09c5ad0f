//! A model in training: one step takes a batch's gradients and updates the learngene densely and the tailors
//! of its classes lazily.
//!
//! On the processor the gradients are those of [`super::processor`], else Burn's graph ([`super::graph`]).
//! The batch is cut into shards with a thread each; their gradients are summed in order, so a run repeats
//! bit for bit with the same number of shards.

use std::borrow::Cow;
use std::ops::{Add, Range};
use std::sync::Arc;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use tailor_core::init;
use tailor_packs::ModelConfig;

use super::bank::{AdamW, Learned, Part, TailorBank, Update};
use super::graph::{self, DeviceBank};
use super::kernels;
use super::loader::Batch;
use super::processor::{self, Network, Pool, Sample};
use crate::parallel::Workers;

/// Values that one thread updates at a time.
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
    Processor { network: Arc<Network>, learned: Learned, pool: Arc<Pool> },
    Graph(graph::Learngene),
}

/// Where the tailors are learned.
#[derive(Clone, Debug)]
enum Bank {
    Host(TailorBank),
    Device(Box<DeviceBank>),
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
    bank: Bank,
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
        let learngene = on_processor(config, learngene);
        let trainer = Self {
            config: config.clone(),
            device: device.clone(),
            adamw: AdamW::default(),
            workers: Arc::new(Workers::with_count(1)),
            micro_batch: usize::MAX,
            frozen: false,
            learngene,
            bank: Bank::Host(bank),
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
                // It reads tailors from host memory alone.
                self.bank = Bank::Host(TailorBank::from_states(self.tailors().into_owned()));
                on_processor(&self.config, learned)
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

    /// Makes a graph's products in this number format; the processor's own engine has `f32` alone.
    pub fn with_products_in(mut self, format: FloatDType) -> Self {
        if let Learngene::Graph(learngene) = self.learngene {
            self.learngene = Learngene::Graph(learngene.with_products_in(format));
        }
        self
    }

    /// Moves the tailors beside a graph's learngene onto the device, if they take no more than so many bytes
    /// of it; without, they stay in host memory and only those of a batch's classes visit the device.
    pub fn with_device_bank(mut self, bytes: u64) -> Self {
        if let (Learngene::Graph(_), Bank::Host(bank)) = (&self.learngene, &self.bank) {
            let states = bank.states();
            if !states.is_empty() && DeviceBank::bytes(&self.config, states.len()) <= bytes {
                self.bank = Bank::Device(Box::new(DeviceBank::new(states, &self.device)));
            }
        }
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

    /// The tailors with their moments and averages, by class number.
    pub fn tailors(&self) -> Cow<'_, [Learned]> {
        match &self.bank {
            Bank::Host(bank) => bank.states().into(),
            Bank::Device(bank) => bank.states(&(0..bank.classes()).collect::<Vec<_>>()).into(),
        }
    }

    /// The tailor of class number `class`.
    pub fn tailor(&self, class: usize) -> Learned {
        match &self.bank {
            Bank::Host(bank) => bank.states()[class].clone(),
            Bank::Device(bank) => bank.states(&[class]).remove(0),
        }
    }

    /// The squared errors of a batch and the gradients by the learngene's flat parameters and by the tailors
    /// of its classes in rising order, nothing updated.
    pub fn gradients(&self, batch: &Batch) -> processor::Gradients {
        match &self.learngene {
            Learngene::Processor { network, learned, pool } => self.by_hand(network, learned, pool, batch),
            Learngene::Graph(learngene) => {
                let classes = batch.classes();
                let found = self.by_graph(learngene, &classes, batch);
                let (learngene, tailors) = (found.learngene_values(), found.tailor_values(&classes));
                processor::Gradients { squares: found.squares, learngene, tailors }
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
        match &self.learngene {
            Learngene::Processor { network, learned, pool } => {
                let found = self.by_hand(network, learned, pool, batch);
                squares = found.squares;
                let Some(scale) = scale(squares, self.norm_squared(&found)) else { return f32::NAN };
                update.scale = scale;
                self.update(&found, &update);
                if let Learngene::Processor { pool, .. } = &self.learngene {
                    pool.give_back(found);
                }
            }
            Learngene::Graph(learngene) => {
                let classes = batch.classes();
                let found = self.by_graph(learngene, &classes, batch);
                squares = found.squares;
                let Some(scale) = scale(squares, found.norm_squared()) else { return f32::NAN };
                update.scale = scale;
                match (&mut self.bank, &found.tailors) {
                    (Bank::Host(_), _) => {
                        let tailors = found.tailor_values(&classes);
                        self.update(&processor::Gradients { tailors, ..Default::default() }, &update);
                    }
                    (Bank::Device(bank), Some(rows)) => {
                        bank.update(&classes, rows.clone(), &self.adamw, &update);
                    }
                    (Bank::Device(_), None) => {}
                }
                if let (Learngene::Graph(learngene), false) = (&mut self.learngene, self.frozen) {
                    learngene.update(found.learngene, &self.adamw, &update);
                }
            }
        }
        self.step += 1;
        self.ema_clock = clock;
        (squares / batch.target.len() as f64) as f32
    }

    /// Updates whatever of learngene and tailors lies in host memory, in parts side by side.
    fn update(&mut self, found: &processor::Gradients, update: &Update) {
        let mut parts: Vec<Part<'_>> = Vec::new();
        if let (Learngene::Processor { learned, .. }, false) = (&mut self.learngene, self.frozen) {
            parts.extend(learned.parts(&found.learngene, UPDATE_PART, &self.adamw, update));
        }
        if let Bank::Host(bank) = &mut self.bank {
            let classes: Vec<usize> = found.tailors.iter().map(|(class, _)| *class).collect();
            for (tailor, (_, gradient)) in bank.states_mut(&classes).into_iter().zip(&found.tailors) {
                parts.extend(tailor.parts(gradient, UPDATE_PART, &self.adamw, update));
            }
        }
        self.workers.map(parts, Part::update);
    }

    /// Sum of the squares of every gradient.
    fn norm_squared(&self, found: &processor::Gradients) -> f64 {
        let all = found.tailors.iter().map(|(_, gradient)| gradient).chain([&found.learngene]);
        let parts = all.flat_map(|gradient| gradient.chunks(UPDATE_PART)).collect();
        self.workers.map(parts, kernels::sum_of_squares).into_iter().sum()
    }

    /// Gradients by hand: images of one class follow each other, and each shard takes its part of them.
    fn by_hand(
        &self,
        network: &Network,
        learned: &Learned,
        pool: &Pool,
        batch: &Batch,
    ) -> processor::Gradients {
        let Bank::Host(bank) = &self.bank else { unreachable!("beside the processor's engine") };
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
            let tailor = |class: usize| &bank.states()[class].parameters[..];
            network.gradients(&learned.parameters, tailor, &samples, factor, self.frozen, pool)
        });
        let add = |sum: processor::Gradients, part| sum.add(part, pool);
        parts.into_iter().reduce(add).unwrap_or_default()
    }

    fn by_graph(&self, learngene: &graph::Learngene, classes: &[usize], batch: &Batch) -> graph::Gradients {
        let rows = match &self.bank {
            _ if classes.is_empty() => None,
            Bank::Host(bank) => {
                let values = bank.rows(classes);
                let shape = [classes.len(), values.len() / classes.len()];
                Some(Tensor::from_data(TensorData::new(values, shape), &self.device))
            }
            Bank::Device(bank) => Some(bank.rows(classes)),
        };
        let of = |range| learngene.gradients((classes, rows.as_ref()), batch, range, self.frozen);
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

fn on_processor(config: &ModelConfig, learned: Learned) -> Learngene {
    Learngene::Processor { network: Arc::new(Network::new(config)), learned, pool: Arc::default() }
}

impl processor::Gradients {
    /// The sum of two parts of a batch, the second of which goes on with the classes of the first.
    fn add(mut self, part: Self, pool: &Pool) -> Self {
        self.squares += part.squares;
        kernels::add(&mut self.learngene, &part.learngene);
        let mut spent = Self { learngene: part.learngene, ..Self::default() };
        for (class, gradient) in part.tailors {
            match self.tailors.last_mut() {
                Some((last, sum)) if *last == class => {
                    kernels::add(sum, &gradient);
                    spent.tailors.push((class, gradient));
                }
                _ => self.tailors.push((class, gradient)),
            }
        }
        pool.give_back(spent);
        self
    }
}

/// `0..len` in `n` parts of about the same length, none empty.
fn parts(len: usize, n: usize) -> Vec<Range<usize>> {
    let n = n.min(len);
    (0..n).map(|i| i * len / n..(i + 1) * len / n).collect()
}
