//! What a model is: its sizes, which matrices are factored, and from these every tensor it has.
//!
//! The tensor list is the one truth that the writer, the reader, the trainer and the parameter
//! counts share: [`ModelConfig::learngene_tensors`] and [`ModelConfig::tailor_tensors`].

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize};

/// Width of the sinusoidal time features before the time embedding's first linear layer.
pub const TIME_FEATURES: usize = 256;

/// Hidden width of the feed-forward layers, as a multiple of the model width.
pub const MLP_RATIO: usize = 4;

/// A weight matrix of one transformer block, written ★ in the KIND paper (eq. 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matrix {
    /// Queries, keys and values in one matrix `D → 3D`.
    Qkv,
    /// Queries alone, `D → D`.
    Q,
    /// Keys alone, `D → D`.
    K,
    /// Values alone, `D → D`.
    V,
    /// The attention's output projection, `D → D`.
    O,
    /// The feed-forward layer's first matrix, `D → 4D`.
    In,
    /// The feed-forward layer's second matrix, `4D → D`.
    Out,
    /// The block's modulation by time and label, `D → 6D` (adaLN-Zero, DiT §3.2).
    AdaLn,
}

impl Matrix {
    /// Every matrix, in the order in which tensors are listed.
    pub const ALL: [Matrix; 8] =
        [Matrix::Qkv, Matrix::Q, Matrix::K, Matrix::V, Matrix::O, Matrix::In, Matrix::Out, Matrix::AdaLn];

    /// The name used in tensor names and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Matrix::Qkv => "qkv",
            Matrix::Q => "q",
            Matrix::K => "k",
            Matrix::V => "v",
            Matrix::O => "o",
            Matrix::In => "in",
            Matrix::Out => "out",
            Matrix::AdaLn => "adaln",
        }
    }

    /// Input and output width `(m1, m2)` of the matrix in a model of width `d`.
    pub fn widths(self, d: usize) -> (usize, usize) {
        match self {
            Matrix::Qkv => (d, 3 * d),
            Matrix::Q | Matrix::K | Matrix::V | Matrix::O => (d, d),
            Matrix::In => (d, MLP_RATIO * d),
            Matrix::Out => (MLP_RATIO * d, d),
            Matrix::AdaLn => (d, 6 * d),
        }
    }
}

impl std::fmt::Display for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The set `S` of factored matrices. Either `qkv` or any of `q`, `k`, `v`, never both kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Vec<Matrix>")]
pub struct FactoredSet(Vec<Matrix>);

impl FactoredSet {
    /// A set in canonical order, each matrix once.
    ///
    /// # Errors
    /// [`ConfigError::MixedAttention`] when `qkv` stands beside `q`, `k` or `v`.
    pub fn new(matrices: &[Matrix]) -> Result<Self, ConfigError> {
        let mut set = matrices.to_vec();
        set.sort();
        set.dedup();
        let separate = [Matrix::Q, Matrix::K, Matrix::V];
        if set.contains(&Matrix::Qkv) && separate.iter().any(|m| set.contains(m)) {
            return Err(ConfigError::MixedAttention);
        }
        Ok(Self(set))
    }

    /// `qkv,o,in,out,adaln`: the set behind the paper's Table 1.
    pub fn all_fused() -> Self {
        Self(vec![Matrix::Qkv, Matrix::O, Matrix::In, Matrix::Out, Matrix::AdaLn])
    }

    /// Whether `matrix` is factored.
    pub fn contains(&self, matrix: Matrix) -> bool {
        self.0.contains(&matrix)
    }

    /// The factored matrices in canonical order.
    pub fn matrices(&self) -> &[Matrix] {
        &self.0
    }

    /// Whether attention has separate `q`, `k`, `v` matrices rather than a fused `qkv`.
    pub fn separate_attention(&self) -> bool {
        [Matrix::Q, Matrix::K, Matrix::V].iter().any(|m| self.contains(*m))
    }
}

impl<'de> Deserialize<'de> for FactoredSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let matrices = crate::lists::few(deserializer, Matrix::ALL.len())?;
        Self::new(&matrices).map_err(serde::de::Error::custom)
    }
}

impl From<FactoredSet> for Vec<Matrix> {
    fn from(set: FactoredSet) -> Self {
        set.0
    }
}

impl std::str::FromStr for FactoredSet {
    type Err = ConfigError;

    /// Parses a comma-separated list such as `qkv,o,in,out,adaln`.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let mut set = Vec::new();
        for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            let found = Matrix::ALL.into_iter().find(|m| m.name() == name);
            set.push(found.ok_or_else(|| ConfigError::UnknownMatrix(name.to_owned()))?);
        }
        Self::new(&set)
    }
}

/// What the network is trained to predict, and with it the path from data to noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// ε-prediction over DiT's linear schedule of 1,000 steps (Ho et al. 2020).
    Ddpm,
    /// Flow matching on the straight path: predicts ε − x₀ (Lipman et al. 2023).
    Flow,
}

/// The sizes of a model that comes apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Image channels `C`.
    pub channels: u32,
    /// Image height and width `H = W`, in pixels (or latent cells).
    pub image_size: u32,
    /// Side of the square patch that becomes one token.
    pub patch_size: u32,
    /// Model width `D`.
    pub width: u32,
    /// Number of transformer blocks `L`.
    pub depth: u32,
    /// Attention heads `H`.
    pub heads: u32,
    /// Components of the learngene in each factored matrix, `N_G`.
    pub learngene_components: u32,
    /// Components of one tailor in each factored matrix, `N_T`.
    pub tailor_components: u32,
    /// The set `S` of factored matrices.
    pub factored: FactoredSet,
    /// What the network predicts.
    pub objective: Objective,
}

/// One tensor that a config implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the safetensors body, for example `blocks.0.qkv.u`.
    pub name: String,
    /// Row-major shape, one to three axes.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec() }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no values; never true for a valid config.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A config that cannot be a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A field outside its range.
    #[error("model config: {field} is {found}, must be {allowed}")]
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// What it was.
        found: u32,
        /// What it may be.
        allowed: &'static str,
    },
    /// The fused and the separate attention matrices together.
    #[error("factored set: choose either qkv or q,k,v, not both")]
    MixedAttention,
    /// A name that is no matrix.
    #[error("factored set: {0:?} is no matrix; choose from qkv, q, k, v, o, in, out, adaln")]
    UnknownMatrix(String),
    /// A name that is no preset.
    #[error("there is no preset {found:?}; choose from {}", ModelConfig::PRESETS.join(", "))]
    UnknownPreset {
        /// The name asked for.
        found: String,
    },
}

impl ModelConfig {
    /// Names that [`ModelConfig::preset`] knows.
    pub const PRESETS: [&'static str; 9] =
        ["tiny", "letters", "fashion", "cifar", "small-32", "dit-s-2", "dit-b-2", "dit-l-2", "dit-xl-2"];

    /// A model by name: the paper's sizes on 32×32×4 latents (`dit-*-2`), small ones for images of
    /// 28 to 32 pixels, and `tiny` for tests.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPreset`] for any other name.
    pub fn preset(name: &str) -> Result<Self, ConfigError> {
        // name: C, H, patch, D, L, heads, N_G, N_T, objective
        let (c, hw, p, d, l, h, g, n, objective) = match name {
            "tiny" => (1, 32, 8, 32, 2, 2, 8, 2, Objective::Flow),
            "letters" => (1, 32, 4, 160, 6, 5, 48, 3, Objective::Flow),
            "fashion" => (1, 28, 4, 160, 6, 5, 48, 4, Objective::Flow),
            "cifar" => (3, 32, 4, 256, 8, 8, 80, 8, Objective::Flow),
            "small-32" => (1, 32, 2, 192, 8, 6, 64, 4, Objective::Flow),
            "dit-s-2" => (4, 32, 2, 384, 12, 6, 160, 2, Objective::Ddpm),
            "dit-b-2" => (4, 32, 2, 768, 12, 12, 318, 3, Objective::Ddpm),
            "dit-l-2" => (4, 32, 2, 1024, 24, 16, 424, 4, Objective::Ddpm),
            "dit-xl-2" => (4, 32, 2, 1152, 28, 16, 552, 4, Objective::Ddpm),
            _ => return Err(ConfigError::UnknownPreset { found: name.to_owned() }),
        };
        Ok(Self {
            channels: c,
            image_size: hw,
            patch_size: p,
            width: d,
            depth: l,
            heads: h,
            learngene_components: g,
            tailor_components: n,
            factored: FactoredSet::all_fused(),
            objective,
        })
    }

    /// Refuses sizes that no model has or that no reader should allocate for.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] with the first field that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |field, found: u32, ok: bool, allowed| {
            if ok { Ok(()) } else { Err(ConfigError::OutOfRange { field, found, allowed }) }
        };
        check("channels", self.channels, (1..=16).contains(&self.channels), "1 to 16")?;
        check("image_size", self.image_size, (1..=256).contains(&self.image_size), "1 to 256")?;
        let divides = self.patch_size > 0 && self.image_size.is_multiple_of(self.patch_size);
        check("patch_size", self.patch_size, divides, "a divisor of image_size")?;
        // Attention grows with their square.
        let few = self.tokens() as u64 <= limits::TOKENS;
        check("patch_size", self.patch_size, few, "so large that an image has at most 4,096 patches")?;
        let width_ok = (4..=4096).contains(&self.width) && self.width.is_multiple_of(4);
        check("width", self.width, width_ok, "a multiple of 4 from 4 to 4096")?;
        check("depth", self.depth, (1..=64).contains(&self.depth), "1 to 64")?;
        let heads_ok = self.heads > 0 && self.width.is_multiple_of(self.heads);
        check("heads", self.heads, heads_ok, "a divisor of width")?;
        let (g, n) = (self.learngene_components, self.tailor_components);
        check("learngene_components", g, (1..=4096).contains(&g), "1 to 4096")?;
        check("tailor_components", n, (1..=1024).contains(&n), "1 to 1024")
    }

    /// Tokens `T` of one image.
    pub fn tokens(&self) -> usize {
        let side = (self.image_size / self.patch_size) as usize;
        side * side
    }

    /// Values of the largest tensor between two layers when so many images are in a batch: attention
    /// `[B, heads, T, T]`, or the hidden layer `[B, T, 4·D]`.
    pub fn largest_activation(&self, images: usize) -> u64 {
        let (tokens, width) = (self.tokens() as u64, u64::from(self.width));
        let one = (tokens * tokens * u64::from(self.heads)).max(tokens * width * 4);
        one.saturating_mul(images as u64)
    }

    /// Values of one patch, `p·p·C`.
    pub fn patch_values(&self) -> usize {
        (self.patch_size * self.patch_size * self.channels) as usize
    }

    /// The matrices of one block, factored or not, in canonical order.
    pub fn block_matrices(&self) -> Vec<Matrix> {
        let separate = self.factored.separate_attention();
        Matrix::ALL
            .into_iter()
            .filter(|m| match m {
                Matrix::Qkv => !separate,
                Matrix::Q | Matrix::K | Matrix::V => separate,
                _ => true,
            })
            .collect()
    }

    /// Every tensor of the learngene, in file order.
    ///
    /// A factored matrix is `u [m1, N_G]`, `sigma [N_G]`, `v [N_G, m2]` with `y = ((x·u)∘σ)·v + bias`;
    /// a dense one is `weight [m1, m2]` with `y = x·weight + bias`.
    pub fn learngene_tensors(&self) -> Vec<TensorSpec> {
        let d = self.width as usize;
        let g = self.learngene_components as usize;
        let p = self.patch_values();
        let mut list = vec![
            TensorSpec::new("patch.weight", &[p, d]),
            TensorSpec::new("patch.bias", &[d]),
            TensorSpec::new("time.0.weight", &[TIME_FEATURES, d]),
            TensorSpec::new("time.0.bias", &[d]),
            TensorSpec::new("time.1.weight", &[d, d]),
            TensorSpec::new("time.1.bias", &[d]),
            TensorSpec::new("label.null", &[d]),
        ];
        for l in 0..self.depth {
            for m in self.block_matrices() {
                let (m1, m2) = m.widths(d);
                let name = format!("blocks.{l}.{m}");
                if self.factored.contains(m) {
                    list.push(TensorSpec::new(format!("{name}.u"), &[m1, g]));
                    list.push(TensorSpec::new(format!("{name}.sigma"), &[g]));
                    list.push(TensorSpec::new(format!("{name}.v"), &[g, m2]));
                } else {
                    list.push(TensorSpec::new(format!("{name}.weight"), &[m1, m2]));
                }
                list.push(TensorSpec::new(format!("{name}.bias"), &[m2]));
            }
        }
        list.push(TensorSpec::new("final.adaln.weight", &[d, 2 * d]));
        list.push(TensorSpec::new("final.adaln.bias", &[2 * d]));
        list.push(TensorSpec::new("final.linear.weight", &[d, p]));
        list.push(TensorSpec::new("final.linear.bias", &[p]));
        list
    }

    /// Every tensor of one tailor, in file order: its label row, then its components.
    pub fn tailor_tensors(&self) -> Vec<TensorSpec> {
        let d = self.width as usize;
        let n = self.tailor_components as usize;
        let mut list = vec![TensorSpec::new("label", &[d])];
        for l in 0..self.depth {
            for &m in self.factored.matrices() {
                let (m1, m2) = m.widths(d);
                let name = format!("blocks.{l}.{m}");
                list.push(TensorSpec::new(format!("{name}.u"), &[m1, n]));
                list.push(TensorSpec::new(format!("{name}.sigma"), &[n]));
                list.push(TensorSpec::new(format!("{name}.v"), &[n, m2]));
            }
        }
        list
    }

    /// Number of values of the learngene.
    pub fn learngene_parameters(&self) -> u64 {
        self.learngene_tensors().iter().map(|t| t.len() as u64).sum()
    }

    /// Number of values of one tailor.
    pub fn tailor_parameters(&self) -> u64 {
        self.tailor_tensors().iter().map(|t| t.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(found: f64, published: f64, tolerance: f64) {
        assert!((found / published - 1.0).abs() <= tolerance, "{found} against {published}");
    }

    #[test]
    fn table_1_counts_one_class_with_every_matrix_factored() {
        for (preset, published) in [("dit-b-2", 70.2e6), ("dit-l-2", 245.9e6)] {
            let config = ModelConfig::preset(preset).unwrap();
            let total = config.learngene_parameters() + config.tailor_parameters();
            within(total as f64, published, 0.001);
        }
    }

    #[test]
    fn table_2_counts_tailors_of_separate_attention_without_adaln() {
        for (preset, published) in [("dit-b-2", 12.8e6), ("dit-l-2", 45.4e6)] {
            let mut config = ModelConfig::preset(preset).unwrap();
            config.factored = "q,k,v,o,in,out".parse().unwrap();
            within(config.tailor_parameters() as f64 * 461.0 / 18.0, published, 0.005);
        }
    }

    #[test]
    fn every_preset_is_valid() {
        for name in ModelConfig::PRESETS {
            ModelConfig::preset(name).unwrap().validate().unwrap();
        }
    }

    #[test]
    fn a_set_with_fused_and_separate_attention_is_refused() {
        assert_eq!("qkv,q".parse::<FactoredSet>(), Err(ConfigError::MixedAttention));
    }
}
