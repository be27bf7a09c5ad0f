//! The network as Burn's graph: the specification to which the processor's engine is held, and the engine
//! of GPUs.

pub mod dit;
pub mod factored;
pub mod parameters;
pub mod sampling;

pub use dit::Dit;
pub use parameters::Parameters;
pub use sampling::Model;
