//! What each step of a lesson trains on, and its gradients.

use std::ops::Range;

use tailor_packs::{ModelConfig, Objective};

use super::TeachingError;
use super::examples::Examples;
use super::settings::Settings;
use crate::diffusion::noise::{Stream, generator, standard_normal, uniform};
use crate::diffusion::path::{self, noised};
use crate::diffusion::shortcut::{self, Moment, Steps, targets};
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

/// One image of a step.
#[derive(Debug)]
struct Drawn {
    /// The noisy image `[C, H, W]`.
    x: Vec<f32>,
    /// What the network should say of it, `[C, H, W]`.
    target: Vec<f32>,
    /// Its time, and how far the step goes that it is to learn.
    at: Moment,
}

fn sample<'a>(x: &'a [f32], target: &'a [f32], at: Moment, class: Option<usize>) -> Sample<'a> {
    Sample { x, target, at, class, named: true, cosine: 0.0, teacher: None }
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
        let mut drawn: Vec<Drawn> = images.map(|image| self.draw(step, image)).collect();
        self.teach_steps(tailor, &mut drawn);
        let samples: Vec<Sample<'_>> =
            drawn.iter().map(|Drawn { x, target, at }| sample(x, target, *at, Some(0))).collect();
        let factor = 1.0 / (self.settings.batch as usize * self.examples.image_len()) as f32;
        let found = self.network.gradients(&self.learngene, |_| tailor, &samples, factor, true, &self.pool);
        let Gradients { squares, mut tailors, .. } = found;
        let gradient = tailors.pop().map(|(_, gradient)| gradient);
        Part { squares, gradient: gradient.unwrap_or_else(|| vec![0.0; tailor.len()]) }
    }

    /// Finds the targets of images that are to learn a step, with the tailor as it is.
    fn teach_steps(&self, tailor: &[f32], drawn: &mut [Drawn]) {
        let mut steps: Vec<&mut Drawn> = drawn.iter_mut().filter(|drawn| drawn.at.stride > 0).collect();
        if steps.is_empty() {
            return;
        }
        let n = self.examples.image_len();
        let x: Vec<f32> = steps.iter().flat_map(|drawn| drawn.x.iter().copied()).collect();
        let at: Vec<Moment> = steps.iter().map(|drawn| drawn.at).collect();
        let labels = vec![Some(0); at.len()];
        let guidance = self.settings.shortcut_guidance as f32;
        let found = targets(Steps { x: &x, labels: &labels, at: &at }, guidance, |steps| {
            let images = steps.x.chunks_exact(n).zip(steps.at).zip(steps.labels);
            let samples: Vec<_> = images.map(|((x, at), class)| sample(x, &[], *at, *class)).collect();
            self.network.predictions(&self.learngene, |_| tailor, &samples, &self.pool).concat()
        });
        steps
            .iter_mut()
            .zip(found.chunks_exact(n))
            .for_each(|(drawn, found)| drawn.target.copy_from_slice(found));
    }

    /// Draws one image of a step.
    fn draw(&self, step: u32, image: usize) -> Drawn {
        let Settings { seed, batch, ref moves, .. } = self.settings;
        let stream = |part| Stream::Taught { part, image: u64::from(step) * u64::from(batch) + image as u64 };
        let mut rng = generator(seed, stream(0));
        let clean = self.examples.moved(self.shown(step, image), moves, &mut rng);
        let mut stride = 0;
        let mut place = match self.config().objective {
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
        if self.config().few_steps
            && let Some(step) = shortcut::draw(shortcut::SHARE, &mut generator(seed, stream(3)))
        {
            (stride, place) = step;
        }
        let noise = standard_normal(seed, stream(2), clean.len());
        let both =
            clean.iter().zip(&noise).map(|(x0, eps)| noised(self.config().objective, place, *x0, *eps));
        let (x, target) = both.unzip();
        Drawn { x, target, at: Moment { t: place.t as f32, stride } }
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
