use super::kind::Kind;
use super::lora::Lora;
use super::{Method, Products, Sizes, Start, Starting, Task, Trains, Wants, apart};
use crate::error::Error;
use tailor_packs::{FactoredSet, ModelConfig};
#[cfg(feature = "graph")]
use {
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::Tensor,
    tailor_packs::Matrix,
};

/// Ablation #3 of the paper's Table 4: the tailors without their gate. The learngene of a network that comes apart stays
/// as it is; all `N_T·c` components that KIND would share out among the classes train beside it, for every class alike.
/// They begin as KIND's fresh tailors do (`tailor_core::init`), and stand beside the matrices that come apart in the
/// base, adaLN among them if it does. What tells classes apart is the label's row alone.
#[derive(Debug)]
pub(super) struct NoGate;

impl Method for NoGate {
    fn name(&self) -> &'static str {
        "no-gate"
    }

    fn about(&self) -> &'static str {
        "the tailors' components for all classes alike, the learngene as it is (KIND, Table 4, #3)"
    }

    fn trains(&self) -> Trains {
        Trains::Matrices
    }

    fn wants(&self) -> Wants {
        Wants::Apart
    }

    fn network(&self, base: &ModelConfig, _: Option<usize>, _: Option<usize>) -> ModelConfig {
        apart::network(base)
    }

    fn start(&self, from: &Starting<'_>) -> Result<Option<Start>, Error> {
        apart::start(from).map(Some)
    }

    fn matrices(&self, base: &ModelConfig) -> FactoredSet {
        base.factored.clone()
    }

    fn learning_rate(&self, width: u32) -> f64 {
        Kind.learning_rate(width)
    }

    fn rank(&self, task: &Task) -> Option<usize> {
        Lora.rank(task)
    }

    #[cfg(feature = "graph")]
    fn per_matrix(&self) -> Option<&'static dyn PerMatrix> {
        Some(&NoGate)
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        Kind.trainable(sizes)
    }

    fn products(&self, sizes: &Sizes) -> Products {
        Kind.products(sizes)
    }
}

#[cfg(feature = "graph")]
impl PerMatrix for NoGate {
    fn refuse(&self, _: [usize; 2], rank: usize) -> Option<String> {
        // As many as a config may give a learngene.
        (!(1..=4096).contains(&rank)).then(|| "it must be 1 to 4096".to_owned())
    }

    fn begin(&self, given: &Given<'_>, random: &mut Random<'_>) -> Parts {
        let Given { weight, matrix, rank, config } = *given;
        let [m1, m2] = weight.shape;
        let used = f64::from(config.learngene_components + config.tailor_components);
        let u = random(m1 * rank, (1.0 / m1 as f64).sqrt());
        let v = match matrix {
            Matrix::AdaLn => vec![0.0; rank * m2],
            _ => random(rank * m2, (2.0 * m1 as f64 / ((m1 + m2) as f64 * used)).sqrt()),
        };
        let (u, v) = (Values::new([m1, rank], u), Values::new([rank, m2], v));
        Parts { fixed: vec![weight.clone()], trained: vec![u, Values::full([1, rank], 1.0), v] }
    }

    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2> {
        let left = trained[0].clone() * trained[1].clone();
        fixed[0].clone() + left.matmul(trained[2].clone())
    }
}
