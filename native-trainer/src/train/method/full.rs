use super::{Method, Products, Sizes, Trains};

/// Full fine-tuning: every value of the network trains.
#[derive(Debug)]
pub(super) struct Full;

impl Method for Full {
    fn name(&self) -> &'static str {
        "full"
    }

    fn about(&self) -> &'static str {
        "every value of the network"
    }

    fn trains(&self) -> Trains {
        Trains::Whole
    }

    fn learning_rate(&self, _: u32) -> f64 {
        1e-4
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        sizes.sum(|m1, m2| m1 * m2)
    }

    fn products(&self, _: &Sizes) -> Products {
        Products::default()
    }
}
