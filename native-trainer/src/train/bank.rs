//! The bank of tailors beside the graph: parameters, AdamW moments and EMA of every class, and the
//! update that touches only the classes of a batch.
//!
//! A class that is not in the batch keeps its parameters, moments and step count bit for bit, since
//! nothing of it is read or written. Its EMA is caught up in closed form when it is next needed:
//! after steps in which `p` stood still, `ema ← p + (ema − p)·Πd` (knowledge diversion, KIND §3).

use tailor_core::engine::adamw::Learned;
use tailor_core::init;
use tailor_packs::ModelConfig;

/// The tailors of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TailorBank {
    tailors: Vec<Learned>,
}

impl TailorBank {
    /// Random tailors for `classes` classes.
    pub fn new(config: &ModelConfig, seed: u64, classes: usize) -> Self {
        let tailor = |class: usize| Learned::new(init::tailor(config, seed, class as u32).concat());
        Self { tailors: (0..classes).map(tailor).collect() }
    }

    /// A bank from saved tailors.
    pub fn from_states(tailors: Vec<Learned>) -> Self {
        Self { tailors }
    }

    /// The state of every tailor, by class number.
    pub fn states(&self) -> &[Learned] {
        &self.tailors
    }

    /// The tailors of `classes`, which are in rising order, to be updated.
    pub fn states_mut(&mut self, classes: &[usize]) -> Vec<&mut Learned> {
        let mut wanted = classes.iter().peekable();
        let chosen = self.tailors.iter_mut().enumerate().filter(|(i, _)| wanted.next_if_eq(&i).is_some());
        chosen.map(|(_, tailor)| tailor).collect()
    }

    /// The parameters of `classes`, one after the other.
    pub fn rows(&self, classes: &[usize]) -> Vec<f32> {
        classes.iter().flat_map(|&c| &self.tailors[c].parameters).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use tailor_core::engine::adamw::{AdamW, Update};

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
            let update = Update { learning_rate: 1e-2, scale: 1.0, ema_clock: clock, decay };
            bank.states_mut(&[class])[0].update(&gradient, &adamw, &update);
            for (ema, p) in plain.iter_mut().zip(&bank.states()[0].parameters) {
                *ema = p + (*ema - p) * decay as f32;
            }
        }
        let closed = bank.states()[0].ema(12.0 * decay.ln());
        let worst = closed.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}");
    }
}
