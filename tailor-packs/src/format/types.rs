//! The number formats in which tensors are stored.

use super::specs::TensorSpec;
use crate::error::{PackError, Result};
use serde::{Deserialize, Serialize};

/// The number format of a tensor on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision, up to 65,504.
    F16,
    /// Whole numbers from −127 to 127, each times the scale of its channel. A channel is one row of
    /// a factored `v`, and one column of any other matrix. Vectors cannot have this format.
    I8,
}

impl DataType {
    /// Returns the format in which a tensor is stored unless its pack says otherwise: f32 for
    /// vectors, since they are few and scale everything else, and f16 for the rest.
    pub fn usual(spec: &TensorSpec) -> Self {
        if spec.shape.len() < 2 { Self::F32 } else { Self::F16 }
    }

    /// Returns the number of scales of a tensor stored as [`DataType::I8`], and how many values in
    /// a row share one: 1 where the channel is the last axis, more where it is the first.
    ///
    /// A component of a factored matrix is a column of `u` and a row of `v`. The scales of both are
    /// factors of its `σ`: `((x·u)∘σ)·v = ((x·q_u)∘(s_u∘σ∘s_v))·q_v`. So an engine can fold them
    /// into `σ` and multiply the whole numbers `q_u` and `q_v`. A dense matrix has one scale for
    /// each output, which is a column.
    pub(crate) fn channels(spec: &TensorSpec) -> (usize, usize) {
        let axis = if spec.name.ends_with(".v") { spec.shape.first() } else { spec.shape.last() };
        let count = axis.copied().unwrap_or(1);
        let row = if spec.name.ends_with(".v") { spec.len() / count.max(1) } else { 1 };
        (count, row)
    }
}

/// In which number formats to store the tensors of a pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage<'a> {
    /// f16 for matrices and f32 for vectors, which every reader knows.
    #[default]
    Usual,
    /// f32 for all tensors.
    Single,
    /// int8 for each matrix that becomes smaller by it, scales included; the usual format for all
    /// others.
    Int8,
    /// One format for each tensor, in the order of
    /// [`ModelConfig::learngene_tensors`](super::config::ModelConfig::learngene_tensors) or
    /// [`tailor_tensors`](super::config::ModelConfig::tailor_tensors).
    Each(&'a [DataType]),
}

impl Storage<'_> {
    /// Returns the number format of each of these tensors.
    ///
    /// # Errors
    /// [`PackError::ManifestInvalid`] for a [`Storage::Each`] whose length is not the number of
    /// tensors, or that gives a tensor a format it cannot have.
    pub fn types(&self, specs: &[TensorSpec]) -> Result<Vec<DataType>> {
        let int8 = |spec: &TensorSpec| {
            let (scales, _) = DataType::channels(spec);
            let smaller = spec.shape.len() > 1 && 4 * scales < spec.len();
            if smaller { DataType::I8 } else { DataType::usual(spec) }
        };
        let types = match self {
            Self::Usual => specs.iter().map(DataType::usual).collect(),
            Self::Single => vec![DataType::F32; specs.len()],
            Self::Int8 => specs.iter().map(int8).collect(),
            Self::Each(types) => types.to_vec(),
        };
        check(specs, &types).map(|()| types)
    }
}

/// Refuses a list of formats whose length is not the number of tensors, or that gives a tensor a
/// format it cannot have.
pub(crate) fn check(specs: &[TensorSpec], types: &[DataType]) -> Result<()> {
    let invalid = |reason| Err(PackError::ManifestInvalid { reason });
    if types.len() != specs.len() {
        return invalid(format!("it gives {} number formats for {} tensors", types.len(), specs.len()));
    }
    let vector = |(spec, dtype): &(&TensorSpec, &DataType)| spec.shape.len() < 2 && **dtype == DataType::I8;
    match specs.iter().zip(types).find(vector) {
        Some((spec, _)) => invalid(format!("tensor {:?} is a vector, which is not stored as i8", spec.name)),
        None => Ok(()),
    }
}
