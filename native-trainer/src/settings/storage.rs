//! In which number format to store what a gallery holds.

use tailor_packs::{Manifest, Storage};

/// In which number format a gallery stores its matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageChoice {
    /// Half precision.
    #[default]
    F16,
    /// Single precision, which loses nothing.
    F32,
    /// Whole numbers of 8 bits with a scale for each channel.
    Int8,
}

impl From<StorageChoice> for Storage<'static> {
    fn from(choice: StorageChoice) -> Self {
        match choice {
            StorageChoice::F16 => Self::Usual,
            StorageChoice::F32 => Self::Single,
            StorageChoice::Int8 => Self::Int8,
        }
    }
}

impl StorageChoice {
    /// The choice with which a pack of this manifest was written; none when its formats are of another program's making.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let specs = manifest.specs();
        let types = manifest.storage().types(&specs).ok()?;
        let same = |choice: &Self| Storage::from(*choice).types(&specs).is_ok_and(|own| own == types);
        [Self::F16, Self::F32, Self::Int8].into_iter().find(same)
    }
}
