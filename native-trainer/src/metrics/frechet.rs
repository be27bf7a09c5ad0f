//! The Fréchet distance of two sets of images in the features of a network (Heusel et al. 2017, eq. 6).
//!
//! `|μ₁ − μ₂|² + tr(C₁ + C₂ − 2·(C₁·C₂)^½)` for means `μ` and covariances `C`. Which features these are
//! gives it its name:
//!
//! - **FID**: averages over the image of Inception-v3's last maps, 2,048 values;
//! - **sFID** (Nash et al. 2021): the first seven channels of an earlier map of Inception-v3, with their
//!   places, 7 × 17 × 17 values;
//! - **FDD** (Stein et al. 2023): the class token of DINOv2 ViT-L/14, 1,024 values.
//!
//! In the features of a small classifier of our own it compares with no figure from elsewhere: the
//! distance between two halves of the real images stands beside it as the measure of small.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Side};

use super::table::Table;

/// Images that are centred and multiplied at a time.
const BLOCK: usize = 1024;

/// Why a set of features has no Fréchet distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrechetError {
    /// A covariance needs two images.
    #[error("{0} images have no covariance")]
    TooFew(usize),
    /// A network gave no numbers.
    #[error("the network's features hold values that are not finite")]
    NotFinite,
}

/// The normal distribution that fits a set of images.
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// Mean, `[D]`.
    mean: Vec<f64>,
    /// Covariance with divisor `N − 1`, `[D, D]`.
    covariance: Mat<f64>,
}

impl Gaussian {
    /// Fits all images of `table`.
    ///
    /// # Errors
    /// [`FrechetError`] for fewer than two images, and for values that are no numbers.
    pub fn fit(table: &Table) -> Result<Self, FrechetError> {
        Self::of(table, &(0..table.rows()).collect::<Vec<_>>())
    }

    /// Fits the images of `table` at `rows`, among which one may stand several times.
    ///
    /// # Errors
    /// As [`Gaussian::fit`].
    ///
    /// # Panics
    /// When `rows` names an image that is not there.
    pub fn of(table: &Table, rows: &[usize]) -> Result<Self, FrechetError> {
        let (n, d) = (rows.len(), table.width());
        if n < 2 {
            return Err(FrechetError::TooFew(n));
        }
        let mut mean = vec![0.0; d];
        for &row in rows {
            mean.iter_mut().zip(table.row(row)).for_each(|(sum, v)| *sum += f64::from(*v));
        }
        mean.iter_mut().for_each(|sum| *sum /= n as f64);
        if !mean.iter().all(|v| v.is_finite()) {
            return Err(FrechetError::NotFinite);
        }
        let mut covariance = Mat::zeros(d, d);
        for rows in rows.chunks(BLOCK) {
            let block = Mat::from_fn(d, rows.len(), |j, i| f64::from(table.row(rows[i])[j]) - mean[j]);
            let scale = 1.0 / (n - 1) as f64;
            matmul(covariance.as_mut(), Accum::Add, &block, block.transpose(), scale, Par::Seq);
        }
        Ok(Self { mean, covariance })
    }

    /// Mean of each feature, `[D]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Covariance of features `i` and `j`.
    ///
    /// # Panics
    /// When there are not so many features.
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        self.covariance[(i, j)]
    }

    /// The distance to `other`, which has as many features.
    ///
    /// # Errors
    /// [`FrechetError::NotFinite`] for covariances that overflow.
    pub fn distance(&self, other: &Self) -> Result<f64, FrechetError> {
        Anchor::new(self.clone())?.distance(other)
    }

    fn trace(&self) -> f64 {
        (0..self.mean.len()).map(|i| self.covariance[(i, i)]).sum()
    }
}

/// A distribution from which several distances are taken.
#[derive(Clone, Debug)]
pub struct Anchor {
    gaussian: Gaussian,
    /// The symmetric square root of the covariance.
    root: Mat<f64>,
}

impl Anchor {
    /// Finds the root of the covariance.
    ///
    /// # Errors
    /// [`FrechetError::NotFinite`] for a covariance that has none.
    pub fn new(gaussian: Gaussian) -> Result<Self, FrechetError> {
        let found = gaussian.covariance.self_adjoint_eigen(Side::Lower);
        let found = found.map_err(|_| FrechetError::NotFinite)?;
        let (vectors, values) = (found.U(), found.S().column_vector());
        // √λ is shared by both sides. Rounding can leave what is zero a little below it.
        let half = Mat::from_fn(vectors.nrows(), vectors.ncols(), |i, j| {
            vectors[(i, j)] * values[j].max(0.0).powf(0.25)
        });
        Ok(Self { gaussian, root: &half * half.transpose() })
    }

    /// The distance to `other`, which has as many features.
    ///
    /// # Errors
    /// [`FrechetError::NotFinite`] for a covariance that overflows.
    pub fn distance(&self, other: &Gaussian) -> Result<f64, FrechetError> {
        // (C₁C₂)^½ has the trace of (S·C₂·S)^½ with S = C₁^½, which is symmetric.
        let product = &self.root * &other.covariance * &self.root;
        let values = product.self_adjoint_eigenvalues(Side::Lower).map_err(|_| FrechetError::NotFinite)?;
        let cross: f64 = values.iter().map(|value| value.max(0.0).sqrt()).sum();
        let apart: f64 = self.gaussian.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2)).sum();
        Ok(apart + self.gaussian.trace() + other.trace() - 2.0 * cross)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on the axes, whose covariance is diagonal.
    fn cross(centre: [f32; 2], reach: [f32; 2]) -> Gaussian {
        let [x, y] = centre;
        let [a, b] = reach;
        Gaussian::fit(&Table::new(2, vec![x + a, y, x - a, y, x, y + b, x, y - b])).unwrap()
    }

    #[test]
    fn of_diagonal_covariances_it_is_the_distance_of_means_and_deviations() {
        // Each axis has variance 2·reach²/3.
        let (one, other) = (cross([0.0, 0.0], [1.0, 2.0]), cross([3.0, 4.0], [2.0, 2.0]));
        let expected = 25.0 + 2.0 / 3.0;
        let found = one.distance(&other).unwrap();
        assert!((found - expected).abs() < 1e-9, "{found}");
        assert!((other.distance(&one).unwrap() - expected).abs() < 1e-9);
        assert!(one.distance(&one).unwrap().abs() < 1e-9);
    }

    #[test]
    fn more_images_than_one_block_have_the_covariance_of_all() {
        let n = BLOCK + 100;
        let table = Table::new(1, (0..n).map(|i| i as f32).collect());
        let found = Gaussian::fit(&table).unwrap();
        let expected = (n * (n + 1)) as f64 / 12.0;
        assert!((found.covariance(0, 0) / expected - 1.0).abs() < 1e-12, "{}", found.covariance(0, 0));
    }

    #[test]
    fn what_has_no_distance_says_why() {
        let of = |values| Gaussian::fit(&Table::new(2, values)).unwrap_err();
        assert_eq!(of(vec![1.0, 2.0]), FrechetError::TooFew(1));
        assert_eq!(of(vec![1.0, f32::NAN, 3.0, 4.0]), FrechetError::NotFinite);
    }
}
