//! Lists a gallery after verifying every byte of it: `cargo run --example list_gallery -- GALLERY`.

use std::path::Path;
use tailor_packs::Index;

fn main() {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: list_gallery GALLERY");
        std::process::exit(2);
    };
    if let Err(error) = list(Path::new(&folder)) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn list(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let index = Index::parse(&read("index.json")?)?;
    let learngene = index.read_learngene(&read(&index.learngene.path)?)?;
    println!("{} (version {}), {} classes", index.title, index.version, index.classes.len());
    println!("{:<24} {:<24} {:>10} {:>12}", "class", "name", "bytes", "parameters");
    let row = |id: &str, name: &str, bytes: u64, parameters: u64| {
        println!("{id:<24} {name:<24} {bytes:>10} {parameters:>12}");
    };
    let parameters = learngene.tensors.parameters();
    row("(learngene)", &learngene.manifest.model, index.learngene.size, parameters);
    for class in &index.classes {
        let path = &class.file.path;
        let tailor =
            index.read_tailor(&class.id, &read(path)?).map_err(|error| format!("{path}: {error}"))?;
        row(&class.id, &class.name, class.file.size, tailor.tensors.parameters());
    }
    Ok(())
}
