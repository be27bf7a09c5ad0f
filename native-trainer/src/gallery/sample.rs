//! A gallery's model, and how to sample it.

use tailor_core::model::{Part, turned_down, unnamed};
use tailor_core::{Guide, Item, SampleSettings, Sampler};

use super::folder::Gallery;
use crate::compute::device::Device;
use crate::compute::model::Model;
use crate::error::Error;
use crate::settings::sampling::SamplingSettings;

/// A gallery's model with the tailors of `classes` put on, and with what the guide needs of them.
///
/// # Errors
/// Whatever is wrong with one of the files.
pub fn assemble(
    gallery: &Gallery,
    classes: &[String],
    guide: &Guide,
    device: &Device,
) -> Result<Model, Error> {
    let (config, learngene) = (&gallery.index.config, gallery.learngene()?.tensors);
    let null = learngene.get("label.null").map(|(_, values)| values).unwrap_or_default();
    let mut model = Model::new(config, &learngene, device)?;
    for id in classes {
        let class = gallery.class(id)?;
        let tailor = gallery.tailor(class)?.tensors;
        if guide.unnamed {
            let share = |part| if part == Part::Label { 0.0 } else { 1.0 };
            model.insert(&unnamed(&class.id), turned_down(config, &tailor, null, share)?)?;
        }
        model.insert(&class.id, tailor)?;
    }
    Ok(model)
}

/// Sampler, steps and guidance: what was asked for, else what the gallery recommends.
///
/// # Errors
/// [`Error::Refused`] when the gallery recommends a sampler that this program does not know, when sampler, steps and
/// guidance do not suit the model or each other, and for a guide that would make no difference.
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
    let settings = SampleSettings {
        sampler,
        steps: advice.steps as usize,
        guidance: f64::from(advice.guidance),
        guide: asked.guide,
        items,
    };
    let refuse = |what: String, help: &str| Err(Error::Refused { what, help: help.to_owned() });
    if let Err(error) = settings.check(&gallery.index.config) {
        return refuse(error.to_string(), "choose others with --steps, --guidance or --sampler");
    }
    if settings.guide.in_vain(settings.guidance) {
        return refuse(
            format!("guidance is {}, so that a guide makes no difference", settings.guidance),
            "add --guidance 2 or more, or leave out --guide and --guide-times",
        );
    }
    Ok(settings)
}
