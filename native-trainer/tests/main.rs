//! The tests of the trainer, a module for each subject. They are one program, because linking takes longer than they do.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]
#![allow(clippy::disallowed_macros, reason = "a test says what it measured")]

#[cfg(feature = "graph")]
#[path = "../../tests/tests/fixtures/mod.rs"]
mod fixtures;
#[cfg(feature = "graph")]
#[path = "support/formula.rs"]
mod formula;
#[path = "support/gallery.rs"]
mod gallery;
#[path = "support/host.rs"]
mod host;
mod support;

mod ablations;
mod checkpoints;
mod command_line;
mod diversion;
mod endings;
mod engines;
mod evaluations;
mod examples;
mod experiment;
mod experiment_folder;
mod fetch;
mod golden;
mod joined;
mod large;
mod latents;
mod methods;
mod metrics;
mod networks;
mod outputs;
mod pages;
mod peft;
mod plain_models;
mod shipped;
mod signing;
mod snapshots;
mod whole_path;
