//! Galleries of so many classes that their index does not hold them all.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE, tailor_file_name};
use tailor_packs::{ClassEntry, Digest, FileEntry, Index};
use tailor_trainer::gallery::folder::Gallery;
use tailor_trainer::gallery::verify::verify_gallery;

use crate::gallery::{self, Draft};

fn published(folder: &Path) -> Index {
    Index::parse(&fs::read(folder.join(INDEX_FILE)).unwrap()).unwrap()
}

fn tailor(folder: &Path, line: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
    let output = command.args(line.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Files that the verification has to count: every shard once, and those that any gallery has.
fn files(index: &Index, classes: usize) -> usize {
    let shards: BTreeSet<_> = index.shards.iter().map(|shard| &shard.path).collect();
    classes + shards.len() + ["index", "learngene", "names"].len()
}

#[test]
fn a_gallery_of_a_thousand_classes_is_in_shards_whole_and_sound() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("gallery");
    let mut draft = Draft::new(&folder, "tiny", 0.5, 1000);
    draft.publish(None);
    assert_eq!(draft.index.classes.len(), 1000, "who published it still has all of it");

    let index = published(&folder);
    assert!(index.classes.len() == 48 && index.shards.len() == 16, "{}", index.shards.len());
    let whole = Gallery::open(&folder).unwrap();
    let ids = |classes: &[ClassEntry]| classes.iter().map(|class| class.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&whole.index.classes), ids(&draft.index.classes));
    let verdict = verify_gallery(&whole);
    assert!(verdict.problems.is_empty(), "{:?}", verdict.problems);
    assert_eq!(verdict.files, files(&index, 1000));

    // Whoever signs it keeps the shards, also when another program cut them.
    let (cut, shards) = whole.index.clone().sharded(7).unwrap();
    for file in &shards {
        fs::write(folder.join(&file.entry.path), &file.bytes).unwrap();
    }
    fs::write(folder.join(INDEX_FILE), cut.to_json().unwrap()).unwrap();
    let (key, _) = gallery::key(home.path(), "mine");
    tailor(home.path(), &format!("gallery sign gallery --key {}", key.display()));
    let signed = published(&folder);
    assert_eq!((&signed.classes, &signed.shards, &signed.names), (&cut.classes, &cut.shards, &cut.names));
    assert_eq!(signed.version, 2);
    fs::remove_file(folder.join(SIGNATURE_FILE)).unwrap();
    fs::write(folder.join(INDEX_FILE), index.to_json().unwrap()).unwrap();

    // One class more, whose pack another trainer made for the same learngene.
    let other = Draft::new(&home.path().join("other"), "tiny", 0.5, 1001);
    let class = &other.index.classes[1000];
    fs::copy(other.folder.join(&class.file.path), home.path().join("more.tailor")).unwrap();
    tailor(home.path(), "gallery add gallery more.tailor");
    let index = published(&folder);
    assert!(index.version == 2 && index.classes.len() == 48 && index.shards.len() == 16);
    let gallery = Gallery::open(&folder).unwrap();
    assert_eq!(gallery.tailor(gallery.class("Class 1000").unwrap()).unwrap().class.id, "c1000");
    assert_eq!(verify_gallery(&gallery).files, files(&index, 1001));
    let names = index.names.as_ref().unwrap();
    let names = index.read_names(&fs::read(folder.join(&names.path)).unwrap()).unwrap();
    assert!(names.len() == 1001 && names.contains(&("c1000".into(), "Class 1000".into())));
    tailor(home.path(), "verify gallery");

    // A class that leaves, leaves its shard and the names.
    tailor(home.path(), "gallery remove gallery c777");
    let gallery = Gallery::open(&folder).unwrap();
    assert!(gallery.class("c777").is_err() && gallery.index.classes.len() == 1000);
    assert!(verify_gallery(&gallery).problems.is_empty());
}

#[test]
fn shards_and_names_that_are_missing_or_altered_are_problems() {
    let home = tempfile::tempdir().unwrap();
    let mut draft = Draft::new(home.path(), "tiny", 0.5, 201);
    draft.publish(None);
    let index = published(home.path());
    let names = home.path().join(&index.names.as_ref().unwrap().path);
    let problems = || verify_gallery(&Gallery::open(home.path()).unwrap()).problems;
    assert!(problems().is_empty());
    let bytes = fs::read(&names).unwrap();
    fs::write(&names, String::from_utf8_lossy(&bytes).replace("Class 7\"", "Class 8\"")).unwrap();
    assert!(problems()[0].to_string().contains("names-"), "{:?}", problems());
    fs::remove_file(&names).unwrap();
    assert_eq!(problems().len(), 1);

    // Names that are vouched for, of other classes.
    let other = br#"[["c0","Class 0"]]"#;
    fs::write(&names, other).unwrap();
    let mut altered = index.clone();
    altered.names = Some(FileEntry::of(names.file_name().unwrap().to_str().unwrap(), other));
    fs::write(home.path().join(INDEX_FILE), altered.to_json().unwrap()).unwrap();
    assert!(problems()[0].to_string().contains("its classes are not those"), "{:?}", problems());

    fs::remove_file(home.path().join(&index.shards[0].path)).unwrap();
    let error = Gallery::open(home.path()).unwrap_err();
    assert!(error.to_string().contains("classes-"), "{error}");
}

#[test]
fn the_index_of_ten_thousand_classes_costs_little_before_the_first_image() {
    let home = tempfile::tempdir().unwrap();
    let (secret, _) = gallery::key(home.path(), "mine");
    let mut draft = Draft::new(&home.path().join("gallery"), "tiny", 0.5, 1);
    draft.index.classes = (0..10_000)
        .map(|n| {
            let id = format!("n{:08}-common-name-{n}", 1_000_000 + n);
            let sha256 = Digest::of(id.as_bytes());
            let path = tailor_file_name(&id, &sha256);
            ClassEntry {
                name: format!("common name, with another, {n}"),
                wordnet: Some(format!("n{:08}", 1_000_000 + n)),
                file: FileEntry { path, size: 143_000 + n, sha256, chunks: vec![sha256] },
                id,
            }
        })
        .collect();
    draft.publish(Some(&secret));
    let index = published(&draft.folder);
    let size = |name: &str| fs::metadata(draft.folder.join(name)).unwrap().len();
    let largest = index.shards.iter().map(|shard| shard.size).max().unwrap();
    let cost = size(INDEX_FILE) + size(SIGNATURE_FILE) + largest;
    println!(
        "10,000 classes: index {} B, signature {} B, the largest of {} shards {largest} B: {:.1} kB before the first \
         image; names {} B, for search only",
        size(INDEX_FILE),
        size(SIGNATURE_FILE),
        index.shards.len(),
        cost as f64 / 1e3,
        index.names.as_ref().unwrap().size,
    );
    assert!(cost < 300_000, "{cost} bytes");
}
