//! The functions between the matrix products, and their gradients, in WebAssembly. Sums and
//! formulas are the same as on every other machine, bit for bit, written out in registers of four
//! values.
//!
//! A compiler makes such registers by itself only if the linker, too, optimises for speed, but what
//! a browser downloads is linked for size.

use std::array;
use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};
use std::ops::{Add, Div, Mul, Neg, Sub};

use core::arch::wasm32::{
    f32x4_abs, f32x4_add, f32x4_div, f32x4_gt, f32x4_mul, f32x4_neg, f32x4_pmax, f32x4_pmin, f32x4_splat,
    f32x4_sub, i32x4_add, i32x4_shl, i32x4_splat, v128, v128_bitselect,
};

use super::lanes::{self, LANES};
use super::view::View;

/// Registers summed side by side.
const SUMS: usize = 4;

/// Four values, one beside the other.
#[derive(Clone, Copy)]
struct Lanes(v128);

impl Lanes {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        Self(lanes::load(values))
    }

    #[inline(always)]
    fn values(self) -> [f32; LANES] {
        lanes::values(self.0)
    }

    /// Returns the larger of each two values; the first where the second is NaN.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self(f32x4_pmax(self.0, other.0))
    }

    /// Returns the smaller of each two values; the first where the second is NaN.
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        Self(f32x4_pmin(self.0, other.0))
    }
}

impl Neg for Lanes {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self(f32x4_neg(self.0))
    }
}

macro_rules! operators {
    ($($operator:ident $name:ident $instruction:ident),*) => {
        $(impl $operator for Lanes {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Self($instruction(self.0, other.0))
            }
        })*
    };
}

operators!(Add add f32x4_add, Sub sub f32x4_sub, Mul mul f32x4_mul, Div div f32x4_div);

/// Replaces the values of `outputs` by what `work` computes from them and from those of `inputs`,
/// up to the shortest slice.
#[inline(always)]
fn each<const I: usize, const O: usize>(
    inputs: [&[f32]; I],
    outputs: [&mut [f32]; O],
    work: impl Fn([Lanes; I], [Lanes; O]) -> [Lanes; O],
) {
    let lengths = inputs.iter().map(|values| values.len()).chain(outputs.iter().map(|values| values.len()));
    let n = lengths.fold(usize::MAX, usize::min);
    let inputs = inputs.map(|values| values[..n].as_chunks());
    let mut outputs = outputs.map(|values| values[..n].as_chunks_mut());
    for i in 0..n / LANES {
        let read = inputs.map(|(chunks, _)| Lanes::load(&chunks[i]));
        let held = array::from_fn(|o| Lanes::load(&outputs[o].0[i]));
        for ((chunks, _), lanes) in outputs.iter_mut().zip(work(read, held)) {
            chunks[i] = lanes.values();
        }
    }
    if n % LANES > 0 {
        let padded = |rest: &[f32]| Lanes::load(&array::from_fn(|i| rest.get(i).copied().unwrap_or(0.0)));
        let read = inputs.map(|(_, rest)| padded(rest));
        let held = array::from_fn(|o| padded(outputs[o].1));
        for ((_, rest), lanes) in outputs.iter_mut().zip(work(read, held)) {
            rest.iter_mut().zip(lanes.values()).for_each(|(to, value)| *to = value);
        }
    }
}

/// Returns `eˣ` to about 2 units in the last place. Arguments are clamped so that an `f32` can hold
/// the result.
#[inline(always)]
fn exp(x: Lanes) -> Lanes {
    let c = Lanes::splat;
    // Adding this moves a number's integer part into the lowest bits of its fraction.
    let shift = c(12_582_912.0);
    let x = x.larger(c(-87.0)).smaller(c(88.0));
    let shifted = x * c(LOG2_E) + shift;
    let whole = shifted - shift;
    // ln 2 in two parts, the first exact in few bits (Cody & Waite).
    let rest = (x - whole * c(0.693_359_4)) - whole * c(-2.121_944_4e-4);
    let p = c(1.0 / 720.0) + rest * c(1.0 / 5040.0);
    let p = c(1.0 / 24.0) + rest * (c(1.0 / 120.0) + rest * p);
    let p = c(1.0) + rest * (c(1.0) + rest * (c(0.5) + rest * (c(1.0 / 6.0) + rest * p)));
    p * Lanes(i32x4_shl(i32x4_add(shifted.0, i32x4_splat(127)), 23))
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
fn dot_with(a: &[f32], b: &[f32], term: impl Fn(Lanes, Lanes) -> Lanes) -> f32 {
    let mut sums = [Lanes::splat(0.0); SUMS];
    let (a, b) = (a.chunks_exact(SUMS * LANES), b.chunks_exact(SUMS * LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest = rest.map(|(a, b)| term(Lanes::splat(*a), Lanes::splat(*b)).values()[0]).sum::<f32>();
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.as_chunks().0.iter().zip(b.as_chunks().0)) {
            *sum = *sum + term(Lanes::load(a), Lanes::load(b));
        }
    }
    sums.map(Lanes::values).as_flattened().iter().sum::<f32>() + rest
}

impl View<'_> {
    /// Adds the sum of the rows to `out`.
    ///
    /// # Panics
    /// When the view is a transpose, or `out` is not as long as a row.
    pub fn add_rows_to(self, out: &mut [f32]) {
        assert!(self.column_stride == 1 && out.len() == self.columns);
        for row in 0..self.rows {
            add(out, &self.data[row * self.row_stride..][..self.columns]);
        }
    }
}

/// Returns the sum of the squares of `values`, added up in parts short enough for `f32`.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    values.chunks(4096).map(|part| f64::from(dot(part, part))).sum()
}

/// Adds: `a += b`, value by value.
pub fn add(a: &mut [f32], b: &[f32]) {
    each([b], [a], |[b], [a]| [a + b]);
}

/// Multiplies: `a *= b`, value by value.
pub fn multiply(a: &mut [f32], b: &[f32]) {
    each([b], [a], |[b], [a]| [a * b]);
}

#[inline(always)]
fn sigmoid(x: Lanes) -> Lanes {
    Lanes::splat(1.0) / (Lanes::splat(1.0) + exp(-x))
}

/// Writes SiLU `x·sigmoid(x)` to `out`, and its derivative to `slope`.
pub fn silu(x: &[f32], out: &mut [f32], slope: &mut [f32]) {
    let one = Lanes::splat(1.0);
    each([x], [out, slope], |[x], _| {
        let sigmoid = sigmoid(x);
        [x * sigmoid, sigmoid * (one + x * (one - sigmoid))]
    });
}

/// Applies [`silu`] in place, without its derivative.
pub fn silu_in_place(x: &mut [f32]) {
    each([], [x], |[], [x]| [x * sigmoid(x)]);
}

/// Returns `Φ(x)` of the normal distribution, with the error function's approximation 7.1.26 of
/// Abramowitz & Stegun (error below 2e-7), and `e^(-x²/2)`.
#[inline(always)]
fn normal_distribution(x: Lanes) -> (Lanes, Lanes) {
    let c = Lanes::splat;
    let z = Lanes(f32x4_abs(x.0)) * c(FRAC_1_SQRT_2);
    let bell = exp(-z * z);
    let t = c(1.0) / (c(1.0) + c(0.327_591_1) * z);
    let p = c(1.421_413_8) + t * (c(-1.453_152) + t * c(1.061_405_4));
    let tail = c(0.5) * bell * t * (c(0.254_829_6) + t * (c(-0.284_496_74) + t * p));
    (Lanes(v128_bitselect((c(1.0) - tail).0, tail.0, f32x4_gt(x.0, f32x4_splat(0.0)))), bell)
}

/// Writes GELU `x·Φ(x)`, with the error function itself, to `out`, and its derivative `Φ(x) +
/// x·φ(x)` over `x`.
pub fn gelu(x: &mut [f32], out: &mut [f32]) {
    each([], [x, out], |[], [x, _]| {
        let (phi, bell) = normal_distribution(x);
        [phi + x * bell * Lanes::splat(0.398_942_3), x * phi]
    });
}

/// Applies [`gelu`] in place, without its derivative.
pub fn gelu_in_place(x: &mut [f32]) {
    each([], [x], |[], [x]| [x * normal_distribution(x).0]);
}

/// Does what [`gelu`] does for the approximation `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`.
pub fn tanh_gelu(x: &mut [f32], out: &mut [f32]) {
    let c = Lanes::splat;
    each([], [x, out], |[], [x, _]| {
        // (1 + tanh u)/2 is sigmoid(2u).
        let square = x * x;
        let gate = sigmoid(x * (c(1.595_769_2) + c(0.071_354_814) * square));
        let out = x * gate;
        [gate + out * (c(1.0) - gate) * (c(1.595_769_2) + c(0.214_064_45) * square), out]
    });
}

/// Writes SwiGLU's `silu(a)·b` to `out`, where a row of `x` is `a` then `b`, each of `columns` values;
/// and its derivatives by both over `x`.
pub fn swiglu(x: &mut [f32], out: &mut [f32], columns: usize) {
    let one = Lanes::splat(1.0);
    for (x, out) in x.chunks_exact_mut(2 * columns).zip(out.chunks_exact_mut(columns)) {
        let (a, b) = x.split_at_mut(columns);
        each([], [a, b, out], |[], [a, b, _]| {
            let sigmoid = sigmoid(a);
            let silu = a * sigmoid;
            [b * sigmoid * (one + a * (one - sigmoid)), silu, silu * b]
        });
    }
}

/// Turns the pairs of values `(aᵢ, bᵢ)` by angles with these cosines and sines.
pub fn turn(a: &mut [f32], b: &mut [f32], (cosines, sines): (&[f32], &[f32])) {
    each([cosines, sines], [a, b], |[cosine, sine], [a, b]| [a * cosine - b * sine, a * sine + b * cosine]);
}

/// Replaces each row of `columns` values by the softmax of `scale` times the row.
pub fn softmax(rows: &mut [f32], columns: usize, scale: f32) {
    for row in rows.chunks_exact_mut(columns) {
        let (chunks, rest) = row.as_chunks();
        let most = chunks
            .iter()
            .fold(Lanes::splat(f32::NEG_INFINITY), |most, chunk| most.larger(Lanes::load(chunk)));
        let most =
            rest.iter().chain(&most.values()).fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        let (most, scale) = (Lanes::splat(most), Lanes::splat(scale));
        each([], [&mut *row], |[], [value]| [exp((value - most) * scale)]);
        let factor = Lanes::splat(1.0 / sum(row));
        each([], [row], |[], [value]| [value * factor]);
    }
}

/// Turns `gradient`, the gradient by the output of [`softmax`], into that by its input, in place.
pub fn softmax_backward(output: &[f32], gradient: &mut [f32], columns: usize, scale: f32) {
    for (p, g) in output.chunks_exact(columns).zip(gradient.chunks_exact_mut(columns)) {
        let (mean, scale) = (Lanes::splat(dot(p, g)), Lanes::splat(scale));
        each([p], [g], |[p], [g]| [p * (g - mean) * scale]);
    }
}

/// Writes one row of `x` minus its mean to `centred`, and returns `1/√(variance + ε)`. With `rms`
/// the mean counts as zero.
#[inline(always)]
fn centre(x: &[f32], (epsilon, rms): (f32, bool), centred: &mut [f32]) -> f32 {
    let d = x.len() as f32;
    let mean = Lanes::splat(if rms { 0.0 } else { sum(x) / d });
    each([x], [&mut *centred], |[x], _| [x - mean]);
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
    let one = Lanes::splat(1.0);
    let rows = x.chunks_exact(d).zip(normal.chunks_exact_mut(d)).zip(out.chunks_exact_mut(d));
    for (((x, normal), out), to) in rows.zip(inverse) {
        *to = centre(x, norm, normal);
        let inverse = Lanes::splat(*to);
        each([shift, scale], [normal, out], |[shift, scale], [centred, _]| {
            let normal = centred * inverse;
            [normal, normal * (one + scale) + shift]
        });
    }
}

/// Computes [`norm_modulate`] without the values that only its gradient needs.
pub fn norm_modulate_into(x: &[f32], (shift, scale): (&[f32], &[f32]), norm: (f32, bool), out: &mut [f32]) {
    let d = shift.len();
    let one = Lanes::splat(1.0);
    for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
        let inverse = Lanes::splat(centre(x, norm, out));
        each([shift, scale], [out], |[shift, scale], [out]| [out * inverse * (one + scale) + shift]);
    }
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
    let one = Lanes::splat(1.0);
    let rows = gradient.chunks_exact_mut(d).zip(normal.chunks_exact(d)).zip(dx.chunks_exact_mut(d));
    for (((g, normal), dx), inverse) in rows.zip(inverse) {
        each(
            [normal, scale],
            [&mut *g, &mut *dshift, &mut *dscale],
            |[normal, scale], [g, dshift, dscale]| [g * (one + scale), dshift + g, dscale + g * normal],
        );
        let mean = Lanes::splat(if rms { 0.0 } else { sum(g) / d as f32 });
        let slope = Lanes::splat(dot(g, normal) / d as f32);
        let inverse = Lanes::splat(*inverse);
        each([&*g, normal], [dx], |[g, normal], [dx]| [dx + inverse * (g - mean - normal * slope)]);
    }
}

/// Adds `gate·y` to `x`; the gate has a value for each column.
pub fn gated_add(x: &mut [f32], gate: &[f32], y: &[f32]) {
    let d = gate.len();
    for (x, y) in x.chunks_exact_mut(d).zip(y.chunks_exact(d)) {
        each([gate, y], [x], |[gate, y], [x]| [x + gate * y]);
    }
}

/// Adds the gradient of [`gated_add`] by `gate` to `dgate`, and writes the one by `y` over `y`.
pub fn gated_add_backward(dx: &[f32], gate: &[f32], y: &mut [f32], dgate: &mut [f32]) {
    let d = gate.len();
    for (dx, y) in dx.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
        each([dx, gate], [y, &mut *dgate], |[dx, gate], [y, dgate]| [dx * gate, dgate + dx * y]);
    }
}
