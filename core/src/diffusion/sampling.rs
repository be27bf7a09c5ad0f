//! A run of sampling, from settings to images, one step at a time, so that a caller can show a
//! preview after each step and stop between two.

use tailor_packs::{ModelConfig, Tensors};

use super::images::Combine;
use super::noise::{Stream, standard_normal};
use super::path::{Node, nodes};
use super::sampler::{Past, Progress, Sampler, Span, Stepped, Trial};
use super::shortcut::{Moment, stride};
use crate::model::{Gate, ModelError, unnamed};

/// The most values that one tensor may have. A browser's memory ends at 4 GiB, and a run needs
/// several such tensors at once.
const LARGEST: u64 = if cfg!(target_pointer_width = "32") { 1 << 27 } else { 1 << 31 };

/// One image to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The classes that it shows, and their weights.
    pub gate: Gate,
    /// The seed of its noise. One seed gives one image, whatever else is in the batch.
    pub seed: u64,
}

/// How to make images.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSettings {
    /// The method to get from noise to an image.
    pub sampler: Sampler,
    /// Number of steps, 1 to 1000.
    pub steps: usize,
    /// Scale of classifier-free guidance (Ho and Salimans 2022, `1 + w` there), 0 to 100: 0 is the
    /// guide alone, which is the learngene unless [`Guide`] says otherwise, 1 the gated model; more
    /// exaggerates the class.
    pub guidance: f64,
    /// What guidance leads away from, and when.
    pub guide: Guide,
    /// The images of the batch.
    pub items: Vec<Item>,
}

/// What guidance leads away from, and when. By default that is the learngene alone, at all times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guide {
    /// The part of each tailor that the guide keeps, 0 to 1. At 0 the guide is the learngene alone,
    /// which is the unconditional model. Above, it is the same model with weaker tailors (a weaker
    /// self as the guide: Karras et al. 2024, arXiv 2406.02507).
    pub tailor: f32,
    /// Whether the guide keeps each tailor whole, and loses its label alone: for a network that was
    /// trained with the gate on where labels were dropped. The model has to hold a second tailor for each
    /// class, under the name that [`unnamed`] gives.
    pub unnamed: bool,
    /// The times at which guidance takes effect, from 0 (clean) to 1 (noise). At other times the
    /// gated model predicts alone, which takes half the work (Kynkäänniemi et al. 2024, arXiv
    /// 2404.07724).
    pub times: (f64, f64),
}

impl Default for Guide {
    fn default() -> Self {
        Self { tailor: 0.0, unnamed: false, times: (0.0, 1.0) }
    }
}

impl Guide {
    /// Returns whether the part of each tailor is one that a guide can keep.
    pub fn part_fits(&self) -> bool {
        (0.0..=1.0).contains(&self.tailor)
    }

    /// Returns whether the times ascend from 0 to 1.
    pub fn times_fit(&self) -> bool {
        let (from, until) = self.times;
        0.0 <= from && from <= until && until <= 1.0
    }

    /// Returns whether it was chosen although this guidance is off.
    pub fn in_vain(&self, guidance: f64) -> bool {
        guidance == 1.0 && *self != Self::default()
    }
}

/// A learngene with tailors on an engine, ready to predict.
pub trait Predict {
    /// A batch of images on the engine.
    type Images: Combine;
    /// The tailors of a batch, prepared once for all steps.
    type Gated;

    /// Returns the model's config.
    fn config(&self) -> &ModelConfig;

    /// Adds the tailor of `class`, or replaces it.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when the tailor's tensors do not have this model's shapes.
    fn insert(&mut self, class: &str, tailor: Tensors) -> Result<(), ModelError>;

    /// Takes the tailor of `class` away, and returns whether it was there.
    fn remove(&mut self, class: &str) -> bool;

    /// Returns the classes whose tailors are loaded, sorted.
    fn classes(&self) -> Vec<String>;

    /// Prepares the tailors of a batch. `gates` has a gate for each image.
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`] for a class whose tailor is not loaded.
    fn gate(&self, gates: &[Gate]) -> Result<Self::Gated, ModelError>;

    /// Puts values from host memory onto the engine: images of the model's shape, row-major.
    fn images(&self, values: Vec<f32>) -> Self::Images;

    /// Predicts what the model's objective asks for (the noise, or `ε − x₀`), for noisy images that
    /// are all at the moment `at`: a time from 0 to 1000, for a model of [`ModelConfig::few_steps`] with
    /// the stride of the next step.
    ///
    /// # Shapes
    /// - `x` and the output: `[B, C, H, W]`, `B` as in [`Predict::gate`]
    fn predict(&self, gated: &Self::Gated, x: &Self::Images, at: impl Into<Moment>) -> Self::Images;
}

/// Which model a run asks for predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// The learngene alone.
    Alone,
    /// The gated model alone.
    Gated,
    /// The guide and the gated model, in one batch: first the guide's half, then the gated one.
    Both,
}

/// The state of a run, independent of any engine. [`Course::query`] returns what the network has to
/// predict next, and [`Course::answer`] takes the prediction. Neither waits, so a browser can hand
/// the query to several workers.
#[derive(Clone, Debug)]
pub struct Course<V> {
    settings: SampleSettings,
    config: ModelConfig,
    rows: Rows,
    nodes: Vec<Node>,
    done: usize,
    x: V,
    preview: V,
    past: Option<Past<V>>,
    trial: Option<Trial<V>>,
}

/// A question to the network.
#[derive(Clone, Debug)]
pub struct Query<V> {
    /// Noisy images `[B, C, H, W]`, one for each of [`Course::gates`].
    pub x: V,
    /// The moment of all of them.
    pub at: Moment,
}

impl<V: Combine> Course<V> {
    /// Begins a run: draws the noise, which `images` puts onto the engine.
    ///
    /// # Errors
    /// [`ModelError::Setting`] for sampler, steps, guidance, weights or a batch that is empty or too large.
    pub fn new(
        config: &ModelConfig,
        settings: SampleSettings,
        images: impl FnOnce(Vec<f32>) -> V,
    ) -> Result<Self, ModelError> {
        check(config, &settings)?;
        let gated = settings.items.iter().any(|item| !item.gate.is_empty());
        let rows = match settings.guidance {
            0.0 if settings.guide == Guide::default() => Rows::Alone,
            _ if !gated => Rows::Alone,
            1.0 => Rows::Gated,
            _ => Rows::Both,
        };
        let x = images(noise(config, &settings.items, Stream::Start));
        let nodes = nodes(config.objective, settings.steps);
        let config = config.clone();
        Ok(Self { settings, config, rows, nodes, done: 0, preview: x.clone(), x, past: None, trial: None })
    }

    /// Returns the gate of each image of the present query. They are the same for every query of
    /// the run, except that some have only half of them where guidance has its times ([`Guide`]).
    pub fn gates(&self) -> Vec<Gate> {
        let Guide { tailor: part, unnamed: without_label, .. } = self.settings.guide;
        let weaker = |(class, weight): &(String, f32)| match without_label {
            true => (unnamed(class), *weight),
            false => (class.clone(), weight * part),
        };
        let weaker = |gate: &Gate| gate.iter().map(weaker).collect();
        let guide = self.settings.items.iter().map(|item| match part {
            0.0 if !without_label => Gate::new(),
            _ => weaker(&item.gate),
        });
        let gated = self.settings.items.iter().map(|item| item.gate.clone());
        match self.rows() {
            Rows::Alone => gated.map(|_| Gate::new()).collect(),
            Rows::Gated => gated.collect(),
            Rows::Both => guide.chain(gated).collect(),
        }
    }

    /// Returns the number of images of the present query.
    pub fn images_asked(&self) -> usize {
        self.settings.items.len() * if self.rows() == Rows::Both { 2 } else { 1 }
    }

    /// Returns the point on the path at which the network is asked next.
    fn node(&self) -> Node {
        let next = self.done + usize::from(self.trial.is_some());
        self.nodes[next.min(self.settings.steps)]
    }

    /// Returns which model is asked at present.
    fn rows(&self) -> Rows {
        let (from, until) = self.settings.guide.times;
        let within = |t: f64| (from..=until).contains(&(t / 1000.0));
        match self.rows {
            Rows::Both if !within(self.node().t) => Rows::Gated,
            rows => rows,
        }
    }

    /// Returns what the network has to predict next; `None` after the last step.
    pub fn query(&self) -> Option<Query<V>> {
        if self.done == self.settings.steps {
            return None;
        }
        let x = self.trial.as_ref().map_or(&self.x, |trial| &trial.x);
        let x = if self.rows() == Rows::Both { x.twice() } else { x.clone() };
        let stride = match self.settings.sampler {
            Sampler::Shortcut => stride(self.settings.steps).unwrap_or_default(),
            _ => 0,
        };
        Some(Query { x, at: Moment { t: self.node().t as f32, stride } })
    }

    /// Takes the network's prediction for the present query. Returns whether that completes a step.
    ///
    /// `images` puts the noise of a stochastic sampler onto the engine.
    pub fn answer(&mut self, predicted: V, images: impl FnOnce(Vec<f32>) -> V) -> bool {
        if self.done == self.settings.steps {
            return true;
        }
        let output = match self.rows() {
            Rows::Both => {
                let (guide, gated) = predicted.halves();
                guide.combine(1.0 - self.settings.guidance, &gated, self.settings.guidance)
            }
            _ => predicted,
        };
        let (here, next) = (self.nodes[self.done], self.nodes[self.done + 1]);
        let span = Span { objective: self.config.objective, here, next };
        let progress = match self.trial.take() {
            Some(trial) => Progress::Stepped(span.step_again(&self.x, trial, &output)),
            None => {
                let stream = Stream::Step(self.done as u32);
                let noise = || images(noise(&self.config, &self.settings.items, stream));
                span.step(self.settings.sampler, &self.x, self.past.take(), &output, noise)
            }
        };
        match progress {
            Progress::Again(trial) => {
                self.trial = Some(trial);
                false
            }
            Progress::Stepped(stepped) => {
                self.preview = stepped.x0().clone();
                let Stepped { x, past } = stepped;
                (self.x, self.past) = (x, Some(past));
                self.done += 1;
                true
            }
        }
    }

    /// Returns the number of steps made so far.
    pub fn steps_done(&self) -> usize {
        self.done
    }

    /// Returns the clean images as the last step estimated them, `[B, C, H, W]` in `[-1, 1]`, or
    /// latents of any size.
    pub fn preview(&self) -> V {
        self.shown(&self.preview)
    }

    /// Returns the images in their present state, `[B, C, H, W]` in `[-1, 1]`, or latents of any
    /// size. They are finished after the last step.
    pub fn images(&self) -> V {
        self.shown(&self.x)
    }

    fn shown(&self, images: &V) -> V {
        if self.config.makes_latents() { images.clone() } else { images.clamped() }
    }
}

/// A run on one engine, which makes every prediction itself.
pub struct SampleRun<'a, M: Predict> {
    model: &'a M,
    gated: M::Gated,
    /// Images for which `gated` is.
    count: usize,
    course: Course<M::Images>,
}

impl<'a, M: Predict> SampleRun<'a, M> {
    /// Draws the noise and prepares the tailors.
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`], or those of [`Course::new`].
    pub fn new(model: &'a M, settings: SampleSettings) -> Result<Self, ModelError> {
        let course = Course::new(model.config(), settings, |values| model.images(values))?;
        // Classes that guidance leaves out must be loaded, too.
        let (wanted, loaded) = (course.settings.items.iter().flat_map(|item| &item.gate), model.classes());
        if let Some((class, _)) = wanted.into_iter().find(|(class, _)| !loaded.contains(class)) {
            return Err(ModelError::UnknownClass { class: class.clone(), loaded });
        }
        let gated = model.gate(&course.gates())?;
        Ok(Self { model, gated, count: course.images_asked(), course })
    }

    /// Makes one step. Returns `false` when there was none left to make.
    ///
    /// It reads nothing back from the device.
    pub fn step(&mut self) -> bool {
        while let Some(query) = self.course.query() {
            if self.count != self.course.images_asked() {
                let Ok(gated) = self.model.gate(&self.course.gates()) else {
                    unreachable!("every class was there when the run began")
                };
                (self.count, self.gated) = (self.course.images_asked(), gated);
            }
            let predicted = self.model.predict(&self.gated, &query.x, query.at);
            if self.course.answer(predicted, |values| self.model.images(values)) {
                return true;
            }
        }
        false
    }

    /// Returns the number of steps made so far.
    pub fn steps_done(&self) -> usize {
        self.course.steps_done()
    }

    /// Returns the clean images as the last step estimated them: [`Course::preview`].
    pub fn preview(&self) -> M::Images {
        self.course.preview()
    }

    /// Returns the images in their present state: [`Course::images`].
    pub fn images(&self) -> M::Images {
        self.course.images()
    }
}

impl SampleSettings {
    /// Refuses what does not suit a model of this config, whatever is sampled.
    ///
    /// # Errors
    /// [`ModelError::Setting`] with the first setting that is outside its range.
    pub fn check(&self, config: &ModelConfig) -> Result<(), ModelError> {
        let refuse = |setting, found: String, allowed| Err(ModelError::Setting { setting, found, allowed });
        self.sampler.check(config, self.steps)?;
        if !(0.0..=100.0).contains(&self.guidance) {
            return refuse("guidance", self.guidance.to_string(), "0 to 100");
        }
        let Guide { tailor, times: (from, until), .. } = self.guide;
        if !self.guide.part_fits() {
            return refuse("the guide's part of a tailor", tailor.to_string(), "0 to 1");
        }
        if !self.guide.times_fit() {
            return refuse("the guide's times", format!("{from} to {until}"), "ascending, 0 to 1");
        }
        Ok(())
    }
}

fn check(config: &ModelConfig, settings: &SampleSettings) -> Result<(), ModelError> {
    let refuse = |setting, found: String, allowed| Err(ModelError::Setting { setting, found, allowed });
    settings.check(config)?;
    if settings.items.is_empty() {
        return refuse("images", "0".to_owned(), "at least one");
    }
    let count = settings.items.len();
    if config.largest_activation(count) > LARGEST {
        return refuse(
            "images",
            count.to_string(),
            "fewer, or of a smaller model: these do not fit into memory",
        );
    }
    let weight_ok = |w: f32| w.is_finite() && w.abs() <= 100.0;
    match settings.items.iter().flat_map(|i| &i.gate).find(|(_, w)| !weight_ok(*w)) {
        Some((_, w)) => refuse("gate weight", w.to_string(), "-100 to 100"),
        None => Ok(()),
    }
}

/// Draws noise for each item from its own seed, `[B, C, H, W]`.
fn noise(config: &ModelConfig, items: &[Item], stream: Stream) -> Vec<f32> {
    let n = config.channels as usize * (config.image_size as usize).pow(2);
    items.iter().flat_map(|i| standard_normal(i.seed, stream, n)).collect()
}
