use tailor_core::engine::Features;
use tailor_packs::ModelConfig;

use super::start::{Probe, assemble};
use super::{Keeps, Method, Products, Sizes, Start, Starting, Task, Trains};
use crate::error::Error;
use crate::system::progress::Progress;

/// LAPTOP-Diff (arXiv 2404.11098): a network of fewer blocks, those whose absence is felt the most, taught by the whole
/// one.
///
/// A block's importance is the mean squared change of the network's output when that block alone is left out. The
/// reference has found that these changes add up well enough to choose all blocks at once, so the least important ones
/// go, and the others stay in order. Then all that is left trains on the task's loss, the distance to the output of the
/// whole network, and the distances of what each kept block gives to what the same block gives there, each divided by the
/// squared norm of the whole network's (`tailor_core::distillation`).
///
/// The reference prunes layers within the blocks of a U-Net; of a transformer we prune whole blocks. Our choices are the
/// images on which changes are measured, 64 of the run's data at the times and with the noise of a training step, and
/// that all distances have the weight of the task's loss. The labels' rows are the whole network's own, which are those
/// of its classes, so that it has to know the classes of the data.
#[derive(Debug)]
pub(super) struct LaptopDiff;

impl Method for LaptopDiff {
    fn name(&self) -> &'static str {
        "laptop-diff"
    }

    fn about(&self) -> &'static str {
        "the blocks that matter most, taught by the whole network (LAPTOP-Diff, arXiv 2404.11098)"
    }

    fn trains(&self) -> Trains {
        Trains::Whole
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps { of_24: 13, fills: false })
    }

    fn is_taught(&self) -> bool {
        true
    }

    fn learning_rate(&self, _: u32) -> f64 {
        1e-4
    }

    fn rank(&self, task: &Task) -> Option<usize> {
        self.keeps().map(|keeps| keeps.of(task.depth))
    }

    fn start(&self, from: &Starting<'_>) -> Result<Option<Start>, Error> {
        let labels = from.known_labels(self.name())?;
        let importance = importance(from, &labels)?;
        let mut order: Vec<usize> = (0..importance.len()).collect();
        // Of equal ones the first stays.
        order.sort_by(|a, b| importance[*b].total_cmp(&importance[*a]));
        let mut kept = order[..from.rank].to_vec();
        kept.sort_unstable();
        let blocks: Vec<Option<usize>> = kept.iter().copied().map(Some).collect();
        let values = assemble(from.base, from.network, &blocks, from.training.seed)?;
        Ok(Some(Start { values, tailors: Some(labels), kept: Some(kept) }))
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        sizes.sum(|m1, m2| m1 * m2)
    }

    fn products(&self, _: &Sizes) -> Products {
        Products::default()
    }
}

/// For each block the mean squared change of the output when it is left out.
fn importance(from: &Starting<'_>, labels: &[Vec<f32>]) -> Result<Vec<f64>, Error> {
    let whole = &from.base.manifest.config;
    let depth = whole.depth as usize;
    if depth == 1 {
        return Ok(vec![0.0]);
    }
    let probe = Probe::new(from);
    let less = ModelConfig { depth: whole.depth - 1, ..whole.clone() };
    let all: Vec<Option<usize>> = (0..depth).map(Some).collect();
    let progress = Progress::new("weighing blocks", depth as u64 + 1);
    let output = |config: &ModelConfig, blocks: &[Option<usize>]| -> Result<Vec<Features>, Error> {
        let values = assemble(from.base, config, blocks, 0)?;
        let found = probe.features(config, &values, Some(labels), &[])?;
        progress.step();
        Ok(found)
    };
    let expected = output(whole, &all)?;
    let change = |left_out: usize| {
        let blocks: Vec<Option<usize>> =
            all.iter().copied().filter(|block| *block != Some(left_out)).collect();
        let found = output(&less, &blocks)?;
        let squares = found.iter().zip(&expected).flat_map(|(found, expected)| {
            found.output.iter().zip(&expected.output).map(|(a, b)| f64::from(a - b) * f64::from(a - b))
        });
        let values: usize = expected.iter().map(|features| features.output.len()).sum();
        Ok(squares.sum::<f64>() / values as f64)
    };
    (0..depth).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::super::start::tests::Place;
    use super::*;

    #[test]
    fn a_block_that_does_nothing_goes_first_and_the_others_stay_in_order() {
        let mut place = Place::new(3);
        // Without modulation a block's gates are closed, and it gives what it takes.
        for part in ["weight", "bias"] {
            place.set(&format!("blocks.1.adaln.{part}"), 0.0);
        }
        let started = place.starting(2, 2, |from| {
            let weight = importance(from, &from.known_labels("laptop-diff").unwrap()).unwrap();
            assert!(weight[1] == 0.0 && weight[0] > 0.0 && weight[2] > 0.0, "{weight:?}");
            LaptopDiff.start(from).unwrap().unwrap()
        });
        assert_eq!(started.kept.as_deref(), Some(&[0, 2][..]));
        let labels: Vec<Vec<f32>> = place.labels.values().cloned().collect();
        assert_eq!(started.tailors, Some(labels));
    }

    #[test]
    fn classes_that_the_base_does_not_know_are_refused_by_name() {
        let mut place = Place::new(2);
        place.labels.clear();
        let refused = place.starting(1, 1, |from| LaptopDiff.start(from).unwrap_err());
        assert!(refused.to_string().contains("\"a\""), "{refused}");
    }
}
