//! What to judge, and how thoroughly.

use std::ffi::OsString;
use std::path::PathBuf;

use super::device::DeviceChoice;
use super::sampling::SamplingSettings;

/// What to judge, and how thoroughly.
#[derive(Clone, Debug)]
pub struct EvaluateSettings {
    /// Folder of a gallery.
    pub gallery: PathBuf,
    /// The real images, one folder per class.
    pub data: PathBuf,
    /// Which classes of them to use: the name of a split, or its file; none for all.
    pub split: Option<OsString>,
    /// Classes to sample, by id or name; none for every class that data and gallery have.
    pub classes: Vec<String>,
    /// Samples of each class.
    pub per_class: usize,
    /// One source in so many is held out from the classifier's training.
    pub hold_out: usize,
    /// Passes of the classifier over its training images.
    pub epochs: usize,
    /// Seed of the classifier and of the first sample.
    pub seed: u64,
    /// How to sample.
    pub sampling: SamplingSettings,
    /// Where to compute.
    pub device: DeviceChoice,
}

impl Default for EvaluateSettings {
    fn default() -> Self {
        Self {
            gallery: PathBuf::new(),
            data: PathBuf::new(),
            split: None,
            classes: Vec::new(),
            per_class: 100,
            hold_out: 10,
            epochs: 4,
            seed: 7,
            sampling: SamplingSettings::default(),
            device: DeviceChoice::Auto,
        }
    }
}
