//! Why a figure cannot be found.

use std::path::PathBuf;

use super::frechet::FrechetError;

/// Why a figure cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// There are fewer images than the figure needs to mean anything.
    #[error("{metric} in the features of {network} needs {needed} {what}, and there are {found}")]
    TooFew {
        /// The figure.
        metric: &'static str,
        /// Whose features it is found in.
        network: &'static str,
        /// Which images are too few.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A figure is asked for that is found in the features of a network whose weights were not given.
    #[error("{metric} is found in the features of {network}, whose weights are not there")]
    NoNetwork {
        /// The figure.
        metric: &'static str,
        /// The network.
        network: &'static str,
    },
    /// Weights were given that no figure needs.
    #[error("{} holds {network}, which none of the figures asked for is found with", path.display())]
    Unused {
        /// The file.
        path: PathBuf,
        /// The network in it.
        network: &'static str,
    },
    /// Two files hold networks of one kind.
    #[error("{} holds {network}, as another file does", path.display())]
    Twice {
        /// The second file.
        path: PathBuf,
        /// The network in it.
        network: &'static str,
    },
    /// Features that have no distance.
    #[error("{network}: {source}")]
    Frechet {
        /// Whose features they are.
        network: &'static str,
        /// Why they have none.
        source: FrechetError,
    },
}

impl MetricError {
    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            Self::TooFew { what, needed, .. } if *what == "samples" => {
                format!(
                    "ask for more with --per-class, {needed} in all, or leave the figure out of --metrics"
                )
            }
            Self::TooFew { .. } => {
                "name --data with more images, or leave the figure out of --metrics".into()
            }
            Self::NoNetwork { .. } => "name the safetensors file of its weights with --features".into(),
            Self::Unused { .. } => {
                "leave the file out, or ask for a figure that needs it in --metrics".into()
            }
            Self::Twice { .. } => "name one file for each network with --features".into(),
            Self::Frechet { .. } => {
                "check that the file of weights is whole, and that the gallery's images are \
                                     not all the same"
                    .into()
            }
        }
    }
}
