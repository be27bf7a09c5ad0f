//! What a run notes of its data in its folder, for its reports.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use tailor_packs::Digest;

use crate::data::Dataset;
use crate::data::splits::Split;
use crate::error::Error;
use crate::system::files::{WriteError, read_limited, write_atomic};
use crate::system::{output, shell};

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
    /// The split that chose the classes, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Whether the split makes white of black; none in a note from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverted: Option<bool>,
    /// SHA-256 of the images, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// What taught classes began with, as [`DataCard::begun_with`] says it; none in a note from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
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
            split: None,
            inverted: Some(false),
            sha256: None,
            begun: None,
        }
    }

    /// What taught classes begin with: chance, or the SHA-256 of the tailor with these values.
    pub fn begun_with(tailor: Option<&[f32]>) -> String {
        let bytes =
            |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
        tailor.map_or("chance".to_owned(), |values| Digest::of(&bytes(values)).to_string())
    }

    /// The same, of data whose classes were chosen by `split`, which was asked for as `asked`.
    #[must_use]
    pub fn with_split(self, asked: Option<&OsStr>, split: Option<&Split>) -> Self {
        let asked = asked.map(|asked| asked.to_string_lossy().into_owned());
        Self { split: asked, inverted: Some(split.is_some_and(|split| split.invert)), ..self }
    }

    /// Refuses to go on with the run in `run` where black and white have changed places since it was begun.
    ///
    /// # Errors
    /// [`Error::Refused`] with the split to go on with.
    pub fn continues(&self, run: &Path) -> Result<(), Error> {
        let Some(noted) = Self::read(run) else { return Ok(()) };
        if noted.inverted.is_none() || noted.inverted == self.inverted {
            return Ok(());
        }
        let said = |inverted: &Option<bool>| if *inverted == Some(true) { "inverted" } else { "as they are" };
        Err(Error::Refused {
            what: format!(
                "the run in {} was begun with the images {}, and these are {}",
                output::shown(run),
                said(&noted.inverted),
                said(&self.inverted)
            ),
            help: match &noted.split {
                Some(split) => format!("go on with --split {}", shell::word(split)),
                None => "go on without --split".to_owned(),
            },
        })
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
