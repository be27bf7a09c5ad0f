//! The model and its mathematics.
