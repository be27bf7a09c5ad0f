//! Views of row-major matrices, to read and to write, and what a product does with the values in
//! its output.

use std::ops::Range;

/// A matrix to read: any rectangle of a row-major one, or its transpose.
///
/// One of the two strides is always 1.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> View<'a> {
    /// Takes `data` as rows of `columns` values each.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self { data, rows: data.len() / columns, columns, row_stride: columns, column_stride: 1 }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Keeps the columns in `range`.
    ///
    /// # Panics
    /// When there are not so many columns.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns);
        Self { data: &self.data[range.start * self.column_stride..], columns: range.len(), ..self }
    }

    /// Keeps the first `n` rows.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn first_rows(self, n: usize) -> Self {
        assert!(n <= self.rows);
        Self { rows: n, ..self }
    }

    /// Turns rows into columns.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Returns whether every element lies in the data.
    fn fits(&self) -> bool {
        self.rows == 0
            || self.columns == 0
            || (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride < self.data.len()
    }
}

/// A matrix to write: any rectangle of a row-major one.
#[derive(Debug)]
pub struct ViewMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl<'a> ViewMut<'a> {
    /// Takes `data` as rows of `columns` values each.
    pub fn new(data: &'a mut [f32], columns: usize) -> Self {
        Self { rows: data.len() / columns, data, columns, stride: columns }
    }

    /// Keeps the columns in `range`.
    ///
    /// # Panics
    /// When there are not so many columns.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns);
        Self { data: &mut self.data[range.start..], columns: range.len(), ..self }
    }

    /// Keeps the first `n` rows.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn first_rows(self, n: usize) -> Self {
        assert!(n <= self.rows);
        Self { rows: n, ..self }
    }

    /// Borrows the same rectangle for a shorter while.
    pub fn reborrow(&mut self) -> ViewMut<'_> {
        ViewMut { data: self.data, rows: self.rows, columns: self.columns, stride: self.stride }
    }

    /// Borrows the row of this number.
    pub(super) fn row(&mut self, number: usize) -> &mut [f32] {
        &mut self.data[number * self.stride..][..self.columns]
    }

    /// Sets every row to `values`.
    ///
    /// # Panics
    /// When there are not as many as columns.
    pub fn fill_rows(&mut self, values: &[f32]) {
        (0..self.rows).for_each(|row| self.row(row).copy_from_slice(values));
    }
}

/// What happens to the values that a product's output held before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Output<'a> {
    /// The product replaces them.
    Replace,
    /// The product plus this bias replaces them; the bias has one value per column.
    Bias(&'a [f32]),
    /// The product is added to them.
    Add,
}

/// Checks that `a·b` fits `out`, and each matrix its data.
///
/// # Panics
/// When one of them does not.
pub(super) fn check(a: &View<'_>, (k, n): (usize, usize), out: &ViewMut<'_>, output: Output<'_>) {
    assert_eq!((a.columns, a.rows, n), (k, out.rows, out.columns), "the shapes of a product do not fit");
    assert!(a.fits(), "a matrix is larger than its data");
    let last = out.rows.saturating_sub(1) * out.stride + out.columns;
    assert!(
        out.columns <= out.stride && (out.rows == 0 || last <= out.data.len()),
        "the output does not fit"
    );
    if let Output::Bias(bias) = output {
        assert_eq!(bias.len(), n, "a bias has one value per column");
    }
}

/// Checks that `b` lies in its data.
///
/// # Panics
/// When it does not.
pub(super) fn check_operand(b: &View<'_>) {
    assert!(b.fits(), "a matrix is larger than its data");
}
