//! Wrote the golden files of `tests/golden`: `cargo run --example golden`. Run it again only to add files of a new
//! format; those of an old one stay as they are.
#![allow(clippy::unwrap_used)]

#[path = "../tests/support/golden.rs"]
mod golden;
#[path = "../tests/support/mutants.rs"]
mod mutants;
#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let folder = golden::folder();
    let gallery = folder.join("format-1");
    std::fs::create_dir_all(&gallery).unwrap();
    for (name, bytes) in golden::gallery() {
        std::fs::write(gallery.join(name), bytes).unwrap();
    }
    for (name, gallery) in [
        ("format-1", gallery),
        ("letters", golden::shipped("letters")),
        ("fashion", golden::shipped("fashion")),
    ] {
        std::fs::write(folder.join(format!("{name}.txt")), golden::table(&gallery)).unwrap();
    }
}
