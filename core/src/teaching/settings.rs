//! How a class is taught.

use serde::{Deserialize, Serialize};

use super::TeachingError;
use super::examples::Moves;
use crate::diffusion::shortcut;

/// How a class is taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Steps in all.
    pub steps: u32,
    /// Images of one step.
    pub batch: u32,
    /// Highest learning rate of AdamW.
    pub learning_rate: f64,
    /// Steps over which it rises from zero.
    pub warmup: u32,
    /// Last part of the lesson over which it falls to zero.
    pub cooldown: f64,
    /// Decay of the tailor's moving average, which is what the lesson yields.
    pub average: f64,
    /// Largest norm of a gradient; larger ones are scaled down to it.
    pub clip: f64,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// How examples are moved.
    pub moves: Moves,
    /// Scale of the guidance that large steps learn, where the model has any. The learngene's card
    /// says with which its own were taught.
    pub shortcut_guidance: f64,
}

impl Default for Settings {
    /// The settings with which 300 steps teach a letter; `docs/teach.md` has what was measured.
    fn default() -> Self {
        Self {
            steps: 300,
            batch: 16,
            learning_rate: 3e-3,
            warmup: 10,
            cooldown: 0.5,
            average: 0.97,
            clip: 1.0,
            seed: 0,
            moves: Moves { shift: 0.04, scale: 0.06, turn: 4.0, slant: 0.04, mirror: false },
            shortcut_guidance: shortcut::GUIDANCE,
        }
    }
}

impl Settings {
    /// Refuses settings with which no lesson can go well.
    ///
    /// # Errors
    /// [`TeachingError::Setting`] with the first that is out of range.
    pub fn check(&self) -> Result<(), TeachingError> {
        let Moves { shift, scale, turn, slant, .. } = self.moves;
        let part = |value: f32, most: f32| (0.0..=most).contains(&value);
        let checks: [(&'static str, String, &'static str, bool); 9] = [
            ("steps", self.steps.to_string(), "1 to 100000", (1..=100_000).contains(&self.steps)),
            ("batch", self.batch.to_string(), "1 to 1024", (1..=1024).contains(&self.batch)),
            (
                "learning rate",
                self.learning_rate.to_string(),
                "above 0 and at most 1",
                self.learning_rate > 0.0 && self.learning_rate <= 1.0,
            ),
            ("cooldown", self.cooldown.to_string(), "0 to 1", (0.0..=1.0).contains(&self.cooldown)),
            (
                "average",
                self.average.to_string(),
                "above 0 and below 1",
                self.average > 0.0 && self.average < 1.0,
            ),
            (
                "shortcut guidance",
                self.shortcut_guidance.to_string(),
                "0 to 100",
                (0.0..=100.0).contains(&self.shortcut_guidance),
            ),
            ("clip", self.clip.to_string(), "above 0", self.clip > 0.0),
            ("shift", shift.to_string(), "0 to 0.5", part(shift, 0.5)),
            (
                "scale, turn or slant",
                format!("{scale}, {turn}, {slant}"),
                "0 to 0.5, 180 and 1",
                part(scale, 0.5) && part(turn, 180.0) && part(slant, 1.0),
            ),
        ];
        match checks.into_iter().find(|(.., fits)| !fits) {
            Some((setting, found, allowed, _)) => Err(TeachingError::Setting { setting, found, allowed }),
            None => Ok(()),
        }
    }

    /// Returns the learning rate of step number `step` (from 0).
    pub(super) fn rate(&self, step: u32) -> f64 {
        let done = f64::from(step) + 1.0;
        let rise = done / f64::from(self.warmup.max(1));
        let left = (f64::from(self.steps) - done + 1.0) / (f64::from(self.steps) * self.cooldown).max(1.0);
        self.learning_rate * rise.min(left).min(1.0)
    }
}
