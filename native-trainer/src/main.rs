//! The command `tailor`.

use std::process::ExitCode;

use tailor_trainer::cli::Cli;
use tailor_trainer::system::status::Status;
use tailor_trainer::{commands, say};

// A step allocates and frees megabytes of activations; the system's allocator hands them back and
// faults them in again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Wrong usage ends here, with the status for it.
    let ended = commands::run(&Cli::read().command);
    let status = ended.unwrap_or_else(|error| {
        say!("error: {error}");
        if let Some(help) = error.help() {
            say!("help: {help}");
        }
        Status::Refused
    });
    status.into()
}
