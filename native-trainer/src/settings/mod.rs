//! What is asked for, in plain types: the command line is one way to make them, a program another.

pub mod device;
pub mod evaluate;
pub mod experiment;
pub mod gallery;
pub mod leakage;
pub mod recipe;
pub mod sampling;
pub mod storage;
pub mod train;
pub mod training;
pub mod weights;
