//! What every command needs of the machine: files that are written whole, output, pictures, signals, shells.

pub mod clock;
pub mod files;
pub(crate) mod float;
pub mod grid;
pub mod memory;
pub mod output;
pub mod progress;
pub mod sheet;
pub mod shell;
pub mod status;
