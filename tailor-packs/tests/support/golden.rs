//! Galleries that must be read for ever as they were read when they were made, and what was read then.
#![allow(dead_code, unreachable_pub)]

use crate::mutants::Random;
use crate::support::*;
use std::path::{Path, PathBuf};
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE, learngene_file_name, tailor_file_name};
use tailor_packs::*;

/// The golden files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The galleries that ship.
pub fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries").join(name)
}

/// What a gallery reads as, one line for each file: its name, SHA-256 of its bytes, of its manifest as JSON, and of
/// its tensors by name: name, shape, values in f32. The index comes first, with SHA-256 of its bytes alone.
pub fn table(folder: &Path) -> String {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let json = read(INDEX_FILE);
    let index = Index::parse(&json).unwrap();
    let shards: Vec<_> = index.shards.iter().map(|shard| read(&shard.path)).collect();
    let mut rows = format!("{INDEX_FILE} {}\n", Digest::of(&json));
    if let Some(key) = index.key {
        key.verify(&json, &read(SIGNATURE_FILE)).unwrap();
        rows += &format!("{SIGNATURE_FILE} {}\n", Digest::of(&read(SIGNATURE_FILE)));
    }
    let others = index.shards.iter().chain(&index.names);
    rows.extend(others.map(|file| format!("{} {}\n", file.path, Digest::of(&read(&file.path)))));
    if let Some(names) = &index.names {
        index.read_names(&read(&names.path)).unwrap();
    }
    let mut row = |path: &str, pack: Pack| {
        let tensors = match &pack {
            Pack::Learngene(learngene) => &learngene.tensors,
            Pack::Tailor(tailor) => &tailor.tensors,
        };
        let manifest = serde_json::to_vec(pack.manifest()).unwrap();
        let (manifest, tensors) = (Digest::of(&manifest), digest_of(tensors));
        rows += &format!("{path} {} {manifest} {tensors}\n", pack.digest());
    };
    let learngene = index.read_learngene(&read(&index.learngene.path)).unwrap();
    row(&index.learngene.path, Pack::Learngene(learngene));
    let whole = index.whole(&shards).unwrap();
    for class in &whole.classes {
        let tailor = whole.read_pack(class, &read(&class.file.path)).unwrap();
        row(&class.file.path, Pack::Tailor(tailor));
    }
    rows
}

fn digest_of(tensors: &Tensors) -> Digest {
    let mut bytes = Vec::new();
    for (name, shape, values) in tensors.iter() {
        bytes.extend(format!("{name} {shape:?}\n").bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    Digest::of(&bytes)
}

/// A small gallery of random values, signed and in shards, as files by name.
pub fn gallery() -> Vec<(String, Vec<u8>)> {
    let (mut random, config, card) = (Random(11), config(), card());
    let mut tensors = |specs: Vec<TensorSpec>| {
        let mut tensors = Tensors::new();
        for spec in specs {
            let values = (0..spec.len()).map(|_| random.next() as u32 as f32 / 2f32.powi(31) - 1.0).collect();
            tensors.insert(&spec.name, &spec.shape, values).unwrap();
        }
        tensors
    };
    let shared = tensors(config.learngene_tensors());
    let bytes =
        write_learngene(&Contents { preview: Some(PNG), ..contents(&config, &shared, &card) }).unwrap();
    let digest = Digest::of(&bytes);
    let learngene = FileEntry::of(learngene_file_name("test", &digest), &bytes);
    let mut files = vec![(learngene.path.clone(), bytes)];
    let mut classes = Vec::new();
    for (id, name, wordnet) in [("a", "A", Some("n02084071")), ("b", "Ünïcode", None), ("c-3_", "c", None)]
    {
        let class = Class { id: id.into(), name: name.into(), wordnet: wordnet.map(str::to_owned) };
        let own = tensors(config.tailor_tensors());
        let bytes = write_tailor(&contents(&config, &own, &card), digest, &class).unwrap();
        let file = FileEntry::of(tailor_file_name(id, &Digest::of(&bytes)), &bytes);
        files.push((file.path.clone(), bytes));
        classes.push(ClassEntry::new(&class, file));
    }
    let key = Some(publisher().public());
    let index = Index { key, next_key: Some(another_publisher().public()), learngene, classes, ..index() };
    let (index, more) = index.sharded(1).unwrap();
    files.extend(more.into_iter().map(|file| (file.entry.path, file.bytes)));
    let json = index.to_json().unwrap();
    files.push((SIGNATURE_FILE.into(), publisher().sign(&json)));
    files.push((INDEX_FILE.into(), json));
    files
}
