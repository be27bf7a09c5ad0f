//! Sampling, the way from noise to images: the path between them, the samplers that walk it, the
//! noise itself, and what a loss may have beside the squared error.

pub mod direction;
pub mod images;
pub mod noise;
pub mod path;
pub mod sampler;
pub mod sampling;
pub mod shortcut;
pub mod variance;
