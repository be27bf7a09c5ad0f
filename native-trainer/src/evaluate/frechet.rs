//! The Fréchet distance of two sets of images in a classifier's features (Heusel et al. 2017, eq. 6).
//!
//! `|μ₁ − μ₂|² + tr(C₁ + C₂ − 2·(C₁·C₂)^½)` for means `μ` and covariances `C`. In the features of a small
//! classifier of our own it compares with no figure from elsewhere: the distance between two halves of the
//! real images stands beside it as the measure of small.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// The normal distribution that fits a set of images.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

impl Gaussian {
    /// Fits `len` features of each of two or more images, one image after the other; none for fewer.
    pub fn fit(features: &[f32], len: usize) -> Option<Self> {
        let images = features.len() / len;
        if images < 2 {
            return None;
        }
        let all = DMatrix::from_fn(images, len, |i, j| f64::from(features[i * len + j]));
        let mean = all.row_mean().transpose();
        let centred = DMatrix::from_fn(images, len, |i, j| all[(i, j)] - mean[j]);
        let covariance = centred.transpose() * &centred / (images - 1) as f64;
        Some(Self { mean, covariance })
    }

    /// The distance to another.
    pub fn distance(&self, other: &Self) -> f64 {
        // (C₁C₂)^½ has the trace of (S·C₂·S)^½ with S = C₁^½, which is symmetric.
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(self.covariance.clone());
        let roots = eigenvalues.map(|value| value.max(0.0).sqrt());
        let root = &eigenvectors * DMatrix::from_diagonal(&roots) * eigenvectors.transpose();
        let product = &root * &other.covariance * &root;
        let cross: f64 = SymmetricEigen::new((&product + product.transpose()) / 2.0)
            .eigenvalues
            .iter()
            .map(|value| value.max(0.0).sqrt())
            .sum();
        let apart = (&self.mean - &other.mean).norm_squared();
        apart + self.covariance.trace() + other.covariance.trace() - 2.0 * cross
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on the axes, whose covariance is diagonal.
    fn cross(centre: [f32; 2], reach: [f32; 2]) -> Gaussian {
        let [x, y] = centre;
        let [a, b] = reach;
        Gaussian::fit(&[x + a, y, x - a, y, x, y + b, x, y - b], 2).unwrap()
    }

    #[test]
    fn of_diagonal_covariances_it_is_the_distance_of_means_and_deviations() {
        // Each axis has variance 2·reach²/3.
        let (one, other) = (cross([0.0, 0.0], [1.0, 2.0]), cross([3.0, 4.0], [2.0, 2.0]));
        let expected = 25.0 + 2.0 / 3.0;
        assert!((one.distance(&other) - expected).abs() < 1e-9, "{}", one.distance(&other));
        assert!((other.distance(&one) - expected).abs() < 1e-9);
        assert!(one.distance(&one).abs() < 1e-9);
    }

    #[test]
    fn a_single_image_has_no_covariance() {
        assert!(Gaussian::fit(&[1.0, 2.0], 2).is_none());
    }
}
