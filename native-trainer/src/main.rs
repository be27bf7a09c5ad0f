//! The command `tailor`.

use std::process::ExitCode;

use tailor_trainer::cli::{Cli, Command};
use tailor_trainer::status::Status;
use tailor_trainer::{
    bench, curate, fetch, inspect, manual, publish, report, sample, say, serve, sign, train, train_tailor,
    verify,
};

// A step allocates and frees megabytes of activations; the system's allocator hands them back and
// faults them in again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Wrong usage ends here, with the status for it.
    let ended = match Cli::read().command {
        Command::Train(args) => train::run(&args),
        Command::TrainTailor(args) => train_tailor::run(&args),
        Command::Gallery(args) => curate::run(&args).map(Status::from),
        Command::Bench(args) => bench::run(&args).map(Status::from),
        Command::Report(args) => report::run(&args).map(Status::from),
        Command::Completions { shell } => manual::completions(shell).map(Status::from),
        Command::Man { out } => manual::pages(&out).map(Status::from),
        Command::Publish(args) => publish::run(&args).map(Status::from),
        Command::Keygen(args) => sign::keygen(&args).map(Status::from),
        Command::Sample(args) => sample::run(&args).map(Status::from),
        Command::Inspect(args) => inspect::run(&args).map(Status::from),
        Command::Verify(args) => verify::run(&args).map(Status::from),
        Command::Fetch(args) => fetch::run(&args).map(Status::from),
        Command::Serve(args) => serve::run(&args).map(Status::from),
        #[cfg(feature = "graph")]
        Command::Evaluate(args) => tailor_trainer::evaluate::run(&args).map(Status::from),
        #[cfg(not(feature = "graph"))]
        Command::Evaluate(_) => Err(tailor_trainer::Error::Refused {
            what: "this build has no classifier to judge with: it is made of Burn".to_owned(),
            help: "build one that has it with: cargo install --path native-trainer --features graph"
                .to_owned(),
        }),
    };
    let status = ended.unwrap_or_else(|error| {
        say!("error: {error}");
        if let Some(help) = error.help() {
            say!("help: {help}");
        }
        Status::Refused
    });
    status.into()
}
