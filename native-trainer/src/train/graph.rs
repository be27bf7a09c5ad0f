//! A training step as Burn's graph: on any device, and on the processor the specification to which
//! `processor` is held.

use std::ops::{Add, Range};

use burn::tensor::{Device, Tensor, TensorData};
use tailor_core::{Dit, Parameters, factored};
use tailor_packs::{ModelConfig, TensorSpec};

use super::bank::{AdamW, Learned, TailorBank, Update};
use super::loader::Batch;

/// A dense parameter with its moments and average, flat on a device.
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

impl DenseState {
    /// A parameter at its first values.
    pub fn new(values: Vec<f32>, device: &Device) -> Self {
        let parameter = tensor(values, device);
        let zeros = parameter.zeros_like();
        Self { ema: parameter.clone(), first: zeros.clone(), second: zeros, parameter }
    }

    /// AdamW step number `step` (from 1), then the average.
    pub fn update(&mut self, gradient: Tensor<1>, step: u64, adamw: &AdamW, update: &Update) {
        let (rate, root) = adamw.corrections(step, update.learning_rate);
        let (decay, shrink) = (update.decay, 1.0 - update.learning_rate * adamw.weight_decay);
        let gradient = if update.scale == 1.0 { gradient } else { gradient * update.scale };
        let take = |t: &mut Tensor<1>| t.extract();
        self.first = take(&mut self.first) * adamw.beta1 + gradient.clone() * (1.0 - adamw.beta1);
        self.second = take(&mut self.second) * adamw.beta2 + gradient.square() * (1.0 - adamw.beta2);
        let move_by = self.first.clone() * rate / (self.second.clone().sqrt() * root + adamw.epsilon);
        self.parameter = take(&mut self.parameter) * shrink - move_by;
        self.ema = take(&mut self.ema) * decay + self.parameter.clone() * (1.0 - decay);
    }
}

fn tensor(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

fn values(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("converted to f32"))
}

/// The learngene on a device.
#[derive(Clone, Debug)]
pub struct Learngene {
    config: ModelConfig,
    device: Device,
    specs: Vec<TensorSpec>,
    states: Vec<DenseState>,
    steps: u64,
    ema_clock: f64,
}

/// What one part of a batch contributes: its squared errors and the gradients, the tailors' by class.
#[derive(Default)]
pub struct Gradients {
    /// Sum of squared errors.
    pub squares: f64,
    /// By each tensor of the learngene.
    pub learngene: Vec<Tensor<1>>,
    /// By the flat parameters of each class's tailor.
    pub tailors: Vec<(usize, Vec<f32>)>,
}

impl Learngene {
    /// Puts a learngene on `device`.
    pub fn new(config: &ModelConfig, learned: &Learned, device: &Device) -> Self {
        let specs = config.learngene_tensors();
        let mut start = 0;
        let state = |spec: &TensorSpec| {
            let range = start..start + spec.len();
            start = range.end;
            let part = |values: &[f32]| tensor(values[range.clone()].to_vec(), device);
            DenseState {
                parameter: part(&learned.parameters),
                first: part(&learned.first),
                second: part(&learned.second),
                ema: part(&learned.ema),
            }
        };
        let states = specs.iter().map(state).collect();
        let (steps, ema_clock) = (learned.steps, learned.ema_clock);
        Self { config: config.clone(), device: device.clone(), specs, states, steps, ema_clock }
    }

    /// The learngene back on the host.
    pub fn learned(&self) -> Learned {
        let all =
            |part: fn(&DenseState) -> &Tensor<1>| self.states.iter().flat_map(|s| values(part(s))).collect();
        Learned {
            parameters: all(|s| &s.parameter),
            first: all(|s| &s.first),
            second: all(|s| &s.second),
            ema: all(|s| &s.ema),
            steps: self.steps,
            ema_clock: self.ema_clock,
        }
    }

    /// One step of every tensor.
    pub fn update(&mut self, gradients: Vec<Tensor<1>>, adamw: &AdamW, update: &Update) {
        self.steps += 1;
        self.ema_clock = update.ema_clock;
        for (state, gradient) in self.states.iter_mut().zip(gradients) {
            state.update(gradient, self.steps, adamw, update);
        }
    }

    /// Gradients of the mean squared error of the whole batch by the images in `range`.
    /// With `frozen`, the learngene gets no gradient.
    pub fn gradients(
        &self,
        bank: &TailorBank,
        batch: &Batch,
        range: Range<usize>,
        frozen: bool,
    ) -> Gradients {
        let device = self.device.clone().autodiff();
        let labels = &batch.labels[range.clone()];
        let mut classes: Vec<usize> = labels.iter().flatten().copied().collect();
        classes.sort_unstable();
        classes.dedup();
        let slot = |class: &Option<usize>| class.and_then(|c| classes.binary_search(&c).ok());
        let gate = labels.iter().map(|class| slot(class).map(|s| (s, 1.0)).into_iter().collect()).collect();

        let leaf = |parameter: Tensor<1>| if frozen { parameter } else { parameter.require_grad() };
        let dense: Vec<Tensor<1>> =
            self.states.iter().map(|s| leaf(s.parameter.clone().autodiff())).collect();
        let tailor_specs = self.config.tailor_tensors();
        let mut start = 0;
        let leaf = |spec: &TensorSpec| {
            let values = bank.gather(&classes, start..start + spec.len());
            start += spec.len();
            tensor(values, &device).require_grad()
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
        let image = |values: &[f32]| {
            let ([c, h, w], n) = (batch.shape, batch.values());
            let part = values[range.start * n..range.end * n].to_vec();
            Tensor::<4>::from_data(TensorData::new(part, [range.len(), c, h, w]), &device)
        };
        let output = dit.forward(image(&batch.x), &batch.times[range.clone()], tailors.as_ref());
        let squares = (output - image(&batch.target)).square().sum();
        let mut gradients = (squares.clone() / batch.target.len() as f64).backward();

        // A parameter that took no part has no gradient: a zero one, since its shape is needed below.
        let dense = dense.iter().zip(&self.states).filter(|_| !frozen);
        let dense =
            dense.map(|(p, s)| p.grad_remove(&mut gradients).unwrap_or_else(|| s.parameter.zeros_like()));
        let dense = dense.collect();
        let mut tailors: Vec<(usize, Vec<f32>)> = classes.iter().map(|c| (*c, Vec::new())).collect();
        for (leaf, spec) in leaves.iter().zip(&tailor_specs) {
            let gradient = leaf.grad_remove(&mut gradients).map(|g| values(&g));
            for (k, (_, row)) in tailors.iter_mut().enumerate() {
                match &gradient {
                    Some(values) => row.extend_from_slice(&values[k * spec.len()..(k + 1) * spec.len()]),
                    None => row.resize(row.len() + spec.len(), 0.0),
                }
            }
        }
        Gradients { squares: f64::from(squares.into_scalar::<f32>()), learngene: dense, tailors }
    }
}

impl Add for Gradients {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.squares += other.squares;
        self.learngene = self.learngene.into_iter().zip(other.learngene).map(|(a, b)| a + b).collect();
        super::add_tailors(&mut self.tailors, other.tailors);
        self
    }
}

impl Gradients {
    /// Sum of the squares of every gradient.
    pub fn norm_squared(&self) -> f64 {
        let shared = self.learngene.iter().map(|g| g.clone().square().sum()).reduce(|a, b| a + b);
        shared.map_or(0.0, |g| f64::from(g.into_scalar::<f32>())) + super::norm_squared(&self.tailors)
    }

    /// By the learngene's flat parameters.
    pub fn learngene_values(&self) -> Vec<f32> {
        self.learngene.iter().flat_map(values).collect()
    }
}
