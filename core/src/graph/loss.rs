//! What training minimises.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Int, Tensor, TensorData};
use tailor_packs::{Matrix, ModelConfig};

use super::Parameters;
use super::factored::{self, TailorStack, Weight};

use crate::diffusion::direction;
use crate::diffusion::path::alphas_cumprod;
use crate::diffusion::variance::{Bound, HALF_LEVEL, LAST_LEVEL, LEAST};
use crate::distillation::FLOOR;
use crate::engine::orthogonality;

/// Returns the sum over all values of the squared error of `output`; with learned variance, of what
/// [`crate::diffusion::variance`] adds to it, too.
///
/// # Shapes
/// - `output`: that of [`Dit::forward`](super::Dit::forward) for the noisy images `x` at the times `t`
/// - `x`, `target`: `[B, C, H, W]`
/// - output: `[1]`
pub fn loss(
    config: &ModelConfig,
    output: Tensor<4>,
    (x, target): (Tensor<4>, Tensor<4>),
    t: &[f32],
) -> Tensor<1> {
    if !config.learned_variance {
        return (output - target).square().sum();
    }
    let c = config.channels as usize;
    let variance = output.clone().narrow(1, c, c);
    let error = output.narrow(1, 0, c) - target.clone();
    error.clone().square().sum() + bits(error.detach(), variance, (x, target), t)
}

/// Returns the sum over the images of the mean over their patches of the term of
/// [`crate::diffusion::direction`].
///
/// # Shapes
/// - `output`, `target`: `[B, C, H, W]`
/// - output: `[1]`
pub fn directions(config: &ModelConfig, output: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let ([b, c, h, w], p) = (output.dims(), config.patch_size as usize);
    let floor = direction::FLOOR * config.patch_values() as f64;
    let of_patches =
        |values: Tensor<4>| values.reshape([b, c, h / p, p, w / p, p]).sum_dim(1).sum_dim(3).sum_dim(5);
    let (found, wanted) = (of_patches(output.clone().square()), of_patches(target.clone().square()));
    let cosine = of_patches(output * target) / ((found + floor) * (wanted + floor)).sqrt();
    (cosine.neg() + 1.0).sum() / config.tokens() as f64
}

/// Returns the sum over the images of their [distances](crate::distillation) from what a teacher makes
/// of them: of each of `blocks` from the one of the same place in the teacher's, and of the output.
///
/// # Shapes
/// - blocks: `[B, T, D]`; outputs: `[B, C, H, W]`, or `[B, 2·C, H, W]` with learned variance
/// - output: `[1]`
pub fn distances(
    (blocks, output): (Vec<Tensor<3>>, Tensor<4>),
    (wanted, wanted_output): (Vec<Tensor<3>>, Tensor<4>),
) -> Tensor<1> {
    let pairs = blocks.into_iter().zip(wanted).map(|(found, wanted)| distance(found, wanted));
    pairs.fold(distance(output, wanted_output), |sum, distance| sum + distance)
}

fn distance<const D: usize>(found: Tensor<D>, wanted: Tensor<D>) -> Tensor<1> {
    let images = found.dims()[0];
    let n = found.shape().num_elements() / images;
    let squares = |values: Tensor<D>| values.square().reshape([images, n]).sum_dim(1);
    (squares(found - wanted.clone()) / (squares(wanted) + FLOOR * n as f64)).sum()
}

/// Returns the mean over these tailors of the term of [`Network::orthogonality`], or that of the
/// learngene alone where there are none; `None` for a network without components.
///
/// [`Network::orthogonality`]: crate::engine::Network::orthogonality
///
/// # Shapes
/// - output: `[1]`
pub fn orthogonality(
    config: &ModelConfig,
    parameters: &Parameters,
    tailors: Option<&TailorStack>,
) -> Option<Tensor<1>> {
    let of = |layer: u32, i: usize, matrix: Matrix| {
        let Weight::Factored { u, v, .. } = factored::linear(config, parameters, layer, matrix).weight else {
            return None;
        };
        let own = tailors.map(|stack| &stack.layers[layer as usize][i].1);
        let joined = |shared: Tensor<2>, own: Option<Tensor<3>>| match own {
            Some(own) => Tensor::cat(vec![shared.unsqueeze::<3>().repeat_dim(0, own.dims()[0]), own], 1),
            None => shared.unsqueeze(),
        };
        let left = joined(u.swap_dims(0, 1), own.map(|own| own.u.clone().swap_dims(1, 2)));
        Some(squared_cosines(left) + squared_cosines(joined(v, own.map(|own| own.v.clone()))))
    };
    let places = config.factored.matrices();
    let all = (0..config.depth).flat_map(|l| places.iter().enumerate().map(move |(i, m)| (l, i, *m)));
    let terms = all.filter_map(|(layer, i, matrix)| of(layer, i, matrix));
    let count = f64::from(config.depth) * places.len() as f64;
    terms.reduce(|a, b| a + b).map(|sum| sum / (2.0 * count))
}

/// Returns the mean of the squared cosines of all pairs of vectors `[K, r, m]`.
fn squared_cosines(vectors: Tensor<3>) -> Tensor<1> {
    let [k, r, _] = vectors.dims();
    let lengths = (vectors.clone().square().sum_dim(2) + orthogonality::FLOOR).sqrt();
    let unit = vectors / lengths;
    let others = Tensor::<2>::eye(r, &unit.device()).neg() + 1.0;
    let cosines = unit.clone().matmul(unit.swap_dims(1, 2)) * others.unsqueeze::<3>();
    cosines.square().sum() / ((k * r * r.saturating_sub(1)).max(1)) as f64
}

/// Returns the sum of the bound's terms in bits; see [`Bound::bits`], which computes one of them.
fn bits(error: Tensor<4>, variance: Tensor<4>, (x, noise): (Tensor<4>, Tensor<4>), t: &[f32]) -> Tensor<1> {
    let device = error.device();
    let alphas = alphas_cumprod();
    let bounds: Vec<Bound> =
        t.iter().map(|t| Bound::at(&alphas, (*t as usize).min(alphas.len() - 1))).collect();
    let column = |value: &dyn Fn(&Bound) -> f64| {
        let values: Vec<f32> = bounds.iter().map(|bound| value(bound) as f32).collect();
        Tensor::<4>::from_data(TensorData::new(values, [bounds.len(), 1, 1, 1]), &device)
    };
    // Above the smallest logarithm; itself never exponentiated with the other's sign.
    let above = (variance + 1.0) * column(&|b| (b.logs.1 - b.logs.0) / 2.0);
    let mean = error * column(&|b| b.reach);
    let square = mean.clone().square() * column(&|b| (-b.logs.0).exp());
    let terms = (above.clone() - 1.0 + (square + 1.0) * above.clone().neg().exp()) * 0.5;
    let terms = terms * column(&|b| f64::from(u8::from(b.clean.is_none())));
    let mut nats = terms.sum();

    let last: Vec<i32> = (0..bounds.len() as i32).filter(|i| bounds[*i as usize].clean.is_some()).collect();
    if let Some(clean) = bounds.iter().find_map(|bound| bound.clean) {
        let n = last.len();
        let last = Tensor::<1, Int>::from_data(TensorData::new(last, [n]), &device);
        let of = |values: Tensor<4>| values.select(0, last.clone());
        let log = of(above + column(&|b| b.logs.0));
        let deviation = (log * -0.5).exp();
        let mean = of(mean);
        let edge = |side: f64| normal_distribution(deviation.clone() * (mean.clone() + side * HALF_LEVEL));
        let (to_edge, from_edge) = (edge(1.0), edge(-1.0));
        let x0 = of(x) * clean.0 + of(noise) * clean.1;
        let p = (to_edge.clone() - from_edge.clone())
            .mask_where(x0.clone().lower_elem(-LAST_LEVEL), to_edge)
            .mask_where(x0.greater_elem(LAST_LEVEL), from_edge.neg() + 1.0);
        nats = nats - p.clamp_min(LEAST).log().sum();
    }
    nats / std::f64::consts::LN_2
}

/// Returns `Φ(z)` of the normal distribution, as DiT approximates it.
fn normal_distribution(z: Tensor<4>) -> Tensor<4> {
    let twice = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    sigmoid(z.clone() * (z.square() * (0.044715 * twice) + twice))
}
