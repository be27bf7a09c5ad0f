//! The device that computes: the processor or WebGPU, chosen when the program is built.
//!
//! Both export the same three types, so that no other file depends on which it is: a `Device` that
//! can be opened, a `Model` of learngene and tailors on it, and a `Run` of sampling.

#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "cpu")]
pub mod helper;
#[cfg(feature = "cpu")]
mod model;
#[cfg(feature = "cpu")]
mod team;
#[cfg(feature = "cpu")]
pub use cpu::{Device, Run};
#[cfg(feature = "cpu")]
pub use model::Model;

#[cfg(not(feature = "cpu"))]
mod gpu;
#[cfg(not(feature = "cpu"))]
pub use gpu::{Device, Model, Run};
