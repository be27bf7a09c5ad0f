//! Products of matrices in WebAssembly, in registers of four values.
//!
//! The right operand lies in panels of eight columns, so that the innermost loop reads it from
//! front to back. Four rows of the left operand and one panel make a tile. Its 32 sums stay in
//! eight registers, which leaves room for the operands among the sixteen of x86. The browser
//! compiles the loop as it is: wider tiles do not fit into the registers, and in narrower ones each
//! addition waits for the one before it.
//!
//! ```text
//! columns   0 … 7        8 … 15       16 … 18
//!         ┌──────────┐ ┌──────────┐ ┌──────────┐
//! row 0   │ 8 values │ │ 8 values │ │ 3, one 0 │   at most four remaining columns
//! row 1   │ 8 values │ │ 8 values │ │ 3, one 0 │   take half a panel
//!   ⋮     └──────────┘ └──────────┘ └──────────┘
//! ```
//!
//! With the feature `relaxed-simd` a multiplication and an addition are one instruction, which
//! rounds once or twice, depending on the processor. A module with that instruction does not load
//! in every browser.

use std::array;
use std::cell::RefCell;

use core::arch::wasm32::{f32x4, f32x4_splat, i32x4_shuffle, v128};

use super::lanes::{self, LANES};
use super::view::{Output, View, ViewMut, check, check_operand};

/// Rows of a tile.
const ROWS: usize = 4;

/// Registers in a row of a panel; half a panel has one.
const WIDE: usize = 2;

/// One row of a panel: `4·W` values.
type PanelRow<const W: usize> = [v128; W];

/// The left operand of a product.
#[derive(Clone, Copy)]
enum Left<'a> {
    /// Each row lies in one piece.
    Rows(View<'a>),
    /// Groups of four rows, whose values lie side by side, column by column.
    Fours(&'a [[f32; ROWS]]),
}

/// The right operand of many products, kept in the order that the kernel reads.
#[derive(Clone, Debug)]
pub struct Packed {
    rows: usize,
    columns: usize,
    /// Whole panels, one after the other.
    wide: Vec<PanelRow<WIDE>>,
    /// Half a panel, where at most four columns remain.
    narrow: Vec<PanelRow<1>>,
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
        let (panels, half) = panels(b.columns);
        let mut wide = Vec::with_capacity(panels * b.rows);
        (0..panels).for_each(|panel| pack(b, panel * WIDE * LANES, &mut wide));
        let mut narrow = Vec::new();
        if half {
            pack(b, panels * WIDE * LANES, &mut narrow);
        }
        Self { rows: b.rows, columns: b.columns, wide, narrow }
    }
}

/// Writes the product with a packed matrix, as [`matmul`] does.
///
/// # Shapes
/// - `a`: `[m, k]`, `b`: `[k, n]`, `out`: `[m, n]`
///
/// # Panics
/// When the shapes do not fit each other or their data.
pub fn matmul_packed(a: View<'_>, b: &Packed, mut out: ViewMut<'_>, output: Output<'_>) {
    check(&a, (b.rows, b.columns), &out, output);
    let (panels, half) = panels(b.columns);
    with_left(a, |left| {
        for panel in 0..panels {
            let rows = &b.wide[panel * b.rows..][..b.rows];
            times_panel(left, rows, &mut out, panel * WIDE * LANES, output);
        }
        if half {
            times_panel(left, &b.narrow, &mut out, panels * WIDE * LANES, output);
        }
    });
}

/// Writes `a·b`, `a·b + bias` or `out + a·b` to `out`.
///
/// # Shapes
/// - `a`: `[m, k]`, `b`: `[k, n]`, `out`: `[m, n]`
///
/// # Panics
/// When the shapes do not fit each other or their data.
pub fn matmul(a: View<'_>, b: View<'_>, mut out: ViewMut<'_>, output: Output<'_>) {
    thread_local! {
        // One panel at a time stays in the nearest cache. The buffer is kept for the next product.
        static PANELS: RefCell<(Vec<PanelRow<WIDE>>, Vec<PanelRow<1>>)> = RefCell::default();
    }
    check(&a, (b.rows, b.columns), &out, output);
    check_operand(&b);
    let (panels, half) = panels(b.columns);
    with_left(a, |left| {
        PANELS.with_borrow_mut(|(wide, narrow)| {
            for first in (0..panels).map(|panel| panel * WIDE * LANES) {
                wide.clear();
                pack(b, first, wide);
                times_panel(left, wide, &mut out, first, output);
            }
            if half {
                narrow.clear();
                pack(b, panels * WIDE * LANES, narrow);
                times_panel(left, narrow, &mut out, panels * WIDE * LANES, output);
            }
        });
    });
}

/// Runs `work` with the rows of `a`. The rows of a transpose are copied in groups of four first.
fn with_left(a: View<'_>, work: impl FnOnce(Left<'_>)) {
    thread_local! {
        static FOURS: RefCell<Vec<[f32; ROWS]>> = RefCell::default();
    }
    if a.column_stride == 1 {
        return work(Left::Rows(a));
    }
    FOURS.with_borrow_mut(|fours| {
        fours.clear();
        for row in (0..a.rows).step_by(ROWS) {
            let width = ROWS.min(a.rows - row);
            fours.extend((0..a.columns).map(|column| {
                let values = &a.data[column * a.column_stride + row..][..width];
                let padded = || array::from_fn(|i| values.get(i).copied().unwrap_or(0.0));
                values.first_chunk().copied().unwrap_or_else(padded)
            }));
        }
        work(Left::Fours(fours));
    });
}

/// Counts the whole panels of so many columns, and tells whether half a one follows.
fn panels(columns: usize) -> (usize, bool) {
    let (whole, rest) = (columns / (WIDE * LANES), columns % (WIDE * LANES));
    if rest > LANES { (whole + 1, false) } else { (whole, rest > 0) }
}

/// Appends the panel of `b` that starts at column `first`; columns that `b` does not have are zero.
fn pack<const W: usize>(b: View<'_>, first: usize, panel: &mut Vec<PanelRow<W>>) {
    let width = (W * LANES).min(b.columns - first);
    if b.column_stride == 1 {
        panel.extend((0..b.rows).map(|row| load(&b.data[row * b.row_stride + first..][..width])));
        return;
    }
    // In a transpose each column lies in one piece, so blocks of four by four values are transposed
    // in registers.
    let start = panel.len();
    panel.resize(start + b.rows, [f32x4_splat(0.0); W]);
    let panel = &mut panel[start..];
    for quad in 0..W {
        let columns: [&[f32]; LANES] = array::from_fn(|lane| match quad * LANES + lane {
            column if column < width => &b.data[(first + column) * b.column_stride..][..b.rows],
            _ => &[],
        });
        let mut done = 0;
        if columns[LANES - 1].len() == b.rows {
            let chunks = columns.map(|column| column.as_chunks().0);
            for (i, rows) in panel.chunks_exact_mut(LANES).enumerate() {
                let turned = transpose(chunks.map(|chunks| lanes::load(&chunks[i])));
                rows.iter_mut().zip(turned).for_each(|(row, values)| row[quad] = values);
                done += LANES;
            }
        }
        for (row, to) in panel.iter_mut().enumerate().skip(done) {
            let [a, b, c, d] = columns.map(|column| column.get(row).copied().unwrap_or(0.0));
            to[quad] = f32x4(a, b, c, d);
        }
    }
}

/// Transposes a block of four by four values.
fn transpose([a, b, c, d]: [v128; LANES]) -> [v128; LANES] {
    let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<0, 4, 1, 5>(c, d));
    let (ab_high, cd_high) = (i32x4_shuffle::<2, 6, 3, 7>(a, b), i32x4_shuffle::<2, 6, 3, 7>(c, d));
    [
        i32x4_shuffle::<0, 1, 4, 5>(ab, cd),
        i32x4_shuffle::<2, 3, 6, 7>(ab, cd),
        i32x4_shuffle::<0, 1, 4, 5>(ab_high, cd_high),
        i32x4_shuffle::<2, 3, 6, 7>(ab_high, cd_high),
    ]
}

/// Multiplies by one panel, and writes the product's columns from `first` on.
#[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
fn times_panel<const W: usize>(
    left: Left<'_>,
    panel: &[PanelRow<W>],
    out: &mut ViewMut<'_>,
    first: usize,
    output: Output<'_>,
) {
    let width = (W * LANES).min(out.columns - first);
    let output = match output {
        Output::Bias(bias) => Output::Bias(&bias[first..][..width]),
        other => other,
    };
    let (stride, rows) = (out.stride, out.rows);
    let mut row = 0;
    while row < rows {
        let to = &mut out.data[row * stride + first..];
        row += match rows - row {
            1 => times_rows::<1, W>(left, row, panel, (to, stride, width), output),
            2 => times_rows::<2, W>(left, row, panel, (to, stride, width), output),
            3 => times_rows::<3, W>(left, row, panel, (to, stride, width), output),
            _ => times_rows::<ROWS, W>(left, row, panel, (to, stride, width), output),
        };
    }
}

/// Writes one tile: `R` rows of `width` values each, `stride` apart, and returns `R`.
#[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
#[inline]
fn times_rows<const R: usize, const W: usize>(
    left: Left<'_>,
    row: usize,
    panel: &[PanelRow<W>],
    (out, stride, width): (&mut [f32], usize, usize),
    output: Output<'_>,
) -> usize {
    let start = array::from_fn(|i| match output {
        Output::Replace => [f32x4_splat(0.0); W],
        Output::Bias(bias) => load(bias),
        Output::Add => load(&out[i * stride..][..width]),
    });
    let sums = match left {
        _ if panel.is_empty() => start,
        Left::Rows(a) => {
            let rows = array::from_fn(|i| &a.data[(row + i) * a.row_stride..][..panel.len()]);
            tile_of_rows::<R, W>(start, rows, panel)
        }
        Left::Fours(fours) => tile_of_fours(start, &fours[row / ROWS * panel.len()..], panel),
    };
    for (i, sums) in sums.into_iter().enumerate() {
        store(sums, &mut out[i * stride..][..width]);
    }
    R
}

/// Adds to `start` the product of `R` rows and a panel.
#[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
#[inline]
fn tile_of_rows<const R: usize, const W: usize>(
    start: [PanelRow<W>; R],
    rows: [&[f32]; R],
    panel: &[PanelRow<W>],
) -> [PanelRow<W>; R] {
    let mut sums = start;
    let rows = rows.map(|row| &row[..panel.len()]);
    for (p, right) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let left = f32x4_splat(row[p]);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = multiply_add(left, *right, *sum);
            }
        }
    }
    sums
}

/// Adds to `start` the product of a panel and the first `R` rows of a group of four.
#[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
#[inline]
fn tile_of_fours<const R: usize, const W: usize>(
    start: [PanelRow<W>; R],
    fours: &[[f32; ROWS]],
    panel: &[PanelRow<W>],
) -> [PanelRow<W>; R] {
    let mut sums = start;
    for (four, right) in fours.iter().zip(panel) {
        for (sums, left) in sums.iter_mut().zip(four) {
            let left = f32x4_splat(*left);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = multiply_add(left, *right, *sum);
            }
        }
    }
    sums
}

/// Returns `a·b + c` of each lane.
#[cfg(feature = "relaxed-simd")]
#[target_feature(enable = "relaxed-simd")]
#[inline]
fn multiply_add(a: v128, b: v128, c: v128) -> v128 {
    core::arch::wasm32::f32x4_relaxed_madd(a, b, c)
}

/// Returns `a·b + c` of each lane.
#[cfg(not(feature = "relaxed-simd"))]
#[inline]
fn multiply_add(a: v128, b: v128, c: v128) -> v128 {
    core::arch::wasm32::f32x4_add(core::arch::wasm32::f32x4_mul(a, b), c)
}

/// Reads one row of a panel; values that are missing are zero.
#[inline]
fn load<const W: usize>(values: &[f32]) -> PanelRow<W> {
    if let Some(whole) = values.as_chunks().0.first_chunk::<W>() {
        return whole.each_ref().map(lanes::load);
    }
    // Copying a slice here would become a function call.
    let value = |i: usize| values.get(i).copied().unwrap_or(0.0);
    array::from_fn(|i| LANES * i).map(|i| f32x4(value(i), value(i + 1), value(i + 2), value(i + 3)))
}

/// Writes as many values of one row of a panel as `out` has room for.
#[inline]
fn store<const W: usize>(row: PanelRow<W>, out: &mut [f32]) {
    let values = row.map(lanes::values);
    if let Some(whole) = out.as_chunks_mut().0.first_chunk_mut::<W>() {
        *whole = values;
        return;
    }
    for (i, lanes) in values.into_iter().enumerate() {
        for (lane, value) in lanes.into_iter().enumerate() {
            if let Some(to) = out.get_mut(i * LANES + lane) {
                *to = value;
            }
        }
    }
}
