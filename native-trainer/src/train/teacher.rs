//! The network that teaches another in training (LAPTOP-Diff, arXiv 2404.11098).

use std::path::{Path, PathBuf};

use tailor_core::ModelError;
use tailor_core::engine::{Features, Network, Pool, Sample};
use tailor_packs::{Digest, ModelConfig, Storage, TensorSpec, Tensors};

use super::base::method_of;
use super::method::MethodHeader;
use crate::error::Error;
use crate::system::files::{read_limited, write_atomic};

/// A trained network with a label for each class of a run, which stays as it is.
#[derive(Debug)]
pub struct Teacher {
    /// Its sizes; nothing is factored.
    pub config: ModelConfig,
    /// Flat values of the network.
    pub values: Vec<f32>,
    /// The label's row `[D]` of each class of the run, by number.
    pub labels: Vec<Vec<f32>>,
    /// For each block of the network that is taught the teacher's block of which it comes.
    pub kept: Vec<usize>,
    network: Network,
    pool: Pool,
}

/// Where it lies in the folder of a run.
pub fn teacher_file(run: &Path) -> PathBuf {
    run.join("teacher.safetensors")
}

/// Every tensor of the file: those of the network, then the label's rows.
fn specs(config: &ModelConfig, classes: usize) -> Vec<TensorSpec> {
    let labels = TensorSpec { name: "labels".to_owned(), shape: vec![classes, config.width as usize] };
    config.learngene_tensors().into_iter().chain([labels]).collect()
}

impl Teacher {
    /// A teacher of these parts.
    ///
    /// # Errors
    /// [`Error::Model`] for a config that the processor's engine does not know.
    pub fn new(
        config: ModelConfig,
        values: Vec<f32>,
        labels: Vec<Vec<f32>>,
        kept: Vec<usize>,
    ) -> Result<Self, Error> {
        let network = Network::new(&config).map_err(ModelError::from)?;
        Ok(Self { config, values, labels, kept, network, pool: Pool::default() })
    }

    /// Writes it into the folder of a run, and returns the file's digest.
    ///
    /// # Errors
    /// [`Error::Pack`] for a value that is no finite number, [`Error::Write`].
    pub fn keep(&self, run: &Path) -> Result<Digest, Error> {
        let path = teacher_file(run);
        let specs = specs(&self.config, self.labels.len());
        let all = [&self.values[..], &self.labels.concat()].concat();
        let bytes = Tensors::from_flat(&specs, &all)
            .and_then(|tensors| tensors.to_safetensors_as(&specs, Storage::Single))
            .map_err(Error::pack(&path))?;
        write_atomic(&path, &bytes)?;
        Ok(Digest::of(&bytes))
    }

    /// The teacher of a run that trains a network of `config` on so many classes; none where the run has none.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Pack`], or [`Error::Refused`] when the file is not the one with which the run was begun.
    pub fn of(
        run: &Path,
        header: &MethodHeader,
        config: &ModelConfig,
        classes: usize,
    ) -> Result<Option<Self>, Error> {
        let (Some(digest), Some(kept), Some(all)) = (header.teacher, &header.kept, header.of) else {
            return match method_of(header)?.is_taught() {
                false => Ok(None),
                true => Err(Error::Refused {
                    what: format!("the run in {} does not name the network that teaches it", run.display()),
                    help: "restore its checkpoint from a copy, or begin again in another --out".to_owned(),
                }),
            };
        };
        let path = teacher_file(run);
        let refused = |what: &str| Error::Refused {
            what: format!("{} {what}", path.display()),
            help: format!("restore the file with the SHA-256 {digest}, or begin again in another --out"),
        };
        let bytes = read_limited(&path, tailor_packs::limits::FILE)?;
        if Digest::of(&bytes) != digest {
            return Err(refused("is not the network with which the run was begun"));
        }
        let taught = config.depth as usize;
        let config = ModelConfig { depth: all, ..config.clone() };
        if kept.len() != taught
            || config.validate().is_err()
            || kept.iter().any(|block| *block >= all as usize)
        {
            return Err(refused("has other blocks than the run"));
        }
        let specs = specs(&config, classes);
        let tensors =
            Tensors::from_safetensors_as(&bytes, &specs, Storage::Single).map_err(Error::pack(&path))?;
        let mut values = tensors.to_flat(&specs).map_err(Error::pack(&path))?;
        let labels = values.split_off(values.len() - classes * config.width as usize);
        let labels = labels.chunks_exact(config.width as usize).map(<[f32]>::to_vec).collect();
        Ok(Some(Self::new(config, values, labels, kept.clone())?))
    }

    /// What it makes of each of `samples`, on the processor, as is wanted of the network that is taught.
    pub fn features(&self, samples: &[Sample<'_>]) -> Vec<Features> {
        let label = |class: usize| &self.labels[class][..];
        self.network.features(&self.values, label, samples, &self.kept, &self.pool)
    }
}
