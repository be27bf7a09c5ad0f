use tailor_core::engine::Features;
use tailor_core::engine::kernels::{Output, View, ViewMut, matmul, sum_of_squares};
use tailor_core::{init, threads};

use super::start::{Lesson, Probe, assemble};
use super::{Keeps, Method, Products, Sizes, Start, Starting, Task, Trains};
use crate::compute::device::cores;
use crate::error::Error;

/// Auto-LG (arXiv 2305.02279): the blocks of a trained network, the ancestor, that a small network learns for itself, the
/// pseudo-descendant, are the learngene. Random blocks are stacked onto it, and all of it trains.
///
/// That a pseudo-descendant is trained and compared with the ancestor block by block is the reference's. Ours is:
///
/// - The pseudo-descendant has as many blocks as are kept. It learns every second class of the run's data, from random
///   values, for as many steps as cost a twentieth of the run, with the run's own settings.
/// - Similar are blocks whose outputs on the same noised images have the largest linear CKA (Kornblith et al. 2019), over
///   the tokens of 64 images of the run's data and without a class. The pseudo-descendant's first block chooses first,
///   and no block of the ancestor is chosen twice.
/// - The blocks that were chosen keep the ancestor's order, and everything outside of the blocks is the ancestor's.
#[derive(Debug)]
pub(super) struct AutoLg;

impl Method for AutoLg {
    fn name(&self) -> &'static str {
        "auto-lg"
    }

    fn about(&self) -> &'static str {
        "the blocks that a small network learns too, random ones upon them (Auto-LG, arXiv 2305.02279)"
    }

    fn trains(&self) -> Trains {
        Trains::Whole
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps { of_24: 13, fills: true })
    }

    fn learning_rate(&self, _: u32) -> f64 {
        1e-4
    }

    fn rank(&self, task: &Task) -> Option<usize> {
        self.keeps().map(|keeps| keeps.of(task.depth))
    }

    fn start(&self, from: &Starting<'_>) -> Result<Option<Start>, Error> {
        let ancestor = &from.base.manifest.config;
        let (depth, seed) = (from.network.depth as usize, from.training.seed);
        let mut descendant = from.network.clone();
        descendant.depth = from.rank as u32;
        let values = (from.train)(&Lesson {
            what: "training the pseudo-descendant",
            first: init::learngene(&descendant, seed).concat(),
            classes: (0..from.data.classes.len()).step_by(2).collect(),
            steps: steps(from.training.steps, depth, from.rank),
            model: descendant.clone(),
        })?;
        let probe = Probe::new(from);
        let all: Vec<usize> = (0..ancestor.depth as usize).collect();
        let learned = probe.features(&descendant, &values, None, &all[..from.rank])?;
        let whole: Vec<Option<usize>> = all.iter().copied().map(Some).collect();
        let known = probe.features(ancestor, &assemble(from.base, ancestor, &whole, 0)?, None, &all)?;
        let kept = chosen(&similarities(&learned, &known, ancestor.width as usize, cores()));
        let random = std::iter::repeat_n(None, depth - from.rank);
        let blocks: Vec<Option<usize>> = kept.iter().copied().map(Some).chain(random).collect();
        let values = assemble(from.base, from.network, &blocks, seed)?;
        Ok(Some(Start { values, kept: Some(kept), ..Start::default() }))
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        sizes.sum(|m1, m2| m1 * m2)
    }

    fn products(&self, _: &Sizes) -> Products {
        Products::default()
    }
}

/// Steps of a network of `kept` blocks that cost a twentieth of `all` steps of one of `depth`.
fn steps(all: u64, depth: usize, kept: usize) -> u64 {
    (all * depth as u64).div_ceil(20 * kept as u64)
}

/// For each block of the pseudo-descendant its similarity to each of the ancestor's.
fn similarities(learned: &[Features], known: &[Features], width: usize, workers: usize) -> Vec<Vec<f64>> {
    let centred = |features: &[Features]| {
        let blocks = features.first().map_or(0, |features| features.blocks.len());
        (0..blocks).map(|block| Centred::new(features, block, width)).collect::<Vec<_>>()
    };
    let (learned, known) = (centred(learned), centred(known));
    let pairs = learned.iter().flat_map(|a| known.iter().map(move |b| (a, b))).collect();
    let all = threads::map(workers, pairs, |(a, b)| a.alike(b));
    all.chunks(known.len()).map(<[f64]>::to_vec).collect()
}

/// For each of the rows in turn the column with the largest value that no other has taken; sorted.
fn chosen(similar: &[Vec<f64>]) -> Vec<usize> {
    let mut taken = Vec::new();
    for row in similar {
        let free = (0..row.len()).filter(|column| !taken.contains(column));
        // Of equal ones the first.
        taken.extend(free.reduce(|best, column| if row[column] > row[best] { column } else { best }));
    }
    taken.sort_unstable();
    taken
}

/// What a block gives for the tokens of all images, `[tokens, D]`, without the mean of each feature.
struct Centred {
    values: Vec<f32>,
    width: usize,
    /// `‖XᵀX‖`
    norm: f64,
}

impl Centred {
    fn new(features: &[Features], block: usize, width: usize) -> Self {
        let mut values =
            features.iter().map(|features| &features.blocks[block][..]).collect::<Vec<_>>().concat();
        let mut means = vec![0.0f64; width];
        for row in values.chunks_exact(width) {
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value));
        }
        let rows = (values.len() / width) as f64;
        for row in values.chunks_exact_mut(width) {
            row.iter_mut().zip(&means).for_each(|(value, mean)| *value -= (mean / rows) as f32);
        }
        let norm = product(&values, &values, width).sqrt();
        Self { values, width, norm }
    }

    /// Linear CKA: `‖YᵀX‖² / (‖XᵀX‖·‖YᵀY‖)`, from 0 to 1; 0 where one of them never changes.
    fn alike(&self, other: &Self) -> f64 {
        let norms = self.norm * other.norm;
        if norms > 0.0 { product(&self.values, &other.values, self.width) / norms } else { 0.0 }
    }
}

/// The squared norm of `YᵀX`.
fn product(x: &[f32], y: &[f32], width: usize) -> f64 {
    let mut product = vec![0.0; width * width];
    matmul(View::new(x, width).t(), View::new(y, width), ViewMut::new(&mut product, width), Output::Replace);
    sum_of_squares(&product)
}

#[cfg(test)]
mod tests {
    use tailor_core::diffusion::noise::{Stream, standard_normal};

    use super::super::start::tests::Place;
    use super::*;

    fn features(blocks: Vec<Vec<f32>>) -> Vec<Features> {
        vec![Features { blocks, output: Vec::new() }]
    }

    #[test]
    fn a_block_is_most_like_itself_turned_scaled_and_shifted() {
        let width = 4;
        let [a, b] = [1, 2].map(|seed| standard_normal(seed, Stream::Start, 400));
        // Linear CKA does not see rotation, scale and offset.
        let turned = a.chunks_exact(width).flat_map(|r| [r[1], -r[0], r[3], r[2]]).map(|v| 3.0 * v + 1.0);
        let found = similarities(&features(vec![a.clone()]), &features(vec![b, turned.collect()]), width, 1);
        assert!((found[0][1] - 1.0).abs() < 1e-5 && found[0][0] < 0.5, "{found:?}");
        let still = similarities(&features(vec![vec![2.0; 400]]), &features(vec![a]), width, 1);
        assert_eq!(still[0][0], 0.0);
    }

    #[test]
    fn no_block_is_chosen_twice_and_the_order_is_the_ancestors() {
        assert_eq!(chosen(&[vec![0.1, 0.2, 0.9], vec![0.5, 0.2, 0.8]]), [0, 2]);
        assert_eq!(chosen(&[vec![0.5, 0.5, 0.5], vec![0.5, 0.5, 0.5]]), [0, 1]);
    }

    #[test]
    fn the_pseudo_descendant_costs_a_twentieth_of_the_run() {
        assert_eq!(steps(4000, 12, 7), 343);
        assert_eq!(steps(4, 2, 1), 1);
    }

    #[test]
    fn the_blocks_that_the_pseudo_descendant_has_as_well_are_kept_below_random_ones() {
        let place = Place::new(4);
        // It has learned the ancestor's first blocks.
        let learned = |lesson: &Lesson| {
            assert_eq!((lesson.model.depth, &lesson.classes[..]), (2, &[0][..]));
            assemble(&place.base, &lesson.model, &[Some(0), Some(1)], 0)
        };
        let started = place.starting_with(2, 3, &learned, |from| AutoLg.start(from).unwrap().unwrap());
        assert_eq!(started.kept.as_deref(), Some(&[0, 1][..]));
        assert_eq!(started.tailors, None);
        let network = place.network(3);
        let expected =
            assemble(&place.base, &network, &[Some(0), Some(1), None], place.training.seed).unwrap();
        assert!(started.values == expected);
    }
}
