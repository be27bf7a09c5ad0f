//! What the command `tailor` accepts.
//!
//! Long because it holds the flags of all commands, whose order in the help is seen here at a glance.

mod recipe;

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use tailor_core::Sampler;
use tailor_packs::FactoredSet;

pub use recipe::{Recipe, Training, TrainingFlags};

use crate::status::Status;

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
    /// Teach a learngene one more class, and leave it as it is
    TrainTailor(Box<TrainTailorArgs>),
    /// Take a run apart into a gallery: one learngene file, one pack per class, one index
    Publish(PublishArgs),
    /// Make images of chosen classes from a gallery
    Sample(SampleArgs),
    /// Say what a file, a gallery or a preset holds, and count its parameters
    Inspect(InspectArgs),
    /// Put packs into a gallery or take classes out of it
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
    /// Write one page about a run: losses, samples over time, with and without tailors
    Report(ReportArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example, for the present shell and, in ~/.bashrc, for every one:\n  source <(tailor completions bash)"
    )]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write a manual page for each command
    #[command(after_help = "Example:\n  tailor man ~/.local/share/man/man1")]
    Man {
        /// Folder of the pages
        #[arg(value_name = "DIR")]
        out: PathBuf,
    },
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

/// Number format of the products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 32 bits
    F32,
    /// 16 bits, with the range of f32
    Bf16,
}

/// On which device to train, and how a GPU goes about it.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeviceFlags {
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// Number format of a GPU's products; parameters, moments and sums are f32 [default: bf16 with
    /// CUDA, else f32]
    #[arg(long, value_enum)]
    pub precision: Option<Precision>,
    /// GPU memory that the tailors of all classes may take; larger banks stay in host memory
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub device_bank: u32,
}

/// `tailor train`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor train --data letters --preset letters --out runs/letters --steps 20000
  tailor train --data fashion-mnist --preset fashion --out runs/fashion
  tailor train --data letters --out runs/letters --resume --steps 40000

A folder of data holds one folder per class with PNG, JPEG, WebP, BMP or GIF images; each gives \
its largest centred square, resized to the model's size.

Ctrl-C saves and ends with status 130, SIGTERM with 143.

Settings come from the defaults below, then from the config file's [training] table, then from \
the flags; a resumed run has its own instead of the defaults.")]
pub struct TrainArgs {
    /// Folder of class folders or of IDX files, or an archive of either: zip, tar, tar.gz, tar.zst
    #[arg(long, value_name = "DIR|ARCHIVE")]
    pub data: PathBuf,
    /// Folder for decoded images, to start faster the next time [default: cache in the run's folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Model by name [default: letters]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<String>,
    /// Model and training settings from a TOML file
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Folder of the run: checkpoints, metrics.jsonl, sample grids
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Go on from the run's last checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Settings that a config file may hold too.
    #[command(flatten)]
    pub training: TrainingFlags,
    /// Where and how long.
    #[command(flatten)]
    pub running: RunningFlags,
}

/// Where and how long a run goes, and how it takes its data.
#[derive(Clone, Debug, Args)]
pub struct RunningFlags {
    /// On which device.
    #[command(flatten)]
    pub device: DeviceFlags,
    /// Refuse the data if any image is unreadable, instead of skipping it
    #[arg(long)]
    pub strict: bool,
    /// Stop with a checkpoint after so many minutes
    #[arg(long, value_name = "MINUTES", value_parser = finite::<f64>)]
    pub max_minutes: Option<f64>,
    /// One JSON object about the outcome on standard output
    #[arg(long)]
    pub json: bool,
}

/// `tailor train-tailor`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor train-tailor --learngene web/galleries/letters \\
    --class greek-small-alpha images/alpha --out alpha.tailor
  tailor gallery add web/galleries/letters alpha.tailor

DIR holds the images of the class. The learngene's file is only read. Ctrl-C saves; the same command \
goes on. Defaults of a run for one class: 1500 steps of 16 images, no dropped labels, average 0.99.")]
pub struct TrainTailorArgs {
    /// Folder with the images of the class
    #[arg(value_name = "DIR")]
    pub data: PathBuf,
    /// The learngene that the class is for: its file, or the folder of its gallery
    #[arg(long, value_name = "FILE.learngene|GALLERY")]
    pub learngene: PathBuf,
    /// Name of the class
    #[arg(long, value_name = "NAME")]
    pub class: String,
    /// The pack
    #[arg(long, value_name = "FILE.tailor")]
    pub out: PathBuf,
    /// Start from a related tailor: a pack, or a class of the gallery in which the learngene lies
    #[arg(long, value_name = "CLASS|FILE.tailor")]
    pub from: Option<OsString>,
    /// Folder of the run [default: beside the pack, ending in .run]
    #[arg(long, value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// Settings of the run.
    #[command(flatten)]
    pub training: TrainingFlags,
    /// What the card says.
    #[command(flatten)]
    pub card: CardFlags,
    /// Where and how long.
    #[command(flatten)]
    pub running: RunningFlags,
}

/// `tailor gallery`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor gallery add galleries/letters alpha.tailor
  tailor gallery remove galleries/letters greek-small-alpha")]
pub struct GalleryArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub change: GalleryChange,
    /// Who vouches for it.
    #[command(flatten)]
    pub signing: SigningFlags,
    /// One JSON object about the outcome on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

/// A change to a gallery. Its index is written last and gets the next version.
#[derive(Clone, Debug, Subcommand)]
pub enum GalleryChange {
    /// Put packs for the gallery's learngene into it; a class that is there is replaced
    #[command(after_help = "Example:\n  tailor gallery add galleries/letters alpha.tailor beta.tailor")]
    Add {
        /// Folder of the gallery
        #[arg(value_name = "GALLERY")]
        gallery: PathBuf,
        /// Packs
        #[arg(value_name = "FILE.tailor", required = true)]
        packs: Vec<PathBuf>,
    },
    /// Take classes out of it; their files stay until nothing on the way still asks for them
    #[command(after_help = "Example:\n  tailor gallery remove galleries/letters greek-small-alpha")]
    Remove {
        /// Folder of the gallery
        #[arg(value_name = "GALLERY")]
        gallery: PathBuf,
        /// Classes by id or name
        #[arg(value_name = "CLASS", required = true)]
        classes: Vec<String>,
    },
}

/// `tailor publish`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor publish runs/letters --out galleries/letters --title Letters --licence CC0-1.0 \\
    --data-note 'A-Z, a-z and 0-9 in 952 free fonts'
  tailor publish runs/letters --out galleries/signed --key mine.key")]
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
    /// What the cards say.
    #[command(flatten)]
    pub card: CardFlags,
    /// Who vouches for it.
    #[command(flatten)]
    pub signing: SigningFlags,
    /// The weights themselves instead of their moving average
    #[arg(long)]
    pub raw_weights: bool,
    /// How the gallery says to sample.
    #[command(flatten)]
    pub sampling: SamplingFlags,
    /// Samples in each pack's preview; 0 for none
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=64))]
    pub previews: u32,
    /// Where to compute the previews
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// One JSON object about the outcome on standard output
    #[arg(long)]
    pub json: bool,
}

/// Who vouches for a gallery, and how long.
#[derive(Clone, Debug, Default, Args)]
pub struct SigningFlags {
    /// Secret key that signs the index; its password is asked for, or taken from TAILOR_KEY_PASSWORD
    #[arg(long, value_name = "FILE.key", global = true)]
    pub key: Option<PathBuf>,
    /// Public key that will sign from some later version on: readers who trust the present one follow
    #[arg(long, value_name = "FILE.pub", requires = "key", global = true)]
    pub next_key: Option<OsString>,
    /// Days after which readers refuse the index, so that nobody can be kept on an old one [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500), global = true)]
    pub expires_in: Option<u32>,
}

/// `tailor keygen`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor keygen mine

Keys and signatures are those of minisign: `minisign -V -p mine.pub -m index.json` checks a gallery, too.")]
pub struct KeygenArgs {
    /// Where to: NAME.key is the secret key, NAME.pub the public one
    #[arg(value_name = "NAME")]
    pub name: PathBuf,
    /// Leave the secret key unencrypted, for a machine that signs by itself
    #[arg(long)]
    pub no_password: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// What a pack's card says.
#[derive(Clone, Debug, Default, Args)]
pub struct CardFlags {
    /// Licence of the weights, as an SPDX expression
    #[arg(long, value_name = "SPDX", default_value = "not stated")]
    pub licence: String,
    /// One sentence on the data that the model was trained on
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    pub data_note: String,
    /// Who made it; repeat for several
    #[arg(long = "author", value_name = "NAME")]
    pub authors: Vec<String>,
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
    /// The way from noise to an image.
    #[arg(long, value_name = "NAME", help = samplers())]
    pub sampler: Option<Sampler>,
}

fn samplers() -> String {
    let [others @ .., last] = Sampler::ALL.map(Sampler::name);
    format!("{} or {last} [default: the gallery's own]", others.join(", "))
}

/// `tailor sample`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor sample --gallery galleries/letters --class A --class B --seed 7 --out ab.png
  tailor sample --gallery galleries/letters --all-classes --out all.png --raw all.npy
  tailor sample --gallery galleries/letters --learngene-only --count 8 --out shared.png

The grid has one column per class and one row per seed; many seeds of one class make a square, and what \
one picture cannot hold goes into several, grid-2.png and so on. The same seed, class and settings \
give the same image on every device.")]
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
    /// The grid: PNG, or JPEG, WebP or BMP by the ending of the name
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
  tailor inspect --preset letters --toml > mine.toml")]
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
  tailor verify galleries/letters/latin-capital-a-*.tailor
  tailor verify galleries/signed --public-key mine.pub")]
pub struct VerifyArgs {
    /// .learngene or .tailor files, or folders of galleries or their index.json
    #[arg(value_name = "FILE|GALLERY", required = true)]
    pub paths: Vec<PathBuf>,
    /// Key that must have signed the gallery: the line that begins with RW, or a .pub file
    #[arg(long, value_name = "KEY")]
    pub public_key: Option<OsString>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `tailor fetch`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor fetch https://example.org/galleries/letters --class A --class B --out fetched/letters
  tailor fetch https://example.org/galleries/signed --all-classes --public-key mine.pub

The folder is then a gallery of just these classes: the index and its signature are the published ones, byte for \
byte, `tailor verify` says which classes are not here, and to fetch more into it keeps those that are. It \
remembers whom it trusts: an older index, another key, or none, is refused from then on. What arrived \
before Ctrl-C is not fetched again.")]
pub struct FetchArgs {
    /// Address of the gallery, the folder of its index.json, or of a page that shows it (?gallery=...)
    #[arg(value_name = "URL")]
    pub url: String,
    /// Class by id or name; repeat for several
    #[arg(long = "class", value_name = "NAME", required_unless_present = "all_classes")]
    pub classes: Vec<String>,
    /// Every class of the gallery
    #[arg(long, conflicts_with = "classes")]
    pub all_classes: bool,
    /// Folder for the gallery [default: the last part of the address]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Key that must have signed the gallery: the line that begins with RW, or a .pub file
    #[arg(long, value_name = "KEY")]
    pub public_key: Option<OsString>,
    /// Trust the key that signs a gallery not fetched before: its fingerprint, or yes for any [default: ask]
    #[arg(long, value_name = "FINGERPRINT")]
    pub trust: Option<String>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `tailor serve`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor serve galleries/letters --open

Only this machine can reach it. Ctrl-C ends it, with status 0.")]
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

/// `tailor bench`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor bench --preset letters
  tailor bench --preset letters --classes 1000 --json
  tailor bench --preset letters --data letters")]
pub struct BenchArgs {
    /// The model.
    #[command(flatten)]
    pub model: ModelFlags,
    /// Images of one step
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch_size: u32,
    /// Images on a GPU at a time, their gradients added up [default: the whole batch]
    #[arg(long, value_name = "B", value_parser = positive)]
    pub micro_batch: Option<usize>,
    /// Images to measure the loader with, read and decoded afresh [default: random ones in memory]
    #[arg(long, value_name = "DIR|ARCHIVE")]
    pub data: Option<PathBuf>,
    /// Classes, whose tailors stand in the bank
    #[arg(long, value_name = "K", default_value_t = 62, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub classes: u32,
    /// Steps to measure, after some to warm up
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// On which device.
    #[command(flatten)]
    pub device: DeviceFlags,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Which model.
#[derive(Clone, Debug, Args)]
pub struct ModelFlags {
    /// Model by name [default: letters]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<String>,
    /// Model from a TOML file
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
}

/// `tailor report`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor report runs/letters --out report.html")]
pub struct ReportArgs {
    /// Folder of a training run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The page, which needs no network [default: report.html in the run's folder]
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// Where to compute the samples with and without tailors
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
}

/// `tailor evaluate`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor evaluate --gallery galleries/letters --data letters --per-class 100
  tailor evaluate --gallery galleries/letters --data greek --class greek-small-xi

The data may hold more classes than the gallery: the classifier then tells the gallery's from those, too.")]
pub struct EvaluateArgs {
    /// Folder of a gallery
    #[arg(long, value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// The real images, one folder per class
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Class to sample; repeat for several [default: every class that data and gallery have]
    #[arg(long = "class", value_name = "NAME")]
    pub classes: Vec<String>,
    /// Samples of each class
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = positive)]
    pub per_class: usize,
    /// One source (for letters: font) in so many is held out from the classifier's training
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    pub hold_out: u32,
    /// Passes of the classifier over its training images
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = positive)]
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
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Parses a whole number from 1 on.
fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "not a whole number from 1 on".to_owned())
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
