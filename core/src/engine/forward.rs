//! The network's prediction for one image, as in `tailor_core::graph::dit`, on slices.
//!
//! The same code trains and samples. [`Weights`] gives access to the matrices. A [`Tape`] keeps the
//! values that the backward pass needs, or holds intermediate values when there is none.

use std::ops::Range;

use tailor_packs::{Gelu, Matrix};

use super::kernels::{
    Output, View, ViewMut, add, gated_add, gelu, gelu_in_place, matmul, norm_modulate, norm_modulate_into,
    silu, softmax, swiglu, tanh_gelu, turn,
};
use super::layout::{ByMatrix, Network};
use crate::diffusion::path::velocity_factor;
use crate::diffusion::shortcut::Moment;
use crate::embedding::{NORM_EPSILON, time_features};

/// A matrix outside of the blocks, always the learngene's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outer {
    Patch,
    Time0,
    Time1,
    FinalAdaLn,
    FinalLinear,
}

/// The matrices with which one image is computed, learngene and tailors together.
pub(super) trait Weights {
    /// Writes `y = x·W + bias` for a matrix outside of the blocks.
    fn outer(&self, which: Outer, x: &[f32], y: &mut [f32]);

    /// Writes `y = x·W + bias` for a block's matrix. The inner activations `x·U` of a factored one
    /// go to `inner`.
    fn linear(&self, block: usize, m: Matrix, x: &[f32], y: ViewMut<'_>, inner: &mut Vec<f32>);

    /// Returns the label's row `[D]`.
    fn label(&self) -> &[f32];

    /// Returns the row `[D]` of a stride, which is added to the embedding of the time; none in a model
    /// without the table.
    fn stride(&self, stride: usize) -> Option<&[f32]>;

    /// Returns by what a block of a model with QK-norm scales queries and keys, each `[D / heads]`.
    fn norms(&self, block: usize) -> [&[f32]; 2];
}

/// The intermediate values of one image's forward pass.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// `[T, p·p·C]`
    pub(super) patches: Vec<f32>,
    pub(super) features: Vec<f32>,
    pub(super) time: Vec<f32>,
    pub(super) time_slope: Vec<f32>,
    pub(super) condition: Vec<f32>,
    pub(super) condition_slope: Vec<f32>,
    pub(super) blocks: Vec<BlockTape>,
    pub(super) modulation: Vec<f32>,
    pub(super) normal: Vec<f32>,
    pub(super) inverse: Vec<f32>,
    pub(super) h: Vec<f32>,
    /// The network's output, `[T, p·p·C]`, or `[T, p·p·2C]` with learned variance.
    pub(super) output: Vec<f32>,
    /// What each block gives, `[T, D]`, where it is [kept](Tape::keep).
    pub(super) outputs: Vec<Vec<f32>>,
    /// Whether to keep what each block gives.
    pub(super) keep: bool,
    x: Vec<f32>,
    room: Vec<f32>,
}

/// The intermediate values of one block.
#[derive(Debug, Default)]
pub(super) struct BlockTape {
    pub(super) modulation: Vec<f32>,
    pub(super) normal: [Vec<f32>; 2],
    pub(super) inverse: [Vec<f32>; 2],
    pub(super) h: [Vec<f32>; 2],
    pub(super) qkv: Vec<f32>,
    /// With QK-norm, queries and keys before they are scaled, `[T, 2D]`.
    pub(super) qk_normal: Vec<f32>,
    pub(super) qk_inverse: Vec<f32>,
    pub(super) scores: Vec<f32>,
    pub(super) attended: Vec<f32>,
    pub(super) projected: Vec<f32>,
    pub(super) slope: Vec<f32>,
    pub(super) hidden: Vec<f32>,
    pub(super) fed: Vec<f32>,
    pub(super) inner: ByMatrix<Vec<f32>>,
}

/// Sets the length without caring for the values.
pub(super) fn resize(values: &mut Vec<f32>, len: usize) {
    values.resize(len, 0.0);
}

/// Makes room for what the backward pass needs of a norm over `rows` of `d` values, if it is kept.
fn room_for<'a>(
    training: bool,
    rows: usize,
    d: usize,
    normal: &'a mut Vec<f32>,
    inverse: &'a mut Vec<f32>,
) -> Option<(&'a mut [f32], &'a mut [f32])> {
    training.then(|| {
        resize(normal, rows * d);
        resize(inverse, rows);
        (&mut normal[..], &mut inverse[..])
    })
}

/// Applies LayerNorm, or with `rms` RMSNorm, and modulation `x̂·(1 + scale) + shift`. `kept` receives the values that the
/// backward pass needs.
fn norm(
    x: &[f32],
    (shift, scale): (&[f32], &[f32]),
    rms: bool,
    kept: Option<(&mut [f32], &mut [f32])>,
    h: &mut [f32],
) {
    let kind = (NORM_EPSILON as f32, rms);
    match kept {
        Some(kept) => norm_modulate(x, (shift, scale), kind, kept, h),
        None => norm_modulate_into(x, (shift, scale), kind, h),
    }
}

impl Network {
    /// Predicts for the image `x` `[C, H, W]` at the moment `at`, and writes to `tape.output`.
    ///
    /// Training keeps the values of every block; otherwise all blocks share one tape.
    pub(super) fn forward(
        &self,
        weights: &impl Weights,
        x: &[f32],
        at: Moment,
        tape: &mut Tape,
        training: bool,
    ) {
        let (d, tokens) = (self.config.width as usize, self.config.tokens());
        self.patches(x, &mut tape.patches);
        resize(&mut tape.x, tokens * d);
        weights.outer(Outer::Patch, &tape.patches, &mut tape.x);
        add(&mut tape.x, &self.positions);

        // The condition: time, and the label of tailor or learngene.
        tape.features = time_features(&[at.t]);
        let room = &mut tape.room;
        for values in
            [&mut tape.time, &mut tape.time_slope, &mut tape.condition, &mut tape.condition_slope, room]
        {
            resize(values, d);
        }
        weights.outer(Outer::Time0, &tape.features, &mut tape.room);
        silu(&tape.room, &mut tape.time, &mut tape.time_slope);
        weights.outer(Outer::Time1, &tape.time, &mut tape.room);
        add(&mut tape.room, weights.label());
        if let Some(row) = weights.stride(at.stride) {
            add(&mut tape.room, row);
        }
        silu(&tape.room, &mut tape.condition, &mut tape.condition_slope);

        tape.blocks.resize_with(if training { self.blocks.len() } else { 1 }, BlockTape::default);
        for block in 0..self.blocks.len() {
            let own = if training { block } else { 0 };
            self.block(weights, block, &tape.condition, &mut tape.x, &mut tape.blocks[own], training);
            if tape.keep {
                tape.outputs.resize_with(self.blocks.len(), Vec::new);
                tape.outputs[block].clone_from(&tape.x);
            }
        }
        resize(&mut tape.modulation, 2 * d);
        weights.outer(Outer::FinalAdaLn, &tape.condition, &mut tape.modulation);
        resize(&mut tape.h, tokens * d);
        let kept = room_for(training, tokens, d, &mut tape.normal, &mut tape.inverse);
        norm(&tape.x, tape.modulation.split_at(d), self.rms(), kept, &mut tape.h);
        resize(&mut tape.output, tokens * self.final_linear.m2);
        weights.outer(Outer::FinalLinear, &tape.h, &mut tape.output);
        if let Some(factor) = velocity_factor(&self.config, at.t) {
            let patches = tape.patches.iter();
            tape.output.iter_mut().zip(patches).for_each(|(output, x)| *output = (x - *output) * factor);
        }
    }

    /// Applies one block to `x` `[T, D]` in place.
    fn block(
        &self,
        weights: &impl Weights,
        block: usize,
        condition: &[f32],
        x: &mut [f32],
        tape: &mut BlockTape,
        training: bool,
    ) {
        let d = self.config.width as usize;
        let t = x.len() / d;
        let (hidden, wide) = (self.config.hidden(), self.config.widths(Matrix::In).1);
        let inner = &mut tape.inner;
        let mut linear = |m: Matrix, x: &[f32], y: ViewMut<'_>| {
            weights.linear(block, m, x, y, inner[m as usize].get_or_insert_default());
        };
        resize(&mut tape.modulation, 6 * d);
        linear(Matrix::AdaLn, condition, ViewMut::new(&mut tape.modulation, 6 * d));
        let part = |i: usize| &tape.modulation[i * d..(i + 1) * d];
        let [h, h_mlp] = &mut tape.h;
        let [normal, normal_mlp] = &mut tape.normal;
        let [inverse, inverse_mlp] = &mut tape.inverse;

        [&mut *h, &mut *h_mlp].into_iter().for_each(|h| resize(h, t * d));
        norm(x, (part(0), part(1)), self.rms(), room_for(training, t, d, normal, inverse), h);
        resize(&mut tape.qkv, t * 3 * d);
        for (m, columns) in self.attention_matrices(block) {
            linear(m, h, ViewMut::new(&mut tape.qkv, 3 * d).columns(columns));
        }
        if self.config.qk_norm {
            let rows = 2 * t * self.config.heads as usize;
            let head = d / self.config.heads as usize;
            let kept = room_for(training, rows, head, &mut tape.qk_normal, &mut tape.qk_inverse);
            self.qk_norm(weights.norms(block), &mut tape.qkv, kept);
        }
        self.turn(&mut tape.qkv, false);
        resize(&mut tape.attended, t * d);
        self.attention(&tape.qkv, &mut tape.scores, &mut tape.attended);
        resize(&mut tape.projected, t * d);
        linear(Matrix::O, &tape.attended, ViewMut::new(&mut tape.projected, d));
        gated_add(x, part(2), &tape.projected);

        norm(x, (part(3), part(4)), self.rms(), room_for(training, t, d, normal_mlp, inverse_mlp), h_mlp);
        resize(&mut tape.hidden, t * hidden);
        let exact = self.config.gelu == Gelu::Exact && !self.config.swiglu;
        if training || !exact {
            resize(&mut tape.slope, t * wide);
            linear(Matrix::In, h_mlp, ViewMut::new(&mut tape.slope, wide));
            match (exact, self.config.swiglu) {
                (true, _) => gelu(&mut tape.slope, &mut tape.hidden),
                (_, true) => swiglu(&mut tape.slope, &mut tape.hidden, hidden),
                (_, false) => tanh_gelu(&mut tape.slope, &mut tape.hidden),
            }
        } else {
            linear(Matrix::In, h_mlp, ViewMut::new(&mut tape.hidden, wide));
            gelu_in_place(&mut tape.hidden);
        }
        resize(&mut tape.fed, t * d);
        linear(Matrix::Out, &tape.hidden, ViewMut::new(&mut tape.fed, d));
        gated_add(x, part(5), &tape.fed);
    }

    /// Returns the matrices that make queries, keys and values, with the columns of `[T, 3D]` that
    /// each fills.
    pub(super) fn attention_matrices(&self, block: usize) -> impl Iterator<Item = (Matrix, Range<usize>)> {
        let d = self.config.width as usize;
        let all =
            [(Matrix::Qkv, 0..3 * d), (Matrix::Q, 0..d), (Matrix::K, d..2 * d), (Matrix::V, 2 * d..3 * d)];
        all.into_iter().filter(move |(m, _)| self.blocks[block][*m as usize].is_some())
    }

    /// Norms queries and keys `[T, 3D]` over each head, and scales them. `kept` receives what the
    /// backward pass needs.
    fn qk_norm(&self, scales: [&[f32]; 2], qkv: &mut [f32], mut kept: Option<(&mut [f32], &mut [f32])>) {
        let (d, heads) = (self.config.width as usize, self.config.heads as usize);
        let (mut x, zeros) = (vec![0.0; d], vec![0.0; d / heads]);
        let rows = qkv.chunks_exact_mut(3 * d).flat_map(|row| row[..2 * d].chunks_exact_mut(d));
        for (i, row) in rows.enumerate() {
            x.copy_from_slice(row);
            let kept = kept.as_mut().map(|(normal, inverse)| {
                (&mut normal[i * d..(i + 1) * d], &mut inverse[i * heads..(i + 1) * heads])
            });
            norm(&x, (&zeros, scales[i % 2]), true, kept, row);
        }
    }

    /// Turns queries and keys `[T, 3D]` by the places of their patches, or `back` again, if the model
    /// has RoPE.
    pub(super) fn turn(&self, qkv: &mut [f32], back: bool) {
        let Some([cosines, sines]) = &self.angles else { return };
        let (d, half) = (self.config.width as usize, (self.config.width / self.config.heads) as usize / 2);
        let angles = cosines.chunks_exact(half).zip(sines.chunks_exact(half));
        for (row, angles) in qkv.chunks_exact_mut(3 * d).zip(angles) {
            for head in row[..2 * d].chunks_exact_mut(2 * half) {
                let (a, b) = head.split_at_mut(half);
                if back { turn(b, a, angles) } else { turn(a, b, angles) }
            }
        }
    }

    /// Computes the softmax attention of each head. `scores` keeps the attention weights `[H, T,
    /// T]`, where `H` is the number of heads.
    fn attention(&self, qkv: &[f32], scores: &mut Vec<f32>, out: &mut [f32]) {
        let (d, heads) = (self.config.width as usize, self.config.heads as usize);
        let (t, head) = (out.len() / d, d / heads);
        resize(scores, heads * t * t);
        let part = |which: usize, h: usize| {
            View::new(qkv, 3 * d).columns(which * d + h * head..which * d + (h + 1) * head)
        };
        for (h, scores) in scores.chunks_exact_mut(t * t).enumerate() {
            matmul(part(0, h), part(1, h).t(), ViewMut::new(scores, t), Output::Replace);
            softmax(scores, t, 1.0 / (head as f32).sqrt());
            let out = ViewMut::new(out, d).columns(h * head..(h + 1) * head);
            matmul(View::new(scores, t), part(2, h), out, Output::Replace);
        }
    }
}
