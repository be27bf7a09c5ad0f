#[cfg(feature = "graph")]
use super::PerMatrix;
use super::kind::Kind;
use super::lora::Lora;
use super::{Method, Products, Sizes, Start, Starting, Task, Trains, Wants, apart};
use crate::error::Error;
use tailor_packs::ModelConfig;

/// Ablation #2 of the paper's Table 4: LoRA in place of the tailors. The learngene of a network that comes apart, alone
/// and multiplied out, stays as it is, and `A·B` trains beside each matrix.
#[derive(Debug)]
pub(super) struct LearngeneLora;

impl Method for LearngeneLora {
    fn name(&self) -> &'static str {
        "learngene-lora"
    }

    fn about(&self) -> &'static str {
        "LoRA beside the learngene alone (KIND, Table 4, #2)"
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

    fn learning_rate(&self, width: u32) -> f64 {
        Lora.learning_rate(width)
    }

    fn rank(&self, task: &Task) -> Option<usize> {
        Lora.rank(task)
    }

    #[cfg(feature = "graph")]
    fn per_matrix(&self) -> Option<&'static dyn PerMatrix> {
        Lora.per_matrix()
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        Lora.trainable(sizes)
    }

    /// `N_G` components and those of `A·B`, which are as many as KIND's masked form has.
    fn products(&self, sizes: &Sizes) -> Products {
        Kind.products(sizes)
    }
}
