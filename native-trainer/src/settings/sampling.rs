//! How to sample.

use tailor_core::{Guide, Sampler};
use tailor_packs::{ModelConfig, Objective};

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

    /// Steps that a gallery of a model for few steps recommends unless told otherwise.
    pub const FEW_STEPS: u32 = 4;

    /// What a new gallery then recommends: what is said here, else what suits the model.
    pub fn advice(&self, config: &ModelConfig) -> tailor_packs::Sampling {
        let suits = match config.objective {
            _ if config.few_steps => Sampler::Shortcut,
            Objective::Ddpm => Sampler::DpmPlusPlus,
            Objective::Flow => Sampler::Heun,
        };
        self.over(&usual(suits))
    }

    /// What a gallery recommends that recommended `before`: what is said here, else the same. Where only one of the two
    /// samplers takes large steps, the other's steps and guidance say nothing, and the usual ones take their place.
    pub fn over(&self, before: &tailor_packs::Sampling) -> tailor_packs::Sampling {
        let large = |name: &str| name == Sampler::Shortcut.name();
        let before = match self.sampler {
            Some(asked) if large(asked.name()) != large(&before.sampler) => &usual(asked),
            _ => before,
        };
        tailor_packs::Sampling {
            sampler: self.sampler.map_or_else(|| before.sampler.clone(), |asked| asked.name().to_owned()),
            steps: self.steps.unwrap_or(before.steps),
            guidance: self.guidance.unwrap_or(before.guidance),
        }
    }
}

/// Steps and guidance of a sampler unless told otherwise. Large steps have learned their guidance.
fn usual(sampler: Sampler) -> tailor_packs::Sampling {
    let (steps, guidance) = match sampler {
        Sampler::Shortcut => (SamplingSettings::FEW_STEPS, 1.0),
        _ => (SamplingSettings::STEPS, SamplingSettings::GUIDANCE),
    };
    tailor_packs::Sampling { sampler: sampler.name().to_owned(), steps, guidance }
}
