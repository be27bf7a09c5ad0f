//! Random models for tests of gates and engines.
#![allow(dead_code, reason = "not every test needs all of it")]

use tailor_core::diffusion::images::Images;
use tailor_core::diffusion::noise::{Stream, standard_normal};
use tailor_core::{Guide, Item, ModelError, Predict, SampleRun, SampleSettings, Sampler, engine};
use tailor_packs::{Gelu, ModelConfig, Norm, Objective, TensorSpec, Tensors};

pub(crate) fn normal(seed: u64, n: usize) -> Vec<f32> {
    standard_normal(seed, Stream::Start, n)
}

/// Random values of a tensor, none of them zero: at their true start `adaln` and the output are.
pub(crate) fn random(spec: &TensorSpec, seed: u64) -> Vec<f32> {
    let scale = (spec.shape[0] as f32).sqrt().recip();
    let name = spec.name.as_str();
    let value = |v: f32| match name.rsplit('.').next() {
        Some("sigma") => 1.0 + 0.3 * v,
        Some("bias") => 0.1 * v,
        Some("null" | "label") => 0.5 * v,
        _ => scale * v,
    };
    normal(seed, spec.len()).into_iter().map(value).collect()
}

pub(crate) fn tensors(specs: &[TensorSpec], seed: u64) -> Tensors {
    let mut tensors = Tensors::new();
    for (i, spec) in specs.iter().enumerate() {
        tensors.insert(&spec.name, &spec.shape, random(spec, seed * 1000 + i as u64)).unwrap();
    }
    tensors
}

/// `tiny`, `tiny` with separate attention and the other objective, a plain network in colour with
/// separate attention, and
/// models with features.
pub(crate) fn configs() -> [ModelConfig; 10] {
    let fused = ModelConfig::preset("tiny").unwrap();
    let factored = "q,k,v,o,in,out".parse().unwrap();
    let separate = ModelConfig { factored, objective: Objective::Ddpm, ..fused.clone() };
    let factored = "".parse().unwrap();
    let plain = ModelConfig { factored, channels: 3, separate_attention: true, ..fused.clone() };
    let tanh = ModelConfig { gelu: Gelu::Tanh, ..fused.clone() };
    let learned = ModelConfig { learned_variance: true, channels: 2, ..separate.clone() };
    let normed = ModelConfig { qk_norm: true, norm: Norm::Rms, ..fused.clone() };
    let turned = ModelConfig { rope: true, swiglu: true, objective: Objective::Flow, ..separate.clone() };
    let all = ModelConfig { norm: Norm::Rms, qk_norm: true, rope: true, swiglu: true, ..plain.clone() };
    let clean = ModelConfig { clean_output: true, ..fused.clone() };
    let few = ModelConfig { few_steps: true, ..fused.clone() };
    [fused, separate, plain, tanh, normed, turned, all, learned, clean, few]
}

/// The samplers that can draw with a model of `config`.
pub(crate) fn samplers(config: &ModelConfig) -> impl Iterator<Item = Sampler> {
    Sampler::ALL.into_iter().filter(|sampler| sampler.suits(config))
}

/// A model on an engine under test.
pub(crate) trait OnEngine: Predict + Sized {
    fn new(config: &ModelConfig, learngene: &Tensors) -> Result<Self, ModelError>;
    fn read(images: &Self::Images) -> Vec<f32>;
}

impl OnEngine for engine::Model {
    fn new(config: &ModelConfig, learngene: &Tensors) -> Result<Self, ModelError> {
        Ok(engine::Model::new(config, learngene)?.with_threads(2))
    }

    fn read(images: &Images) -> Vec<f32> {
        images.values.clone()
    }
}

#[cfg(feature = "graph")]
impl OnEngine for tailor_core::graph::Model {
    fn new(config: &ModelConfig, learngene: &Tensors) -> Result<Self, ModelError> {
        tailor_core::graph::Model::new(config, learngene, &burn::tensor::Device::flex())
    }

    fn read(images: &Self::Images) -> Vec<f32> {
        images.clone().into_data().try_into_vec().unwrap()
    }
}

pub(crate) fn model<M: OnEngine>(config: &ModelConfig, classes: &[&str]) -> M {
    let mut model = M::new(config, &tensors(&config.learngene_tensors(), 1)).unwrap();
    for class in classes {
        model.insert(class, tailor(config, class)).unwrap();
    }
    model
}

pub(crate) fn tailor(config: &ModelConfig, class: &str) -> Tensors {
    tensors(&config.tailor_tensors(), u64::from(class.as_bytes()[0]))
}

pub(crate) fn item(gate: &[(&str, f32)], seed: u64) -> Item {
    Item { gate: gate.iter().map(|(class, weight)| ((*class).to_owned(), *weight)).collect(), seed }
}

pub(crate) fn settings(sampler: Sampler, items: &[Item]) -> SampleSettings {
    // Large steps halve the way.
    let steps = if sampler == Sampler::Shortcut { 4 } else { 5 };
    SampleSettings { sampler, steps, guidance: 1.5, guide: Guide::default(), items: items.to_vec() }
}

/// The images of `items`, one after the other.
pub(crate) fn images<M: OnEngine>(model: &M, settings: SampleSettings) -> Vec<Vec<f32>> {
    let n = settings.items.len();
    let mut sampling = SampleRun::new(model, settings).unwrap();
    while sampling.step() {}
    let values = M::read(&sampling.images());
    values.chunks_exact(values.len() / n).map(<[f32]>::to_vec).collect()
}

pub(crate) fn one<M: OnEngine>(model: &M, item: Item) -> Vec<f32> {
    images(model, settings(Sampler::Heun, &[item])).remove(0)
}

pub(crate) fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
