//! What a run's folder holds, gathered for its page.

use std::path::{Path, PathBuf};

use tailor_core::Item;

use super::{Apart, Grid, Report};
use crate::compute::device;
use crate::error::Error;
use crate::system::files::read_limited;
use crate::system::grid::grid_png;
use crate::system::output;
use crate::train::checkpoint::{self, RunHeader};
use crate::train::live::{at_a_look, live_model, spread};
use crate::train::metrics;
use crate::train::noted::DataCard;
use crate::train::trainer::Trainer;

/// Classes that are shown with and without their tailors.
const APART: usize = 8;

/// The folder of sample grids in a run's folder.
const SAMPLES: &str = "samples";

/// Writes the page of the run in `run`, of which `header` and `trainer` are the present state.
///
/// # Errors
/// Anything wrong with device or disk.
pub fn write(run: &Path, out: &Path, header: &RunHeader, trainer: &Trainer) -> Result<(), Error> {
    let (config, training) = (trainer.config(), &header.recipe.training);
    let settings = [serde_json::to_value(config), serde_json::to_value(training)];
    let settings = settings.into_iter().flatten().filter_map(|value| value.as_object().cloned()).flatten();
    let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = |value: &serde_json::Value| match value.as_array() {
        Some(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        None => plain(value),
    };
    // A run without a note of its data still knows its classes.
    let card = DataCard::read(run);
    let classes = || header.classes.iter().map(|class| (class.name.clone(), class.count)).collect::<Vec<_>>();
    let report = Report {
        title: name_of(run).unwrap_or_else(|| header.recipe.name.clone()),
        step: trainer.step,
        steps: training.steps,
        metrics: metrics::read(run)?,
        grids: grids(run)?,
        // Latents are no pictures.
        apart: (!config.makes_latents()).then(|| apart(header, trainer)).transpose()?,
        settings: settings.map(|(name, value)| (name, text(&value))).collect(),
        engine: header.engine.clone(),
        parameters: (config.learngene_parameters(), config.tailor_parameters()),
        data: card.unwrap_or_else(|| DataCard {
            images: classes().iter().map(|(_, count)| count).sum(),
            classes: classes(),
            ..DataCard::default()
        }),
        machine: format!(
            "{} cores, {}, tailor {}",
            device::cores(),
            trainer.device().name(),
            env!("CARGO_PKG_VERSION")
        ),
    };
    Ok(output::write(out, report.to_html().as_bytes())?)
}

/// What of the run in `run` its page is made of: files, and folders of files.
pub fn inputs(run: &Path) -> [PathBuf; 4] {
    [checkpoint::folder(run), metrics::path(run), DataCard::place(run), run.join(SAMPLES)]
}

/// The name of a run: that of its folder.
fn name_of(run: &Path) -> Option<String> {
    let folder = run.canonicalize().ok()?;
    Some(folder.file_name()?.to_string_lossy().into_owned())
}

/// The sample grids that the run has left, oldest first.
pub(crate) fn grids(run: &Path) -> Result<Vec<Grid>, Error> {
    let folder = run.join(SAMPLES);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for path in entries.map_err(Error::read(&folder))?.into_iter().map(|entry| entry.path()) {
        let step = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        found.extend(step.map(|step| (step, path)));
    }
    found.sort();
    let read = |(step, path): (u64, PathBuf)| Ok(Grid { step, png: read_limited(&path, u64::MAX)? });
    found.into_iter().map(read).collect()
}

/// Two seeds for each of some classes, with the tailor and without (Figure 7 of the paper).
fn apart(header: &RunHeader, trainer: &Trainer) -> Result<Apart, Error> {
    let chosen = spread(header.classes.len(), APART);
    let model = live_model(trainer, &header.classes, &chosen)?;
    let mut items = Vec::new();
    for (row, with) in [(0, true), (0, false), (1, true), (1, false)] {
        // Without a tailor the class makes no difference, so each column has a seed of its own.
        items.extend(chosen.iter().enumerate().map(|(column, &class)| Item {
            gate: if with { vec![(header.classes[class].id.clone(), 1.0)] } else { Vec::new() },
            seed: (row * APART + column) as u64 + 1,
        }));
    }
    let images = model.generate(at_a_look(&header.recipe.training, items), |_| ())?;
    Ok(Apart {
        png: grid_png(&images.values, images.shape, chosen.len(), 2)?,
        classes: chosen.iter().map(|&class| header.classes[class].name.clone()).collect(),
    })
}
