use super::{Method, Products, Sizes, Trains};

/// KIND itself: the learngene stays as it is, and a random tailor of each class trains (KIND §3, eq. 7).
#[derive(Debug)]
pub(super) struct Kind;

impl Method for Kind {
    fn name(&self) -> &'static str {
        "kind"
    }

    fn about(&self) -> &'static str {
        "a tailor for each class, the learngene as it is (KIND, ICML 2025)"
    }

    fn trains(&self) -> Trains {
        Trains::Tailors
    }

    fn learning_rate(&self, _: u32) -> f64 {
        1e-3
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        sizes.low_rank() * sizes.sum(|m1, m2| m1 + m2 + 1.0)
    }

    /// The masked form, in which all components are computed, as the paper counts.
    fn products(&self, sizes: &Sizes) -> Products {
        let rank = sizes.low_rank() + sizes.learngene as f64;
        Products { per_token: rank * sizes.sum(|m1, m2| m1 + m2), per_image: 0.0, instead: true }
    }

    /// As `tailor` computes it: the learngene's components and those of the image's own class.
    fn gathered(&self, sizes: &Sizes) -> Option<Products> {
        let rank = (sizes.learngene + sizes.task.components) as f64;
        Some(Products { per_token: rank * sizes.sum(|m1, m2| m1 + m2), ..self.products(sizes) })
    }
}
