//! What a file, a gallery or a preset holds, and how many parameters that is.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use tailor_packs::{
    Card, CardValue, Digest, FactoredSet, Kind, Manifest, ModelConfig, archive, limits, read_any,
};

use super::folder::Gallery;
use crate::data::number;
use crate::error::Error;
use crate::system::files::read_limited;

/// Parameter counts of a model with some of its tailors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Values of the learngene and of `tailors` tailors.
    pub total: u64,
    /// Values of the learngene.
    pub learngene: u64,
    /// Values of one tailor.
    pub per_tailor: u64,
}

impl Counted {
    /// The counts of a model of these sizes with `tailors` tailors.
    pub fn of(config: &ModelConfig, tailors: u64) -> Self {
        let (learngene, per_tailor) = (config.learngene_parameters(), config.tailor_parameters());
        let total = learngene.saturating_add(tailors.saturating_mul(per_tailor));
        Self { total, learngene, per_tailor }
    }
}

/// What `tailor inspect --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The parameter counts.
    pub parameters: Counted,
    /// How many tailors the total counts.
    pub tailors: u64,
    /// The model's sizes.
    pub config: ModelConfig,
    /// What was inspected.
    #[serde(flatten)]
    pub subject: Subject,
}

/// What was inspected.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A preset, by name.
    Preset(String),
    /// A gallery.
    Gallery {
        /// Stable id.
        id: String,
        /// Name for people.
        title: String,
        /// Version of the index.
        version: u64,
        /// Id of the key that signed it, for which nobody has vouched; none for an unsigned gallery.
        key: Option<String>,
        /// Bytes of the learngene file.
        learngene_bytes: u64,
        /// Its classes.
        classes: Vec<ClassRow>,
    },
    /// A pack.
    #[serde(untagged)]
    File {
        /// Length in bytes.
        size: u64,
        /// SHA-256 of the file.
        sha256: Digest,
        /// What the pack is.
        manifest: Box<Manifest>,
        /// What its authors say about it.
        card: Box<Card>,
    },
}

/// A class of a gallery.
#[derive(Clone, Debug, Serialize)]
pub struct ClassRow {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Bytes of its pack.
    pub bytes: u64,
    /// File name of its pack.
    pub file: String,
}

/// Inspects a preset with `tailors` tailors, its factored matrices replaced where others are given.
///
/// # Errors
/// [`Error::Config`] for a name that no preset has.
pub fn inspect_preset(
    preset: &str,
    factored: Option<&FactoredSet>,
    tailors: u64,
) -> Result<Inspection, Error> {
    let mut config = ModelConfig::preset(preset)?;
    if let Some(factored) = factored {
        config.factored = factored.clone();
    }
    let parameters = Counted::of(&config, tailors);
    Ok(Inspection { parameters, tailors, config, subject: Subject::Preset(preset.to_owned()) })
}

/// Inspects a pack or a gallery; `tailors` overrules how many tailors the total counts.
///
/// # Errors
/// [`Error::Read`], [`Error::NoGallery`] or [`Error::Pack`].
pub fn inspect_path(path: &Path, tailors: Option<u64>) -> Result<Inspection, Error> {
    if path.is_dir() || path.file_name().is_some_and(|name| name == "index.json") {
        let Gallery { index, key, .. } = Gallery::open(path)?;
        let tailors = tailors.unwrap_or(index.classes.len() as u64);
        let classes = index.classes.into_iter().map(|class| ClassRow {
            id: class.id,
            name: class.name,
            bytes: class.file.size,
            file: class.file.path,
        });
        let subject = Subject::Gallery {
            id: index.id,
            title: index.title,
            version: index.version,
            key: key.map(|key| key.id()),
            learngene_bytes: index.learngene.size,
            classes: classes.collect(),
        };
        let parameters = Counted::of(&index.config, tailors);
        return Ok(Inspection { parameters, tailors, config: index.config, subject });
    }
    let bytes = read_limited(path, limits::FILE)?;
    let pack = read_any(&bytes).map_err(Error::pack(path))?;
    let config = pack.manifest().config.clone();
    let tailors = tailors.unwrap_or(1);
    let subject = Subject::File {
        size: bytes.len() as u64,
        sha256: pack.digest(),
        manifest: Box::new(pack.manifest().clone()),
        card: Box::new(pack.card().clone()),
    };
    Ok(Inspection { parameters: Counted::of(&config, tailors), tailors, config, subject })
}

/// The report for people.
pub fn text(report: &Inspection) -> String {
    let mut lines = Vec::<(&str, String)>::new();
    let mut table = String::new();
    match &report.subject {
        Subject::Preset(name) => lines.push(("preset", name.clone())),
        Subject::File { size, sha256, manifest, card } => {
            lines.push((
                "file",
                format!("{} of model {}, {}", manifest.kind.name(), manifest.model, bytes(*size)),
            ));
            lines.push(("sha256", sha256.to_string()));
            if let Kind::Tailor { learngene, class } = &manifest.kind {
                lines.push(("class", format!("{} ({})", class.name, class.id)));
                lines.push(("fits learngene", learngene.to_string()));
            }
            lines.push(("trained", format!("{} steps", grouped(manifest.steps))));
            lines.push(("data", card.data.clone()));
            lines.push(("licence", card.licence.clone()));
            lines.push((
                "authors",
                if card.authors.is_empty() { "not stated".into() } else { card.authors.join(", ") },
            ));
            lines.push(("tool", card.tool.clone()));
            for (what, values) in [("settings", &card.training), ("metrics", &card.metrics)] {
                let value = |(name, value): (&String, &CardValue)| format!("{name} {value}");
                if !values.is_empty() {
                    lines.push((what, values.iter().map(value).collect::<Vec<_>>().join(", ")));
                }
            }
            let preview = manifest.entries.iter().find(|entry| entry.name == archive::PREVIEW);
            let shown =
                |len: u64| format!("{}, seen with: unzip -p FILE preview.png > preview.png", bytes(len));
            lines.push(("preview", preview.map_or("none".to_owned(), |entry| shown(entry.len))));
        }
        Subject::Gallery { id, title, version, key, learngene_bytes, classes } => {
            lines.push(("gallery", format!("{title} ({id}), version {version}")));
            lines.push(("signed", key.as_ref().map_or("unsigned".to_owned(), |key| format!("by key {key}"))));
            lines.push(("learngene file", bytes(*learngene_bytes)));
            let packs: u64 = classes.iter().map(|class| class.bytes).sum();
            lines.push(("packs", format!("{} in {}", bytes(packs), number(classes.len(), "class"))));
            let width = classes.iter().map(|class| class.id.chars().count()).max().unwrap_or(0);
            for class in classes {
                // Writing into a string cannot fail.
                let _ = writeln!(table, "  {:width$}  {:>12}  {}", class.id, bytes(class.bytes), class.name);
            }
        }
    }
    let config = &report.config;
    lines.push((
        "model",
        format!(
            "{0} × {0} × {1}, patch {2}, width {3}, {4} blocks, {5} heads, {6:?}",
            config.image_size,
            config.channels,
            config.patch_size,
            config.width,
            config.depth,
            config.heads,
            config.objective
        )
        .to_lowercase(),
    ));
    let features: Vec<&str> = config.needs().iter().map(|feature| feature.name()).collect();
    if !features.is_empty() {
        lines.push(("features", features.join(", ")));
    }
    let factored: Vec<&str> = config.factored.matrices().iter().map(|m| m.name()).collect();
    let (g, n) = (config.learngene_components, config.tailor_components);
    lines.push((
        "factored",
        match factored.is_empty() {
            true => "nothing: a class adds its label alone".to_owned(),
            false => format!("{}: {g} components shared, {n} per tailor", factored.join(",")),
        },
    ));
    let Counted { total, learngene, per_tailor } = report.parameters;
    lines.push(("learngene", format!("{} parameters", grouped(learngene))));
    lines.push(("one tailor", format!("{} parameters", grouped(per_tailor))));
    let tailors =
        if report.tailors == 1 { "1 tailor".to_owned() } else { format!("{} tailors", report.tailors) };
    lines.push(("total", format!("{} parameters with {tailors}", grouped(total))));
    let mut out: String = lines.iter().map(|(name, value)| format!("{name:>14}  {value}\n")).collect();
    if !table.is_empty() {
        out += "\n";
        out += &table;
    }
    out
}

/// `1234567` as `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(" ")
}

fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} B"),
        1_000..1_000_000 => format!("{:.1} kB", number as f64 / 1e3),
        _ => format!("{:.2} MB", number as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_counts_the_tailors_asked_for() {
        let config = ModelConfig::preset("tiny").unwrap();
        let Counted { total, learngene, per_tailor } = Counted::of(&config, 3);
        assert_eq!(total, learngene + 3 * per_tailor);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }

    fn json(path: &Path) -> serde_json::Value {
        serde_json::to_value(inspect_path(path, None).unwrap()).unwrap()
    }

    #[test]
    fn a_gallery_counts_all_its_tailors_and_lists_its_classes() {
        let folder = tempfile::tempdir().unwrap();
        crate::gallery::folder::tests::write(folder.path(), 0.5);
        let report = json(folder.path());
        let count = |name: &str| report["parameters"][name].as_u64().unwrap();
        assert_eq!(count("total"), count("learngene") + 2 * count("per_tailor"));
        assert_eq!(report["gallery"]["classes"][1]["name"], "B");
        assert!(text(&inspect_path(folder.path(), None).unwrap()).contains("latin-capital-b"));
    }

    #[test]
    fn a_file_shows_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        crate::gallery::folder::tests::write(folder.path(), 0.5);
        let path = crate::gallery::folder::tests::file(folder.path(), "latin-capital-a");
        let report = json(&path);
        assert_eq!(report["manifest"]["kind"]["tailor"]["class"]["name"], "A");
        assert_eq!(report["manifest"]["model"], "test");
        assert_eq!(report["card"]["title"], "Test");
        assert!(text(&inspect_path(&path, None).unwrap()).contains("A (latin-capital-a)"));
    }
}
