//! What a model can have that the first version of the format could not say.

use serde::{Deserialize, Serialize};

/// The activation of the feed-forward layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gelu {
    /// `x·Φ(x)`, with the error function (Hendrycks and Gimpel 2016).
    #[default]
    Exact,
    /// The approximation `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`, with which DiT's published
    /// weights were trained.
    Tanh,
}

/// What is done to the values of a token before attention, before the feed-forward layer and at the
/// end. Neither has parameters of its own; adaLN scales and shifts the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// LayerNorm: less their mean, divided by their deviation (Ba et al. 2016).
    #[default]
    Layer,
    /// RMSNorm: divided by the root of their mean square (Zhang and Sennrich 2019).
    Rms,
}

/// A property of a model that the first version of the format could not say. An engine lists the
/// features that it knows, and refuses by name a model that needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// The model has [`ModelConfig::clean_output`](crate::ModelConfig::clean_output).
    CleanOutput,
    /// The model has [`ModelConfig::few_steps`](crate::ModelConfig::few_steps).
    FewSteps,
    /// The model has [`ModelConfig::learned_variance`](crate::ModelConfig::learned_variance).
    LearnedVariance,
    /// The model has [`ModelConfig::qk_norm`](crate::ModelConfig::qk_norm).
    QkNorm,
    /// The model's norm is [`Norm::Rms`].
    RmsNorm,
    /// The model has [`ModelConfig::rope`](crate::ModelConfig::rope).
    Rope,
    /// The model has [`ModelConfig::separate_attention`](crate::ModelConfig::separate_attention).
    SeparateAttention,
    /// The model has [`ModelConfig::swiglu`](crate::ModelConfig::swiglu).
    SwiGlu,
    /// The model's activation is [`Gelu::Tanh`].
    TanhGelu,
}

impl Feature {
    /// Every feature, sorted by name.
    pub const ALL: [Self; 9] = [
        Self::CleanOutput,
        Self::FewSteps,
        Self::LearnedVariance,
        Self::QkNorm,
        Self::RmsNorm,
        Self::Rope,
        Self::SeparateAttention,
        Self::SwiGlu,
        Self::TanhGelu,
    ];

    /// Returns the feature's name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::CleanOutput => "clean-output",
            Self::FewSteps => "few-steps",
            Self::LearnedVariance => "learned-variance",
            Self::QkNorm => "qk-norm",
            Self::RmsNorm => "rms-norm",
            Self::Rope => "rope",
            Self::SeparateAttention => "separate-attention",
            Self::SwiGlu => "swiglu",
            Self::TanhGelu => "tanh-gelu",
        }
    }
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
