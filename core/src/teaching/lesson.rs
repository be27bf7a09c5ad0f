//! The tailor as far as it has been taught.

use tailor_packs::ModelConfig;

use super::TeachingError;
use super::material::Part;
use super::settings::Settings;
use crate::engine::adamw::{AdamW, Learned, Update};
use crate::engine::kernels::{add, sum_of_squares};
use crate::init;
use crate::model::ModelError;

/// A tailor that is being taught: its parameters, AdamW's moments, and its moving average.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    settings: Settings,
    learned: Learned,
    step: u32,
    clock: f64,
}

/// What the bytes of a kept lesson begin with. They are little-endian: step, AdamW's steps, the two
/// clocks, the number of parameters, then parameters, moments and average.
const MARK: &[u8; 16] = b"tailor-lesson-1\n";

impl Lesson {
    /// Begins a lesson. The tailor starts from `from`, the flat parameters of a related class, or
    /// from initial values that the seed decides.
    ///
    /// # Errors
    /// [`TeachingError::Setting`]; [`TeachingError::Model`] where `from` is no tailor of this model.
    pub fn new(
        config: &ModelConfig,
        settings: Settings,
        from: Option<Vec<f32>>,
    ) -> Result<Self, TeachingError> {
        settings.check()?;
        let values = from.unwrap_or_else(|| init::tailor(config, settings.seed, 0).concat());
        if values.len() as u64 != config.tailor_parameters() {
            let shape = vec![config.tailor_parameters() as usize];
            return Err(ModelError::Tensor { name: "the tailor".to_owned(), shape }.into());
        }
        Ok(Self { settings, learned: Learned::new(values), step: 0, clock: 0.0 })
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the number of steps made so far.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// Returns whether the last step is made.
    pub fn is_over(&self) -> bool {
        self.step >= self.settings.steps
    }

    /// Returns the flat parameters by which the next step's gradients are wanted.
    pub fn parameters(&self) -> &[f32] {
        &self.learned.parameters
    }

    /// Returns the moving average, flat: the tailor that the lesson yields.
    pub fn average(&self) -> Vec<f32> {
        self.learned.ema(self.clock)
    }

    /// Makes the next step with the gradients of all its images, whose parts come in the order of the
    /// images. Returns the mean squared error before the step, and a part for
    /// [`super::Material::give_back`].
    ///
    /// # Errors
    /// [`TeachingError::Diverged`] when error or gradient is not finite; nothing has changed then.
    /// [`TeachingError::Model`] for parts that are no gradients of this tailor.
    pub fn take(&mut self, parts: Vec<Part>, values: usize) -> Result<(f64, Part), TeachingError> {
        let len = self.learned.parameters.len();
        let mut parts = parts.into_iter();
        let mut sum = parts.next().unwrap_or_default();
        for part in parts {
            sum.squares += part.squares;
            if part.gradient.len() == sum.gradient.len() {
                add(&mut sum.gradient, &part.gradient);
            } else {
                sum.gradient.clear();
            }
        }
        if sum.gradient.len() != len {
            return Err(ModelError::Tensor { name: "a gradient".to_owned(), shape: vec![len] }.into());
        }
        let norm = sum_of_squares(&sum.gradient).sqrt();
        if !(sum.squares.is_finite() && norm.is_finite()) {
            return Err(TeachingError::Diverged { step: self.step });
        }
        // The average begins short, so that it soon forgets where the tailor began.
        let done = f64::from(self.step);
        let decay = self.settings.average.min((2.0 + done) / (11.0 + done));
        let ema_clock = self.clock + libm::log(decay);
        let scale = (self.settings.clip / norm.max(1e-12)).min(1.0);
        let update = Update { learning_rate: self.settings.rate(self.step), scale, ema_clock, decay };
        self.learned.update(&sum.gradient, &AdamW::default(), &update);
        self.clock = ema_clock;
        self.step += 1;
        let count = f64::from(self.settings.batch) * values as f64;
        Ok((sum.squares / count, sum))
    }

    /// Returns the lesson as bytes, to be kept. They hold everything but the settings.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Learned { parameters, first, second, ema, steps, ema_clock } = &self.learned;
        let mut bytes = MARK.to_vec();
        for word in [u64::from(self.step), *steps, ema_clock.to_bits(), self.clock.to_bits()] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend((parameters.len() as u64).to_le_bytes());
        for values in [parameters, first, second, ema] {
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        bytes
    }

    /// Reads a lesson that was kept, to go on with these settings.
    ///
    /// # Errors
    /// [`TeachingError::Kept`] for bytes that no lesson of this model was kept as;
    /// [`TeachingError::Setting`].
    pub fn from_bytes(config: &ModelConfig, settings: Settings, bytes: &[u8]) -> Result<Self, TeachingError> {
        settings.check()?;
        let kept = |reason| TeachingError::Kept { reason };
        let rest = bytes.strip_prefix(MARK).ok_or(kept("it was kept by another version"))?;
        let (head, values) = rest.split_at_checked(40).ok_or(kept("it ends early"))?;
        let words = head.as_chunks::<8>().0;
        let [step, steps, ema_clock, clock, len] = [0, 1, 2, 3, 4].map(|i| u64::from_le_bytes(words[i]));
        let (ema_clock, clock) = (f64::from_bits(ema_clock), f64::from_bits(clock));
        if len != config.tailor_parameters() || values.len() as u64 != 16 * len {
            return Err(kept("it belongs to another model"));
        }
        let all: Vec<f32> = values.as_chunks::<4>().0.iter().map(|v| f32::from_le_bytes(*v)).collect();
        let sound = all.iter().all(|value| value.is_finite()) && ema_clock.is_finite() && clock.is_finite();
        let step = u32::try_from(step).ok().filter(|step| *step <= settings.steps && sound);
        let step = step.ok_or(kept("its numbers make no sense"))?;
        let mut parts = all.chunks_exact(len as usize).map(<[f32]>::to_vec);
        let mut next = || parts.next().unwrap_or_default();
        let (parameters, first, second, ema) = (next(), next(), next(), next());
        let learned = Learned { parameters, first, second, ema, steps, ema_clock };
        Ok(Self { settings, learned, step, clock })
    }
}
