//! The model against PyTorch: outputs and gradients of small random models, see `tests/reference`.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod fixtures;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use fixtures::{Tensors, read, relative_error};
use tailor_core::Predict;
use tailor_core::diffusion::shortcut::Moment;
use tailor_core::engine::{self, Network, Pool, Sample};
use tailor_core::graph::factored::{Gate, TailorStack};
use tailor_core::graph::loss::{directions, loss};
use tailor_core::graph::{Dit, Parameters};
use tailor_packs::{ModelConfig, TensorSpec};

const FORWARD: f64 = 1e-4;
const GRADIENT: f64 = 1e-3;

/// Gradients that are zero in theory (softmax ignores the keys' bias) come out as rounding errors of
/// the terms that cancel: an error this small in the whole tensor passes, whatever its gradient.
const FLOOR: f64 = 1e-6;

struct Fixture {
    config: ModelConfig,
    tensors: Tensors,
    classes: usize,
    device: Device,
}

impl Fixture {
    fn open(name: &str) -> Self {
        let (metadata, tensors) = read(name);
        let config: ModelConfig = serde_json::from_str(&metadata["config"]).unwrap();
        config.validate().unwrap();
        let classes = (0..).take_while(|k| tensors.contains_key(&format!("tailor.{k}.label"))).count();
        Self { config, tensors, classes, device: Device::flex().autodiff() }
    }

    fn values(&self, name: &str) -> &[f32] {
        &self.tensors.get(name).unwrap_or_else(|| panic!("the fixture lacks {name}")).1
    }

    /// How much the direction of the output counts.
    fn cosine(&self) -> f32 {
        self.tensors.get("cosine").map_or(0.0, |(_, values)| values[0])
    }

    /// The moment of each image: its time, and how far the next step goes where the model is told.
    fn at(&self) -> Vec<Moment> {
        let times = self.values("t");
        let strides = self.tensors.get("stride").map_or(vec![0.0; times.len()], |(_, values)| values.clone());
        times.iter().zip(strides).map(|(&t, stride)| Moment { t, stride: stride as usize }).collect()
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (shape, values) = &self.tensors[name];
        Tensor::from_data(TensorData::new(values.clone(), shape.clone()), &self.device)
    }

    /// The fixture fills its rows up with weight zero; ours have no such entries.
    fn gate(&self) -> Gate {
        let pairs = self.values("gate.class").iter().zip(self.values("gate.weight"));
        let pairs: Vec<(usize, f32)> = pairs.map(|(class, weight)| (*class as usize, *weight)).collect();
        let width = self.tensors["gate.class"].0[1];
        pairs
            .chunks_exact(width)
            .map(|row| row.iter().copied().filter(|(_, w)| *w != 0.0).collect())
            .collect()
    }

    fn leaf(&self, values: Vec<f32>) -> Tensor<1> {
        let n = values.len();
        Tensor::<1>::from_data(TensorData::new(values, [n]), &self.device).require_grad()
    }

    /// The learngene's tensors, and the tailors' with all classes side by side.
    fn leaves(&self) -> (Vec<Tensor<1>>, Vec<Tensor<1>>) {
        let shared = |spec: &TensorSpec| {
            let name = format!("learngene.{}", spec.name);
            assert_eq!(self.tensors[&name].0, spec.shape, "{name}");
            self.leaf(self.values(&name).to_vec())
        };
        let own = |spec: &TensorSpec| {
            let name = |k| format!("tailor.{k}.{}", spec.name);
            self.leaf((0..self.classes).flat_map(|k| self.values(&name(k)).to_vec()).collect())
        };
        let shared = self.config.learngene_tensors().iter().map(shared).collect();
        (shared, self.config.tailor_tensors().iter().map(own).collect())
    }

    fn dit(&self, shared: &[Tensor<1>]) -> Dit {
        let parameters = Parameters::new(&self.config.learngene_tensors(), shared.iter().cloned());
        Dit::new(&self.config, &parameters, &self.device)
    }

    /// Holds the gradient of `name` to the reference's; the relative error, unless it is all rounding.
    fn check_gradient(&self, name: &str, found: &[f32]) -> Option<f64> {
        let expected = self.values(&format!("grad.{name}"));
        assert_eq!(found.len(), expected.len(), "{name}");
        if expected.iter().all(|v| *v == 0.0) {
            assert!(found.iter().all(|v| *v == 0.0), "{name} takes no part, yet has a gradient");
            return None;
        }
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let of = norm(&mut expected.iter().map(|v| f64::from(*v)));
        let error = norm(&mut found.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        assert!(error <= GRADIENT * of + FLOOR, "{name}: error {error:.2e} of a gradient of norm {of:.2e}");
        (of > FLOOR).then_some(error / of)
    }
}

fn host(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn gradient(leaf: &Tensor<1>, gradients: &Gradients) -> Vec<f32> {
    host(leaf.grad(gradients).expect("every tensor takes part"))
}

fn the_model_agrees(name: &str) {
    let fixture = Fixture::open(name);
    let (shared, own) = fixture.leaves();
    let gathered = TailorStack::from_flat(&fixture.config, fixture.classes, &own).gather(&fixture.gate());
    let dit = fixture.dit(&shared);
    let output = dit.forward(fixture.tensor("x"), &fixture.at(), gathered.as_ref());
    let forward = relative_error(&host(output.clone().flatten(0, 3)), fixture.values("out"));
    assert!(forward <= FORWARD, "{name}: forward {forward:.2e}");

    let images = (fixture.tensor("x"), fixture.tensor("target"));
    let n = fixture.values("target").len() as f64;
    let (cosine, batch) = (fixture.cosine(), fixture.tensors["x"].0[0]);
    let mut loss = loss(&fixture.config, output.clone(), images, fixture.values("t")) / n;
    if cosine > 0.0 {
        let directions = directions(&fixture.config, output, fixture.tensor("target"));
        loss = loss + directions * cosine / batch as f64;
    }
    let gradients = loss.backward();
    let loss = relative_error(&host(loss), fixture.values("loss"));
    assert!(loss <= FORWARD, "{name}: loss {loss:.2e}");
    let mut errors = Vec::new();
    for (spec, leaf) in fixture.config.learngene_tensors().iter().zip(&shared) {
        let name = format!("learngene.{}", spec.name);
        errors.extend(fixture.check_gradient(&name, &gradient(leaf, &gradients)).map(|e| (e, name)));
    }
    for (spec, leaf) in fixture.config.tailor_tensors().iter().zip(&own) {
        let all = gradient(leaf, &gradients);
        for (k, values) in all.chunks_exact(spec.len()).enumerate() {
            let name = format!("tailor.{k}.{}", spec.name);
            errors.extend(fixture.check_gradient(&name, values).map(|e| (e, name)));
        }
    }
    let (worst, at) = errors.iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let n = errors.len();
    println!("{name}: forward {forward:.1e}, loss {loss:.1e}, worst of {n} gradients {worst:.1e} at {at}");
}

/// The processor's engine: its predictions, and loss and gradients of its training.
fn the_engine_agrees(name: &str) {
    let fixture = Fixture::open(name);
    let config = &fixture.config;
    let tensors = |specs: &[TensorSpec], part: &str| {
        let mut tensors = tailor_packs::Tensors::new();
        for spec in specs {
            let values = fixture.values(&format!("{part}.{}", spec.name)).to_vec();
            tensors.insert(&spec.name, &spec.shape, values).unwrap();
        }
        tensors
    };
    let flat = |specs: &[TensorSpec], part: &str| -> Vec<f32> {
        specs.iter().flat_map(|spec| fixture.values(&format!("{part}.{}", spec.name)).to_vec()).collect()
    };
    let (shared, own) = (config.learngene_tensors(), config.tailor_tensors());
    let learngene = flat(&shared, "learngene");
    let tailors: Vec<_> = (0..fixture.classes).map(|k| flat(&own, &format!("tailor.{k}"))).collect();
    let mut model = engine::Model::new(config, &tensors(&shared, "learngene")).unwrap();
    for k in 0..fixture.classes {
        model.insert(&k.to_string(), tensors(&own, &format!("tailor.{k}"))).unwrap();
    }
    let (gates, images, targets) = (fixture.gate(), fixture.values("x"), fixture.values("target"));
    let (at, n) = (fixture.at(), images.len() / gates.len());
    let mut out = Vec::new();
    let mut samples = Vec::new();
    for (i, gate) in gates.iter().enumerate() {
        let x = &images[i * n..][..n];
        let named = gate.iter().map(|(class, weight)| (class.to_string(), *weight)).collect();
        let gated = model.gate(&[named]).unwrap();
        out.extend(model.predict(&gated, &model.images(x.to_vec()), at[i]).values);
        let class = gate.first().map(|(class, _)| *class);
        samples.push(Sample {
            x,
            target: &targets[i * n..][..n],
            at: at[i],
            class,
            named: true,
            cosine: fixture.cosine(),
            teacher: None,
        });
    }
    // With learned variance, the prediction is the first half of an image's output.
    let outputs = fixture.values("out");
    let rows = outputs.chunks_exact(outputs.len() / gates.len());
    let predicted: Vec<f32> = rows.flat_map(|row| row[..n].to_vec()).collect();
    let forward = relative_error(&out, &predicted);
    assert!(forward <= FORWARD, "{name}: forward {forward:.2e}");

    let (network, factor) = (Network::new(config).unwrap(), 1.0 / images.len() as f32);
    let found = network.gradients(&learngene, |k| &tailors[k], &samples, factor, false, &Pool::default());
    let loss = (found.squares + found.distances * n as f64) as f32 * factor;
    let loss = relative_error(&[loss], fixture.values("loss"));
    assert!(loss <= FORWARD, "{name}: loss {loss:.2e}");
    let mut errors = Vec::new();
    let parts = found.tailors.iter().map(|(k, gradient)| (format!("tailor.{k}"), &own, gradient));
    for (part, specs, gradient) in parts.chain([("learngene".to_owned(), &shared, &found.learngene)]) {
        let mut rest = &gradient[..];
        for spec in specs {
            let (values, after) = rest.split_at(spec.len());
            rest = after;
            let name = format!("{part}.{}", spec.name);
            errors.extend(fixture.check_gradient(&name, values).map(|e| (e, name)));
        }
    }
    let (worst, at) = errors.iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let n = errors.len();
    println!(
        "{name}, engine: forward {forward:.1e}, loss {loss:.1e}, worst of {n} gradients {worst:.1e} at {at}"
    );
}

fn a_block_agrees(name: &str) {
    let fixture = Fixture::open(name);
    let (shared, own) = fixture.leaves();
    let gathered = TailorStack::from_flat(&fixture.config, fixture.classes, &own).gather(&fixture.gate());
    let condition = fixture.tensor::<2>("block.s").unsqueeze_dim::<3>(1);
    let dit = fixture.dit(&shared);
    let output = dit.blocks()[0].forward(fixture.tensor("block.x"), condition, &gathered.unwrap().layers[0]);
    let error = relative_error(&host(output.flatten(0, 2)), fixture.values("block.out"));
    assert!(error <= FORWARD, "{name}: {error:.2e}");
    println!("{name}: block {error:.1e}");
}

#[test]
fn a_model_with_fused_attention_agrees_with_pytorch_in_outputs_and_gradients() {
    the_model_agrees("parity-fused");
}

#[test]
fn a_model_with_separate_attention_agrees_with_pytorch_in_outputs_and_gradients() {
    the_model_agrees("parity-separate");
}

#[test]
fn each_feature_of_a_model_agrees_with_pytorch_in_both_engines() {
    for feature in [
        "tanh",
        "variance",
        "qk-norm",
        "rms-norm",
        "rope",
        "swiglu",
        "features",
        "clean",
        "cosine",
        "few-steps",
    ] {
        let name = format!("parity-{feature}");
        the_model_agrees(&name);
        the_engine_agrees(&name);
    }
}

#[test]
fn one_block_alone_agrees_with_pytorch() {
    a_block_agrees("parity-fused");
    a_block_agrees("parity-separate");
}
