//! What of a gallery to remove in thought, and how thoroughly to look for it in the rest.

use std::path::PathBuf;

use super::evaluate::EvaluateSettings;

/// What to remove, and how the rest is judged.
#[derive(Clone, Debug, Default)]
pub struct LeakageSettings {
    /// Gallery, data, classifier, samples and seed. Its classes are those whose tailors are asked for the removed ones;
    /// none for all that stay.
    pub evaluate: EvaluateSettings,
    /// Classes that are removed together, by id or name.
    pub removed: Vec<String>,
    /// Folder of another gallery of the same classes to compare with, such as one of a plain network.
    pub reference: Option<PathBuf>,
}
