//! How fast packs are read, beside the hash alone: `cargo run --example speed`.
//!
//! The file is the learngene of DiT-B/2 and a tailor of it, as the index vouches for them. Each figure is
//! the median of several runs, with the fastest and the slowest. The first run stands apart: it writes to
//! memory that the process has for the first time, which the system hands out page by page.
#![allow(clippy::unwrap_used)]

use sha2::{Digest as _, Sha256};
use std::time::Instant;
use tailor_packs::publish::Draft;
use tailor_packs::*;

fn main() {
    let config = ModelConfig::preset("dit-b-2").unwrap();
    let card = Card::default();
    let fill = |specs: Vec<TensorSpec>| {
        let mut tensors = Tensors::new();
        for spec in specs {
            let values = (0..spec.len()).map(|i| (i % 1021) as f32 * 1e-4 - 0.05).collect();
            tensors.insert(&spec.name, &spec.shape, values).unwrap();
        }
        tensors
    };
    let contents = |tensors| Contents::new("dit-b-2", &config, tensors, &card);
    let (shared, own) = (fill(config.learngene_tensors()), fill(config.tailor_tensors()));
    let class = Class { id: "a".into(), name: "A".into(), wordnet: None };
    let sampling = Sampling { sampler: "ddim".into(), steps: 50, guidance: 1.5 };
    let (mut draft, learngene) = Draft::new(&contents(&shared), "Speed", sampling).unwrap();
    let tailor = draft.add(&contents(&own), &class).unwrap();
    let index = draft.finish();
    for (what, bytes, runs) in [("learngene", &learngene.bytes, 16), ("tailor", &tailor.bytes, 102)] {
        println!("{what} of DiT-B/2, {} bytes", bytes.len());
        time("sha2 alone", bytes.len(), runs, || Sha256::digest(bytes));
        match what {
            "tailor" => time("verify and read", bytes.len(), runs, || index.read_tailor("a", bytes).unwrap()),
            _ => time("verify and read", bytes.len(), runs, || index.read_learngene(bytes).unwrap()),
        }
        time("read without index", bytes.len(), runs, || read_any(bytes).unwrap());
    }
}

fn time<T>(what: &str, bytes: usize, runs: usize, work: impl Fn() -> T) {
    let mut seconds = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        let result = work();
        seconds.push(begun.elapsed().as_secs_f64());
        drop(result);
    }
    let first = seconds.remove(0);
    let runs = runs - 1;
    seconds.sort_by(f64::total_cmp);
    let (median, last) = (seconds[runs / 2], seconds[runs - 1]);
    println!(
        "  {what:18} {:8.2} ms ({:.2} to {:.2}), {:.2} GB/s; the first {:.2} ms",
        1e3 * median,
        1e3 * seconds[0],
        1e3 * last,
        bytes as f64 / median / 1e9,
        1e3 * first
    );
}
