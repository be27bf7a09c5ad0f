//! Sampling, the way from noise to images: the path between them, the samplers that walk it, and
//! the noise itself.

pub mod images;
pub mod noise;
pub mod path;
pub mod sampler;
pub mod sampling;
