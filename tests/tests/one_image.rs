//! One seed, class and settings are one image, on the processor and on Vulkan.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, DeviceKind, Tensor};
use tailor_core::diffusion::noise::{Stream, standard_normal};
use tailor_core::{Item, Model, SampleSettings, Sampler, Sampling};
use tailor_packs::{Index, ModelConfig, TensorSpec, Tensors};

/// Of 255: what the eye cannot tell apart.
const LEVELS: f32 = 2.0;

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
        let values = standard_normal(seed, Stream::Init(i as u32), spec.len());
        tensors.insert(&spec.name, &spec.shape, values.into_iter().map(value).collect()).unwrap();
    }
    tensors
}

fn sample(model: &Model, settings: &SampleSettings) -> Vec<f32> {
    let mut sampling = Sampling::new(model, settings.clone()).unwrap();
    while sampling.step() {}
    sampling.images().into_data().try_into_vec().unwrap()
}

/// The same batch on both devices: `class` with two seeds, and the learngene alone.
fn compare(what: &str, class: &str, assemble: impl Fn(&Device) -> Model) {
    let Some(vulkan) = vulkan() else { return };
    let item =
        |gate: &[&str], seed| Item { gate: gate.iter().map(|c| ((*c).to_owned(), 1.0)).collect(), seed };
    let items = vec![item(&[class], 7), item(&[class], 8), item(&[], 7)];
    let settings = SampleSettings { sampler: Sampler::Heun, steps: 20, guidance: 1.5, items };
    let (processor, vulkan) = (assemble(&Device::flex()), assemble(&vulkan));
    let expected = sample(&processor, &settings);
    let clock = Instant::now();
    let found = sample(&vulkan, &settings);
    let seconds = clock.elapsed().as_secs_f64();
    let levels = expected.iter().zip(&found).map(|(a, b)| (a - b).abs() * 127.5).fold(0.0, f32::max);
    println!("{what}: {levels:.5} of 255 levels apart at most; 20 steps in {seconds:.1} s on Vulkan");
    let inner = expected.iter().filter(|v| v.abs() < 1.0).count();
    assert!(inner > expected.len() / 20, "images of clipped values test nothing");
    assert!(levels <= LEVELS, "{what}: {levels}");

    // The learngene alone asks for no tailor at all: another way through the gate.
    let alone = SampleSettings { items: settings.items[2..].to_vec(), steps: 2, ..settings };
    let pair = sample(&processor, &alone).into_iter().zip(sample(&vulkan, &alone));
    let levels = pair.map(|(a, b)| (a - b).abs() * 127.5).fold(0.0, f32::max);
    assert!(levels <= LEVELS, "{what}, the learngene alone: {levels}");
}

#[test]
fn a_random_model_makes_the_same_image_on_the_processor_and_on_vulkan() {
    let config = ModelConfig::preset("tiny").unwrap();
    compare("tiny", "A", |device| {
        let mut model = Model::new(&config, &random(&config.learngene_tensors(), 1), device).unwrap();
        model.insert("A", random(&config.tailor_tensors(), 2)).unwrap();
        model
    });
}

#[test]
fn the_shipped_letters_come_out_the_same_on_the_processor_and_on_vulkan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries/letters");
    let Ok(index) = std::fs::read(folder.join("index.json")) else {
        println!("skipped: {} is not there yet", folder.display());
        return;
    };
    let index = Index::parse(&index).unwrap();
    let class = index.classes.iter().find(|class| class.name == "A").expect("the letter A");
    let file = |path: &str| std::fs::read(folder.join(path)).unwrap();
    let learngene = index.read_learngene(&file(&index.learngene.path)).unwrap();
    let tailor = index.read_tailor(&class.id, &file(&class.file.path)).unwrap();
    compare("letters", &class.id, |device| {
        let mut model = Model::new(&index.config, &learngene.tensors, device).unwrap();
        model.insert(&class.id, tailor.tensors.clone()).unwrap();
        model
    });
}
