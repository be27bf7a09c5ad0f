use super::{Method, Products, Sizes, Task, Trains};
#[cfg(feature = "graph")]
use {
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::Tensor,
};

/// LoRA (Hu et al. 2022): `W + A·B`, where `A` is `[m1, ρ]` and `B`, which starts at zero, `[ρ, m2]`. The scale `α/ρ` is
/// 1, as the paper names no other.
#[derive(Debug)]
pub(super) struct Lora;

impl Method for Lora {
    fn name(&self) -> &'static str {
        "lora"
    }

    fn about(&self) -> &'static str {
        "W + A·B, with B from zero (LoRA, Hu et al. 2022)"
    }

    fn trains(&self) -> Trains {
        Trains::Matrices
    }

    fn learning_rate(&self, _: u32) -> f64 {
        1e-3
    }

    fn rank(&self, task: &Task) -> Option<usize> {
        Some(task.components * task.classes)
    }

    #[cfg(feature = "graph")]
    fn per_matrix(&self) -> Option<&'static dyn PerMatrix> {
        Some(&Lora)
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        sizes.low_rank() * sizes.sum(|m1, m2| m1 + m2)
    }

    fn products(&self, sizes: &Sizes) -> Products {
        Products { per_token: self.trainable(sizes), ..Products::default() }
    }
}

#[cfg(feature = "graph")]
impl PerMatrix for Lora {
    fn begin(&self, &Given { weight, rank, .. }: &Given<'_>, random: &mut Random<'_>) -> Parts {
        Parts { fixed: vec![weight.clone()], trained: low_rank(weight.shape, rank, random) }
    }

    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2> {
        fixed[0].clone() + trained[0].clone().matmul(trained[1].clone())
    }
}

#[cfg(feature = "graph")]
/// `A` and `B` whose product is zero: `A` as PEFT draws it, with the variance `1/(3·m1)` of Kaiming's uniform rule at
/// `a = √5` (here of a normal distribution), and `B` of zeros.
pub(super) fn low_rank([m1, m2]: [usize; 2], rank: usize, random: &mut Random<'_>) -> Vec<Values> {
    let a = random(m1 * rank, (1.0 / (3.0 * m1 as f64)).sqrt());
    vec![Values::new([m1, rank], a), Values::full([rank, m2], 0.0)]
}
