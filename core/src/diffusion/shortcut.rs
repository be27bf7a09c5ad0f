//! Large steps of a model that is told how far each goes (shortcut models: Frans et al. 2024, arXiv
//! 2410.12557), for [`few_steps`](ModelConfig::few_steps).
//!
//! A *stride* says how far: 0 for the velocity at one time, and `i` above for a step of `2^(1−i)` of
//! the way from noise to image. Its number is that of a row in the model's table, which is added to
//! the embedding of the time. A step of stride `i` has to lead where two steps of stride `i + 1` do, so
//! the mean of their velocities is what the network is taught. The smallest step is taught by two
//! velocities at one time, with guidance, so that a few steps need none.

use rand_chacha::ChaCha8Rng;
#[allow(unused_imports, reason = "the docs name it")]
use tailor_packs::ModelConfig;
use tailor_packs::config::STRIDES;

use super::noise::uniform;
use super::path::{Node, flow_node};

/// The usual share of the images that learn a step.
pub const SHARE: f64 = 0.25;
/// The usual scale of the guidance within the smallest step.
pub const GUIDANCE: f64 = 3.0;

/// The most steps of a run with one stride.
pub const MOST: usize = 1 << (STRIDES - 2);

/// Where on the path an image is, and how far the next step goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// The time, 0 (clean) to 1000 (noise).
    pub t: f32,
    /// The stride, below [`STRIDES`]. A model without [`ModelConfig::few_steps`] does not look at it.
    pub stride: usize,
}

impl From<f32> for Moment {
    /// Returns the moment of the velocity at time `t`.
    fn from(t: f32) -> Self {
        Self { t, stride: 0 }
    }
}

/// Returns the stride of a run of so many equal steps: 1, 2, 4 or 8. `None` for other numbers.
pub fn stride(steps: usize) -> Option<usize> {
    (steps.is_power_of_two() && steps <= MOST).then(|| steps.ilog2() as usize + 1)
}

/// Returns the part of the way from noise to image, 0 to 1, that a step of a stride goes; 0 for
/// stride 0.
pub fn length(stride: usize) -> f32 {
    if stride == 0 { 0.0 } else { 2.0 / (1u32 << stride) as f32 }
}

/// Draws for one image whether it learns a step, which one in `share` does: its stride, each alike, and where
/// on the path it begins, which is where a run of such steps comes by.
pub fn draw(share: f64, rng: &mut ChaCha8Rng) -> Option<(usize, Node)> {
    if uniform(rng) >= share {
        return None;
    }
    let mut one_of = |count: usize| ((uniform(rng) * count as f64) as usize).min(count - 1);
    let stride = 1 + one_of(STRIDES - 1);
    let steps = 1 << (stride - 1);
    Some((stride, flow_node((1 + one_of(steps)) as f64 / steps as f64)))
}

/// Noisy images that are to learn a step, `[B, C, H, W]` flat, with the class and the moment of each.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    /// The images.
    pub x: &'a [f32],
    /// Their classes; `None` for the learngene alone.
    pub labels: &'a [Option<usize>],
    /// Their moments, with strides from 1 on and times from the step's length to 1000.
    pub at: &'a [Moment],
}

/// Returns what the network should say of each of `steps`: the mean velocity of two steps of half the
/// length, `[B, C, H, W]` flat.
///
/// `predict` is the network that teaches: it gives the velocities `[B, C, H, W]` of any images with their
/// classes and moments. It is asked twice. Halves of the smallest step are velocities at one time, led
/// away from the learngene alone by the scale `guidance`.
pub fn targets(steps: Steps<'_>, guidance: f32, mut predict: impl FnMut(Steps<'_>) -> Vec<f32>) -> Vec<f32> {
    if steps.at.is_empty() {
        return Vec::new();
    }
    let values = steps.x.len() / steps.at.len();
    let half = |at: &Moment| length(at.stride) / 2.0;
    let smaller = |at: &Moment| if at.stride + 1 < STRIDES { at.stride + 1 } else { 0 };
    let mut predict =
        |x: &[f32], at: &[Moment]| guided(Steps { x, at, ..steps }, guidance, values, &mut predict);
    let first: Vec<Moment> = steps.at.iter().map(|at| Moment { t: at.t, stride: smaller(at) }).collect();
    let mut velocities = predict(steps.x, &first);
    let mut x = steps.x.to_vec();
    for ((x, velocity), at) in x.chunks_mut(values).zip(velocities.chunks(values)).zip(steps.at) {
        x.iter_mut().zip(velocity).for_each(|(x, velocity)| *x -= half(at) * velocity);
    }
    let second = steps.at.iter().zip(&first);
    let second: Vec<Moment> =
        second.map(|(at, first)| Moment { t: at.t - 1000.0 * half(at), ..*first }).collect();
    let later = predict(&x, &second);
    velocities.iter_mut().zip(later).for_each(|(mean, later)| *mean = 0.5 * (*mean + later));
    velocities
}

/// Predicts, with guidance for images of a class whose velocity at one time is asked for.
fn guided(
    steps: Steps<'_>,
    guidance: f32,
    values: usize,
    predict: &mut impl FnMut(Steps<'_>) -> Vec<f32>,
) -> Vec<f32> {
    let led = |i: &usize| guidance != 1.0 && steps.at[*i].stride == 0 && steps.labels[*i].is_some();
    let led: Vec<usize> = (0..steps.at.len()).filter(led).collect();
    let (mut x, mut labels, mut at) = (steps.x.to_vec(), steps.labels.to_vec(), steps.at.to_vec());
    for &i in &led {
        x.extend_from_slice(&steps.x[i * values..][..values]);
        labels.push(None);
        at.push(steps.at[i]);
    }
    let mut found = predict(Steps { x: &x, labels: &labels, at: &at });
    let alone = found.split_off(steps.x.len());
    for (i, alone) in led.into_iter().zip(alone.chunks(values)) {
        let gated = found[i * values..][..values].iter_mut();
        gated.zip(alone).for_each(|(gated, alone)| *gated = alone + guidance * (*gated - alone));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stride_but_the_first_is_that_of_a_number_of_steps() {
        let found: Vec<_> = (0..40).filter_map(|steps| Some((steps, stride(steps)?))).collect();
        assert_eq!(found, [(1, 1), (2, 2), (4, 3), (8, 4)]);
        for (steps, stride) in found {
            assert!(stride < STRIDES);
            assert_eq!(length(stride) * steps as f32, 1.0);
        }
        assert_eq!((length(0), MOST), (0.0, 8));
    }

    #[test]
    fn a_target_is_the_mean_of_two_half_steps_and_the_smallest_ones_are_guided() {
        // One value an image. The velocity is the time, plus a hundred times the stride, plus ten of a class, plus x.
        let velocity = |x: f32, label: Option<usize>, at: Moment| {
            at.t / 1000.0 + 100.0 * at.stride as f32 + label.map_or(0.0, |_| 10.0) + x
        };
        let predict = |steps: Steps<'_>| {
            let all = steps.x.iter().zip(steps.labels).zip(steps.at);
            all.map(|((x, label), at)| velocity(*x, *label, *at)).collect()
        };
        let at = [(1000.0, 1), (500.0, 2), (250.0, 4), (250.0, 4)].map(|(t, stride)| Moment { t, stride });
        let (x, labels) = ([0.5, -1.0, 0.25, 0.25], [Some(0), None, Some(3), None]);
        let found = targets(Steps { x: &x, labels: &labels, at: &at }, 3.0, predict);

        let two = |x: f32, label, t: f32, half: f32, stride, led: f32| {
            let first = velocity(x, label, Moment { t, stride }) + led;
            let second = velocity(x - half * first, label, Moment { t: t - 1000.0 * half, stride }) + led;
            (first + second) / 2.0
        };
        let expected = [
            two(0.5, Some(0), 1000.0, 0.5, 2, 0.0),
            two(-1.0, None, 500.0, 0.25, 3, 0.0),
            // From the learngene alone three times as far as the class, which adds 10.
            two(0.25, Some(3), 250.0, 1.0 / 16.0, 0, 20.0),
            two(0.25, None, 250.0, 1.0 / 16.0, 0, 0.0),
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }
}
