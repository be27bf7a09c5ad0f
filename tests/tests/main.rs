//! The tests that want a browser, a module for each subject.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

#[path = "../golden/golden.rs"]
mod golden;
mod support;

mod browser;
mod harness;
mod one_image;
mod other_browsers;
mod servers;
mod startup;
mod storage;
mod studio;
mod survive;
mod teach;
mod trust;
