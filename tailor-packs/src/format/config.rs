//! The config of a model: its sizes, which matrices are factored, and all else that an engine must
//! know to compute it.
//!
//! The config implies every tensor of the model: [`ModelConfig::learngene_tensors`] and
//! [`ModelConfig::tailor_tensors`].

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize};

pub use super::features::{Feature, Gelu, Norm};

/// Width of the sinusoidal time features before the time embedding's first linear layer.
pub const TIME_FEATURES: usize = 256;

/// Rows of the table of strides that a model with [`ModelConfig::few_steps`] has. Row 0 is for the
/// velocity at one time, and row `i` for a step of `2^(1−i)` of the way from noise to image: the whole
/// way, a half, a quarter and an eighth.
pub const STRIDES: usize = 5;

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
    /// The feed-forward layer's first matrix, `D → 4D`; with SwiGLU, gate and value in one.
    In,
    /// The feed-forward layer's second matrix, from the hidden width `4D` to `D`.
    Out,
    /// The block's modulation by time and label, `D → 6D` (adaLN-Zero, DiT §3.2).
    AdaLn,
}

impl Matrix {
    /// Every matrix, in the order in which tensors are listed.
    pub const ALL: [Matrix; 8] =
        [Matrix::Qkv, Matrix::Q, Matrix::K, Matrix::V, Matrix::O, Matrix::In, Matrix::Out, Matrix::AdaLn];

    /// Returns the name that stands in tensor names and on the command line.
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
}

impl std::fmt::Display for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The set `S` of factored matrices, to which tailors add components. It holds `qkv` or any of `q`,
/// `k`, `v`, never both kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Vec<Matrix>")]
pub struct FactoredSet(Vec<Matrix>);

impl FactoredSet {
    /// Makes a set in canonical order, each matrix once.
    ///
    /// # Errors
    /// [`ConfigError::MixedAttention`] when `qkv` stands beside `q`, `k` or `v`.
    pub fn new(matrices: &[Matrix]) -> Result<Self, ConfigError> {
        let set: Vec<_> = Matrix::ALL.into_iter().filter(|m| matrices.contains(m)).collect();
        let separate = [Matrix::Q, Matrix::K, Matrix::V];
        if set.contains(&Matrix::Qkv) && separate.iter().any(|m| set.contains(m)) {
            return Err(ConfigError::MixedAttention);
        }
        Ok(Self(set))
    }

    /// Returns the set `qkv,o,in,out,adaln`, which is behind Table 1 of the KIND paper.
    pub fn all_fused() -> Self {
        Self(vec![Matrix::Qkv, Matrix::O, Matrix::In, Matrix::Out, Matrix::AdaLn])
    }

    /// Returns the empty set, that of a plain network.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Returns whether `matrix` is factored.
    pub fn contains(&self, matrix: Matrix) -> bool {
        self.0.contains(&matrix)
    }

    /// Returns the factored matrices in canonical order.
    pub fn matrices(&self) -> &[Matrix] {
        &self.0
    }

    /// Returns whether attention has separate `q`, `k`, `v` matrices rather than a fused `qkv`.
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

/// What the network is trained to predict, which also sets the path from data to noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// ε-prediction over DiT's linear schedule of 1,000 steps (Ho et al. 2020).
    Ddpm,
    /// Flow matching on the straight path: predicts ε − x₀ (Lipman et al. 2023).
    Flow,
}

/// The sizes of a model that comes apart, and all else that an engine must know to compute it.
///
/// In JSON, all fields from `gelu` on are left out while they have their default, so that programs
/// older than these fields can read it.
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
    /// What the network is trained to predict.
    pub objective: Objective,
    /// The activation of the feed-forward layers.
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub gelu: Gelu,
    /// Whether the last layer gives `2·C` channels for each pixel: first the prediction, then the
    /// values between which DiT and improved DDPM (Nichol and Dhariwal 2021) interpolate the
    /// variance.
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub learned_variance: bool,
    /// Whether attention has separate `q`, `k`, `v` matrices although none of them is factored.
    /// Where one of them is factored, they are separate in any case, and this must be false.
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub separate_attention: bool,
    /// What is done to tokens before attention, before the feed-forward layer and at the end.
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub norm: Norm,
    /// Whether RMSNorm is applied to queries and keys, over the values of each head, times `1 +` a
    /// learned vector for all heads of a block (QK-norm, Henry et al. 2020; Dehghani et al. 2023).
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub qk_norm: bool,
    /// Whether queries and keys are turned by the place of their patch, in addition to the table of
    /// positions that is added to the tokens (RoPE, Su et al. 2021; by column and row, Heo et al.
    /// 2024).
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub rope: bool,
    /// Whether the feed-forward layers are `(silu(x·W) ∘ x·V)·W₂` instead of `gelu(x·W)·W₂` (SwiGLU,
    /// Shazeer 2020).
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub swiglu: bool,
    /// Whether the network gives the clean image, of which follows what the objective of flow
    /// matching predicts: `(x_t − output) / max(t, 0.05)`, with `t` from 0 to 1 (x-prediction under
    /// the velocity's loss: Li and He 2025, arXiv 2511.13720).
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub clean_output: bool,
    /// Whether the network is told how far the next step goes, by a row of a table that is added to
    /// the embedding of the time ([`STRIDES`]), so that it can draw in a few steps. Each gives the mean
    /// velocity over the step (shortcut models: Frans et al. 2024, arXiv 2410.12557).
    #[serde(default, deserialize_with = "told", skip_serializing_if = "is_default")]
    pub few_steps: bool,
}

/// Reads a field that is left out when it has its default. Refuses the default, which would be a
/// second spelling of the same config.
fn told<'de, T: Deserialize<'de> + Default + PartialEq, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = T::deserialize(deserializer)?;
    if is_default(&value) {
        return Err(serde::de::Error::custom(
            "a field of the model config says what holds without it; leave it out",
        ));
    }
    Ok(value)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Why a config, or a name in one, was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A field is outside its range.
    #[error("model config: {field} is {found}, must be {allowed}")]
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// The value that it has.
        found: u32,
        /// The values that it may have.
        allowed: &'static str,
    },
    /// The set holds the fused and a separate attention matrix.
    #[error("factored set: choose either qkv or q,k,v, not both")]
    MixedAttention,
    /// No matrix has this name.
    #[error("factored set: {0:?} is no matrix; choose from qkv, q, k, v, o, in, out, adaln")]
    UnknownMatrix(String),
    /// The config asks for separate attention although an attention matrix is factored. The
    /// factored set decides in that case.
    #[error(
        "model config: separate_attention is for a model of whose attention nothing is factored; leave it out, \
         or factor no qkv, q, k or v"
    )]
    SeparateAttention,
    /// The config asks for learned variance on the path of flow matching.
    #[error(
        "model config: learned_variance is defined for the objective \"ddpm\" alone, whose steps add noise; leave it \
         out, or choose that objective"
    )]
    VarianceWithoutNoise,
    /// The config asks for a network that gives the clean image, on another path than that of flow
    /// matching.
    #[error(
        "model config: clean_output is defined for the objective \"flow\" alone; leave it out, or choose that one"
    )]
    CleanWithoutFlow,
    /// The config asks for a network that draws in a few steps, on another path than that of flow
    /// matching.
    #[error(
        "model config: few_steps is defined for the objective \"flow\" alone; leave it out, or choose that one"
    )]
    FewStepsWithoutFlow,
    /// The config asks for the tanh form of GELU in feed-forward layers that have no GELU.
    #[error("model config: gelu is not used with swiglu; leave one of the two out")]
    TwoActivations,
    /// The engine does not know a feature that the model needs.
    #[error("{engine} does not know {feature}, which this model needs; use an engine that does")]
    NotSupported {
        /// The engine, in words.
        engine: &'static str,
        /// The feature that it does not know.
        feature: Feature,
    },
    /// No preset has this name.
    #[error("there is no preset {found:?}; choose from {}", ModelConfig::PRESETS.join(", "))]
    UnknownPreset {
        /// The name asked for.
        found: String,
    },
}

impl ModelConfig {
    /// The names that [`ModelConfig::preset`] knows.
    pub const PRESETS: [&'static str; 9] =
        ["tiny", "letters", "fashion", "cifar", "small-32", "dit-s-2", "dit-b-2", "dit-l-2", "dit-xl-2"];

    /// Returns a config by name: the KIND paper's sizes on 32×32×4 latents (`dit-*-2`), small ones
    /// for images of 28 to 32 pixels, and `tiny` for tests. The small ones have RoPE and SwiGLU, with which
    /// the loss on letters was lower and no figure worse (`docs/recipe.md`); the others are plain, as
    /// the paper's are.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPreset`] for any other name.
    pub fn preset(name: &str) -> Result<Self, ConfigError> {
        let small = matches!(name, "letters" | "fashion" | "cifar" | "small-32");
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
            gelu: Gelu::Exact,
            learned_variance: false,
            separate_attention: false,
            norm: Norm::Layer,
            qk_norm: false,
            rope: small,
            swiglu: small,
            clean_output: false,
            few_steps: false,
        })
    }

    /// Refuses sizes that no model has or that no reader should allocate for.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] with the first field that is wrong; [`ConfigError::SeparateAttention`];
    /// [`ConfigError::VarianceWithoutNoise`]; [`ConfigError::CleanWithoutFlow`]; [`ConfigError::FewStepsWithoutFlow`];
    /// [`ConfigError::TwoActivations`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |field, found: u32, ok: bool, allowed| {
            if ok { Ok(()) } else { Err(ConfigError::OutOfRange { field, found, allowed }) }
        };
        check("channels", self.channels, (1..=16).contains(&self.channels), "1 to 16")?;
        check("image_size", self.image_size, (1..=256).contains(&self.image_size), "1 to 256")?;
        let divides = self.patch_size > 0 && self.image_size.is_multiple_of(self.patch_size);
        check("patch_size", self.patch_size, divides, "a divisor of image_size")?;
        // The work of attention grows with the square of their number.
        let few = self.tokens() as u64 <= limits::TOKENS;
        check("patch_size", self.patch_size, few, "so large that an image has at most 4,096 patches")?;
        let width_ok = (4..=4096).contains(&self.width) && self.width.is_multiple_of(4);
        check("width", self.width, width_ok, "a multiple of 4 from 4 to 4096")?;
        check("depth", self.depth, (1..=64).contains(&self.depth), "1 to 64")?;
        let heads_ok = self.heads > 0 && self.width.is_multiple_of(self.heads);
        check("heads", self.heads, heads_ok, "a divisor of width")?;
        // A head's values are turned in pairs, one half of them by column and one by row.
        let turns = !self.rope || (self.width / self.heads).is_multiple_of(4);
        check("heads", self.heads, turns, "so many that each head has a multiple of 4 values, for rope")?;
        let (g, n) = (self.learngene_components, self.tailor_components);
        check("learngene_components", g, (1..=4096).contains(&g), "1 to 4096")?;
        check("tailor_components", n, (1..=1024).contains(&n), "1 to 1024")?;
        let attention = [Matrix::Qkv, Matrix::Q, Matrix::K, Matrix::V];
        if self.separate_attention && attention.iter().any(|m| self.factored.contains(*m)) {
            return Err(ConfigError::SeparateAttention);
        }
        if self.learned_variance && self.objective != Objective::Ddpm {
            return Err(ConfigError::VarianceWithoutNoise);
        }
        if self.clean_output && self.objective != Objective::Flow {
            return Err(ConfigError::CleanWithoutFlow);
        }
        if self.few_steps && self.objective != Objective::Flow {
            return Err(ConfigError::FewStepsWithoutFlow);
        }
        if self.swiglu && self.gelu != Gelu::Exact {
            return Err(ConfigError::TwoActivations);
        }
        Ok(())
    }

    /// Returns the features that this model needs, sorted by name. Most models need none.
    pub fn needs(&self) -> Vec<Feature> {
        Feature::ALL.into_iter().filter(|feature| self.has(*feature)).collect()
    }

    /// Refuses a model that needs a feature not in `known`. The error names the engine by the words
    /// in `engine`.
    ///
    /// # Errors
    /// [`ConfigError::NotSupported`] with the first feature that it does not know.
    pub fn supported_by(&self, engine: &'static str, known: &[Feature]) -> Result<(), ConfigError> {
        match self.needs().into_iter().find(|feature| !known.contains(feature)) {
            Some(feature) => Err(ConfigError::NotSupported { engine, feature }),
            None => Ok(()),
        }
    }

    fn has(&self, feature: Feature) -> bool {
        match feature {
            Feature::CleanOutput => self.clean_output,
            Feature::FewSteps => self.few_steps,
            Feature::LearnedVariance => self.learned_variance,
            Feature::QkNorm => self.qk_norm,
            Feature::RmsNorm => self.norm == Norm::Rms,
            Feature::Rope => self.rope,
            Feature::SeparateAttention => self.separate_attention,
            Feature::SwiGlu => self.swiglu,
            Feature::TanhGelu => self.gelu == Gelu::Tanh,
        }
    }

    pub(super) fn add(&mut self, feature: Feature) {
        match feature {
            Feature::CleanOutput => self.clean_output = true,
            Feature::FewSteps => self.few_steps = true,
            Feature::LearnedVariance => self.learned_variance = true,
            Feature::QkNorm => self.qk_norm = true,
            Feature::RmsNorm => self.norm = Norm::Rms,
            Feature::Rope => self.rope = true,
            Feature::SeparateAttention => self.separate_attention = true,
            Feature::SwiGlu => self.swiglu = true,
            Feature::TanhGelu => self.gelu = Gelu::Tanh,
        }
    }

    /// Returns the number of tokens `T` of one image, which are its patches.
    pub fn tokens(&self) -> usize {
        let side = (self.image_size / self.patch_size) as usize;
        side * side
    }

    /// Returns the number of values in the largest tensor between two layers for a batch of `B =
    /// images`: attention `[B, heads, T, T]`, or what [`Matrix::In`] gives, `[B, T, 4·D]`.
    pub fn largest_activation(&self, images: usize) -> u64 {
        let (tokens, wide) = (self.tokens() as u64, self.widths(Matrix::In).1 as u64);
        let one = (tokens * tokens * u64::from(self.heads)).max(tokens * wide);
        one.saturating_mul(images as u64)
    }

    /// Returns whether images of this model are an autoencoder's latents: those have values of any size,
    /// in other than one channel (grey) or three (RGB).
    pub fn makes_latents(&self) -> bool {
        !matches!(self.channels, 1 | 3)
    }

    /// Returns the number of values of one patch, `p·p·C`.
    pub fn patch_values(&self) -> usize {
        (self.patch_size * self.patch_size * self.channels) as usize
    }

    /// Returns the number of values that the last layer gives for one patch: `p·p·C`, or `p·p·2C`
    /// with learned variance.
    pub fn patch_outputs(&self) -> usize {
        self.patch_values() * if self.learned_variance { 2 } else { 1 }
    }
}

#[cfg(test)]
mod tests;
