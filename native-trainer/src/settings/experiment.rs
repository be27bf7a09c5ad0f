//! What to run of an experiment, and how.

use std::ffi::OsString;
use std::path::PathBuf;

use super::device::DeviceSettings;

/// What to run of an experiment, and how.
#[derive(Clone, Debug)]
pub struct ExperimentSettings {
    /// The file that says what is compared.
    pub file: PathBuf,
    /// Folder for runs, galleries and results.
    pub out: PathBuf,
    /// Part `I` of `N`: of the runs, every `N`th from the `I`th on, counted from 0.
    pub part: (usize, usize),
    /// Runs that go on at once, each on its share of the cores.
    pub jobs: usize,
    /// The arguments of a program that carries out the same with one job.
    pub alone: Vec<OsString>,
    /// On which device.
    pub device: DeviceSettings,
}
