//! What spans the crates of `tailor`, and the harness for it.
//!
//! - [`chromium`] drives a real headless Chromium and keeps its network and console logs, workers included;
//! - [`server`] is a static file host that counts what it sends and can misbehave on demand;
//! - [`webdriver`] drives Firefox and WebKitGTK.
//!
//! The tests themselves are in `tests/`.

pub mod chromium;
mod devtools;
mod error;
pub mod server;
pub mod webdriver;

pub use error::Error;
