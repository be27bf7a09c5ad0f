//! `just bench`: how fast the letters model trains and samples on this machine, as Markdown rows.
//!
//! Training is compared with PyTorch side by side, in turns, so that a machine whose speed drifts favours
//! neither. PyTorch is looked for as `$PYTHON` (with the packages of `tests/reference/requirements.txt`);
//! where it is missing its rows are left out and the output says so.

#![allow(clippy::unwrap_used, reason = "a failed set-up ends the benchmark")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use serde_json::Value;
use tailor_core::{Item, Model, SampleSettings, Sampling};
use tailor_packs::Index;
use tailor_tests::chromium::{Browser, Gpu};
use tailor_tests::server::Server;

const ROUNDS: usize = 3;
const CLASSES: usize = 62;

fn main() {
    // `cargo test --benches` runs this too, and then it has nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("| what | median | spread | peak memory |\n|---|---|---|---|");
    training();
    classes();
    native_sampling();
    browser("WASM in Chromium", Gpu::NoAdapter, "cpu", 20);
    browser("WebGPU in Chromium, software adapter", Gpu::Software, "gpu", 2);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn row(what: &str, unit: &str, mut figures: Vec<f64>, memory: Option<u64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (figures[0], figures[figures.len() - 1]);
    let median = figures[figures.len() / 2];
    let memory = memory.map_or("—".to_owned(), |kib| format!("{} MB", kib / 1000));
    println!("| {what} | {median:.1} {unit} | {least:.1} to {most:.1} | {memory} |");
    median
}

/// Images per second of the letters preset, batch 64, in turns with the same net in PyTorch, a dense
/// transformer in PyTorch, and our own masked form: one product over all `48 + 62·3` components.
fn training() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    random_classes(&data, CLASSES, 100);
    let masked = folder.path().join("masked.toml");
    let letters = Command::new(tailor()).args(["inspect", "--preset", "letters", "--toml"]).output().unwrap();
    let letters = String::from_utf8(letters.stdout).unwrap();
    let components = format!("learngene_components = {}", 48 + CLASSES * 3);
    std::fs::write(&masked, letters.replace("learngene_components = 48", &components)).unwrap();
    let masked = ["--config", masked.to_str().unwrap(), "--label-dropout", "1"];
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let threads = std::thread::available_parallelism().unwrap().to_string();
    let script = root().join("tests/reference/bench_train.py");
    let mut rows = [const { (Vec::new(), 0) }; 4];
    let mut add = |row: usize, (rate, peak): (Option<f64>, u64)| {
        rows[row].0.extend(rate);
        rows[row].1 = rows[row].1.max(peak);
    };
    for _ in 0..ROUNDS {
        add(0, train(&data, &["--preset", "letters"]));
        for (row, form) in [(1, "gathered"), (2, "dense")] {
            let mut torch = Command::new(&python);
            torch.arg(&script).args([
                "--steps",
                "20",
                "--batch",
                "64",
                "--threads",
                &threads,
                "--form",
                form,
            ]);
            let (output, peak) = run(torch);
            let line = serde_json::from_str::<Value>(output.trim()).ok();
            add(row, (line.and_then(|line| line["images_per_second"].as_f64()), peak));
        }
        add(3, train(&data, &masked));
    }
    let names = [
        "training, letters preset, batch 64",
        "the same net in PyTorch",
        "a dense DiT of the same width in PyTorch",
        "our masked form",
    ];
    let mut medians = Vec::new();
    for (name, (rates, peak)) in names.into_iter().zip(rows) {
        match rates.len() {
            0 => println!("\nPyTorch was not found as {python}: set PYTHON to compare with it.\n"),
            _ => medians.push((name, row(name, "images/s", rates, Some(peak)))),
        }
    }
    let ours = medians[0].1;
    medians
        .iter()
        .skip(1)
        .for_each(|(name, other)| println!("| ratio to: {name} | {:.2} | | |", ours / other));
    loader(&data);
}

/// Images per second that the loader decodes from JPEG files, and draws ahead once they are decoded.
fn loader(pictures: &Path) {
    let mut rows = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        let mut bench = Command::new(tailor());
        bench.args(["bench", "--preset", "letters", "--device", "cpu", "--steps", "1", "--json", "--data"]);
        bench.arg(pictures);
        let report: Value = serde_json::from_str(&run(bench).0).unwrap();
        for (row, name) in rows.iter_mut().zip(["decoded_images_per_second", "loader_images_per_second"]) {
            row.push(report[name].as_f64().unwrap());
        }
    }
    let [decoded, drawn] = rows;
    row("the loader, from JPEG files", "images/s", decoded, None);
    row("the loader, from decoded images, one thread", "images/s", drawn, None);
}

/// Step time and memory as classes grow, batch equal. The bank of tailors is host memory.
fn classes() {
    let counts = [10, 100, 1000, 10_000];
    let mut rows = [const { (Vec::new(), 0) }; 4];
    for round in 0..3 {
        for (count, row) in counts.iter().zip(&mut rows) {
            // Ten thousand tailors take a minute to be drawn.
            if *count == 10_000 && round > 0 {
                continue;
            }
            let mut bench = Command::new(tailor());
            bench.args(["bench", "--preset", "letters", "--device", "cpu", "--json", "--classes"]);
            let (output, peak) = run({
                bench.arg(count.to_string());
                bench
            });
            let report: Value = serde_json::from_str(&output).unwrap();
            row.0.push(report["step_ms"]["median"].as_f64().unwrap());
            row.1 = row.1.max(peak);
        }
    }
    for (count, (times, peak)) in counts.iter().zip(rows) {
        row(&format!("a training step, batch 64, {count} classes"), "ms", times, Some(peak));
    }
}

/// Trains for 40 steps of 64 images; images per second after the first 10, and peak memory in KiB.
fn train(data: &Path, model: &[&str]) -> (Option<f64>, u64) {
    let out = tempfile::tempdir().unwrap();
    let mut train = Command::new(tailor());
    train.arg("train").arg("--data").arg(data).arg("--out").arg(out.path()).args(model);
    train.args(["--batch-size", "64", "--steps", "40", "--log-every", "10", "--sample-every", "0"]);
    train.args(["--device", "cpu"]);
    let (_, peak) = run(train);
    let log = std::fs::read_to_string(out.path().join("metrics.jsonl")).unwrap_or_default();
    let rate =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["images_per_second"].as_f64().unwrap();
    let mut rates: Vec<f64> = log.lines().skip(1).map(rate).collect();
    rates.sort_by(f64::total_cmp);
    (rates.get(rates.len() / 2).copied(), peak)
}

fn tailor() -> PathBuf {
    root().join("target/debug/tailor")
}

/// Runs a command; its standard output and peak memory in KiB.
fn run(mut command: Command) -> (String, u64) {
    let Ok(mut child) = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
        return (String::new(), 0);
    };
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(high_water(child.id()));
        std::thread::sleep(Duration::from_millis(50));
    }
    (read(&mut child), peak)
}

fn read(child: &mut Child) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut text).unwrap();
    text
}

/// Peak resident memory of a process in KiB; 0 where the system does not tell.
fn high_water(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Folders of random 32×32 pictures as class folders.
fn random_classes(folder: &Path, classes: usize, images: usize) {
    for class in 0..classes {
        let folder = folder.join(format!("{class:05}"));
        std::fs::create_dir_all(&folder).unwrap();
        for i in 0..images {
            let seed = (class * images + i) as u64;
            let value = |x: u32, y: u32| {
                (seed << 20 | u64::from(x << 10 | y)).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]
            };
            let picture = image::GrayImage::from_fn(32, 32, |x, y| image::Luma([value(x, y)]));
            picture.save(folder.join(format!("{i}.jpg"))).unwrap();
        }
    }
}

/// Milliseconds per step of one image from the letters gallery, on the processor.
fn native_sampling() {
    let gallery = root().join("web/galleries/letters");
    let index = Index::parse(&std::fs::read(gallery.join("index.json")).unwrap()).unwrap();
    let learngene =
        index.read_learngene(&std::fs::read(gallery.join(&index.learngene.path)).unwrap()).unwrap();
    let mut model = Model::new(&index.config, &learngene.tensors, &Device::flex()).unwrap();
    let class = &index.classes[0];
    let pack = std::fs::read(gallery.join(&class.file.path)).unwrap();
    model.insert(&class.id, index.read_tailor(&class.id, &pack).unwrap().tensors).unwrap();
    let once = |seed| {
        let settings = SampleSettings {
            sampler: index.sampling.sampler.parse().unwrap(),
            steps: index.sampling.steps as usize,
            guidance: f64::from(index.sampling.guidance),
            items: vec![Item { gate: vec![(class.id.clone(), 1.0)], seed }],
        };
        let started = Instant::now();
        let mut sampling = Sampling::new(&model, settings).unwrap();
        while sampling.step() {}
        sampling.images().into_data();
        started.elapsed().as_secs_f64() * 1000.0 / f64::from(index.sampling.steps)
    };
    once(0);
    let figures = (1..=ROUNDS as u64).map(once).collect();
    row("a sampling step, one letter, native CPU", "ms", figures, Some(high_water(std::process::id())));
}

/// The same in a browser, as the page itself measures it.
fn browser(what: &str, gpu: Gpu, backend: &str, steps: u32) {
    let server = Server::start(&[("/", root().join("web/dist"))]).unwrap();
    let browser = Browser::launch(gpu).unwrap();
    let page = browser.page().unwrap();
    let mut figures = Vec::new();
    for seed in 0..=ROUNDS as u64 {
        page.navigate(
            &server.url(&format!("/?backend={backend}&again={seed}#class=A&seed={seed}&steps={steps}")),
        )
        .unwrap();
        page.wait_for("['done', 'failed'].includes(document.body.dataset.state)", Duration::from_secs(600))
            .unwrap();
        let words = page.eval("document.querySelector('#status').innerText").unwrap();
        let words = words.as_str().unwrap_or_default();
        let ms =
            words.split(' ').zip(words.split(' ').skip(1)).find(|(_, unit)| *unit == "ms").map(|(n, _)| n);
        let Some(ms) = ms.and_then(|n| n.parse::<f64>().ok()) else {
            println!("\n{what}: no figure; the page says: {words}\n");
            return;
        };
        // The first image warms up compiled code and pipelines.
        if seed > 0 {
            figures.push(ms);
        }
    }
    row(&format!("a sampling step, one letter, {what}"), "ms", figures, renderers_peak());
}

/// Peak memory of the largest renderer or GPU process of the browsers that run, in KiB.
fn renderers_peak() -> Option<u64> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|p| p.file_name().to_str()?.parse::<u32>().ok());
    let of_browser = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("--type=renderer") || line.contains("--type=gpu-process")
    };
    pids.filter(of_browser).map(high_water).max()
}
