//! A gallery's model, and how to sample it.

use tailor_core::{Item, SampleSettings, Sampler};

use super::folder::Gallery;
use crate::compute::device::Device;
use crate::compute::model::Model;
use crate::error::Error;
use crate::settings::sampling::SamplingSettings;

/// A gallery's model with the tailors of `classes` put on.
///
/// # Errors
/// Whatever is wrong with one of the files.
pub fn assemble(gallery: &Gallery, classes: &[String], device: &Device) -> Result<Model, Error> {
    let mut model = Model::new(&gallery.index.config, &gallery.learngene()?.tensors, device)?;
    for id in classes {
        let class = gallery.class(id)?;
        model.insert(&class.id, gallery.tailor(class)?.tensors)?;
    }
    Ok(model)
}

/// Sampler, steps and guidance: what was asked for, else what the gallery recommends.
///
/// # Errors
/// [`Error::Refused`] when the gallery recommends a sampler that this program does not know.
pub fn settings(
    gallery: &Gallery,
    asked: &SamplingSettings,
    items: Vec<Item>,
) -> Result<SampleSettings, Error> {
    let advice = asked.over(&gallery.index.sampling);
    let sampler = advice.sampler.parse::<Sampler>().map_err(|e| Error::Refused {
        what: format!("{}: {e}", gallery.folder.display()),
        help: "choose one with --sampler".to_owned(),
    })?;
    Ok(SampleSettings {
        sampler,
        steps: advice.steps as usize,
        guidance: f64::from(advice.guidance),
        guide: asked.guide,
        items,
    })
}
