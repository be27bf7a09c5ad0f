use tailor_packs::{FactoredSet, Matrix, ModelConfig};

use super::{Method, Products, Sizes, Trains, usual_matrices};
#[cfg(feature = "graph")]
use {
    super::svd::Svd,
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::Tensor,
    burn::tensor::activation::relu,
};

/// SVDiff (Han et al. 2023): `P·diag(relu(s + δ))·Qᵀ`, where `W = P·diag(s)·Qᵀ`, and `δ` starts at zero. It adapts adaLN's
/// matrix, too: only so do 0.2 M values train at size L, as the paper's Table 2 has it.
#[derive(Debug)]
pub(super) struct SvDiff;

impl Method for SvDiff {
    fn name(&self) -> &'static str {
        "svdiff"
    }

    fn about(&self) -> &'static str {
        "singular values alone (SVDiff, Han et al. 2023)"
    }

    fn trains(&self) -> Trains {
        Trains::Matrices
    }

    fn matrices(&self, _: &ModelConfig) -> FactoredSet {
        let all = usual_matrices().matrices().iter().copied().chain([Matrix::AdaLn]).collect::<Vec<_>>();
        FactoredSet::new(&all).unwrap_or_else(|_| unreachable!("it is one kind of attention"))
    }

    /// The paper's for B, and from the width of L on that for L.
    fn learning_rate(&self, width: u32) -> f64 {
        if width < 1024 { 5e-3 } else { 3e-3 }
    }

    #[cfg(feature = "graph")]
    fn per_matrix(&self) -> Option<&'static dyn PerMatrix> {
        Some(&SvDiff)
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        // adaLN's has as many as the width, the smaller of its sides.
        sizes.sum(f64::min) + sizes.task.width as f64
    }

    fn products(&self, _: &Sizes) -> Products {
        Products::default()
    }
}

#[cfg(feature = "graph")]
impl PerMatrix for SvDiff {
    fn refuse(&self, _: [usize; 2], _: usize) -> Option<String> {
        None
    }

    fn begin(&self, &Given { weight, .. }: &Given<'_>, _: &mut Random<'_>) -> Parts {
        let Svd { p, s, qt } = Svd::of(weight);
        let shift = Values::full(s.shape, 0.0);
        Parts { fixed: vec![p, s, qt], trained: vec![shift] }
    }

    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2> {
        let values = relu(fixed[1].clone() + trained[0].clone());
        (fixed[0].clone() * values).matmul(fixed[2].clone())
    }
}
