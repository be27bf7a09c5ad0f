//! Teaches a gallery's learngene a class as a browser does (`tailor_core::teaching`), and writes its pack: to
//! compare both, and to try out settings.
//!
//! ```sh
//! cargo run -p tailor-trainer --example teach -- --gallery web/galleries/letters --class ξ \
//!     --out xi.tailor tests/fixtures/teach/greek-small-xi
//! ```

#![allow(clippy::disallowed_macros, reason = "a script for one machine")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use image::imageops::FilterType;
use tailor_core::teaching::{Examples, Lesson, Material, Moves, Settings};
use tailor_core::threads;
use tailor_packs::{Card, Contents, Tensors, read_learngene, write_tailor};
use tailor_trainer::data::names;
use tailor_trainer::gallery::folder::Gallery;

/// Teaches a learngene one class as a browser does.
#[derive(Parser)]
struct Args {
    /// Folder with the class's pictures
    pictures: PathBuf,
    /// Folder of the gallery
    #[arg(long)]
    gallery: PathBuf,
    /// The class's name
    #[arg(long)]
    class: String,
    /// The pack to write
    #[arg(long)]
    out: PathBuf,
    /// Class of the gallery to start from
    #[arg(long)]
    from: Option<String>,
    /// Workers, each with a part of every batch
    #[arg(long, default_value_t = 1)]
    workers: usize,
    #[arg(long, default_value_t = Settings::default().steps)]
    steps: u32,
    #[arg(long, default_value_t = Settings::default().batch)]
    batch: u32,
    #[arg(long, default_value_t = Settings::default().learning_rate)]
    learning_rate: f64,
    #[arg(long, default_value_t = Settings::default().warmup)]
    warmup: u32,
    #[arg(long, default_value_t = Settings::default().cooldown)]
    cooldown: f64,
    #[arg(long, default_value_t = Settings::default().average)]
    average: f64,
    #[arg(long, default_value_t = Settings::default().clip)]
    clip: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long, default_value_t = Settings::default().moves.shift)]
    shift: f32,
    #[arg(long, default_value_t = Settings::default().moves.scale)]
    scale: f32,
    #[arg(long, default_value_t = Settings::default().moves.turn)]
    turn: f32,
    #[arg(long, default_value_t = Settings::default().moves.slant)]
    slant: f32,
    #[arg(long)]
    mirror: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let gallery = Gallery::open(&args.gallery)?;
    let file = gallery.folder.join(&gallery.index.learngene.path);
    let bytes = std::fs::read(&file)?;
    let learngene = read_learngene(&bytes)?;
    let config = learngene.manifest.config.clone();

    let mut pictures = Vec::new();
    let mut paths: Vec<_> =
        std::fs::read_dir(&args.pictures)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in &paths {
        let picture =
            image::open(path)?.resize_exact(config.image_size, config.image_size, FilterType::Triangle);
        match config.channels {
            1 => pictures.extend(picture.to_luma8().into_raw()),
            _ => {
                let rgb = picture.to_rgb8().into_raw();
                pictures
                    .extend((0..3).flat_map(|c| rgb.iter().skip(c).step_by(3).copied().collect::<Vec<_>>()));
            }
        }
    }
    let examples = Examples::new(&config, pictures)?;
    let moves = Moves {
        shift: args.shift,
        scale: args.scale,
        turn: args.turn,
        slant: args.slant,
        mirror: args.mirror,
    };
    let Args { steps, batch, learning_rate, warmup, cooldown, average, clip, seed, .. } = args;
    let usual = Settings::default();
    let shortcut_guidance = learngene.card.number("shortcut_guidance").unwrap_or(usual.shortcut_guidance);
    let settings = Settings {
        steps,
        batch,
        learning_rate,
        warmup,
        cooldown,
        average,
        clip,
        seed,
        moves,
        shortcut_guidance,
    };
    let from = match &args.from {
        Some(class) => {
            let tailor = gallery.tailor(gallery.class(class)?)?;
            Some(tailor.tensors.to_flat(&config.tailor_tensors())?)
        }
        None => None,
    };
    let mut lesson = Lesson::new(&config, settings.clone(), from)?;
    let shared = learngene.tensors.to_flat(&config.learngene_tensors())?;
    let material = Material::new(&config, shared, examples, settings)?;
    let begun = Instant::now();
    while !lesson.is_over() {
        let (step, tailor) = (lesson.step(), lesson.parameters());
        let shards = material.shards(args.workers);
        let parts = threads::map(args.workers, shards, |shard| material.gradients(tailor, step, shard));
        let (loss, spent) = lesson.take(parts, material.examples().image_len())?;
        material.give_back(spent);
        if (step + 1).is_multiple_of(50) {
            println!("step {}: loss {loss:.4}, {:.1} s", step + 1, begun.elapsed().as_secs_f64());
        }
    }
    let tensors = Tensors::from_flat(&config.tailor_tensors(), &lesson.average())?;
    let class = names::class(&args.class)?;
    let card = Card { title: class.name.clone(), tool: "teach".to_owned(), ..Card::default() };
    let contents = Contents {
        steps: u64::from(steps),
        ..Contents::new(&learngene.manifest.model, &config, &tensors, &card)
    };
    let bytes = write_tailor(&contents, gallery.index.learngene.sha256, &class)?;
    std::fs::write(&args.out, bytes)?;
    Ok(())
}
