//! The diffusion transformer (Peebles & Xie 2023, `models.py` of DiT) with factored matrices.
//!
//! Unless the config asks for DiT's tanh approximation, the feed-forward layer uses the exact GELU,
//! for which every backend has one kernel.

use burn::tensor::activation::{gelu, sigmoid, silu, softmax};
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData, module};
use tailor_packs::config::{STRIDES, TIME_FEATURES};
use tailor_packs::{Gelu, Matrix, ModelConfig, Norm};

use super::factored::{GatedTailors, Gathered, Linear, linear, tensor3, to};
use super::parameters::Parameters;
use crate::diffusion::path::velocity_factor;
use crate::diffusion::shortcut::Moment;
use crate::embedding::{NORM_EPSILON, rotary_angles, sincos_positions, time_features};

/// The learngene as a network. Tailors are passed to [`Dit::forward`].
#[derive(Clone, Debug)]
pub struct Dit {
    config: ModelConfig,
    patch: Dense,
    time: [Dense; 2],
    null_label: Tensor<1>,
    /// The table of strides `[STRIDES, D]`, where the model has it.
    strides: Option<Tensor<2>>,
    positions: Tensor<3>,
    blocks: Vec<Block>,
    final_adaln: Dense,
    final_linear: Dense,
}

#[derive(Clone, Debug)]
struct Dense {
    weight: Tensor<2>,
    bias: Tensor<1>,
    products: FloatDType,
}

impl Dense {
    fn read(parameters: &Parameters, name: &str, shape: [usize; 2]) -> Self {
        Self {
            weight: parameters.matrix(&format!("{name}.weight"), shape),
            bias: parameters.vector(&format!("{name}.bias")),
            products: FloatDType::F32,
        }
    }

    fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let outside = x.dtype();
        let (weight, bias) = (to(self.weight.clone(), self.products), to(self.bias.clone(), self.products));
        to(module::linear(to(x, self.products), weight, Some(bias)), outside.into())
    }
}

/// One adaLN-Zero transformer block.
#[derive(Clone, Debug)]
pub struct Block {
    config: ModelConfig,
    linears: Vec<(Matrix, Linear)>,
    /// What queries and keys are scaled by, with QK-norm.
    norms: Option<[Tensor<1>; 2]>,
    /// Cosines and sines of RoPE, `[1, 1, T, head / 2]`.
    angles: Option<[Tensor<4>; 2]>,
    products: FloatDType,
}

impl Dit {
    /// Builds the network on `device` from the learngene's parameters.
    pub fn new(config: &ModelConfig, parameters: &Parameters, device: &Device) -> Self {
        let d = config.width as usize;
        let p = config.patch_values();
        let norm = |l: u32, which: &str| parameters.vector(&format!("blocks.{l}.{which}_norm"));
        let angles = config.rope.then(|| {
            let shape = [1, 1, config.tokens(), (config.width / config.heads) as usize / 2];
            rotary_angles(config).map(|of| Tensor::from_data(TensorData::new(of, shape), device))
        });
        let block = |l| Block {
            config: config.clone(),
            linears: config
                .block_matrices()
                .into_iter()
                .map(|m| (m, linear(config, parameters, l, m)))
                .collect(),
            norms: config.qk_norm.then(|| [norm(l, "q"), norm(l, "k")]),
            angles: angles.clone(),
            products: FloatDType::F32,
        };
        Self {
            patch: Dense::read(parameters, "patch", [p, d]),
            time: [
                Dense::read(parameters, "time.0", [TIME_FEATURES, d]),
                Dense::read(parameters, "time.1", [d, d]),
            ],
            null_label: parameters.vector("label.null"),
            strides: config.few_steps.then(|| parameters.matrix("stride.table", [STRIDES, d])),
            positions: tensor3(sincos_positions(config), [1, config.tokens(), d], device),
            blocks: (0..config.depth).map(block).collect(),
            final_adaln: Dense::read(parameters, "final.adaln", [d, 2 * d]),
            final_linear: Dense::read(parameters, "final.linear", [d, config.patch_outputs()]),
            config: config.clone(),
        }
    }

    /// Computes every matrix product in this number format. [`FloatDType::BF16`] or
    /// [`FloatDType::F16`] gives mixed precision: parameters, sums, normalisation and softmax keep
    /// their format, as under PyTorch's autocast.
    pub fn with_products_in(mut self, format: FloatDType) -> Self {
        let dense =
            self.time.iter_mut().chain([&mut self.patch, &mut self.final_adaln, &mut self.final_linear]);
        dense.for_each(|dense| dense.products = format);
        for block in &mut self.blocks {
            block.products = format;
            block.linears.iter_mut().for_each(|(_, linear)| linear.products = format);
        }
        self
    }

    /// Returns the transformer blocks, first to last, so that a test or benchmark can run one
    /// alone.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Predicts what the config's objective asks for, for noisy images. Without `tailors` the
    /// learngene works alone.
    ///
    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    /// - `at`: one moment for each of the `B` images, or a time in units of 0 to 1000
    /// - output: `[B, C, H, W]`; with learned variance `[B, 2·C, H, W]`, the prediction first
    pub fn forward(
        &self,
        x: Tensor<4>,
        at: &[impl Into<Moment> + Copy],
        tailors: Option<&GatedTailors>,
    ) -> Tensor<4> {
        self.run(x, at, tailors, |_| ())
    }

    /// Predicts as [`Dit::forward`] does, and returns what each block gives, `[B, T, D]`, with the
    /// output.
    pub fn features(
        &self,
        x: Tensor<4>,
        at: &[impl Into<Moment> + Copy],
        tailors: Option<&GatedTailors>,
    ) -> (Vec<Tensor<3>>, Tensor<4>) {
        let mut blocks = Vec::with_capacity(self.blocks.len());
        let output = self.run(x, at, tailors, |tokens| blocks.push(tokens.clone()));
        (blocks, output)
    }

    /// Predicts as [`Dit::forward`] does, and shows what each block gives, `[B, T, D]`.
    fn run(
        &self,
        x: Tensor<4>,
        at: &[impl Into<Moment> + Copy],
        tailors: Option<&GatedTailors>,
        mut show: impl FnMut(&Tensor<3>),
    ) -> Tensor<4> {
        let b = x.dims()[0];
        let at: Vec<Moment> = at.iter().map(|at| (*at).into()).collect();
        let t: Vec<f32> = at.iter().map(|at| at.t).collect();
        let mut tokens = self.patch.forward(self.patchify(x.clone())) + self.positions.clone();
        let condition = self.time_embedding(&t) + self.label_embedding(b, tailors);
        let condition = silu(match &self.strides {
            Some(table) => condition + self.stride_embedding(table, &at),
            None => condition,
        });
        let condition = condition.unsqueeze_dim::<3>(1);
        for (l, block) in self.blocks.iter().enumerate() {
            let gathered = tailors.map_or(&[][..], |t| &t.layers[l][..]);
            tokens = block.forward(tokens, condition.clone(), gathered);
            show(&tokens);
        }
        let modulation = self.final_adaln.forward(condition);
        let [shift, scale] = chunks(modulation);
        let output = self.final_linear.forward(modulate(norm(&self.config, tokens), shift, scale));
        let output = self.unpatchify(output);
        let factors: Option<Vec<f32>> = t.iter().map(|t| velocity_factor(&self.config, *t)).collect();
        let Some(factors) = factors else { return output };
        let factors = TensorData::new(factors, [t.len(), 1, 1, 1]);
        let factors = Tensor::<4>::from_data(factors, &self.positions.device());
        (x - output) * factors
    }

    /// Embeds `B` times as `[B, D]`.
    fn time_embedding(&self, t: &[f32]) -> Tensor<2> {
        let features = TensorData::new(time_features(t), [t.len(), TIME_FEATURES]);
        let features = Tensor::<2>::from_data(features, &self.positions.device());
        self.time[1].forward(silu(self.time[0].forward(features)))
    }

    /// Embeds the strides of `B` moments as `[B, D]`: a row of the table for each.
    fn stride_embedding(&self, table: &Tensor<2>, at: &[Moment]) -> Tensor<2> {
        let rows: Vec<i32> = at.iter().map(|at| at.stride.min(STRIDES - 1) as i32).collect();
        let rows = TensorData::new(rows, [at.len()]);
        table.clone().select(0, Tensor::<1, Int>::from_data(rows, &self.positions.device()))
    }

    /// Returns the label embedding `[B, D]`: the null row, or the tailors' rows by the gate's
    /// weights.
    fn label_embedding(&self, b: usize, tailors: Option<&GatedTailors>) -> Tensor<2> {
        let null = self.null_label.clone().unsqueeze::<2>();
        match tailors {
            Some(t) => null * t.null_weight.clone() + t.label.clone(),
            None => null.repeat_dim(0, b),
        }
    }

    /// Turns images `[B, C, H, W]` into tokens `[B, T, p·p·C]`: patches in rows, each as (row,
    /// column, channel).
    fn patchify(&self, x: Tensor<4>) -> Tensor<3> {
        let [b, c, h, w] = x.dims();
        let p = self.config.patch_size as usize;
        x.reshape([b, c, h / p, p, w / p, p]).permute([0, 2, 4, 3, 5, 1]).reshape([
            b,
            (h / p) * (w / p),
            p * p * c,
        ])
    }

    /// Turns tokens `[B, T, p·p·C]` back into images `[B, C, H, W]`, for any number `C` of channels:
    /// the inverse of [`Dit::patchify`].
    fn unpatchify(&self, tokens: Tensor<3>) -> Tensor<4> {
        let [b, _, values] = tokens.dims();
        let p = self.config.patch_size as usize;
        let c = values / (p * p);
        let side = self.config.image_size as usize;
        tokens
            .reshape([b, side / p, side / p, p, p, c])
            .permute([0, 5, 1, 3, 2, 4])
            .reshape([b, c, side, side])
    }
}

impl Block {
    /// # Shapes
    /// - `x`: `[B, T, D]`; `condition`: `[B, 1, D]`
    /// - `gathered`: what tailors add to this block's matrices; empty for the learngene alone
    /// - output: `[B, T, D]`
    pub fn forward(&self, x: Tensor<3>, condition: Tensor<3>, gathered: &[(Matrix, Gathered)]) -> Tensor<3> {
        let apply = |m: Matrix, x: Tensor<3>| {
            let find = |list: &[(Matrix, Gathered)]| list.iter().position(|(name, _)| *name == m);
            let own = find(gathered).map(|i| &gathered[i].1);
            let layer = self.linears.iter().find(|(name, _)| *name == m);
            layer.unwrap_or_else(|| unreachable!("every block has {m}")).1.forward(x, own)
        };
        let [shift_a, scale_a, gate_a, shift_m, scale_m, gate_m] = chunks(apply(Matrix::AdaLn, condition));
        let h = modulate(norm(&self.config, x.clone()), shift_a, scale_a);
        let qkv = if self.linears.iter().any(|(m, _)| *m == Matrix::Qkv) {
            chunks(apply(Matrix::Qkv, h))
        } else {
            [Matrix::Q, Matrix::K, Matrix::V].map(|m| apply(m, h.clone()))
        };
        let x = x + apply(Matrix::O, self.attention(qkv)) * gate_a;
        let h = modulate(norm(&self.config, x.clone()), shift_m, scale_m);
        let h = apply(Matrix::In, h);
        let h = match self.config.gelu {
            _ if self.config.swiglu => {
                let [gate, value] = chunks(h);
                silu(gate) * value
            }
            Gelu::Exact => gelu(h),
            Gelu::Tanh => tanh_gelu(h),
        };
        x + apply(Matrix::Out, h) * gate_m
    }

    /// Applies QK-norm and RoPE to queries and keys `[B, heads, T, head]`, where the model has them.
    fn place(&self, mut both: [Tensor<4>; 2]) -> [Tensor<4>; 2] {
        if let Some(norms) = &self.norms {
            let mut norms = norms.iter();
            both = both.map(|x| {
                let scale = norms.next().unwrap_or_else(|| unreachable!("one for each"));
                rms_norm(x) * (scale.clone() + 1.0).unsqueeze::<4>()
            });
        }
        let Some([cosines, sines]) = &self.angles else { return both };
        both.map(|x| {
            let half = x.dims()[3] / 2;
            let (a, b) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
            let turned =
                |a: &Tensor<4>, b: &Tensor<4>| a.clone() * cosines.clone() + b.clone() * sines.clone();
            Tensor::cat(vec![turned(&a, &b.clone().neg()), turned(&b, &a)], 3)
        })
    }

    /// Computes softmax attention (Vaswani et al. 2017); q, k, v and the output are `[B, T, D]`.
    fn attention(&self, qkv: [Tensor<3>; 3]) -> Tensor<3> {
        let [b, t, d] = qkv[0].dims();
        let heads = self.config.heads as usize;
        let head = d / heads;
        let [q, k, v] = qkv.map(|x| x.reshape([b, t, heads, head]).swap_dims(1, 2));
        let [q, k] = self.place([q, k]);
        let outside = q.dtype();
        let [q, k, v] = [q * (1.0 / (head as f64).sqrt()), k, v].map(|x| to(x, self.products));
        let scores = to(q.matmul(k.swap_dims(2, 3)), outside.into());
        let attended = to(softmax(scores, 3), self.products).matmul(v);
        to(attended, outside.into()).swap_dims(1, 2).reshape([b, t, d])
    }
}

/// Computes `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))` as `x·sigmoid(2u)`. Burn's own takes a power,
/// which not every backend defines for numbers below zero.
fn tanh_gelu(x: Tensor<3>) -> Tensor<3> {
    let twice = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let inner = x.clone() * (x.clone().square() * (0.044715 * twice) + twice);
    x * sigmoid(inner)
}

/// Divides by the root of the mean square over the last axis.
fn rms_norm<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let square = x.clone().square().mean_dim(D - 1);
    x * (square + NORM_EPSILON).sqrt().recip()
}

/// Splits the last axis of `[B, T, N·D]` into `N` equal parts.
fn chunks<const N: usize>(x: Tensor<3>) -> [Tensor<3>; N] {
    let width = x.dims()[2] / N;
    std::array::from_fn(|i| x.clone().narrow(2, i * width, width))
}

/// Applies LayerNorm or RMSNorm over the last axis of `[B, T, D]`, without affine parameters.
fn norm(config: &ModelConfig, x: Tensor<3>) -> Tensor<3> {
    if config.norm == Norm::Rms {
        return rms_norm(x);
    }
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    centred * (variance + NORM_EPSILON).sqrt().recip()
}

/// Returns `x·(1 + scale) + shift`; `x` is `[B, T, D]`, the others `[B, 1, D]`.
fn modulate(x: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    x * (scale + 1.0) + shift
}
