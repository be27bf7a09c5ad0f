//! What to run of an experiment, and how.

use std::ffi::OsString;
use std::path::PathBuf;

use super::device::DeviceSettings;

/// What to run of an experiment, and how.
#[derive(Clone, Debug)]
pub struct ExperimentSettings {
    /// The file that says what is compared.
    pub file: PathBuf,
    /// Which classes of the images to use instead of the split that the file names: a split's name, or its file.
    pub split: Option<OsString>,
    /// Folder for runs, galleries and results.
    pub out: PathBuf,
    /// Part `I` of `N`, counted from 0: the runs of every `N`th training from the `I`th on.
    pub part: (usize, usize),
    /// Runs that go on at once, each on its share of the cores.
    pub jobs: usize,
    /// The arguments of a program that carries out the same with one job.
    pub alone: Vec<OsString>,
    /// On which device.
    pub device: DeviceSettings,
}

/// What the pictures of an experiment's report show.
#[derive(Clone, Debug, Default)]
pub struct PictureSettings {
    /// Classes by id or name; none for some that are evenly spread.
    pub classes: Vec<String>,
    /// The seed whose runs are shown; none for the first.
    pub seed: Option<u64>,
}
