//! Makes the files of a new gallery, in the order in which to write them: learngene, packs, index.
//!
//! ```
//! # use tailor_packs::{*, publish::Draft};
//! # fn save(_: &NewFile) {}
//! # fn main() -> Result<()> {
//! # let config = ModelConfig::preset("tiny")?;
//! # let fill = |specs: Vec<TensorSpec>| -> Result<Tensors> {
//! #     let mut tensors = Tensors::new();
//! #     for spec in specs { tensors.insert(&spec.name, &spec.shape, vec![0.5; spec.len()])?; }
//! #     Ok(tensors)
//! # };
//! # let (shared, own) = (fill(config.learngene_tensors())?, fill(config.tailor_tensors())?);
//! # let card = Card::default();
//! # let class = Class { id: "a".into(), name: "A".into(), wordnet: None };
//! let contents = Contents::new("letters", &config, &shared, &card);
//! let sampling = Sampling { sampler: "heun".into(), steps: 12, guidance: 2.0 };
//! let (mut draft, learngene) = Draft::new(&contents, "Letters", sampling)?;
//! save(&learngene);
//! save(&draft.add(&Contents { tensors: &own, ..contents }, &class)?);
//! let index = draft.finish();
//! assert_eq!(Index::parse(&index.to_json()?)?, index);
//! # Ok(())
//! # }
//! ```

use crate::digest::Digest;
use crate::error::Result;
use crate::file::{FileEntry, learngene_file_name, tailor_file_name};
use crate::format::manifest::Class;
use crate::format::pack::{Contents, write_learngene, write_tailor};
use crate::trust::index::{ClassEntry, Index, Sampling};
use crate::trust::shards::NewFile;

/// A gallery that is being written. Its files are named by their content.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    index: Index,
}

impl Draft {
    /// Begins a gallery whose learngene file holds `contents` and whose id is the model's. Returns
    /// it with that file.
    ///
    /// # Errors
    /// As [`write_learngene`] and [`Index::new`].
    pub fn new(contents: &Contents<'_>, title: &str, sampling: Sampling) -> Result<(Self, NewFile)> {
        let bytes = write_learngene(contents)?;
        let entry = FileEntry::of(learngene_file_name(contents.model, &Digest::of(&bytes)), &bytes);
        let index = Index::new(contents.model, title, contents.config, sampling, entry.clone())?;
        Ok((Self { index }, NewFile { entry, bytes }))
    }

    /// Adds a class whose pack holds `contents`, of the same model and config. Returns the pack's
    /// file.
    ///
    /// # Errors
    /// As [`write_tailor`].
    pub fn add(&mut self, contents: &Contents<'_>, class: &Class) -> Result<NewFile> {
        let bytes = write_tailor(contents, self.index.learngene.sha256, class)?;
        let entry = FileEntry::of(tailor_file_name(&class.id, &Digest::of(&bytes)), &bytes);
        self.index.classes.push(ClassEntry::new(class, entry.clone()));
        Ok(NewFile { entry, bytes })
    }

    /// Returns the index with every class in it, unsigned and with version 1.
    pub fn finish(self) -> Index {
        self.index
    }
}
