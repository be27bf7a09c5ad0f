use super::lora::Lora;
use super::{Method, Products, Sizes, Task, Trains};
#[cfg(feature = "graph")]
use {
    super::svd::Svd,
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::Tensor,
};

/// PiSSA (Meng et al. 2024): as LoRA, with `A·B` from the `ρ` largest singular components of `W`, and what is left of
/// `W` beside it.
#[derive(Debug)]
pub(super) struct Pissa;

impl Method for Pissa {
    fn name(&self) -> &'static str {
        "pissa"
    }

    fn about(&self) -> &'static str {
        "LoRA from the largest singular components (PiSSA, Meng et al. 2024)"
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
        Some(&Pissa)
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        Lora.trainable(sizes)
    }

    fn products(&self, sizes: &Sizes) -> Products {
        Lora.products(sizes)
    }
}

#[cfg(feature = "graph")]
impl PerMatrix for Pissa {
    fn begin(&self, &Given { weight, rank, .. }: &Given<'_>, _: &mut Random<'_>) -> Parts {
        let ([m1, m2], Svd { p, s, qt }) = (weight.shape, Svd::of(weight));
        let k = m1.min(m2);
        let root = |i: usize| s.values[i].sqrt();
        let a: Vec<f32> = (0..m1)
            .flat_map(|i| (0..rank).map(move |j| (i, j)))
            .map(|(i, j)| p.values[i * k + j] * root(j))
            .collect();
        let b: Vec<f32> = (0..rank)
            .flat_map(|i| (0..m2).map(move |j| (i, j)))
            .map(|(i, j)| qt.values[i * m2 + j] * root(i))
            .collect();
        let rest = (0..m1).flat_map(|i| (0..m2).map(move |j| (i, j))).map(|(i, j)| {
            let product: f64 = (0..rank).map(|l| f64::from(a[i * rank + l]) * f64::from(b[l * m2 + j])).sum();
            (f64::from(weight.values[i * m2 + j]) - product) as f32
        });
        let rest = Values::new(weight.shape, rest.collect());
        Parts { fixed: vec![rest], trained: vec![Values::new([m1, rank], a), Values::new([rank, m2], b)] }
    }

    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2> {
        Lora.weight(fixed, trained)
    }
}
