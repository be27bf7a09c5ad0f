//! How far a figure could lie from the one that other samples of the same source would give.

use rand::Rng;
use rayon::prelude::*;
use serde::Serialize;
use tailor_core::diffusion::noise::{Stream, generator};

/// The share of figures that an interval holds.
pub const CONFIDENCE: f64 = 0.95;

/// The middle 95 % of the figures that other samples would give.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The percentile interval of a figure by the bootstrap (Efron 1979): `figure_of` is given, `resamples`
/// times, as many numbers below `n` as there are images, drawn with replacement, and finds the figure of the
/// images with these numbers. None for no images or no resamples.
///
/// Images that are drawn twice move some figures all in one direction: a covariance of fewer different
/// images is further from every other. By how much, the mean of the replicates shows, and the interval is
/// moved back by that much. A mean of one value per image is moved by nothing but chance.
///
/// One seed gives one interval, whatever else is drawn.
///
/// # Errors
/// Whatever `figure_of` refuses.
pub fn interval<E: Send>(
    figure: f64,
    n: usize,
    resamples: usize,
    seed: u64,
    figure_of: impl Fn(&[usize]) -> Result<f64, E> + Sync,
) -> Result<Option<Interval>, E> {
    if n == 0 || resamples == 0 {
        return Ok(None);
    }
    let replicate = |resample: usize| {
        let mut rng = generator(seed, Stream::Resample(resample as u32));
        let rows: Vec<usize> = (0..n).map(|_| rng.random_range(0..n)).collect();
        figure_of(&rows)
    };
    let mut figures = (0..resamples).into_par_iter().map(replicate).collect::<Result<Vec<_>, E>>()?;
    figures.sort_by(f64::total_cmp);
    let bias = figures.iter().sum::<f64>() / resamples as f64 - figure;
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let at = |share: f64| percentile(&figures, share) - bias;
    Ok(Some(Interval { low: at(tail), high: at(1.0 - tail) }))
}

/// As [`interval`], of the mean of one value per image.
pub fn of_mean(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    let mean_of = |rows: &[usize]| -> Result<f64, std::convert::Infallible> {
        Ok(rows.iter().map(|row| values[*row]).sum::<f64>() / rows.len() as f64)
    };
    let Ok(found) = interval(mean(values), values.len(), resamples, seed, mean_of);
    found
}

/// As [`of_mean`], of a share: the mean of values from 0 to 1. The interval's shift by what resampling itself moves must
/// not lead out of what a share can be.
pub fn of_share(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    of_mean(values, resamples, seed).map(|i| Interval { low: i.low.max(0.0), high: i.high.min(1.0) })
}

/// The mean of one value per image; zero of none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The value below which `share` of the `sorted` ones lie, between two of them in proportion, as NumPy does.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_its_standard_error_says() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i % 2)).collect();
        let found = of_mean(&values, 2000, 7).unwrap();
        // 1.96 · 0.5 / √1000.
        let expected = 0.031;
        let half = (found.high - found.low) / 2.0;
        assert!((half / expected - 1.0).abs() < 0.1, "{found:?}");
        assert!(((found.high + found.low) / 2.0 - 0.5).abs() < 0.003, "{found:?}");
    }

    #[test]
    fn the_interval_of_a_share_leaves_neither_end() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(u8::from(i > 0))).collect();
        for seed in 0..20 {
            let Interval { low, high } = of_share(&values, 30, seed).unwrap();
            assert!(0.0 < low && low < 0.975 && (0.975..=1.0).contains(&high), "{low} {high}");
        }
        let beyond = |seed| of_mean(&values, 30, seed).is_some_and(|i| i.high > 1.0);
        assert!((0..20).any(beyond), "without the limit some are beyond");
    }

    #[test]
    fn a_figure_that_every_resample_lowers_lies_in_its_interval_all_the_same() {
        // Of a hundred images some 63 are drawn at all.
        let different = |rows: &[usize]| -> Result<f64, std::convert::Infallible> {
            Ok(rows.iter().collect::<std::collections::BTreeSet<_>>().len() as f64 / 100.0)
        };
        let Ok(found) = interval(1.0, 100, 500, 7, different);
        let Interval { low, high } = found.unwrap();
        assert!(0.9 < low && low < 1.0 && 1.0 < high && high < 1.1, "{low} {high}");
    }

    #[test]
    fn one_seed_is_one_interval() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        assert_eq!(of_mean(&values, 100, 7), of_mean(&values, 100, 7));
        assert_ne!(of_mean(&values, 100, 7), of_mean(&values, 100, 8));
        assert_eq!(of_mean(&[], 100, 7), None);
        assert_eq!(of_mean(&values, 0, 7), None);
    }

    #[test]
    fn percentiles_are_numpys() {
        assert_eq!(percentile(&[1.0, 2.0, 4.0, 8.0], 0.5), 3.0);
        assert_eq!(percentile(&[1.0, 2.0, 4.0, 8.0], 1.0), 8.0);
        assert_eq!(percentile(&[5.0], 0.3), 5.0);
    }
}
