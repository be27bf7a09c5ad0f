//! How fast a model trains here, before anybody waits for it overnight.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tailor_core::diffusion::noise::{Stream, generator};
use tailor_core::engine::adamw::Learned;
use tailor_core::init;
use tailor_packs::config::STRIDES;
use tailor_packs::{Matrix, ModelConfig};

use super::bank::TailorBank;
use super::base;
use super::loader::{self, Draws};
use super::method::{Method, Task, Trains};
use super::teacher::Teacher;
use super::trainer::{StepSettings, Trainer};
use crate::compute::device::{self, Device};
use crate::data::{Dataset, Options};
use crate::error::Error;
use crate::say;
use crate::settings::train::BenchSettings;
use crate::settings::training::Training;
use crate::weights::fold::plain;
use rand::Rng;

/// Steps before the clock runs: caches fill, kernels are compiled and chosen.
const WARM_UP: usize = 3;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Images of one step.
    pub batch_size: usize,
    /// Classes in the bank of tailors.
    pub classes: usize,
    /// Images trained on per second: median, least and most over the steps.
    pub images_per_second: Spread,
    /// Milliseconds of a step.
    pub step_ms: Spread,
    /// Milliseconds of a step of full fine-tuning, which takes turns with the method, and how many times as long one of
    /// the method takes: the median over pairs of steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside_full: Option<(Spread, f64)>,
    /// Images per second that the loader reads and decodes from files, where there are any.
    pub decoded_images_per_second: Option<f64>,
    /// Images per second that the loader draws ahead, on one thread, from decoded images.
    pub loader_images_per_second: f64,
    /// Arithmetic of the model for one image, forward and back, in 10⁹ operations (a product and a sum
    /// are two).
    pub gflop_per_image: f64,
    /// 10¹² operations per second that the median step makes of it.
    pub tflops: f64,
    /// Largest resident memory of this program in bytes, where the system tells.
    pub peak_memory: Option<u64>,
}

/// A figure over the steps.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// Half of the steps are below.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |i: usize| figures.get(i).copied().unwrap_or(f64::NAN);
        Self { median: at(figures.len() / 2), min: at(0), max: at(figures.len().saturating_sub(1)) }
    }
}

/// Measures training on random images.
///
/// # Errors
/// A device that cannot be had.
pub fn measure(settings: &BenchSettings) -> Result<Measured, Error> {
    let BenchSettings { ref model, batch_size: b, classes, .. } = *settings;
    loader::fits(model, b)?;
    let device = device::open(settings.device.device)?;
    let steps = WARM_UP + settings.steps;
    // A large model takes minutes to build, and as long for each step.
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}  {elapsed}");
    let bar =
        ProgressBar::new(steps as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message("building the model");
    bar.enable_steady_tick(Duration::from_secs(1));
    let (terminal, mut said) = (std::io::stderr().is_terminal(), Instant::now());
    let decoded = settings.data.as_deref().map(|data| decode(data, model)).transpose()?;
    let ready = |trainer: Trainer| {
        trainer.with_micro_batch(settings.micro_batch.unwrap_or(usize::MAX)).with_settings(&settings.device)
    };
    let method = settings.method.as_deref().map(base::method_named).transpose()?;
    let mut trainer = ready(match method {
        None => Trainer::new(model, classes, 0, &device)?,
        Some(method) => adapting(method, settings, &device)?,
    })?;
    let mut full =
        settings.beside_full.then(|| ready(Trainer::new(&plain(model), classes, 0, &device)?)).transpose()?;
    let each = StepSettings { learning_rate: 1e-4, ema_decay: 0.999, clip: 1.0 };
    let usual = Training::default();
    let share = if model.few_steps { usual.shortcut_share } else { 0.0 };
    let draws = Draws::new(model, 0, 0.1, false).with_shortcuts(share, usual.shortcut_guidance);
    let side = model.image_size as usize;
    let mut rng = generator(0, Stream::Start);
    let (mut times, mut beside, mut drawing) = (Vec::new(), Vec::new(), 0.0);
    bar.set_message("measuring");
    for step in 0..steps {
        let labels: Vec<usize> = (0..b).map(|_| rng.random_range(0..classes)).collect();
        let bytes = vec![192u8; b * model.channels as usize * side * side];
        let started = Instant::now();
        let images = bytes.iter().map(|&byte| f32::from(byte) / 127.5 - 1.0).collect();
        let batch = draws.batch(step as u64, images, &labels);
        drawing += started.elapsed().as_secs_f64();
        let started = Instant::now();
        trainer.step(&batch, &each);
        bar.inc(1);
        if !terminal && said.elapsed() > Duration::from_secs(10) {
            say!("step {} of {steps}", step + 1);
            said = Instant::now();
        }
        let took = started.elapsed().as_secs_f64();
        let started = Instant::now();
        if let Some(full) = &mut full {
            full.step(&batch, &each);
        }
        if step >= WARM_UP {
            times.push(took);
            beside.push(started.elapsed().as_secs_f64());
        }
    }
    bar.finish_and_clear();
    let drawn = (b * steps) as f64;
    let gflop = training_flop(trainer.config()) / 1e9;
    let beside_full = full.map(|_| {
        let times = times.iter().zip(&beside).map(|(own, full)| own / full).collect();
        (Spread::of(beside.iter().map(|t| t * 1e3).collect()), Spread::of(times).median)
    });
    let rates = Spread::of(times.iter().map(|t| b as f64 / t).collect());
    Ok(Measured {
        batch_size: b,
        classes,
        images_per_second: rates,
        step_ms: Spread::of(times.iter().map(|t| t * 1e3).collect()),
        beside_full,
        decoded_images_per_second: decoded,
        loader_images_per_second: drawn / drawing,
        gflop_per_image: gflop,
        tflops: gflop * rates.median / 1e3,
        peak_memory: peak_memory(),
    })
}

/// A random network that a method adapts, where it builds another, with any blocks of it.
fn adapting(
    method: &'static dyn Method,
    settings: &BenchSettings,
    device: &Device,
) -> Result<Trainer, Error> {
    let BenchSettings { ref model, classes, depth, .. } = *settings;
    let base = plain(model);
    let rank = settings.rank.or_else(|| method.rank(&Task::of(model, classes)));
    base::check(method, rank, depth, &base)?;
    if method.trains() == Trains::Tailors {
        return Ok(Trainer::new(model, classes, 0, device)?.with_frozen_learngene());
    }
    let network = method.network(&base, rank, depth);
    if method.trains() == Trains::Matrices {
        let values = init::learngene(&base, 0).concat();
        let adaption = base::adapted(method, rank, &method.matrices(model), &base, values, 0, device)?;
        let first = adaption.as_ref().map(|adaption| adaption.first()).unwrap_or_default();
        let bank = TailorBank::new(&network, 0, classes);
        return Trainer::from_parts(&network, device, adaption, Learned::new(first), bank, 0, 0.0);
    }
    let trainer = Trainer::new(&network, classes, 0, device)?;
    if !method.is_taught() {
        return Ok(trainer);
    }
    let labels = trainer.tailors().iter().map(|label| label.parameters.clone()).collect();
    let kept = (0..network.depth as usize).collect();
    let values = init::learngene(&base, 1).concat();
    Ok(trainer.with_teacher(Teacher::new(base, values, labels, kept)?))
}

/// Images per second that come in from files of which nothing is kept decoded.
fn decode(data: &Path, model: &ModelConfig) -> Result<f64, Error> {
    let started = Instant::now();
    let data = Dataset::open(data, &Options::for_model(model, false))?;
    Ok(data.len() as f64 / started.elapsed().as_secs_f64())
}

/// Operations of one image's way through the model and back, a product and a sum counted as two.
fn training_flop(config: &ModelConfig) -> f64 {
    let (d, t) = (f64::from(config.width), config.tokens() as f64);
    let r = f64::from(config.learngene_components + config.tailor_components);
    let matrix = |m: &Matrix| {
        let (m1, m2) = config.widths(*m);
        let (m1, m2) = (m1 as f64, m2 as f64);
        let once = if config.factored.contains(*m) { r * (m1 + m2) } else { m1 * m2 };
        // The modulation is computed once an image, everything else once a token.
        if *m == Matrix::AdaLn { once } else { t * once }
    };
    let block = config.block_matrices().iter().map(matrix).sum::<f64>() + 2.0 * t * t * d;
    let ends = t * 2.0 * d * config.patch_values() as f64;
    // The way back costs twice the way there. An image that learns a step goes there twice more, with its half steps, and
    // twice again where these are guided.
    let strides = (STRIDES - 1) as f64;
    let half_steps = (2.0 * (strides - 1.0) + 4.0) / strides;
    let share = if config.few_steps { Training::default().shortcut_share } else { 0.0 };
    (3.0 + share * half_steps) * 2.0 * (f64::from(config.depth) * block + ends)
}

/// Largest resident memory of this program in bytes; none where the system does not tell.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dense_model_costs_what_its_paper_says() {
        // Peebles & Xie 2023, Table 4: 23.01 Gflops, a product and a sum counted as one.
        let mut config = ModelConfig::preset("dit-b-2").unwrap();
        config.factored = "".parse().unwrap();
        let forward = training_flop(&config) / 3.0 / 2.0 / 1e9;
        assert!((forward / 23.01 - 1.0).abs() < 0.01, "{forward}");
    }
}
