//! Packs of several people, joined into a gallery of their own.

use crate::support::*;
use std::io::{Cursor, Read as _};
use tailor_packs::join::{Admitted, Join};
use tailor_packs::*;

/// A gallery of the class `cup`, without files.
fn gallery() -> Index {
    let sampling = Sampling { sampler: "heun".into(), steps: 12, guidance: 2.0 };
    let entry = FileEntry::of("test-0123456789abcdef.learngene", &learngene());
    let mut index = Index::new("cups", "Cups", &config(), sampling, entry).unwrap();
    let class = Class { id: "cup".into(), name: "Cup".into(), wordnet: None };
    index.classes.push(ClassEntry::new(&class, FileEntry::of("cup.tailor", b"cup")));
    index
}

/// A pack of this class. Another `number` is another training.
fn pack(id: &str, name: &str, author: &str, number: u64) -> Vec<u8> {
    pack_for(Digest::of(&learngene()), id, name, author, number)
}

fn pack_for(learngene: Digest, id: &str, name: &str, author: &str, number: u64) -> Vec<u8> {
    let config = config();
    let authors = Some(author.to_owned()).filter(|author| !author.is_empty()).into_iter().collect();
    let (tensors, card) = (tensors(&config.tailor_tensors()), Card { authors, ..card() });
    let class = Class { id: id.into(), name: name.into(), wordnet: None };
    let contents = Contents { steps: number, preview: Some(PNG), ..contents(&config, &tensors, &card) };
    write_tailor(&contents, learngene, &class).unwrap()
}

/// What the members are called, and how their ids are.
fn names(join: &Join) -> Vec<(&str, &str)> {
    join.members().iter().map(|member| (member.entry.id.as_str(), member.entry.name.as_str())).collect()
}

#[test]
fn names_that_are_taken_are_told_apart_by_a_number_and_the_author() {
    let mut join = Join::new(&gallery());
    for (number, (id, name, author)) in
        [("cat", "Cat", "Mia"), ("cat", "Cat", "Ben"), ("cat", "Cat", ""), ("cat-", "Cat", "B\u{202e}n")]
            .into_iter()
            .chain([("cup", "Cup", ""), ("katze", "Cat (2)", "")])
            .enumerate()
    {
        let bytes = pack(id, name, author, number as u64);
        let Admitted::New { bytes: kept, was } = join.admit(&bytes).unwrap() else { panic!("{number}") };
        let member = join.members().last().unwrap();
        assert_eq!(was.as_deref(), (member.entry.name != name).then_some(name));
        assert_eq!(kept == bytes, member.entry.name == name && member.entry.id == id);
        let read = read_tailor(&kept, Some((&gallery().learngene.sha256, &config()))).unwrap();
        assert_eq!((&read.class.id, &read.class.name), (&member.entry.id, &member.entry.name));
        assert_eq!(read.preview.as_deref(), Some(PNG), "what is called otherwise is otherwise the same");
        member.entry.file.verify(&kept).unwrap();
    }
    let expected = [
        ("cat", "Cat"),
        ("cat-2", "Cat (2), Ben"),
        ("cat-3", "Cat (2)"),
        ("cat-", "Cat (3)"),
        ("cup-2", "Cup (2)"),
        ("katze", "Cat (2) (2)"),
    ];
    assert_eq!(names(&join), expected);
}

#[test]
fn a_pack_that_comes_again_is_known_under_whatever_name() {
    let mut join = Join::new(&gallery());
    let (one, two) = (pack("cat", "Cat", "Mia", 1), pack("cat", "Cat", "Ben", 2));
    join.admit(&one).unwrap();
    let Admitted::New { bytes, .. } = join.admit(&two).unwrap() else { panic!() };
    for (again, number) in [(&one, 0), (&two, 1), (&bytes, 1)] {
        assert_eq!(join.admit(again).unwrap(), Admitted::Known(number));
    }
    // So it is on another day, when the packs are read from where they were kept.
    let mut later = Join::new(&gallery());
    later.keep(&one).unwrap();
    later.keep(&bytes).unwrap();
    assert_eq!(later, join);
    join.leave();
    assert!(matches!(join.admit(&two).unwrap(), Admitted::New { .. }));
}

#[test]
fn damaged_and_foreign_packs_are_refused_and_change_nothing() {
    let mut join = Join::new(&gallery());
    join.admit(&pack("cat", "Cat", "", 1)).unwrap();
    let before = join.clone();
    let other = pack_for(Digest::of(b"another"), "dog", "Dog", "", 2);
    assert!(matches!(join.admit(&other), Err(PackError::WrongLearngene { .. })));
    assert!(matches!(join.admit(&learngene()), Err(PackError::WrongKind { .. })));
    assert_eq!(join.admit(b"a photograph"), Err(PackError::NotAPack));
    let whole = pack("dog", "Dog", "", 2);
    for place in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[place] ^= 4;
        join.admit(&bytes).unwrap_err();
        join.admit(&whole[..place]).unwrap_err();
    }
    assert_eq!(join, before);
}

#[test]
fn a_pack_is_renamed_without_another_byte_of_its_entries() {
    let class = Class { id: "b".into(), name: "B".into(), wordnet: None };
    let grown = grown_tailor();
    let bytes = renamed(&grown, &class).unwrap();
    let (Pack::Tailor(before), Pack::Tailor(after)) = (read_any(&grown).unwrap(), read_any(&bytes).unwrap())
    else {
        panic!()
    };
    assert_eq!(after.class, class);
    assert_eq!(
        (&before.tensors, &before.card, &before.preview),
        (&after.tensors, &after.card, &after.preview)
    );
    assert_eq!(pack::further(&bytes).unwrap(), pack::further(&grown).unwrap());
    assert_eq!(after.manifest.extensions, before.manifest.extensions);
    assert_eq!(renamed(&bytes, &before.class).unwrap(), grown);
    let nameless = Class { name: String::new(), ..class };
    assert!(matches!(renamed(&grown, &nameless), Err(PackError::ManifestInvalid { .. })));
    assert!(matches!(renamed(&learngene(), &nameless), Err(PackError::WrongKind { .. })));
}

#[test]
fn an_archive_written_piece_by_piece_opens_as_any_zip_does() {
    let files = [("index.json", &b"{}"[..]), ("a.tailor", b"some bytes"), ("README.txt", b"")];
    let mut writer = archive::Writer::default();
    let mut bytes = Vec::new();
    for (name, content) in files {
        bytes.extend(writer.entry(name, content).unwrap());
        bytes.extend(content);
    }
    bytes.extend(writer.finish());
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    assert_eq!(zip.len(), files.len());
    for (number, (name, content)) in files.into_iter().enumerate() {
        let mut file = zip.by_index(number).unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert_eq!((file.name().unwrap().as_ref(), read.as_slice()), (name, content));
    }
}
