//! Writes the malicious files of `tests/attacks`: `cargo run --example attacks -- DIR`.
#![allow(clippy::unwrap_used)]

#[path = "../tests/support/attacks.rs"]
mod attacks;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "../tests/support/zip.rs"]
mod zip;

fn main() {
    let folder = std::env::args().nth(1).expect("usage: attacks DIR");
    std::fs::create_dir_all(&folder).unwrap();
    let mut rows = String::new();
    for attack in attacks::all() {
        for (bytes, extension) in attack.files.iter().zip(attack.reader.extensions()) {
            std::fs::write(format!("{folder}/{}.{extension}", attack.name), bytes).unwrap();
        }
        let error = if attack.error.is_empty() { "none" } else { attack.error };
        rows += &format!("| {} | {:?} | {} | {error} |\n", attack.name, attack.reader, attack.tries);
    }
    std::fs::write(
        format!("{folder}/README.md"),
        include_str!("../tests/support/attacks.md").to_owned() + &rows,
    )
    .unwrap();
}
