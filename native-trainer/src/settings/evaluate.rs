//! What to judge, and how thoroughly.

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
