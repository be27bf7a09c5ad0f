//! The trained network that a method adapts, as it lies in the folder of a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailor_packs::{
    Card, Contents, Digest, FactoredSet, Learngene, Manifest, ModelConfig, Storage, Tensors, read_learngene,
    write_learngene,
};

use super::method::{Adaption, METHODS, Method, MethodHeader, Task, Trains, named, usual_matrices};
use crate::compute::device::Device;
use crate::error::Error;
use crate::system::files::read_limited;

/// A trained network: the learngene file of its gallery.
#[derive(Debug)]
pub struct Base {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// SHA-256 of it.
    pub digest: Digest,
    /// What it holds.
    pub learngene: Learngene,
}

impl Base {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Pack`] for the file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::begun_with(path, None)
    }

    /// Reads the file at `path`, which a run was begun with.
    ///
    /// # Errors
    /// Those of [`Base::open`], and [`Error::Refused`] when it is not the one with this digest.
    pub fn read(path: &Path, digest: Digest) -> Result<Self, Error> {
        Self::begun_with(path, Some(digest))
    }

    fn begun_with(path: &Path, expected: Option<Digest>) -> Result<Self, Error> {
        let bytes = read_limited(path, tailor_packs::limits::FILE)?;
        let digest = Digest::of(&bytes);
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(Error::Refused {
                what: format!("{} is not the network with which the run was begun", path.display()),
                help: format!(
                    "restore the file with the SHA-256 {expected}, or begin again in another --out"
                ),
            });
        }
        Self::with_digest(bytes, digest, path)
    }

    /// The network whose file, `path`, holds these bytes.
    ///
    /// # Errors
    /// [`Error::Pack`] for the file.
    pub fn of(bytes: Vec<u8>, path: &Path) -> Result<Self, Error> {
        let digest = Digest::of(&bytes);
        Self::with_digest(bytes, digest, path)
    }

    fn with_digest(bytes: Vec<u8>, digest: Digest, path: &Path) -> Result<Self, Error> {
        let learngene = read_learngene(&bytes).map_err(Error::pack(path))?;
        Ok(Self { bytes, digest, learngene })
    }

    /// A network of this config with these flat values, built of `from`; its file lies, or will lie, at `path`. Values
    /// are kept to the last bit.
    ///
    /// # Errors
    /// [`Error::Pack`] for a value that is no finite number.
    pub fn built(config: &ModelConfig, values: &[f32], from: &Self, path: &Path) -> Result<Self, Error> {
        let refused = Error::pack(path);
        let write = || {
            let tensors = Tensors::from_flat(&config.learngene_tensors(), values)?;
            let Manifest { model, weights, .. } = &from.learngene.manifest;
            let card = Card { metrics: Default::default(), ..from.learngene.card.clone() };
            let contents = Contents::new(model, config, &tensors, &card);
            write_learngene(&Contents { weights: *weights, storage: Storage::Single, ..contents })
        };
        Self::of(write().map_err(refused)?, path)
    }

    /// The network's flat values.
    ///
    /// # Errors
    /// [`Error::Refused`] when a tensor is missing, which reading the file has made sure of.
    pub fn values(&self) -> Result<Vec<f32>, Error> {
        let config = &self.learngene.manifest.config;
        let refused =
            |e: tailor_packs::PackError| Error::Refused { what: e.to_string(), help: String::new() };
        self.learngene.tensors.to_flat(&config.learngene_tensors()).map_err(refused)
    }
}

/// Where the network lies in the folder of a run.
pub fn base_file(run: &Path) -> PathBuf {
    run.join("base.learngene")
}

/// The method of a name that was asked for.
///
/// # Errors
/// [`Error::Refused`] when there is none.
pub fn method_named(name: &str) -> Result<&'static dyn Method, Error> {
    named(name).ok_or_else(|| Error::Refused {
        what: format!("there is no method {name:?}"),
        help: format!("it may be {}", METHODS.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ")),
    })
}

/// The method of a header.
///
/// # Errors
/// [`Error::Refused`] when this program does not know it.
pub fn method_of(header: &MethodHeader) -> Result<&'static dyn Method, Error> {
    named(&header.name).ok_or_else(|| Error::Refused {
        what: format!("the run's method, {}, is not known here", header.name),
        help: "go on with the program that began it, or a newer one".to_owned(),
    })
}

/// What the method of a header makes of the network `base` on a device, if it adapts matrices.
///
/// # Errors
/// [`Error::Refused`] when it cannot be had in this build, or not at the header's rank.
pub fn adaption(
    header: &MethodHeader,
    base: &Base,
    seed: u64,
    device: &Device,
) -> Result<Option<Arc<Adaption>>, Error> {
    let method = method_of(header)?;
    if method.trains() != Trains::Matrices {
        return Ok(None);
    }
    let matrices = header.matrices.clone().unwrap_or_else(usual_matrices);
    adapted(method, header.rank, &matrices, &base.learngene.manifest.config, base.values()?, seed, device)
}

/// The same of a plain network of this config with these flat values, beside the matrices of a set.
///
/// # Errors
/// Those of [`adaption`].
#[cfg(feature = "graph")]
pub fn adapted(
    method: &'static dyn Method,
    rank: Option<usize>,
    matrices: &FactoredSet,
    config: &ModelConfig,
    values: Vec<f32>,
    seed: u64,
    device: &Device,
) -> Result<Option<Arc<Adaption>>, Error> {
    let adaption =
        Adaption::new(method, rank.unwrap_or(1), matrices, config, values, seed, &device.for_graph())?;
    Ok(Some(Arc::new(adaption)))
}

/// There is none in a build without Burn.
///
/// # Errors
/// [`Error::Refused`].
#[cfg(not(feature = "graph"))]
pub fn adapted(
    method: &'static dyn Method,
    rank: Option<usize>,
    _: &FactoredSet,
    config: &ModelConfig,
    _: Vec<f32>,
    _: u64,
    _: &Device,
) -> Result<Option<Arc<Adaption>>, Error> {
    check(method, rank, None, config)?;
    Ok(None)
}

/// Some task, to ask whether a method has a rank at all.
const ANY: Task = Task { classes: 1, width: 4, components: 1, depth: 1 };

/// Refuses a method that this build does not have, a rank that it or the network's matrices do not have, and a number of
/// blocks that it does not have, before anything is read for it.
///
/// # Errors
/// [`Error::Refused`].
pub fn check(
    method: &dyn Method,
    rank: Option<usize>,
    depth: Option<usize>,
    config: &ModelConfig,
) -> Result<(), Error> {
    if let (Some(rank), None) = (rank, method.rank(&ANY)) {
        return Err(Error::Refused {
            what: format!("a rank of {rank} is asked for, but {} has no rank", method.name()),
            help: "leave the rank out".to_owned(),
        });
    }
    match (method.keeps(), depth) {
        (Some(keeps), _) => {
            if let Some((flag, why)) = keeps.refuse(config.depth as usize, rank, depth) {
                let asked = if flag == "--rank" { rank } else { depth }.unwrap_or_default();
                return Err(Error::Refused {
                    what: format!("{flag} {asked} cannot be had with {}: {why}", method.name()),
                    help: format!("choose another {flag}, or leave it out"),
                });
            }
        }
        (None, Some(depth)) => {
            return Err(Error::Refused {
                what: format!(
                    "a depth of {depth} is asked for, but {} builds no network of another depth",
                    method.name()
                ),
                help: "leave the depth out".to_owned(),
            });
        }
        (None, None) => {}
    }
    if method.trains() != Trains::Matrices {
        return Ok(());
    }
    #[cfg(feature = "graph")]
    return match rank {
        Some(rank) => Adaption::check(method, rank, config),
        None => Ok(()),
    };
    #[cfg(not(feature = "graph"))]
    {
        let _ = (rank, config);
        Err(Error::Refused {
            what: format!("this build cannot train by {}: its gradients are Burn's", method.name()),
            help: "build one that can with: cargo install --path native-trainer --features graph".to_owned(),
        })
    }
}
