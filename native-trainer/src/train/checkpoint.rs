//! Checkpoints: each a safetensors file that holds a whole run, in `RUN/checkpoints/`.
//!
//! A new one is written beside the others under a temporary name, synced, renamed, and the folder synced;
//! only then do the oldest make room. Random draws and data order depend on seed and step alone, so
//! parameters, moments, averages and step counts are all there is to save, and the losses so far.
//!
//! The last tensor, and with it the file's last 32 bytes, is the SHA-256 of everything before it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use tailor_packs::Digest;

use super::bank::TailorBank;
use super::base::{Base, adaption, base_file};
use super::method::{Adaption, MethodHeader};
use super::trainer::Trainer;
use crate::compute::device::Device;
use crate::data::DataClass;
use crate::error::Error;
use crate::say;
use crate::settings::recipe::Recipe;
use crate::system::files::{Disk, create_folder, read_limited, remove_leftovers, write_atomic_on};
use tailor_core::engine::adamw::Learned;

/// The folder of checkpoints in a run's folder.
const FOLDER: &str = "checkpoints";
const EXTENSION: &str = "safetensors";

/// What a checkpoint says beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// What is trained, and how.
    pub recipe: Recipe,
    /// The classes, in the order of their numbers.
    pub classes: Vec<ClassName>,
    /// The learngene file that is kept as it is, when tailors alone are trained.
    pub frozen: Option<Digest>,
    /// The method that adapts a trained network; none for a network from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<MethodHeader>,
    /// The losses so far; none in a checkpoint from before they were kept.
    #[serde(default)]
    pub losses: Losses,
    /// What computed the gradients, as [`Trainer::engine_name`] says; none in a checkpoint from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Steps made.
    pub step: u64,
    /// The EMA's clock, as bits: decimal text would round it.
    pub ema_clock: u64,
    /// Steps and EMA clock of the learngene, then of each tailor.
    pub clocks: Vec<(u64, u64)>,
}

/// The largest number that a header may count to: with a batch's size it still fits into 64 bits.
const MOST: u64 = 1 << 40;

impl RunHeader {
    /// Refuses what no run writes, in words: whoever goes on with a run counts on from these numbers.
    fn check(&self) -> Result<(), String> {
        if self.classes.is_empty() || self.clocks.len() != self.classes.len() + 1 {
            return Err("it names another number of tailors than of classes".to_owned());
        }
        let images = self.classes.iter().map(|class| class.count as u64);
        let steps =
            self.clocks.iter().map(|clock| clock.0).chain(self.losses.means.iter().map(|mean| mean.0));
        let mut counts = [self.step, self.losses.count].into_iter().chain(images).chain(steps);
        if let Some(count) = counts.find(|count| *count > MOST) {
            return Err(format!("it counts to {count}, more than {MOST}"));
        }
        if let Some(method) = &self.method
            && method.kept.iter().flatten().any(|block| *block >= method.of.unwrap_or_default() as usize)
        {
            return Err("its method keeps blocks that its base does not have".to_owned());
        }
        let clocks = self.clocks.iter().map(|clock| clock.1).chain([self.ema_clock, self.losses.sum]);
        let mut numbers = clocks.chain(self.losses.means.iter().map(|mean| mean.1));
        match numbers.all(|bits| f64::from_bits(bits).is_finite()) {
            true => Ok(()),
            false => Err("one of its numbers is not finite".to_owned()),
        }
    }
}

/// The losses of a run: the means that stand in `metrics.jsonl`, and what has come since the last.
///
/// Numbers are kept as their bits: decimal text would round them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// Step and mean since the one before.
    means: Vec<(u64, u64)>,
    sum: u64,
    count: u64,
}

impl Losses {
    /// Adds the loss of a step; when `ends` ends a span of steps with it, the mean loss of the span and the
    /// number of its steps.
    pub fn add(&mut self, step: u64, loss: f32, ends: bool) -> Option<(f64, u64)> {
        let sum = f64::from_bits(self.sum) + f64::from(loss);
        let count = self.count + 1;
        if !ends {
            (self.sum, self.count) = (sum.to_bits(), count);
            return None;
        }
        let mean = sum / count as f64;
        (self.sum, self.count) = (0, 0);
        self.means.push((step, mean.to_bits()));
        Some((mean, count))
    }

    /// Step and mean loss of every span that has ended.
    pub fn means(&self) -> impl Iterator<Item = (u64, f64)> {
        self.means.iter().map(|&(step, mean)| (step, f64::from_bits(mean)))
    }
}

/// A class of the training data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassName {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Images it was trained on.
    pub count: usize,
}

impl From<&DataClass> for ClassName {
    fn from(class: &DataClass) -> Self {
        Self { id: class.id.clone(), name: class.name.clone(), count: class.count }
    }
}

/// A checkpoint as it was read: sound, and not yet on a device.
#[derive(Debug)]
pub struct Stored {
    /// The file.
    pub path: PathBuf,
    /// What it says of the run.
    pub header: RunHeader,
    bytes: Vec<u8>,
    /// Newer files that could not be used, and why.
    pub passed_over: Vec<String>,
}

const KEY: &str = "tailor";
/// The digest's tensor. Safetensors puts bytes behind wider values, so it comes last.
const DIGEST: &str = "sha256";
const DIGEST_LEN: usize = 32;
const PARTS: [&str; 4] = ["parameter", "first", "second", "ema"];

/// The folder of the checkpoints of the run in `run`.
pub fn folder(run: &Path) -> PathBuf {
    run.join(FOLDER)
}

/// The checkpoints of a run, the newest first.
///
/// # Errors
/// [`Error::Read`] when the folder is there and cannot be read.
pub fn list(run: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = folder(run);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let paths = entries.map_err(Error::read(&folder))?.into_iter().map(|entry| entry.path());
    let step = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
    let ours = paths.filter(|path| path.extension().is_some_and(|e| e == EXTENSION));
    let mut found: Vec<_> = ours.filter_map(|path| step(&path).map(|step| (step, path))).collect();
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// Saves the run, and keeps the `keep` newest checkpoints, this one among them.
///
/// # Errors
/// [`Error::Write`] names the file; what was saved before is still there.
pub fn save(
    disk: &dyn Disk,
    run: &Path,
    trainer: &Trainer,
    about: &RunHeader,
    keep: usize,
) -> Result<PathBuf, Error> {
    let (learngene, tailors) = (trainer.learngene(), trainer.tailors());
    let states = || std::iter::once(&learngene).chain(&*tailors);
    let path = folder(run).join(format!("{:09}.{EXTENSION}", trainer.step));
    let broken = |reason: String| broken(&path, &reason);
    let mut tensors: Vec<(String, Vec<u8>, usize)> = Vec::new();
    for (i, state) in states().enumerate() {
        for (part, values) in PARTS.iter().zip([&state.parameters, &state.first, &state.second, &state.ema]) {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((name(i, part), bytes, values.len()));
        }
    }
    let header = RunHeader {
        engine: Some(trainer.engine_name()),
        step: trainer.step,
        ema_clock: trainer.ema_clock.to_bits(),
        clocks: states().map(|s| (s.steps, s.ema_clock.to_bits())).collect(),
        ..about.clone()
    };
    let header = serde_json::to_string(&header).map_err(|e| broken(e.to_string()))?;
    let views = tensors.iter().map(|(name, data, len)| {
        TensorView::new(Dtype::F32, vec![*len], data).map(|view| (name.clone(), view))
    });
    let blank = TensorView::new(Dtype::U8, vec![DIGEST_LEN], &[0; DIGEST_LEN]);
    let views = views.chain([blank.map(|view| (DIGEST.to_owned(), view))]);
    let views = views.collect::<Result<Vec<_>, _>>().map_err(|e| broken(e.to_string()))?;
    let file = serialize(views, Some(HashMap::from([(KEY.to_owned(), header)])));
    let mut file = file.map_err(|e| broken(e.to_string()))?;
    file.truncate(file.len() - DIGEST_LEN);
    file.extend(Digest::of(&file).0);
    create_folder(&folder(run))?;
    write_atomic_on(disk, &path, &file)?;
    // A newer one that was damaged and passed over does not count. One too many does no harm, and the next
    // time its removal is tried again.
    let older = list(run)?.into_iter().skip_while(|other| *other != path);
    older.skip(keep.max(1)).for_each(|old| disk.remove(&old).unwrap_or_default());
    Ok(path)
}

/// The newest sound checkpoint of a run, if it has any.
///
/// # Errors
/// [`Error::Read`], or [`Error::Refused`] when there are checkpoints and none of them is as it was written.
pub fn latest(run: &Path) -> Result<Option<Stored>, Error> {
    let mut passed_over = Vec::new();
    for path in list(run)? {
        match read(&path) {
            Ok(stored) => return Ok(Some(Stored { passed_over, ..stored })),
            Err(error) => passed_over.push(error.to_string()),
        }
    }
    match passed_over.is_empty() {
        true => Ok(None),
        false => Err(Error::Refused {
            what: passed_over.join("\n       "),
            help: "restore one of the files from a copy, or begin the run again in another --out".to_owned(),
        }),
    }
}

/// The newest sound checkpoint of a run that must have one; newer files that are not are named on standard
/// error.
///
/// # Errors
/// As [`latest`], and [`Error::Refused`] when there is none.
pub fn require(run: &Path) -> Result<Stored, Error> {
    let stored = latest(run)?.ok_or_else(|| Error::Refused {
        what: format!("{} holds no checkpoint", run.display()),
        help: "name the --out folder of a `tailor train`".to_owned(),
    })?;
    stored.name_passed_over();
    Ok(stored)
}

/// Clears what a program that was killed while writing has left in the run's folders.
pub fn tidy(run: &Path) {
    ["", FOLDER, "cache", "samples"].iter().for_each(|folder| remove_leftovers(&run.join(folder)));
}

/// Reads one checkpoint.
///
/// # Errors
/// [`Error::Read`], or [`Error::Refused`] when the file is no checkpoint or not as it was written.
pub fn read(path: &Path) -> Result<Stored, Error> {
    let broken = |reason: &str| broken(path, reason);
    let bytes = read_limited(path, u64::MAX)?;
    if bytes.split_last_chunk().is_none_or(|(body, digest)| Digest::of(body).0 != *digest) {
        return Err(broken("its content does not match its SHA-256"));
    }
    let metadata = SafeTensors::read_metadata(&bytes).map_err(|e| broken(&e.to_string()))?.1;
    let header = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let header = header.ok_or_else(|| broken("it has no header"))?;
    let header: RunHeader = serde_json::from_str(header).map_err(|e| broken(&e.to_string()))?;
    header.recipe.model.validate().map_err(|e| broken(&e.to_string()))?;
    header.check().map_err(|reason| broken(&reason))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| broken(&e.to_string()))?;
    let unsound = |data: &[u8]| !data.chunks_exact(4).all(|bytes| value(bytes).is_finite());
    if let Some((name, _)) = tensors.iter().find(|(name, part)| *name != DIGEST && unsound(part.data())) {
        return Err(broken(&format!("{name} holds a value that is no finite number")));
    }
    Ok(Stored { path: path.to_owned(), header, bytes, passed_over: Vec::new() })
}

impl Stored {
    /// Says on standard error which file it is, which were passed over, and which settings are others from here on.
    pub fn announce(&self, recipe: &Recipe) {
        self.name_passed_over();
        say!("going on from {}", self.path.display());
        let changed = recipe.training.changed(&self.header.recipe.training);
        changed.iter().for_each(|setting| say!("note: from here on {setting}"));
    }

    fn name_passed_over(&self) {
        self.passed_over.iter().for_each(|reason| say!("passed over: {reason}"));
    }

    /// The run as it was when it was saved, on `device`.
    ///
    /// # Errors
    /// [`Error::Refused`] when a tensor is missing or of another length.
    pub fn restore(&self, device: &Device) -> Result<Trainer, Error> {
        let broken = |reason: &str| broken(&self.path, reason);
        let tensors = SafeTensors::deserialize(&self.bytes).map_err(|e| broken(&e.to_string()))?;
        let values = |name: String, len: usize| {
            let tensor = tensors.tensor(&name).map_err(|_| broken(&format!("it lacks {name}")))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != [len] {
                return Err(broken(&format!("{name} is not {len} values of f32")));
            }
            Ok(tensor.data().chunks_exact(4).map(value).collect::<Vec<f32>>())
        };
        let config = &self.header.recipe.model;
        let adaption = self.adaption(device)?;
        let learngene_len =
            adaption.as_ref().map_or(config.learngene_parameters() as usize, |a| a.first().len());
        let state = |(i, &(steps, clock)): (usize, &(u64, u64))| {
            let len = match i {
                0 => learngene_len,
                _ => config.tailor_parameters() as usize,
            };
            let [p, m, v, e] = PARTS.map(|part| values(name(i, part), len));
            let ema_clock = f64::from_bits(clock);
            Ok(Learned { parameters: p?, first: m?, second: v?, ema: e?, steps, ema_clock })
        };
        let states = self.header.clocks.iter().enumerate().map(state);
        let mut states = states.collect::<Result<Vec<_>, Error>>()?;
        let learngene = states.remove(0);
        let (bank, clock) = (TailorBank::from_states(states), f64::from_bits(self.header.ema_clock));
        let trainer =
            Trainer::from_parts(config, device, adaption, learngene, bank, self.header.step, clock)?;
        Ok(if self.header.frozen.is_some() { trainer.with_frozen_learngene() } else { trainer })
    }

    /// What the run's method makes of the network in the run's folder, if it adapts matrices.
    fn adaption(&self, device: &Device) -> Result<Option<Arc<Adaption>>, Error> {
        let Some(header) = &self.header.method else { return Ok(None) };
        let run = self.path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let base = Base::read(&base_file(run), header.base)?;
        adaption(header, &base, self.header.recipe.training.seed, device)
    }
}

/// The value that four bytes hold.
fn value(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Name of a part of the learngene (0) or of the tailor of class `i − 1`.
fn name(i: usize, part: &str) -> String {
    match i {
        0 => format!("learngene.{part}"),
        _ => format!("tailor.{part}.{}", i - 1),
    }
}

fn broken(path: &Path, reason: &str) -> Error {
    Error::Refused {
        what: format!("{}: not a usable checkpoint: {reason}", path.display()),
        help: "restore the file from a copy, or begin the run again in another --out".to_owned(),
    }
}
