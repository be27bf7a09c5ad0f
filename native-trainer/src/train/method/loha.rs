use super::{Method, Products, Sizes, Task, Trains};
#[cfg(feature = "graph")]
use {
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::Tensor,
};

/// LoHa (Hyeon-Woo et al. 2022, as in LyCORIS): `W + (A₁·B₁) ∘ (A₂·B₂)`, at half of LoRA's rank, since it has two
/// products. `A₂` starts at zero.
#[derive(Debug)]
pub(super) struct Loha;

impl Method for Loha {
    fn name(&self) -> &'static str {
        "loha"
    }

    fn about(&self) -> &'static str {
        "W + (A1·B1) ∘ (A2·B2) (LoHa, Hyeon-Woo et al. 2022)"
    }

    fn trains(&self) -> Trains {
        Trains::Matrices
    }

    fn learning_rate(&self, _: u32) -> f64 {
        1e-3
    }

    fn rank(&self, task: &Task) -> Option<usize> {
        Some((task.components * task.classes / 2).max(1))
    }

    #[cfg(feature = "graph")]
    fn per_matrix(&self) -> Option<&'static dyn PerMatrix> {
        Some(&Loha)
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        2.0 * (sizes.low_rank() / 2.0).floor() * sizes.sum(|m1, m2| m1 + m2)
    }

    /// A dense product more, with `ΔW`; what makes `ΔW` of its factors is not counted in the paper.
    fn products(&self, sizes: &Sizes) -> Products {
        Products { per_token: sizes.sum(|m1, m2| m1 * m2), ..Products::default() }
    }
}

#[cfg(feature = "graph")]
impl PerMatrix for Loha {
    fn begin(&self, &Given { weight, rank, .. }: &Given<'_>, random: &mut Random<'_>) -> Parts {
        let [m1, m2] = weight.shape;
        // The deviations are PEFT's (`LoHaLayer.reset_adapter_parameters`).
        let trained = vec![
            Values::new([m1, rank], random(m1 * rank, 1.0)),
            Values::new([rank, m2], random(rank * m2, 0.1)),
            Values::new([m1, rank], random(m1 * rank, 1.0)),
            Values::full([rank, m2], 0.0),
        ];
        Parts { fixed: vec![weight.clone()], trained }
    }

    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2> {
        let product = |i: usize| trained[i].clone().matmul(trained[i + 1].clone());
        fixed[0].clone() + product(0) * product(2)
    }
}
