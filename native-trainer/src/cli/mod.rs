//! What the command `tailor` accepts, turned into settings. No other module knows `clap`.

mod device;
mod experiment;
mod gallery;
mod leakage;
mod manual;
mod sample;
mod train;
mod training;
mod weights;

use std::str::FromStr;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use device::DeviceFlags;
pub use experiment::{ExperimentArgs, ExperimentThen};
pub use gallery::{
    CardFlags, FetchArgs, GalleryArgs, GalleryChange, InspectArgs, KeygenArgs, PublishArgs, ServeArgs,
    SigningFlags, VerifyArgs,
};
pub use leakage::LeakageArgs;
pub use manual::{CompletionsArgs, ManArgs};
pub use sample::{ClassifierFlags, EvaluateArgs, FigureFlags, SampleArgs, SamplingFlags};
pub use train::{BenchArgs, FinetuneArgs, ModelFlags, ReportArgs, RunningFlags, TrainArgs, TrainTailorArgs};
pub use training::TrainingFlags;
pub use weights::{DitArgs, ExportArgs, ImportArgs, ImportFrom};

use crate::system::status::Status;

/// Train, publish and sample diffusion models that come apart: one shared learngene, one small
/// tailor per class.
#[derive(Debug, Parser)]
#[command(name = "tailor", version, propagate_version = true, after_help = examples())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
From images to a browser:
  tailor train --data my-images --preset letters --out runs/mine
  tailor publish runs/mine --out galleries/mine
  tailor sample --gallery galleries/mine --class A --class B --out grid.png
  tailor serve galleries/mine --open

Where a file is to be written, - is standard output.";

fn examples() -> String {
    format!("{EXAMPLES}\n{}", Status::list())
}

impl Cli {
    /// What the program was started with. Wrong usage ends the program with a message, as help does.
    pub fn read() -> Self {
        let matches = Self::definition().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The command line. A number below zero is taken for a value, and refused by its range, not for a flag.
    pub fn definition() -> clap::Command {
        fn numbers(command: clap::Command) -> clap::Command {
            let takes_values =
                |arg: &clap::Arg| matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
            command
                .mut_args(|arg| if takes_values(&arg) { arg.allow_negative_numbers(true) } else { arg })
                .mut_subcommands(numbers)
        }
        numbers(Self::command())
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model on a folder of class folders or on IDX files
    Train(Box<TrainArgs>),
    /// Adapt a trained network to other classes, by KIND or by a method to compare it with
    Finetune(Box<FinetuneArgs>),
    /// Teach a learngene one more class or several, and leave it as it is
    TrainTailor(Box<TrainTailorArgs>),
    /// Take a run apart into a gallery: one learngene file, one pack per class, one index
    Publish(PublishArgs),
    /// Make images of chosen classes from a gallery
    Sample(SampleArgs),
    /// Say what a file, a gallery or a preset holds, and count its parameters
    Inspect(InspectArgs),
    /// Make a gallery of a plain model that another program trained
    Import(ImportArgs),
    /// Write a gallery's model as one plain network, for other programs
    Export(ExportArgs),
    /// Put packs into a gallery, take classes out of it, or sign it
    Gallery(GalleryArgs),
    /// Make a key to sign galleries with
    Keygen(KeygenArgs),
    /// Check a file, or every file of a gallery against its index
    Verify(VerifyArgs),
    /// Download a gallery, or some of its classes, and verify every byte
    Fetch(FetchArgs),
    /// Serve the studio and a gallery to a browser on this machine
    Serve(ServeArgs),
    /// Measure how fast a model trains here
    Bench(BenchArgs),
    /// Judge a gallery with a classifier trained on held-out real images
    Evaluate(EvaluateArgs),
    /// Say how much of a removed class the rest of a gallery can still make
    Leakage(LeakageArgs),
    /// Train several arms with the same seeds, judge and compare them
    Experiment(Box<ExperimentArgs>),
    /// Write one page about a run: losses, samples over time, with and without tailors
    Report(ReportArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write a manual page for each command
    Man(ManArgs),
}

/// Parses a whole number from 1 on.
fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "not a whole number from 1 on".to_owned())
}

/// Parses a number of samples, from 1 to 100,000.
fn samples(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=100_000).contains(number));
    number.ok_or_else(|| "not a whole number of 1 to 100000".to_owned())
}

/// Parses a number that is neither NaN nor infinite.
fn finite<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    let number = text.parse::<T>().ok().filter(|&number| number.into().is_finite());
    number.ok_or_else(|| "not a finite number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::from_arg_matches(&Cli::definition().try_get_matches_from(line.split_whitespace())?)
    }

    #[test]
    fn a_number_below_zero_is_refused_as_a_number() {
        for line in [
            "tailor train --data d --out r --steps -5",
            "tailor sample --gallery g --class A --out o.png --count -1",
            "tailor bench --batch-size -3",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), i32::from(Status::Usage.code()));
            let said = error.to_string();
            assert!(said.contains("invalid value '-") && !said.contains("unexpected argument"), "{said}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::definition().debug_assert();
    }

    #[test]
    fn wrong_usage_exits_with_status_two() {
        for line in [
            "tailor",
            "tailor train --out r",
            "tailor train --data d --out r --preset a --config b",
            "tailor sample --gallery g --out o.png",
            "tailor sample --gallery g --class A --out o.png --steps 0",
            "tailor sample --gallery g --class A --out o.png --sampler magic",
            "tailor sample --gallery g --class A --out o.png --guidance nan",
            "tailor inspect",
            "tailor inspect --preset letters --factored qkv,q",
            "tailor train --data d --out r --learning-rate nan",
            "tailor serve g --port 70000",
            "tailor evaluate --gallery g --data d --per-class 0",
            "tailor evaluate --gallery g --data d --epochs 0",
            "tailor bench --micro-batch 0",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
