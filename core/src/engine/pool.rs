//! The gradients of a batch, and the buffers that are kept between steps.

use std::sync::{Mutex, PoisonError};

use super::forward::Tape;
use super::kernels::add;
use super::layout::ByMatrix;
use crate::diffusion::shortcut::Moment;

/// Gradients of a batch, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// Sum of the squared errors of all values; with learned variance, of the bits of the variational
    /// bound, too.
    pub squares: f64,
    /// Sum of the [distances](crate::distillation) of images that have a teacher, and of what their
    /// [direction](crate::diffusion::direction) adds.
    pub distances: f64,
    /// Gradient by the learngene's flat parameters; empty when the learngene is frozen.
    pub learngene: Vec<f32>,
    /// For each class its number, and the gradient by the flat parameters of its tailor; in the
    /// order of first use.
    pub tailors: Vec<(usize, Vec<f32>)>,
}

/// One image of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The noisy image, `[C, H, W]`.
    pub x: &'a [f32],
    /// What the network should predict, `[C, H, W]`.
    pub target: &'a [f32],
    /// The moment of the noisy image: its time, and how far the step goes that is to be learned.
    pub at: Moment,
    /// The number of its class; `None` for the learngene alone.
    pub class: Option<usize>,
    /// Whether the network is told the class. Without, the class's tailor works with the label of no
    /// class: the null label with the gate on, where KIND §3 leaves open which is meant.
    pub named: bool,
    /// How much the direction of the output counts beside its error ([`crate::diffusion::direction`]).
    pub cosine: f32,
    /// What a teacher makes of the image, which the network is drawn towards: for each of its blocks
    /// the features that are wanted of it. `None` for the task alone.
    pub teacher: Option<&'a Features>,
}

/// What a network makes of one image on the way to its output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// What each of some blocks gives, `[T, D]`.
    pub blocks: Vec<Vec<f32>>,
    /// The output in patches, `[T, p·p·C]`, or `[T, p·p·2C]` with learned variance.
    pub output: Vec<f32>,
}

/// Buffers that are kept between steps. The operating system would have to clear fresh ones, which
/// takes a tenth of a step's time.
#[derive(Debug, Default)]
pub struct Pool {
    pub(super) workspaces: Mutex<Vec<Workspace>>,
    pub(super) values: Mutex<Vec<Vec<f32>>>,
}

/// The room for the intermediate values of one pass.
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
    /// Adds the gradients of two parts of a batch. If the second begins with the class with which
    /// the first ends, their gradients for that class are added.
    pub fn add(mut self, part: Self, pool: &Pool) -> Self {
        self.squares += part.squares;
        self.distances += part.distances;
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
        let all = tailors.into_iter().map(|(_, values)| values).chain([learngene]);
        lock(&self.values).extend(all.filter(|values| !values.is_empty()));
    }

    /// Takes a buffer of `len` arbitrary values, each of which the caller has to write. With debug
    /// assertions, [`all_written`] finds values that were not.
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

/// Marks a value that was not written: a NaN that no arithmetic makes.
const UNWRITTEN: f32 = f32::from_bits(0x7fc0_dead);

pub(super) fn all_written(gradient: &[f32]) -> bool {
    gradient.iter().all(|value| value.to_bits() != UNWRITTEN.to_bits())
}

/// Locks even after a panic in another thread: nobody reads the values that it left.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
