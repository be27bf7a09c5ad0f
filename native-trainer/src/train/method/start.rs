//! Networks that a method builds before its run begins, such as one of another's blocks.

use std::collections::BTreeMap;

use tailor_core::init;
use tailor_core::model::values as tensor;
use tailor_packs::{Learngene, ModelConfig, TensorSpec};

use crate::data::Dataset;
use crate::error::Error;
use crate::settings::training::Training;

/// What a method may look at when it builds the network that a run starts from.
pub struct Starting<'a> {
    /// The trained network.
    pub base: &'a Learngene,
    /// The label's row `[D]` of each class that the base knows, by id, for a method that
    /// [asks for them](super::Method::wants_labels).
    pub labels: &'a BTreeMap<String, Vec<f32>>,
    /// The network to be built, which is [`Method::network`](super::Method::network).
    pub network: &'a ModelConfig,
    /// The method's size; 0 where it has none.
    pub rank: usize,
    /// The run's settings.
    pub training: &'a Training,
    /// The run's images.
    pub data: &'a Dataset,
    /// Threads to compute on.
    pub threads: usize,
    /// Trains another network in passing.
    pub train: &'a Train<'a>,
}

/// Trains a plain network and returns its flat values.
pub type Train<'a> = dyn Fn(&Lesson) -> Result<Vec<f32>, Error> + 'a;

/// A brief training on the side.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// What for, in one word for who waits.
    pub what: &'static str,
    /// The network, which is plain.
    pub model: ModelConfig,
    /// Its first values, flat.
    pub first: Vec<f32>,
    /// Classes of the run's images to train on, by number.
    pub classes: Vec<usize>,
    /// Optimiser steps.
    pub steps: u64,
}

/// What a run starts from in place of the base.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// Flat values of the network to be built.
    pub values: Vec<f32>,
    /// First values of the tailor of each class of the run's images; none for random ones.
    pub tailors: Option<Vec<Vec<f32>>>,
    /// Blocks of the base that the network keeps, in the order in which it has them, counted from 0; none where that
    /// says nothing.
    pub kept: Option<Vec<usize>>,
}

/// How many blocks a method keeps of a trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// Of every 24 blocks, as many as the paper has of DiT-L.
    pub of_24: usize,
    /// Whether random blocks stand beside them, up to the depth of the base or to another that is asked for.
    pub fills: bool,
}

impl Keeps {
    /// Blocks that are kept of so many, unless another number is asked for.
    pub fn of(&self, depth: usize) -> usize {
        (2 * depth * self.of_24 + 24) / 48
    }

    /// Why `kept` blocks cannot be kept of a base of so many, in a network of `depth`; with the flag that is at fault.
    pub fn refuse(
        &self,
        base: usize,
        kept: Option<usize>,
        depth: Option<usize>,
    ) -> Option<(&'static str, String)> {
        let count = kept.unwrap_or_else(|| self.of(base));
        if !(1..=base).contains(&count) {
            return Some(("--rank", format!("it must be 1 to {base}, the blocks of the base")));
        }
        let depth = depth?;
        if !self.fills {
            return Some(("--depth", "the network has the blocks that are kept and no others".to_owned()));
        }
        let fits = (count..=base).contains(&depth);
        (!fits).then(|| {
            ("--depth", format!("it must be {count}, the blocks that are kept, to {base}, those of the base"))
        })
    }
}

/// The flat values of a plain network like `base`, whose block number `i` is the base's block `blocks[i]`, or a random
/// one of `seed` where that is none. Everything outside of the blocks is the base's.
///
/// # Errors
/// [`Error::Model`] when the base lacks a tensor, which reading its file has made sure of.
pub fn assemble(
    base: &Learngene,
    network: &ModelConfig,
    blocks: &[Option<usize>],
    seed: u64,
) -> Result<Vec<f32>, Error> {
    let specs = network.learngene_tensors();
    let random = init::learngene(network, seed);
    let mut values = Vec::with_capacity(specs.iter().map(|spec| spec.len()).sum());
    for (spec, random) in specs.iter().zip(random) {
        let name = match block(&spec.name) {
            None => spec.name.clone(),
            Some((number, rest)) => match blocks.get(number).copied().flatten() {
                Some(own) => format!("blocks.{own}.{rest}"),
                None => {
                    values.extend(random);
                    continue;
                }
            },
        };
        values.extend(tensor(&base.tensors, &TensorSpec { name, shape: spec.shape.clone() })?);
    }
    Ok(values)
}

/// The number of the block to which a tensor belongs, and the rest of its name.
fn block(name: &str) -> Option<(usize, &str)> {
    let (number, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_those_of_the_papers_tables() {
        let (heur, auto) = (Keeps { of_24: 19, fills: true }, Keeps { of_24: 13, fills: true });
        assert_eq!([12, 24].map(|depth| heur.of(depth)), [10, 19]);
        assert_eq!([12, 24].map(|depth| auto.of(depth)), [7, 13]);
        assert!((1..=64).all(|depth| (1..=depth).contains(&heur.of(depth))));
        assert!((1..=64).all(|depth| (1..=depth).contains(&auto.of(depth))));
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_the_flag_at_fault() {
        let keeps = Keeps { of_24: 13, fills: true };
        assert_eq!(keeps.refuse(6, None, None), None);
        assert_eq!(keeps.refuse(6, Some(6), Some(6)), None);
        assert_eq!(keeps.refuse(6, Some(7), None).unwrap().0, "--rank");
        assert_eq!(keeps.refuse(6, Some(4), Some(3)).unwrap().0, "--depth");
        assert_eq!(keeps.refuse(6, Some(4), Some(7)).unwrap().0, "--depth");
        let alone = Keeps { fills: false, ..keeps };
        assert_eq!(alone.refuse(6, Some(4), None), None);
        assert_eq!(alone.refuse(6, Some(4), Some(4)).unwrap().0, "--depth");
    }
}
