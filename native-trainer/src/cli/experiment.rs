//! The command that compares.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::{DeviceFlags, positive};
use crate::compute::device::cores;
use crate::settings::device::DeviceChoice;
use crate::settings::experiment::ExperimentSettings;

/// `tailor experiment`
#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  tailor experiment rates.toml --estimate
  tailor experiment rates.toml --out experiments/rates
  tailor experiment report experiments/rates --out rates.md

The file names images, seeds and arms; an arm says what differs from the first:

  data = \"letters\"
  seeds = [0, 1, 2]
  preset = \"letters\"
  training.steps = 4000
  evaluate.per_class = 50       # leave it out to train only

  [[arms]]
  name = \"usual\"

  [[arms]]
  name = \"slow\"
  training.learning_rate = 3e-4

An arm that adapts a network says method = \"lora\", base = \"galleries/plain\" and perhaps rank = 8.

The same command goes on after Ctrl-C or a kill, and leaves alone what has ended. Several may work in \
one folder, on machines that share it."
)]
pub struct ExperimentArgs {
    /// Something else to do with one.
    #[command(subcommand)]
    pub then: Option<ExperimentThen>,
    /// What to compare
    #[arg(value_name = "FILE.toml", required = true)]
    pub file: Option<PathBuf>,
    /// Which classes of the images to use, instead of what the file says: a split by name (see `tailor inspect
    /// --splits`) or a file
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub split: Option<OsString>,
    /// Folder for runs, galleries and results.jsonl [default: experiments/ and the file's name]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Say how many hours it takes here, and begin nothing
    #[arg(long)]
    pub estimate: bool,
    /// Carry out part I of N alone, I from 0 on, as the jobs of an array do
    #[arg(long, value_name = "I/N", default_value = "0/1", hide_default_value = true, value_parser = part)]
    pub array: (usize, usize),
    /// Runs that go on at once, each on its share of the cores [default: one for each core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub jobs: Option<usize>,
    /// On which device.
    #[command(flatten)]
    pub device: DeviceFlags,
    /// One JSON object about the outcome on standard output
    #[arg(long)]
    pub json: bool,
}

/// What else there is to do with an experiment.
#[derive(Clone, Debug, Subcommand)]
pub enum ExperimentThen {
    /// Write the tables of experiments as Markdown, and one experiment's pictures beside them
    #[command(after_help = "\
Examples:
  tailor experiment report experiments/rates
  tailor experiment report experiments/rates --out rates.md
  tailor experiment report experiments/rates --figure loss --class A --out rates.md
  tailor experiment report experiments/* --figure loss --out all.md

A page with a name comes with pictures, in rates-pictures for rates.md: samples of every arm over the steps, the loss, \
and the same seeds with the tailors and without. A page of several experiments has their tables alone, each with those \
of the figures that its results have.")]
    Report {
        /// Folder of an experiment, or its results.jsonl; several for a page of all their tables
        #[arg(value_name = "DIR|results.jsonl", required = true)]
        results: Vec<PathBuf>,
        /// Figure to show, as results.jsonl names it; repeat for several [default: the usual ones]
        #[arg(long = "figure", value_name = "NAME")]
        figures: Vec<String>,
        /// Class to show in pictures; repeat for several [default: some that are evenly spread]
        #[arg(long = "class", value_name = "CLASS")]
        classes: Vec<String>,
        /// Seed whose runs are shown in pictures [default: the first]
        #[arg(long)]
        seed: Option<u64>,
        /// The page; standard output, unless told otherwise, takes no pictures
        #[arg(long, value_name = "FILE.md", default_value = "-", hide_default_value = true)]
        out: PathBuf,
    },
}

/// Parses `I/N`.
fn part(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    let part = parts.filter(|(i, n): &(usize, usize)| i < n);
    part.ok_or_else(|| "not two whole numbers I/N with I from 0 to N - 1".to_owned())
}

impl ExperimentArgs {
    /// The settings asked for.
    pub fn settings(&self) -> ExperimentSettings {
        let file = self.file.clone().unwrap_or_default();
        let named = || Path::new("experiments").join(file.file_stem().unwrap_or_default());
        let out = self.out.clone().unwrap_or_else(named);
        let device = self.device.settings();
        // A GPU is for one run at a time, unless somebody knows better.
        let usual = match device.device {
            DeviceChoice::Auto | DeviceChoice::Cpu => cores(),
            _ => 1,
        };
        ExperimentSettings {
            alone: self.alone(&file, &out),
            split: self.split.clone(),
            out,
            part: self.array,
            jobs: self.jobs.unwrap_or(usual),
            file,
            device,
        }
    }

    /// The arguments of a program that does the same with one job.
    fn alone(&self, file: &Path, out: &Path) -> Vec<OsString> {
        let (part, of) = self.array;
        let DeviceFlags { device, precision, device_bank } = self.device;
        let mut words: Vec<OsString> = vec!["experiment".into(), "--jobs=1".into()];
        let mut flag = |name: &str, value: &dyn std::fmt::Display| {
            words.push(format!("--{name}={value}").into());
        };
        flag("array", &format_args!("{part}/{of}"));
        flag("device-bank", &device_bank);
        let named = |value: Option<clap::builder::PossibleValue>| value.map(|v| v.get_name().to_owned());
        if let Some(device) = named(device.to_possible_value()) {
            flag("device", &device);
        }
        if let Some(precision) = precision.and_then(|precision| named(precision.to_possible_value())) {
            flag("precision", &precision);
        }
        // What begins with a hyphen is no flag behind these.
        if let Some(split) = &self.split {
            let mut flag = OsString::from("--split=");
            flag.push(split);
            words.push(flag);
        }
        words.extend(["--out".into(), Path::new(".").join(out).into_os_string()]);
        words.extend(["--".into(), file.as_os_str().to_owned()]);
        words
    }
}
