//! Weights of plain networks in the files of other programs.
//!
//! [`WeightsFile`] reads tensors by name, one at a time, from safetensors or from what `torch.save`
//! wrote. [`dit`] says by which names DiT knows the tensors of a plain model, [`fold`] makes a plain model
//! of one that comes apart, and [`onnx`] writes it as a graph.

pub mod dit;
pub mod fold;
pub mod onnx;
mod pytorch;
mod safe;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::system::files::{self, ReadError};
use crate::system::float::Float;
use crate::system::output::shown;

/// Why a file of weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The system would not let us read it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is of no kind that is read here.
    #[error("{} is neither safetensors nor a file of PyTorch", shown(.0))]
    Unknown(PathBuf),
    /// It was saved by PyTorch before 1.6, whose files are no archives.
    #[error("{} is in the form that PyTorch wrote before version 1.6", shown(.0))]
    TooOld(PathBuf),
    /// It contradicts itself, ends early, or holds what is not read here.
    #[error("{}: {reason}", shown(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its tensors are not those of an autoencoder.
    #[error("{} holds no autoencoder of diffusers: {reason}", shown(path))]
    Autoencoder {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its tensors are not those of a DiT.
    #[error("{}: {source}", shown(path))]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: dit::LayoutError,
    },
}

impl WeightsError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Read(error) => error.help(),
            Self::Unknown(_) => "name a .safetensors file, or a .pt file that torch.save wrote",
            Self::TooOld(_) => "load it with PyTorch and save it again with torch.save",
            Self::Damaged { .. } => "fetch it again, or save its weights as safetensors",
            Self::Autoencoder { .. } => {
                "name the folder of an AutoencoderKL as diffusers saves it, such as stabilityai/sd-vae-ft-ema"
            }
            Self::Layout { source, .. } => source.help(),
        }
    }
}

/// Where a tensor is stored.
struct Stored {
    shape: Vec<usize>,
    /// None for whole numbers and the like, which no weights are.
    float: Option<Float>,
    place: Place,
}

/// Where a tensor's bytes begin.
enum Place {
    /// At so many bytes from the beginning of the file.
    At(u64),
    /// In an entry of the archive, after so many values.
    In { entry: String, skip: usize },
}

/// A file of weights, of which nothing but the list of tensors has been read.
pub struct WeightsFile {
    path: PathBuf,
    file: Source,
    tensors: BTreeMap<String, Stored>,
    /// What the file says of itself: the metadata of safetensors.
    pub metadata: HashMap<String, String>,
}

enum Source {
    Plain(File),
    Archive(Box<pytorch::Zip>),
}

impl WeightsFile {
    /// Opens the file at `path`, whose kind its content tells.
    ///
    /// # Errors
    /// [`WeightsError`] for what is no file of weights.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let mut head = Vec::new();
        let read = files::open(path).and_then(|file| file.take(16).read_to_end(&mut head));
        read.map_err(ReadError::at(path))?;
        let found = match &head[..] {
            [b'P', b'K', 3, 4, ..] => pytorch::open(path),
            // The pickle of PyTorch's magic number: a protocol, then a long whole number.
            [0x80, 2..=5, 0x8a, 10, ..] => return Err(WeightsError::TooOld(path.to_owned())),
            [_, _, _, _, _, _, _, _, b'{', ..] => safe::open(path),
            _ => return Err(WeightsError::Unknown(path.to_owned())),
        };
        found.map_err(|error| error.at(path))
    }

    /// The names and shapes of its tensors.
    pub fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.tensors.iter().map(|(name, stored)| (name.as_str(), &stored.shape[..])).collect()
    }

    /// The values of the tensor `name`, row-major.
    ///
    /// # Errors
    /// [`WeightsError::Damaged`] for a tensor that is not there, not of floating point numbers, or cut short.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let damaged = |reason: String| WeightsError::Damaged {
            path: self.path.clone(),
            reason: format!("{name}: {reason}"),
        };
        let stored = self.tensors.get(name).ok_or_else(|| damaged("there is no such tensor".to_owned()))?;
        let float = stored.float.ok_or_else(|| damaged("it holds no floating point numbers".to_owned()))?;
        let values = stored.shape.iter().try_fold(1usize, |n, axis| n.checked_mul(*axis));
        let length = values.and_then(|values| values.checked_mul(float.bytes()));
        let length = length.ok_or_else(|| damaged("its shape is larger than memory".to_owned()))?;
        let bytes = match (&mut self.file, &stored.place) {
            (Source::Plain(file), Place::At(start)) => safe::bytes(file, *start, length),
            (Source::Archive(zip), Place::In { entry, skip }) => {
                pytorch::bytes(zip, entry, skip.saturating_mul(float.bytes()), length)
            }
            _ => Ok(Vec::new()),
        };
        let bytes = bytes.map_err(|error| damaged(error.to_string()))?;
        if bytes.len() != length {
            return Err(damaged(format!("{} of its {length} bytes are there", bytes.len())));
        }
        Ok(float.decode(&bytes))
    }
}

/// What is wrong with a file whose path the caller knows.
enum Reason {
    Read(std::io::Error),
    Damaged(String),
}

impl From<std::io::Error> for Reason {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

impl Reason {
    fn at(self, path: &Path) -> WeightsError {
        match self {
            Self::Read(source) => ReadError::at(path)(source).into(),
            Self::Damaged(reason) => WeightsError::Damaged { path: path.to_owned(), reason },
        }
    }
}

#[cfg(test)]
mod tests;
