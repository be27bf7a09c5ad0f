//! The network in Burn. It is the specification with which tests compare the processor's engine,
//! and it runs on GPUs.

pub mod dit;
pub mod factored;
pub mod loss;
pub mod parameters;
pub mod sampling;

pub use dit::Dit;
pub use parameters::Parameters;
pub use sampling::Model;
