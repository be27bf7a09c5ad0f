//! How long an experiment takes on this machine, before anybody begins it.

use std::collections::BTreeSet;

use serde::Serialize;
use tailor_core::Sampler;
use tailor_packs::ModelConfig;

use super::plan::{Experiment, Planned};
use super::results;
use super::run::{folder_of, part, trained};
use crate::data::splits::Split;
use crate::data::{Dataset, Options};
use crate::error::Error;
use crate::settings::experiment::ExperimentSettings;
use crate::settings::train::BenchSettings;
use crate::train::bench::measure;
use crate::train::method::MethodHeader;

/// What a step's time depends on: the model, the images of a batch, and the method that adapts it.
type What = (ModelConfig, usize, Option<MethodHeader>);

/// Steps that are measured of each model.
const STEPS: usize = 5;

/// A pass through the network costs a third of a training step, which goes forward once and back for twice as much.
const PASS: f64 = 1.0 / 3.0;

/// What the runs of an experiment, or of this program's part of it, will take.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// Each arm.
    pub arms: Vec<ArmEstimate>,
    /// Hours for all that has not ended yet.
    pub hours_left: f64,
    /// Hours for all of it, from the beginning.
    pub hours: f64,
}

/// What the runs of one arm will take.
#[derive(Clone, Debug, Serialize)]
pub struct ArmEstimate {
    /// Name of the arm.
    pub arm: String,
    /// Runs, and how many of them have not ended yet.
    pub runs: (usize, usize),
    /// Trainings of its own: fewer than runs where an arm before it trains the same and is judged otherwise.
    pub trainings: usize,
    /// Images trained on per second, measured here.
    pub images_per_second: f64,
    /// Hours of one training.
    pub training_hours: f64,
    /// Hours that one run samples to be judged; reading the samples comes on top.
    pub sampling_hours: f64,
}

/// Measures each model of the experiment for some steps, and counts up.
///
/// # Errors
/// Anything wrong with data, device or disk.
pub fn estimate(settings: &ExperimentSettings, experiment: &Experiment) -> Result<Estimate, Error> {
    let ExperimentSettings { out, .. } = settings;
    let mine = part(experiment, settings.part);
    let mut rates: Vec<(What, f64, usize)> = Vec::new();
    let mut arms = Vec::new();
    // Trainings that are counted already: several arms may judge the same one.
    let (mut counted, mut to_train) = (BTreeSet::new(), BTreeSet::new());
    let (mut hours, mut hours_left) = (0.0, 0.0);
    for arm in experiment.arms() {
        let runs: Vec<&Planned> = mine.iter().copied().filter(|run| run.arm == arm).collect();
        let Some(planned) = runs.first() else { continue };
        let (model, training) = (&planned.recipe.model, &planned.recipe.training);
        let what = (model.clone(), training.batch_size, planned.adapt.clone());
        let known = rates.iter().find(|(known, ..)| *known == what);
        let (rate, classes) = match known {
            Some((_, rate, classes)) => (*rate, *classes),
            None => {
                let classes = classes(experiment, model)?;
                let measured = measure(&BenchSettings {
                    model: model.clone(),
                    method: planned.adapt.as_ref().map(|adapt| adapt.name.clone()),
                    rank: planned.adapt.as_ref().and_then(|adapt| adapt.rank),
                    depth: planned.adapt.as_ref().and_then(|adapt| adapt.depth),
                    beside_full: false,
                    batch_size: training.batch_size,
                    micro_batch: Some(training.micro_batch),
                    data: None,
                    classes,
                    steps: STEPS,
                    device: settings.device,
                })?;
                let rate = measured.images_per_second.median;
                rates.push((what, rate, classes));
                (rate, classes)
            }
        };
        let training_hours = training.steps as f64 * training.batch_size as f64 / rate / 3600.0;
        let sampling_hours = passes(planned, classes) * PASS / rate / 3600.0;
        let (mut open, mut trainings) = (0, 0);
        for run in &runs {
            let folder = folder_of(experiment, run);
            trainings += usize::from(counted.insert(folder.clone()));
            if results::of(out, run)?.is_none() {
                open += 1;
                if trained(&out.join(&folder))?.is_none() && to_train.insert(folder) {
                    hours_left += training_hours;
                }
            }
        }
        hours += training_hours * trainings as f64 + sampling_hours * runs.len() as f64;
        hours_left += sampling_hours * open as f64;
        arms.push(ArmEstimate {
            arm: arm.to_owned(),
            runs: (runs.len(), open),
            trainings,
            images_per_second: rate,
            training_hours,
            sampling_hours,
        });
    }
    Ok(Estimate { arms, hours_left, hours })
}

fn classes(experiment: &Experiment, model: &ModelConfig) -> Result<usize, Error> {
    let split = experiment.split.as_deref().map(Split::open).transpose()?;
    let options = Options::for_model(model, false).with_split(split);
    Ok(Dataset::open(&experiment.data, &options)?.classes.len())
}

/// Passes through the network of all samples with which one run is judged: those of each class, and ten times as
/// many as of one class of the learngene alone.
fn passes(planned: &Planned, classes: usize) -> f64 {
    let Some(judging) = &planned.evaluate else { return 0.0 };
    let advice = judging.sampling().advice(&planned.recipe.model);
    let each = f64::from(advice.steps) * if advice.sampler == Sampler::Heun.name() { 2.0 } else { 1.0 };
    let guided = if advice.guidance == 1.0 { 1.0 } else { 2.0 };
    each * judging.per_class as f64 * (classes as f64 * guided + 10.0)
}
