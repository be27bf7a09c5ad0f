//! The class gate: its two forms agree, batches may mix classes, packs come and go without a trace.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use tailor_core::factored::{Gate, Linear, TailorStack, Weight, masked};
use tailor_core::noise::{Stream, standard_normal};
use tailor_core::path::nodes;
use tailor_core::{Item, Model, ModelError, SampleSettings, Sampler, Sampling};
use tailor_packs::{Matrix, ModelConfig, Objective, TensorSpec, Tensors};

const CLOSE: f32 = 1e-5;

fn normal(seed: u64, n: usize) -> Vec<f32> {
    standard_normal(seed, Stream::Start, n)
}

/// Random values of a tensor, none of them zero: at their true start `adaln` and the output are.
fn random(spec: &TensorSpec, seed: u64) -> Vec<f32> {
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

fn tensors(specs: &[TensorSpec], seed: u64) -> Tensors {
    let mut tensors = Tensors::new();
    for (i, spec) in specs.iter().enumerate() {
        tensors.insert(&spec.name, &spec.shape, random(spec, seed * 1000 + i as u64)).unwrap();
    }
    tensors
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// `tiny`, and `tiny` with separate attention and the other objective.
fn configs() -> [ModelConfig; 2] {
    let fused = ModelConfig::preset("tiny").unwrap();
    let factored = "q,k,v,o,in,out".parse().unwrap();
    [fused.clone(), ModelConfig { factored, objective: Objective::Ddpm, ..fused }]
}

fn model(config: &ModelConfig, classes: &[&str]) -> Model {
    let mut model = Model::new(config, &tensors(&config.learngene_tensors(), 1), &Device::flex()).unwrap();
    for class in classes {
        model.insert(class, tailor(config, class)).unwrap();
    }
    model
}

fn tailor(config: &ModelConfig, class: &str) -> Tensors {
    tensors(&config.tailor_tensors(), u64::from(class.as_bytes()[0]))
}

fn item(gate: &[(&str, f32)], seed: u64) -> Item {
    Item { gate: gate.iter().map(|(class, weight)| ((*class).to_owned(), *weight)).collect(), seed }
}

fn settings(sampler: Sampler, items: &[Item]) -> SampleSettings {
    SampleSettings { sampler, steps: 5, guidance: 1.5, items: items.to_vec() }
}

/// The images of `items`, one after the other.
fn images(model: &Model, settings: SampleSettings) -> Vec<Vec<f32>> {
    let n = settings.items.len();
    let mut sampling = Sampling::new(model, settings).unwrap();
    while sampling.step() {}
    let values = sampling.images().into_data().try_into_vec::<f32>().unwrap();
    values.chunks_exact(values.len() / n).map(<[f32]>::to_vec).collect()
}

fn one(model: &Model, item: Item) -> Vec<f32> {
    images(model, settings(Sampler::Heun, &[item])).remove(0)
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn bits(image: &[f32]) -> Vec<u32> {
    image.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn the_gathered_gate_computes_what_the_masked_one_specifies() {
    let classes = 5;
    let gates: [Gate; 4] = [
        vec![vec![(2, 1.0)], vec![(0, 1.0)], vec![(2, 1.0)]],
        vec![vec![(4, 1.0)], vec![], vec![(1, 0.25), (3, 0.5), (0, -0.75)]],
        vec![vec![(1, 0.5), (1, 0.5)], vec![(3, 2.0)], vec![(0, 0.0)]],
        vec![vec![], vec![], vec![]],
    ];
    let mut worst = 0f32;
    for config in configs() {
        let specs = config.tailor_tensors();
        let flat = specs.iter().enumerate().map(|(i, spec)| {
            let rows = (0..classes as u64).flat_map(|k| random(spec, 7000 + 100 * k + i as u64));
            tensor(rows.collect(), [classes * spec.len()])
        });
        let stack = TailorStack::from_flat(&config, classes, &flat.collect::<Vec<_>>());
        for (g, gate) in gates.iter().enumerate() {
            let gathered = stack.gather(gate);
            assert_eq!(gathered.is_none(), g == 3, "only a gate that is off for all is none");
            for (l, layer) in stack.layers.iter().enumerate() {
                for (i, (matrix, bank)) in layer.iter().enumerate() {
                    let (m1, m2) = matrix.widths(config.width as usize);
                    let n = config.learngene_components as usize;
                    let scale = (m1 as f32).sqrt().recip();
                    let u = tensor(normal(90, m1 * n), [m1, n]) * scale;
                    let sigma = tensor(normal(91, n), [n]);
                    let v = tensor(normal(92, n * m2), [n, m2]);
                    let x = tensor(normal(93, gate.len() * 7 * m1), [gate.len(), 7, m1]);
                    let expected = masked(x.clone(), (u.clone(), sigma.clone(), v.clone()), bank, gate);
                    let bias = tensor(vec![0.0; m2], [m2]);
                    let weight = Weight::Factored { u, sigma, v };
                    let linear = Linear { weight, bias, products: FloatDType::F32 };
                    let own = gathered.as_ref().map(|g| {
                        assert_eq!(g.layers[l][i].0, *matrix);
                        &g.layers[l][i].1
                    });
                    let found = linear.forward(x, own).into_data().try_into_vec::<f32>().unwrap();
                    let expected = expected.into_data().try_into_vec::<f32>().unwrap();
                    let largest = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
                    let error = difference(&found, &expected) / largest;
                    assert!(error <= CLOSE, "{matrix} of layer {l}, gate {g}: {error}");
                    worst = worst.max(error);
                }
            }
        }
    }
    println!("masked against gathered: {worst:.1e} of the largest value");
}

#[test]
fn a_mixed_batch_makes_the_images_that_its_samples_make_alone() {
    let items = [
        item(&[("A", 1.0)], 1),
        item(&[], 2),
        item(&[("A", 0.4), ("B", 0.6)], 3),
        item(&[("C", 1.0)], 4),
        item(&[("A", 1.0)], 5),
    ];
    for config in configs() {
        let model = model(&config, &["A", "B", "C"]);
        // A clean image is read from predicted noise by a division by α, which multiplies rounding.
        let tolerance = match config.objective {
            Objective::Flow => CLOSE,
            Objective::Ddpm => CLOSE / nodes(config.objective, 5)[0].alpha as f32,
        };
        let mut worst = 0f32;
        for sampler in Sampler::ALL {
            let together = images(&model, settings(sampler, &items));
            for (item, image) in items.iter().zip(&together) {
                let alone = images(&model, settings(sampler, std::slice::from_ref(item))).remove(0);
                let error = difference(image, &alone);
                assert!(error <= tolerance, "{sampler}, {item:?}: {error}");
                worst = worst.max(error);
            }
            assert!(together[0].iter().any(|v| v.abs() < 0.9), "an image of clipped values tests nothing");
        }
        println!("{:?}: mixed batch against one by one: {worst:.1e} of {tolerance:.1e}", config.objective);
    }
}

#[test]
fn the_network_predicts_for_a_mixed_batch_what_it_predicts_for_each_sample() {
    let gates: Vec<Vec<(String, f32)>> =
        [&[("A", 1.0)][..], &[], &[("A", 0.4), ("B", 0.6)], &[("C", 1.0)]].map(|g| item(g, 0).gate).into();
    let times = [999.0, 640.0, 20.0, 333.0];
    for config in configs() {
        let model = model(&config, &["A", "B", "C"]);
        let side = config.image_size as usize;
        let x = tensor(normal(5, 4 * side * side), [4, 1, side, side]);
        let predict = |range: std::ops::Range<usize>| {
            let tailors = model.gate(&gates[range.clone()]).unwrap();
            let part = x.clone().narrow(0, range.start, range.len());
            let output = model.dit().forward(part, &times[range], tailors.as_ref());
            output.into_data().try_into_vec::<f32>().unwrap()
        };
        let together = predict(0..4);
        let alone: Vec<f32> = (0..4).flat_map(|i| predict(i..i + 1)).collect();
        let error = difference(&together, &alone) / alone.iter().fold(0f32, |m, v| m.max(v.abs()));
        println!("{:?}: prediction in a mixed batch against alone: {error:.1e}", config.objective);
        assert!(error <= CLOSE, "{error}");
    }
}

#[test]
fn the_learngene_alone_is_the_same_with_and_without_tailors_about() {
    let [config, _] = configs();
    let bare = model(&config, &[]);
    let dressed = model(&config, &["A", "B"]);
    let alone = one(&bare, item(&[], 9));
    assert_eq!(bits(&alone), bits(&one(&dressed, item(&[], 9))));
    let mixed = images(&dressed, settings(Sampler::Heun, &[item(&[("A", 1.0)], 9), item(&[], 9)]));
    assert!(difference(&alone, &mixed[1]) <= CLOSE);
    assert!(difference(&alone, &mixed[0]) > 0.01, "a tailor that changes nothing tests nothing");
    let without_guidance =
        SampleSettings { guidance: 0.0, ..settings(Sampler::Heun, &[item(&[("A", 1.0)], 9)]) };
    assert_eq!(bits(&alone), bits(&images(&dressed, without_guidance)[0]));
}

#[test]
fn taking_packs_away_leaves_the_images_of_the_other_classes_bit_for_bit() {
    let classes = ["A", "B", "C"];
    let subset = |mask: usize| (0..3).filter(move |i| mask >> i & 1 == 1).map(|i| classes[i]);
    for config in configs() {
        let full = model(&config, &classes);
        let request = |model: &Model, mask: usize| {
            let items: Vec<Item> = subset(mask).map(|class| item(&[(class, 1.0)], 11)).collect();
            images(model, settings(Sampler::Heun, &items)).iter().map(|i| bits(i)).collect::<Vec<_>>()
        };
        let expected: Vec<_> =
            (0..8).map(|mask| if mask == 0 { Vec::new() } else { request(&full, mask) }).collect();
        for loaded in 1..8 {
            let mut model = full.clone();
            for class in classes.into_iter().filter(|c| subset(loaded).all(|kept| kept != *c)) {
                assert!(model.remove(class) && !model.remove(class));
            }
            assert_eq!(model.classes(), subset(loaded).collect::<Vec<_>>());
            for asked in (1..8).filter(|asked| asked & !loaded == 0) {
                assert_eq!(request(&model, asked), expected[asked], "{asked:03b} of {loaded:03b}");
            }
            // Put back in the opposite order.
            for class in classes.into_iter().rev() {
                model.insert(class, tailor(&config, class)).unwrap();
            }
            assert_eq!(request(&model, 7), expected[7]);
        }
    }
}

#[test]
fn a_soft_gate_with_all_its_weight_on_one_class_is_the_hard_gate() {
    let [config, _] = configs();
    let model = model(&config, &["A", "B", "C"]);
    let hard = one(&model, item(&[("B", 1.0)], 3));
    for gate in [&[("B", 1.0), ("A", 0.0)][..], &[("C", 0.0), ("B", 1.0)], &[("B", 0.5), ("B", 0.5)]] {
        let error = difference(&hard, &one(&model, item(gate, 3)));
        assert!(error <= CLOSE, "{gate:?}: {error}");
    }
    assert!(difference(&hard, &one(&model, item(&[("B", 0.5), ("A", 0.5)], 3))) > 0.01);
}

#[test]
fn what_cannot_be_sampled_is_refused_by_name() {
    let [config, _] = configs();
    let model = model(&config, &["A", "B"]);
    let good = settings(Sampler::Euler, &[item(&[("A", 1.0)], 0)]);
    let refusal = |settings: SampleSettings| Sampling::new(&model, settings).unwrap_err();
    let unknown = ModelError::UnknownClass { class: "Q".into(), loaded: vec!["A".into(), "B".into()] };
    assert_eq!(refusal(SampleSettings { items: vec![item(&[("Q", 1.0)], 0)], ..good.clone() }), unknown);
    assert_eq!(unknown.to_string(), r#"class "Q" is not loaded; loaded: A, B"#);
    let setting = |settings: SampleSettings| match refusal(settings) {
        ModelError::Setting { setting, found, .. } => (setting, found),
        other => panic!("{other:?}"),
    };
    for steps in [0, 1001] {
        assert_eq!(setting(SampleSettings { steps, ..good.clone() }), ("steps", steps.to_string()));
    }
    for guidance in [-0.1, 100.5, f64::NAN, f64::INFINITY] {
        let found = setting(SampleSettings { guidance, ..good.clone() });
        assert_eq!(found, ("guidance", guidance.to_string()));
    }
    assert_eq!(setting(SampleSettings { items: Vec::new(), ..good.clone() }).0, "images");
    for weight in [f32::NAN, f32::NEG_INFINITY, 101.0] {
        let items = vec![item(&[("A", weight)], 0)];
        assert_eq!(setting(SampleSettings { items, ..good.clone() }), ("gate weight", weight.to_string()));
    }
}

#[test]
fn what_does_not_fit_the_model_is_refused_by_name() {
    let [config, separate] = configs();
    let mut live = model(&config, &["A"]);
    let before = bits(&one(&live, item(&[("A", 1.0)], 2)));
    let refused = |result: Result<(), ModelError>, expected: &str| match result.unwrap_err() {
        ModelError::Tensor { name, .. } => assert_eq!(name, expected),
        other => panic!("{other:?}"),
    };
    let mut short = tailor(&config, "A");
    short.remove("label");
    refused(live.insert("A", short), "label");
    let mut wide = tailor(&config, "A");
    wide.insert("blocks.1.o.u", &[2, 2], vec![0.0; 4]).unwrap();
    refused(live.insert("A", wide), "blocks.1.o.u");
    refused(live.insert("B", tailor(&separate, "B")), &format!("blocks.0.{}.u", Matrix::Qkv));
    assert_eq!(live.classes(), ["A"]);
    assert_eq!(bits(&one(&live, item(&[("A", 1.0)], 2))), before, "a refused pack changes nothing");

    let mut learngene = tensors(&config.learngene_tensors(), 1);
    learngene.remove("final.linear.bias");
    refused(Model::new(&config, &learngene, &Device::flex()).map(drop), "final.linear.bias");
    let impossible = ModelConfig { heads: 0, ..config };
    assert!(matches!(Model::new(&impossible, &learngene, &Device::flex()), Err(ModelError::Config(_))));
}
