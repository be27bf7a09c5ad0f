//! Galleries of constant values, written as `tailor publish` writes them.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::path::{Path, PathBuf};

use tailor_packs::index::{INDEX_VERSION, learngene_file_name, tailor_file_name};
use tailor_packs::{
    Card, Class, ClassEntry, Contents, Digest, FileEntry, Index, ModelConfig, Parameters, Sampling,
    TensorSpec, Tensors, Weights, write_learngene, write_tailor,
};
use tailor_trainer::cli::{KeygenArgs, SigningFlags};
use tailor_trainer::sign::{Signing, keygen};

/// A gallery in a folder, before it is published.
pub(crate) struct Draft {
    pub(crate) folder: PathBuf,
    pub(crate) index: Index,
}

fn fill(specs: Vec<TensorSpec>, value: f32) -> Tensors {
    let mut tensors = Tensors::new();
    for spec in specs {
        tensors.insert(&spec.name, &spec.shape, vec![value; spec.len()]).unwrap();
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
        fs::create_dir_all(folder).unwrap();
        let config = ModelConfig::preset(preset).unwrap();
        let (shared, own) = (fill(config.learngene_tensors(), value), fill(config.tailor_tensors(), value));
        let card = Card { title: "Test".into(), ..Card::default() };
        let (weights, steps, preview) = (Weights::Ema, 3, None);
        let contents = |tensors| Contents {
            model: "test",
            config: &config,
            weights,
            steps,
            tensors,
            card: &card,
            preview,
        };
        let save = |name: String, bytes: Vec<u8>| {
            fs::write(folder.join(&name), &bytes).unwrap();
            FileEntry::of(name, &bytes)
        };
        let bytes = write_learngene(&contents(&shared)).unwrap();
        let digest = Digest::of(&bytes);
        let learngene = save(learngene_file_name("test", &digest), bytes);
        let classes = classes.iter().map(|(id, name)| {
            let class = Class { id: id.clone(), name: name.clone(), wordnet: None };
            let bytes = write_tailor(&contents(&own), digest, &class).unwrap();
            ClassEntry::new(&class, save(tailor_file_name(&class.id, &Digest::of(&bytes)), bytes))
        });
        let classes = classes.collect();
        let index = Index {
            format: INDEX_VERSION,
            id: "test".into(),
            title: "Test".into(),
            version: 1,
            expires: None,
            key: None,
            next_key: None,
            parameters: Parameters::of(&config).unwrap(),
            config,
            sampling: Sampling { sampler: "euler".into(), steps: 2, guidance: 1.5 },
            learngene,
            classes,
            shards: Vec::new(),
            names: None,
        };
        Self { folder: folder.to_owned(), index }
    }

    /// Writes the index, signed if there is a key, with the real writer.
    pub(crate) fn publish(&mut self, key: Option<&Path>) {
        let flags = SigningFlags { key: key.map(Path::to_owned), ..SigningFlags::default() };
        Signing::new(&flags, &self.folder).unwrap().write(&self.folder, &mut self.index).unwrap();
    }
}

/// A new key: the secret one's path and the public one's.
pub(crate) fn key(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let name = folder.join(name);
    keygen(&KeygenArgs { name: name.clone(), no_password: true, json: false }).unwrap();
    (name.with_extension("key"), name.with_extension("pub"))
}
