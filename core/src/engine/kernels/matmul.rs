//! Products of matrices on every machine but WebAssembly: the `gemm` crate chooses among instruction
//! sets at run time.

use super::view::{Output, View, ViewMut, check, check_operand};

/// The right operand of many products, kept in the order that the kernel reads.
///
/// Here that is the plain row-major one: the `gemm` crate packs by itself.
#[derive(Clone, Debug)]
pub struct Packed {
    data: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Packed {
    /// Returns the number of rows, `k`.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns, `n`.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Copies the matrix `b`, `[k, n]`.
    ///
    /// # Panics
    /// When it does not fit its data.
    pub fn new(b: View<'_>) -> Self {
        check_operand(&b);
        let row =
            |row: usize| (0..b.columns).map(move |column| row * b.row_stride + column * b.column_stride);
        let data = (0..b.rows).flat_map(row).map(|i| b.data[i]).collect();
        Self { data, rows: b.rows, columns: b.columns }
    }
}

/// Writes the product with a packed matrix, as [`matmul`] does.
///
/// # Shapes
/// - `a`: `[m, k]`, `b`: `[k, n]`, `out`: `[m, n]`
///
/// # Panics
/// When the shapes do not fit each other or their data.
pub fn matmul_packed(a: View<'_>, b: &Packed, out: ViewMut<'_>, output: Output<'_>) {
    let Packed { data, rows, columns } = b;
    let b = View { data, rows: *rows, columns: *columns, row_stride: *columns, column_stride: 1 };
    matmul(a, b, out, output);
}

/// Writes `a·b`, `a·b + bias` or `out + a·b` to `out`.
///
/// # Shapes
/// - `a`: `[m, k]`, `b`: `[k, n]`, `out`: `[m, n]`
///
/// # Panics
/// When the shapes do not fit each other or their data.
#[allow(unsafe_code, reason = "gemm takes pointers; every index it reaches is checked here first")]
pub fn matmul(a: View<'_>, b: View<'_>, mut out: ViewMut<'_>, output: Output<'_>) {
    check(&a, (b.rows, b.columns), &out, output);
    check_operand(&b);
    let (m, k, n) = (a.rows, a.columns, b.columns);
    if m == 0 || n == 0 {
        return;
    }
    if let Output::Bias(bias) = output {
        out.fill_rows(bias);
    }
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
            output != Output::Replace,
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
