//! The functions between the matrix products, and their gradients, on plain slices of `f32`.
//!
//! Each loop is compiled for several instruction sets, among which the `pulp` crate chooses at run time.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

use pulp::Arch;

use super::view::View;

/// Values summed side by side, so that the compiler may use whole registers.
const LANES: usize = 16;

impl View<'_> {
    /// Adds the sum of the rows to `out`.
    ///
    /// # Panics
    /// When the view is a transpose, or `out` is not as long as a row.
    pub fn add_rows_to(self, out: &mut [f32]) {
        assert!(self.column_stride == 1 && out.len() == self.columns);
        Arch::new().dispatch(|| {
            for row in 0..self.rows {
                let row = &self.data[row * self.row_stride..][..self.columns];
                out.iter_mut().zip(row).for_each(|(out, value)| *out += value);
            }
        });
    }
}

/// Returns `eˣ` to about 2 units in the last place. Arguments are clamped so that an `f32` can hold
/// the result.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding this moves a number's integer part into the lowest bits of its fraction.
    const SHIFT: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * LOG2_E + SHIFT;
    let whole = shifted - SHIFT;
    // ln 2 in two parts, the first exact in few bits (Cody & Waite).
    let rest = (x - whole * 0.693_359_4) - whole * -2.121_944_4e-4;
    let p = 1.0 / 720.0 + rest * (1.0 / 5040.0);
    let p = 1.0 / 24.0 + rest * (1.0 / 120.0 + rest * p);
    let p = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0 + rest * p)));
    p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    dot_with(values, values, |a, _| a)
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_with(a, b, |a, b| a * b)
}

#[inline(always)]
fn dot_with(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder()).map(|(a, b)| term(*a, *b)).sum::<f32>();
    for (a, b) in a.zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += term(*a, *b);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Returns the larger of two numbers; the second if the first is NaN.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Returns the sum of the squares of `values`, added up in parts short enough for `f32`.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    Arch::new().dispatch(|| values.chunks(4096).map(|part| f64::from(dot(part, part))).sum())
}

/// Adds: `a += b`, value by value.
pub fn add(a: &mut [f32], b: &[f32]) {
    Arch::new().dispatch(|| a.iter_mut().zip(b).for_each(|(a, b)| *a += b));
}

/// Multiplies: `a *= b`, value by value.
pub fn multiply(a: &mut [f32], b: &[f32]) {
    Arch::new().dispatch(|| a.iter_mut().zip(b).for_each(|(a, b)| *a *= b));
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Writes SiLU `x·sigmoid(x)` to `out`, and its derivative to `slope`.
pub fn silu(x: &[f32], out: &mut [f32], slope: &mut [f32]) {
    Arch::new().dispatch(|| {
        for ((&x, out), slope) in x.iter().zip(out).zip(slope) {
            let sigmoid = sigmoid(x);
            *out = x * sigmoid;
            *slope = sigmoid * (1.0 + x * (1.0 - sigmoid));
        }
    });
}

/// Applies [`silu`] in place, without its derivative.
pub fn silu_in_place(x: &mut [f32]) {
    Arch::new().dispatch(|| x.iter_mut().for_each(|x| *x *= sigmoid(*x)));
}

/// Returns `Φ(x)` of the normal distribution, with the error function's approximation 7.1.26 of
/// Abramowitz & Stegun (error below 2e-7), and `e^(-x²/2)`.
#[inline(always)]
fn normal_distribution(x: f32) -> (f32, f32) {
    let z = x.abs() * FRAC_1_SQRT_2;
    let bell = exp(-z * z);
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.421_413_8 + t * (-1.453_152 + t * 1.061_405_4);
    let tail = 0.5 * bell * t * (0.254_829_6 + t * (-0.284_496_74 + t * p));
    (if x > 0.0 { 1.0 - tail } else { tail }, bell)
}

/// Writes GELU `x·Φ(x)`, with the error function itself, to `out`, and its derivative `Φ(x) +
/// x·φ(x)` over `x`.
pub fn gelu(x: &mut [f32], out: &mut [f32]) {
    Arch::new().dispatch(|| {
        for (x, out) in x.iter_mut().zip(out) {
            let (phi, bell) = normal_distribution(*x);
            *out = *x * phi;
            *x = phi + *x * bell * 0.398_942_3;
        }
    });
}

/// Applies [`gelu`] in place, without its derivative.
pub fn gelu_in_place(x: &mut [f32]) {
    Arch::new().dispatch(|| x.iter_mut().for_each(|x| *x *= normal_distribution(*x).0));
}

/// Does what [`gelu`] does for the approximation `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`.
pub fn tanh_gelu(x: &mut [f32], out: &mut [f32]) {
    Arch::new().dispatch(|| {
        for (x, out) in x.iter_mut().zip(out) {
            // (1 + tanh u)/2 is sigmoid(2u).
            let square = *x * *x;
            let gate = sigmoid(*x * (1.595_769_2 + 0.071_354_814 * square));
            *out = *x * gate;
            *x = gate + *out * (1.0 - gate) * (1.595_769_2 + 0.214_064_45 * square);
        }
    });
}

/// Writes SwiGLU's `silu(a)·b` to `out`, where a row of `x` is `a` then `b`, each of `columns` values;
/// and its derivatives by both over `x`.
pub fn swiglu(x: &mut [f32], out: &mut [f32], columns: usize) {
    Arch::new().dispatch(|| {
        for (x, out) in x.chunks_exact_mut(2 * columns).zip(out.chunks_exact_mut(columns)) {
            let (a, b) = x.split_at_mut(columns);
            for ((a, b), out) in a.iter_mut().zip(b).zip(out) {
                let sigmoid = sigmoid(*a);
                let silu = *a * sigmoid;
                *out = silu * *b;
                *a = *b * sigmoid * (1.0 + *a * (1.0 - sigmoid));
                *b = silu;
            }
        }
    });
}

/// Turns the pairs of values `(aᵢ, bᵢ)` by angles with these cosines and sines.
pub fn turn(a: &mut [f32], b: &mut [f32], (cosines, sines): (&[f32], &[f32])) {
    Arch::new().dispatch(|| {
        for ((a, b), (cosine, sine)) in a.iter_mut().zip(b).zip(cosines.iter().zip(sines)) {
            (*a, *b) = (*a * cosine - *b * sine, *a * sine + *b * cosine);
        }
    });
}

/// Replaces each row of `columns` values by the softmax of `scale` times the row.
pub fn softmax(rows: &mut [f32], columns: usize, scale: f32) {
    Arch::new().dispatch(|| {
        for row in rows.chunks_exact_mut(columns) {
            let mut most = [f32::NEG_INFINITY; LANES];
            for chunk in row.chunks(LANES) {
                most.iter_mut().zip(chunk).for_each(|(most, value)| *most = larger(*value, *most));
            }
            let most = most.into_iter().fold(f32::NEG_INFINITY, larger);
            row.iter_mut().for_each(|value| *value = exp((*value - most) * scale));
            let factor = 1.0 / sum(row);
            row.iter_mut().for_each(|value| *value *= factor);
        }
    });
}

/// Turns `gradient`, the gradient by the output of [`softmax`], into that by its input, in place.
pub fn softmax_backward(output: &[f32], gradient: &mut [f32], columns: usize, scale: f32) {
    Arch::new().dispatch(|| {
        for (p, g) in output.chunks_exact(columns).zip(gradient.chunks_exact_mut(columns)) {
            let mean = dot(p, g);
            p.iter().zip(g).for_each(|(p, g)| *g = *p * (*g - mean) * scale);
        }
    });
}

/// Writes one row of `x` minus its mean to `centred`, and returns `1/√(variance + ε)`. With `rms`
/// the mean counts as zero.
#[inline(always)]
fn centre(x: &[f32], (epsilon, rms): (f32, bool), centred: &mut [f32]) -> f32 {
    let d = x.len() as f32;
    let mean = if rms { 0.0 } else { sum(x) / d };
    x.iter().zip(centred.iter_mut()).for_each(|(x, centred)| *centred = *x - mean);
    1.0 / (dot(centred, centred) / d + epsilon).sqrt()
}

/// Writes `x̂·(1 + scale) + shift` to `out`, where `x̂` is the LayerNorm of `x` without affine
/// parameters, over rows of the width of `shift`; with `rms` their RMSNorm.
///
/// `normal` receives `x̂` and `inverse` each row's `1/√(variance + ε)`.
pub fn norm_modulate(
    x: &[f32],
    (shift, scale): (&[f32], &[f32]),
    norm: (f32, bool),
    (normal, inverse): (&mut [f32], &mut [f32]),
    out: &mut [f32],
) {
    let d = shift.len();
    Arch::new().dispatch(|| {
        let rows = x.chunks_exact(d).zip(normal.chunks_exact_mut(d)).zip(out.chunks_exact_mut(d));
        for (((x, normal), out), inverse) in rows.zip(inverse) {
            *inverse = centre(x, norm, normal);
            let affine = shift.iter().zip(scale);
            for ((normal, out), (shift, scale)) in normal.iter_mut().zip(out).zip(affine) {
                *normal *= *inverse;
                *out = *normal * (1.0 + scale) + shift;
            }
        }
    });
}

/// Computes [`norm_modulate`] without the values that only its gradient needs.
pub fn norm_modulate_into(x: &[f32], (shift, scale): (&[f32], &[f32]), norm: (f32, bool), out: &mut [f32]) {
    let d = shift.len();
    Arch::new().dispatch(|| {
        for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
            let inverse = centre(x, norm, out);
            for (out, (shift, scale)) in out.iter_mut().zip(shift.iter().zip(scale)) {
                *out = *out * inverse * (1.0 + scale) + shift;
            }
        }
    });
}

/// Adds the gradients of [`norm_modulate`] to `dx`, `dshift` and `dscale`. Overwrites `gradient`,
/// the gradient by its output.
pub fn norm_modulate_backward(
    gradient: &mut [f32],
    scale: &[f32],
    rms: bool,
    (normal, inverse): (&[f32], &[f32]),
    dx: &mut [f32],
    (dshift, dscale): (&mut [f32], &mut [f32]),
) {
    let d = scale.len();
    Arch::new().dispatch(|| {
        let rows = gradient.chunks_exact_mut(d).zip(normal.chunks_exact(d)).zip(dx.chunks_exact_mut(d));
        for (((g, normal), dx), inverse) in rows.zip(inverse) {
            let affine = dshift.iter_mut().zip(dscale.iter_mut()).zip(scale);
            for ((g, normal), ((dshift, dscale), scale)) in g.iter_mut().zip(normal).zip(affine) {
                *dshift += *g;
                *dscale += *g * normal;
                *g *= 1.0 + scale;
            }
            let mean = if rms { 0.0 } else { sum(g) / d as f32 };
            let slope = dot(g, normal) / d as f32;
            for ((g, normal), dx) in g.iter().zip(normal).zip(dx) {
                *dx += inverse * (g - mean - normal * slope);
            }
        }
    });
}

/// Adds `gate·y` to `x`; the gate has a value for each column.
pub fn gated_add(x: &mut [f32], gate: &[f32], y: &[f32]) {
    let d = gate.len();
    Arch::new().dispatch(|| {
        for (x, y) in x.chunks_exact_mut(d).zip(y.chunks_exact(d)) {
            x.iter_mut().zip(gate.iter().zip(y)).for_each(|(x, (gate, y))| *x += gate * y);
        }
    });
}

/// Adds the gradient of [`gated_add`] by `gate` to `dgate`, and writes the one by `y` over `y`.
pub fn gated_add_backward(dx: &[f32], gate: &[f32], y: &mut [f32], dgate: &mut [f32]) {
    let d = gate.len();
    Arch::new().dispatch(|| {
        for (dx, y) in dx.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
            for ((dx, y), (gate, dgate)) in dx.iter().zip(y).zip(gate.iter().zip(dgate.iter_mut())) {
                *dgate += dx * *y;
                *y = dx * gate;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::diffusion::noise::{Stream, standard_normal};

    use super::*;

    fn random(seed: u64, n: usize) -> Vec<f32> {
        standard_normal(seed, Stream::Start, n)
    }

    fn near(found: &[f32], expected: impl IntoIterator<Item = f64>, tolerance: f64) {
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let allowed = tolerance * (1.0 + expected.abs());
            assert!((f64::from(*found) - expected).abs() <= allowed, "{i}: {found} {expected}");
        }
    }

    #[test]
    fn the_exponential_is_that_of_the_standard_library() {
        for i in -870..=880 {
            let x = i as f32 * 0.1;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 4e-7, "{x}");
        }
        assert!(exp(-1e30) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn gelu_and_its_slope_are_those_of_the_error_function() {
        let x: Vec<f32> = (-800..800).map(|i| i as f32 * 0.01).collect();
        let (mut slope, mut out) = (x.clone(), vec![0.0; x.len()]);
        gelu(&mut slope, &mut out);
        let phi = |x: f64| 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2));
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        near(&out, x.iter().map(|&x| f64::from(x) * phi(f64::from(x))), 1e-6);
        near(&slope, x.iter().map(|&x| phi(f64::from(x)) + f64::from(x) * density(f64::from(x))), 2e-6);
    }

    #[test]
    fn the_approximate_gelu_and_its_slope_are_those_of_its_formula() {
        let x: Vec<f32> = (-800..800).map(|i| i as f32 * 0.01).collect();
        let (mut slope, mut out) = (x.clone(), vec![0.0; x.len()]);
        tanh_gelu(&mut slope, &mut out);
        let root = (2.0 / std::f64::consts::PI).sqrt();
        let formula = |x: f64| x / 2.0 * (1.0 + (root * (x + 0.044_715 * x.powi(3))).tanh());
        near(&out, x.iter().map(|&x| formula(f64::from(x))), 1e-6);
        let difference = |x: f64| (formula(x + 1e-5) - formula(x - 1e-5)) / 2e-5;
        near(&slope, x.iter().map(|&x| difference(f64::from(x))), 2e-6);
    }

    #[test]
    fn softmax_rows_sum_to_one_and_survive_large_scores() {
        for columns in [5, 16, 37] {
            let mut rows = random(4, 3 * columns);
            rows[1] = 1e4;
            softmax(&mut rows, columns, 0.3);
            rows.chunks(columns).for_each(|row| near(&[row.iter().sum()], [1.0], 1e-6));
            near(&rows[1..2], [1.0], 1e-6);
        }
    }

    #[test]
    fn what_skips_the_slopes_gives_the_same_bits() {
        let d = 37;
        let x: Vec<f32> = random(5, 4 * d).into_iter().map(|x| x * 6.0).collect();
        let (shift, scale) = (random(6, d), random(7, d));
        let (mut out, mut spare, mut inverse) = (vec![0.0; 4 * d], vec![0.0; 4 * d], vec![0.0; 4]);
        let mut alone = x.clone();
        silu(&x, &mut out, &mut spare);
        silu_in_place(&mut alone);
        assert_eq!(alone, out);
        spare.copy_from_slice(&x);
        alone.copy_from_slice(&x);
        gelu(&mut spare, &mut out);
        gelu_in_place(&mut alone);
        assert_eq!(alone, out);
        for rms in [false, true] {
            norm_modulate(&x, (&shift, &scale), (1e-6, rms), (&mut spare, &mut inverse), &mut out);
            norm_modulate_into(&x, (&shift, &scale), (1e-6, rms), &mut alone);
            assert_eq!(alone, out);
        }
    }
}
