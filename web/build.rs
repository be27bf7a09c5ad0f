//! Turns the words in `locales/` into Rust, and stops the build where the languages do not agree.

#[path = "build/messages.rs"]
mod messages;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=locales");
    println!("cargo::rerun-if-changed=build");
    let mut languages = BTreeMap::new();
    for entry in std::fs::read_dir("locales")? {
        let path = entry?.path();
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(code) = file.strip_suffix(".ftl") {
            let source = std::fs::read_to_string(&path)?;
            let read = messages::read(&file, &source).map_err(|fault| fault.to_string())?;
            languages.insert(code.to_owned(), read);
        }
    }
    let original = languages.get(messages::ORIGINAL).ok_or("locales/en.ftl, the original, is missing")?;
    for (code, translation) in languages.iter().filter(|(code, _)| *code != messages::ORIGINAL) {
        let checked = messages::check(original, &format!("{code}.ftl"), translation);
        checked.map_err(|fault| fault.to_string())?;
    }
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("messages.rs"), messages::generate(&languages))?;
    Ok(())
}
