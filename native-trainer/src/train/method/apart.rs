//! The learngene of a network that comes apart, alone, as the plain network that it is.

use tailor_packs::ModelConfig;

use super::{Start, Starting};
use crate::error::Error;
use crate::weights::fold::{folded, plain};

/// The config of the plain network.
pub(super) fn network(base: &ModelConfig) -> ModelConfig {
    plain(base)
}

/// The plain network, every matrix of the learngene multiplied out (KIND, eq. 5).
///
/// # Errors
/// [`Error::Refused`] when a tensor is missing, which reading the base's file has made sure of.
pub(super) fn start(from: &Starting<'_>) -> Result<Start, Error> {
    let refused = |why: String| Error::Refused { what: why, help: String::new() };
    let config = &from.base.manifest.config;
    let (plain, tensors) = folded(config, &from.base.tensors, None).map_err(|e| refused(e.to_string()))?;
    let values = tensors.to_flat(&plain.learngene_tensors()).map_err(|e| refused(e.to_string()))?;
    Ok(Start { values, ..Start::default() })
}
