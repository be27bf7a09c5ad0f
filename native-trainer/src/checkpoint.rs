//! Checkpoints: one safetensors file that holds a whole run, replaced atomically.
//!
//! Random draws and data order depend on seed and step alone, so parameters, moments, averages and
//! step counts are all there is to save.
//!
//! The last tensor, and with it the file's last 32 bytes, is the SHA-256 of everything before it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use tailor_packs::{Digest, TensorSpec};

use crate::cli::Recipe;
use crate::data::Class;
use crate::error::Error;
use crate::files::write_atomic;
use crate::train::bank::{TailorBank, TailorState};
use crate::train::trainer::{DenseState, Trainer};

/// The checkpoint's name in a run's folder.
pub const FILE: &str = "checkpoint.safetensors";

/// What a checkpoint says beside its tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// What is trained, and how.
    pub recipe: Recipe,
    /// The classes, in the order of their numbers.
    pub classes: Vec<ClassName>,
    /// Steps made.
    pub step: u64,
    /// The EMA's clock, as bits: decimal text would round it.
    pub ema_clock: u64,
    /// Each tailor's own steps and EMA clock.
    pub tailors: Vec<(u64, u64)>,
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

impl From<&Class> for ClassName {
    fn from(class: &Class) -> Self {
        Self { id: class.id.clone(), name: class.name.clone(), count: class.count }
    }
}

const KEY: &str = "tailor";
/// The digest's tensor. Safetensors puts bytes behind wider values, so it comes last.
const DIGEST: &str = "sha256";
const DIGEST_LEN: usize = 32;
const LEARNGENE_PARTS: [&str; 4] = ["parameter", "first", "second", "ema"];

/// The checkpoint of the run in `folder`.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Saves the run; the checkpoint before it survives until the new one is whole.
///
/// # Errors
/// [`Error::Write`] names the file.
pub fn save(folder: &Path, trainer: &Trainer, recipe: &Recipe, classes: &[ClassName]) -> Result<(), Error> {
    let mut tensors: Vec<(String, Vec<u8>, usize)> = Vec::new();
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for (spec, state) in recipe.model.learngene_tensors().iter().zip(&trainer.learngene) {
        let parts = [&state.parameter, &state.first, &state.second, &state.ema];
        for (part, tensor) in LEARNGENE_PARTS.iter().zip(parts) {
            let data = tensor.to_data().convert::<f32>();
            let values = data.as_slice::<f32>().map_err(|e| broken(folder, format!("{e:?}")))?;
            tensors.push((format!("learngene.{part}.{}", spec.name), bytes(values), values.len()));
        }
    }
    for (class, state) in trainer.bank.states().iter().enumerate() {
        let parts = [&state.parameters, &state.first, &state.second, &state.ema];
        for (part, values) in LEARNGENE_PARTS.iter().zip(parts) {
            tensors.push((format!("tailor.{part}.{class}"), bytes(values), values.len()));
        }
    }
    let header = Header {
        recipe: recipe.clone(),
        classes: classes.to_vec(),
        step: trainer.step,
        ema_clock: trainer.ema_clock.to_bits(),
        tailors: trainer.bank.states().iter().map(|t| (t.steps, t.ema_clock.to_bits())).collect(),
    };
    let header = serde_json::to_string(&header).map_err(|e| broken(folder, e.to_string()))?;
    let views = tensors.iter().map(|(name, data, len)| {
        TensorView::new(Dtype::F32, vec![*len], data).map(|view| (name.clone(), view))
    });
    let blank = TensorView::new(Dtype::U8, vec![DIGEST_LEN], &[0; DIGEST_LEN]);
    let views = views.chain([blank.map(|view| (DIGEST.to_owned(), view))]);
    let views = views.collect::<Result<Vec<_>, _>>().map_err(|e| broken(folder, e.to_string()))?;
    let file = serialize(views, Some(HashMap::from([(KEY.to_owned(), header)])));
    let mut file = file.map_err(|e| broken(folder, e.to_string()))?;
    file.truncate(file.len() - DIGEST_LEN);
    file.extend(Digest::of(&file).0);
    Ok(write_atomic(&path(folder), &file)?)
}

/// Reads a checkpoint's header and its raw bytes.
///
/// # Errors
/// [`Error::Read`], or [`Error::Refused`] when the file is no checkpoint or not as it was written.
pub fn read(folder: &Path) -> Result<(Header, Vec<u8>), Error> {
    let file = path(folder);
    let bytes = std::fs::read(&file).map_err(Error::read(&file))?;
    let metadata = SafeTensors::read_metadata(&bytes).map_err(|e| broken(folder, e.to_string()))?.1;
    let sound = bytes.split_last_chunk().is_some_and(|(body, digest)| Digest::of(body).0 == *digest);
    let header = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let header = header.ok_or_else(|| broken(folder, "it has no header".to_owned()))?;
    let header: Header = serde_json::from_str(header).map_err(|e| broken(folder, e.to_string()))?;
    header.recipe.model.validate()?;
    if header.tailors.len() != header.classes.len() {
        return Err(broken(folder, "it names another number of tailors than of classes".to_owned()));
    }
    // Exactly the run's tensors and no other: a checkpoint from before there was a digest.
    let tensors =
        LEARNGENE_PARTS.len() * (header.recipe.model.learngene_tensors().len() + header.tailors.len());
    if !sound && metadata.tensors().len() != tensors {
        return Err(broken(folder, "its content does not match its SHA-256".to_owned()));
    }
    Ok((header, bytes))
}

/// The run as it was when it was saved, with its learngene on `device`.
///
/// # Errors
/// [`Error::Refused`] when a tensor is missing or of another length.
pub fn restore(folder: &Path, header: &Header, bytes: &[u8], device: &Device) -> Result<Trainer, Error> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| broken(folder, e.to_string()))?;
    let values = |name: String, len: usize| {
        let tensor = tensors.tensor(&name).map_err(|_| broken(folder, format!("it lacks {name}")))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != [len] {
            return Err(broken(folder, format!("{name} is not {len} values of f32")));
        }
        let value = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        Ok(tensor.data().chunks_exact(4).map(value).collect::<Vec<f32>>())
    };
    let config = &header.recipe.model;
    let dense = |spec: &TensorSpec| {
        let part = |part: &str| {
            let values = values(format!("learngene.{part}.{}", spec.name), spec.len())?;
            Ok::<_, Error>(Tensor::<1>::from_data(TensorData::new(values, [spec.len()]), device))
        };
        let [p, m, v, e] = LEARNGENE_PARTS.map(part);
        Ok(DenseState { parameter: p?, first: m?, second: v?, ema: e? })
    };
    let learngene = config.learngene_tensors().iter().map(dense).collect::<Result<Vec<_>, Error>>()?;
    let len = config.tailor_parameters() as usize;
    let tailor = |(class, (steps, clock)): (usize, &(u64, u64))| {
        let [p, m, v, e] = LEARNGENE_PARTS.map(|part| values(format!("tailor.{part}.{class}"), len));
        let ema_clock = f64::from_bits(*clock);
        Ok(TailorState { parameters: p?, first: m?, second: v?, ema: e?, steps: *steps, ema_clock })
    };
    let bank = header.tailors.iter().enumerate().map(tailor).collect::<Result<Vec<_>, Error>>()?;
    let bank = TailorBank::from_states(bank);
    Ok(Trainer::from_parts(config, device, learngene, bank, header.step, f64::from_bits(header.ema_clock)))
}

fn broken(folder: &Path, reason: String) -> Error {
    Error::Refused {
        what: format!("{}: not a usable checkpoint: {reason}", path(folder).display()),
        help: "restore the file from a copy, or begin the run again in another --out".to_owned(),
    }
}
