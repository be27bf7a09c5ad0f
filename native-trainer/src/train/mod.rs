//! `tailor train`: from images to a run's folder of checkpoints, metrics and sample grids.

pub mod bank;
pub mod trainer;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rand::seq::SliceRandom;
use serde::Serialize;
use tailor_core::noise::{Stream, generator};
use tailor_core::{Item, SampleSettings, Sampler};

use crate::checkpoint::{self, ClassName};
use crate::cli::{Recipe, TrainArgs, Training};
use crate::data::{Dataset, Options};
use crate::error::Error;
use crate::files::{WriteError, create_folder};
use crate::grid::save_grid;
use crate::{device, publish, sample};
use trainer::{StepSettings, Trainer};

/// Stream of the order in which images are visited.
const ORDER: u32 = 3;

/// Seconds between two lines of `metrics.jsonl`.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// One line of `RUN/metrics.jsonl`: means since the line before.
#[derive(Debug, Serialize)]
struct Metrics {
    step: u64,
    loss: f64,
    images_per_second: f64,
    learning_rate: f64,
}

/// Runs `tailor train`.
///
/// # Errors
/// Anything wrong with data, settings, device or disk; what was saved before stays.
pub fn run(args: &TrainArgs) -> Result<(), Error> {
    let exists = checkpoint::path(&args.out).exists();
    if exists && !args.resume {
        return Err(Error::Refused {
            what: format!("{} already holds a run", args.out.display()),
            help: "go on with --resume, or choose another --out".to_owned(),
        });
    }
    let stored = exists.then(|| checkpoint::read(&args.out)).transpose()?;
    let recipe = args.recipe(stored.as_ref().map(|(header, _)| &header.recipe))?;
    let data = Dataset::open(&args.data, &Options::for_model(&recipe.model, args.strict))?;
    for (path, reason) in &data.skipped {
        eprintln!("left out {}: {reason}", path.display());
    }
    let classes: Vec<ClassName> = data.classes.iter().map(ClassName::from).collect();
    let device = device::open(args.device)?;
    create_folder(&args.out)?;
    let trainer = match stored {
        Some((header, bytes)) => {
            let ids = |list: &[ClassName]| list.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
            if ids(&header.classes) != ids(&classes) {
                return Err(Error::Refused {
                    what: format!("{} has other classes than the run", args.data.display()),
                    help: format!("the run has {}", ids(&header.classes).join(", ")),
                });
            }
            checkpoint::restore(&args.out, &header, &bytes, &device)?
        }
        None => Trainer::new(&recipe.model, classes.len(), recipe.training.seed, &device),
    };
    let trainer = trainer.with_shards(device::shards(&device));
    Run { args, recipe, data, classes, trainer, interrupted: watch_for_interrupt() }.go()
}

struct Run<'a> {
    args: &'a TrainArgs,
    recipe: Recipe,
    data: Dataset,
    classes: Vec<ClassName>,
    trainer: Trainer,
    interrupted: Arc<AtomicBool>,
}

impl Run<'_> {
    fn go(mut self) -> Result<(), Error> {
        let training = self.recipe.training.clone();
        let bar = self.progress_bar(&training);
        let started = Instant::now();
        let limit = self.args.max_minutes.map(|m| Duration::from_secs_f64(m.max(0.0) * 60.0));
        let mut order = Order::new(self.data.len(), training.seed);
        let mut window = (Instant::now(), 0.0, 0u32);
        while self.trainer.step < training.steps {
            let indices = order.batch(self.trainer.step, training.batch_size);
            let labels: Vec<usize> = indices.iter().map(|&i| self.data.labels[i] as usize).collect();
            let settings = StepSettings {
                learning_rate: learning_rate(&training, self.trainer.step),
                label_dropout: training.label_dropout,
                ema_decay: training.ema,
                seed: training.seed,
            };
            let loss = self.trainer.step(self.data.batch(&indices), &labels, &settings);
            if !loss.is_finite() {
                return Err(self.diverged(loss));
            }
            window = (window.0, window.1 + f64::from(loss), window.2 + 1);
            let step = self.trainer.step;
            bar.set_position(step);
            let last = step == training.steps;
            let stop =
                self.interrupted.load(Ordering::Relaxed) || limit.is_some_and(|l| started.elapsed() >= l);
            if window.0.elapsed() >= LOG_EVERY || last || stop {
                let (seconds, n) = (window.0.elapsed().as_secs_f64(), f64::from(window.2));
                let rate = n * training.batch_size as f64 / seconds;
                let (loss, learning_rate) = (window.1 / n, settings.learning_rate);
                bar.set_message(format!("loss {loss:.4}, {rate:.0} images/s"));
                self.log(&Metrics { step, loss, images_per_second: rate, learning_rate })?;
                window = (Instant::now(), 0.0, 0);
            }
            if step.is_multiple_of(training.checkpoint_every) || last || stop {
                checkpoint::save(&self.args.out, &self.trainer, &self.recipe, &self.classes)?;
            }
            if training.sample_every > 0 && (step.is_multiple_of(training.sample_every) || last) {
                self.sample_grid()?;
            }
            if stop && !last {
                bar.abandon();
                let (out, data) = (self.args.out.display(), self.args.data.display());
                eprintln!(
                    "saved at step {step}; go on with: tailor train --data {data} --out {out} --resume"
                );
                return Ok(());
            }
        }
        bar.finish();
        eprintln!("done; publish it with: tailor publish {} --out GALLERY", self.args.out.display());
        Ok(())
    }

    fn progress_bar(&self, training: &Training) -> ProgressBar {
        let bar = ProgressBar::new(training.steps).with_position(self.trainer.step);
        let style = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.reset_eta();
        bar
    }

    fn log(&self, metrics: &Metrics) -> Result<(), Error> {
        let path = self.args.out.join("metrics.jsonl");
        let write = || {
            let mut line = serde_json::to_string(metrics)?;
            line.push('\n');
            OpenOptions::new().create(true).append(true).open(&path)?.write_all(line.as_bytes())
        };
        write().map_err(|source| Error::Write(WriteError { path: path.clone(), source }))
    }

    /// Samples from the averaged weights as they stand: up to 16 classes in columns, 4 seeds in rows,
    /// and a last row of the learngene alone.
    fn sample_grid(&self) -> Result<(), Error> {
        let chosen = spread(self.classes.len(), 16);
        let model = publish::live_model(&self.trainer, &self.classes, &chosen)?;
        let item = |class: Option<usize>, seed| Item {
            gate: class.map(|c| (self.classes[c].id.clone(), 1.0)).into_iter().collect(),
            seed,
        };
        let mut items: Vec<Item> =
            (1..=4).flat_map(|s| chosen.iter().map(move |&c| item(Some(c), s))).collect();
        items.extend((1..=chosen.len() as u64).map(|seed| item(None, seed)));
        let settings = SampleSettings { sampler: Sampler::Heun, steps: 12, guidance: 1.5, items };
        let images = sample::generate(&model, settings)?;
        let path = self.args.out.join("samples").join(format!("{:07}.png", self.trainer.step));
        create_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(save_grid(&path, &images.values, images.shape, chosen.len(), 2)?)
    }

    fn diverged(&self, loss: f32) -> Error {
        Error::Refused {
            what: format!("the loss is {loss} at step {}: the run has diverged", self.trainer.step),
            help: "resume from the last checkpoint with a smaller --learning-rate".to_owned(),
        }
    }
}

/// Up to `n` of `0..len`, evenly spread.
fn spread(len: usize, n: usize) -> Vec<usize> {
    let n = n.min(len);
    (0..n).map(|i| i * len / n).collect()
}

/// Rises over the warm-up, stays, and falls to zero over the cool-down.
fn learning_rate(training: &Training, step: u64) -> f64 {
    let rise = (step + 1) as f64 / training.warmup.max(1) as f64;
    let cooldown = training.steps as f64 * training.cooldown_fraction;
    let fall = (training.steps - step) as f64 / cooldown.max(1.0);
    training.learning_rate * rise.min(1.0).min(fall)
}

/// The order of images: a new shuffle each epoch, from the seed and the epoch alone.
struct Order {
    len: usize,
    seed: u64,
    epoch: Option<(u64, Vec<usize>)>,
}

impl Order {
    fn new(len: usize, seed: u64) -> Self {
        Self { len, seed, epoch: None }
    }

    /// The images of step `step`.
    fn batch(&mut self, step: u64, size: usize) -> Vec<usize> {
        (0..size as u64).map(|i| self.at(step * size as u64 + i)).collect()
    }

    fn at(&mut self, position: u64) -> usize {
        let (epoch, place) = (position / self.len as u64, (position % self.len as u64) as usize);
        if self.epoch.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let mut order: Vec<usize> = (0..self.len).collect();
            order.shuffle(&mut generator(self.seed, Stream::Training(ORDER, epoch as u32)));
            self.epoch = Some((epoch, order));
        }
        self.epoch.as_ref().map_or(place, |(_, order)| order[place])
    }
}

/// Ctrl-C finishes the step, saves and says how to go on; a second one ends at once.
fn watch_for_interrupt() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    // A handler that cannot be set leaves the default one: the last checkpoint still stands.
    let _ = ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("finishing this step, then saving; Ctrl-C again to stop at once");
    });
    flag
}
