//! The tests of packs and galleries, a module for each subject. What is shared has the names by which the examples know
//! it. `memory` counts what is allocated, and is a program of its own.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

#[path = "support/attacks.rs"]
mod attacks;
#[path = "support/golden.rs"]
mod golden;
#[path = "support/mutants.rs"]
mod mutants;
mod support;
#[path = "support/zip.rs"]
mod zip;

mod alterations;
mod archives;
mod corpus;
mod downloads;
mod format_2;
mod galleries;
mod hostile;
mod interop;
mod join;
mod opening;
mod packs;
mod published;
mod refusals;
