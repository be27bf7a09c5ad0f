//! Samplers, which turn the predictions along the path into an image.
//!
//! Every sampler works for every objective, since each is written in `α`, `σ`, the clean image and
//! the noise of [`super::path`]. Fixtures in `tests/reference` compare the samplers with those of
//! `diffusers`.

use tailor_packs::{ModelConfig, Objective};

use super::images::Combine;
use super::path::{Node, ode, reading};
use super::shortcut::stride;
use crate::model::ModelError;

/// A method to get from noise to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// Ancestral sampling with the smaller posterior variance (Ho et al. 2020).
    Ddpm,
    /// Deterministic DDIM, η = 0 (Song et al. 2021).
    Ddim,
    /// DPM-Solver++(2M), midpoint form, last step first-order (Lu et al. 2022).
    DpmPlusPlus,
    /// Euler steps of the probability-flow ODE: first order, one evaluation a step.
    Euler,
    /// Heun steps (Karras et al. 2022, algorithm 1 without churn): two evaluations a step.
    Heun,
    /// A few large steps of a model that is told how far each goes
    /// ([`few_steps`](tailor_packs::ModelConfig::few_steps); Frans et al. 2024, arXiv 2410.12557).
    Shortcut,
}

/// The error for a name that no sampler has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no sampler {0:?}; choose from {names}", names = Sampler::ALL.map(Sampler::name).join(", "))]
pub struct UnknownSampler(String);

impl Sampler {
    /// Every sampler.
    pub const ALL: [Sampler; 6] = [
        Sampler::Ddpm,
        Sampler::Ddim,
        Sampler::DpmPlusPlus,
        Sampler::Euler,
        Sampler::Heun,
        Sampler::Shortcut,
    ];

    /// Returns whether this sampler can draw with a model of `config`: each can with every model, except
    /// [`Sampler::Shortcut`].
    pub fn suits(self, config: &ModelConfig) -> bool {
        self != Sampler::Shortcut || config.few_steps
    }

    /// Refuses what this sampler cannot do with a model of `config`.
    ///
    /// # Errors
    /// [`ModelError::Setting`] for large steps of a model that did not learn them, or for a number of
    /// steps.
    pub fn check(self, config: &ModelConfig, steps: usize) -> Result<(), ModelError> {
        let refuse = |setting, found, allowed| Err(ModelError::Setting { setting, found, allowed });
        if !(1..=1000).contains(&steps) {
            return refuse("steps", steps.to_string(), "1 to 1000");
        }
        if !self.suits(config) {
            let allowed = "another: this model was not trained for large steps, few_steps in its config";
            return refuse("sampler", self.to_string(), allowed);
        }
        if self == Self::Shortcut && stride(steps).is_none() {
            return refuse("steps", steps.to_string(), "1, 2, 4 or 8 with the sampler shortcut");
        }
        Ok(())
    }

    /// Returns the name that stands on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Sampler::Ddpm => "ddpm",
            Sampler::Ddim => "ddim",
            Sampler::DpmPlusPlus => "dpm++",
            Sampler::Euler => "euler",
            Sampler::Heun => "heun",
            Sampler::Shortcut => "shortcut",
        }
    }
}

impl std::fmt::Display for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Sampler {
    type Err = UnknownSampler;
    fn from_str(name: &str) -> Result<Self, UnknownSampler> {
        Self::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| UnknownSampler(name.to_owned()))
    }
}

/// What a multistep sampler remembers of its last step: the point it was at, and the clean image
/// that it estimated there.
#[derive(Clone, Debug)]
pub struct Past<V> {
    node: Node,
    x0: V,
}

/// The state after one step.
#[derive(Clone, Debug)]
pub struct Stepped<V> {
    /// The image at the next node, `[B, C, H, W]`.
    pub x: V,
    /// What to hand to the next step.
    pub past: Past<V>,
}

impl<V> Stepped<V> {
    /// Returns the clean image as estimated at this step, `[B, C, H, W]`, to show as a preview.
    pub fn x0(&self) -> &V {
        &self.past.x0
    }
}

/// The state of a step after an answer of the network.
#[derive(Clone, Debug)]
pub enum Progress<V> {
    /// The step is done.
    Stepped(Stepped<V>),
    /// The network has to predict again, at the end of the step ([`Sampler::Heun`]).
    Again(Trial<V>),
}

/// A trial step along the slope at its beginning.
#[derive(Clone, Debug)]
pub struct Trial<V> {
    /// The image that it leads to, at the next node, `[B, C, H, W]`.
    pub x: V,
    slope: V,
    x0: V,
}

/// A step from one node of the path to the next one.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// What the network's output means.
    pub objective: Objective,
    /// The node of the path at which the step begins.
    pub here: Node,
    /// The node at which the step ends.
    pub next: Node,
}

impl Span {
    /// Makes Euler's step of the probability-flow ODE along `slope`.
    fn advance<V: Combine>(&self, x: &V, slope: &V) -> V {
        let ((scale, tau), (next_scale, next_tau)) =
            (ode(self.objective, self.here), ode(self.objective, self.next));
        x.combine(scale / next_scale, slope, (next_tau - tau) / next_scale)
    }

    /// Steps from the noisy images `x` to the next node. `output` is the network's prediction at
    /// the beginning of the step, and `past` what the last step left.
    ///
    /// Only [`Sampler::Ddpm`] adds noise, and so calls `noise`. Only [`Sampler::Heun`] asks for a
    /// second prediction, except in the step to the clean end.
    ///
    /// # Shapes
    /// - `x`, `output`, `noise`: `[B, C, H, W]`
    pub fn step<V: Combine>(
        &self,
        sampler: Sampler,
        x: &V,
        past: Option<Past<V>>,
        output: &V,
        noise: impl FnOnce() -> V,
    ) -> Progress<V> {
        let (here, next) = (self.here, self.next);
        let read = reading(self.objective, here);
        let x0 = x.combine(read.x0.0, output, read.x0.1);
        let x = match sampler {
            Sampler::Ddim => {
                let eps = x.combine(read.eps.0, output, read.eps.1);
                x0.combine(next.alpha, &eps, next.sigma)
            }
            Sampler::Heun if next.sigma > 0.0 => {
                return Progress::Again(Trial { x: self.advance(x, output), slope: output.clone(), x0 });
            }
            Sampler::Euler | Sampler::Heun | Sampler::Shortcut => self.advance(x, output),
            Sampler::DpmPlusPlus => {
                // e^{−h} with h = λ_next − λ_here, λ = ln(α/σ); as a ratio it is finite at both ends.
                let decay = (next.sigma * here.alpha) / (next.alpha * here.sigma);
                let mut d = x0.clone();
                if let Some(past) = past.filter(|_| next.sigma > 0.0) {
                    let h = -libm::log(decay);
                    let before = -libm::log((here.sigma * past.node.alpha) / (here.alpha * past.node.sigma));
                    let weight = 0.5 * h / before;
                    d = d.combine(1.0 + weight, &past.x0, -weight);
                }
                x.combine(next.sigma / here.sigma, &d, next.alpha * (1.0 - decay))
            }
            Sampler::Ddpm => {
                // q(x_next | x_here, x₀) of any Gaussian path; Ho et al. 2020, eq. 7, in α and σ.
                let ratio = here.alpha / next.alpha;
                let added = here.sigma.powi(2) - (ratio * next.sigma).powi(2);
                let keep = ratio * (next.sigma / here.sigma).powi(2);
                let mean = x.combine(keep, &x0, next.alpha * added / here.sigma.powi(2));
                let deviation = libm::sqrt(added.max(0.0)) * next.sigma / here.sigma;
                if deviation > 0.0 { mean.combine(1.0, &noise(), deviation) } else { mean }
            }
        };
        Progress::Stepped(Stepped { x, past: Past { node: here, x0 } })
    }

    /// Steps from `x` along the mean of two slopes: the trial's, and `output`, the network's
    /// prediction at the trial's end.
    pub fn step_again<V: Combine>(&self, x: &V, trial: Trial<V>, output: &V) -> Stepped<V> {
        let x = self.advance(x, &trial.slope.combine(0.5, output, 0.5));
        Stepped { x, past: Past { node: self.here, x0: trial.x0 } }
    }
}
