//! What came of each run: a file for each while the experiment is under way, and `results.jsonl` of all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::judging::Judging;
use super::plan::{Experiment, Planned, result_file};
use crate::error::Error;
use crate::settings::recipe::Recipe;
use crate::system::files::{create_folder, read_limited, write_atomic};
use crate::system::output::shown;
use crate::train::method::MethodHeader;

/// A line is a page of figures, a file of lines some thousands of them; anything larger is another file.
const MAX_FILE: u64 = 1 << 30;

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the arm.
    pub arm: String,
    /// Seed of weights, order and noise.
    pub seed: u64,
    /// The split of the images, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Folder of the run, its gallery and its sample grids, in the experiment's own.
    pub folder: String,
    /// Steps made.
    pub steps: u64,
    /// Mean loss at the end.
    pub loss: Option<f64>,
    /// Seconds of training; none where it was interrupted.
    pub training_seconds: Option<f64>,
    /// Values of the learngene.
    pub learngene_parameters: u64,
    /// Values of one tailor.
    pub tailor_parameters: u64,
    /// What was trained, and how.
    pub recipe: Recipe,
    /// The method and the network that it adapted; none where the training began from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapt: Option<MethodHeader>,
    /// How it was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate: Option<Judging>,
    /// What `tailor evaluate --json` says of the gallery.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub evaluation: Value,
    /// What computed the gradients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The program that trained.
    pub program: String,
}

impl Outcome {
    /// Whether this is what the run, as it is planned now, comes to.
    pub fn is_of(&self, planned: &Planned) -> bool {
        self.arm == planned.arm
            && self.seed == planned.seed
            && self.recipe == planned.recipe
            && self.adapt == planned.adapt
            && self.evaluate == planned.evaluate
            // Older results do not say.
            && (self.split.is_none() || self.split == planned.split)
    }

    /// A figure by its name: a field of the outcome or of the evaluation, with a dot where one lies within another; or one
    /// that papers give, after what it is of, such as `samples.recall`, `learngene.entropy` or `real-images.entropy`.
    pub fn figure(&self, name: &str) -> Option<f64> {
        match name {
            "loss" => self.loss,
            "training_seconds" => self.training_seconds,
            "learngene_parameters" => Some(self.learngene_parameters as f64),
            "tailor_parameters" => Some(self.tailor_parameters as f64),
            _ => {
                let field = self.evaluation.pointer(&format!("/{}", name.replace('.', "/")));
                field.and_then(Value::as_f64).or_else(|| self.paper_figure(name))
            }
        }
    }

    /// A figure of `tailor evaluate --metrics`.
    fn paper_figure(&self, name: &str) -> Option<f64> {
        let (of, metric) = name.split_once('.')?;
        let is_it = |figure: &&Value| {
            figure["metric"] == metric
                && figure["of"].as_str().is_some_and(|what| what.replace(' ', "-") == of)
        };
        self.evaluation["figures"].as_array()?.iter().find(is_it)?["value"].as_f64()
    }
}

/// The file with the outcome of a run.
fn path(out: &Path, planned: &Planned) -> PathBuf {
    out.join("results").join(result_file(&planned.arm, planned.seed))
}

/// The file with the outcomes of all runs.
pub fn lines(out: &Path) -> PathBuf {
    out.join("results.jsonl")
}

/// What came of a run, if it has ended as it is planned now.
///
/// # Errors
/// [`Error::Read`] when the file is there and cannot be read.
pub fn of(out: &Path, planned: &Planned) -> Result<Option<Outcome>, Error> {
    let path = path(out, planned);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = read_limited(&path, MAX_FILE)?;
    // A file that is none is as good as not there: what it said is found again.
    Ok(serde_json::from_slice::<Outcome>(&bytes).ok().filter(|outcome| outcome.is_of(planned)))
}

/// Keeps what came of a run.
///
/// # Errors
/// [`Error::Write`] names the file.
pub fn keep(out: &Path, planned: &Planned, outcome: &Outcome) -> Result<(), Error> {
    let path = path(out, planned);
    create_folder(path.parent().unwrap_or(out))?;
    Ok(write_atomic(&path, &line(outcome))?)
}

fn line(outcome: &Outcome) -> Vec<u8> {
    let text = serde_json::to_string(outcome).unwrap_or_else(|_| unreachable!("plain data into memory"));
    (text + "\n").into_bytes()
}

/// Writes the outcomes of all runs that have ended as lines, in the order of the experiment, and returns them.
///
/// # Errors
/// [`Error::Read`] or [`Error::Write`] names the file.
pub fn gather(out: &Path, experiment: &Experiment) -> Result<Vec<Outcome>, Error> {
    let found: Vec<Option<Outcome>> =
        experiment.runs.iter().map(|planned| of(out, planned)).collect::<Result<_, _>>()?;
    let found: Vec<Outcome> = found.into_iter().flatten().collect();
    let text: Vec<u8> = found.iter().flat_map(line).collect();
    write_atomic(&lines(out), &text)?;
    Ok(found)
}

/// Reads lines as [`gather`] writes them.
///
/// # Errors
/// [`Error::Read`] when the file cannot be read, [`Error::Refused`] with the first line that is none, or that is about a
/// run of which there is a line already.
pub fn read(path: &Path) -> Result<Vec<Outcome>, Error> {
    let bytes = read_limited(path, MAX_FILE)?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut lines = BTreeMap::new();
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')).filter(|(_, line)| !line.is_empty()) {
        let refused = |what: &str, help: &str| Error::Refused {
            what: format!("{}: line {number} {what}", shown(path)),
            help: help.to_owned(),
        };
        let outcome: Outcome = serde_json::from_slice(line).map_err(|error| {
            let help = "name the results.jsonl that `tailor experiment` wrote, or its folder";
            refused(&format!("is no result of a run: {error}"), help)
        })?;
        let Outcome { experiment, arm, seed, split, .. } = &outcome;
        let run = (experiment.clone(), arm.clone(), *seed, split.clone());
        if let Some(first) = lines.insert(run, number) {
            let what = format!("is about arm {arm:?} with seed {seed} once more, as line {first} is");
            return Err(refused(&what, "leave one of the two lines out: a run counts once"));
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
