//! Galleries of constant values, written as `tailor publish` writes them.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::path::{Path, PathBuf};

use tailor_packs::publish;
use tailor_packs::{Card, Class, Contents, Index, ModelConfig, NewFile, Sampling, TensorSpec, Tensors};
use tailor_trainer::gallery::sign::{Signing, keygen};
use tailor_trainer::settings::gallery::SigningSettings;

/// A gallery in a folder, before it is published.
pub(crate) struct Draft {
    pub(crate) folder: PathBuf,
    pub(crate) index: Index,
}

fn fill(specs: Vec<TensorSpec>, values: impl Fn(&TensorSpec) -> Vec<f32>) -> Tensors {
    let mut tensors = Tensors::new();
    for spec in specs {
        tensors.insert(&spec.name, &spec.shape, values(&spec)).unwrap();
    }
    tensors
}

impl Draft {
    /// A model of this preset, every value of which is `value`, with the classes `c0`, `c1`, … called `Class 0`, ….
    pub(crate) fn new(folder: &Path, preset: &str, value: f32, classes: usize) -> Self {
        let classes: Vec<_> = (0..classes).map(|n| (format!("c{n}"), format!("Class {n}"))).collect();
        Self::of(folder, preset, value, &classes)
    }

    /// The same with classes of these ids and names.
    pub(crate) fn of(folder: &Path, preset: &str, value: f32, classes: &[(String, String)]) -> Self {
        let config = ModelConfig::preset(preset).unwrap();
        Self::with(folder, &config, |spec| vec![value; spec.len()], classes)
    }

    /// A model of these sizes, with what `values` says for each tensor.
    pub(crate) fn with(
        folder: &Path,
        config: &ModelConfig,
        values: impl Fn(&TensorSpec) -> Vec<f32>,
        classes: &[(String, String)],
    ) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (shared, own) =
            (fill(config.learngene_tensors(), &values), fill(config.tailor_tensors(), &values));
        let card = Card { title: "Test".into(), ..Card::default() };
        let contents = Contents { steps: 3, ..Contents::new("test", config, &shared, &card) };
        let save = |file: NewFile| fs::write(folder.join(&file.entry.path), &file.bytes).unwrap();
        let sampling = Sampling { sampler: "euler".into(), steps: 2, guidance: 1.5 };
        let (mut draft, learngene) = publish::Draft::new(&contents, "Test", sampling).unwrap();
        save(learngene);
        for (id, name) in classes {
            let class = Class { id: id.clone(), name: name.clone(), wordnet: None };
            save(draft.add(&Contents { tensors: &own, ..contents }, &class).unwrap());
        }
        Self { folder: folder.to_owned(), index: draft.finish() }
    }

    /// Writes the index, signed if there is a key, with the real writer.
    pub(crate) fn publish(&mut self, key: Option<&Path>) {
        let settings = SigningSettings { key: key.map(Path::to_owned), ..SigningSettings::default() };
        Signing::new(&settings, &self.folder).unwrap().write(&self.folder, &mut self.index).unwrap();
    }
}

/// A new key: the secret one's path and the public one's.
pub(crate) fn key(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let name = folder.join(name);
    keygen(&name, true).unwrap();
    (name.with_extension("key"), name.with_extension("pub"))
}
