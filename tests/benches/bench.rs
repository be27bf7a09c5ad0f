//! `just bench`: how fast the letters model trains and samples on this machine, as Markdown rows.
//!
//! Training and sampling are compared with PyTorch, and the browser's engines with onnxruntime-web, side by side and in
//! turns, so that a machine whose speed drifts favours neither. PyTorch is looked for as `$PYTHON` (with the packages of
//! `tests/reference/requirements.txt`), onnxruntime-web in `tests/benches/onnx/node_modules`; where one is missing its
//! rows are left out and the output says how to get it.

#![allow(clippy::unwrap_used, reason = "a failed set-up ends the benchmark")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tailor_tests::chromium::{Browser, Gpu, Page};
use tailor_tests::server::Server;

const ROUNDS: usize = 3;
/// Turns of what takes a second or less.
const TURNS: usize = 9;
const CLASSES: usize = 62;

/// Our engines in the browser, and how the page of `onnx/` is asked for each.
const ENGINES: [(&str, &str); 4] = [
    ("ours with relaxed SIMD, one thread", "?engine=cpu&workers=1"),
    ("ours without relaxed SIMD, one thread", "?engine=cpu-simd&workers=1"),
    ("ours with relaxed SIMD, two workers", "?engine=cpu&workers=2"),
    ("ours without relaxed SIMD, two workers", "?engine=cpu-simd&workers=2"),
];

fn main() {
    // `cargo test --benches` runs this too, and then it has nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let asked: Vec<String> = std::env::args().skip(1).filter(|part| !part.starts_with('-')).collect();
    let parts: [(&str, fn()); 8] = [
        ("training", training),
        ("layers", layers),
        ("classes", classes),
        ("sampling", native_sampling),
        ("onnx", onnx),
        ("visit", first_visit),
        ("word", word),
        ("browser", || {
            let wasm = "WASM in Chromium";
            browser(wasm, "letters", Gpu::NoAdapter, "cpu", 20);
            // Half the passes: no guidance.
            browser(&format!("large, {wasm}"), "letters2", Gpu::NoAdapter, "cpu", 4);
            browser("WebGPU in Chromium, software adapter", "letters", Gpu::Software, "gpu", 2);
        }),
    ];
    if let Some(unknown) = asked.iter().find(|part| !parts.iter().any(|(name, _)| name == part)) {
        eprintln!("there is no part {unknown}; choose from {}", parts.map(|(name, _)| name).join(", "));
        std::process::exit(2);
    }
    println!("| what | median | spread | peak memory |\n|---|---|---|---|");
    for (name, run) in parts {
        if asked.is_empty() || asked.iter().any(|part| part == name) {
            run();
        }
    }
}

fn python() -> String {
    std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn no_pytorch() {
    println!("\nPyTorch was not found as {}: set PYTHON to compare with it.\n", python());
}

fn threads() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The ratio of two figures that were measured in turns, turn by turn.
fn ratio(what: &str, dividends: &[f64], divisors: &[f64]) {
    let mut ratios: Vec<f64> = dividends.iter().zip(divisors).map(|(a, b)| a / b).collect();
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    println!("| **{what}** | {:.2} | {least:.2} to {most:.2} | |", ratios[ratios.len() / 2]);
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
    let letters = letters();
    let components = format!("learngene_components = {}", 48 + CLASSES * 3);
    std::fs::write(&masked, letters.replace("learngene_components = 48", &components)).unwrap();
    let masked = ["--config", masked.to_str().unwrap(), "--label-dropout", "1"];
    let mut rows = [const { (Vec::new(), 0) }; 4];
    let mut add = |row: usize, (rate, peak): (Option<f64>, u64)| {
        rows[row].0.extend(rate);
        rows[row].1 = rows[row].1.max(peak);
    };
    for _ in 0..ROUNDS {
        add(0, train(&data, &["--preset", "letters"]));
        for (row, form) in [(1, "gathered"), (2, "dense")] {
            add(row, theirs(form, r#"{"rope": true, "swiglu": true}"#));
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
            0 => no_pytorch(),
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

/// The letters preset with other layers, in turns with the same net in PyTorch.
fn layers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    random_classes(&data, CLASSES, 100);
    let config = folder.path().join("config.toml");
    let letters = letters();
    let plain: Vec<&str> =
        letters.lines().filter(|line| !line.starts_with("rope") && !line.starts_with("swiglu")).collect();
    let plain = plain.join("\n");
    for (name, fields, features) in [
        ("plain", "", "{}"),
        ("QK-norm", "qk_norm = true", r#"{"qk_norm": true}"#),
        ("RMSNorm", "norm = \"rms\"", r#"{"norm": "rms"}"#),
        ("SwiGLU", "swiglu = true", r#"{"swiglu": true}"#),
        ("RoPE", "rope = true", r#"{"rope": true}"#),
        ("SwiGLU and RoPE", "swiglu = true\nrope = true", r#"{"swiglu": true, "rope": true}"#),
    ] {
        std::fs::write(&config, format!("{fields}\n{plain}")).unwrap();
        let mut rates = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            rates[0].extend(train(&data, &["--config", config.to_str().unwrap()]).0);
            rates[1].extend(theirs("gathered", features).0);
        }
        row(&format!("training, letters preset's sizes, {name}"), "images/s", rates[0].clone(), None);
        match rates[1].len() {
            ROUNDS => {
                row(&format!("{name}, in PyTorch"), "images/s", rates[1].clone(), None);
                ratio(&format!("ours to PyTorch's, {name}"), &rates[0], &rates[1]);
            }
            _ => no_pytorch(),
        }
    }
}

/// The sizes of the letters preset, as TOML.
fn letters() -> String {
    let letters = Command::new(tailor()).args(["inspect", "--preset", "letters", "--toml"]).output().unwrap();
    String::from_utf8(letters.stdout).unwrap()
}

/// Images per second of a step of 64 in PyTorch, if it is there, with these fields of the config, and peak memory in KiB.
fn theirs(form: &str, features: &str) -> (Option<f64>, u64) {
    let mut torch = Command::new(python());
    torch.arg(root().join("tests/reference/bench_train.py"));
    torch.args(["--steps", "20", "--batch", "64", "--threads", &threads().to_string()]);
    torch.args(["--form", form, "--features", features]);
    let (output, peak) = run(torch);
    let line = serde_json::from_str::<Value>(output.trim()).ok();
    (line.and_then(|line| line["images_per_second"].as_f64()), peak)
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

/// Milliseconds per step of one letter with guidance, in turns with the same net in PyTorch, on every core and on one.
fn native_sampling() {
    for cores in [threads(), 1] {
        let (mut ours, mut torch, mut peak) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let (ms, memory) = sample(cores);
            ours.push(ms);
            peak = peak.max(memory);
            let mut bench = on(cores, &python());
            bench.arg(root().join("tests/reference/bench_sample.py"));
            bench.args(["--steps", "200", "--threads", &cores.to_string()]);
            let line = serde_json::from_str::<Value>(run(bench).0.trim()).ok();
            torch.extend(line.and_then(|line| line["ms_per_step"].as_f64()));
        }
        let where_ = if cores == 1 { "one core" } else { "every core" };
        row(&format!("a sampling step, one letter, native, {where_}"), "ms", ours.clone(), Some(peak));
        if torch.is_empty() {
            no_pytorch();
            continue;
        }
        row(&format!("the same in PyTorch, {where_}"), "ms", torch.clone(), None);
        ratio(&format!("PyTorch's time to ours, {where_}"), &torch, &ours);
    }
}

/// Milliseconds per step of `tailor sample`, and its peak memory in KiB. A long and a short run, so that starting and
/// reading files do not count.
fn sample(cores: usize) -> (f64, u64) {
    let out = tempfile::tempdir().unwrap();
    let timed = |steps: u32| {
        let mut sample = on(cores, tailor().to_str().unwrap());
        sample.args(["sample", "--class", "A", "--sampler", "dpm++", "--guidance", "2", "--device", "cpu"]);
        sample.args(["--steps", &steps.to_string(), "--gallery"]).arg(root().join("web/galleries/letters"));
        sample.arg("--out").arg(out.path().join("a.png"));
        let started = Instant::now();
        let (_, peak) = run(sample);
        (started.elapsed().as_secs_f64() * 1000.0, peak)
    };
    let ((short, _), (long, peak)) = (timed(20), timed(220));
    ((long - short) / 200.0, peak)
}

/// A command that gets so many of the processor's cores, by `taskset` where they are not all.
fn on(cores: usize, program: &str) -> Command {
    if cores == threads() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &format!("0-{}", cores - 1), program]);
    command
}

/// A step with guidance of one letter in one browser: onnxruntime-web and our engines in turns.
fn onnx() {
    let folder = root().join("tests/benches/onnx");
    let runtime = folder.join("node_modules/onnxruntime-web/dist");
    if !runtime.exists() {
        println!("\nonnxruntime-web is not there; to compare with it: npm ci --prefix tests/benches/onnx\n");
        return;
    }
    let model = root().join("target/onnx");
    let script = root().join("tests/reference/make_onnx.py");
    let made = Command::new(python()).arg(script).arg(&model).output();
    let made = made.as_ref().map(|output| (output.status.success(), String::from_utf8_lossy(&output.stderr)));
    if !matches!(made, Ok((true, _))) {
        let why = made.map(|(_, words)| words.lines().last().unwrap_or_default().to_owned());
        println!("\nThe letters were not written as ONNX ({}).", why.unwrap_or_else(|e| e.to_string()));
        println!("Set PYTHON to one with the packages of tests/reference/requirements.txt.\n");
        return;
    }
    let server = Server::start(&[
        ("/onnx/", folder),
        ("/ort/", runtime),
        ("/model/", model),
        ("/galleries/", root().join("web/galleries")),
        ("/", root().join("web/dist")),
    ])
    .unwrap();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let open = |query: &str| {
        let page = browser.page().unwrap();
        page.navigate(&server.url(&format!("/onnx/{query}"))).unwrap();
        page.wait_for("globalThis.ready", Duration::from_secs(60)).unwrap();
        page
    };
    let theirs = open("");
    let difference = theirs.eval("check()").unwrap().as_f64().unwrap();
    assert!(difference < 1e-3, "onnxruntime-web's output differs from PyTorch's by {difference}");
    let ours = ENGINES.map(|(_, query)| open(query));
    let time = |page: &Page, who: &str| page.eval(&format!("{who}(40)")).unwrap().as_f64().unwrap();
    let mut rounds = vec![Vec::new(); 1 + ours.len()];
    // The first round compiles and warms up.
    for round in 0..=TURNS {
        let theirs = std::iter::once(time(&theirs, "theirs"));
        let figures = theirs.chain(ours.iter().map(|page| time(page, "ours")));
        figures.zip(&mut rounds).filter(|_| round > 0).for_each(|(ms, row)| row.push(ms));
    }
    let [theirs, ours @ ..] = &rounds[..] else { unreachable!("one row for each program") };
    let name = "a step with guidance in Chromium";
    row(&format!("{name}, onnxruntime-web, one thread"), "ms", theirs.clone(), None);
    for ((engine, _), figures) in ENGINES.iter().zip(ours) {
        row(&format!("{name}, {engine}"), "ms", figures.clone(), None);
        ratio(&format!("onnxruntime-web's time to {engine}"), theirs, figures);
    }
}

/// A first visit over a line of 20 Mbit/s, with an empty cache and the engine for the processor: when the text, the canned
/// run and the visitor's own image are there, and where the time of that image goes.
fn first_visit() {
    let names = ["its text", "the canned run", "the first image", "download", "verify", "prepare", "sample"];
    let mut rows = names.map(|_| Vec::new());
    for _ in 0..TURNS {
        let server = Server::start(&[("/", root().join("web/dist"))]).unwrap();
        server.throttle(20e6);
        let browser = Browser::launch(Gpu::NoAdapter).unwrap();
        let page = browser.page().unwrap();
        page.navigate(&server.url("/?backend=cpu&gallery=galleries/letters2/#class=A&seed=7")).unwrap();
        page.wait_for("document.querySelector('#first')?.innerText", Duration::from_secs(120)).unwrap();
        let script = "(() => {
            const text = performance.getEntriesByName('first-contentful-paint')[0];
            const files = performance.getEntriesByType('resource');
            const film = files.find((file) => file.name.endsWith('/film.webp'));
            const seconds = document.querySelector('#first').innerText.match(/\\d+\\.\\d+/g).map(Number);
            return [text?.startTime, film?.responseEnd, ...seconds.map((seconds) => 1000 * seconds)];
        })()";
        let figures = page.eval(script).unwrap();
        for (row, figure) in rows.iter_mut().zip(figures.as_array().unwrap()) {
            row.extend(figure.as_f64());
        }
    }
    for (name, figures) in names.iter().zip(rows) {
        row(&format!("a first visit at 20 Mbit/s: {name}"), "ms", figures, None);
    }
}

/// A word of eight letters against eight images of one letter, in turns in one browser.
fn word() {
    let server =
        Server::start(&[("/galleries/", root().join("web/galleries")), ("/", root().join("web/dist"))])
            .unwrap();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    // Any document of the site that is not the studio, which would start an engine of its own.
    page.navigate(&server.url("/galleries/letters/index.json")).unwrap();
    let open = "(async () => {
        const { createEngine } = await import('/tailor.js');
        const engine = await createEngine({ gallery: '/galleries/letters/', backend: 'cpu' });
        globalThis.time = async (letters) => {
            const classes = [...letters].map((letter, seed) => ({ class: `latin-capital-${letter}`, seed }));
            const begun = performance.now();
            await engine.sample({ classes, steps: 12, previews: false }).images();
            return performance.now() - begun;
        };
        await time('abcdefgh');
        await time('aaaaaaaa');
    })()";
    page.eval(open).unwrap();
    let time = |letters: &str| page.eval(&format!("time('{letters}')")).unwrap().as_f64().unwrap();
    let (mut different, mut equal) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        different.push(time("abcdefgh"));
        equal.push(time("aaaaaaaa"));
    }
    row("a word of eight different letters, 12 steps", "ms", different.clone(), None);
    row("eight images of one letter, 12 steps", "ms", equal.clone(), None);
    ratio("eight different letters to eight equal ones", &different, &equal);
}

/// The same in a browser, as the page itself measures it.
fn browser(what: &str, gallery: &str, gpu: Gpu, backend: &str, steps: u32) {
    let server = Server::start(&[("/", root().join("web/dist"))]).unwrap();
    let browser = Browser::launch(gpu).unwrap();
    let page = browser.page().unwrap();
    let mut figures = Vec::new();
    for seed in 0..=ROUNDS as u64 {
        let place = format!("/?gallery=galleries/{gallery}/&backend={backend}&again={seed}");
        page.navigate(&server.url(&format!("{place}#class=A&seed={seed}&steps={steps}"))).unwrap();
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
