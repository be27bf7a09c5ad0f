//! What a network in training makes of images, without gradients.

use super::backward::Pass;
use super::forward::Tape;
use super::layout::Network;
use super::pool::{Features, Gradients, Pool, Sample};

impl Network {
    /// Computes what the network makes of each of `samples`: its output, and what the blocks of these
    /// numbers give. Parameters and buffers are those of [`Network::gradients`]; targets and teachers
    /// are not used.
    pub fn features<'a>(
        &'a self,
        learngene: &'a [f32],
        tailor: impl Fn(usize) -> &'a [f32],
        samples: &[Sample<'_>],
        blocks: &[usize],
        pool: &'a Pool,
    ) -> Vec<Features> {
        self.look(learngene, tailor, samples, !blocks.is_empty(), pool, |tape| {
            let blocks = blocks.iter().map(|&block| tape.outputs[block].clone()).collect();
            Features { blocks, output: tape.output.clone() }
        })
    }

    /// Predicts an image `[C, H, W]` for each of `samples`. Parameters and buffers are those of
    /// [`Network::gradients`]; targets and teachers are not used.
    pub fn predictions<'a>(
        &'a self,
        learngene: &'a [f32],
        tailor: impl Fn(usize) -> &'a [f32],
        samples: &[Sample<'_>],
        pool: &'a Pool,
    ) -> Vec<Vec<f32>> {
        self.look(learngene, tailor, samples, false, pool, |tape| self.image(&tape.output))
    }

    /// Computes the network's output for each of `samples`, and `take`s of it what is wanted. With
    /// `keep`, what each block gives is there, too.
    fn look<'a, T>(
        &'a self,
        learngene: &'a [f32],
        tailor: impl Fn(usize) -> &'a [f32],
        samples: &[Sample<'_>],
        keep: bool,
        pool: &'a Pool,
        take: impl Fn(&Tape) -> T,
    ) -> Vec<T> {
        let mut pass = Pass::new(self, learngene, true, 0.0, pool);
        let mut found = Vec::with_capacity(samples.len());
        for group in samples.chunk_by(|a, b| a.class == b.class) {
            pass.put_on(group[0].class.map(&tailor));
            for sample in group {
                let mut tape = std::mem::take(&mut pass.tape);
                tape.keep = keep;
                self.forward(&pass.merged(sample.named), sample.x, sample.at, &mut tape, false);
                found.push(take(&tape));
                pass.tape = tape;
            }
            if let Some(class) = group[0].class {
                pool.give_back(Gradients { tailors: vec![(class, pass.take_off())], ..Gradients::default() });
            }
        }
        pass.finish();
        found
    }
}
