//! One training step: draw noise and times, gather the batch's tailors as leaves, differentiate,
//! update the learngene densely and the gathered tailors lazily.

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use tailor_core::noise::{Stream, generator, standard_normal, uniform};
use tailor_core::path::{self, Node};
use tailor_core::{Dit, Parameters, factored, init};
use tailor_packs::{ModelConfig, Objective, TensorSpec};

use super::bank::{AdamW, TailorBank};

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
        let upload = |values: Vec<f32>| {
            let n = values.len();
            let parameter = Tensor::<1>::from_data(TensorData::new(values, [n]), device);
            let zeros = Tensor::zeros([n], device);
            DenseState { ema: parameter.clone(), first: zeros.clone(), second: zeros, parameter }
        };
        let learngene = init::learngene(config, seed).into_iter().map(upload).collect();
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

    /// One step on a batch; returns the mean squared error.
    ///
    /// # Shapes
    /// - `images`: `[B, C, H, W]` in `[-1, 1]`, flat
    /// - `labels`: the class number of each image
    pub fn step(&mut self, images: Vec<f32>, labels: &[usize], settings: &StepSettings) -> f32 {
        let device = self.device.clone().autodiff();
        let b = labels.len();
        let number = self.step as u32;
        let (x, target, times) = self.noised(images, b, settings.seed, number, &device);

        let mut rng = generator(settings.seed, Stream::Training(purpose::DROPOUT, number));
        let kept: Vec<bool> = labels.iter().map(|_| uniform(&mut rng) >= settings.label_dropout).collect();
        let mut classes: Vec<usize> = labels.iter().zip(&kept).filter(|(_, k)| **k).map(|(c, _)| *c).collect();
        classes.sort_unstable();
        classes.dedup();
        let slot = |class: &usize| classes.binary_search(class).ok();
        let gate = labels.iter().zip(&kept).map(|(class, kept)| {
            let slot = slot(class).filter(|_| *kept);
            slot.map(|s| (s, 1.0)).into_iter().collect()
        });
        let gate = gate.collect();

        let leaf = |tensor: Tensor<1>| tensor.to_device(&device).require_grad();
        let dense: Vec<Tensor<1>> = self.learngene.iter().map(|s| Tensor::from_inner(s.parameter.clone()).require_grad()).collect();
        let tailor_specs = self.config.tailor_tensors();
        let mut start = 0;
        let leaves: Vec<Tensor<1>> = tailor_specs
            .iter()
            .map(|spec| {
                let range = start..start + spec.len();
                start = range.end;
                let values = self.bank.gather(&classes, range);
                let n = values.len();
                leaf(Tensor::<1>::from_data(TensorData::new(values, [n]), &device))
            })
            .collect();
        let tailors = match classes.len() {
            0 => None,
            k => factored::TailorStack::from_flat(&self.config, k, &leaves).gather(&gate),
        };
        let dit = Dit::new(&self.config, &Parameters::new(&self.specs, dense.iter().cloned()), &device);
        let output = dit.forward(x, &times, tailors.as_ref());
        let loss = (output - target).square().mean();
        let mut gradients = loss.backward();

        self.step += 1;
        let decay = settings.ema_decay.min((1 + self.step) as f64 / (10 + self.step) as f64);
        self.ema_clock += decay.ln();
        let (rate, root) = self.adamw.corrections(self.step, settings.learning_rate);
        for (state, parameter) in self.learngene.iter_mut().zip(&dense) {
            if let Some(gradient) = parameter.grad_remove(&mut gradients) {
                state.update(gradient, rate, root, settings.learning_rate, &self.adamw, decay);
            }
        }
        if !classes.is_empty() {
            self.update_tailors(&classes, &leaves, &tailor_specs, &mut gradients, settings.learning_rate, decay);
        }
        loss.into_scalar::<f32>()
    }

    /// Noisy images, what the network should say of them, and their times.
    fn noised(
        &self,
        images: Vec<f32>,
        b: usize,
        seed: u64,
        number: u32,
        device: &Device,
    ) -> (Tensor<4>, Tensor<4>, Vec<f32>) {
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
        let shape = [b, self.config.channels as usize, side, side];
        let upload = |v: Vec<f32>| Tensor::<4>::from_data(TensorData::new(v, shape), device);
        (upload(x), upload(target), places.iter().map(|p| p.t as f32).collect())
    }

    fn update_tailors(
        &mut self,
        classes: &[usize],
        leaves: &[Tensor<1>],
        specs: &[TensorSpec],
        gradients: &mut burn::tensor::Gradients,
        lr: f64,
        decay: f64,
    ) {
        let mut by_class = vec![Vec::new(); classes.len()];
        for (leaf, spec) in leaves.iter().zip(specs) {
            let gradient = leaf.grad_remove(gradients).map(|g| g.into_data().convert::<f32>());
            let gradient = gradient.as_ref().and_then(|g| g.as_slice::<f32>().ok());
            for (k, row) in by_class.iter_mut().enumerate() {
                match gradient {
                    Some(values) => row.extend_from_slice(&values[k * spec.len()..(k + 1) * spec.len()]),
                    None => row.resize(row.len() + spec.len(), 0.0),
                }
            }
        }
        for (class, gradient) in classes.iter().zip(&by_class) {
            self.bank.update(*class, gradient, lr, &self.adamw, self.ema_clock, decay);
        }
    }
}

impl DenseState {
    fn update(&mut self, gradient: Tensor<1>, rate: f64, root: f64, lr: f64, adamw: &AdamW, decay: f64) {
        let take = |t: &mut Tensor<1>| t.extract();
        self.first = take(&mut self.first) * adamw.beta1 + gradient.clone() * (1.0 - adamw.beta1);
        self.second = take(&mut self.second) * adamw.beta2 + gradient.square() * (1.0 - adamw.beta2);
        let move_by = self.first.clone() * rate / (self.second.clone().sqrt() * root + adamw.epsilon);
        self.parameter = take(&mut self.parameter) * (1.0 - lr * adamw.weight_decay) - move_by;
        self.ema = take(&mut self.ema) * decay + self.parameter.clone() * (1.0 - decay);
    }
}
