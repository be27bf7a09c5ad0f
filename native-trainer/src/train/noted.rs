//! What a run notes of its data in its folder, for its reports.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use tailor_packs::Digest;

use crate::data::Dataset;
use crate::system::files::{WriteError, read_limited, write_atomic};
use crate::system::output;

/// The note's name in the run's folder.
const DATA: &str = "data.json";

/// What a run learns from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DataCard {
    /// Where it lies.
    pub path: String,
    /// Number of images.
    pub images: usize,
    /// Name and number of images of each class.
    pub classes: Vec<(String, usize)>,
    /// Path of each image left out, and why.
    pub skipped: Vec<(String, String)>,
    /// SHA-256 of the images, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl DataCard {
    /// The card of `data`, which lies at `path`.
    pub fn of(path: &Path, data: &Dataset) -> Self {
        let skipped = data.skipped.iter().map(|(path, why)| (path.display().to_string(), why.clone()));
        Self {
            path: path.display().to_string(),
            images: data.len(),
            classes: data.classes.iter().map(|class| (class.name.clone(), class.count)).collect(),
            skipped: skipped.collect(),
            sha256: None,
        }
    }

    /// Where it stands in the folder of the run in `run`.
    pub(crate) fn place(run: &Path) -> PathBuf {
        run.join(DATA)
    }

    /// Notes it in the folder of the run in `run`.
    ///
    /// # Errors
    /// [`WriteError`] names the file.
    pub fn note(&self, run: &Path) -> Result<(), WriteError> {
        write_atomic(&Self::place(run), output::json(self).as_bytes())
    }

    /// What the run in `run` has noted; none for a run that was begun elsewhere, or whose note is gone.
    pub fn read(run: &Path) -> Option<Self> {
        serde_json::from_slice(&read_limited(&Self::place(run), u64::MAX).ok()?).ok()
    }
}
