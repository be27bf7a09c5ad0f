//! Lists a gallery after verifying every byte of it: `cargo run --example list_gallery -- GALLERY [KEY]`.
//!
//! `KEY` is the publisher's public key, as `minisign -P` takes it. Without it a signed gallery is verified
//! by the key that it names itself, and that key's fingerprint is shown.

use std::error::Error;
use std::path::Path;
use tailor_packs::{ClassEntry, Index, PublicKey, Verdict, index, trust};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, key) = match &arguments[..] {
        [folder] => (folder, None),
        [folder, key] => (folder, Some(key)),
        _ => {
            eprintln!("usage: list_gallery GALLERY [KEY]");
            std::process::exit(2);
        }
    };
    if let Err(error) = list(Path::new(folder), key.map(String::as_str)) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn list(folder: &Path, key: Option<&str>) -> Result<(), Box<dyn Error>> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let key = key.map(str::parse::<PublicKey>).transpose()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let minisig = read(index::SIGNATURE_FILE).ok();
    // A reader that comes back keeps `checked.trust`, and passes it in place of the `None`.
    let verdict = trust::check(key.as_ref(), None, &read(index::INDEX_FILE)?, minisig.as_deref(), now)?;
    let (standing, checked) = match verdict {
        Verdict::Signed(checked) => ("signed by that key".to_owned(), checked),
        Verdict::FirstUse { key, checked } => {
            (format!("signed by key {}, fingerprint {}", key.id(), key.fingerprint()), checked)
        }
        Verdict::Unsigned(checked) => ("unsigned".to_owned(), checked),
    };
    let index = checked.index;
    let classes = classes(&index, read)?;
    println!("{} (version {}), {standing}, {} classes", index.title, index.version, classes.len());
    println!("{:<24} {:<24} {:>10} {:>12}", "class", "name", "bytes", "parameters");
    let row = |id: &str, name: &str, bytes: u64, parameters: u64| {
        println!("{id:<24} {name:<24} {bytes:>10} {parameters:>12}");
    };
    let learngene = index.read_learngene(&read(&index.learngene.path)?)?;
    let parameters = learngene.tensors.parameters();
    row("(learngene)", &learngene.manifest.model, index.learngene.size, parameters);
    for class in &classes {
        let path = &class.file.path;
        let tailor = index.read_pack(class, &read(path)?).map_err(|error| format!("{path}: {error}"))?;
        row(&class.id, &class.name, class.file.size, tailor.tensors.parameters());
    }
    Ok(())
}

/// Every class: those of the index, and of a large gallery also those of its shards.
fn classes(
    index: &Index,
    read: impl Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Vec<ClassEntry>, Box<dyn Error>> {
    let mut classes = index.classes.clone();
    for (number, shard) in index.shards.iter().enumerate() {
        classes.extend(index.read_shard(number, &read(&shard.path)?)?);
    }
    Ok(classes)
}
