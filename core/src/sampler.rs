//! Samplers: how the predictions along the path become an image.
//!
//! Every sampler works for every objective, since each is written in `α`, `σ`, the clean image and
//! the noise of [`crate::path`]. Held to `diffusers` by the fixtures in `tests/reference`.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tailor_packs::Objective;

use crate::path::{Node, ode, reading};

/// A way from noise to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// Ancestral sampling with the smaller posterior variance (Ho et al. 2020).
    Ddpm,
    /// Deterministic DDIM, η = 0 (Song et al. 2021).
    Ddim,
    /// DPM-Solver++(2M), midpoint form, last step first-order (Lu et al. 2022).
    #[serde(rename = "dpm++")]
    DpmPlusPlus,
    /// Euler steps of the probability-flow ODE.
    Euler,
    /// Heun steps (Karras et al. 2022, algorithm 1 without churn): two evaluations a step.
    Heun,
}

/// A name that is no sampler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no sampler {0:?}; choose from ddpm, ddim, dpm++, euler, heun")]
pub struct UnknownSampler(String);

impl Sampler {
    /// Every sampler.
    pub const ALL: [Sampler; 5] =
        [Sampler::Ddpm, Sampler::Ddim, Sampler::DpmPlusPlus, Sampler::Euler, Sampler::Heun];

    /// The name used on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Sampler::Ddpm => "ddpm",
            Sampler::Ddim => "ddim",
            Sampler::DpmPlusPlus => "dpm++",
            Sampler::Euler => "euler",
            Sampler::Heun => "heun",
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

/// What a multistep sampler remembers: where it was and the clean image it saw there.
#[derive(Clone, Debug)]
pub struct Past {
    node: Node,
    x0: Tensor<4>,
}

/// The state after one step.
#[derive(Clone, Debug)]
pub struct Stepped {
    /// The image at the next node, `[B, C, H, W]`.
    pub x: Tensor<4>,
    /// The clean image as predicted at this step: a preview, `[B, C, H, W]`.
    pub x0: Tensor<4>,
    /// To be handed to the next step.
    pub past: Past,
}

/// One step from `here` to `next`.
///
/// # Shapes
/// - `x`, `noise` and what `predict` takes and returns: `[B, C, H, W]`
///
/// `noise` is called by [`Sampler::Ddpm`] alone, `predict` twice by [`Sampler::Heun`] unless `next`
/// is the clean end.
pub fn step(
    sampler: Sampler,
    objective: Objective,
    (here, next): (Node, Node),
    x: Tensor<4>,
    past: Option<Past>,
    mut predict: impl FnMut(Tensor<4>, Node) -> Tensor<4>,
    noise: impl FnOnce() -> Tensor<4>,
) -> Stepped {
    let output = predict(x.clone(), here);
    let read = reading(objective, here);
    let x0 = combine(&x, read.x0.0, &output, read.x0.1);
    let x = match sampler {
        Sampler::Ddim => {
            let eps = combine(&x, read.eps.0, &output, read.eps.1);
            combine(&x0, next.alpha, &eps, next.sigma)
        }
        Sampler::Euler | Sampler::Heun => {
            let ((scale, tau), (next_scale, next_tau)) = (ode(objective, here), ode(objective, next));
            let advance =
                |slope: &Tensor<4>| combine(&x, scale / next_scale, slope, (next_tau - tau) / next_scale);
            let euler = advance(&output);
            if sampler == Sampler::Euler || next.sigma == 0.0 {
                euler
            } else {
                let second = predict(euler, next);
                advance(&combine(&output, 0.5, &second, 0.5))
            }
        }
        Sampler::DpmPlusPlus => {
            // e^{−h} with h = λ_next − λ_here, λ = ln(α/σ); as a ratio it is finite at both ends.
            let decay = (next.sigma * here.alpha) / (next.alpha * here.sigma);
            let mut d = x0.clone();
            if let Some(past) = past.filter(|_| next.sigma > 0.0) {
                let h = -libm::log(decay);
                let before = -libm::log((here.sigma * past.node.alpha) / (here.alpha * past.node.sigma));
                let weight = 0.5 * h / before;
                d = combine(&d, 1.0 + weight, &past.x0, -weight);
            }
            combine(&x, next.sigma / here.sigma, &d, next.alpha * (1.0 - decay))
        }
        Sampler::Ddpm => {
            // q(x_next | x_here, x₀) of any Gaussian path; Ho et al. 2020, eq. 7, in α and σ.
            let ratio = here.alpha / next.alpha;
            let added = here.sigma.powi(2) - (ratio * next.sigma).powi(2);
            let keep = ratio * (next.sigma / here.sigma).powi(2);
            let mean = combine(&x, keep, &x0, next.alpha * added / here.sigma.powi(2));
            let deviation = libm::sqrt(added.max(0.0)) * next.sigma / here.sigma;
            if deviation > 0.0 { combine(&mean, 1.0, &noise(), deviation) } else { mean }
        }
    };
    Stepped { x, x0: x0.clone(), past: Past { node: here, x0 } }
}

/// `p·a + q·b`
fn combine(a: &Tensor<4>, p: f64, b: &Tensor<4>, q: f64) -> Tensor<4> {
    if p == 0.0 {
        return b.clone() * q;
    }
    if q == 0.0 {
        return a.clone() * p;
    }
    a.clone() * p + b.clone() * q
}
