use super::lora::Lora;
use super::{Method, Products, Sizes, Task, Trains};
#[cfg(feature = "graph")]
use {
    super::lora::low_rank,
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::Tensor,
};

/// DoRA (Liu et al. 2024): `m ∘ (W + A·B) / ‖W + A·B‖`, with a length `m` for each output, which starts as that of `W`'s
/// column. The norm is taken as a constant in the gradient, as §4.3 there and PEFT do.
#[derive(Debug)]
pub(super) struct Dora;

impl Method for Dora {
    fn name(&self) -> &'static str {
        "dora"
    }

    fn about(&self) -> &'static str {
        "LoRA of the direction, and a length for each output (DoRA, Liu et al. 2024)"
    }

    fn trains(&self) -> Trains {
        Trains::Matrices
    }

    fn learning_rate(&self, width: u32) -> f64 {
        Lora.learning_rate(width)
    }

    fn rank(&self, task: &Task) -> Option<usize> {
        Lora.rank(task)
    }

    #[cfg(feature = "graph")]
    fn per_matrix(&self) -> Option<&'static dyn PerMatrix> {
        Some(&Dora)
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        Lora.trainable(sizes) + sizes.sum(|_, m2| m2)
    }

    /// As PEFT computes it: the product with `W` a second time, and `A·B` whole for its norm.
    fn products(&self, sizes: &Sizes) -> Products {
        let rank = sizes.low_rank();
        Products {
            per_token: Lora.trainable(sizes) + sizes.sum(|m1, m2| m1 * m2),
            per_image: rank * sizes.sum(|m1, m2| m1 * (m1 + m2)),
            instead: false,
        }
    }
}

#[cfg(feature = "graph")]
impl PerMatrix for Dora {
    fn begin(&self, &Given { weight, rank, .. }: &Given<'_>, random: &mut Random<'_>) -> Parts {
        let m2 = weight.shape[1];
        let mut squares = vec![0.0f64; m2];
        for row in weight.values.chunks_exact(m2) {
            squares.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value).powi(2));
        }
        let lengths = squares.into_iter().map(|sum| sum.sqrt() as f32).collect();
        let mut trained = low_rank(weight.shape, rank, random);
        trained.push(Values::new([1, m2], lengths));
        Parts { fixed: vec![weight.clone()], trained }
    }

    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2> {
        let direction = Lora.weight(fixed, trained);
        // A column of zeros stays one.
        let norm = direction.clone().detach().square().sum_dim(0).sqrt().clamp_min(1e-12);
        direction * (trained[2].clone() / norm)
    }
}
