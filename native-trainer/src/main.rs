//! The command `tailor`.

use std::process::ExitCode;

use clap::Parser;
use tailor_trainer::cli::{Cli, Command};
use tailor_trainer::{evaluate, inspect, publish, sample, serve, train, verify};

// A step allocates and frees megabytes of activations; the system's allocator hands them back and
// faults them in again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Wrong usage ends here, with status 2.
    let result = match Cli::parse().command {
        Command::Train(args) => train::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(help) = error.help() {
                eprintln!("help: {help}");
            }
            ExitCode::from(1)
        }
    }
}
