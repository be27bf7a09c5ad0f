//! How to sample.

use tailor_core::{Guide, Sampler};
use tailor_packs::Objective;

/// How to sample: what is not said here, the gallery says.
#[derive(Clone, Copy, Debug, Default)]
pub struct SamplingSettings {
    /// Sampling steps.
    pub steps: Option<u32>,
    /// Guidance scale, 1 for none.
    pub guidance: Option<f32>,
    /// The way from noise to an image.
    pub sampler: Option<Sampler>,
    /// What guidance leads away from, and when.
    pub guide: Guide,
}

impl SamplingSettings {
    /// Steps that a gallery recommends unless told otherwise.
    pub const STEPS: u32 = 20;
    /// Guidance scale that a gallery recommends unless told otherwise.
    pub const GUIDANCE: f32 = 1.5;

    /// What a new gallery then recommends: what is said here, else what suits the objective.
    pub fn advice(&self, objective: Objective) -> tailor_packs::Sampling {
        let suits = match objective {
            Objective::Ddpm => Sampler::DpmPlusPlus,
            Objective::Flow => Sampler::Heun,
        };
        let sampler = suits.name().to_owned();
        self.over(&tailor_packs::Sampling { sampler, steps: Self::STEPS, guidance: Self::GUIDANCE })
    }

    /// What a gallery recommends that recommended `before`: what is said here, else the same.
    pub fn over(&self, before: &tailor_packs::Sampling) -> tailor_packs::Sampling {
        tailor_packs::Sampling {
            sampler: self.sampler.map_or_else(|| before.sampler.clone(), |asked| asked.name().to_owned()),
            steps: self.steps.unwrap_or(before.steps),
            guidance: self.guidance.unwrap_or(before.guidance),
        }
    }
}
