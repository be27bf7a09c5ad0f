//! The tailors that are put onto a learngene, and the errors about models and tailors that do not
//! fit.

use std::collections::BTreeMap;

use tailor_packs::{Feature, Matrix, ModelConfig, TensorSpec, Tensors};

/// The features that both engines of this crate know. A model that needs another one is refused by
/// its name.
pub const KNOWN: [Feature; 9] = [
    Feature::CleanOutput,
    Feature::FewSteps,
    Feature::LearnedVariance,
    Feature::QkNorm,
    Feature::RmsNorm,
    Feature::Rope,
    Feature::SeparateAttention,
    Feature::SwiGlu,
    Feature::TanhGelu,
];

/// The gate of one image: which tailors make it, each with a weight. One class at weight 1 is the
/// usual gate (KIND §3), several classes are a blend (a soft gate), and none is the learngene
/// alone.
pub type Gate = Vec<(String, f32)>;

/// Why the processor's engine refuses a config.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the processor's engine does not know {what}")]
pub struct Unsupported {
    /// What the engine does not know, such as a feature or a tensor.
    pub what: String,
}

/// Why a model cannot be assembled or sampled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// No model can have this config, or no engine of this crate supports it.
    #[error(transparent)]
    Config(#[from] tailor_packs::ConfigError),
    /// The processor's engine does not know this config.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The pack lacks a tensor that the config asks for, or has it in another shape.
    #[error("tensor {name} is missing or not of shape {shape:?}; the pack does not fit this model")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// The shape the config asks for.
        shape: Vec<usize>,
    },
    /// No pack of this class is loaded.
    #[error("class {class:?} is not loaded; loaded: {}", loaded.join(", "))]
    UnknownClass {
        /// The class asked for.
        class: String,
        /// The classes that are loaded.
        loaded: Vec<String>,
    },
    /// A setting is outside its range.
    #[error("{setting} is {found}, must be {allowed}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// The value that was asked for.
        found: String,
        /// The values that are allowed.
        allowed: &'static str,
    },
}

/// The loaded tailors by class, in host memory. A run of sampling prepares only those that it
/// needs.
#[derive(Clone, Debug, Default)]
pub struct Tailors(BTreeMap<String, Tensors>);

impl Tailors {
    /// Adds the tailor of `class`, or replaces it.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when the tailor's tensors do not have the shapes that the config asks
    /// for.
    pub fn insert(&mut self, config: &ModelConfig, class: &str, tailor: Tensors) -> Result<(), ModelError> {
        config.tailor_tensors().iter().try_for_each(|spec| values(&tailor, spec).map(|_| ()))?;
        self.0.insert(class.to_owned(), tailor);
        Ok(())
    }

    /// Takes the tailor of `class` away, and returns whether it was there.
    pub fn remove(&mut self, class: &str) -> bool {
        self.0.remove(class).is_some()
    }

    /// Returns the loaded classes, sorted.
    pub fn classes(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Returns the tailor of `class`.
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`].
    pub fn get(&self, class: &str) -> Result<&Tensors, ModelError> {
        let unknown = || ModelError::UnknownClass { class: class.to_owned(), loaded: self.classes() };
        self.0.get(class).ok_or_else(unknown)
    }

    /// Returns each class that any of the gates names, once and sorted.
    pub fn named(gates: &[Gate]) -> Vec<&str> {
        let mut classes: Vec<&str> = gates.iter().flatten().map(|(class, _)| class.as_str()).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }
}

/// Returns the values of the tensor that `spec` asks for.
///
/// # Errors
/// [`ModelError::Tensor`] when it is missing or of another shape.
pub fn values<'a>(tensors: &'a Tensors, spec: &TensorSpec) -> Result<&'a [f32], ModelError> {
    match tensors.get(&spec.name) {
        Some((shape, values)) if shape == spec.shape => Ok(values),
        _ => Err(ModelError::Tensor { name: spec.name.clone(), shape: spec.shape.clone() }),
    }
}

/// Returns the name under which a model holds the tailor of `class` without its label, for a
/// [guide](crate::Guide) that loses it. No class has such a name.
pub fn unnamed(class: &str) -> String {
    format!("{class} without its label")
}

/// A part of a tailor that can be turned down by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The label, which tells the network its class.
    Label,
    /// What the tailor adds to one factored matrix.
    Matrix {
        /// The layer, from 0.
        layer: u32,
        /// Which of the layer's matrices.
        matrix: Matrix,
    },
}

/// Returns a tailor of which only a `share` of each part is left, from 0 to 1. A matrix's share
/// scales its σ; what is left out of the label is the label of no class. Where all shares are 1,
/// this is the same tailor bit for bit. Where all are 0, the model draws with it what the learngene
/// draws alone.
///
/// # Shapes
/// - `null_label`: `[D]`, the learngene's tensor `label.null`
///
/// # Errors
/// [`ModelError::Tensor`] when a tensor is missing or of another shape than the config asks for.
pub fn turned_down(
    config: &ModelConfig,
    tailor: &Tensors,
    null_label: &[f32],
    share: impl Fn(Part) -> f32,
) -> Result<Tensors, ModelError> {
    let mut turned = tailor.clone();
    let mut put = |spec: TensorSpec, change: &dyn Fn(usize, f32) -> f32| {
        let values = values(tailor, &spec)?.iter().enumerate().map(|(i, value)| change(i, *value)).collect();
        let misfit = |_| ModelError::Tensor { name: spec.name.clone(), shape: spec.shape.clone() };
        turned.insert(spec.name.clone(), &spec.shape, values).map_err(misfit)
    };
    let kept = share(Part::Label);
    let null = |i: usize| null_label.get(i).copied().unwrap_or_default();
    let label = TensorSpec { name: "label".to_owned(), shape: vec![config.width as usize] };
    put(label, &|i, value| kept * value + (1.0 - kept) * null(i))?;
    for layer in 0..config.depth {
        for matrix in config.factored.matrices() {
            let kept = share(Part::Matrix { layer, matrix: *matrix });
            let shape = vec![config.tailor_components as usize];
            put(TensorSpec { name: format!("blocks.{layer}.{matrix}.sigma"), shape }, &|_, value| {
                kept * value
            })?;
        }
    }
    Ok(turned)
}
