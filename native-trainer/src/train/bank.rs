//! The bank of tailors beside the graph: parameters, AdamW moments and EMA of every class, and the
//! update that touches only the classes of a batch.
//!
//! A class that is not in the batch keeps its parameters, moments and step count bit for bit, since
//! nothing of it is read or written. Its EMA is caught up in closed form when it is next needed:
//! after steps in which `p` stood still, `ema ← p + (ema − p)·Πd` (knowledge diversion, KIND §3).

use tailor_core::init;
use tailor_packs::ModelConfig;

/// AdamW's settings (Loshchilov & Hutter 2019).
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the denominator from zero.
    pub epsilon: f64,
    /// Decoupled weight decay; 0 in the paper.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamW {
    /// Factors of step number `step` (from 1) at rate `lr`: `(lr / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ))`.
    pub fn corrections(&self, step: u64, lr: f64) -> (f64, f64) {
        let t = step.min(i32::MAX as u64) as i32;
        (lr / (1.0 - self.beta1.powi(t)), 1.0 / (1.0 - self.beta2.powi(t)).sqrt())
    }
}

/// Everything that is kept of one tailor, flat in the order of `ModelConfig::tailor_tensors`.
#[derive(Clone, Debug, PartialEq)]
pub struct TailorState {
    /// Parameters.
    pub parameters: Vec<f32>,
    /// First moments.
    pub first: Vec<f32>,
    /// Second moments.
    pub second: Vec<f32>,
    /// Exponential moving average of the parameters, as of `ema_clock`.
    pub ema: Vec<f32>,
    /// Optimiser steps this tailor has made.
    pub steps: u64,
    /// Value of the run's EMA clock when `ema` was last brought up to date.
    pub ema_clock: f64,
}

/// The tailors of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TailorBank {
    tailors: Vec<TailorState>,
}

impl TailorBank {
    /// Random tailors for `classes` classes.
    pub fn new(config: &ModelConfig, seed: u64, classes: usize) -> Self {
        let tailor = |class: usize| {
            let parameters = init::tailor(config, seed, class as u32).concat();
            let zeros = vec![0.0; parameters.len()];
            TailorState {
                first: zeros.clone(),
                second: zeros,
                ema: parameters.clone(),
                parameters,
                steps: 0,
                ema_clock: 0.0,
            }
        };
        Self { tailors: (0..classes).map(tailor).collect() }
    }

    /// A bank from saved tailors.
    pub fn from_states(tailors: Vec<TailorState>) -> Self {
        Self { tailors }
    }

    /// The state of every tailor, by class number.
    pub fn states(&self) -> &[TailorState] {
        &self.tailors
    }

    /// The parameters of `classes` side by side for the values `range` of each tailor.
    pub fn gather(&self, classes: &[usize], range: std::ops::Range<usize>) -> Vec<f32> {
        classes.iter().flat_map(|&c| &self.tailors[c].parameters[range.clone()]).copied().collect()
    }

    /// One lazy AdamW step of `class`. `clock` is the EMA clock after this step and `decay` the
    /// EMA's decay at this step.
    pub fn update(&mut self, class: usize, gradient: &[f32], lr: f64, adamw: &AdamW, clock: f64, decay: f64) {
        let tailor = &mut self.tailors[class];
        // Up to the step before this one, in which p stood still.
        let idle = (clock - decay.ln() - tailor.ema_clock).exp() as f32;
        tailor.steps += 1;
        tailor.ema_clock = clock;
        let (rate, root) = adamw.corrections(tailor.steps, lr);
        let (rate, root, epsilon) = (rate as f32, root as f32, adamw.epsilon as f32);
        let (b1, b2) = (adamw.beta1 as f32, adamw.beta2 as f32);
        let shrink = (1.0 - lr * adamw.weight_decay) as f32;
        let decay = decay as f32;
        let moments = tailor.first.iter_mut().zip(&mut tailor.second);
        let values = tailor.parameters.iter_mut().zip(&mut tailor.ema);
        for (((p, ema), (m, v)), &g) in values.zip(moments).zip(gradient) {
            *ema = *p + (*ema - *p) * idle;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *p = *p * shrink - rate * *m / (v.sqrt() * root + epsilon);
            *ema = *p + (*ema - *p) * decay;
        }
    }

    /// The EMA of `class` as of `clock`.
    pub fn ema(&self, class: usize, clock: f64) -> Vec<f32> {
        let tailor = &self.tailors[class];
        let idle = (clock - tailor.ema_clock).exp() as f32;
        tailor.ema.iter().zip(&tailor.parameters).map(|(ema, p)| p + (ema - p) * idle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ema_of_an_idle_tailor_equals_step_by_step_averaging() {
        let config = ModelConfig::preset("tiny").unwrap();
        let mut bank = TailorBank::new(&config, 1, 2);
        let gradient = vec![0.5; config.tailor_parameters() as usize];
        let (decay, adamw) = (0.9f64, AdamW::default());
        let mut plain = bank.states()[0].ema.clone();
        for step in 1..=12u32 {
            let clock = f64::from(step) * decay.ln();
            let class = usize::from(step % 4 != 0);
            bank.update(class, &gradient, 1e-2, &adamw, clock, decay);
            for (ema, p) in plain.iter_mut().zip(&bank.states()[0].parameters) {
                *ema = p + (*ema - p) * decay as f32;
            }
        }
        let closed = bank.ema(0, 12.0 * decay.ln());
        let worst = closed.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}");
    }
}
