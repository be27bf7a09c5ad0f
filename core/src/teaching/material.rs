//! What each step of a lesson trains on, and its gradients.

use std::ops::Range;

use tailor_packs::{ModelConfig, Objective};

use super::TeachingError;
use super::examples::Examples;
use super::settings::Settings;
use crate::diffusion::noise::{Stream, generator, standard_normal, uniform};
use crate::diffusion::path::{self, noised};
use crate::engine::{Gradients, Network, Pool, Sample};
use crate::model::ModelError;

/// Learngene and examples: all that does not change from step to step. Each worker has its own.
#[derive(Debug)]
pub struct Material {
    network: Network,
    learngene: Vec<f32>,
    examples: Examples,
    settings: Settings,
    alphas: Vec<f64>,
    pool: Pool,
}

/// The gradients of a part of a step's images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Sum of the squared errors of all values.
    pub squares: f64,
    /// Gradient of the whole batch's mean squared error by the flat parameters of the tailor, as far
    /// as these images go.
    pub gradient: Vec<f32>,
}

impl Material {
    /// Takes the learngene's flat parameters, in the order of `ModelConfig::learngene_tensors`.
    ///
    /// # Errors
    /// [`TeachingError::Model`] for a model that the engine does not know or whose values are not
    /// so many; [`TeachingError::Setting`].
    pub fn new(
        config: &ModelConfig,
        learngene: Vec<f32>,
        examples: Examples,
        settings: Settings,
    ) -> Result<Self, TeachingError> {
        settings.check()?;
        let network = Network::new(config).map_err(ModelError::from)?;
        if learngene.len() as u64 != config.learngene_parameters() {
            let (name, shape) = ("the learngene".to_owned(), vec![config.learngene_parameters() as usize]);
            return Err(ModelError::Tensor { name, shape }.into());
        }
        let alphas = path::alphas_cumprod();
        Ok(Self { network, learngene, examples, settings, alphas, pool: Pool::default() })
    }

    /// Returns the model's config.
    pub fn config(&self) -> &ModelConfig {
        self.network.config()
    }

    /// Returns the learngene's flat parameters.
    pub fn learngene(&self) -> &[f32] {
        &self.learngene
    }

    /// Returns the examples.
    pub fn examples(&self) -> &Examples {
        &self.examples
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns how the images of a step are split among so many workers, none with nothing to do.
    pub fn shards(&self, workers: usize) -> Vec<Range<usize>> {
        crate::threads::parts(self.settings.batch as usize, workers.max(1))
    }

    /// Computes the tailor's gradients for these images of step number `step` (from 0). The
    /// learngene gets none, and none is computed.
    ///
    /// `tailor` has the tailor's flat parameters.
    ///
    /// # Panics
    /// When `tailor` has not as many values as a tailor of this model.
    pub fn gradients(&self, tailor: &[f32], step: u32, images: Range<usize>) -> Part {
        assert_eq!(tailor.len() as u64, self.config().tailor_parameters(), "a whole tailor");
        let drawn: Vec<_> = images.map(|image| self.draw(step, image)).collect();
        let samples: Vec<Sample<'_>> = drawn
            .iter()
            .map(|(x, target, t)| Sample { x, target, t: *t, class: Some(0), cosine: 0.0, teacher: None })
            .collect();
        let factor = 1.0 / (self.settings.batch as usize * self.examples.image_len()) as f32;
        let found = self.network.gradients(&self.learngene, |_| tailor, &samples, factor, true, &self.pool);
        let Gradients { squares, mut tailors, .. } = found;
        let gradient = tailors.pop().map(|(_, gradient)| gradient);
        Part { squares, gradient: gradient.unwrap_or_else(|| vec![0.0; tailor.len()]) }
    }

    /// Draws one image of a step: noisy image, target, and time.
    fn draw(&self, step: u32, image: usize) -> (Vec<f32>, Vec<f32>, f32) {
        let Settings { seed, batch, ref moves, .. } = self.settings;
        let stream = |part| Stream::Taught { part, image: u64::from(step) * u64::from(batch) + image as u64 };
        let mut rng = generator(seed, stream(0));
        let clean = self.examples.moved(self.shown(step, image), moves, &mut rng);
        let place = match self.config().objective {
            Objective::Ddpm => {
                let steps = path::DDPM_STEPS;
                path::ddpm_node(&self.alphas, ((uniform(&mut rng) * steps as f64) as usize).min(steps - 1))
            }
            // Logit-normal times (Esser et al. 2024, §3.1), as in training: most of the work lies in
            // the middle.
            Objective::Flow => {
                let normal = standard_normal(seed, stream(1), 1)[0];
                path::flow_node(1.0 / (1.0 + libm::exp(-f64::from(normal))))
            }
        };
        let noise = standard_normal(seed, stream(2), clean.len());
        let both =
            clean.iter().zip(&noise).map(|(x0, eps)| noised(self.config().objective, place, *x0, *eps));
        let (x, target) = both.unzip();
        (x, target, place.t as f32)
    }

    /// Returns which example a step's image shows: all of them in turn, each time round in a new
    /// order.
    fn shown(&self, step: u32, image: usize) -> usize {
        let count = self.examples.len();
        let position = u64::from(step) * u64::from(self.settings.batch) + image as u64;
        let (round, place) = (position / count as u64, (position % count as u64) as usize);
        let mut rng = generator(self.settings.seed, Stream::Images(round as u32));
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            order.swap(i, ((uniform(&mut rng) * (i + 1) as f64) as usize).min(i));
        }
        order[place]
    }

    /// Gives the room of a part that was used back, for the next step.
    pub fn give_back(&self, part: Part) {
        self.pool.give_back(Gradients { tailors: vec![(0, part.gradient)], ..Gradients::default() });
    }
}
