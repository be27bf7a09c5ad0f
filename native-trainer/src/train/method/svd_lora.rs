use super::kind::Kind;
use super::lora::Lora;
use super::{Method, Products, Sizes, Task, Trains};
#[cfg(feature = "graph")]
use {
    super::lora::low_rank,
    super::svd::Svd,
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::Tensor,
};

/// Ablation #1 of the paper's Table 4: a plain network stands in for the learngene. Of each matrix's singular components
/// `N_G`, drawn at random, stay as `U₀·diag(s₀)·V₀`, the others go, and LoRA's `A·B` trains beside them.
///
/// `N_G` is that of the network's config, as a network trained with `--method plain` has it of its preset: as many as
/// KIND's learngene has in the network that it is compared with. A config that names one component alone, as that of
/// an imported network once did, gets the paper's share, 318 of 768.
#[derive(Debug)]
pub(super) struct SvdLora;

impl Method for SvdLora {
    fn name(&self) -> &'static str {
        "svd-lora"
    }

    fn about(&self) -> &'static str {
        "LoRA beside singular components drawn at random (KIND, Table 4, #1)"
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
        Some(&SvdLora)
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        Lora.trainable(sizes)
    }

    /// `N_G` components and those of `A·B`, which are as many as KIND's masked form has.
    fn products(&self, sizes: &Sizes) -> Products {
        Kind.products(sizes)
    }
}

/// How many components of a matrix with `k` of them stay.
#[cfg(feature = "graph")]
fn stay(k: usize, named: u32) -> usize {
    match named as usize {
        0 | 1 => (k * 318 / 768).max(1),
        named => named.min(k),
    }
}

#[cfg(feature = "graph")]
impl PerMatrix for SvdLora {
    fn begin(&self, given: &Given<'_>, random: &mut Random<'_>) -> Parts {
        let Given { weight, rank, config, .. } = *given;
        let ([m1, m2], Svd { p, s, qt }) = (weight.shape, Svd::of(weight));
        let k = m1.min(m2);
        // Those with the smallest of as many draws: any choice is as likely as any other.
        let draws = random(k, 1.0);
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by(|a, b| draws[*a].total_cmp(&draws[*b]));
        let kept = &order[..stay(k, config.learngene_components)];
        let product = |row: usize, column: usize| {
            let part = |&i: &usize| {
                f64::from(p.values[row * k + i])
                    * f64::from(s.values[i])
                    * f64::from(qt.values[i * m2 + column])
            };
            kept.iter().map(part).sum::<f64>() as f32
        };
        let kept = (0..m1).flat_map(|row| (0..m2).map(move |column| (row, column)));
        let kept = kept.map(|(row, column)| product(row, column)).collect();
        Parts { fixed: vec![Values::new([m1, m2], kept)], trained: low_rank([m1, m2], rank, random) }
    }

    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2> {
        Lora.weight(fixed, trained)
    }
}

#[cfg(all(test, feature = "graph"))]
mod tests {
    use tailor_packs::{Matrix, ModelConfig};

    use super::*;

    #[test]
    fn the_components_that_are_drawn_stay_and_no_others() {
        let [m1, m2, k] = [6, 9, 6];
        let values: Vec<f32> = (0..m1 * m2).map(|i| ((i * i + 3 * i) % 17) as f32 / 8.0 - 1.0).collect();
        let weight = Values::new([m1, m2], values);
        let config = ModelConfig { learngene_components: 2, ..ModelConfig::preset("tiny").unwrap() };
        let given = Given { weight: &weight, matrix: Matrix::In, rank: 3, config: &config };
        // Components 4 and 1 have the smallest draws.
        let mut random = |n: usize, _: f64| match n == k {
            true => vec![0.5, -1.0, 0.25, 3.0, -2.0, 0.0],
            false => vec![0.5; n],
        };
        let parts = SvdLora.begin(&given, &mut random);
        let Svd { p, s, qt } = Svd::of(&weight);
        for (row, column) in (0..m1).flat_map(|row| (0..m2).map(move |column| (row, column))) {
            let part = |i: usize| p.values[row * k + i] * s.values[i] * qt.values[i * m2 + column];
            let far = (parts.fixed[0].values[row * m2 + column] - part(4) - part(1)).abs();
            assert!(far < 1e-5, "{row}, {column}: {far}");
        }
        let again = Svd::of(&parts.fixed[0]).s.values;
        assert!((again[0] - s.values[1]).abs() < 1e-5 && (again[1] - s.values[4]).abs() < 1e-5);
        assert!(again[2] < 1e-5, "{again:?}");
        // A·B begins at zero.
        let shapes: Vec<_> = parts.trained.iter().map(|values| values.shape).collect();
        assert_eq!(shapes, [[m1, 3], [3, m2]]);
        assert!(parts.trained[1].values.iter().all(|value| *value == 0.0));
    }

    #[test]
    fn as_many_stay_as_the_config_names_and_else_the_papers_share() {
        assert_eq!([stay(768, 318), stay(96, 48), stay(8, 48)], [318, 48, 8]);
        assert_eq!([stay(768, 1), stay(1024, 1), stay(2, 1)], [318, 424, 1]);
    }
}
