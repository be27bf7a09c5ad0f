//! Every file of `tests/attacks` gives the error that its table says.

use crate::attacks::{self, Reader, variant};
use std::path::Path;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/attacks");

#[test]
fn every_attack_is_refused_by_name_and_every_control_accepted() {
    let (mut refused, mut wrong) = (0, Vec::new());
    for attack in attacks::all() {
        let path = |extension| Path::new(FOLDER).join(format!("{}.{extension}", attack.name));
        let paths = attack.reader.extensions().iter().map(path);
        let files: Vec<_> = paths.take(attack.files.len()).map(|p| std::fs::read(p).unwrap()).collect();
        assert!(files == attack.files, "{}: the generator writes other bytes; write them anew", attack.name);
        let found = attack.reader.read(&files).err();
        let name = found.as_ref().map(variant).unwrap_or_default();
        if name != attack.error {
            wrong.push(format!("{}: {:?} instead of {}: {found:?}", attack.name, name, attack.error));
        }
        refused += usize::from(!attack.error.is_empty());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused >= 25, "{refused}");
    println!("{refused} attacks refused");
}

#[test]
fn each_reader_has_a_control_and_each_file_an_attack() {
    let all = attacks::all();
    for reader in Reader::ALL {
        for control in [true, false] {
            assert!(all.iter().any(|a| a.reader == reader && a.error.is_empty() == control), "{reader:?}");
        }
    }
    let mut known: Vec<String> = all
        .iter()
        .flat_map(|a| a.reader.extensions().iter().take(a.files.len()).map(|e| format!("{}.{e}", a.name)))
        .collect();
    known.push("README.md".into());
    let mut found: Vec<String> =
        std::fs::read_dir(FOLDER).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    known.sort();
    found.sort();
    assert_eq!(known, found);
}
