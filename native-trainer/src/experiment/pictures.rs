//! The pictures of an experiment: samples of the arms over the steps (Figure 6 of the paper), their losses, and the
//! same seeds with the tailors and without (Figure 7).

use std::collections::BTreeSet;
use std::path::Path;

use image::RgbImage;
use indicatif::HumanCount;
use tailor_core::{Guide, Item};
use tailor_packs::index::INDEX_FILE;

use super::compare::in_markdown;
use super::judging::Judging;
use super::plan::file_name;
use super::results::Outcome;
use crate::compute::device;
use crate::error::Error;
use crate::gallery::folder::Gallery;
use crate::gallery::sample::{assemble, settings};
use crate::report::chart::{Line, together};
use crate::report::grids;
use crate::settings::device::DeviceChoice;
use crate::settings::experiment::PictureSettings;
use crate::settings::sampling::SamplingSettings;
use crate::system::sheet::{Block, Sheet, picture};
use crate::train::live::{GRID_CLASSES, GRID_SCALE, LOOK_GUIDANCE, LOOK_STEPS, spread};
use crate::train::metrics;
use crate::train::noted::DataCard;

/// Classes and moments that the picture of the steps shows.
const CLASSES: usize = 3;
const MOMENTS: usize = 8;

/// Classes that are shown with and without their tailors, and samples of each.
const APART: usize = 8;
const PAIRS: u64 = 2;

/// One part of the report.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its pictures; none where there was nothing to make them of, which `words` then say.
    pub pictures: Vec<Picture>,
    /// What they show, and how it was made.
    pub words: String,
}

/// A picture as a file.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The file's name.
    pub name: String,
    /// What it shows, for whoever does not see it, in Markdown.
    pub alt: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// The pictures of the experiment in `root`, of which `outcomes` are the results.
///
/// # Errors
/// [`Error::Refused`] for a seed without a run, [`Error::UnknownClass`] for a class that no gallery has; else what is
/// wrong with a file or a gallery.
pub fn of(root: &Path, outcomes: &[Outcome], asked: &PictureSettings) -> Result<Vec<Section>, Error> {
    let Some(first) = outcomes.first() else { return Ok(Vec::new()) };
    let seed = asked.seed.unwrap_or(first.seed);
    let shown: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.seed == seed).collect();
    if shown.is_empty() {
        let seeds: BTreeSet<u64> = outcomes.iter().map(|outcome| outcome.seed).collect();
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        return Err(Error::Refused {
            what: format!("no run of seed {seed} has ended"),
            help: format!("choose one of --seed {}", seeds.join(", ")),
        });
    }
    Ok(vec![
        over_steps(root, &shown, asked)?,
        losses(root, outcomes)?,
        with_and_without(root, &shown, &asked.classes)?,
    ])
}

/// The gallery of a run, if it is still there.
fn gallery(root: &Path, outcome: &Outcome) -> Result<Option<Gallery>, Error> {
    let folder = root.join(&outcome.folder).join(Judging::folder(outcome.evaluate.as_ref()));
    folder.join(INDEX_FILE).exists().then(|| Gallery::open(&folder)).transpose()
}

/// Samples of a run over its steps.
struct History<'a> {
    outcome: &'a Outcome,
    /// Names of the classes that the grids show, from left to right.
    classes: Vec<String>,
    /// Step and picture.
    grids: Vec<(u64, RgbImage)>,
}

impl<'a> History<'a> {
    /// What the run has left; none where there are no grids, or they are not those of its model.
    fn read(root: &Path, outcome: &'a Outcome) -> Result<Option<Self>, Error> {
        let run = root.join(&outcome.folder).join("run");
        let Some(card) = DataCard::read(&run) else { return Ok(None) };
        let chosen = spread(card.classes.len(), GRID_CLASSES);
        let classes: Vec<String> = chosen.into_iter().map(|class| card.classes[class].0.clone()).collect();
        let decoded = |png: &[u8]| image::load_from_memory(png).ok().map(|picture| picture.to_rgb8());
        let read = grids(&run)?.into_iter().filter_map(|grid| Some((grid.step, decoded(&grid.png)?)));
        let cell = Self::cell(outcome);
        let fits = |(_, picture): &(u64, RgbImage)| {
            picture.width() as usize == classes.len() * cell + 1 && picture.height() as usize > cell
        };
        let grids: Vec<_> = read.filter(fits).collect();
        Ok((!grids.is_empty()).then_some(Self { outcome, classes, grids }))
    }

    /// Pixels from one sample of a grid to the next.
    fn cell(outcome: &Outcome) -> usize {
        outcome.recipe.model.image_size as usize * GRID_SCALE + 1
    }

    /// The sample with the first seed of a class at a step, in its own size.
    fn sample(&self, class: &str, step: u64) -> Option<RgbImage> {
        let column = self.classes.iter().position(|name| name == class)?;
        let (_, grid) = self.grids.iter().find(|(at, _)| *at == step)?;
        let size = self.outcome.recipe.model.image_size;
        let left = (column * Self::cell(self.outcome) + 1) as u32;
        let scale = GRID_SCALE as u32;
        Some(RgbImage::from_fn(size, size, |x, y| *grid.get_pixel(left + x * scale, 1 + y * scale)))
    }
}

fn over_steps(root: &Path, shown: &[&Outcome], asked: &PictureSettings) -> Result<Section, Error> {
    let title = "Samples over the steps";
    let empty = |words: &str| Ok(Section { title, pictures: Vec::new(), words: words.to_owned() });
    let mut histories = Vec::new();
    for outcome in shown {
        histories.extend(History::read(root, outcome)?);
    }
    let Some(one) = histories.first() else {
        if shown.iter().all(|outcome| outcome.recipe.model.makes_latents()) {
            return empty("The models make latents, which are no pictures.");
        }
        return empty(
            "The runs have left no samples; `training.sample_every` says after how many steps they do.",
        );
    };
    let classes: Vec<String> = match &asked.classes[..] {
        [] => {
            spread(one.classes.len(), CLASSES).into_iter().map(|class| one.classes[class].clone()).collect()
        }
        asked => {
            let gallery = gallery(root, one.outcome)?;
            let named = |asked: &String| match &gallery {
                Some(gallery) => Ok(gallery.class(asked)?.name.clone()),
                None => Ok(asked.clone()),
            };
            let named: Vec<String> = asked.iter().map(named).collect::<Result<_, Error>>()?;
            named.into_iter().filter(|name| one.classes.contains(name)).collect()
        }
    };
    if classes.is_empty() {
        let known: Vec<&str> = one.classes.iter().map(String::as_str).collect();
        return empty(&format!(
            "None of the classes asked for is among those sampled: {}.",
            known.join(", ")
        ));
    }
    let steps: BTreeSet<u64> = histories.iter().flat_map(|h| h.grids.iter().map(|(step, _)| *step)).collect();
    let steps: Vec<u64> = steps.into_iter().collect();
    // The last is the one that matters most.
    let moments: Vec<u64> = match steps.len() <= MOMENTS {
        true => steps,
        false => (1..=MOMENTS).map(|i| steps[i * steps.len() / MOMENTS - 1]).collect(),
    };
    let block = |class: &String| Block {
        title: class.clone(),
        rows: histories
            .iter()
            .map(|h| (h.outcome.arm.clone(), moments.iter().map(|step| h.sample(class, *step)).collect()))
            .collect(),
    };
    let sheet = Sheet {
        columns: moments.iter().map(|step| format!("step {}", HumanCount(*step))).collect(),
        blocks: classes.iter().map(block).collect(),
    };
    let without: Vec<&str> = shown
        .iter()
        .map(|outcome| outcome.arm.as_str())
        .filter(|arm| histories.iter().all(|history| history.outcome.arm != *arm))
        .collect();
    let without = match &without[..] {
        [] => String::new(),
        arms => format!(" No samples are left of {}.", arms.join(", ")),
    };
    let last = moments.last().copied().unwrap_or(0);
    Ok(Section {
        title,
        pictures: vec![Picture {
            name: "steps.png".to_owned(),
            alt: in_markdown(&format!(
                "A row for each arm and a column for each of {} moments up to step {}, for {}",
                moments.len(),
                HumanCount(last),
                classes.join(", ")
            )),
            bytes: sheet.png()?,
        }],
        words: format!(
            "Runs of seed {}. All samples of a class begin with the same noise: seed 1, the averaged weights, Heun's \
             sampler in {LOOK_STEPS} steps with guidance {LOOK_GUIDANCE}.{without}",
            one.outcome.seed
        ),
    })
}

fn losses(root: &Path, outcomes: &[Outcome]) -> Result<Section, Error> {
    let title = "Loss";
    let mut arms: Vec<&str> = outcomes.iter().map(|outcome| outcome.arm.as_str()).collect();
    let mut seen = BTreeSet::new();
    arms.retain(|arm| seen.insert(*arm));
    let mut lines = Vec::new();
    for arm in arms {
        let mut runs = Vec::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.arm == arm) {
            let of_run = metrics::read(&root.join(&outcome.folder).join("run"))?;
            if !of_run.is_empty() {
                runs.push(of_run.into_iter().map(|at| (at.step, at.loss)).collect::<Vec<_>>());
            }
        }
        let Some(first) = runs.first() else { continue };
        let mut line = Line { name: arm.to_owned(), points: Vec::new(), band: Vec::new() };
        for (step, _) in first {
            let at = |run: &Vec<(u64, f64)>| run.iter().find(|(at, _)| at == step).map(|(_, loss)| *loss);
            let values: Vec<f64> = runs.iter().filter_map(at).collect();
            // A mean over fewer seeds would make a step of its own.
            if values.len() == runs.len() {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                line.points.push((*step as f64, mean));
                let [low, high] = [f64::min, f64::max].map(|of| values.iter().copied().fold(mean, of));
                line.band.push((*step as f64, low, high));
            }
        }
        if runs.len() > 1 {
            line.name += &format!(" ({} seeds)", runs.len());
        } else {
            line.band.clear();
        }
        lines.push(line);
    }
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let shown = in_markdown(&format!("Loss over the steps of {}", names.join(", ")));
    let drawing = together("loss", lines);
    let words = match &drawing {
        Some(_) => {
            "Training loss, the mean over the seeds; a band reaches from the lowest of them to the highest."
        }
        None => "The runs have left no losses over their steps.",
    };
    let file = |svg: String| Picture { name: "loss.svg".to_owned(), alt: shown, bytes: svg.into_bytes() };
    Ok(Section { title, pictures: drawing.map(file).into_iter().collect(), words: words.to_owned() })
}

fn with_and_without(root: &Path, shown: &[&Outcome], asked: &[String]) -> Result<Section, Error> {
    let title = "With the tailors and without";
    let mut pictures = Vec::new();
    let (mut words, mut done) = (Vec::new(), BTreeSet::new());
    for outcome in shown {
        let arm = &outcome.arm;
        if outcome.recipe.model.factored.matrices().is_empty() {
            words.push(format!("The network of {} does not come apart.", in_markdown(arm)));
            continue;
        }
        if outcome.recipe.model.makes_latents() {
            words.push(format!(
                "Arm {} makes latents, which tailor sample --autoencoder shows.",
                in_markdown(arm)
            ));
            continue;
        }
        let Some(gallery) = gallery(root, outcome)? else {
            words.push(format!("The gallery of {} is gone.", in_markdown(arm)));
            continue;
        };
        // Arms that are only judged differently have one gallery.
        if !done.insert((&outcome.folder, Judging::folder(outcome.evaluate.as_ref()))) {
            continue;
        }
        let (png, names, how) = apart(&gallery, asked)?;
        pictures.push(Picture {
            name: format!("apart-{}.png", file_name(arm)),
            alt: in_markdown(&format!(
                "{arm}: samples of {names} with their tailors, and below of the learngene alone"
            )),
            bytes: png,
        });
        words.push(format!("Arm {}: {how}.", in_markdown(arm)));
    }
    Ok(Section { title, pictures, words: words.join("\n") })
}

/// The picture of one gallery, the classes that it shows, and how they were sampled.
fn apart(gallery: &Gallery, asked: &[String]) -> Result<(Vec<u8>, String, String), Error> {
    let all = &gallery.index.classes;
    let classes = match asked {
        [] => spread(all.len(), APART).into_iter().map(|class| &all[class]).collect(),
        asked => asked.iter().map(|class| gallery.class(class)).collect::<Result<Vec<_>, _>>()?,
    };
    let ids: Vec<String> = classes.iter().map(|class| class.id.clone()).collect();
    let model = assemble(gallery, &ids, &Guide::default(), &device::open(DeviceChoice::Auto)?)?;
    // Without a tailor the class makes no difference, so each column has a seed of its own.
    let seed = |pair: u64, column: usize| pair * ids.len() as u64 + column as u64 + 1;
    let mut items = Vec::new();
    for (pair, with) in (0..PAIRS).flat_map(|pair| [(pair, true), (pair, false)]) {
        items.extend(ids.iter().enumerate().map(|(column, id)| Item {
            gate: if with { vec![(id.clone(), 1.0)] } else { Vec::new() },
            seed: seed(pair, column),
        }));
    }
    let settings = settings(gallery, &SamplingSettings::default(), items)?;
    let how = format!(
        "seeds 1 to {}, {} in {} steps with guidance {}",
        PAIRS * ids.len() as u64,
        settings.sampler.name(),
        settings.steps,
        settings.guidance
    );
    let images = model.generate(settings, |_| ())?;
    let [b, c, h, w] = images.shape;
    let drawn: Vec<_> = (0..b)
        .map(|i| picture(&images.values[i * c * h * w..][..c * h * w], [c, h, w]))
        .collect::<Result<_, _>>()?;
    let rows: Vec<_> = drawn
        .chunks(ids.len())
        .zip(["with the tailor", "learngene alone"].into_iter().cycle())
        .map(|(images, words)| (words.to_owned(), images.iter().cloned().map(Some).collect()))
        .collect();
    let sheet = Sheet {
        columns: classes.iter().map(|class| class.name.clone()).collect(),
        blocks: rows.chunks(2).map(|rows| Block { title: String::new(), rows: rows.to_vec() }).collect(),
    };
    let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
    Ok((sheet.png()?, names.join(", "), how))
}
