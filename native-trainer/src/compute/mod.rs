//! Where a command computes, and a model there.

pub mod device;
pub mod model;
