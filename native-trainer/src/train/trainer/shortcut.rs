//! What images learn that are to learn a step: found with the averaged weights, by either engine.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tailor_core::diffusion::shortcut::{Steps, targets};
use tailor_core::engine::{Network, Pool, Sample};
use tailor_core::threads;
use tailor_packs::Weights;

use super::{Bank, TrainedLearngene, Trainer};
use crate::train::loader::Batch;

impl Trainer {
    /// The batch with the targets of images that are to learn a step ([`targets`]). It stays as it is where there are none.
    pub(super) fn with_targets<'b>(&self, batch: &'b Batch) -> Cow<'b, Batch> {
        let chosen: Vec<usize> = (0..batch.len()).filter(|&i| batch.at[i].stride > 0).collect();
        if chosen.is_empty() {
            return Cow::Borrowed(batch);
        }
        let x: Vec<f32> = chosen.iter().flat_map(|&i| batch.image(&batch.x, i)).copied().collect();
        let labels: Vec<_> = chosen.iter().map(|&i| batch.labels[i]).collect();
        let at: Vec<_> = chosen.iter().map(|&i| batch.at[i]).collect();
        let steps = Steps { x: &x, labels: &labels, at: &at };
        let classes = labels.iter().flatten();
        let tailors: BTreeMap<usize, Vec<f32>> =
            classes.map(|&class| (class, self.tailor_average(class))).collect();
        let found = match &self.learngene {
            TrainedLearngene::Processor { network, pool, .. } => {
                let values = self.network_values(Weights::Ema);
                targets(steps, batch.guidance, |steps| {
                    self.predictions(network, (&values, &tailors), steps, batch.values(), pool)
                })
            }
            #[cfg(feature = "graph")]
            TrainedLearngene::Graph(learngene) => {
                let average = learngene.average(&tailors);
                targets(steps, batch.guidance, |steps| average.predict(steps, batch.shape, self.micro_batch))
            }
        };
        let mut batch = batch.clone();
        let n = batch.values();
        for (&i, target) in chosen.iter().zip(found.chunks_exact(n)) {
            batch.target[i * n..][..n].copy_from_slice(target);
        }
        Cow::Owned(batch)
    }

    /// The averaged parameters of a class's tailor.
    fn tailor_average(&self, class: usize) -> Vec<f32> {
        match &self.bank {
            Bank::Host(bank) => bank.states()[class].ema(self.ema_clock),
            #[cfg(feature = "graph")]
            Bank::Device(_) => self.tailor(class).ema(self.ema_clock),
        }
    }

    /// Velocities by the processor's engine, each image of `n` values: those of one class follow each other.
    fn predictions(
        &self,
        network: &Network,
        (values, tailors): (&[f32], &BTreeMap<usize, Vec<f32>>),
        steps: Steps<'_>,
        n: usize,
        pool: &Pool,
    ) -> Vec<f32> {
        let mut order: Vec<usize> = (0..steps.at.len()).collect();
        order.sort_by_key(|&i| steps.labels[i]);
        let found = threads::map(self.threads, threads::parts(order.len(), self.threads), |range| {
            let sample = |&i: &usize| Sample {
                x: &steps.x[i * n..][..n],
                target: &[],
                at: steps.at[i],
                class: steps.labels[i],
                cosine: 0.0,
                teacher: None,
            };
            let samples: Vec<Sample<'_>> = order[range].iter().map(sample).collect();
            network.predictions(values, |class| &tailors[&class], &samples, pool)
        });
        let mut velocities = vec![0.0; steps.x.len()];
        for (i, image) in order.into_iter().zip(found.into_iter().flatten()) {
            velocities[i * n..][..n].copy_from_slice(&image);
        }
        velocities
    }
}
