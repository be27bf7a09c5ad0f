//! `tailor sample`: images from a gallery, on this machine.

use tailor_core::diffusion::images::Images;
use tailor_core::{Item, SampleSettings, Sampler};

use crate::cli::{SampleArgs, SamplingFlags};
use crate::device::{self, Device};
use crate::error::Error;
use crate::gallery::Gallery;
use crate::grid::{save_grid, save_npy};
use crate::model::Model;

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
pub fn settings(gallery: &Gallery, flags: &SamplingFlags, items: Vec<Item>) -> Result<SampleSettings, Error> {
    let advice = &gallery.index.sampling;
    let sampler = match flags.sampler {
        Some(sampler) => sampler,
        None => advice.sampler.parse::<Sampler>().map_err(|e| Error::Refused {
            what: format!("{}: {e}", gallery.folder.display()),
            help: "choose one with --sampler".to_owned(),
        })?,
    };
    Ok(SampleSettings {
        sampler,
        steps: flags.steps.unwrap_or(advice.steps) as usize,
        guidance: f64::from(flags.guidance.unwrap_or(advice.guidance)),
        items,
    })
}

/// Runs `tailor sample`.
///
/// # Errors
/// Anything wrong with gallery, classes, settings, device or disk.
pub fn run(args: &SampleArgs) -> Result<(), Error> {
    let gallery = Gallery::open(&args.gallery)?;
    let classes: Vec<String> = if args.all_classes {
        gallery.index.classes.iter().map(|c| c.id.clone()).collect()
    } else {
        args.classes.iter().map(|c| Ok(gallery.class(c)?.id.clone())).collect::<Result<_, Error>>()?
    };
    let device = device::open(args.device)?;
    let model = assemble(&gallery, &classes, &device)?;
    let gates: Vec<Vec<(String, f32)>> = match args.learngene_only {
        true => vec![Vec::new()],
        false => classes.iter().map(|c| vec![(c.clone(), 1.0)]).collect(),
    };
    let bar = indicatif::ProgressBar::new(u64::from(args.count));
    let mut all = Images::default();
    // One row at a time: memory does not grow with the number of seeds.
    for row in 0..u64::from(args.count) {
        let seed = args.seed.wrapping_add(row);
        let items = gates.iter().map(|gate| Item { gate: gate.clone(), seed }).collect();
        let images = model.generate(settings(&gallery, &args.sampling, items)?, |_| ())?;
        let [b, c, h, w] = images.shape;
        all.shape = [all.shape[0] + b, c, h, w];
        all.values.extend(images.values);
        bar.inc(1);
    }
    bar.finish_and_clear();
    save_grid(&args.out, &all.values, all.shape, gates.len(), 4)?;
    if let Some(raw) = &args.raw {
        save_npy(raw, &all.shape, &all.values)?;
    }
    Ok(())
}
