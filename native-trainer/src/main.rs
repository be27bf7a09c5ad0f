//! The command `tailor`.

use std::process::ExitCode;

use clap::Parser;
use tailor_trainer::cli::{Cli, Command};
use tailor_trainer::{
    bench, curate, fetch, inspect, manual, publish, report, sample, serve, sign, train, train_tailor, verify,
};

// A step allocates and frees megabytes of activations; the system's allocator hands them back and
// faults them in again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Wrong usage ends here, with status 2.
    let result = match Cli::parse().command {
        Command::Train(args) => train::run(&args),
        Command::TrainTailor(args) => train_tailor::run(&args),
        Command::Gallery(args) => curate::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { out } => manual::pages(&out),
        Command::Publish(args) => publish::run(&args),
        Command::Keygen(args) => sign::keygen(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Serve(args) => serve::run(&args),
        #[cfg(feature = "graph")]
        Command::Evaluate(args) => tailor_trainer::evaluate::run(&args),
        #[cfg(not(feature = "graph"))]
        Command::Evaluate(_) => Err(tailor_trainer::Error::Refused {
            what: "this build has no classifier to judge with: it is made of Burn".to_owned(),
            help: "build one that has it with: cargo install --path native-trainer --features graph"
                .to_owned(),
        }),
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
