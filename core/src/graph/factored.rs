//! The factored matrix `W = U·diag(σ)·Vᵀ` of learngene and tailors, and the class gate
//! (KIND §3, eqs. 5–7, Algorithm 1).
//!
//! Two functions compute the same. [`masked`] is the specification: one product over all `r`
//! components, whose columns the expanded gate switches on and off. [`Linear::forward`] is what
//! runs: the learngene's product plus a batched product with each sample's own components. Its cost
//! does not depend on the number of classes.

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData, module};
use tailor_packs::{Matrix, ModelConfig};

use super::parameters::Parameters;

/// The weight of one linear layer in the learngene.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model holds a few dozen, nearly all of the larger kind")]
pub enum Weight {
    /// `[m1, m2]`, shared by every class.
    Dense(Tensor<2>),
    /// The learngene's `N_G` components.
    Factored {
        /// Left vectors `[m1, N_G]`.
        u: Tensor<2>,
        /// Scales `[N_G]`.
        sigma: Tensor<1>,
        /// Right vectors `[N_G, m2]`.
        v: Tensor<2>,
    },
}

/// A linear layer `m1 → m2` to which tailors may add.
#[derive(Clone, Debug)]
pub struct Linear {
    /// The shared weight.
    pub weight: Weight,
    /// Bias `[m2]`, always shared.
    pub bias: Tensor<1>,
    /// Number format of the products.
    pub products: FloatDType,
}

/// The components that each sample of a batch adds to one matrix, gate weights folded in.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Left vectors `[B, m1, S]`, where `S` is tailors per sample times `N`.
    pub u: Tensor<3>,
    /// Right vectors `[B, S, m2]`, times `σ` and the gate's weight.
    pub v: Tensor<3>,
}

impl Linear {
    /// Applies the layer; without `gathered` the gate is off and the learngene works alone.
    ///
    /// # Shapes
    /// - `x`: `[B, T, m1]`
    /// - output: `[B, T, m2]`, in the number format of `x`
    pub fn forward(&self, x: Tensor<3>, gathered: Option<&Gathered>) -> Tensor<3> {
        let outside = x.dtype();
        let x = to(x, self.products);
        let own = gathered
            .map(|g| x.clone().matmul(to(g.u.clone(), self.products)).matmul(to(g.v.clone(), self.products)));
        let bias = Some(to(self.bias.clone(), self.products));
        let shared = match &self.weight {
            Weight::Dense(weight) => module::linear(x, to(weight.clone(), self.products), bias),
            Weight::Factored { u, sigma, v } => {
                // σ scales the few rows of v instead of every token's activations.
                let v = v.clone() * sigma.clone().unsqueeze_dim::<2>(1);
                let inner = module::linear(x, to(u.clone(), self.products), None);
                module::linear(inner, to(v, self.products), bias)
            }
        };
        let sum = match own {
            Some(own) => shared + own,
            None => shared,
        };
        to(sum, outside.into())
    }
}

/// Converts `x` to this number format; returns it unchanged if it has it already.
pub(crate) fn to<const D: usize>(x: Tensor<D>, format: FloatDType) -> Tensor<D> {
    if x.dtype() == format.into() { x } else { x.cast(format) }
}

/// The gate of a batch: for each sample, the numbers of the tailors that it uses, with their
/// weights.
///
/// `[(k, 1.0)]` is a one-hot gate (one tailor), a longer list a soft gate (several tailors), and an
/// empty list turns the gate off.
pub type Gate = Vec<Vec<(usize, f32)>>;

/// The components of one matrix for several tailors, stacked.
#[derive(Clone, Debug)]
pub struct StackedComponents {
    /// Left vectors `[K, m1, N]`.
    pub u: Tensor<3>,
    /// Scales `[K, N]`.
    pub sigma: Tensor<2>,
    /// Right vectors `[K, N, m2]`.
    pub v: Tensor<3>,
}

/// Tailors of `K` classes on a device, stacked tensor by tensor.
#[derive(Clone, Debug)]
pub struct TailorStack {
    /// Label rows `[K, D]`.
    pub label: Tensor<2>,
    /// Per layer, the factored matrices in canonical order.
    pub layers: Vec<Vec<(Matrix, StackedComponents)>>,
}

/// What the tailors add for one batch: the gathered components of each layer and matrix, and the
/// labels.
#[derive(Clone, Debug)]
pub struct GatedTailors {
    /// Label embedding of each sample, `[B, D]`: the rows of its tailors, by weight. The network
    /// adds the null row with the weight `null_weight`.
    pub label: Tensor<2>,
    /// Weight that is left for the null row, `1 − Σw`, `[B, 1]`.
    pub null_weight: Tensor<2>,
    /// Per layer, the factored matrices in canonical order.
    pub layers: Vec<Vec<(Matrix, Gathered)>>,
}

impl TailorStack {
    /// Stacks tailors from one flat tensor `[K·len]` per entry of
    /// [`ModelConfig::tailor_tensors`], in that order.
    pub fn from_flat(config: &ModelConfig, k: usize, flat: &[Tensor<1>]) -> Self {
        let mut flat = flat.iter().cloned();
        let mut next = || flat.next().unwrap_or_else(|| unreachable!("one tensor per spec"));
        let (d, n) = (config.width as usize, config.tailor_components as usize);
        let label = next().reshape([k, d]);
        let layers = (0..config.depth)
            .map(|_| {
                let components = |m: &Matrix| {
                    let (m1, m2) = config.widths(*m);
                    let u = next().reshape([k, m1, n]);
                    let sigma = next().reshape([k, n]);
                    let v = next().reshape([k, n, m2]);
                    (*m, StackedComponents { u, sigma, v })
                };
                config.factored.matrices().iter().map(components).collect()
            })
            .collect();
        Self { label, layers }
    }

    /// Gathers each sample's components. Returns `None` when no sample uses a tailor.
    ///
    /// Samples with fewer tailors than others are filled up with tailors of weight zero.
    pub fn gather(&self, gate: &Gate) -> Option<GatedTailors> {
        let slots = gate.iter().map(Vec::len).max().unwrap_or(0);
        if slots == 0 {
            return None;
        }
        let device = self.label.device();
        let b = gate.len();
        let entry = |i: usize, s: usize| gate[i].get(s).copied().unwrap_or((0, 0.0));
        let pairs = || (0..b).flat_map(|i| (0..slots).map(move |s| entry(i, s)));
        let index: Vec<i32> = pairs().map(|(k, _)| k as i32).collect();
        let index = Tensor::<1, Int>::from_data(TensorData::new(index, [b * slots]), &device);
        let weight: Vec<f32> = pairs().map(|(_, w)| w).collect();
        let weight = Tensor::<1>::from_data(TensorData::new(weight, [b * slots]), &device);
        let left: Vec<f32> = gate.iter().map(|g| 1.0 - g.iter().map(|(_, w)| w).sum::<f32>()).collect();

        let d = self.label.dims()[1];
        let label = self.label.clone().select(0, index.clone()) * weight.clone().unsqueeze_dim::<2>(1);
        let label = label.reshape([b, slots, d]).sum_dim(1).reshape([b, d]);
        let gather = |c: &StackedComponents| {
            let [_, m1, n] = c.u.dims();
            let m2 = c.v.dims()[2];
            // Scaled before the selection: K rows are fewer than B.
            let v = c.v.clone() * c.sigma.clone().unsqueeze_dim::<3>(2);
            let v = v.select(0, index.clone()) * weight.clone().reshape([b * slots, 1, 1]);
            let u = c.u.clone().select(0, index.clone());
            let u = match slots {
                1 => u,
                _ => u.reshape([b, slots, m1, n]).swap_dims(1, 2).reshape([b, m1, slots * n]),
            };
            Gathered { u, v: v.reshape([b, slots * n, m2]) }
        };
        Some(GatedTailors {
            label,
            null_weight: Tensor::<1>::from_data(TensorData::new(left, [b]), &device).reshape([b, 1]),
            layers: self.layers.iter().map(|l| l.iter().map(|(m, c)| (*m, gather(c))).collect()).collect(),
        })
    }
}

impl GatedTailors {
    /// Gives samples the label of no class where they are to have none, and leaves their components
    /// as they are.
    ///
    /// # Shapes
    /// - `unnamed`: `[B]`
    pub fn without_labels(self, unnamed: &[bool]) -> Self {
        if !unnamed.contains(&true) {
            return self;
        }
        let kept: Vec<f32> = unnamed.iter().map(|unnamed| f32::from(u8::from(!unnamed))).collect();
        let kept = Tensor::<2>::from_data(TensorData::new(kept, [unnamed.len(), 1]), &self.label.device());
        let null_weight = self.null_weight * kept.clone() + (1.0 - kept.clone());
        Self { label: self.label * kept, null_weight, ..self }
    }
}

/// Reads the layer `name` (for example `blocks.0.qkv`) of `matrix` from the learngene's parameters.
pub(crate) fn linear(config: &ModelConfig, parameters: &Parameters, layer: u32, matrix: Matrix) -> Linear {
    let (m1, m2) = config.widths(matrix);
    let g = config.learngene_components as usize;
    let name = format!("blocks.{layer}.{matrix}");
    let weight = if config.factored.contains(matrix) {
        Weight::Factored {
            u: parameters.matrix(&format!("{name}.u"), [m1, g]),
            sigma: parameters.vector(&format!("{name}.sigma")),
            v: parameters.matrix(&format!("{name}.v"), [g, m2]),
        }
    } else {
        Weight::Dense(parameters.matrix(&format!("{name}.weight"), [m1, m2]))
    };
    Linear { weight, bias: parameters.vector(&format!("{name}.bias")), products: FloatDType::F32 }
}

/// Computes a gated layer as its specification says (KIND, Algorithm 1): one product over all `r`
/// components of learngene and bank, the columns multiplied by the expanded gate. Its cost grows
/// with the number of classes.
///
/// # Shapes
/// - `x`: `[B, T, m1]`; the learngene's components as in [`Weight::Factored`]; the bank of `K` tailors
/// - output: `[B, T, m2]`, without bias
pub fn masked(
    x: Tensor<3>,
    (u, sigma, v): (Tensor<2>, Tensor<1>, Tensor<2>),
    bank: &StackedComponents,
    gate: &Gate,
) -> Tensor<3> {
    let [k, m1, n] = bank.u.dims();
    let (m2, g) = (bank.v.dims()[2], u.dims()[1]);
    let r = k * n + g;
    // Tailors first, learngene last: the paper's order of components (eqs. 6–7).
    let u = Tensor::cat(vec![bank.u.clone().swap_dims(0, 1).reshape([m1, k * n]), u], 1);
    let sigma = Tensor::cat(vec![bank.sigma.clone().reshape([k * n]), sigma], 0);
    let v = Tensor::cat(vec![bank.v.clone().reshape([k * n, m2]), v], 0);
    let mut expanded = vec![0.0f32; gate.len() * r];
    for (row, tailors) in expanded.chunks_exact_mut(r).zip(gate) {
        for &(tailor, weight) in tailors {
            row[tailor * n..(tailor + 1) * n].iter_mut().for_each(|value| *value += weight);
        }
        row[k * n..].fill(1.0);
    }
    let gate = tensor3(expanded, [gate.len(), 1, r], &x.device());
    (x.matmul(u.unsqueeze::<3>()) * gate * sigma.unsqueeze::<3>()).matmul(v.unsqueeze::<3>())
}

pub(crate) fn tensor3(values: Vec<f32>, shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
