//! The command `tailor`.

use std::process::ExitCode;

use tailor_trainer::cli::Cli;
use tailor_trainer::system::status::Status;
use tailor_trainer::{commands, say};

// A step allocates and frees megabytes of activations; the system's allocator hands them back and
// faults them in again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Whatever is closed when a program starts, Rust's runtime opens on nothing before `main`, and a result would be lost
// without a word. The system calls what this section holds before that.
#[cfg(target_os = "linux")]
#[used]
#[allow(unsafe_code, reason = "nothing else runs before the runtime")]
// SAFETY: the section is for functions of this signature, and this one needs nothing of the runtime.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = tailor_trainer::system::output::look;

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
