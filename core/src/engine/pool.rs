//! Gradients, and the buffers that outlive a step.

use std::sync::{Mutex, PoisonError};

use super::forward::Tape;
use super::kernels::add;
use super::layout::ByMatrix;

/// Gradients of a batch, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// Sum of squared errors.
    pub squares: f64,
    /// By the learngene's flat parameters; empty when the learngene is frozen.
    pub learngene: Vec<f32>,
    /// By the flat parameters of each class's tailor, in the order of first use.
    pub tailors: Vec<(usize, Vec<f32>)>,
}

/// One image of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The noisy image, `[C, H, W]`.
    pub x: &'a [f32],
    /// What the network should say, `[C, H, W]`.
    pub target: &'a [f32],
    /// Its time, 0 to 1000.
    pub t: f32,
    /// Its class; none for the learngene alone.
    pub class: Option<usize>,
}

/// Buffers that outlive a step: for fresh ones the system would clear pages, a tenth of a step's time.
#[derive(Debug, Default)]
pub struct Pool {
    pub(super) workspaces: Mutex<Vec<Workspace>>,
    pub(super) values: Mutex<Vec<Vec<f32>>>,
}

/// What a pass writes its intermediate values to.
#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) components: Vec<ByMatrix<Components>>,
    pub(super) tape: Tape,
}

/// A factored matrix ready for use: the learngene's components, then those of the present class.
#[derive(Debug)]
pub(super) struct Components {
    /// `[m1, r]`
    pub(super) u: Vec<f32>,
    /// `[r, m2]`, times `σ`
    pub(super) v: Vec<f32>,
    /// Gradients by both.
    pub(super) du: Vec<f32>,
    pub(super) dv: Vec<f32>,
}

impl Gradients {
    /// The sum of two parts of a batch, the second of which goes on with the classes of the first.
    pub fn add(mut self, part: Self, pool: &Pool) -> Self {
        self.squares += part.squares;
        add(&mut self.learngene, &part.learngene);
        let mut spent = Self { learngene: part.learngene, ..Self::default() };
        for (class, gradient) in part.tailors {
            match self.tailors.last_mut() {
                Some((last, sum)) if *last == class => {
                    add(sum, &gradient);
                    spent.tailors.push((class, gradient));
                }
                _ => self.tailors.push((class, gradient)),
            }
        }
        pool.give_back(spent);
        self
    }
}

impl Pool {
    /// Keeps the buffers of `gradients` for the next step.
    pub fn give_back(&self, gradients: Gradients) {
        let Gradients { learngene, tailors, .. } = gradients;
        lock(&self.values).extend(tailors.into_iter().map(|(_, values)| values).chain([learngene]));
    }

    /// `len` values, whatever they are: each is to be written. Where debug assertions are on, a value that
    /// was not is told from one that was.
    pub(super) fn take(&self, len: usize) -> Vec<f32> {
        let mut kept = lock(&self.values);
        let found = kept.iter().rposition(|values| values.len() == len).map(|at| kept.swap_remove(at));
        let mut values = found.unwrap_or_else(|| vec![0.0; len]);
        if cfg!(debug_assertions) {
            values.fill(UNWRITTEN);
        }
        values
    }
}

/// Stands where a gradient was not written yet: a NaN that no arithmetic makes.
const UNWRITTEN: f32 = f32::from_bits(0x7fc0_dead);

pub(super) fn all_written(gradient: &[f32]) -> bool {
    gradient.iter().all(|value| value.to_bits() != UNWRITTEN.to_bits())
}

/// A thread that panicked leaves buffers whose values nobody reads.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
