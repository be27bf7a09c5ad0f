//! From a run to a gallery of one learngene and one pack per class.

use std::path::Path;

use tailor_core::Sampler;
use tailor_packs::index::INDEX_FILE;
use tailor_packs::pack::{CardValue, Contents};
use tailor_packs::publish::Draft;
use tailor_packs::{Class, Digest, Index, Learngene, NewFile, Sampling, Weights, archive};

use super::film;
use super::folder::{Gallery, few};
use super::pack::{Previews, card, previewed};
use super::sign::Signing;
use crate::compute::device;
use crate::compute::model::Model;
use crate::data::names;
use crate::error::Error;
use crate::say;
use crate::settings::gallery::PublishSettings;
use crate::settings::storage::StorageChoice;
use crate::system::files::{create_folder, write_atomic};
use crate::system::shell;
use crate::train::checkpoint::{self, ClassName};
use crate::train::snapshots::Snapshots;

/// Publishes a run and returns the gallery's index, which is written last, so a gallery is never half new.
///
/// A gallery that is there keeps its id, title, sampling and what its card says, unless the settings say otherwise.
/// The same weights are then the same learngene file, which packs taught before still fit.
///
/// # Errors
/// Anything wrong with run, settings, device or disk; [`Error::Refused`] for a gallery with classes that the run
/// does not have.
pub fn publish(settings: &PublishSettings) -> Result<Index, Error> {
    let stored = checkpoint::require(&settings.run)?;
    // A gallery that is there is not changed by another program from here on.
    let there = settings.out.join(INDEX_FILE).exists();
    let signing = there.then(|| Signing::new(&settings.signing, &settings.out)).transpose()?;
    // An unreadable index is not silently replaced.
    let gallery = there.then(|| Gallery::open(&settings.out)).transpose()?;
    if let Some(gallery) = &gallery {
        check_classes(gallery, &stored.header.classes)?;
    }
    let before = gallery.as_ref().map(|gallery| &gallery.index);
    let device = device::open(settings.device)?;
    let weights = if settings.raw_weights { Weights::Raw } else { Weights::Ema };
    let snapshots = Snapshots::new(&stored, &settings.run, settings.average_steps, weights, &device)?;
    let header = stored.header;
    let config = snapshots.config().clone();
    let id = settings.id.clone().or_else(|| before.map(|index| index.id.clone()));
    let id = id.or_else(|| id_of(&settings.out)).unwrap_or_else(|| header.recipe.name.clone());
    let title = settings.title.clone().or_else(|| before.map(|index| index.title.clone()));
    let title = title.unwrap_or_else(|| id.clone());
    check_names(&id, &title)?;
    // Before anything is written: a gallery is not half published.
    let classes: Vec<Class> =
        header.classes.iter().map(|class| names::check(&class.id, &class.name)).collect::<Result<_, _>>()?;
    let sampling = match before {
        Some(index) => settings.sampling.over(&index.sampling),
        // Nothing has trained the learngene alone, which guidance would lead away from.
        None if header.recipe.training.null_gate && settings.sampling.guidance.is_none() => {
            Sampling { guidance: 1.0, ..settings.sampling.advice(&config) }
        }
        None => settings.sampling.advice(&config),
    };
    // A sampler of another version is kept as it is.
    if let Ok(sampler) = sampling.sampler.parse::<Sampler>() {
        sampler.check(&config, sampling.steps as usize)?;
    }
    let signing = match signing {
        Some(signing) => signing,
        None => {
            create_folder(&settings.out)?;
            Signing::new(&settings.signing, &settings.out)?
        }
    };
    before.map_or(Ok(()), |index| signing.check(&settings.out, index))?;

    let learngene = snapshots.learngene()?;
    let there = gallery.as_ref().and_then(learngene_of);
    let of_learngene = there.as_ref().and_then(|there| StorageChoice::of(&there.manifest));
    let storage = settings.learngene_storage.or(of_learngene).unwrap_or_default().into();
    let of_tailors = gallery.as_ref().and_then(Gallery::tailor_storage);
    let tailor_storage = settings.tailor_storage.or(of_tailors).unwrap_or_default().into();
    let count = settings.previews.map(|count| count as usize).or_else(|| there.as_ref().map(previewed));
    let previews = Previews {
        count: count.unwrap_or(Previews::USUAL),
        sampling: &sampling,
        config: &config,
        learngene: &learngene,
        device: &device,
    };
    let packed = |reason| Error::Pack { path: settings.out.clone(), source: reason };
    let mut card = card(&settings.card, &title, &header, there.as_ref().map(|there| &there.card));
    let averaged = settings.average_steps.map(|steps| ("averaged_steps".to_owned(), steps.into()));
    card.training.extend(averaged);
    let body = learngene.to_safetensors_as(&config.learngene_tensors(), storage).map_err(packed)?;
    let digest = Digest::of(&body);
    let mut preview = None;
    // Another device or version of this program would draw or write the same learngene a little differently, and
    // its file would be another.
    if let Some(there) = there.filter(|there| holds(there, &digest)) {
        card.tool = there.card.tool;
        if settings.previews.is_none() && before.is_some_and(|index| index.sampling == sampling) {
            preview = there.preview;
        }
    }
    if preview.is_none() {
        preview = previews.png(None)?;
    }
    let contents = Contents {
        weights,
        steps: header.step,
        preview: preview.as_deref(),
        storage,
        ..Contents::new(&id, &config, &learngene, &card)
    };
    let save = |file: NewFile| write_atomic(&settings.out.join(&file.entry.path), &file.bytes);
    let (mut draft, file) = Draft::new(&contents, &title, sampling.clone()).map_err(packed)?;
    save(file)?;

    let bar = indicatif::ProgressBar::new(header.classes.len() as u64);
    for (number, (class, name)) in classes.into_iter().zip(&header.classes).enumerate() {
        let tensors = snapshots.tailor(number)?;
        let preview = previews.png(Some((&class, &tensors)))?;
        let mut card = card.clone();
        card.title = format!("{title}: {}", name.name);
        card.training.insert("images".to_owned(), CardValue::Integer(name.count as u64));
        let contents = Contents {
            tensors: &tensors,
            card: &card,
            preview: preview.as_deref(),
            storage: tailor_storage,
            ..contents
        };
        save(draft.add(&contents, &class).map_err(packed)?)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    match previews.count {
        // Neither is one of other weights left there.
        0 => film::remove(&settings.out),
        _ => {
            let mut model = Model::new(&config, &learngene, &device)?;
            let mut shown = Vec::new();
            for number in film::chosen(header.classes.len()) {
                model.insert(&header.classes[number].id, snapshots.tailor(number)?)?;
                shown.push(header.classes[number].id.clone());
            }
            film::write(&settings.out, &model, &shown, &sampling)?;
        }
    }
    let mut index = draft.finish();
    if let Some(before) = before {
        index.version = before.version + 1;
        (index.next_key, index.expires) = (before.next_key, before.expires);
    }
    signing.write(&settings.out, &mut index)?;
    Ok(index)
}

/// The id of a gallery that nobody gave one: its folder's name, as far as an id can say it.
pub(crate) fn id_of(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_string_lossy().to_lowercase();
    let said = if tailor_packs::manifest::is_id(&name) { name } else { slug::slugify(&name) };
    Some(said.chars().take(64).collect()).filter(|id: &String| !id.is_empty())
}

/// Refuses what no gallery can be called.
pub(crate) fn check_names(id: &str, title: &str) -> Result<(), Error> {
    let refused = |name, found: &str, allowed| Err(Error::Setting { name, found: found.to_owned(), allowed });
    if !tailor_packs::manifest::is_id(id) {
        return refused("--id", id, "1 to 64 of a-z, 0-9, _ and -");
    }
    if !tailor_packs::manifest::is_name(title) {
        return refused("--title", title, "1 to 200 printable bytes");
    }
    Ok(())
}

/// Refuses a gallery with classes that the run, whose classes are `trained`, does not have: they would be lost.
fn check_classes(gallery: &Gallery, trained: &[ClassName]) -> Result<(), Error> {
    gallery.require_all()?;
    let others = gallery.index.classes.iter().filter(|class| !trained.iter().any(|c| c.id == class.id));
    let others: Vec<_> = others.map(|class| (class.id.as_str(), class.name.as_str())).collect();
    if others.is_empty() {
        return Ok(());
    }
    let folder = shell::path(&gallery.folder);
    const NAMED: usize = 8;
    let mut ids: Vec<&str> = others.iter().take(NAMED).map(|(id, _)| *id).collect();
    if others.len() > NAMED {
        ids.push("…");
    }
    Err(Error::Refused {
        what: format!(
            "{} holds classes that the run does not have, and would lose them: {}",
            gallery.folder.display(),
            few(&others)
        ),
        help: format!(
            "choose another --out; or, to lose them: tailor gallery remove {folder} {}",
            ids.join(" ")
        ),
    })
}

/// The learngene of a gallery that is published again, unless it is damaged.
fn learngene_of(gallery: &Gallery) -> Option<Learngene> {
    let note = |error| say!("note: {error}; what its card said is not kept");
    gallery.learngene().map_err(note).ok()
}

/// Whether the learngene's tensors have this digest.
fn holds(learngene: &Learngene, digest: &Digest) -> bool {
    learngene.manifest.entries.iter().any(|e| e.name == archive::TENSORS && e.sha256 == *digest)
}
