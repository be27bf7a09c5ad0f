//! The tests of the network and its engines, a module for each subject.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]
#![allow(clippy::disallowed_macros, reason = "a test says what it measured")]

#[path = "../../tests/tests/fixtures/mod.rs"]
mod fixtures;
mod support;

mod few_steps;
mod gate;
mod gradients;
mod guide;
mod masked;
mod samplers;
mod teaching;
