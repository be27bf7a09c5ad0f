//! A network's weights, from a safetensors file that the user supplies.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use safetensors::{Dtype, SafeTensors};

use crate::system::files::{ReadError, read_limited};

/// Bytes of the largest file that is read: DINOv2 ViT-L/14 takes 1.2 GB in f32.
const LARGEST: u64 = 8 << 30;

/// Why a file of weights makes no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More bytes than any known network has.
    #[error("{} is larger than 8 GiB, which no network here is", .0.display())]
    TooLarge(PathBuf),
    /// Another format.
    #[error("{} is no safetensors file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// Weights of a network that is not known here.
    #[error("{} holds the weights of no network that is known here: it has {found}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Names of the first few tensors.
        found: String,
    },
    /// A tensor is missing or has another shape.
    #[error("{} is not laid out as {network}: {name} {}", path.display(), apart(found.as_deref(), wanted))]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The network that the file seems to hold.
        network: &'static str,
        /// Name of the tensor.
        name: String,
        /// Its shape in the file; none where it is missing.
        found: Option<Vec<usize>>,
        /// The shape that the network needs; zero stands for any length.
        wanted: Vec<usize>,
    },
    /// A classifier that was trained for other images.
    #[error("{} holds a classifier {what}", path.display())]
    OtherClassifier {
        /// The file.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
    /// Values of a type that is not read.
    #[error("{}: {name} has values of type {found}", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// Values that no trained network has.
    #[error("{}: {name} holds values that are not finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
    },
}

impl NetworkError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Read(error) => error.help(),
            Self::TooLarge(_) | Self::Format { .. } => {
                "save the weights with safetensors.torch.save_file(model.state_dict(), FILE)"
            }
            Self::Unknown { .. } | Self::Tensor { .. } => {
                "known are Inception-v3 with the names of pytorch-fid and torch-fidelity, and DINOv2 with \
                 those of transformers"
            }
            Self::OtherClassifier { .. } => {
                "name another file with --classifier: one that is not there yet is written"
            }
            Self::Type { .. } => "save the weights as float32, float16 or bfloat16",
            Self::NotFinite { .. } => "fetch the file again",
        }
    }
}

/// How a tensor differs from what is wanted.
fn apart(found: Option<&[usize]>, wanted: &[usize]) -> String {
    let axes: Vec<String> =
        wanted.iter().map(|axis| if *axis == 0 { "any".to_owned() } else { axis.to_string() }).collect();
    let wanted = axes.join(", ");
    match found {
        Some(found) => format!("is {found:?}, must be [{wanted}]"),
        None => format!("of shape [{wanted}] is missing"),
    }
}

/// Reads the file at `path` and hands its tensors to `build`.
///
/// # Errors
/// [`NetworkError`] for a file that cannot be read or is no safetensors file, and whatever `build` refuses.
pub fn read<T>(
    path: &Path,
    build: impl FnOnce(&Weights<'_>) -> Result<T, NetworkError>,
) -> Result<T, NetworkError> {
    let bytes = read_limited(path, LARGEST)?;
    if bytes.len() as u64 > LARGEST {
        return Err(NetworkError::TooLarge(path.to_owned()));
    }
    let refused = |e: safetensors::SafeTensorError| NetworkError::Format {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    let file = SafeTensors::deserialize(&bytes).map_err(refused)?;
    let metadata = SafeTensors::read_metadata(&bytes).map_err(refused)?.1.metadata().clone();
    build(&Weights { path, file, metadata: metadata.unwrap_or_default() })
}

/// The tensors of one file.
pub struct Weights<'a> {
    path: &'a Path,
    file: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl Weights<'_> {
    /// The file.
    pub fn path(&self) -> &Path {
        self.path
    }

    /// What the file says about itself under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.file.tensor(name).is_ok()
    }

    /// Why the file holds no network that is known.
    pub fn unknown(&self) -> NetworkError {
        let mut names: Vec<&str> = self.file.names();
        names.sort_unstable();
        let first = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let found = if first.is_empty() { "no tensors".to_owned() } else { format!("{first} …") };
        NetworkError::Unknown { path: self.path.to_owned(), found }
    }

    /// The shape of a tensor, whose axes have the lengths `wanted`; zero stands for any length.
    ///
    /// # Errors
    /// [`NetworkError::Tensor`] for one that is missing or has another shape.
    pub fn shape(
        &self,
        network: &'static str,
        name: &str,
        wanted: &[usize],
    ) -> Result<Vec<usize>, NetworkError> {
        let found = self.file.tensor(name).ok().map(|tensor| tensor.shape().to_vec());
        let fits = |shape: &Vec<usize>| {
            shape.len() == wanted.len() && shape.iter().zip(wanted).all(|(a, b)| *b == 0 && *a > 0 || a == b)
        };
        match found {
            Some(shape) if fits(&shape) => Ok(shape),
            found => Err(NetworkError::Tensor {
                path: self.path.to_owned(),
                network,
                name: name.to_owned(),
                found,
                wanted: wanted.to_vec(),
            }),
        }
    }

    /// The values of a tensor of shape `wanted`, as f32.
    ///
    /// # Errors
    /// [`NetworkError`] for a tensor that is missing or has another shape, for values of a type that is not
    /// read, and for such as are no numbers.
    pub fn values(
        &self,
        network: &'static str,
        name: &str,
        wanted: &[usize],
    ) -> Result<Vec<f32>, NetworkError> {
        self.shape(network, name, wanted)?;
        let Ok(tensor) = self.file.tensor(name) else { return Err(self.unknown()) };
        let kind = match tensor.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                let found = format!("{other:?}");
                return Err(NetworkError::Type { path: self.path.to_owned(), name: name.to_owned(), found });
            }
        };
        let data = TensorData::from_bytes_vec(tensor.data().to_vec(), tensor.shape().to_vec(), kind);
        let values: Vec<f32> =
            data.convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("converted to f32"));
        match values.iter().all(|v| v.is_finite()) {
            true => Ok(values),
            false => Err(NetworkError::NotFinite { path: self.path.to_owned(), name: name.to_owned() }),
        }
    }
}
