//! The path from data to noise, `x_t = α·x₀ + σ·ε`, and how to read the network's output on it.
//! Here `x₀` is the clean image and `ε` the noise.

use tailor_packs::{ModelConfig, Objective};

/// Steps of DiT's linear schedule.
pub const DDPM_STEPS: usize = 1000;

/// One point on the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// Time as the network gets it, from 0 (clean) to 1000 (noise).
    pub t: f64,
    /// Factor `α` of the clean image.
    pub alpha: f64,
    /// Factor `σ` of the noise.
    pub sigma: f64,
}

/// The clean end, where every sampler stops.
pub const CLEAN: Node = Node { t: 0.0, alpha: 1.0, sigma: 0.0 };

/// Returns `ᾱ_t` of DiT's linear schedule for `t` from 0 to 999: β grows from 1e-4 to 0.02 over
/// 1,000 steps (Ho et al. 2020, §4).
pub fn alphas_cumprod() -> Vec<f64> {
    let beta = |i: usize| 1e-4 + (0.02 - 1e-4) * i as f64 / (DDPM_STEPS - 1) as f64;
    let mut product = 1.0;
    let mut next = |i| {
        product *= 1.0 - beta(i);
        product
    };
    (0..DDPM_STEPS).map(&mut next).collect()
}

/// Returns the point at DDPM step `t` (0 to 999). `alphas_cumprod` is [`alphas_cumprod`]'s result.
pub fn ddpm_node(alphas_cumprod: &[f64], t: usize) -> Node {
    let a = alphas_cumprod[t];
    Node { t: t as f64, alpha: libm::sqrt(a), sigma: libm::sqrt(1.0 - a) }
}

/// Returns the point at time `t` (0 clean, 1 noise) of the straight path of flow matching.
pub fn flow_node(t: f64) -> Node {
    Node { t: 1000.0 * t, alpha: 1.0 - t, sigma: t }
}

/// Returns the points that a sampler with `steps` steps visits, from noise to [`CLEAN`]: `steps +
/// 1` in all.
///
/// Spacing is "trailing" (Lin et al. 2024), which starts at pure noise: for DDPM the times
/// `round(1000·(1 − i/n)) − 1`, for flow matching `1 − i/n`.
pub fn nodes(objective: Objective, steps: usize) -> Vec<Node> {
    let alphas = alphas_cumprod();
    let left = |i: usize| (steps - i) as f64 / steps as f64;
    let node = |i: usize| match objective {
        Objective::Ddpm => {
            let t = libm::rint(DDPM_STEPS as f64 * left(i)) as usize;
            ddpm_node(&alphas, t.max(1) - 1)
        }
        Objective::Flow => flow_node(left(i)),
    };
    (0..steps).map(node).chain([CLEAN]).collect()
}

/// Returns what the network is shown of a clean value and noise at `place`, and what it should say.
pub fn noised(objective: Objective, place: Node, clean: f32, noise: f32) -> (f32, f32) {
    let x = (place.alpha * f64::from(clean) + place.sigma * f64::from(noise)) as f32;
    let target = match objective {
        Objective::Ddpm => noise,
        Objective::Flow => noise - clean,
    };
    (x, target)
}

/// Factors that turn `x_t` and the network's output into the clean image and the noise.
///
/// `x₀ = x0.0·x_t + x0.1·output`, `ε = eps.0·x_t + eps.1·output`.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Factors for the clean image.
    pub x0: (f64, f64),
    /// Factors for the noise.
    pub eps: (f64, f64),
}

/// Returns how to read the output at `node`: it is the noise itself for DDPM, `ε − x₀` for flow
/// matching.
pub fn reading(objective: Objective, node: Node) -> Reading {
    match objective {
        Objective::Ddpm => Reading { x0: (1.0 / node.alpha, -node.sigma / node.alpha), eps: (0.0, 1.0) },
        Objective::Flow => Reading { x0: (1.0, -node.sigma), eps: (1.0, node.alpha) },
    }
}

/// Returns the factor that turns `x_t` less the clean image into the velocity of flow matching at
/// time `t` (0 to 1000), for a model whose network gives the clean image; `None` for others. It is
/// `1/t` with `t` from 0 to 1, and no more than 20 (Li and He 2025, arXiv 2511.13720, which bounds it
/// so).
pub fn velocity_factor(config: &ModelConfig, t: f32) -> Option<f32> {
    config.clean_output.then(|| 1000.0 / t.max(50.0))
}

/// Returns the coordinates `(scale, τ)` of `node` in which the probability-flow ODE (Song et al.
/// 2021, score-based generative modelling) reads `d(scale·x)/dτ = output`.
pub fn ode(objective: Objective, node: Node) -> (f64, f64) {
    match objective {
        Objective::Ddpm => (1.0 / node.alpha, node.sigma / node.alpha),
        Objective::Flow => (1.0, node.sigma),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_starts_at_noise_and_ends_clean() {
        for objective in [Objective::Ddpm, Objective::Flow] {
            for steps in [1, 7, 20, 1000] {
                let plan = nodes(objective, steps);
                assert_eq!(plan.len(), steps + 1);
                assert!(plan[0].sigma > 0.999, "{objective:?} {steps}");
                assert_eq!(plan[steps], CLEAN);
                assert!(plan.windows(2).all(|w| w[1].sigma < w[0].sigma));
            }
        }
    }
}
