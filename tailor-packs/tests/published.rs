//! What was published is read for ever, and to the same values.

use crate::golden;
use tailor_packs::*;

fn recorded(name: &str) -> String {
    std::fs::read_to_string(golden::folder().join(format!("{name}.txt"))).unwrap()
}

#[test]
fn a_signed_gallery_of_format_1_in_shards_reads_as_it_did_when_it_was_made() {
    assert_eq!(golden::table(&golden::folder().join("format-1")), recorded("format-1"));
}

#[test]
fn the_galleries_that_ship_read_as_they_did_when_they_were_published() {
    for name in ["letters", "fashion"] {
        assert_eq!(golden::table(&golden::shipped(name)), recorded(name), "{name}");
    }
}

#[test]
fn the_writer_still_writes_a_gallery_of_format_1_byte_for_byte() {
    let files = golden::gallery();
    assert_eq!(files.len(), std::fs::read_dir(golden::folder().join("format-1")).unwrap().count());
    for (name, bytes) in files {
        let golden = std::fs::read(golden::folder().join("format-1").join(&name)).unwrap();
        assert!(golden == bytes, "{name}: {} is now {}", Digest::of(&golden), Digest::of(&bytes));
    }
}
