//! From a run to a gallery of one learngene and one pack per class.

use tailor_packs::index::INDEX_FILE;
use tailor_packs::pack::{CardValue, Contents};
use tailor_packs::publish::Draft;
use tailor_packs::{Class, Index, NewFile, Weights};

use super::folder::Gallery;
use super::pack::{Previews, card};
use super::sign::Signing;
use crate::compute::device;
use crate::data::names;
use crate::error::Error;
use crate::settings::gallery::PublishSettings;
use crate::system::files::{create_folder, write_atomic};
use crate::train::checkpoint;
use crate::train::live::{learngene_tensors, tailor_tensors};

/// Publishes a run and returns the gallery's index, which is written last, so a gallery is never half new.
///
/// # Errors
/// Anything wrong with run, settings, device or disk.
pub fn publish(settings: &PublishSettings) -> Result<Index, Error> {
    let stored = checkpoint::require(&settings.run)?;
    let device = device::open(settings.device)?;
    let trainer = stored.restore(&device)?;
    let header = stored.header;
    let config = trainer.config().clone();
    let folder_name = settings.out.file_name().map(|n| n.to_string_lossy().to_lowercase());
    let id = settings.id.clone().or(folder_name).unwrap_or_else(|| header.recipe.name.clone());
    if !tailor_packs::manifest::is_id(&id) {
        return Err(Error::Setting { name: "--id", found: id, allowed: "1 to 64 of a-z, 0-9, _ and -" });
    }
    let title = settings.title.clone().unwrap_or_else(|| id.clone());
    if !tailor_packs::manifest::is_name(&title) {
        return Err(Error::Setting { name: "--title", found: title, allowed: "1 to 200 printable bytes" });
    }
    // Before anything is written: a gallery is not half published.
    let classes: Vec<Class> =
        header.classes.iter().map(|class| names::check(&class.id, &class.name)).collect::<Result<_, _>>()?;
    let weights = if settings.raw_weights { Weights::Raw } else { Weights::Ema };
    let sampling = settings.sampling.advice(config.objective);
    // A gallery that was there keeps counting; an unreadable index is not silently replaced.
    let before = settings.out.join(INDEX_FILE).exists().then(|| Gallery::open(&settings.out)).transpose()?;
    let (version, next_key) = before.map_or((1, None), |g| (g.index.version + 1, g.index.next_key));
    create_folder(&settings.out)?;
    let signing = Signing::new(&settings.signing, &settings.out)?;

    let learngene = learngene_tensors(&trainer, weights)?;
    let previews = Previews {
        count: settings.previews as usize,
        sampling: &sampling,
        config: &config,
        learngene: &learngene,
        device: &device,
    };
    let packed = |reason| Error::Pack { path: settings.out.clone(), source: reason };
    let card = card(&settings.card, &title, &header);
    let preview = previews.png(None)?;
    let contents = Contents {
        weights,
        steps: header.step,
        preview: preview.as_deref(),
        ..Contents::new(&id, &config, &learngene, &card)
    };
    let save = |file: NewFile| write_atomic(&settings.out.join(&file.entry.path), &file.bytes);
    let (mut draft, file) = Draft::new(&contents, &title, sampling.clone()).map_err(packed)?;
    save(file)?;

    let bar = indicatif::ProgressBar::new(header.classes.len() as u64);
    for (number, (class, name)) in classes.into_iter().zip(&header.classes).enumerate() {
        let tensors = tailor_tensors(&trainer, number, weights)?;
        let preview = previews.png(Some((&class, &tensors)))?;
        let mut card = card.clone();
        card.title = format!("{title}: {}", name.name);
        card.training.insert("images".to_owned(), CardValue::Integer(name.count as u64));
        let contents = Contents { tensors: &tensors, card: &card, preview: preview.as_deref(), ..contents };
        save(draft.add(&contents, &class).map_err(packed)?)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut index = draft.finish();
    (index.version, index.next_key) = (version, next_key);
    signing.write(&settings.out, &mut index)?;
    Ok(index)
}
