//! The archive is written and read by hand; the `zip` crate, which many programs use, opens it, and what that crate
//! writes in any other way is refused.

use crate::support::*;
use std::io::{Cursor, Read as _, Write as _};
use tailor_packs::*;
use zip::write::{ExtendedFileOptions, FileOptions, SimpleFileOptions};
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// Every kind of pack, and those that ship.
fn packs() -> Vec<Vec<u8>> {
    let gallery = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/galleries/fashion/");
    let read = |name: &str| std::fs::read(format!("{gallery}{name}")).unwrap();
    let index = Index::parse(&read("index.json")).unwrap();
    let shipped = index.files().map(|file| read(&file.path));
    shipped.chain([learngene(), tailor(), grown_tailor()]).collect()
}

#[test]
fn the_zip_crate_opens_every_pack_and_reads_the_same_entries() {
    for pack in packs() {
        let ours = archive::read(&pack).unwrap();
        let mut theirs = ZipArchive::new(Cursor::new(&pack)).unwrap();
        assert_eq!(theirs.len(), ours.entries().len());
        assert!(theirs.comment().is_empty());
        for (number, (name, bytes)) in ours.entries().iter().enumerate() {
            let mut entry = theirs.by_index(number).unwrap();
            assert_eq!((&*entry.name().unwrap(), entry.compression()), (*name, CompressionMethod::Stored));
            let mut found = Vec::new();
            // To the end, where it checks the checksum.
            entry.read_to_end(&mut found).unwrap();
            assert!(found == *bytes, "{name}");
        }
    }
}

/// The options with which the `zip` crate comes nearest to this crate's bytes.
fn nearest() -> SimpleFileOptions {
    let day = DateTime::from_date_and_time(1980, 1, 1, 0, 0, 0).unwrap();
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored).last_modified_time(day)
}

/// The entries of a pack as the `zip` crate writes them, with these options for the card.
fn rewritten(pack: &[u8], card: FileOptions<'_, '_, ExtendedFileOptions>, comment: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in archive::read(pack).unwrap().entries() {
        match *name {
            archive::CARD => writer.start_file(*name, card.clone()).unwrap(),
            _ => writer.start_file(*name, nearest()).unwrap(),
        }
        writer.write_all(bytes).unwrap();
    }
    writer.set_comment(comment).unwrap();
    writer.finish().unwrap().into_inner()
}

fn card() -> FileOptions<'static, 'static, ExtendedFileOptions> {
    let day = DateTime::from_date_and_time(1980, 1, 1, 0, 0, 0).unwrap();
    FileOptions::default().compression_method(CompressionMethod::Stored).last_modified_time(day)
}

#[test]
fn what_the_zip_crate_writes_otherwise_is_refused() {
    let mut with_extra = card();
    with_extra.add_extra_field(0xbeef, b"evil", false).unwrap();
    let mut with_central_extra = card();
    with_central_extra.add_extra_field(0xbeef, b"evil", true).unwrap();
    let later = DateTime::from_date_and_time(2030, 1, 2, 3, 4, 6).unwrap();
    let cases = [
        ("as near as it comes", card(), ""),
        ("deflate", card().compression_method(CompressionMethod::Deflated), ""),
        ("an extra field", with_extra, ""),
        ("an extra field in the directory", with_central_extra, ""),
        ("a comment on an entry", card().with_file_comment("evil"), ""),
        ("64 bits", card().large_file(true), ""),
        ("another date", card().last_modified_time(later), ""),
        ("permissions", card().unix_permissions(0o777), ""),
        ("a comment", card(), "evil"),
    ];
    for pack in [learngene(), tailor()] {
        for (what, options, comment) in cases.clone() {
            let written = rewritten(&pack, options, comment);
            ZipArchive::new(Cursor::new(&written)).unwrap();
            let refused = read_any(&written);
            assert!(matches!(refused, Err(PackError::HeaderMismatch { .. })), "{what}: {refused:?}");
        }
    }
}

#[test]
fn data_descriptors_of_the_zip_crate_are_refused() {
    // As it writes to where it cannot go back.
    let mut writer = ZipWriter::new_stream(Vec::new());
    for (name, bytes) in archive::read(&tailor()).unwrap().entries() {
        writer.start_file(*name, nearest()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    let written = writer.finish().unwrap().into_inner();
    assert!(written.windows(4).any(|window| window == b"PK\x07\x08"), "it has data descriptors");
    let refused = read_any(&written);
    assert!(matches!(refused, Err(PackError::HeaderMismatch { .. })), "{refused:?}");
}
