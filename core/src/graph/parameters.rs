//! Named parameters as flat tensors, which the trainer updates and the network reads.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use tailor_packs::TensorSpec;

/// The learngene's tensors by name, each flat; shapes come from the model config.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<String, Tensor<1>>);

impl Parameters {
    /// Pairs each spec with its flat tensor.
    pub fn new(specs: &[TensorSpec], flat: impl IntoIterator<Item = Tensor<1>>) -> Self {
        Self(specs.iter().map(|spec| spec.name.clone()).zip(flat).collect())
    }

    /// Returns the vector `name`.
    ///
    /// # Panics
    /// When the name is missing. Callers build the parameters from the config's own list, so it
    /// never is.
    pub(crate) fn vector(&self, name: &str) -> Tensor<1> {
        self.0.get(name).unwrap_or_else(|| unreachable!("the config lists {name}")).clone()
    }

    /// Returns the matrix `name` in its `shape`.
    pub(crate) fn matrix(&self, name: &str, shape: [usize; 2]) -> Tensor<2> {
        self.vector(name).reshape(shape)
    }
}
