//! Where a gallery's folder was fetched from, as the folder remembers it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tailor_packs::Trust;

use crate::error::Error;
use crate::system::files::{WriteError, read_limited, write_atomic};
use crate::system::output::json;

/// What a folder remembers of the gallery that was fetched into it. Its presence says that classes may be
/// missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The gallery's address, with its last slash.
    pub url: String,
    /// Who is trusted to sign it.
    pub trust: Trust,
}

impl Origin {
    /// Its name in the folder.
    pub(crate) const FILE: &str = ".tailor-fetch.json";
    /// A gallery's id, its address and three keys are less.
    const LIMIT: u64 = 64 << 10;

    /// What the folder remembers, if anything was fetched into it.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Refused`] for a file that cannot be understood, rather than to trust anew.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(Self::FILE);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read_limited(&path, Self::LIMIT)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Refused {
            what: format!("{}: {error}", path.display()),
            help: "remove it, and the gallery's key must be trusted anew".to_owned(),
        })
    }

    /// Remembers it in the folder.
    ///
    /// # Errors
    /// [`WriteError`] names the file.
    pub fn write(&self, folder: &Path) -> Result<(), WriteError> {
        write_atomic(&folder.join(Self::FILE), json(self).as_bytes())
    }
}
