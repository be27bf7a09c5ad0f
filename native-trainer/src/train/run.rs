//! A run under way: one step after the other, watched, saved and sampled.

use std::cell::Cell;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use tailor_core::Item;

use super::checkpoint::{self, ClassName, Losses, RunHeader};
use super::live::{GRID_CLASSES, GRID_SCALE, GRID_SEEDS, at_a_look, live_model, spread};
use super::loader::{self, Draws};
use super::method::MethodHeader;
use super::metrics::{Metrics, Writer};
use super::trainer::{StepSettings, Trainer};
use crate::data::Dataset;
use crate::error::Error;
use crate::say;
use crate::settings::recipe::Recipe;
use crate::settings::train::RunningSettings;
use crate::settings::training::Training;
use crate::system::files::{OnDisk, create_folder};
use crate::system::grid::save_grid;
use crate::system::output::shown;
use crate::system::progress::LINE_EVERY;
use crate::system::status::{Signal, Status, on_signal};

/// A run that is ready to go.
pub(crate) struct Run<'a> {
    pub(crate) out: &'a Path,
    pub(crate) running: &'a RunningSettings,
    pub(crate) recipe: Recipe,
    pub(crate) classes: Vec<ClassName>,
    pub(crate) frozen: Option<tailor_packs::Digest>,
    pub(crate) method: Option<MethodHeader>,
    pub(crate) losses: Losses,
    /// The command that goes on with this run.
    pub(crate) again: String,
}

impl Run<'_> {
    /// Trains to the last step, or until a signal or the time limit; then the run is saved.
    pub(crate) fn go(mut self, data: &Dataset, trainer: Trainer) -> Result<Ended, Error> {
        let training = self.recipe.training.clone();
        let trainer = trainer
            .with_micro_batch(training.micro_batch)
            .with_orthogonality(training.orthogonality)
            .with_beta2(training.beta2);
        let mut trainer = trainer.with_settings(&self.running.device)?;
        let mut metrics = Writer::open(self.out, trainer.step, &self.losses)?;
        let signal = Watched::begin();
        let model = &self.recipe.model;
        let draws = Draws::new(model, training.seed, training.label_dropout, training.flip)
            .with_null_gate(training.null_gate)
            .with_cosine(training.cosine);
        let draws = match model.few_steps {
            true => draws.with_shortcuts(training.shortcut_share, training.shortcut_guidance),
            false => draws,
        };
        let (started, begun) = (Instant::now(), trainer.step);
        // A limit too long for a clock is none.
        let limit =
            self.running.max_minutes.and_then(|m| Duration::try_from_secs_f64(m.max(0.0) * 60.0).ok());
        let watch = Watch::new(&training, begun);
        std::thread::scope(|scope| {
            let batches = loader::load(scope, data, &draws, &training, begun..training.steps);
            let (mut since, mut aside) = (Instant::now(), Duration::ZERO);
            // Ends with the last step: the loader has no more batches then.
            while let Ok(batch) = batches.recv() {
                let settings = StepSettings {
                    learning_rate: learning_rate(&training, trainer.step),
                    ema_decay: training.ema,
                    clip: training.clip,
                };
                let loss = trainer.step(&batch, &settings);
                if !loss.is_finite() {
                    return Err(self.diverged(loss, trainer.step));
                }
                let step = trainer.step;
                let last = step == training.steps;
                if let Some((loss, count)) =
                    self.losses.add(step, loss, last || step.is_multiple_of(training.log_every))
                {
                    let images = count.min(step - begun) as f64 * training.batch_size as f64;
                    let images_per_second = images / since.elapsed().saturating_sub(aside).as_secs_f64();
                    (since, aside) = (Instant::now(), Duration::ZERO);
                    metrics.write(&Metrics {
                        step,
                        loss,
                        images_per_second: Some(images_per_second),
                        learning_rate: Some(settings.learning_rate),
                    })?;
                }
                watch.step(step, loss, training.batch_size);
                let asked = signal.asked();
                let stop = asked.is_some() || limit.is_some_and(|limit| started.elapsed() >= limit);
                let other = Instant::now();
                if step.is_multiple_of(training.checkpoint_every) || last || stop {
                    self.save(&trainer)?;
                }
                if training.sample_every > 0 && (step.is_multiple_of(training.sample_every) || last) {
                    // Pictures are worth less than the steps since the last checkpoint.
                    if let Err(error) = self.sample_grid(&trainer) {
                        say!("note: no samples of step {step}: {error}");
                    }
                }
                aside += other.elapsed();
                if stop && !last {
                    // The bar would claim that no time is left.
                    watch.bar.finish_and_clear();
                    say!("saved at step {step} of {}; go on with: {}", training.steps, self.again);
                    return Ok(asked.map_or(Ended::OutOfTime, Ended::Stopped));
                }
            }
            watch.bar.finish();
            Ok(Ended::Finished(Box::new(trainer)))
        })
    }

    fn save(&self, trainer: &Trainer) -> Result<(), Error> {
        let about = RunHeader {
            recipe: self.recipe.clone(),
            classes: self.classes.clone(),
            frozen: self.frozen,
            method: self.method.clone(),
            losses: self.losses.clone(),
            engine: None,
            step: 0,
            ema_clock: 0,
            clocks: Vec::new(),
        };
        checkpoint::save(&OnDisk, self.out, trainer, &about, self.recipe.training.keep)?;
        Ok(())
    }

    /// Samples from the averaged weights as they stand: some classes in columns, seeds in rows, and a last row of
    /// the learngene alone. Latents are not drawn.
    fn sample_grid(&self, trainer: &Trainer) -> Result<(), Error> {
        if trainer.config().makes_latents() {
            return Ok(());
        }
        let chosen = spread(self.classes.len(), GRID_CLASSES);
        let model = live_model(trainer, &self.classes, &chosen)?;
        let item = |class: Option<usize>, seed| Item {
            gate: class.map(|c| (self.classes[c].id.clone(), 1.0)).into_iter().collect(),
            seed,
        };
        let mut items: Vec<Item> =
            (1..=GRID_SEEDS).flat_map(|s| chosen.iter().map(move |&c| item(Some(c), s))).collect();
        items.extend((1..=chosen.len() as u64).map(|seed| item(None, seed)));
        let images = model.generate(at_a_look(&self.recipe.training, items), |_| ())?;
        let path = self.out.join("samples").join(format!("{:09}.png", trainer.step));
        create_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(save_grid(&path, &images.values, images.shape, chosen.len(), GRID_SCALE)?)
    }

    fn diverged(&self, loss: f32, step: u64) -> Error {
        let saved = checkpoint::list(self.out).is_ok_and(|checkpoints| !checkpoints.is_empty());
        Error::Refused {
            what: format!("the loss is {loss} at step {step}: the run in {} has diverged", shown(self.out)),
            help: match saved {
                true => "go on from its last checkpoint with a smaller learning rate",
                false => "begin again with a smaller learning rate",
            }
            .to_owned(),
        }
    }
}

/// How a run ended; in any case it was saved.
#[derive(Debug)]
pub enum Ended {
    /// With its last step.
    Finished(Box<Trainer>),
    /// With the time that it was given.
    OutOfTime,
    /// With a signal.
    Stopped(Signal),
}

impl Ended {
    /// The status for the shell: a script that asked for a whole run must not go on with a part of it.
    pub fn status(&self) -> Status {
        match self {
            Self::Finished(_) | Self::OutOfTime => Status::Done,
            Self::Stopped(signal) => Status::Stopped(*signal),
        }
    }

    /// The trainer of a run that made its last step.
    pub fn trainer(self) -> Option<Trainer> {
        match self {
            Self::Finished(trainer) => Some(*trainer),
            Self::OutOfTime | Self::Stopped(_) => None,
        }
    }
}

/// What a person sees of a run: a bar on a terminal, now and then a line in a log file.
struct Watch {
    bar: ProgressBar,
    terminal: bool,
    /// When the first step was done, and its number: on a GPU that one can take as long as a thousand others.
    begun: Cell<Option<(Instant, u64)>>,
    smooth: Cell<(f64, Instant)>,
}

impl Watch {
    fn new(training: &Training, step: u64) -> Self {
        let bar = ProgressBar::new(training.steps).with_position(step);
        let style = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.reset_eta();
        let smooth = Cell::new((f64::NAN, Instant::now()));
        Self { bar, terminal: std::io::stderr().is_terminal(), begun: Cell::new(None), smooth }
    }

    fn step(&self, step: u64, loss: f32, batch: usize) {
        let (before, line) = self.smooth.get();
        let loss = if before.is_nan() { f64::from(loss) } else { before + 0.05 * (f64::from(loss) - before) };
        self.bar.set_position(step);
        let rate =
            self.begun.get().map(|(began, first)| (step - first) as f64 / began.elapsed().as_secs_f64());
        let mut message = format!("loss {loss:.4}");
        match rate {
            Some(rate) => message += &format!(", {:.0} images/s", rate * batch as f64),
            None => {
                self.begun.set(Some((Instant::now(), step)));
                self.bar.reset_eta();
            }
        }
        let due = !self.terminal && line.elapsed() >= LINE_EVERY;
        if due {
            let steps = self.bar.length().unwrap_or(step);
            let left = rate.map(|rate| Duration::try_from_secs_f64((steps - step) as f64 / rate));
            let left = left.map(|left| format!("  {} left", HumanDuration(left.unwrap_or(Duration::MAX))));
            say!("step {step}/{steps}  {message}{}", left.unwrap_or_default());
        }
        self.bar.set_message(message);
        self.smooth.set((loss, if due { Instant::now() } else { line }));
    }
}

/// Rises over the warm-up, stays, and falls to zero over the cool-down.
fn learning_rate(training: &Training, step: u64) -> f64 {
    let rise = (step + 1) as f64 / training.warmup.max(1) as f64;
    let cooldown = training.steps as f64 * training.cooldown_fraction;
    let fall = (training.steps - step) as f64 / cooldown.max(1.0);
    training.learning_rate * rise.min(1.0).min(fall)
}

/// What a signal asks of the run under way, if there is one.
static ASKED: Mutex<Option<Arc<OnceLock<Signal>>>> = Mutex::new(None);

/// A run under way, which signals are for: the first lets the step end, saves and says how to go on; a second one
/// ends the program at once, as does any signal while no run is under way, for then all is saved.
struct Watched(Arc<OnceLock<Signal>>);

impl Watched {
    fn begin() -> Self {
        static HANDLER: Once = Once::new();
        let first: Arc<OnceLock<Signal>> = Arc::default();
        *ASKED.lock().unwrap_or_else(PoisonError::into_inner) = Some(first.clone());
        // Without a handler the system's own ends the program: the last checkpoint still stands.
        HANDLER.call_once(|| drop(on_signal(asked)));
        Self(first)
    }

    fn asked(&self) -> Option<Signal> {
        self.0.get().copied()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        *ASKED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn asked(signal: Signal) {
    let run = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    if run.as_ref().is_none_or(|first| first.set(signal).is_err()) {
        std::process::exit(i32::from(Status::Stopped(signal).code()));
    }
    say!("finishing this step, then saving; Ctrl-C again to stop at once");
}
