//! Everything that makes a command refuse, with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use tailor_packs::download::Problem;
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::{ConfigError, PackError};

use crate::data::DataError;
use crate::data::names::NameError;
use crate::data::splits::SplitError;
#[cfg(feature = "graph")]
use crate::metrics::MetricError;
#[cfg(feature = "graph")]
use crate::metrics::networks::weights::NetworkError;
use crate::system::files::{LockError, ReadError, WriteError};
use crate::system::grid::GridError;
use crate::system::output::{OutputError, without_password};
use crate::system::shell;
use crate::weights::WeightsError;

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The training data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A split that is none.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// Weights of another program that cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// No class can have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A result cannot be written where it is asked for.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Another program is at work in a folder, or the folder cannot be written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Images could not be drawn.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// A figure cannot be found.
    #[cfg(feature = "graph")]
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A file of weights makes no network.
    #[cfg(feature = "graph")]
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A model that cannot be assembled or sampled.
    #[error(transparent)]
    Model(#[from] tailor_core::ModelError),
    /// Sizes that no model has.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A pack or an index is not as it should be.
    #[error("{}: {source}", path.display())]
    Pack {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PackError,
    },
    /// A folder without an index.
    #[error("{} is no gallery: it holds no index.json", .0.display())]
    NoGallery(PathBuf),
    /// A gallery that is not there.
    #[error("there is no gallery at {}", .0.display())]
    Missing(PathBuf),
    /// A class that the gallery does not have.
    #[error("there is no class {asked:?} in {gallery}")]
    UnknownClass {
        /// What was asked for.
        asked: String,
        /// The gallery's id.
        gallery: String,
        /// Classes with similar names, or the first few.
        known: String,
    },
    /// A config file that says something else than a model and its training.
    #[error("{}: {reason}", path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        reason: String,
    },
    /// The file of an experiment says something else.
    #[error("{}: {reason}", path.display())]
    Experiment {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the arm and the key.
        reason: String,
        /// What to do; none where a look at such a file helps.
        help: Option<String>,
    },
    /// A training setting outside its range.
    #[error("{name} is {found}, must be {allowed}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A run that is to be resumed as another model.
    #[error("the run in {} was begun with another model than the one asked for", .0.display())]
    OtherModel(PathBuf),
    /// A server does not give a file of a gallery.
    #[error("{}: {}", without_password(url), said(problem, cause.as_deref()))]
    Download {
        /// The file's address.
        url: String,
        /// What is wrong.
        problem: Problem,
        /// What the system said when a connection failed last.
        cause: Option<String>,
    },
    /// `verify` found problems, each printed already.
    #[error("{problems} of {files} files are not as they should be")]
    Unsound {
        /// How many files have a problem.
        problems: usize,
        /// How many there are.
        files: usize,
    },
    /// The local server could not start.
    #[error("cannot serve on port {port}: {reason}")]
    Serve {
        /// The port.
        port: u16,
        /// What the system said.
        reason: String,
    },
    /// Anything else that is refused in words of its own.
    #[error("{what}")]
    Refused {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
}

impl Error {
    /// What the user can do about it, where the message does not say it already.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Data(error) => error.help(),
            Self::Split(error) => error.help(),
            Self::Weights(error) => error.help(),
            Self::Name(error) => error.help(),
            Self::Read(error) => error.help(),
            Self::Write(error) => error.help(),
            Self::Output(error) => error.help(),
            Self::Lock(error) => error.help(),
            #[cfg(feature = "graph")]
            Self::Metric(error) => return Some(error.help()),
            #[cfg(feature = "graph")]
            Self::Network(error) => error.help(),
            Self::Grid(error) => return error.help().map(str::to_owned),
            Self::Missing(_) | Self::NoGallery(_) => "name a folder that `tailor publish` wrote",
            Self::UnknownClass { known, .. } if known.is_empty() => "it has no classes",
            Self::UnknownClass { known, .. } => return Some(format!("it has {known}")),
            Self::ConfigFile { .. } => {
                "`tailor inspect --preset letters --toml` prints a config file to begin with"
            }
            Self::Experiment { help: Some(help), .. } => return Some(help.clone()),
            Self::Experiment { help: None, .. } => "`tailor experiment --help` shows such a file",
            Self::OtherModel(_) => {
                "leave out --preset, --config and --method to resume, or choose another --out"
            }
            Self::Download { problem: Problem::Elsewhere(to), .. } => {
                let gallery = to.split(['?', '#']).next().unwrap_or_default().trim_end_matches(INDEX_FILE);
                return Some(format!(
                    "if the gallery has moved there: tailor fetch {}",
                    shell::word(gallery)
                ));
            }
            // The first that is asked for: nothing has arrived yet.
            Self::Download { url, .. }
                if [INDEX_FILE, SIGNATURE_FILE].iter().any(|file| url.ends_with(file)) =>
            {
                "check the address, in a browser for instance, and the network"
            }
            Self::Download { .. } => "what arrived is kept: the same command goes on from there",
            Self::Unsound { .. } => "publish the gallery again, or fetch it again",
            Self::Serve { .. } => "choose another port, or --port 0 for any that is free",
            Self::Refused { help, .. } => return Some(help.clone()).filter(|help| !help.is_empty()),
            Self::Model(_) | Self::Config(_) | Self::Pack { .. } | Self::Setting { .. } => return None,
        };
        Some(help.to_owned())
    }

    /// For `map_err`: a file or folder at `path` that could not be read.
    pub fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let at = ReadError::at(path);
        move |source| Self::Read(at(source))
    }

    /// For `map_err`: a pack or index at `path` that was refused.
    pub fn pack(path: &Path) -> impl FnOnce(PackError) -> Self {
        let path = path.to_owned();
        move |source| Self::Pack { path, source }
    }
}

/// A problem in words for the command line, where no browser stands between.
fn said(problem: &Problem, cause: Option<&str>) -> String {
    let words = match problem {
        Problem::Unreachable => "the server cannot be reached".to_owned(),
        problem => problem.to_string(),
    };
    cause.map_or(words.clone(), |cause| format!("{words}: {cause}"))
}
