//! What training minimises, and its gradient by the network's output.

use super::layout::Network;
use super::pool::Sample;
use crate::diffusion::direction;
use crate::diffusion::variance::Bound;

/// Adds the loss of `sample` to `squares`, and writes `factor` times its gradient over `output`.
/// `alphas` is DiT's schedule, for a model with learned variance.
pub(super) fn loss(
    network: &Network,
    alphas: Option<&[f64]>,
    sample: &Sample<'_>,
    (factor, squares): (f32, &mut f64),
    output: &mut [f32],
) {
    let Some(alphas) = alphas else {
        for (output, place) in output.iter_mut().zip(&network.places) {
            *output -= sample.target[*place];
            *squares += f64::from(*output) * f64::from(*output);
            *output *= 2.0 * factor;
        }
        return;
    };
    let bound = Bound::at(alphas, (sample.at.t as usize).min(alphas.len() - 1));
    let c = network.config.channels as usize;
    for (output, places) in output.chunks_exact_mut(2 * c).zip(network.places.chunks_exact(c)) {
        let (predicted, variances) = output.split_at_mut(c);
        for ((predicted, variance), &place) in predicted.iter_mut().zip(variances).zip(places) {
            let noise = f64::from(sample.target[place]);
            let error = f64::from(*predicted) - noise;
            let (bits, slope) = bound.bits(error, f64::from(*variance), f64::from(sample.x[place]), noise);
            *squares += error * error + bits;
            *predicted = 2.0 * factor * error as f32;
            *variance = factor * slope as f32;
        }
    }
}

/// Adds `weight` times the gradient of the direction of `output` to `gradient`; returns its mean over the patches, times
/// how much it counts in the sample.
pub(super) fn directions(
    network: &Network,
    sample: &Sample<'_>,
    weight: f64,
    output: &[f32],
    gradient: &mut [f32],
) -> f64 {
    let patch = network.config.patch_values();
    let share = f64::from(sample.cosine) / network.config.tokens() as f64;
    let places = network.places.chunks_exact(patch);
    let patches = output.chunks_exact(patch).zip(gradient.chunks_exact_mut(patch)).zip(places);
    let terms = patches.map(|((output, gradient), places)| {
        let target = places.iter().map(|place| sample.target[*place]);
        direction::add_gradient(output, target, share * weight, gradient)
    });
    share * terms.sum::<f64>()
}
