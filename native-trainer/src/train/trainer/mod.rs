//! A model in training: one step takes a batch's gradients and updates the learngene densely and the tailors
//! of its classes lazily.
//!
//! On the processor the gradients are those of [`tailor_core::engine`], else Burn's graph (`super::graph`).
//! The batch is cut into shards with a thread each; their gradients are summed in order, so a run repeats
//! bit for bit with the same number of shards.

mod gradients;
mod shortcut;

use std::borrow::Cow;
use std::sync::Arc;

use tailor_core::engine::{self, Network, Pool};
use tailor_core::{init, threads};
use tailor_packs::{ModelConfig, Weights};

use super::bank::TailorBank;
#[cfg(feature = "graph")]
use super::graph::{self, DeviceBank};
use super::loader::Batch;
use super::method::Adaption;
use super::teacher::Teacher;
use crate::compute::device::{Bf16, Device, bf16};
use crate::error::Error;
use crate::settings::device::{DeviceSettings, Precision};
#[cfg(feature = "graph")]
use burn::tensor::FloatDType;
use tailor_core::engine::adamw::{AdamW, Learned, Update, UpdatePart};

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
pub enum GradientEngine {
    /// Written out by hand for the processor.
    Processor,
    /// Burn's graph, on any device.
    #[cfg(feature = "graph")]
    Graph,
}

impl GradientEngine {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            #[cfg(feature = "graph")]
            Self::Graph => "graph",
        }
    }
}

/// Where the learngene is learned.
#[derive(Clone, Debug)]
enum TrainedLearngene {
    Processor {
        network: Arc<Network>,
        learned: Learned,
        pool: Arc<Pool>,
    },
    #[cfg(feature = "graph")]
    Graph(graph::GraphLearngene),
}

/// Where the tailors are learned.
#[derive(Clone, Debug)]
enum Bank {
    Host(TailorBank),
    #[cfg(feature = "graph")]
    Device(Box<DeviceBank>),
}

/// A model in training.
#[derive(Clone, Debug)]
pub struct Trainer {
    config: ModelConfig,
    device: Device,
    adamw: AdamW,
    threads: usize,
    micro_batch: usize,
    frozen: bool,
    /// How much components are kept apart.
    orthogonality: f32,
    /// What a method makes of the network: the learngene's place is then taken by the values that it trains.
    #[cfg_attr(not(feature = "graph"), allow(dead_code, reason = "there is none without Burn's graph"))]
    adaption: Option<Arc<Adaption>>,
    /// What the network is drawn towards, beside its task.
    teacher: Option<Arc<Teacher>>,
    learngene: TrainedLearngene,
    bank: Bank,
    /// Steps made.
    pub step: u64,
    /// Σ ln d over the steps made: the clock of the EMA's closed form.
    pub ema_clock: f64,
}

impl Trainer {
    /// A random model of `classes` classes on `device`.
    ///
    /// # Errors
    /// Those of [`Trainer::from_parts`].
    pub fn new(config: &ModelConfig, classes: usize, seed: u64, device: &Device) -> Result<Self, Error> {
        let learngene = Learned::new(init::learngene(config, seed).concat());
        Self::from_parts(config, device, None, learngene, TailorBank::new(config, seed, classes), 0, 0.0)
    }

    /// A model from saved parts, on the engine that suits the device. With an `adaption`, `learngene` are the values that
    /// its method trains. Where the processor's own does not know
    /// the config, Burn's graph takes over if this build has it, and says so.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Model`] for a config that no engine of this build knows.
    pub fn from_parts(
        config: &ModelConfig,
        device: &Device,
        adaption: Option<Arc<Adaption>>,
        learngene: Learned,
        bank: TailorBank,
        step: u64,
        ema_clock: f64,
    ) -> Result<Self, Error> {
        config.supported_by("this program", &tailor_core::model::KNOWN)?;
        let engine = engine_for(config, device)?;
        Ok(Self {
            config: config.clone(),
            device: device.clone(),
            adamw: AdamW::default(),
            threads: 1,
            micro_batch: usize::MAX,
            frozen: false,
            orthogonality: 0.0,
            learngene: match engine {
                Some(network) => on_processor(network, learngene),
                #[cfg(feature = "graph")]
                None => TrainedLearngene::Graph(graph::GraphLearngene::new(
                    config,
                    adaption.clone(),
                    &learngene,
                    &device.for_graph(),
                )),
                #[cfg(not(feature = "graph"))]
                None => unreachable!("this build has one engine"),
            },
            adaption,
            teacher: None,
            bank: Bank::Host(bank),
            step,
            ema_clock,
        })
    }

    /// Computes gradients with `engine`.
    ///
    /// # Errors
    /// [`Error::Model`] when the engine does not know the config.
    #[cfg(feature = "graph")]
    pub fn with_engine(mut self, engine: GradientEngine) -> Result<Self, Error> {
        let learned = self.learngene();
        self.learngene = match engine {
            GradientEngine::Processor => {
                // It reads tailors from host memory alone.
                self.bank = Bank::Host(TailorBank::from_states(self.tailors().into_owned()));
                on_processor(network(&self.config)?, learned)
            }
            GradientEngine::Graph => {
                let (device, adaption) = (self.device.for_graph(), self.adaption.clone());
                let graph = graph::GraphLearngene::new(&self.config, adaption, &learned, &device);
                TrainedLearngene::Graph(graph.with_teacher(self.teacher.as_deref()))
            }
        };
        Ok(self)
    }

    /// Which program computes gradients.
    pub fn engine(&self) -> GradientEngine {
        match &self.learngene {
            TrainedLearngene::Processor { .. } => GradientEngine::Processor,
            #[cfg(feature = "graph")]
            TrainedLearngene::Graph(_) => GradientEngine::Graph,
        }
    }

    /// What a report and a checkpoint call the engine: its name, and that of the graph's device.
    pub fn engine_name(&self) -> String {
        let name = self.engine().name();
        match self.engine() {
            GradientEngine::Processor => name.to_owned(),
            #[cfg(feature = "graph")]
            GradientEngine::Graph => format!("{name} on {}", self.device.name()),
        }
    }

    /// Cuts each batch into `n` shards with a thread of their own.
    pub fn with_shards(mut self, n: usize) -> Self {
        self.threads = n.max(1);
        self
    }

    /// Puts no more than `n` images at a time through a graph, and accumulates their gradients.
    pub fn with_micro_batch(mut self, n: usize) -> Self {
        self.micro_batch = n.max(1);
        self
    }

    /// Makes a graph's products in this number format; the processor's own engine has `f32` alone.
    #[cfg(feature = "graph")]
    pub fn with_products_in(mut self, format: FloatDType) -> Self {
        if let TrainedLearngene::Graph(learngene) = self.learngene {
            self.learngene = TrainedLearngene::Graph(learngene.with_products_in(format));
        }
        self
    }

    /// Moves the tailors beside a graph's learngene onto the device, if they take no more than so many bytes
    /// of it; without, they stay in host memory and only those of a batch's classes visit the device.
    #[cfg(feature = "graph")]
    pub fn with_device_bank(mut self, bytes: u64) -> Self {
        if let (TrainedLearngene::Graph(_), Bank::Host(bank)) = (&self.learngene, &self.bank) {
            let states = bank.states();
            if !states.is_empty() && DeviceBank::bytes(&self.config, states.len()) <= bytes {
                self.bank = Bank::Device(Box::new(DeviceBank::new(states, &self.device.for_graph())));
            }
        }
        self
    }

    /// The same, set up as `settings` say for the device on which it is.
    ///
    /// # Errors
    /// [`Error::Refused`] when the device does not have the number format asked for.
    pub fn with_settings(self, settings: &DeviceSettings) -> Result<Self, Error> {
        let (threads, bf16) = (self.device.threads(), bf16(&self.device));
        let trainer = self.with_shards(threads);
        match settings.precision {
            Some(Precision::Bf16) if bf16 == Bf16::No => Err(Error::Refused {
                what: format!("{} has no bf16 products", trainer.device.name()),
                help: "leave --precision out, or choose another --device".to_owned(),
            }),
            #[cfg(feature = "graph")]
            precision => {
                let half = precision.map_or(bf16 == Bf16::Preferred, |asked| asked == Precision::Bf16);
                let format = if half { FloatDType::BF16 } else { FloatDType::F32 };
                Ok(trainer.with_products_in(format).with_device_bank(u64::from(settings.device_bank) << 20))
            }
            #[cfg(not(feature = "graph"))]
            _ => Ok(trainer),
        }
    }

    /// Keeps the learngene as it is, to train tailors alone.
    pub fn with_frozen_learngene(mut self) -> Self {
        self.frozen = true;
        self
    }

    /// Lets the term that keeps components apart count so much, of the tailors of each batch; see
    /// [`Network::orthogonality`].
    pub fn with_orthogonality(mut self, weight: f64) -> Self {
        self.orthogonality = weight as f32;
        self
    }

    /// Lets AdamW's second moments decay so, instead of as [`AdamW`] does by default.
    pub fn with_beta2(mut self, beta2: f64) -> Self {
        self.adamw.beta2 = beta2;
        self
    }

    /// Draws the network towards what `teacher` makes of the same images, too: see [`tailor_core::distillation`]. Each of
    /// its blocks comes of one of the teacher's.
    pub fn with_teacher(mut self, teacher: Teacher) -> Self {
        #[cfg(feature = "graph")]
        if let TrainedLearngene::Graph(learngene) = self.learngene {
            self.learngene = TrainedLearngene::Graph(learngene.with_teacher(Some(&teacher)));
        }
        self.teacher = Some(Arc::new(teacher));
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

    /// What trains of the network: the learngene, or the values that a method trains in its place, with moments and
    /// average, on the host.
    pub fn learngene(&self) -> Learned {
        match &self.learngene {
            TrainedLearngene::Processor { learned, .. } => learned.clone(),
            #[cfg(feature = "graph")]
            TrainedLearngene::Graph(learngene) => learngene.learned(),
        }
    }

    /// The network's flat values, averaged or as they are, in the order of `ModelConfig::learngene_tensors`.
    pub fn network_values(&self, weights: Weights) -> Vec<f32> {
        let learned = self.learngene();
        let values = match weights {
            Weights::Ema => learned.ema(self.ema_clock),
            Weights::Raw => learned.parameters,
        };
        #[cfg(feature = "graph")]
        if let Some(adaption) = &self.adaption {
            return adaption.weights(&values);
        }
        values
    }

    /// The tailors with their moments and averages, by class number.
    pub fn tailors(&self) -> Cow<'_, [Learned]> {
        match &self.bank {
            Bank::Host(bank) => bank.states().into(),
            #[cfg(feature = "graph")]
            Bank::Device(bank) => bank.states(&(0..bank.classes()).collect::<Vec<_>>()).into(),
        }
    }

    /// The tailor of class number `class`.
    pub fn tailor(&self, class: usize) -> Learned {
        match &self.bank {
            Bank::Host(bank) => bank.states()[class].clone(),
            #[cfg(feature = "graph")]
            Bank::Device(bank) => bank.states(&[class]).remove(0),
        }
    }

    /// The squared errors of a batch and the gradients by the learngene's flat parameters and by the tailors
    /// of its classes in rising order, nothing updated.
    pub fn gradients(&self, batch: &Batch) -> engine::Gradients {
        let batch = &*self.with_targets(batch);
        match &self.learngene {
            TrainedLearngene::Processor { network, learned, pool } => {
                self.by_hand(network, learned, pool, batch)
            }
            #[cfg(feature = "graph")]
            TrainedLearngene::Graph(learngene) => {
                let classes = batch.classes();
                let found = self.by_graph(learngene, &classes, batch);
                let (learngene, tailors) = (found.learngene_values(), found.tailor_values(&classes));
                engine::Gradients { squares: found.squares, distances: found.distances, learngene, tailors }
            }
        }
    }

    /// One step on a batch; returns the mean squared error, to which a teacher adds nothing. When error or gradient is not
    /// finite, nothing is changed and what is returned is not finite either.
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
        let batch = &*self.with_targets(batch);
        let squares;
        match &self.learngene {
            TrainedLearngene::Processor { network, learned, pool } => {
                let pool = pool.clone();
                let found = self.by_hand(network, learned, &pool, batch);
                squares = found.squares;
                let Some(scale) = scale(squares, self.norm_squared(&found)) else { return f32::NAN };
                update.scale = scale;
                self.update(&found, &update);
                self.give_back(found, &pool);
            }
            #[cfg(feature = "graph")]
            TrainedLearngene::Graph(learngene) => {
                let classes = batch.classes();
                let found = self.by_graph(learngene, &classes, batch);
                squares = found.squares;
                let Some(scale) = scale(squares, found.norm_squared()) else { return f32::NAN };
                update.scale = scale;
                match (&mut self.bank, &found.tailors) {
                    (Bank::Host(_), _) => {
                        let tailors = found.tailor_values(&classes);
                        self.update(&engine::Gradients { tailors, ..Default::default() }, &update);
                    }
                    (Bank::Device(bank), Some(rows)) => {
                        bank.update(&classes, rows.clone(), &self.adamw, &update);
                    }
                    (Bank::Device(_), None) => {}
                }
                if let (TrainedLearngene::Graph(learngene), false) = (&mut self.learngene, self.frozen) {
                    learngene.update(found.learngene, &self.adamw, &update);
                }
            }
        }
        self.step += 1;
        self.ema_clock = clock;
        (squares / batch.target.len() as f64) as f32
    }

    /// Updates whatever of learngene and tailors lies in host memory, in parts side by side.
    fn update(&mut self, found: &engine::Gradients, update: &Update) {
        let mut parts: Vec<UpdatePart<'_>> = Vec::new();
        #[allow(irrefutable_let_patterns, reason = "there is one engine without Burn's graph")]
        if let TrainedLearngene::Processor { learned, .. } = &mut self.learngene
            && !self.frozen
        {
            parts.extend(learned.parts(&found.learngene, UPDATE_PART, &self.adamw, update));
        }
        match &mut self.bank {
            Bank::Host(bank) => {
                let classes: Vec<usize> = found.tailors.iter().map(|(class, _)| *class).collect();
                for (tailor, (_, gradient)) in bank.states_mut(&classes).into_iter().zip(&found.tailors) {
                    parts.extend(tailor.parts(gradient, UPDATE_PART, &self.adamw, update));
                }
            }
            #[cfg(feature = "graph")]
            Bank::Device(_) => {}
        }
        threads::map(self.threads, parts, UpdatePart::update);
    }

    /// Keeps the buffers for the next step; those of a method's own values are no buffers of the engine.
    fn give_back(&self, found: engine::Gradients, pool: &Pool) {
        #[cfg(feature = "graph")]
        if self.adaption.is_some() {
            return pool.give_back(engine::Gradients { learngene: Vec::new(), ..found });
        }
        pool.give_back(found);
    }
}

/// The layout of the processor's engine; none where Burn's graph is to be used.
fn engine_for(config: &ModelConfig, device: &Device) -> Result<Option<Network>, Error> {
    match device {
        #[cfg(feature = "graph")]
        Device::Processor => {
            Ok(network(config).inspect_err(|e| crate::say!("note: {e}: training with it")).ok())
        }
        #[cfg(not(feature = "graph"))]
        Device::Processor => network(config).map(Some),
        #[cfg(feature = "graph")]
        Device::Graph(_) => Ok(None),
    }
}

fn network(config: &ModelConfig) -> Result<Network, Error> {
    Ok(Network::new(config).map_err(tailor_core::ModelError::from)?)
}

fn on_processor(network: Network, learned: Learned) -> TrainedLearngene {
    TrainedLearngene::Processor { network: Arc::new(network), learned, pool: Arc::default() }
}
