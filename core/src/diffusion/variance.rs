//! The loss of a model that learns its variance: the squared error of the noise, and in bits the
//! term of the variational bound, from which only the variance learns (Nichol & Dhariwal 2021,
//! §3.1; the same in DiT).
//!
//! The network says for each value how far the logarithm of its variance lies between two bounds:
//! −1 is that of `q(x_{t−1} | x_t, x₀)`, 1 is `ln β_t`. No sampler here uses the variance: DDIM and
//! the solvers of the ODE add no noise, and [`Ddpm`](super::sampler::Sampler::Ddpm) draws with the
//! lower bound, where it could use what the network says.

use std::f64::consts::{LN_2, PI};

use tailor_packs::Objective;

use super::path::{ddpm_node, reading};

/// What the bound's term at one of DiT's 1,000 times depends on, beside the network's output.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The logarithms of the smallest and of the largest variance.
    pub logs: (f64, f64),
    /// The error of `x_{t−1}`'s mean for an error of 1 in the noise.
    pub reach: f64,
    /// At time 0, where the term is the likelihood of an image of 256 levels: factors `(1/α, −σ/α)`
    /// of the noisy value and of the noise in the clean value.
    pub clean: Option<(f64, f64)>,
}

/// Half the distance of two levels of an image in `[-1, 1]`.
pub const HALF_LEVEL: f64 = 1.0 / 255.0;
/// From here to the ends of `[-1, 1]` a value is the first or the last level, to which everything
/// beyond it belongs.
pub const LAST_LEVEL: f64 = 0.999;
/// The smallest likelihood whose logarithm is taken.
pub const LEAST: f64 = 1e-12;

impl Bound {
    /// Returns the bound at time `t` (0 to 999). `alphas_cumprod` is
    /// [`alphas_cumprod`](super::path::alphas_cumprod)'s result.
    pub fn at(alphas_cumprod: &[f64], t: usize) -> Self {
        let variances = |t: usize| {
            let (here, next) = (alphas_cumprod[t], t.checked_sub(1).map_or(1.0, |t| alphas_cumprod[t]));
            let beta = 1.0 - here / next;
            (beta * (1.0 - next) / (1.0 - here), beta)
        };
        let beta = variances(t).1;
        // At time 0 nothing is left to add; the smallest variance is then that of time 1.
        let logs = (libm::log(variances(t.max(1)).0), libm::log(beta));
        let reach = beta / libm::sqrt((1.0 - alphas_cumprod[t]) * (1.0 - beta));
        let clean = (t == 0).then(|| reading(Objective::Ddpm, ddpm_node(alphas_cumprod, 0)).x0);
        Self { logs, reach, clean }
    }

    /// Returns the bound's term for one value in bits, and its derivative by `v`, the network's
    /// output for the variance. `error` is that of the predicted noise, `x` the noisy value and
    /// `noise` the noise in it.
    pub fn bits(&self, error: f64, v: f64, x: f64, noise: f64) -> (f64, f64) {
        let (least, most) = self.logs;
        let log = least + (v + 1.0) / 2.0 * (most - least);
        let mean = self.reach * error;
        let (nats, slope) = if let Some(clean) = self.clean {
            let deviation = libm::exp(-log / 2.0);
            let edge = |side: f64| normal_distribution(deviation * (mean + side * HALF_LEVEL));
            // Probability, and its derivative by the logarithm of the variance.
            let ((above, above_slope), (below, below_slope)) = (edge(1.0), edge(-1.0));
            let (p, slope) = match clean.0 * x + clean.1 * noise {
                x0 if x0 < -LAST_LEVEL => (above, above_slope),
                x0 if x0 > LAST_LEVEL => (1.0 - below, -below_slope),
                _ => (above - below, above_slope - below_slope),
            };
            if p > LEAST { (-libm::log(p), -slope / p) } else { (-libm::log(LEAST), 0.0) }
        } else {
            let (ratio, square) = (libm::exp(least - log), mean * mean * libm::exp(-log));
            (0.5 * (log - least - 1.0 + ratio + square), 0.5 * (1.0 - ratio - square))
        };
        (nats / LN_2, slope * (most - least) / 2.0 / LN_2)
    }
}

/// Returns `Φ(z)` of the normal distribution, as DiT approximates it, and its derivative by the
/// logarithm of the variance by whose root `z` is divided.
fn normal_distribution(z: f64) -> (f64, f64) {
    let twice = 2.0 * libm::sqrt(2.0 / PI);
    let p = 1.0 / (1.0 + libm::exp(-twice * (z + 0.044715 * z * z * z)));
    (p, p * (1.0 - p) * twice * (1.0 + 3.0 * 0.044715 * z * z) * -z / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::path::alphas_cumprod;

    #[test]
    fn the_slope_is_that_of_the_bits_at_every_time() {
        let alphas = alphas_cumprod();
        for t in [0, 1, 2, 500, 999] {
            let bound = Bound::at(&alphas, t);
            assert!(bound.logs.0 < bound.logs.1, "{t}");
            for (error, v, x0) in [(0.5, -0.9, -1.0), (-1.5, 0.2, 1.0), (0.1, 1.3, 0.4), (1.0, 0.0, -0.2)] {
                let node = ddpm_node(&alphas, t);
                let x = node.alpha * x0 + node.sigma * 0.3;
                let (bits, slope) = bound.bits(error, v, x, 0.3);
                let at = |v| bound.bits(error, v, x, 0.3).0;
                let difference = (at(v + 1e-6) - at(v - 1e-6)) / 2e-6;
                assert!(bits > 0.0 && (slope - difference).abs() < 1e-6 * (1.0 + slope.abs()), "{t} {v}");
            }
        }
    }

    #[test]
    fn the_right_variance_without_an_error_costs_nothing() {
        let bound = Bound::at(&alphas_cumprod(), 700);
        let (bits, slope) = bound.bits(0.0, -1.0, 0.0, 0.0);
        assert!(bits.abs() < 1e-12 && slope.abs() < 1e-12);
        assert!(bound.bits(0.3, -1.0, 0.0, 0.0).0 > 0.0);
    }
}
