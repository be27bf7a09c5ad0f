//! What the fuzzer begins with, and every attack, once through the functions of its targets: none panics.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/fuzz/src/lib.rs"]
mod targets;

use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 4] = [
    ("manifest", targets::manifest),
    ("archive", targets::archive),
    ("index", targets::index),
    ("signature", targets::signature),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn no_file_of_the_corpus_and_no_attack_panics_in_any_target() {
    let folder = Path::new(FOLDER);
    let mut all = files(&folder.join("attacks"));
    for (name, _) in TARGETS {
        let corpus = files(&folder.join("fuzz/corpus").join(name));
        assert!(corpus.len() >= 5, "{name} has {} files", corpus.len());
        all.extend(corpus);
    }
    for file in &all {
        let bytes = std::fs::read(file).unwrap();
        for (name, target) in TARGETS {
            println!("{name} {}", file.display());
            target(&bytes);
        }
    }
}
