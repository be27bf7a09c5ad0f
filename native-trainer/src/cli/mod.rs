//! What the command `tailor` accepts.

mod recipe;

use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tailor_core::Sampler;
use tailor_packs::FactoredSet;

pub use recipe::{Recipe, Training, TrainingFlags};

use crate::error::Error;

/// Train, publish and sample diffusion models that come apart: one shared learngene, one small
/// tailor per class.
#[derive(Debug, Parser)]
#[command(name = "tailor", version, propagate_version = true, after_help = EXAMPLES)]
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

Exit status: 0 done, 1 refused with a message, 2 wrong usage.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model on a folder of class folders or on IDX files
    Train(Box<TrainArgs>),
    /// Take a run apart into a gallery: one learngene file, one pack per class, one index
    Publish(PublishArgs),
    /// Make images of chosen classes from a gallery
    Sample(SampleArgs),
    /// Say what a file, a gallery or a preset holds, and count its parameters
    Inspect(InspectArgs),
    /// Check a file, or every file of a gallery against its index
    Verify(VerifyArgs),
    /// Serve the studio and a gallery to a browser on this machine
    Serve(ServeArgs),
    /// Judge a gallery with a classifier trained on held-out real images
    Evaluate(EvaluateArgs),
}

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceChoice {
    /// The fastest that works here
    #[default]
    Auto,
    /// NVIDIA GPU, in builds with `--features cuda`
    Cuda,
    /// Any GPU with a Vulkan driver
    Vulkan,
    /// Apple GPU, in builds with `--features metal`
    Metal,
    /// The processor
    Cpu,
}

/// `tailor train`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor train --data letters --preset letters --out runs/letters --steps 20000
  tailor train --data /usr/share/datasets/fashion-mnist --preset fashion --out runs/fashion
  tailor train --data letters --out runs/letters --resume --steps 40000

A folder of data holds one folder per class with PNG, JPEG, WebP, BMP or GIF images; each gives \
its largest centred square, resized to the model's size.

Settings come from the defaults below, then from the config file's [training] table, then from \
the flags; a resumed run has its own instead of the defaults.")]
pub struct TrainArgs {
    /// Folder of class folders, or folder of IDX files
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Model by name [default: letters]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<String>,
    /// Model and training settings from a TOML file
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Folder of the run: checkpoints, metrics.jsonl, sample grids
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Settings that a config file may hold too.
    #[command(flatten)]
    pub training: TrainingFlags,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// Go on from the run's last checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Refuse the data if any image is unreadable, instead of skipping it
    #[arg(long)]
    pub strict: bool,
    /// Stop with a checkpoint after so many minutes
    #[arg(long, value_name = "MINUTES", value_parser = finite::<f64>)]
    pub max_minutes: Option<f64>,
}

/// `tailor publish`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor publish runs/letters --out galleries/letters --title Letters --licence CC0-1.0 \\
    --data-note 'A-Z, a-z and 0-9 in 952 free fonts'")]
pub struct PublishArgs {
    /// Folder of a training run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Folder of the gallery; published again, it gets a newer index
    #[arg(long, value_name = "GALLERY")]
    pub out: PathBuf,
    /// Id of the model and gallery, a-z, 0-9, _ and - [default: name of the gallery's folder]
    #[arg(long)]
    pub id: Option<String>,
    /// Name for people [default: the id]
    #[arg(long)]
    pub title: Option<String>,
    /// Licence of the weights, as an SPDX expression
    #[arg(long, value_name = "SPDX", default_value = "not stated")]
    pub licence: String,
    /// One sentence on the data that the model was trained on
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    pub data_note: String,
    /// Who made it; repeat for several
    #[arg(long = "author", value_name = "NAME")]
    pub authors: Vec<String>,
    /// The weights themselves instead of their moving average
    #[arg(long)]
    pub raw_weights: bool,
    /// How the gallery says to sample.
    #[command(flatten)]
    pub sampling: SamplingFlags,
    /// Samples in each pack's preview; 0 for none
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub previews: usize,
    /// Where to compute the previews
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
}

/// How to sample.
#[derive(Clone, Debug, Default, Args)]
pub struct SamplingFlags {
    /// Sampling steps [default: the gallery's own, else 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: Option<u32>,
    /// Guidance scale, 1 for none [default: the gallery's own, else 1.5]
    #[arg(long, value_name = "W", value_parser = finite::<f32>)]
    pub guidance: Option<f32>,
    /// ddpm, ddim, dpm++, euler or heun [default: the gallery's own]
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<Sampler>,
}

/// `tailor sample`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor sample --gallery galleries/letters --class A --class B --seed 7 --out ab.png
  tailor sample --gallery galleries/letters --all-classes --out all.png --raw all.npy
  tailor sample --gallery galleries/letters --learngene-only --count 8 --out shared.png

The grid has one column per class and one row per seed. The same seed, class and settings give \
the same image on every device.")]
pub struct SampleArgs {
    /// Folder of a gallery
    #[arg(long, value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// Class by id or name; repeat for several
    #[arg(long = "class", value_name = "CLASS", required_unless_present_any = ["all_classes", "learngene_only"])]
    pub classes: Vec<String>,
    /// Every class of the gallery
    #[arg(long, conflicts_with = "classes")]
    pub all_classes: bool,
    /// The learngene without any tailor
    #[arg(long, conflicts_with_all = ["classes", "all_classes"])]
    pub learngene_only: bool,
    /// Seed of the first row
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Rows, with seeds that follow each other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// How to sample.
    #[command(flatten)]
    pub sampling: SamplingFlags,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// The grid, as a PNG
    #[arg(long, value_name = "FILE.png")]
    pub out: PathBuf,
    /// The images too, as a NumPy array f32 [B, C, H, W] in [-1, 1]
    #[arg(long, value_name = "FILE.npy")]
    pub raw: Option<PathBuf>,
}

/// `tailor inspect`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor inspect galleries/letters
  tailor inspect --preset dit-b-2 --tailors 1 --factored qkv,o,in,out,adaln --json
  tailor inspect --preset letters --toml > mine.toml     a config file for `tailor train --config`")]
pub struct InspectArgs {
    /// A .learngene or .tailor file, or the folder of a gallery
    #[arg(value_name = "FILE|GALLERY", required_unless_present = "preset")]
    pub path: Option<PathBuf>,
    /// A model by name instead
    #[arg(long, value_name = "NAME", conflicts_with = "path")]
    pub preset: Option<String>,
    /// Tailors to count in the total [default: every class of a gallery, else 1]
    #[arg(long, value_name = "N")]
    pub tailors: Option<u64>,
    /// The factored matrices, out of qkv,q,k,v,o,in,out,adaln
    #[arg(long, value_name = "LIST", requires = "preset")]
    pub factored: Option<FactoredSet>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// The preset as a config file instead of text
    #[arg(long, requires = "preset", conflicts_with = "json")]
    pub toml: bool,
}

/// `tailor verify`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor verify galleries/letters
  tailor verify galleries/letters/a-0123456789abcdef.tailor")]
pub struct VerifyArgs {
    /// A .learngene or .tailor file, or the folder of a gallery
    #[arg(value_name = "FILE|GALLERY")]
    pub path: PathBuf,
}

/// `tailor serve`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor serve galleries/letters --open

Only this machine can reach it. Ctrl-C ends it.")]
pub struct ServeArgs {
    /// Folder of a gallery
    #[arg(value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// Folder of the built studio
    #[arg(long, value_name = "DIR", default_value = "web/dist")]
    pub site: PathBuf,
    /// Port; 0 for any that is free
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// Open it in the browser
    #[arg(long)]
    pub open: bool,
}

/// `tailor evaluate`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor evaluate --gallery galleries/letters --data letters --per-class 100")]
pub struct EvaluateArgs {
    /// Folder of a gallery
    #[arg(long, value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// The real images, one folder per class
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Samples of each class
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub per_class: usize,
    /// One source (for letters: font) in so many is held out from the classifier's training
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    pub hold_out: u32,
    /// Passes of the classifier over its training images
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub epochs: usize,
    /// Seed of the classifier and of the first sample
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How to sample.
    #[command(flatten)]
    pub sampling: SamplingFlags,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// The figures as JSON too
    #[arg(long, value_name = "FILE.json")]
    pub out: Option<PathBuf>,
}

/// Parses a number that is neither NaN nor infinite.
fn finite<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    let number = text.parse::<T>().ok().filter(|&number| number.into().is_finite());
    number.ok_or_else(|| "not a finite number".to_owned())
}

/// Prints a result to standard output. A reader that has gone away, as `head` does, is no error.
///
/// # Errors
/// [`Error::Write`] when standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Write(crate::files::WriteError { path: "standard output".into(), source }))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_command_is_understood() {
        for line in [
            "tailor train --data d --preset letters --out r --steps 5 --batch-size 8 --seed 1 --device cpu --checkpoint-every 2 --resume",
            "tailor train --data d --config f.toml --out r",
            "tailor publish r --out g",
            "tailor sample --gallery g --class A --class B --seed 7 --steps 20 --guidance 1.5 --sampler dpm++ --device cpu --out o.png --raw o.npy",
            "tailor sample --gallery g --learngene-only --out o.png",
            "tailor inspect f.tailor --json",
            "tailor inspect --preset dit-b-2 --tailors 1 --factored qkv,o,in,out,adaln --json",
            "tailor verify g",
            "tailor serve g --port 0",
            "tailor evaluate --gallery g --data d",
        ] {
            parse(line).unwrap();
        }
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
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
