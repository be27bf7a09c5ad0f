//! The network's prediction for one image, as in `tailor_core::graph::dit`, on slices.
//!
//! The same code trains and samples. [`Weights`] gives access to the matrices. A [`Tape`] keeps the
//! values that the backward pass needs, or holds intermediate values when there is none.

use std::ops::Range;

use tailor_packs::config::MLP_RATIO;
use tailor_packs::{Gelu, Matrix};

use super::kernels::{
    Output, View, ViewMut, add, gated_add, gelu, gelu_in_place, matmul, norm_modulate, norm_modulate_into,
    silu, softmax, tanh_gelu,
};
use super::layout::{ByMatrix, Network};
use crate::embedding::{LAYER_NORM_EPSILON, time_features};

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

/// Applies LayerNorm and modulation `x̂·(1 + scale) + shift`. `kept` receives the values that the
/// backward pass needs.
fn norm(
    x: &[f32],
    (shift, scale): (&[f32], &[f32]),
    kept: Option<(&mut Vec<f32>, &mut Vec<f32>)>,
    h: &mut Vec<f32>,
) {
    let epsilon = LAYER_NORM_EPSILON as f32;
    resize(h, x.len());
    match kept {
        Some((normal, inverse)) => {
            resize(normal, x.len());
            resize(inverse, x.len() / shift.len());
            norm_modulate(x, (shift, scale), epsilon, (&mut normal[..], &mut inverse[..]), h);
        }
        None => norm_modulate_into(x, (shift, scale), epsilon, h),
    }
}

impl Network {
    /// Predicts for the image `x` `[C, H, W]` at time `t` (0 to 1000), and writes to `tape.output`.
    ///
    /// Training keeps the values of every block; otherwise all blocks share one tape.
    pub(super) fn forward(&self, weights: &impl Weights, x: &[f32], t: f32, tape: &mut Tape, training: bool) {
        let (d, tokens) = (self.config.width as usize, self.config.tokens());
        self.patches(x, &mut tape.patches);
        resize(&mut tape.x, tokens * d);
        weights.outer(Outer::Patch, &tape.patches, &mut tape.x);
        add(&mut tape.x, &self.positions);

        // The condition: time, and the label of tailor or learngene.
        tape.features = time_features(&[t]);
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
        silu(&tape.room, &mut tape.condition, &mut tape.condition_slope);

        tape.blocks.resize_with(if training { self.blocks.len() } else { 1 }, BlockTape::default);
        for block in 0..self.blocks.len() {
            let own = if training { block } else { 0 };
            self.block(weights, block, &tape.condition, &mut tape.x, &mut tape.blocks[own], training);
        }
        resize(&mut tape.modulation, 2 * d);
        weights.outer(Outer::FinalAdaLn, &tape.condition, &mut tape.modulation);
        let kept = training.then_some((&mut tape.normal, &mut tape.inverse));
        norm(&tape.x, tape.modulation.split_at(d), kept, &mut tape.h);
        resize(&mut tape.output, tokens * self.final_linear.m2);
        weights.outer(Outer::FinalLinear, &tape.h, &mut tape.output);
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
        let wide = MLP_RATIO * d;
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

        norm(x, (part(0), part(1)), training.then_some((normal, inverse)), h);
        resize(&mut tape.qkv, t * 3 * d);
        for (m, columns) in self.attention_matrices(block) {
            linear(m, h, ViewMut::new(&mut tape.qkv, 3 * d).columns(columns));
        }
        resize(&mut tape.attended, t * d);
        self.attention(&tape.qkv, &mut tape.scores, &mut tape.attended);
        resize(&mut tape.projected, t * d);
        linear(Matrix::O, &tape.attended, ViewMut::new(&mut tape.projected, d));
        gated_add(x, part(2), &tape.projected);

        norm(x, (part(3), part(4)), training.then_some((normal_mlp, inverse_mlp)), h_mlp);
        resize(&mut tape.hidden, t * wide);
        let exact = self.config.gelu == Gelu::Exact;
        if training || !exact {
            resize(&mut tape.slope, t * wide);
            linear(Matrix::In, h_mlp, ViewMut::new(&mut tape.slope, wide));
            let activate = if exact { gelu } else { tanh_gelu };
            activate(&mut tape.slope, &mut tape.hidden);
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
