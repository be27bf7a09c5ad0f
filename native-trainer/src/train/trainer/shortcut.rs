//! What images learn that are to learn a step: found with the weights as they stand, by either engine.

use std::borrow::Cow;
#[cfg(feature = "graph")]
use std::collections::BTreeSet;

use tailor_core::diffusion::shortcut::{Steps, targets};
use tailor_core::engine::{Network, Pool, Sample};
use tailor_core::threads;

use super::{TrainedLearngene, Trainer};
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
        let found = match &self.learngene {
            TrainedLearngene::Processor { network, learned, pool } => {
                #[cfg(feature = "graph")]
                let adapted = self.adaption.as_ref().map(|adaption| adaption.weights(&learned.parameters));
                #[cfg(not(feature = "graph"))]
                let adapted: Option<Vec<f32>> = None;
                let values = adapted.as_ref().unwrap_or(&learned.parameters);
                targets(steps, batch.guidance, |steps| {
                    self.predictions((network, values), steps, batch.values(), pool)
                })
            }
            #[cfg(feature = "graph")]
            TrainedLearngene::Graph(learngene) => {
                let classes: BTreeSet<usize> = labels.iter().flatten().copied().collect();
                let tailors = classes.iter().map(|&class| (class, self.tailor(class).parameters)).collect();
                let network = learngene.predictor(&tailors);
                targets(steps, batch.guidance, |steps| network.predict(steps, batch.shape, self.micro_batch))
            }
        };
        let mut batch = batch.clone();
        let n = batch.values();
        for (&i, target) in chosen.iter().zip(found.chunks_exact(n)) {
            batch.target[i * n..][..n].copy_from_slice(target);
        }
        Cow::Owned(batch)
    }

    /// Velocities by the processor's engine, each image of `n` values: those of one class follow each other.
    fn predictions(
        &self,
        (network, values): (&Network, &[f32]),
        steps: Steps<'_>,
        n: usize,
        pool: &Pool,
    ) -> Vec<f32> {
        let bank = self.host_bank();
        let mut order: Vec<usize> = (0..steps.at.len()).collect();
        order.sort_by_key(|&i| steps.labels[i]);
        let found = threads::map(self.threads, threads::parts(order.len(), self.threads), |range| {
            let sample = |&i: &usize| Sample {
                x: &steps.x[i * n..][..n],
                target: &[],
                at: steps.at[i],
                class: steps.labels[i],
                named: true,
                cosine: 0.0,
                teacher: None,
            };
            let samples: Vec<Sample<'_>> = order[range].iter().map(sample).collect();
            network.predictions(values, |class| &bank.states()[class].parameters[..], &samples, pool)
        });
        let mut velocities = vec![0.0; steps.x.len()];
        for (i, image) in order.into_iter().zip(found.into_iter().flatten()) {
            velocities[i * n..][..n].copy_from_slice(&image);
        }
        velocities
    }
}
