//! Teaches a frozen learngene one class of one's own, from a handful of pictures.
//!
//! ```text
//! settings   how a class is taught
//! examples   the pictures, and how they are moved a little each time they are shown
//! material   what a step trains on, and its gradients: the same on every machine
//! lesson     the tailor as far as it has been taught, step by step
//! ```
//!
//! A [`Lesson`] is a state machine without I/O, as a run of sampling is. It never waits: a caller
//! asks for the tailor's gradients of each step, in as many parts as it has workers, and hands them
//! back. A worker needs the [`Material`] once, and for each step the tailor's present values and the
//! numbers of its images. Everything that is drawn depends on the seed, the step and the image's
//! number alone, so the parts of a batch are the same wherever they are computed, and a lesson that
//! was kept as bytes goes on as if it had never been cut.

mod examples;
mod lesson;
mod material;
mod settings;

pub use examples::{Examples, Moves};
pub use lesson::Lesson;
pub use material::{Material, Part};
pub use settings::Settings;

use crate::model::ModelError;

/// Why a class cannot be taught.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TeachingError {
    /// There are not enough examples.
    #[error("{found} examples are too few: two or more different ones are needed")]
    TooFew {
        /// How many there are.
        found: usize,
    },
    /// There are more examples than a lesson holds.
    #[error("{found} examples are too many: a lesson holds {most}", most = Examples::MOST)]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// The examples do not differ from each other.
    #[error("all examples are the same picture: two or more different ones are needed")]
    AllEqual,
    /// The examples' bytes are not images of the model's shape.
    #[error("{found} bytes are no images of {image} bytes each")]
    Shape {
        /// Bytes in all.
        found: usize,
        /// Bytes of one image, `C·H·W`.
        image: usize,
    },
    /// The model cannot be computed here, or the tailor to start from does not fit it.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A setting is out of its range.
    #[error("{setting} is {found}, must be {allowed}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// The value that was asked for.
        found: String,
        /// The values that are allowed.
        allowed: &'static str,
    },
    /// A step's error or gradient is not finite; the lesson stays as it was before.
    #[error("the lesson has diverged at step {step}: begin again with a smaller learning rate")]
    Diverged {
        /// The step that failed.
        step: u32,
    },
    /// The bytes are no lesson that this version kept.
    #[error("what was kept of the lesson cannot be read: {reason}")]
    Kept {
        /// What is wrong with them.
        reason: &'static str,
    },
}
