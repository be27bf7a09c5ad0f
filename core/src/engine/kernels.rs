//! What a training step on the processor is made of: products of matrices and the few functions between
//! them, on plain slices of `f32`.
//!
//! Matrices are row-major. Products go to the `gemm` crate; the loops are compiled for each instruction
//! set of the machine and chosen at run time by the `pulp` crate.

use std::ops::Range;

/// Runs `work` compiled for the widest instructions that this machine has.
#[inline(always)]
pub(super) fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(not(target_arch = "wasm32"))]
    return pulp::Arch::new().dispatch(work);
    #[cfg(target_arch = "wasm32")]
    work()
}

/// Values summed side by side, so that the compiler may use whole registers.
const LANES: usize = 16;

/// A matrix to read: any rectangle of a row-major one, or its transpose.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// `data` as rows of `columns` values each.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self { data, rows: data.len() / columns, columns, row_stride: columns, column_stride: 1 }
    }

    /// The columns in `range`.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns);
        Self { data: &self.data[range.start * self.column_stride..], columns: range.len(), ..self }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The first `n` rows.
    pub fn first_rows(self, n: usize) -> Self {
        assert!(n <= self.rows);
        Self { rows: n, ..self }
    }

    /// Adds the sum of the rows to `out`.
    pub fn add_rows_to(self, out: &mut [f32]) {
        assert!(self.column_stride == 1 && out.len() == self.columns);
        dispatch(|| {
            for row in 0..self.rows {
                let row = &self.data[row * self.row_stride..][..self.columns];
                out.iter_mut().zip(row).for_each(|(out, value)| *out += value);
            }
        });
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix to write: any rectangle of a row-major one.
#[derive(Debug)]
pub struct ViewMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> ViewMut<'a> {
    /// `data` as rows of `columns` values each.
    pub fn new(data: &'a mut [f32], columns: usize) -> Self {
        Self { rows: data.len() / columns, data, columns, stride: columns }
    }

    /// The columns in `range`.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns);
        Self { data: &mut self.data[range.start..], columns: range.len(), ..self }
    }

    /// The first `n` rows.
    pub fn first_rows(self, n: usize) -> Self {
        assert!(n <= self.rows);
        Self { rows: n, ..self }
    }

    /// The same rectangle for a shorter while.
    pub fn reborrow(&mut self) -> ViewMut<'_> {
        ViewMut { data: self.data, rows: self.rows, columns: self.columns, stride: self.stride }
    }

    /// The row of this number.
    fn row(&mut self, number: usize) -> &mut [f32] {
        &mut self.data[number * self.stride..][..self.columns]
    }

    /// Sets every row to `values`.
    pub fn fill_rows(&mut self, values: &[f32]) {
        (0..self.rows).for_each(|row| self.row(row).copy_from_slice(values));
    }
}

/// What becomes of the values that a product's output held before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// They are replaced.
    Replace,
    /// The product is added to them.
    Add,
}

/// `out = a·b`, or `out += a·b`.
///
/// # Shapes
/// - `a`: `[m, k]`, `b`: `[k, n]`, `out`: `[m, n]`
///
/// # Panics
/// When the shapes do not fit each other or their data.
#[allow(unsafe_code, reason = "gemm takes pointers; every index it reaches is checked here first")]
pub fn matmul(a: View<'_>, b: View<'_>, out: ViewMut<'_>, output: Output) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!((k, m, n), (b.rows, out.rows, out.columns));
    if m == 0 || n == 0 {
        return;
    }
    for view in [&a, &b].into_iter().filter(|_| k > 0) {
        let last = (view.rows - 1) * view.row_stride + (view.columns - 1) * view.column_stride;
        assert!(last < view.data.len());
    }
    assert!((m - 1) * out.stride + n <= out.data.len() && n <= out.stride);
    // SAFETY: the last element of each matrix lies in its slice, as just checked, all strides are positive,
    // and `out` is borrowed mutably, so it overlaps neither of the others.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.data.as_mut_ptr(),
            1,
            out.stride as isize,
            output == Output::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// A right operand that many products share, as they like it best.
#[derive(Clone, Debug)]
pub struct Packed {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Packed {
    /// Packs `b`.
    pub fn new(b: View<'_>) -> Self {
        let at = |row: usize, column: usize| b.data[row * b.row_stride + column * b.column_stride];
        let values = (0..b.rows).flat_map(|row| (0..b.columns).map(move |column| at(row, column))).collect();
        Self { values, rows: b.rows, columns: b.columns }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// [`matmul`] with a packed right operand.
pub fn matmul_packed(a: View<'_>, b: &Packed, out: ViewMut<'_>, output: Output) {
    matmul(a, View::new(&b.values, b.columns), out, output);
}

/// `eˣ` to about 2 units in the last place; arguments are held within what an `f32` can express.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding this moves a number's integer part into the lowest bits of its fraction.
    const SHIFT: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
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

/// Sum of the squares of `values`, in parts short enough for `f32`.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    dispatch(|| values.chunks(4096).map(|part| f64::from(dot(part, part))).sum())
}

/// `a += b`
pub fn add(a: &mut [f32], b: &[f32]) {
    dispatch(|| a.iter_mut().zip(b).for_each(|(a, b)| *a += b));
}

/// SiLU `x·sigmoid(x)`; its slope is written to `slope`.
pub fn silu(x: &[f32], out: &mut [f32], slope: &mut [f32]) {
    dispatch(|| {
        for ((&x, out), slope) in x.iter().zip(out).zip(slope) {
            let sigmoid = 1.0 / (1.0 + exp(-x));
            *out = x * sigmoid;
            *slope = sigmoid * (1.0 + x * (1.0 - sigmoid));
        }
    });
}

/// GELU `x·Φ(x)` with the error function itself (Abramowitz & Stegun 7.1.26, error below 2e-7), and
/// its slope `Φ(x) + x·φ(x)` in place of `x`.
pub fn gelu(x: &mut [f32], out: &mut [f32]) {
    dispatch(|| {
        for (x, out) in x.iter_mut().zip(out) {
            let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
            let bell = exp(-z * z);
            let t = 1.0 / (1.0 + 0.327_591_1 * z);
            let p = 1.421_413_8 + t * (-1.453_152 + t * 1.061_405_4);
            let tail = 0.5 * bell * t * (0.254_829_6 + t * (-0.284_496_74 + t * p));
            let phi = if *x > 0.0 { 1.0 - tail } else { tail };
            *out = *x * phi;
            *x = phi + *x * bell * 0.398_942_3;
        }
    });
}

/// `a *= b`
pub fn multiply(a: &mut [f32], b: &[f32]) {
    dispatch(|| a.iter_mut().zip(b).for_each(|(a, b)| *a *= b));
}

/// Softmax of each row of `columns` values times `scale`, in place.
pub fn softmax(rows: &mut [f32], columns: usize, scale: f32) {
    dispatch(|| {
        for row in rows.chunks_exact_mut(columns) {
            let mut most = [f32::NEG_INFINITY; LANES];
            for chunk in row.chunks(LANES) {
                most.iter_mut().zip(chunk).for_each(|(most, v)| *most = if *v > *most { *v } else { *most });
            }
            let most = most.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|value| *value = exp((*value - most) * scale));
            let factor = 1.0 / sum(row);
            row.iter_mut().for_each(|value| *value *= factor);
        }
    });
}

/// The gradient of [`softmax`] by its input, in place of `gradient`, the one by its output.
pub fn softmax_backward(output: &[f32], gradient: &mut [f32], columns: usize, scale: f32) {
    dispatch(|| {
        for (p, g) in output.chunks_exact(columns).zip(gradient.chunks_exact_mut(columns)) {
            let mean = dot(p, g);
            p.iter().zip(g).for_each(|(p, g)| *g = *p * (*g - mean) * scale);
        }
    });
}

/// LayerNorm without affine parameters over rows of the width of `shift`, then `x̂·(1 + scale) + shift`.
///
/// `normal` receives `x̂` and `inverse` each row's `1/√(variance + ε)`.
pub fn norm_modulate(
    x: &[f32],
    (shift, scale): (&[f32], &[f32]),
    epsilon: f32,
    (normal, inverse): (&mut [f32], &mut [f32]),
    out: &mut [f32],
) {
    let d = shift.len();
    dispatch(|| {
        let rows = x.chunks_exact(d).zip(normal.chunks_exact_mut(d)).zip(out.chunks_exact_mut(d));
        for (((x, normal), out), inverse) in rows.zip(inverse) {
            let mean = sum(x) / d as f32;
            x.iter().zip(normal.iter_mut()).for_each(|(x, normal)| *normal = *x - mean);
            *inverse = 1.0 / (dot(normal, normal) / d as f32 + epsilon).sqrt();
            let affine = shift.iter().zip(scale);
            for ((normal, out), (shift, scale)) in normal.iter_mut().zip(out).zip(affine) {
                *normal *= *inverse;
                *out = *normal * (1.0 + scale) + shift;
            }
        }
    });
}

/// The gradients of [`norm_modulate`]: adds to `dx`, `dshift` and `dscale`. `gradient`, the one by its
/// output, is used up.
pub fn norm_modulate_backward(
    gradient: &mut [f32],
    scale: &[f32],
    (normal, inverse): (&[f32], &[f32]),
    dx: &mut [f32],
    (dshift, dscale): (&mut [f32], &mut [f32]),
) {
    let d = scale.len();
    dispatch(|| {
        let rows = gradient.chunks_exact_mut(d).zip(normal.chunks_exact(d)).zip(dx.chunks_exact_mut(d));
        for (((g, normal), dx), inverse) in rows.zip(inverse) {
            let affine = dshift.iter_mut().zip(dscale.iter_mut()).zip(scale);
            for ((g, normal), ((dshift, dscale), scale)) in g.iter_mut().zip(normal).zip(affine) {
                *dshift += *g;
                *dscale += *g * normal;
                *g *= 1.0 + scale;
            }
            let mean = sum(g) / d as f32;
            let slope = dot(g, normal) / d as f32;
            for ((g, normal), dx) in g.iter().zip(normal).zip(dx) {
                *dx += inverse * (g - mean - normal * slope);
            }
        }
    });
}

/// `x += gate·y`, the gate by column.
pub fn gated_add(x: &mut [f32], gate: &[f32], y: &[f32]) {
    let d = gate.len();
    dispatch(|| {
        for (x, y) in x.chunks_exact_mut(d).zip(y.chunks_exact(d)) {
            x.iter_mut().zip(gate.iter().zip(y)).for_each(|(x, (gate, y))| *x += gate * y);
        }
    });
}

/// The gradients of [`gated_add`] by `gate`, added to `dgate`, and by `y`, written over `y`.
pub fn gated_add_backward(dx: &[f32], gate: &[f32], y: &mut [f32], dgate: &mut [f32]) {
    let d = gate.len();
    dispatch(|| {
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
    fn a_product_of_any_rectangles_is_the_one_by_hand() {
        let (a, b) = (random(1, 7 * 20), random(2, 30 * 7));
        for output in [Output::Replace, Output::Add] {
            let mut out = random(3, 20 * 9);
            let before = out.clone();
            // The transpose of a's columns 3 to 8, times the first 7 columns of b's first rows, transposed.
            let left = View::new(&a, 20).columns(3..8).t();
            let right = View::new(&b, 7).first_rows(6).t();
            matmul(left, right, ViewMut::new(&mut out, 9).first_rows(5).columns(2..8), output);
            for (i, (found, before)) in out.iter().zip(before).enumerate() {
                let (row, column) = (i / 9, i % 9);
                let inside = row < 5 && (2..8).contains(&column);
                let term = |k: usize| f64::from(a[k * 20 + 3 + row]) * f64::from(b[(column - 2) * 7 + k]);
                let product = if inside { (0..7).map(term).sum() } else { 0.0 };
                let kept = if inside && output == Output::Replace { 0.0 } else { f64::from(before) };
                near(&[*found], [kept + product], 1e-5);
            }
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
    fn softmax_rows_sum_to_one_and_survive_large_scores() {
        for columns in [5, 16, 37] {
            let mut rows = random(4, 3 * columns);
            rows[1] = 1e4;
            softmax(&mut rows, columns, 0.3);
            rows.chunks(columns).for_each(|row| near(&[row.iter().sum()], [1.0], 1e-6));
            near(&rows[1..2], [1.0], 1e-6);
        }
    }
}
