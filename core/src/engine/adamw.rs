//! AdamW with a moving average of the parameters, which skips parameters that get no gradient.

use super::kernels::dispatch;

/// AdamW's settings (Loshchilov & Hutter 2019).
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// What is added to the denominator, to keep it from zero.
    pub epsilon: f64,
    /// Decoupled weight decay; 0 in the KIND paper.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamW {
    /// Returns the factors of step number `step` (from 1) at learning rate `lr`: `(lr / (1 − β₁ᵗ),
    /// 1 / √(1 − β₂ᵗ))`.
    pub fn corrections(&self, step: u64, lr: f64) -> (f64, f64) {
        let t = step.min(i32::MAX as u64) as i32;
        (lr / (1.0 - self.beta1.powi(t)), 1.0 / (1.0 - self.beta2.powi(t)).sqrt())
    }
}

/// Flat parameters with their AdamW moments and moving average. They belong to a tailor, in the
/// order of `ModelConfig::tailor_tensors`, or to the learngene, in that of
/// `ModelConfig::learngene_tensors`.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// The parameters.
    pub parameters: Vec<f32>,
    /// First moments.
    pub first: Vec<f32>,
    /// Second moments.
    pub second: Vec<f32>,
    /// Exponential moving average (EMA) of the parameters, as of `ema_clock`.
    pub ema: Vec<f32>,
    /// Number of optimiser steps made.
    pub steps: u64,
    /// Value of the run's EMA clock when `ema` was last brought up to date.
    pub ema_clock: f64,
}

/// The settings of one optimiser step.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Learning rate.
    pub learning_rate: f64,
    /// Factor of the gradient, below 1 where the gradient is clipped.
    pub scale: f64,
    /// The EMA's clock after this step, which is the sum of `ln d` over all steps of the run.
    pub ema_clock: f64,
    /// The EMA's decay `d` at this step.
    pub decay: f64,
}

impl Learned {
    /// Makes the state before the first step, with zero moments and an average that equals the
    /// parameters.
    pub fn new(parameters: Vec<f32>) -> Self {
        let zeros = vec![0.0; parameters.len()];
        let (first, second, ema) = (zeros.clone(), zeros, parameters.clone());
        Self { parameters, first, second, ema, steps: 0, ema_clock: 0.0 }
    }

    /// Makes one AdamW step, and brings the average up to date, after any number of steps without a
    /// gradient. In those the parameters did not change, so the average moved towards them by a
    /// known factor.
    pub fn update(&mut self, gradient: &[f32], adamw: &AdamW, update: &Update) {
        self.parts(gradient, gradient.len(), adamw, update).into_iter().for_each(UpdatePart::update);
    }

    /// Splits [`Learned::update`] into parts of up to `len` values, which can be updated in any
    /// order or side by side.
    pub fn parts<'a>(
        &'a mut self,
        gradient: &'a [f32],
        len: usize,
        adamw: &AdamW,
        update: &Update,
    ) -> Vec<UpdatePart<'a>> {
        // The average's decay from its last update to the step before this one; `p` did not change
        // meanwhile.
        let idle = (update.ema_clock - update.decay.ln() - self.ema_clock).exp() as f32;
        self.steps += 1;
        self.ema_clock = update.ema_clock;
        let (rate, root) = adamw.corrections(self.steps, update.learning_rate);
        let factors = Factors {
            idle,
            rate: rate as f32,
            root: root as f32,
            epsilon: adamw.epsilon as f32,
            betas: (adamw.beta1 as f32, adamw.beta2 as f32),
            shrink: (1.0 - update.learning_rate * adamw.weight_decay) as f32,
            scale: update.scale as f32,
            decay: update.decay as f32,
        };
        let moments = self.first.chunks_mut(len).zip(self.second.chunks_mut(len));
        let values = self.parameters.chunks_mut(len).zip(self.ema.chunks_mut(len));
        let parts = values.zip(moments).zip(gradient.chunks(len));
        parts.map(|(((p, ema), (m, v)), g)| UpdatePart { p, ema, m, v, g, factors }).collect()
    }

    /// Returns the moving average as of `clock`.
    pub fn ema(&self, clock: f64) -> Vec<f32> {
        let idle = (clock - self.ema_clock).exp() as f32;
        self.ema.iter().zip(&self.parameters).map(|(ema, p)| p + (ema - p) * idle).collect()
    }
}

#[derive(Clone, Copy, Debug)]
struct Factors {
    idle: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
    betas: (f32, f32),
    shrink: f32,
    scale: f32,
    decay: f32,
}

/// Some of the values of a [`Learned`], with all that their update needs.
#[derive(Debug)]
pub struct UpdatePart<'a> {
    p: &'a mut [f32],
    ema: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    g: &'a [f32],
    factors: Factors,
}

impl UpdatePart<'_> {
    /// Makes the update.
    pub fn update(self) {
        let Self { p, ema, m, v, g, factors } = self;
        let Factors { idle, rate, root, epsilon, betas: (b1, b2), shrink, scale, decay } = factors;
        dispatch(|| {
            for (((p, ema), (m, v)), g) in p.iter_mut().zip(ema).zip(m.iter_mut().zip(v)).zip(g) {
                let g = g * scale;
                *ema = *p + (*ema - *p) * idle;
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *p = *p * shrink - rate * *m / (v.sqrt() * root + epsilon);
                *ema = *p + (*ema - *p) * decay;
            }
        });
    }
}
