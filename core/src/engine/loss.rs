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
        let before = (sample.cosine > 0.0).then(|| output.to_vec());
        for (output, place) in output.iter_mut().zip(&network.places) {
            *output -= sample.target[*place];
            *squares += f64::from(*output) * f64::from(*output);
            *output *= 2.0 * factor;
        }
        let Some(before) = before else { return };
        let patch = network.config.patch_values();
        // A mean over patches beside one over values.
        let weight = f64::from(sample.cosine) * patch as f64;
        let places = network.places.chunks_exact(patch);
        let patches = before.chunks_exact(patch).zip(output.chunks_exact_mut(patch)).zip(places);
        for ((before, gradient), places) in patches {
            let target = places.iter().map(|place| sample.target[*place]);
            let term = direction::add_gradient(before, target, weight * f64::from(factor), gradient);
            *squares += weight * term;
        }
        return;
    };
    let bound = Bound::at(alphas, (sample.t as usize).min(alphas.len() - 1));
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
