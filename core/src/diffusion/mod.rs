//! Sampling, the way from noise to images: the path between them, the samplers that walk it, the
//! noise itself, and the loss of a model that learns its variance.

pub mod images;
pub mod noise;
pub mod path;
pub mod sampler;
pub mod sampling;
pub mod variance;
