use super::{Keeps, Method, Products, Sizes, Start, Starting, Task, Trains, assemble};
use crate::error::Error;

/// Heur-LG (Wang et al. 2022): the last, most abstract blocks of a trained network are its learngene, and stay at the end
/// of a new network whose other blocks start at random. Then all of it trains.
///
/// The reference's learngene is chosen by how gradients change over tasks; which it keeps, the last ones, is the KIND
/// paper's reading of it. Our choice is that everything outside of the blocks (patches, time, null label, last layer)
/// comes from the trained network, too.
#[derive(Debug)]
pub(super) struct HeurLg;

impl Method for HeurLg {
    fn name(&self) -> &'static str {
        "heur-lg"
    }

    fn about(&self) -> &'static str {
        "the last blocks of the network below random ones, all trained (Heur-LG, Wang et al. 2022)"
    }

    fn trains(&self) -> Trains {
        Trains::Whole
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps { of_24: 19, fills: true })
    }

    fn learning_rate(&self, _: u32) -> f64 {
        1e-4
    }

    fn rank(&self, task: &Task) -> Option<usize> {
        self.keeps().map(|keeps| keeps.of(task.depth))
    }

    fn start(&self, from: &Starting<'_>) -> Result<Option<Start>, Error> {
        let (depth, all) = (from.network.depth as usize, from.base.manifest.config.depth as usize);
        let kept: Vec<usize> = (all - from.rank..all).collect();
        let random = std::iter::repeat_n(None, depth - from.rank);
        let blocks: Vec<Option<usize>> = random.chain(kept.iter().copied().map(Some)).collect();
        let values = assemble(from.base, from.network, &blocks, from.training.seed)?;
        Ok(Some(Start { values, kept: Some(kept), ..Start::default() }))
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        sizes.sum(|m1, m2| m1 * m2)
    }

    fn products(&self, _: &Sizes) -> Products {
        Products::default()
    }
}
