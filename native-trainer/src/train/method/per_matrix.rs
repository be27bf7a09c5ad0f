use burn::tensor::Tensor;
use tailor_packs::{Matrix, ModelConfig};

/// How a method that adapts matrices does so.
pub trait PerMatrix: std::fmt::Debug + Sync {
    /// Why this rank cannot be had for a matrix `[m1, m2]`, in words that say which can.
    fn refuse(&self, [m1, m2]: [usize; 2], rank: usize) -> Option<String> {
        let most = m1.min(m2);
        let fits = (1..=most).contains(&rank);
        (!fits).then(|| format!("it must be 1 to {most}, since the smallest matrix is {m1} x {m2}"))
    }

    /// What stays of a matrix, what trains, and the first values of both. `random(n, deviation)` draws normal values.
    fn begin(&self, given: &Given<'_>, random: &mut Random<'_>) -> Parts;

    /// The matrix that the parts stand for. Pure tensor algebra, which Burn differentiates.
    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2>;
}

/// A matrix that is to be adapted.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Its values, `[m1, m2]`.
    pub weight: &'a Values,
    /// Which of a block it is.
    pub matrix: Matrix,
    /// The method's size.
    pub rank: usize,
    /// The network whose matrix it is.
    pub config: &'a ModelConfig,
}

/// Draws so many normal values of this standard deviation.
pub type Random<'a> = dyn FnMut(usize, f64) -> Vec<f32> + 'a;

/// The values of a matrix, row by row: `x·W` has the input's axis first.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row by row.
    pub values: Vec<f32>,
}

impl Values {
    /// A matrix of one value.
    pub fn full(shape: [usize; 2], value: f32) -> Self {
        Self { shape, values: vec![value; shape[0] * shape[1]] }
    }

    /// A matrix of these values.
    pub fn new(shape: [usize; 2], values: Vec<f32>) -> Self {
        debug_assert_eq!(shape[0] * shape[1], values.len());
        Self { shape, values }
    }
}

/// What a method makes of a matrix.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What stays.
    pub fixed: Vec<Values>,
    /// What trains, at its first values.
    pub trained: Vec<Values>,
}
