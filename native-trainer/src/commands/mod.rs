//! The commands, one file each, named as they are typed: arguments become settings, what is below is called, and
//! what came of it is printed.

pub mod bench;
pub mod completions;
pub mod evaluate;
pub mod experiment;
pub mod export;
pub mod fetch;
pub mod finetune;
pub mod gallery;
pub mod import;
pub mod inspect;
pub mod keygen;
pub mod leakage;
pub mod man;
pub mod publish;
pub mod report;
pub mod sample;
pub mod serve;
pub mod train;
pub mod train_tailor;
pub mod verify;

use crate::cli::Command;
use crate::error::Error;
use crate::system::status::Status;

/// Runs the command asked for.
///
/// # Errors
/// Whatever makes the command refuse.
pub fn run(command: &Command) -> Result<Status, Error> {
    match command {
        Command::Train(args) => train::run(args),
        Command::Experiment(args) => experiment::run(args),
        Command::Finetune(args) => finetune::run(args),
        Command::TrainTailor(args) => train_tailor::run(args),
        Command::Gallery(args) => gallery::run(args).map(Status::from),
        Command::Bench(args) => bench::run(args).map(Status::from),
        Command::Report(args) => report::run(args).map(Status::from),
        Command::Completions(args) => completions::run(args).map(Status::from),
        Command::Man(args) => man::run(args).map(Status::from),
        Command::Publish(args) => publish::run(args).map(Status::from),
        Command::Keygen(args) => keygen::run(args).map(Status::from),
        Command::Sample(args) => sample::run(args).map(Status::from),
        Command::Import(args) => import::run(args).map(Status::from),
        Command::Export(args) => export::run(args).map(Status::from),
        Command::Inspect(args) => inspect::run(args).map(Status::from),
        Command::Verify(args) => verify::run(args).map(Status::from),
        Command::Fetch(args) => fetch::run(args).map(Status::from),
        Command::Serve(args) => serve::run(args).map(Status::from),
        Command::Leakage(args) => leakage::run(args).map(Status::from),
        Command::Evaluate(args) => evaluate::run(args).map(Status::from),
    }
}
