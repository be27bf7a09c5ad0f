//! Networks that a method builds before its run begins, such as one of another's blocks.

use std::collections::BTreeMap;

use tailor_core::engine::{Features, Network, Pool, Sample};
use tailor_core::model::values as tensor;
use tailor_core::{ModelError, init, threads};
use tailor_packs::{Learngene, ModelConfig, TensorSpec};

use crate::compute::device::cores;
use crate::data::{DataClass, Dataset};
use crate::error::Error;
use crate::settings::training::Training;
use crate::train::loader::{Batch, Draws};

/// What a method may look at when it builds the network that a run starts from.
pub struct Starting<'a> {
    /// The trained network.
    pub base: &'a Learngene,
    /// The label's row `[D]` of each class that the base knows, by id, where the base
    /// [teaches](super::Method::is_taught).
    pub labels: &'a BTreeMap<String, Vec<f32>>,
    /// The network to be built, which is [`Method::network`](super::Method::network).
    pub network: &'a ModelConfig,
    /// The method's size; 0 where it has none.
    pub rank: usize,
    /// The run's settings.
    pub training: &'a Training,
    /// The run's images.
    pub data: &'a Dataset,
    /// Trains another network in passing.
    pub train: &'a Train<'a>,
}

impl Starting<'_> {
    /// The base's label rows for the classes of the run's images, by number.
    ///
    /// # Errors
    /// [`Error::Refused`] names `method` and a class that the base does not know.
    pub fn known_labels(&self, method: &str) -> Result<Vec<Vec<f32>>, Error> {
        let row = |class: &DataClass| {
            self.labels.get(&class.id).cloned().ok_or_else(|| Error::Refused {
                what: format!(
                    "the base does not know the class {:?}, and by {method} it teaches the classes of the data",
                    class.name
                ),
                help: "give it data of its own classes, with --split where there are others, or adapt what comes of it \
                       by --method full"
                    .to_owned(),
            })
        };
        self.data.classes.iter().map(row).collect()
    }
}

/// Images on which networks are compared.
const COMPARED: usize = 64;

/// Some of a run's images, with the times and the noise of a training step, on which networks are compared. It computes
/// on the processor, whatever the run's device is, so that the outcome is the same everywhere.
pub(super) struct Probe {
    batch: Batch,
    threads: usize,
}

impl Probe {
    /// Images of all parts of the data.
    pub(super) fn new(from: &Starting<'_>) -> Self {
        let Starting { data, network, training, .. } = from;
        let n = COMPARED.min(data.len());
        let indices: Vec<usize> = (0..n).map(|i| i * data.len() / n).collect();
        let labels: Vec<usize> = indices.iter().map(|&i| data.labels[i] as usize).collect();
        let draws = Draws::new(network, training.seed, 0.0, false);
        Self { batch: draws.batch(0, data.batch(&indices), &labels), threads: cores() }
    }

    /// What a plain network makes of each image: its output, and what the blocks of these numbers give. With `labels`, a
    /// row for each class of the data, each image is of its class, else of none.
    ///
    /// # Errors
    /// [`Error::Model`] for a config that the processor's engine does not know.
    pub(super) fn features(
        &self,
        config: &ModelConfig,
        values: &[f32],
        labels: Option<&[Vec<f32>]>,
        blocks: &[usize],
    ) -> Result<Vec<Features>, Error> {
        let network = Network::new(config).map_err(ModelError::from)?;
        let (batch, pool) = (&self.batch, Pool::default());
        let found = threads::map(self.threads, threads::parts(batch.len(), self.threads), |range| {
            let sample = |i: usize| Sample {
                x: batch.image(&batch.x, i),
                target: batch.image(&batch.target, i),
                at: batch.at[i].t.into(),
                class: batch.labels[i].filter(|_| labels.is_some()),
                named: true,
                cosine: 0.0,
                teacher: None,
            };
            let samples: Vec<Sample<'_>> = range.map(sample).collect();
            let row = |class: usize| labels.map_or(&[][..], |labels| &labels[class][..]);
            network.features(values, row, &samples, blocks, &pool)
        });
        Ok(found.concat())
    }
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
pub(super) mod tests {
    use image::{GrayImage, Luma};
    use tailor_core::diffusion::noise::{Stream, standard_normal};
    use tailor_packs::{Card, Contents, FactoredSet, Storage, Tensors, read_learngene, write_learngene};

    use super::*;
    use crate::data::Options;

    /// A base none of whose values is zero, with its classes `a` and `b`, and images of both.
    pub(in crate::train::method) struct Place {
        pub(in crate::train::method) base: Learngene,
        pub(in crate::train::method) labels: BTreeMap<String, Vec<f32>>,
        pub(in crate::train::method) training: Training,
        data: Dataset,
    }

    impl Place {
        pub(in crate::train::method) fn new(depth: u32) -> Self {
            let tiny = ModelConfig::preset("tiny").unwrap();
            let config = ModelConfig { depth, factored: FactoredSet::none(), ..tiny };
            let mut tensors = Tensors::new();
            for (i, spec) in config.learngene_tensors().iter().enumerate() {
                let values = standard_normal(5, Stream::Learngene(i as u32), spec.len());
                let values = values.into_iter().map(|v| 0.2 * v).collect();
                tensors.insert(&spec.name, &spec.shape, values).unwrap();
            }
            let card = Card::default();
            let contents = Contents::new("base", &config, &tensors, &card);
            let bytes = write_learngene(&Contents { storage: Storage::Single, ..contents }).unwrap();
            let folder = tempfile::tempdir().unwrap();
            for (class, step) in [("a", 3), ("b", 5)] {
                std::fs::create_dir_all(folder.path().join(class)).unwrap();
                for i in 0..5u32 {
                    let shade =
                        |x: u32, y: u32| Luma([if (x + y * i).is_multiple_of(step) { 255 } else { 0 }]);
                    let path = folder.path().join(class).join(format!("{i}.png"));
                    GrayImage::from_fn(32, 32, shade).save(path).unwrap();
                }
            }
            let data = Dataset::open(folder.path(), &Options::for_model(&config, true)).unwrap();
            let row = |n: u32| standard_normal(6, Stream::Tailor(n), config.width as usize);
            Self {
                base: read_learngene(&bytes).unwrap(),
                labels: (0..).zip(&data.classes).map(|(n, class)| (class.id.clone(), row(n))).collect(),
                training: Training { seed: 3, ..Training::default() },
                data,
            }
        }

        /// Makes all values of a tensor this one.
        pub(in crate::train::method) fn set(&mut self, name: &str, value: f32) {
            let (shape, mut values) = self.base.tensors.remove(name).unwrap();
            values.fill(value);
            self.base.tensors.insert(name, &shape, values).unwrap();
        }

        pub(in crate::train::method) fn network(&self, depth: u32) -> ModelConfig {
            ModelConfig { depth, ..self.base.manifest.config.clone() }
        }

        /// What `of` makes of a run that keeps `rank` blocks in a network of `depth`.
        pub(in crate::train::method) fn starting<R>(
            &self,
            rank: usize,
            depth: u32,
            of: impl FnOnce(&Starting<'_>) -> R,
        ) -> R {
            self.starting_with(rank, depth, &|lesson| panic!("{} is not needed", lesson.what), of)
        }

        /// The same, with somebody who trains.
        pub(in crate::train::method) fn starting_with<R>(
            &self,
            rank: usize,
            depth: u32,
            train: &Train<'_>,
            of: impl FnOnce(&Starting<'_>) -> R,
        ) -> R {
            let Self { base, labels, training, data } = self;
            of(&Starting { base, labels, network: &self.network(depth), rank, training, data, train })
        }
    }

    #[test]
    fn blocks_come_from_the_base_in_the_order_asked_for_and_others_are_random() {
        let place = Place::new(3);
        let network = place.network(3);
        let values = assemble(&place.base, &network, &[Some(2), None, Some(0)], 7).unwrap();
        let tensors = Tensors::from_flat(&network.learngene_tensors(), &values).unwrap();
        let base = &place.base.tensors;
        for rest in ["qkv.weight", "o.bias", "adaln.weight"] {
            assert_eq!(tensors.get(&format!("blocks.0.{rest}")), base.get(&format!("blocks.2.{rest}")));
            assert_eq!(tensors.get(&format!("blocks.2.{rest}")), base.get(&format!("blocks.0.{rest}")));
            assert_ne!(tensors.get(&format!("blocks.1.{rest}")), base.get(&format!("blocks.1.{rest}")));
        }
        for outside in ["patch.weight", "time.1.bias", "label.null", "final.linear.weight"] {
            assert_eq!(tensors.get(outside), base.get(outside));
        }
    }

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
