//! The model that comes apart and its mathematics: factored layers and their class gate, the
//! diffusion transformer, paths and samplers, and assembly from packs.
//!
//! Nothing here names a backend, touches files, the network or a clock.
//!
//! Shape letters: `B` batch, `T` tokens, `D` model width, `r` components, `G` learngene components,
//! `N` components per tailor, `S` gathered components, `K` classes, `C,H,W` image, `L` layers.
#![forbid(unsafe_code)]

pub mod dit;
pub mod factored;
pub mod init;
pub mod model;
pub mod noise;
pub mod parameters;
pub mod path;
pub mod sampler;
pub mod sampling;

pub use dit::Dit;
pub use model::{Model, ModelError};
pub use parameters::Parameters;
pub use sampler::{Sampler, UnknownSampler};
pub use sampling::{Item, SampleSettings, Sampling};
