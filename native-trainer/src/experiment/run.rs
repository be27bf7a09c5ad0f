//! Carries out the runs of an experiment.
//!
//! A run that is to be trained in the same way as another, as when two arms differ in how they are judged, shares its
//! training: the folder of a training is named after what is trained. Who works in a folder holds its lock, so any
//! number of programs may work on one experiment side by side, on one machine or on several that share a disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::HumanDuration;
use serde::Serialize;
use serde_json::Value;
use tailor_packs::index::INDEX_FILE;
use tailor_packs::{Digest, ModelConfig};

use super::begun::begin;
use super::judging::Judging;
use super::plan::{Experiment, Planned, file_name};
use super::results::{self, Outcome};
use crate::error::Error;
use crate::gallery::finetune::finetune;
use crate::gallery::folder::Gallery;
use crate::gallery::publish::publish;
use crate::say;
use crate::settings::device::DeviceChoice;
use crate::settings::experiment::ExperimentSettings;
use crate::settings::gallery::{CardSettings, PublishSettings, SigningSettings};
use crate::settings::recipe::{ModelChoice, Recipe};
use crate::settings::train::{FinetuneSettings, RunningSettings, TrainSettings};
use crate::settings::training::{Changes, Training};
use crate::system::files::{LockError, create_folder, lock, write_atomic};
use crate::system::output::{one_line, shown};
use crate::system::shell;
use crate::system::status::Status;
use crate::train::begin::train;
use crate::train::method::{MethodHeader, named};
use crate::train::run::Ended;

/// How an experiment, or this program's part of it, ended.
#[derive(Debug)]
pub struct Carried {
    /// Done, or stopped by a signal; then the same command goes on.
    pub status: Status,
    /// What came of all runs that have ended so far.
    pub outcomes: Vec<Outcome>,
    /// Runs of this part that other programs are at.
    pub elsewhere: usize,
}

/// Carries out the runs of the settings' part that have not ended yet, one after the other.
pub(super) fn carry_out(settings: &ExperimentSettings, experiment: &Experiment) -> Result<Carried, Error> {
    let ExperimentSettings { out, .. } = settings;
    begin(out, experiment)?;
    let mine = part(experiment, settings.part);
    let mut pace = Pace::new(mine.len());
    let mut elsewhere = 0;
    loop {
        let open = open_runs(out, &mine)?;
        // Another program may be at the first ones.
        let taken =
            open.iter().find_map(|run| Folder::take(out, experiment, run).transpose().map(|f| (*run, f)));
        let Some((planned, folder)) = taken else {
            elsewhere = elsewhere.max(open.len());
            break;
        };
        let folder = folder?;
        // It may have ended between the look and the lock.
        if results::of(out, planned)?.is_some() {
            continue;
        }
        say!("{}: arm {}, seed {}", pace.left(open.len()), one_line(&planned.arm), planned.seed);
        let began = Instant::now();
        if let Some(status) = folder.work(settings, experiment, planned)? {
            let outcomes = results::gather(out, experiment)?;
            return Ok(Carried { status, outcomes, elsewhere: 0 });
        }
        pace.took(began.elapsed());
        results::gather(out, experiment)?;
    }
    let outcomes = results::gather(out, experiment)?;
    Ok(Carried { status: Status::Done, outcomes, elsewhere })
}

/// Part `first` of `of`: the runs of every `of`th training. Runs that share a training belong to one part, so that no
/// part passes one over because another is at its training.
pub(super) fn part(experiment: &Experiment, (first, of): (usize, usize)) -> Vec<&Planned> {
    let mut trainings: Vec<String> = Vec::new();
    let mine = |planned: &&Planned| {
        let name = name_of(experiment, planned);
        let number = trainings.iter().position(|known| *known == name).unwrap_or_else(|| {
            trainings.push(name);
            trainings.len() - 1
        });
        number % of == first
    };
    experiment.runs.iter().filter(mine).collect()
}

/// The runs that have not ended.
pub(super) fn open_runs<'a>(out: &Path, runs: &[&'a Planned]) -> Result<Vec<&'a Planned>, Error> {
    let mut open = Vec::new();
    for run in runs {
        if results::of(out, run)?.is_none() {
            open.push(*run);
        }
    }
    Ok(open)
}

/// How fast runs end, for an estimate of the time left.
struct Pace {
    all: usize,
    spent: Duration,
    ended: u32,
}

impl Pace {
    fn new(all: usize) -> Self {
        Self { all, spent: Duration::ZERO, ended: 0 }
    }

    fn took(&mut self, time: Duration) {
        self.spent += time;
        self.ended += 1;
    }

    /// Where the experiment stands with so many runs to go.
    fn left(&self, open: usize) -> String {
        let number = format!("run {} of {}", self.all - open + 1, self.all);
        match self.spent.checked_div(self.ended) {
            Some(each) => format!("{number}, {} left", HumanDuration(each * open as u32)),
            None => number,
        }
    }
}

/// The folder of one training, kept from other programs.
struct Folder {
    path: PathBuf,
    /// Its name below the experiment's own.
    name: String,
    _lock: File,
}

/// A model and its training as `tailor train --config` reads them.
#[derive(Serialize)]
struct ConfigFile<'a> {
    #[serde(flatten)]
    model: &'a ModelConfig,
    training: &'a Training,
}

impl Folder {
    /// The folder for a run, unless another program is at work there.
    fn take(out: &Path, experiment: &Experiment, planned: &Planned) -> Result<Option<Self>, Error> {
        let name = folder_of(experiment, planned);
        let path = out.join(&name);
        create_folder(&path)?;
        match lock(&path, "at an experiment") {
            Ok(lock) => Ok(Some(Self { path, name, _lock: lock })),
            Err(LockError::Busy { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Trains, publishes and judges; the status when a signal has stopped it.
    fn work(
        &self,
        settings: &ExperimentSettings,
        experiment: &Experiment,
        planned: &Planned,
    ) -> Result<Option<Status>, Error> {
        let ExperimentSettings { out, device, .. } = settings;
        let judging = planned.evaluate.as_ref();
        let (run, gallery) = (self.path.join("run"), self.path.join(Judging::folder(judging)));
        let interrupted = run.exists();
        let began = Instant::now();
        let trained = trained(&self.path)?;
        let (config, seconds) = match trained {
            Some(seconds) => (planned.recipe.model.clone(), seconds),
            None => {
                let config = self.path.join("config.toml");
                write_atomic(&config, as_toml(&planned.recipe).as_bytes())?;
                let model = match &planned.adapt {
                    Some(_) => ModelChoice::default(),
                    None => ModelChoice { preset: None, config: Some(config) },
                };
                let settings = TrainSettings {
                    data: experiment.data.clone(),
                    split: experiment.split.clone(),
                    cache: Some(out.join("cache")),
                    model,
                    method: None,
                    out: run.clone(),
                    resume: true,
                    training: changes(&planned.recipe.training),
                    running: RunningSettings { device: *device, ..RunningSettings::default() },
                    again: again(settings),
                };
                let outcome = match (&planned.adapt, &planned.base) {
                    (Some(MethodHeader { name, rank, depth, base: digest, .. }), Some(base)) => {
                        finetune(&FinetuneSettings {
                            method: name.clone(),
                            base: base.clone(),
                            expected: Some(*digest),
                            rank: *rank,
                            depth: *depth,
                            run: settings,
                        })
                    }
                    _ => train(&settings),
                };
                let ended = outcome?.ended;
                if let Ended::Stopped(signal) = ended {
                    return Ok(Some(Status::Stopped(signal)));
                }
                let Ended::Finished(trainer) = ended else { return Ok(Some(Status::Done)) };
                let seconds = (!interrupted).then(|| began.elapsed().as_secs_f64());
                write_atomic(&self.path.join(TRAINED), seconds_text(seconds).as_bytes())?;
                (trainer.config().clone(), seconds)
            }
        };
        if !gallery.join(INDEX_FILE).exists() {
            publish(&PublishSettings {
                average_steps: judging.and_then(|judging| judging.average_steps),
                ..published(&run, &gallery, device.device)
            })?;
        }
        let evaluation = judged(planned, &gallery, experiment, out, device.device)?;
        let header = crate::train::checkpoint::require(&run)?.header;
        let outcome = Outcome {
            experiment: experiment.name.clone(),
            arm: planned.arm.clone(),
            seed: planned.seed,
            split: planned.split.clone(),
            folder: self.name.clone(),
            steps: header.step,
            loss: header.losses.means().last().map(|(_, loss)| loss),
            training_seconds: seconds,
            learngene_parameters: config.learngene_parameters(),
            tailor_parameters: config.tailor_parameters(),
            recipe: planned.recipe.clone(),
            adapt: planned.adapt.clone(),
            evaluate: planned.evaluate.clone(),
            evaluation,
            engine: header.engine,
            program: concat!("tailor ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        results::keep(out, planned, &outcome)?;
        name_gallery(out, planned, &self.name);
        say!("arm {}, seed {}: {}", one_line(&planned.arm), planned.seed, in_words(&outcome));
        Ok(None)
    }
}

/// Whether the training in a folder has made its last step, and if so the seconds that it took, where they are known.
pub(super) fn trained(folder: &Path) -> Result<Option<Option<f64>>, Error> {
    let path = folder.join(TRAINED);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().parse().ok())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(&path)(error)),
    }
}

/// The command that goes on with an experiment.
fn again(settings: &ExperimentSettings) -> String {
    let ExperimentSettings { file, split, out, .. } = settings;
    let split = split.as_ref().map(|split| format!(" --split {}", shell::path(Path::new(split))));
    let (file, split) = (shell::path(file), split.unwrap_or_default());
    format!("tailor experiment {file}{split} --out {}", shell::path(out))
}

/// Says that a training has made its last step, and in how many seconds.
const TRAINED: &str = "trained";

fn seconds_text(seconds: Option<f64>) -> String {
    seconds.map_or("interrupted\n".to_owned(), |seconds| format!("{seconds:.3}\n"))
}

/// Gives the gallery of a run a name that people find, and other experiments can adapt: `galleries/ARM-SEED`.
///
/// It is a link, and a disk that has none does without.
fn name_gallery(out: &Path, planned: &Planned, run: &str) {
    #[cfg(unix)]
    {
        let folder = out.join("galleries");
        let link = folder.join(format!("{}-{}", file_name(&planned.arm), planned.seed));
        let gallery = Path::new("..").join(run).join(Judging::folder(planned.evaluate.as_ref()));
        if std::fs::read_link(&link).is_ok_and(|there| there == gallery) || create_folder(&folder).is_err() {
            return;
        }
        // What another program has just put there is the same.
        let _ = std::fs::remove_file(&link);
        let _ = std::os::unix::fs::symlink(gallery, link);
    }
    #[cfg(not(unix))]
    let _ = (out, planned, run);
}

/// Where a run is trained, below the folder of the experiment: the same place for all that train the same.
pub(super) fn folder_of(experiment: &Experiment, planned: &Planned) -> String {
    format!("runs/{}", name_of(experiment, planned))
}

/// A training's name: the same for all that train the same.
fn name_of(experiment: &Experiment, planned: &Planned) -> String {
    let Recipe { name: _, model, training } = &planned.recipe;
    let data = experiment.data.to_string_lossy();
    let split = experiment.split.as_ref().map(|split| split.to_string_lossy());
    let mut training = changes(training);
    // Settings that are newer than some experiments, which go on under their names.
    for (name, usual) in [
        ("cosine", 0.0.into()),
        ("orthogonality", 0.0.into()),
        ("null_gate", false.into()),
        ("beta2", Training::default().beta2.into()),
    ] {
        if training.get(name) == Some(&usual) {
            training.remove(name);
        }
    }
    if !model.few_steps {
        training.retain(|name, _| !name.starts_with("shortcut_"));
    }
    let mut what = serde_json::json!([data, split, model, training, planned.adapt]);
    let taught =
        planned.adapt.as_ref().is_some_and(|adapt| named(&adapt.name).is_some_and(|m| m.is_taught()));
    if let (true, Some(base), Value::Array(what)) = (taught, &planned.base, &mut what) {
        // A teacher's labels lie in its packs, which the digest of the learngene does not cover.
        let index = Gallery::open(base).map(|gallery| gallery.index);
        what.push(serde_json::json!(index.ok().map(|index| index.classes)));
    }
    let digest = Digest::of(what.to_string().as_bytes()).to_string();
    format!("{}-{}", planned.seed, &digest[..12])
}

/// Every setting of a run, as changes of whatever the defaults are.
fn changes(training: &Training) -> Changes {
    match serde_json::to_value(training) {
        Ok(Value::Object(map)) => map,
        _ => unreachable!("settings are a map"),
    }
}

fn as_toml(recipe: &Recipe) -> String {
    let file = ConfigFile { model: &recipe.model, training: &recipe.training };
    toml::to_string(&file).unwrap_or_else(|_| unreachable!("numbers and names into memory"))
}

fn published(run: &Path, gallery: &Path, device: DeviceChoice) -> PublishSettings {
    PublishSettings {
        run: run.to_owned(),
        out: gallery.to_owned(),
        id: Some("experiment".to_owned()),
        title: None,
        card: CardSettings { licence: None, data_note: None, authors: Vec::new() },
        signing: SigningSettings::default(),
        raw_weights: false,
        average_steps: None,
        learngene_storage: None,
        tailor_storage: None,
        sampling: Default::default(),
        previews: Some(0),
        device,
    }
}

/// What `tailor evaluate` says of a gallery. All runs that are judged by the same images share one classifier, and no
/// interval is found by resampling: the seeds give one.
#[cfg(feature = "graph")]
fn judged(
    planned: &Planned,
    gallery: &Path,
    experiment: &Experiment,
    out: &Path,
    device: DeviceChoice,
) -> Result<Value, Error> {
    let Some(judging) = &planned.evaluate else { return Ok(Value::Null) };
    let mut settings = judging.settings(gallery, &experiment.data, experiment.split.clone(), device);
    let ModelConfig { channels, image_size, .. } = planned.recipe.model;
    let split = experiment.split.as_ref().map(|split| split.to_string_lossy());
    let what = serde_json::json!([
        settings.data.to_string_lossy(),
        split,
        [channels, image_size],
        [judging.hold_out, judging.epochs],
        judging.seed,
    ]);
    let name = Digest::of(what.to_string().as_bytes()).to_string();
    let folder = out.join("classifiers");
    create_folder(&folder)?;
    settings.figures.classifier = Some(folder.join(format!("{}.safetensors", &name[..12])));
    settings.figures.resamples = 0;
    let report = crate::evaluate::evaluate(&settings)?;
    Ok(serde_json::to_value(report).unwrap_or_else(|_| unreachable!("plain data into memory")))
}

#[cfg(not(feature = "graph"))]
fn judged(_: &Planned, _: &Path, _: &Experiment, _: &Path, _: DeviceChoice) -> Result<Value, Error> {
    Ok(Value::Null)
}

/// The main figures of a run.
fn in_words(outcome: &Outcome) -> String {
    let names = ["agreement", "frechet.samples", "loss"].into_iter();
    let words = names.filter_map(|name| outcome.figure(name).map(|value| format!("{name} {value:.4}")));
    let words: Vec<String> = words.collect();
    format!("{} ({})", words.join(", "), shown(Path::new(&outcome.folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_share_a_training_are_in_one_part_and_every_run_is_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("arms.toml");
        let text = "data = \"d\"\nseeds = [0, 1, 2]\npreset = \"tiny\"\nevaluate.per_class = 5\n\
                    arms = [{ name = \"a\" }, { name = \"b\", training.batch_size = 2 }, \
                    { name = \"c\", evaluate.guidance = 3.0 }]\n";
        std::fs::write(&file, text).unwrap();
        let experiment = Experiment::read(&file).unwrap();
        let names = |i| -> Vec<(&str, u64)> {
            part(&experiment, (i, 2)).into_iter().map(|run| (run.arm.as_str(), run.seed)).collect()
        };
        assert_eq!(names(0), [("a", 0), ("a", 2), ("b", 1), ("c", 0), ("c", 2)]);
        assert_eq!(names(1), [("a", 1), ("b", 0), ("b", 2), ("c", 1)]);
        assert_eq!(part(&experiment, (0, 1)).len(), 9);
    }

    #[test]
    fn trainings_keep_their_names_so_that_experiments_go_on_with_a_later_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("arms.toml");
        let text = "data = \"/data\"\nseeds = [3]\npreset = \"tiny\"\n\
                    arms = [{ name = \"a\" }, { name = \"b\", training.cosine = 0.5 }, \
                    { name = \"c\", model.few_steps = true }]\n";
        std::fs::write(&file, text).unwrap();
        let experiment = Experiment::read(&file).unwrap();
        let names: Vec<String> = experiment.runs.iter().map(|run| name_of(&experiment, run)).collect();
        assert_eq!(names, ["3-c91b331cb8b1", "3-5c632b5a3668", "3-451f5b941867"]);
    }
}
