//! The gradients of a batch: by hand in shards, or by Burn's graph in portions.

#[cfg(feature = "graph")]
use std::ops::Add;

#[cfg(feature = "graph")]
use burn::tensor::{Tensor, TensorData};
use tailor_core::engine::adamw::Learned;
use tailor_core::engine::{self, Network, Pool, Sample, kernels};
use tailor_core::threads;

use super::{Bank, Trainer, UPDATE_PART};
use crate::train::bank::TailorBank;
#[cfg(feature = "graph")]
use crate::train::graph;
use crate::train::loader::Batch;

impl Trainer {
    /// Sum of the squares of every gradient.
    pub(super) fn norm_squared(&self, found: &engine::Gradients) -> f64 {
        let all = found.tailors.iter().map(|(_, gradient)| gradient).chain([&found.learngene]);
        let parts = all.flat_map(|gradient| gradient.chunks(UPDATE_PART)).collect();
        threads::map(self.threads, parts, kernels::sum_of_squares).into_iter().sum()
    }

    /// Gradients by hand.
    pub(super) fn by_hand(
        &self,
        network: &Network,
        learned: &Learned,
        pool: &Pool,
        batch: &Batch,
    ) -> engine::Gradients {
        #[cfg(feature = "graph")]
        if let Some(adaption) = &self.adaption {
            let under_way = adaption.under_way(&learned.parameters);
            let mut found = self.in_shards(network, &under_way.weights, pool, batch);
            let by_weights = std::mem::take(&mut found.learngene);
            found.learngene = under_way.pull_back(&by_weights);
            pool.give_back(engine::Gradients { learngene: by_weights, ..Default::default() });
            return found;
        }
        self.in_shards(network, &learned.parameters, pool, batch)
    }

    /// Gradients by the network's flat values: images of one class follow each other, and each shard takes its part of
    /// them.
    fn in_shards(&self, network: &Network, values: &[f32], pool: &Pool, batch: &Batch) -> engine::Gradients {
        let bank = self.host_bank();
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|&i| batch.labels[i]);
        let factor = 1.0 / batch.target.len() as f32;
        let parts = threads::parts(batch.len(), self.threads);
        let parts = threads::map(self.threads, parts, |range| {
            let sample = |&i: &usize| Sample {
                x: batch.image(&batch.x, i),
                target: batch.image(&batch.target, i),
                at: batch.at[i],
                class: batch.labels[i],
                named: !batch.unnamed[i],
                cosine: batch.cosine,
                teacher: None,
            };
            let mut samples: Vec<Sample<'_>> = order[range].iter().map(sample).collect();
            let wanted =
                self.teacher.as_deref().map(|teacher| teacher.features(&samples)).unwrap_or_default();
            samples.iter_mut().zip(&wanted).for_each(|(sample, wanted)| sample.teacher = Some(wanted));
            let tailor = |class: usize| &bank.states()[class].parameters[..];
            network.gradients(values, tailor, &samples, factor, self.frozen, pool)
        });
        let mut found = parts.into_iter().reduce(|sum, part| sum.add(part, pool)).unwrap_or_default();
        if self.orthogonality > 0.0 {
            self.keep_apart(network, values, &mut found);
        }
        found
    }

    /// Adds the gradient of the term that keeps components apart: its mean over the tailors of the batch.
    fn keep_apart(&self, network: &Network, values: &[f32], found: &mut engine::Gradients) {
        let weight = self.orthogonality / found.tailors.len().max(1) as f32;
        let states = self.host_bank().states();
        let learngene = &mut found.learngene[..];
        let mut shared = (!self.frozen).then_some(learngene);
        for (class, gradient) in &mut found.tailors {
            let tailor = &states[*class].parameters[..];
            network.orthogonality(values, Some(tailor), weight, (shared.as_deref_mut(), Some(gradient)));
        }
        if found.tailors.is_empty() {
            network.orthogonality(values, None, weight, (shared, None));
        }
    }

    /// The tailors in host memory, where they are beside the processor's engine.
    pub(super) fn host_bank(&self) -> &TailorBank {
        match &self.bank {
            Bank::Host(bank) => bank,
            #[cfg(feature = "graph")]
            Bank::Device(_) => unreachable!("beside the processor's engine"),
        }
    }

    #[cfg(feature = "graph")]
    pub(super) fn by_graph(
        &self,
        learngene: &graph::GraphLearngene,
        classes: &[usize],
        batch: &Batch,
    ) -> graph::Gradients {
        let rows = match &self.bank {
            _ if classes.is_empty() => None,
            Bank::Host(bank) => {
                let values = bank.rows(classes);
                let shape = [classes.len(), values.len() / classes.len()];
                Some(Tensor::from_data(TensorData::new(values, shape), &self.device.for_graph()))
            }
            Bank::Device(bank) => Some(bank.rows(classes)),
        };
        let of = |range| {
            learngene.gradients((classes, rows.as_ref()), batch, range, (self.frozen, self.orthogonality))
        };
        let workers = self.threads;
        let parts = threads::parts(batch.len(), workers.max(batch.len().div_ceil(self.micro_batch)));
        // In turn, each portion is added before the next is begun: no two are held at once.
        match workers {
            1 => parts.into_iter().map(of).reduce(Add::add),
            _ => threads::map(workers, parts, of).into_iter().reduce(Add::add),
        }
        .unwrap_or_default()
    }
}
