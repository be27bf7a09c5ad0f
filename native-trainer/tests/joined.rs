//! Thirty packs of the shipped letters' learngene, joined and saved as the studio does, are a gallery.

use std::io::Cursor;
use std::path::Path;

use tailor_packs::join::{Admitted, Join};
use tailor_packs::{Card, Class, Contents, Index, PackError, archive, read_tailor, renamed, write_tailor};
use tailor_trainer::gallery::folder::Gallery;
use tailor_trainer::gallery::verify::verify;

#[test]
fn thirty_packs_of_which_two_are_called_the_same_become_a_gallery_that_verify_passes() {
    let letters =
        Gallery::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries/letters")).unwrap();
    let read = |path: &str| std::fs::read(letters.folder.join(path)).unwrap();
    let mut packs: Vec<Vec<u8>> = Vec::new();
    for (number, entry) in letters.index.classes.iter().take(30).enumerate() {
        let tailor = read_tailor(&read(&entry.file.path), None).unwrap();
        let name = if number < 2 { "cat".to_owned() } else { format!("pupil {number}") };
        let class = Class { id: name.replace(' ', "-"), name, wordnet: None };
        let card = Card { authors: vec![format!("Pupil {number}")], ..tailor.card.clone() };
        let model = &tailor.manifest.model;
        let contents = Contents {
            preview: tailor.preview.as_deref(),
            storage: tailor.manifest.storage(),
            ..Contents::new(model, &letters.index.config, &tailor.tensors, &card)
        };
        packs.push(write_tailor(&contents, tailor.learngene, &class).unwrap());
    }

    let mut join = Join::new(&letters.index);
    let mut kept = Vec::new();
    for pack in &packs {
        let Admitted::New { bytes, .. } = join.admit(pack).unwrap() else { panic!("all differ") };
        kept.push(bytes);
    }
    let fashion = Gallery::open(&letters.folder.join("../fashion")).unwrap();
    let foreign = std::fs::read(fashion.folder.join(&fashion.index.classes[0].file.path)).unwrap();
    assert!(matches!(join.admit(&foreign), Err(PackError::WrongLearngene { .. })));
    assert_eq!(join.members()[1].entry.name, "cat (2), Pupil 1");
    assert_eq!(kept[1], renamed(&packs[1], &read_tailor(&kept[1], None).unwrap().class).unwrap());

    let index = join.index("our-class", "Our class", 1_800_000_000).unwrap();
    let json = index.to_json().unwrap();
    let learngene = read(&index.learngene.path);
    let packs = index.classes.iter().map(|class| class.file.path.as_str()).zip(&kept);
    let mut files = vec![("index.json", &json), (index.learngene.path.as_str(), &learngene)];
    files.extend(packs);
    let (mut writer, mut zip) = (archive::Writer::default(), Vec::new());
    for (name, bytes) in files {
        zip.extend(writer.entry(name, bytes).unwrap());
        zip.extend(bytes);
    }
    zip.extend(writer.finish());

    let folder = tempfile::tempdir().unwrap();
    zip::ZipArchive::new(Cursor::new(zip)).unwrap().extract(folder.path()).unwrap();
    let found = verify(folder.path(), None).unwrap();
    assert!(found.verdict.problems.is_empty(), "{:?}", found.verdict.problems);
    assert_eq!((found.verdict.files, found.well.as_str()), (32, "sound: 32 files, unsigned"));
    assert_eq!(Gallery::open(folder.path()).unwrap().index, Index::parse(&json).unwrap());
}
