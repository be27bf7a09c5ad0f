//! Which plain model to take over from another program, or to hand to one.

use std::path::PathBuf;

use tailor_packs::Gelu;

use super::gallery::{CardSettings, SigningSettings};
use super::storage::StorageChoice;

/// A checkpoint of DiT to make a gallery of.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// The file of weights.
    pub weights: PathBuf,
    /// Folder of the gallery, which must be new.
    pub out: PathBuf,
    /// A text file with the name of each class, one a line, in the order of the label table.
    pub classes: Option<PathBuf>,
    /// Attention heads; none for those of DiT's sizes, or what the file says.
    pub heads: Option<u32>,
    /// The activation; none for DiT's, or what the file says.
    pub gelu: Option<Gelu>,
    /// In which number format to store the matrices.
    pub storage: StorageChoice,
    /// Id of the model and gallery; none for the name of the folder.
    pub id: Option<String>,
    /// Name for people; none for the id.
    pub title: Option<String>,
    /// What the cards say.
    pub card: CardSettings,
    /// Who vouches for it.
    pub signing: SigningSettings,
}

/// A gallery's model to hand to other programs.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    /// Folder of the gallery.
    pub gallery: PathBuf,
    /// Classes by id or name; none for every class of a plain model.
    pub classes: Vec<String>,
    /// The file, whose ending says what it is to be.
    pub out: PathBuf,
}
