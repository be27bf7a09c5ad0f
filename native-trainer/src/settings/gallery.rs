//! What a gallery is to be: its names, cards and signature, and what is to be fetched of another.

use std::ffi::OsString;
use std::path::PathBuf;

use super::device::DeviceChoice;
use super::sampling::SamplingSettings;
use super::storage::StorageChoice;

/// What a pack's card says.
#[derive(Clone, Debug)]
pub struct CardSettings {
    /// Licence of the weights, as an SPDX expression.
    pub licence: Option<String>,
    /// One sentence on the data that the model was trained on.
    pub data_note: Option<String>,
    /// Who made it.
    pub authors: Vec<String>,
}

/// Who vouches for a gallery, and how long.
#[derive(Clone, Debug, Default)]
pub struct SigningSettings {
    /// Secret key that signs the index; its password is asked for, or taken from the environment.
    pub key: Option<PathBuf>,
    /// Public key that will sign from some later version on: the line of it, or its file.
    pub next_key: Option<OsString>,
    /// Days after which readers refuse the index.
    pub expires_in: Option<u32>,
}

/// What to publish, and as what. A gallery that is published again keeps what is not said here.
#[derive(Clone, Debug)]
pub struct PublishSettings {
    /// Folder of a training run.
    pub run: PathBuf,
    /// Folder of the gallery.
    pub out: PathBuf,
    /// Id of the model and gallery; none for the name of a new gallery's folder.
    pub id: Option<String>,
    /// Name for people; none for a new gallery's id.
    pub title: Option<String>,
    /// What the cards say.
    pub card: CardSettings,
    /// Who vouches for it.
    pub signing: SigningSettings,
    /// Whether to publish the weights themselves instead of their moving average.
    pub raw_weights: bool,
    /// Over how many of the last steps to take the mean of the kept checkpoints; none for the newest alone.
    pub average_steps: Option<u64>,
    /// In which number format to store the matrices of the learngene; none for that of the gallery that is there.
    pub learngene_storage: Option<StorageChoice>,
    /// The same of the tailors.
    pub tailor_storage: Option<StorageChoice>,
    /// How the gallery says to sample.
    pub sampling: SamplingSettings,
    /// Samples in each pack's preview; 0 for no preview.
    pub previews: Option<u32>,
    /// Where to compute the previews.
    pub device: DeviceChoice,
}

/// What to fetch, and whom to trust.
#[derive(Clone, Debug, Default)]
pub struct FetchSettings {
    /// Address of the gallery, of its index, or of a page that shows it.
    pub url: String,
    /// Classes by id or name.
    pub classes: Vec<String>,
    /// Whether to fetch every class.
    pub all_classes: bool,
    /// Folder for the gallery; none for the last part of the address.
    pub out: Option<PathBuf>,
    /// Key that must have signed the gallery: the line that begins with RW, or a file.
    pub public_key: Option<OsString>,
    /// The fingerprint of a key to trust, or `yes` for any; none to ask.
    pub trust: Option<String>,
}
