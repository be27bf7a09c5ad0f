//! Precision and recall of generated images (Kynkäänniemi et al. 2019).
//!
//! Each image of a set stands for the ball around it that reaches its `k`-th neighbour in the same set.
//! Precision is the share of samples that lie in a real image's ball, recall the share of real images that
//! lie in a sample's. In numbers: precision falls when samples look like nothing real, recall when a part
//! of what is real is never made.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use rayon::prelude::*;

use super::table::Table;

/// The neighbour that a ball reaches, as in the paper and in the evaluation suite of ADM.
pub const NEIGHBOUR: usize = 3;

/// Images whose distances to all others are found at a time.
const BLOCK: usize = 256;

/// What lies in the other set's balls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// For each sample, whether it lies in a real image's ball: precision is the share of these.
    pub samples: Vec<bool>,
    /// For each real image, whether it lies in a sample's ball: recall is the share of these.
    pub real: Vec<bool>,
}

/// Finds what lies in whose balls. Both sets have features of one width and more than `k` images; a set with
/// fewer has no balls, and nothing lies in them.
pub fn covered(real: &Table, samples: &Table, k: usize) -> Covered {
    let (real, samples) = (Points::new(real), Points::new(samples));
    Covered { samples: samples.within(&real, &real.radii(k)), real: real.within(&samples, &samples.radii(k)) }
}

/// The number of the real image that is nearest to each sample, and how far it is. Both sets have features of one width;
/// without real images there is no nearest one, and the answer is empty.
pub fn nearest(real: &Table, samples: &Table) -> Vec<(usize, f64)> {
    if real.rows() == 0 {
        return Vec::new();
    }
    let least = |row: &mut [f64]| {
        let least = row.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        least.map_or((0, 0.0), |(i, squared)| (i, squared.sqrt()))
    };
    Points::new(samples).distances(&Points::new(real), least)
}

/// Features in f64 with their squared lengths.
struct Points {
    /// `[D, N]`
    values: Mat<f64>,
    squares: Vec<f64>,
}

impl Points {
    fn new(table: &Table) -> Self {
        let values = Mat::from_fn(table.width(), table.rows(), |j, i| f64::from(table.row(i)[j]));
        let square = |i: usize| table.row(i).iter().map(|v| f64::from(*v).powi(2)).sum();
        Self { values, squares: (0..table.rows()).map(square).collect() }
    }

    /// Calls `use_row` with the squared distances of each of these points to all of `others`.
    fn distances<T: Send>(&self, others: &Self, use_row: impl Fn(&mut [f64]) -> T + Sync) -> Vec<T> {
        let n = self.squares.len();
        let block = |start: usize| {
            let count = BLOCK.min(n - start);
            // A column holds one point's products with all others.
            let mut products = Mat::<f64>::zeros(others.squares.len(), count);
            let own = self.values.subcols(start, count);
            matmul(products.as_mut(), Accum::Replace, others.values.transpose(), own, -2.0, Par::Seq);
            let row = |i: usize| {
                let (product, own) = (products.col(i), self.squares[start + i]);
                let squared = |j: usize| (own + others.squares[j] + product[j]).max(0.0);
                use_row(&mut (0..others.squares.len()).map(squared).collect::<Vec<_>>())
            };
            (0..count).map(row).collect::<Vec<_>>()
        };
        let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
        starts.into_par_iter().map(block).collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// The squared distance of each point to its `k`-th neighbour; below zero where there are not so many.
    fn radii(&self, k: usize) -> Vec<f64> {
        // The point itself comes first, at no distance.
        let kth = |row: &mut [f64]| match row.len() > k {
            true => *row.select_nth_unstable_by(k, f64::total_cmp).1,
            false => -1.0,
        };
        self.distances(self, kth)
    }

    /// Whether each point lies in one of the balls around `centres`.
    fn within(&self, centres: &Self, radii: &[f64]) -> Vec<bool> {
        self.distances(centres, |row| row.iter().zip(radii).any(|(distance, radius)| distance < radius))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on a line.
    fn line(at: impl IntoIterator<Item = f32>) -> Table {
        Table::new(1, at.into_iter().collect())
    }

    #[test]
    fn samples_of_one_half_are_precise_and_cover_one_half() {
        let real = line((0..400).map(|i| i as f32));
        let samples = line((0..400).map(|i| 0.5 * i as f32 + 0.25));
        let found = covered(&real, &samples, NEIGHBOUR);
        assert!(found.samples.iter().all(|inside| *inside));
        // The last sample lies at 199.75, with a ball that reaches 1.5 further.
        let expected: Vec<bool> = (0..400).map(|i| i <= 201).collect();
        assert_eq!(found.real, expected);
    }

    #[test]
    fn the_nearest_real_image_of_each_sample_is_named_with_its_distance() {
        let real = Table::new(2, vec![0.0, 0.0, 3.0, 4.0, 10.0, 0.0]);
        let found = nearest(&real, &Table::new(2, vec![3.0, 3.0, 0.5, 0.0, 10.0, 0.0]));
        assert_eq!(found.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [1, 0, 2]);
        assert!(
            found.iter().zip([1.0, 0.5, 0.0]).all(|((_, d), expected)| (d - expected).abs() < 1e-6),
            "{found:?}"
        );
        assert!(nearest(&line([]), &real).is_empty());
    }

    #[test]
    fn samples_far_from_everything_are_neither_precise_nor_cover_anything() {
        let found = covered(&line([0.0, 1.0, 2.0, 3.0]), &line([90.0, 91.0, 92.0, 93.0, 94.0]), NEIGHBOUR);
        assert_eq!(found, Covered { samples: vec![false; 5], real: vec![false; 4] });
    }

    #[test]
    fn a_set_without_enough_neighbours_has_no_balls() {
        let found = covered(&line([0.0, 1.0]), &line([0.0, 1.0, 2.0, 3.0]), NEIGHBOUR);
        assert_eq!(found.samples, [false; 4]);
    }
}
