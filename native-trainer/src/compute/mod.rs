//! Where a command computes, and a model there.

#[cfg(feature = "graph")]
pub mod autoencoder;
pub mod device;
pub mod model;
