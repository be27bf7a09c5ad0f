//! From a trained network to a run that adapts it to classes of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tailor_packs::ClassEntry;
use tailor_packs::index::INDEX_FILE;

use super::folder::Gallery;
use crate::error::Error;
use crate::settings::train::FinetuneSettings;
use crate::system::files::folder_of;
use crate::system::output::{self, shown};
use crate::train::adapt::Adapt;
use crate::train::base::{self, Base};
use crate::train::begin::{Outcome, finetune as begin};
use crate::train::method::{Method, Wants, adapting_apart};

/// Adapts the network of the settings to their data, or goes on with such a run.
///
/// # Errors
/// Anything wrong with base, data, settings, device or disk; what was saved before stays.
pub fn finetune(settings: &FinetuneSettings) -> Result<Outcome, Error> {
    let file = learngene_file(&settings.base)?;
    let adapt = adapt(&settings.method, &file, settings.rank, settings.depth)?;
    if settings.expected.is_some_and(|expected| expected != adapt.base.digest) {
        return Err(Error::Refused {
            what: format!("{} has changed since this began: it is another network now", shown(&file)),
            help: "let what makes it end first, and then give the same command again".to_owned(),
        });
    }
    output::refuse_inputs(&settings.run.out, inputs(&file))?;
    begin(&settings.run, &adapt)
}

/// Opens the network in `base`, a learngene file or the folder of its gallery, to be adapted by the method of this name.
///
/// # Errors
/// [`Error::Refused`] when there is no such method, it does not suit the network or does not have this rank; whatever is
/// wrong with the file.
pub fn open(method: &str, base: &Path, rank: Option<usize>, depth: Option<usize>) -> Result<Adapt, Error> {
    adapt(method, &learngene_file(base)?, rank, depth)
}

/// The same of the learngene's file itself.
fn adapt(method: &str, file: &Path, rank: Option<usize>, depth: Option<usize>) -> Result<Adapt, Error> {
    let method = base::method_named(method)?;
    let base = Base::open(file)?;
    fits(method, &base, file)?;
    base::check(method, rank, depth, &base.learngene.manifest.config)?;
    let labels = if method.is_taught() { labels(file)? } else { BTreeMap::new() };
    Ok(Adapt { base, labels, method, rank, depth })
}

/// The label's row of each class of the gallery in which the learngene's file lies, by the class's id.
fn labels(file: &Path) -> Result<BTreeMap<String, Vec<f32>>, Error> {
    let gallery = Gallery::open(folder_of(file))?;
    let row = |class: &ClassEntry| {
        let mut tailor = gallery.tailor(class)?;
        // Every tailor has one.
        let (_, row) = tailor.tensors.remove("label").unwrap_or_default();
        Ok((class.id.clone(), row))
    };
    gallery.index.classes.iter().map(row).collect()
}

/// Refuses a network of the other kind than the method wants.
fn fits(method: &dyn Method, base: &Base, file: &Path) -> Result<(), Error> {
    let apart = !base.learngene.manifest.config.factored.matrices().is_empty();
    let (what, help) = match (method.wants(), apart) {
        (Wants::Apart, false) => (
            "is a plain network, which has no tailors".to_owned(),
            "name the gallery of a network trained without --method plain",
        ),
        (Wants::Plain, true) => (
            format!("comes apart: only --method {} adapts it", adapting_apart(" or ")),
            "train a plain network with `tailor train --method plain`",
        ),
        _ => return Ok(()),
    };
    Err(Error::Refused { what: format!("{} {what}", file.display()), help: help.to_owned() })
}

/// The learngene's file that `path` means: itself, or that of the gallery there.
pub(super) fn learngene_file(path: &Path) -> Result<PathBuf, Error> {
    if !path.is_dir() && path.file_name().is_none_or(|name| name != INDEX_FILE) {
        return Ok(path.to_owned());
    }
    let gallery = Gallery::open(path)?;
    // What the index does not vouch for is not learned from.
    gallery.learngene()?;
    Ok(gallery.folder.join(&gallery.index.learngene.path))
}

/// What is read: every file of the gallery in which the learngene's file lies, and the file.
pub(super) fn inputs(file: &Path) -> Vec<PathBuf> {
    let gallery = Gallery::open(folder_of(file)).ok();
    gallery.iter().flat_map(Gallery::files).chain([file.to_owned()]).collect()
}
