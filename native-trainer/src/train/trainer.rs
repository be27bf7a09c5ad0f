//! One training step: draw noise and times, gather the batch's tailors as leaves, differentiate,
//! update the learngene densely and the gathered tailors lazily.
//!
//! On the processor the batch is cut into shards, one thread each: whole graphs side by side keep the
//! cores busier than threads inside each of their many small operations.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use tailor_core::noise::{Stream, generator, standard_normal, uniform};
use tailor_core::path::{self, Node};
use tailor_core::{Dit, Parameters, factored, init};
use tailor_packs::{ModelConfig, Objective, TensorSpec};

use super::bank::{AdamW, TailorBank};
use crate::parallel::Workers;

/// Purposes of a run's random draws; each has its own stream for every step.
mod purpose {
    pub(super) const TIMES: u32 = 0;
    pub(super) const NOISE: u32 = 1;
    pub(super) const DROPOUT: u32 = 2;
}

/// What a step needs to know of the run.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Share of labels dropped to the null row with the gate off, for guidance.
    pub label_dropout: f64,
    /// EMA decay in the long run; early steps use less, `(1 + s)/(10 + s)`.
    pub ema_decay: f64,
    /// Seed of the run.
    pub seed: u64,
}

/// A dense parameter of the learngene with its moments and average, flat on the device.
#[derive(Clone, Debug)]
pub struct DenseState {
    /// Parameter.
    pub parameter: Tensor<1>,
    /// First moment.
    pub first: Tensor<1>,
    /// Second moment.
    pub second: Tensor<1>,
    /// Exponential moving average.
    pub ema: Tensor<1>,
}

/// A model in training.
#[derive(Clone, Debug)]
pub struct Trainer {
    config: ModelConfig,
    device: Device,
    specs: Vec<TensorSpec>,
    alphas: Vec<f64>,
    adamw: AdamW,
    workers: Arc<Workers>,
    /// The learngene, in the order of [`ModelConfig::learngene_tensors`].
    pub learngene: Vec<DenseState>,
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
        let learngene =
            init::learngene(config, seed).into_iter().map(|v| DenseState::new(v, device)).collect();
        Self::from_parts(config, device, learngene, TailorBank::new(config, seed, classes), 0, 0.0)
    }

    /// A model from saved parts.
    pub fn from_parts(
        config: &ModelConfig,
        device: &Device,
        learngene: Vec<DenseState>,
        bank: TailorBank,
        step: u64,
        ema_clock: f64,
    ) -> Self {
        Self {
            config: config.clone(),
            device: device.clone(),
            specs: config.learngene_tensors(),
            alphas: path::alphas_cumprod(),
            adamw: AdamW::default(),
            workers: Arc::new(Workers::with_count(1)),
            learngene,
            bank,
            step,
            ema_clock,
        }
    }

    /// The model's sizes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the learngene lives.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Cuts each batch into `n` shards with a thread of their own. Gradients are summed in order, so
    /// a run repeats bit for bit with the same number of shards.
    pub fn with_shards(mut self, n: usize) -> Self {
        self.workers = Arc::new(Workers::with_count(n));
        self
    }

    /// One step on a batch; returns the mean squared error.
    ///
    /// # Shapes
    /// - `images`: `[B, C, H, W]` in `[-1, 1]`, flat
    /// - `labels`: the class number of each image
    pub fn step(&mut self, images: Vec<f32>, labels: &[usize], settings: &StepSettings) -> f32 {
        let b = labels.len();
        let number = self.step as u32;
        let mut rng = generator(settings.seed, Stream::Training(purpose::DROPOUT, number));
        let kept = |class: &usize| Some(*class).filter(|_| uniform(&mut rng) >= settings.label_dropout);
        let labels: Vec<Option<usize>> = labels.iter().map(kept).collect();
        let batch = self.noised(&images, labels, settings.seed, number);
        let total = self.sharded(&batch);

        self.step += 1;
        let decay = settings.ema_decay.min((1 + self.step) as f64 / (10 + self.step) as f64);
        self.ema_clock += decay.ln();
        let lr = settings.learning_rate;
        let (rate, root) = self.adamw.corrections(self.step, lr);
        for (state, gradient) in self.learngene.iter_mut().zip(total.dense) {
            state.update(gradient, rate, root, lr, &self.adamw, decay);
        }
        for (class, gradient) in &total.tailors {
            self.bank.update(*class, gradient, lr, &self.adamw, self.ema_clock, decay);
        }
        (total.squares / (b * batch.values()) as f64) as f32
    }

    /// Gradients of the whole batch, summed over its shards in order.
    fn sharded(&self, batch: &Batch) -> Gradients {
        let n = self.workers.count().min(batch.len());
        let ranges = (0..n).map(|i| i * batch.len() / n..(i + 1) * batch.len() / n).collect();
        let parts = self.workers.map(ranges, |range| self.gradients(batch, range));
        parts.into_iter().reduce(Gradients::add).unwrap_or_default()
    }

    /// Gradients of the mean squared error of the whole batch by the images in `range`.
    fn gradients(&self, batch: &Batch, range: Range<usize>) -> Gradients {
        let device = self.device.clone().autodiff();
        let labels = &batch.labels[range.clone()];
        let mut classes: Vec<usize> = labels.iter().flatten().copied().collect();
        classes.sort_unstable();
        classes.dedup();
        let slot = |class: &Option<usize>| class.and_then(|c| classes.binary_search(&c).ok());
        let gate = labels.iter().map(|class| slot(class).map(|s| (s, 1.0)).into_iter().collect()).collect();

        let dense: Vec<Tensor<1>> =
            self.learngene.iter().map(|s| s.parameter.clone().autodiff().require_grad()).collect();
        let tailor_specs = self.config.tailor_tensors();
        let mut start = 0;
        let leaf = |spec: &TensorSpec| {
            let values = self.bank.gather(&classes, start..start + spec.len());
            start += spec.len();
            let n = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [n]), &device).require_grad()
        };
        let (leaves, tailors) = match classes.len() {
            0 => (Vec::new(), None),
            k => {
                let leaves: Vec<_> = tailor_specs.iter().map(leaf).collect();
                let stack = factored::TailorStack::from_flat(&self.config, k, &leaves);
                (leaves, stack.gather(&gate))
            }
        };
        let dit = Dit::new(&self.config, &Parameters::new(&self.specs, dense.iter().cloned()), &device);
        let (x, target) =
            (batch.tensor(&batch.x, &range, &device), batch.tensor(&batch.target, &range, &device));
        let output = dit.forward(x, &batch.times[range], tailors.as_ref());
        let squares = (output - target).square().sum();
        let mut gradients = (squares.clone() / (batch.len() * batch.values()) as f64).backward();

        // A parameter that took no part has no gradient: a zero one, since its shape is needed below.
        let dense = dense.iter().zip(&self.learngene);
        let dense =
            dense.map(|(p, s)| p.grad_remove(&mut gradients).unwrap_or_else(|| s.parameter.zeros_like()));
        let dense = dense.collect();
        let mut tailors: Vec<(usize, Vec<f32>)> = classes.iter().map(|c| (*c, Vec::new())).collect();
        for (leaf, spec) in leaves.iter().zip(&tailor_specs) {
            let gradient = leaf.grad_remove(&mut gradients).map(|g| g.into_data().convert::<f32>());
            let gradient = gradient.as_ref().and_then(|g| g.as_slice::<f32>().ok());
            for (k, (_, row)) in tailors.iter_mut().enumerate() {
                match gradient {
                    Some(values) => row.extend_from_slice(&values[k * spec.len()..(k + 1) * spec.len()]),
                    None => row.resize(row.len() + spec.len(), 0.0),
                }
            }
        }
        Gradients { squares: f64::from(squares.into_scalar::<f32>()), dense, tailors }
    }

    /// Noisy images, what the network should say of them, and their times.
    fn noised(&self, images: &[f32], labels: Vec<Option<usize>>, seed: u64, number: u32) -> Batch {
        let b = labels.len();
        let mut rng = generator(seed, Stream::Training(purpose::TIMES, number));
        let places: Vec<Node> = match self.config.objective {
            Objective::Ddpm => {
                (0..b).map(|_| path::ddpm_node(&self.alphas, rng.random_range(0..path::DDPM_STEPS))).collect()
            }
            // Logit-normal times (Esser et al. 2024, §3.1): most of the work lies in the middle.
            Objective::Flow => {
                let normals = standard_normal(rng.random(), Stream::Training(purpose::TIMES, number), b);
                normals.iter().map(|n| path::flow_node(1.0 / (1.0 + (-f64::from(*n)).exp()))).collect()
            }
        };
        let noise = standard_normal(seed, Stream::Training(purpose::NOISE, number), images.len());
        let values = images.len() / b;
        let (mut x, mut target) = (Vec::with_capacity(images.len()), Vec::with_capacity(images.len()));
        for (i, (&x0, &eps)) in images.iter().zip(&noise).enumerate() {
            let place = places[i / values];
            x.push((place.alpha * f64::from(x0) + place.sigma * f64::from(eps)) as f32);
            target.push(match self.config.objective {
                Objective::Ddpm => eps,
                Objective::Flow => eps - x0,
            });
        }
        let side = self.config.image_size as usize;
        let shape = [self.config.channels as usize, side, side];
        Batch { x, target, times: places.iter().map(|p| p.t as f32).collect(), labels, shape }
    }
}

/// A batch on the host: noisy images, targets, times, and classes (`None` where dropped).
struct Batch {
    x: Vec<f32>,
    target: Vec<f32>,
    times: Vec<f32>,
    labels: Vec<Option<usize>>,
    shape: [usize; 3],
}

impl Batch {
    fn len(&self) -> usize {
        self.labels.len()
    }

    /// Values of one image.
    fn values(&self) -> usize {
        self.shape.iter().product()
    }

    /// The images in `range`, `[B, C, H, W]`.
    fn tensor(&self, values: &[f32], range: &Range<usize>, device: &Device) -> Tensor<4> {
        let ([c, h, w], n) = (self.shape, self.values());
        let part = values[range.start * n..range.end * n].to_vec();
        Tensor::from_data(TensorData::new(part, [range.len(), c, h, w]), device)
    }
}

/// What one shard contributes: its squared errors and the gradients, the tailors' by class number.
#[derive(Default)]
struct Gradients {
    squares: f64,
    dense: Vec<Tensor<1>>,
    tailors: Vec<(usize, Vec<f32>)>,
}

impl Gradients {
    fn add(mut self, other: Self) -> Self {
        self.squares += other.squares;
        self.dense = self.dense.into_iter().zip(other.dense).map(|(a, b)| a + b).collect();
        for (class, gradient) in other.tailors {
            match self.tailors.iter_mut().find(|(c, _)| *c == class) {
                Some((_, sum)) => sum.iter_mut().zip(&gradient).for_each(|(a, b)| *a += b),
                None => self.tailors.push((class, gradient)),
            }
        }
        self
    }
}

impl DenseState {
    /// A parameter at its first values.
    pub fn new(values: Vec<f32>, device: &Device) -> Self {
        let n = values.len();
        let parameter = Tensor::<1>::from_data(TensorData::new(values, [n]), device);
        let zeros = Tensor::zeros([n], device);
        Self { ema: parameter.clone(), first: zeros.clone(), second: zeros, parameter }
    }

    /// One AdamW step with the factors of [`AdamW::corrections`], then the average.
    pub fn update(&mut self, gradient: Tensor<1>, rate: f64, root: f64, lr: f64, adamw: &AdamW, decay: f64) {
        let take = |t: &mut Tensor<1>| t.extract();
        self.first = take(&mut self.first) * adamw.beta1 + gradient.clone() * (1.0 - adamw.beta1);
        self.second = take(&mut self.second) * adamw.beta2 + gradient.square() * (1.0 - adamw.beta2);
        let move_by = self.first.clone() * rate / (self.second.clone().sqrt() * root + adamw.epsilon);
        self.parameter = take(&mut self.parameter) * (1.0 - lr * adamw.weight_decay) - move_by;
        self.ema = take(&mut self.ema) * decay + self.parameter.clone() * (1.0 - decay);
    }
}
