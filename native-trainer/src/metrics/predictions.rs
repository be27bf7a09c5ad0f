//! What is made of class predictions alone: the Inception Score, and how sure the predictions are.

use rand::seq::SliceRandom;
use tailor_core::diffusion::noise::{Stream, generator};

use super::table::Table;

/// Parts of equal size over which an Inception Score is averaged, as its authors do.
pub const SPLITS: usize = 10;

/// A probability for each class, for each of some images.
#[derive(Clone, Debug)]
pub struct Predictions {
    classes: usize,
    /// `[N, K]`
    shares: Vec<f64>,
    /// `Σ p·ln p` of each image, which is its entropy below zero.
    certainty: Vec<f64>,
}

/// How sure the predictions for some images are (KIND, Table 5): each figure is found for every image from
/// its own `K` probabilities, then averaged over the images.
///
/// The paper does not say which of the readings of these words it uses; its figures do. An entropy of the
/// mean prediction could not be as low as 1.458 nats for images of 150 classes, and a variance of 6.4e-4
/// and a kurtosis of 884 lie just below what a certain prediction among 1,000 classes has: 9.99e-4 and 995.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Certainty {
    /// Entropy in nats, from 0 to `ln K`.
    pub entropy: f64,
    /// Variance over the `K` probabilities, with divisor `K`.
    pub variance: f64,
    /// Excess kurtosis over the `K` probabilities, fourth central moment / variance² − 3, as SciPy has it; 0
    /// for probabilities that are all the same.
    pub kurtosis: f64,
}

impl Predictions {
    /// Reads scores, `[N, K]` before any softmax, as probabilities.
    pub fn new(scores: &Table) -> Self {
        let mut shares = Vec::with_capacity(scores.values().len());
        let mut certainty = Vec::with_capacity(scores.rows());
        for i in 0..scores.rows() {
            let row = scores.row(i);
            let most = row.iter().fold(f32::NEG_INFINITY, |most, v| most.max(*v));
            let above = |v: &f32| f64::from(*v) - f64::from(most);
            let sum = row.iter().map(|v| above(v).exp()).sum::<f64>().ln();
            let logarithms = row.iter().map(|v| above(v) - sum);
            certainty.push(logarithms.clone().map(|l| l.exp() * l).sum());
            shares.extend(logarithms.map(f64::exp));
        }
        Self { classes: scores.width(), shares, certainty }
    }

    /// Number of images.
    pub fn rows(&self) -> usize {
        self.certainty.len()
    }

    /// The probabilities of image number `i`.
    fn row(&self, i: usize) -> &[f64] {
        &self.shares[i * self.classes..][..self.classes]
    }

    /// How likely image number `i` is one of class number `class`.
    ///
    /// # Panics
    /// When there are not so many images or classes.
    pub fn share(&self, i: usize, class: usize) -> f64 {
        self.row(i)[class]
    }

    /// The Inception Score (Salimans et al. 2016) of the images at `rows`, in this order: `exp` of the mean
    /// divergence of a prediction from the mean prediction, for each of `splits` parts, averaged over these.
    ///
    /// # Panics
    /// When `rows` names an image that is not there.
    pub fn inception_score(&self, rows: &[usize], splits: usize) -> f64 {
        let part = |number: usize| &rows[number * rows.len() / splits..(number + 1) * rows.len() / splits];
        let score = |rows: &[usize]| {
            let mut mean = vec![0.0; self.classes];
            for &row in rows {
                mean.iter_mut().zip(self.row(row)).for_each(|(sum, p)| *sum += p / rows.len() as f64);
            }
            // The mean divergence is the entropy of the mean less the mean of entropies.
            let of_mean: f64 = mean.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum();
            let mean_of = rows.iter().map(|row| self.certainty[*row]).sum::<f64>() / rows.len() as f64;
            (mean_of - of_mean).exp()
        };
        (0..splits).map(|number| score(part(number))).sum::<f64>() / splits as f64
    }

    /// All images in an order that depends on `seed` alone: samples come class by class, and a part of them
    /// has to hold all.
    pub fn shuffled(&self, seed: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.shuffle(&mut generator(seed, Stream::Splits));
        order
    }

    /// How sure the prediction for image number `i` is.
    ///
    /// # Panics
    /// When there are not so many images.
    pub fn certainty(&self, i: usize) -> Certainty {
        let (row, k) = (self.row(i), self.classes as f64);
        let moment = |power| row.iter().map(|p| (p - 1.0 / k).powi(power)).sum::<f64>() / k;
        let variance = moment(2);
        // Probabilities that are all the same differ by rounding.
        let even = variance <= f64::EPSILON.powi(2);
        let kurtosis = if even { 0.0 } else { moment(4) / variance.powi(2) - 3.0 };
        Certainty { entropy: 0.0 - self.certainty[i], variance, kurtosis }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain(answers: &[usize], classes: usize) -> Predictions {
        let row = |a: &usize| (0..classes).map(|c| if c == *a { 1e4 } else { 0.0 }).collect::<Vec<f32>>();
        Predictions::new(&Table::new(classes, answers.iter().flat_map(row).collect()))
    }

    #[test]
    fn certain_answers_that_cover_every_class_score_the_number_of_classes() {
        let answers: Vec<usize> = (0..40).map(|i| i % 4).collect();
        let found = certain(&answers, 4);
        let score = found.inception_score(&(0..40).collect::<Vec<_>>(), SPLITS);
        assert!((score - 4.0).abs() < 1e-9, "{score}");
        let one = certain(&[2; 40], 4).inception_score(&(0..40).collect::<Vec<_>>(), SPLITS);
        assert!((one - 1.0).abs() < 1e-9, "{one}");
    }

    #[test]
    fn a_certain_prediction_among_a_thousand_classes_has_the_papers_bounds() {
        let found = certain(&[7], 1000).certainty(0);
        assert!(found.entropy.abs() < 1e-9, "{found:?}");
        assert!((found.variance - 9.99e-4).abs() < 1e-9, "{found:?}");
        assert!((found.kurtosis - 995.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn predictions_that_know_nothing_have_the_largest_entropy_and_no_variance() {
        let found = Predictions::new(&Table::new(8, vec![0.5; 8])).certainty(0);
        assert!((found.entropy - 8f64.ln()).abs() < 1e-12, "{found:?}");
        assert!(found.variance < 1e-30 && found.kurtosis == 0.0, "{found:?}");
    }

    #[test]
    fn one_seed_is_one_order_of_all_images() {
        let found = certain(&[0; 50], 2);
        let mut order = found.shuffled(3);
        assert_eq!(order, found.shuffled(3));
        assert_ne!(order, found.shuffled(4));
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
