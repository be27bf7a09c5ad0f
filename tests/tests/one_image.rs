//! One seed, class and settings are one image: on the processor, on Vulkan, in WebAssembly and on WebGPU.
//!
//! What a gallery's images are is said by the golden images in `tests/golden`, which the program for the command line
//! is held to as well (`native-trainer/tests/golden.rs`).

use std::time::Instant;

use crate::golden::{self, LEVELS};
use crate::support::{PATIENCE, index_of, root};
use burn::tensor::{Device, DeviceKind, Tensor};
use tailor_core::diffusion::noise::{Stream, standard_normal};
use tailor_core::{Guide, Item, Predict, SampleRun, SampleSettings, Sampler, engine, graph};
use tailor_packs::{ModelConfig, TensorSpec, Tensors};
use tailor_tests::chromium::{Browser, Gpu, Page};
use tailor_tests::server::Server;

/// A Vulkan device that works, real or emulated. Where there is none the test is skipped, though not
/// in continuous integration, which must have one.
fn vulkan() -> Option<Device> {
    let probe = || {
        let device = Device::wgpu(DeviceKind::DefaultDevice);
        let x = Tensor::<2>::ones([2, 2], &device);
        x.clone().matmul(x).sum().into_data();
        device
    };
    let device = std::panic::catch_unwind(probe).ok();
    if device.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no Vulkan adapter; install mesa-vulkan-drivers");
        println!("skipped: this machine has no Vulkan adapter (package mesa-vulkan-drivers emulates one)");
    }
    device
}

/// Random tensors, none of them zero, at scales that keep activations near one.
fn random(specs: &[TensorSpec], seed: u64) -> Tensors {
    let mut tensors = Tensors::new();
    for (i, spec) in specs.iter().enumerate() {
        let rows = spec.shape[0] as f32;
        let value = |v: f32| match spec.name.rsplit('.').next() {
            Some("sigma") => 1.0 + 0.3 * v,
            Some("bias") => 0.1 * v,
            Some("null" | "label") => 0.5 * v,
            _ => v / rows.sqrt(),
        };
        let values = standard_normal(seed, Stream::Learngene(i as u32), spec.len());
        tensors.insert(&spec.name, &spec.shape, values.into_iter().map(value).collect()).unwrap();
    }
    tensors
}

fn sample<M: Predict>(model: &M, settings: &SampleSettings) -> M::Images {
    let mut sampling = SampleRun::new(model, settings.clone()).unwrap();
    while sampling.step() {}
    sampling.images()
}

fn on_graph(model: &graph::Model, settings: &SampleSettings) -> Vec<f32> {
    graph::sampling::read(&sample(model, settings)).unwrap().values
}

#[test]
fn a_random_model_makes_the_same_image_on_the_processor_and_on_vulkan() {
    let Some(vulkan) = vulkan() else { return };
    let config = ModelConfig::preset("tiny").unwrap();
    let (learngene, tailor) = (random(&config.learngene_tensors(), 1), random(&config.tailor_tensors(), 2));
    let mut processor = engine::Model::new(&config, &learngene).unwrap();
    let mut vulkan = graph::Model::new(&config, &learngene, &vulkan).unwrap();
    processor.insert("A", tailor.clone()).unwrap();
    vulkan.insert("A", tailor).unwrap();
    let item =
        |gate: &[&str], seed| Item { gate: gate.iter().map(|c| ((*c).to_owned(), 1.0)).collect(), seed };
    let items = vec![item(&["A"], 7), item(&["A"], 8), item(&[], 7)];
    let settings =
        SampleSettings { sampler: Sampler::Heun, steps: 20, guidance: 1.5, guide: Guide::default(), items };
    let expected = sample(&processor, &settings).values;
    let levels = golden::distance(&on_graph(&vulkan, &settings), &expected);
    println!("tiny: {levels:.5} of 255 levels apart at most");
    let inner = expected.iter().filter(|v| v.abs() < 1.0).count();
    assert!(inner > expected.len() / 20, "images of clipped values test nothing");
    assert!(levels <= LEVELS, "{levels}");

    // The learngene alone asks for no tailor at all: another way through the gate.
    let alone = SampleSettings { items: settings.items[2..].to_vec(), steps: 2, ..settings };
    let levels = golden::distance(&on_graph(&vulkan, &alone), &sample(&processor, &alone).values);
    assert!(levels <= LEVELS, "the learngene alone: {levels}");
}

/// The golden images of these samplers, the first seed of each run, by Burn's graph on `device`.
fn golden_on_the_graph(what: &str, device: &Device, gallery: &str, wanted: impl Fn(&golden::Run) -> bool) {
    let folder = root().join("web/galleries").join(gallery);
    let index = index_of(&folder);
    let file = |path: &str| std::fs::read(folder.join(path)).unwrap();
    let learngene = index.read_learngene(&file(&index.learngene.path)).unwrap();
    let mut model = graph::Model::new(&index.config, &learngene.tensors, device).unwrap();
    let runs = golden::runs(gallery);
    for id in runs.iter().flat_map(|run| &run.classes) {
        let class = index.class(id).unwrap();
        model.insert(id, index.read_tailor(id, &file(&class.file.path)).unwrap().tensors).unwrap();
    }
    let (mut worst, clock) = (0.0f32, Instant::now());
    for run in runs.iter().filter(|run| wanted(run)) {
        let seed = run.seeds[0];
        let alone = run.classes.is_empty().then(Vec::new);
        let gates = run.classes.iter().map(|class| vec![(class.clone(), 1.0)]).chain(alone);
        let items = gates.map(|gate| Item { gate, seed }).collect();
        let sampler = run.sampler.parse().unwrap();
        let settings = SampleSettings {
            sampler,
            steps: run.steps,
            guidance: run.guidance,
            guide: Guide::default(),
            items,
        };
        let levels = golden::distance(&on_graph(&model, &settings), run.row(0));
        assert!(levels <= LEVELS, "{what}, {gallery}, {}: {levels} of 255 levels apart", run.name());
        worst = worst.max(levels);
    }
    let seconds = clock.elapsed().as_secs_f64();
    println!("{gallery}, {what}: at most {worst:.4} of 255 levels from the golden images; {seconds:.1} s");
}

/// Whether a run is by the sampler that the page has for its gallery.
fn of_the_page(run: &golden::Run) -> bool {
    ["dpm++", "shortcut"].contains(&run.sampler.as_str())
}

#[test]
fn the_galleries_come_out_of_the_graph_as_they_always_did() {
    for gallery in golden::GALLERIES {
        golden_on_the_graph("the graph on the processor", &Device::flex(), gallery, of_the_page);
    }
}

#[test]
fn the_galleries_come_out_on_vulkan_as_they_always_did() {
    let Some(vulkan) = vulkan() else { return };
    // A GPU in software takes minutes for the others, which the next test runs.
    for gallery in ["letters", "fashion", "icons"] {
        let few = |run: &golden::Run| run.guidance > 1.0 || run.sampler == "shortcut";
        golden_on_the_graph("Vulkan", &vulkan, gallery, |run| of_the_page(run) && few(run));
    }
}

#[test]
#[ignore = "takes minutes on a GPU in software; `just test -- --ignored` runs it"]
fn every_sampler_makes_on_vulkan_what_it_always_made() {
    let Some(vulkan) = vulkan() else { return };
    for gallery in ["letters", "letters2", "avatars"] {
        golden_on_the_graph("Vulkan", &vulkan, gallery, |_| true);
    }
}

/// An engine in the browser with one gallery, driven through the JavaScript API.
struct Engine {
    _browser: Browser,
    _server: Server,
    page: Page,
}

impl Engine {
    fn open(gpu: Gpu, backend: &str, gallery: &str) -> Self {
        let dist = root().join("web/dist");
        assert!(dist.join("page_bg.wasm").exists(), "the site is not built; run: just site");
        let server = Server::start(&[("/galleries/", root().join("web/galleries")), ("/", dist)]).unwrap();
        let browser = Browser::launch(gpu).unwrap();
        let page = browser.page().unwrap();
        // Any document of the site that is not the studio, which would start an engine of its own.
        page.navigate(&server.url(&format!("/galleries/{gallery}/index.json"))).unwrap();
        let open = format!(
            "(async () => {{
                const {{ createEngine }} = await import('/tailor.js');
                const engine = await createEngine({{ gallery: '/galleries/{gallery}/', backend: '{backend}' }});
                globalThis.sample = async (classes, seed, steps, guidance) => {{
                    globalThis.found = undefined;
                    const order = {{ classes, seed, steps, guidance, previews: false }};
                    const images = await engine.sample(order).images();
                    globalThis.found = Array.from(images.values);
                }};
            }})()"
        );
        page.eval(&open).unwrap();
        Self { _browser: browser, _server: server, page }
    }

    /// One image of each class (or of the learngene) in one batch.
    fn sample(&self, run: &golden::Run, seed: u64) -> Vec<f32> {
        let classes = match run.classes.is_empty() {
            true => serde_json::json!([null]),
            false => serde_json::json!(run.classes),
        };
        // Not awaited: on a GPU in software this takes longer than the browser may take to answer.
        let order = format!("void sample({classes}, {seed}, {}, {})", run.steps, run.guidance);
        self.page.eval(&order).unwrap();
        self.page.wait_for("globalThis.found", PATIENCE).unwrap();
        let found = self.page.eval("found").unwrap();
        found.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
    }
}

/// The golden images of the gallery's own sampler, the only one that the page has, in the browser.
fn golden_in_the_browser(what: &str, engine: &Engine, gallery: &str, wanted: impl Fn(&golden::Run) -> bool) {
    let own = index_of(&root().join("web/galleries").join(gallery)).sampling.sampler;
    let mut worst = 0.0f32;
    let runs = golden::runs(gallery);
    let runs: Vec<_> = runs.iter().filter(|run| run.sampler == own && wanted(run)).collect();
    assert!(!runs.is_empty(), "no golden image of {own}");
    for run in runs {
        for (row, seed) in run.seeds.iter().enumerate() {
            let levels = golden::distance(&engine.sample(run, *seed), run.row(row));
            assert!(levels <= LEVELS, "{what}, {gallery}, {}: {levels} of 255 levels apart", run.name());
            worst = worst.max(levels);
        }
    }
    println!("{gallery}, {what}: at most {worst:.4} of 255 levels from the golden images");
}

#[test]
fn the_galleries_come_out_in_wasm_as_they_always_did() {
    for (what, backend, program) in [
        ("WASM with relaxed SIMD", "cpu", "engine-cpu-relaxed_bg.wasm"),
        ("WASM without", "cpu-simd", "engine-cpu_bg.wasm"),
    ] {
        for gallery in golden::GALLERIES {
            let engine = Engine::open(Gpu::NoAdapter, backend, gallery);
            // Where one program is missing, the page goes on with the other.
            let loaded = engine.page.network().iter().any(|file| file.url.ends_with(program));
            assert!(loaded, "{what}: {program} was not loaded");
            golden_in_the_browser(what, &engine, gallery, |_| true);
        }
    }
}

#[test]
#[ignore = "takes minutes on a GPU in software; `just test -- --ignored` runs it"]
fn the_galleries_come_out_on_webgpu_as_they_always_did() {
    for gallery in golden::GALLERIES {
        let engine = Engine::open(Gpu::Software, "gpu", gallery);
        golden_in_the_browser("WebGPU", &engine, gallery, |run| {
            run.seeds.len() == 1 || run.classes.is_empty()
        });
    }
}
