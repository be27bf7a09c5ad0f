//! The engine written out by hand finds the gradients that Burn's graph finds.

#![cfg(feature = "graph")]

use std::sync::Arc;

use crate::support::{batch, settings};
use burn::tensor::FloatDType;
use tailor_core::diffusion::noise::{Stream, standard_normal};
use tailor_core::engine::adamw::Learned;
use tailor_packs::{Gelu, ModelConfig, Norm, Objective};
use tailor_trainer::compute::device::Device;
use tailor_trainer::train::bank::TailorBank;
use tailor_trainer::train::loader::Batch;
use tailor_trainer::train::method::{Adaption, METHODS};
use tailor_trainer::train::teacher::Teacher;
use tailor_trainer::train::trainer::{GradientEngine, Trainer};

/// A model no value of which is zero, so that no gradient is zero for want of a path.
fn random(config: &ModelConfig, classes: u32) -> Trainer {
    let values = |number: u32, n: u64| {
        let values = standard_normal(9, Stream::Learngene(number), n as usize);
        Learned::new(values.into_iter().map(|v| 0.2 * v).collect())
    };
    let learngene = values(0, config.learngene_parameters());
    let bank = (1..=classes).map(|class| values(class, config.tailor_parameters())).collect();
    Trainer::from_parts(config, &Device::Processor, None, learngene, TailorBank::from_states(bank), 0, 0.0)
        .unwrap()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0f32, |most, v| most.max(v.abs()))
}

/// The largest difference of two gradients, relative to the largest value of the second. Where that is
/// zero in theory, as for the bias of keys, `floor` stands in for it.
fn difference(found: &[f32], expected: &[f32], floor: f32) -> f32 {
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    worst / largest(expected).max(floor)
}

/// Models of every layout and feature, by name.
fn configs() -> Vec<(String, ModelConfig)> {
    let tiny = ModelConfig::preset("tiny").unwrap();
    // The last one is a plain network, whose tailors are their labels' rows alone.
    let layouts = [
        ("qkv,o,in,out,adaln", 1, 2),
        ("q,k,v,o,in,out", 3, 4),
        ("k,out,adaln", 1, 1),
        ("in", 3, 8),
        ("", 1, 2),
    ];
    let layouts = layouts.map(|(set, channels, heads)| {
        let factored = set.parse().unwrap();
        (set.to_owned(), ModelConfig { channels, heads, factored, ..tiny.clone() })
    });
    let ddpm = ModelConfig { objective: Objective::Ddpm, channels: 3, ..tiny.clone() };
    let features = [
        ("tanh-gelu", ModelConfig { gelu: Gelu::Tanh, ..tiny.clone() }),
        ("learned-variance", ModelConfig { learned_variance: true, ..ddpm.clone() }),
        ("qk-norm", ModelConfig { qk_norm: true, ..tiny.clone() }),
        ("rms-norm", ModelConfig { norm: Norm::Rms, ..tiny.clone() }),
        ("rope", ModelConfig { rope: true, ..tiny.clone() }),
        ("swiglu", ModelConfig { swiglu: true, ..tiny.clone() }),
        ("clean-output", ModelConfig { clean_output: true, ..tiny.clone() }),
        ("few-steps", ModelConfig { few_steps: true, ..tiny.clone() }),
        (
            "all features",
            ModelConfig {
                learned_variance: true,
                norm: Norm::Rms,
                qk_norm: true,
                rope: true,
                swiglu: true,
                factored: "in,out,q,k".parse().unwrap(),
                ..ddpm.clone()
            },
        ),
    ];
    layouts.into_iter().chain(features.map(|(name, config)| (name.to_owned(), config))).collect()
}

#[test]
fn gradients_by_hand_are_those_of_the_graph() {
    for (name, config) in configs() {
        let trainer = random(&config, 3).with_orthogonality(2.0);
        let graph = trainer.clone().with_engine(GradientEngine::Graph).unwrap();
        let mixed = |batch: &Batch| batch.labels.contains(&None) && batch.labels.iter().flatten().count() > 4;
        let batch = (0..100).map(|step| batch(&config, step, &[0, 1, 2], 0.3)).find(mixed).unwrap();
        // The term for directions is not for models with learned variance.
        let cosine = if config.learned_variance { 0.0 } else { 0.5 };
        // Some labels are dropped alone.
        let unnamed = (0..batch.len()).map(|i| i % 3 == 1).collect();
        let batch = Batch { cosine, unnamed, ..batch };
        for shards in [1, 2, 3] {
            let (found, expected) =
                (trainer.clone().with_shards(shards).gradients(&batch), graph.gradients(&batch));
            let squares = (found.squares / expected.squares - 1.0).abs();
            assert!(squares < 1e-5, "{name}: squares {} {}", found.squares, expected.squares);
            let floor = 1e-3 * largest(&expected.learngene);
            let mut start = 0;
            for spec in config.learngene_tensors() {
                let range = start..start + spec.len();
                start = range.end;
                let worst = difference(&found.learngene[range.clone()], &expected.learngene[range], floor);
                assert!(worst < 1e-3, "{name}, {}: {worst}", spec.name);
            }
            let mut classes: Vec<usize> = found.tailors.iter().map(|(class, _)| *class).collect();
            classes.sort_unstable();
            assert_eq!(classes, expected.tailors.iter().map(|(class, _)| *class).collect::<Vec<_>>());
            for (class, gradient) in &found.tailors {
                let expected = &expected.tailors.iter().find(|(c, _)| c == class).unwrap().1;
                let mut start = 0;
                for spec in config.tailor_tensors() {
                    let range = start..start + spec.len();
                    start = range.end;
                    let worst = difference(&gradient[range.clone()], &expected[range], floor);
                    assert!(worst < 1e-3, "{name}, class {class}, {}: {worst}", spec.name);
                }
            }
        }
    }
}

#[test]
fn both_engines_learn_the_same_in_several_steps() {
    for factored in ["qkv,o,in,out,adaln", ""] {
        let mut config = ModelConfig::preset("tiny").unwrap();
        config.factored = factored.parse().unwrap();
        let mut hand = random(&config, 3).with_shards(2);
        let mut graph = hand.clone().with_shards(1).with_engine(GradientEngine::Graph).unwrap();
        assert_eq!((hand.engine().name(), graph.engine().name()), ("processor", "graph"));
        for step in 0..6 {
            let batch = batch(&config, step, &[0, 1, 2], 0.2);
            let losses = (hand.step(&batch, &settings()), graph.step(&batch, &settings()));
            assert!((losses.0 / losses.1 - 1.0).abs() < 1e-3, "{factored:?}, step {step}: {losses:?}");
        }
        // A gradient near zero may have either sign in rounding, and AdamW makes a whole step of it.
        let far = |a: &Learned, b: &Learned| {
            let pairs = a.parameters.iter().zip(&b.parameters);
            pairs.filter(|(a, b)| (**a - **b).abs() > 1e-3).count() as f64 / a.parameters.len() as f64
        };
        assert!(far(&hand.learngene(), &graph.learngene()) < 0.01);
        for (class, (a, b)) in hand.tailors().iter().zip(&*graph.tailors()).enumerate() {
            assert!(far(a, b) < 0.01, "{factored:?}, class {class}: {}", far(a, b));
        }
    }
}

/// A plain network of this set of matrices that a method adapts, no value of which is zero.
fn plain(factored: &str) -> (ModelConfig, Vec<f32>) {
    let config = ModelConfig { factored: "".parse().unwrap(), ..ModelConfig::preset("tiny").unwrap() };
    let config = ModelConfig { separate_attention: factored == "separate", ..config };
    (config.clone(), random(&config, 1).learngene().parameters)
}

#[test]
fn every_method_that_adapts_matrices_learns_the_same_on_both_engines() {
    for method in METHODS.iter().filter(|method| method.per_matrix().is_some()) {
        let name = method.name();
        let (config, base) = plain(if name == "lora" { "separate" } else { "fused" });
        let adapted = method.matrices(&ModelConfig::preset("tiny").unwrap());
        let rank = if name == "oft" { 8 } else { 3 };
        let adaption =
            Adaption::new(*method, rank, &adapted, &config, base, 7, &Device::Processor.for_graph()).unwrap();
        let (first, adaption) = (Learned::new(adaption.first()), Some(Arc::new(adaption)));
        let bank = TailorBank::new(&config, 4, 2);
        let mut hand =
            Trainer::from_parts(&config, &Device::Processor, adaption, first, bank, 0, 0.0).unwrap();
        let mut graph = hand.clone().with_engine(GradientEngine::Graph).unwrap();
        assert_eq!((hand.engine().name(), graph.engine().name()), ("processor", "graph"));
        let before = hand.learngene().parameters;
        for step in 0..4 {
            let batch = batch(&config, step, &[0, 1], 0.2);
            let (found, expected) = (hand.gradients(&batch), graph.gradients(&batch));
            let worst = difference(&found.learngene, &expected.learngene, 1e-9);
            assert!(worst < 1e-3, "{name}, step {step}: gradients {worst} apart");
            let losses = (hand.step(&batch, &settings()), graph.step(&batch, &settings()));
            assert!((losses.0 / losses.1 - 1.0).abs() < 1e-3, "{name}, step {step}: {losses:?}");
        }
        // As above: rounding may turn the sign of a gradient near zero.
        let pairs = |a: &[f32], b: &[f32]| a.iter().zip(b).filter(|(a, b)| (*a - *b).abs() > 1e-3).count();
        let (hand, graph) = (hand.learngene().parameters, graph.learngene().parameters);
        let far = pairs(&hand, &graph) as f64 / hand.len() as f64;
        assert!(far < 0.01, "{name}: {far} of the values are apart");
        assert!(pairs(&hand, &before) > hand.len() / 4, "{name} has hardly learned anything");
    }
}

#[test]
fn with_a_frozen_learngene_the_tailors_gradients_are_the_same() {
    let config = ModelConfig::preset("tiny").unwrap();
    let trainer = random(&config, 2);
    let batch = batch(&config, 2, &[0, 1], 0.0);
    for engine in [GradientEngine::Processor, GradientEngine::Graph] {
        let trainer = trainer.clone().with_engine(engine).unwrap();
        let free = trainer.gradients(&batch);
        let frozen = trainer.with_frozen_learngene().gradients(&batch);
        assert!(frozen.learngene.is_empty());
        assert_eq!((free.tailors.len(), frozen.tailors.len()), (2, 2));
        for ((_, found), (_, expected)) in frozen.tailors.iter().zip(&free.tailors) {
            assert!(difference(found, expected, 0.0) < 1e-5);
        }
    }
}

/// A plain network of two blocks with a teacher of three.
fn taught(classes: u32) -> Trainer {
    let tiny = ModelConfig::preset("tiny").unwrap();
    let config = ModelConfig { factored: "".parse().unwrap(), ..tiny };
    let teacher = random(&ModelConfig { depth: 3, ..config.clone() }, classes);
    let labels = teacher.tailors().iter().map(|tailor| tailor.parameters.clone()).collect();
    let (whole, values) = (teacher.config().clone(), teacher.learngene().parameters);
    random(&config, classes).with_teacher(Teacher::new(whole, values, labels, vec![0, 2]).unwrap())
}

#[test]
fn a_teacher_draws_both_engines_to_the_same_place() {
    let trainer = taught(3);
    let graph = trainer.clone().with_engine(GradientEngine::Graph).unwrap();
    let batch = batch(trainer.config(), 5, &[0, 1, 2], 0.3);
    let expected = graph.gradients(&batch);
    assert!(expected.distances > 1.0, "{}", expected.distances);
    for (name, found) in [
        ("one shard", trainer.gradients(&batch)),
        ("three shards", trainer.clone().with_shards(3).gradients(&batch)),
        ("the graph in portions", graph.clone().with_micro_batch(3).gradients(&batch)),
    ] {
        let distances = (found.distances / expected.distances - 1.0).abs();
        assert!(distances < 1e-5, "{name}: {} and {}", found.distances, expected.distances);
        let worst = difference(&found.learngene, &expected.learngene, 0.0);
        assert!(worst < 1e-5, "{name}: {worst}");
        for (class, gradient) in &found.tailors {
            let expected = &expected.tailors.iter().find(|(c, _)| c == class).unwrap().1;
            let worst = difference(gradient, expected, 0.0);
            assert!(worst < 1e-5, "{name}, class {class}: {worst}");
        }
    }
    // What the task alone would do is something else.
    let alone = random(trainer.config(), 3).gradients(&batch);
    assert!(alone.squares == trainer.gradients(&batch).squares);
    assert!(difference(&alone.learngene, &expected.learngene, 0.0) > 0.1);
}

#[test]
fn a_taught_network_comes_nearer_to_its_teacher_on_both_engines() {
    for engine in [GradientEngine::Processor, GradientEngine::Graph] {
        let mut trainer = taught(2).with_engine(engine).unwrap();
        let batch = batch(trainer.config(), 6, &[0, 1], 0.2);
        let before = trainer.gradients(&batch).distances;
        for _ in 0..12 {
            trainer.step(&batch, &settings());
        }
        let after = trainer.gradients(&batch).distances;
        assert!(after < 0.9 * before, "{engine:?}: {before}, then {after}");
    }
}

#[test]
fn images_in_small_portions_accumulate_to_the_whole_batch() {
    let config = ModelConfig::preset("tiny").unwrap();
    let whole = random(&config, 2).with_engine(GradientEngine::Graph).unwrap();
    let batch = batch(&config, 3, &[0, 1], 0.1);
    let (portions, whole) = (whole.clone().with_micro_batch(3).gradients(&batch), whole.gradients(&batch));
    assert!(difference(&portions.learngene, &whole.learngene, 0.0) < 1e-4);
}

#[test]
fn tailors_on_the_device_learn_what_they_learn_in_host_memory() {
    let config = ModelConfig::preset("tiny").unwrap();
    let mut host = random(&config, 5).with_engine(GradientEngine::Graph).unwrap();
    let mut device = host.clone().with_device_bank(u64::MAX);
    let first = host.tailors().into_owned();
    for step in 0..12 {
        // Class 4 never appears, class 1 now and then.
        let classes: &[usize] = if step % 3 == 0 { &[0, 1, 2] } else { &[0, 2, 3] };
        let batch = batch(&config, step, classes, 0.2);
        let losses = (host.step(&batch, &settings()), device.step(&batch, &settings()));
        assert!((losses.0 / losses.1 - 1.0).abs() < 1e-5, "step {step}: {losses:?}");
    }
    let (host, device) = (host.tailors(), device.tailors());
    assert!(device[4] == first[4], "the class that never appeared is as it was made");
    for (class, (found, expected)) in device.iter().zip(&*host).enumerate() {
        assert_eq!((found.steps, found.ema_clock), (expected.steps, expected.ema_clock), "class {class}");
        for (part, found, expected) in [
            ("parameters", &found.parameters, &expected.parameters),
            ("first", &found.first, &expected.first),
            ("second", &found.second, &expected.second),
            ("ema", &found.ema, &expected.ema),
        ] {
            let worst = difference(found, expected, 1e-12);
            assert!(worst < 1e-4, "class {class}, {part}: {worst}");
        }
    }
}

#[test]
fn a_bank_above_its_budget_stays_in_host_memory() {
    let config = ModelConfig::preset("tiny").unwrap();
    let bytes = 16 * 5 * config.tailor_parameters();
    assert_eq!(tailor_trainer::train::graph::DeviceBank::bytes(&config, 5), bytes);
    let trainer = random(&config, 5).with_engine(GradientEngine::Graph).unwrap();
    let on_device = |bytes| format!("{:?}", trainer.clone().with_device_bank(bytes)).contains("DeviceBank");
    assert!(on_device(bytes));
    assert!(!on_device(bytes - 1));
}

#[test]
fn products_in_sixteen_bits_find_about_the_same_gradients() {
    let config = ModelConfig::preset("tiny").unwrap();
    let exact = random(&config, 3).with_engine(GradientEngine::Graph).unwrap();
    let batch = batch(&config, 4, &[0, 1, 2], 0.2);
    let mixed = exact.clone().with_products_in(FloatDType::BF16).gradients(&batch);
    let exact = exact.gradients(&batch);
    assert!((mixed.squares / exact.squares - 1.0).abs() < 0.02, "{} {}", mixed.squares, exact.squares);
    // Eight bits of mantissa leave errors of a few thousandths in each product.
    let distance = |a: &[f32], b: &[f32]| {
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v * v)).sum::<f64>().sqrt();
        norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
    };
    let shared = distance(&mixed.learngene, &exact.learngene);
    assert!(shared > 1e-5 && shared < 0.05, "{shared}");
    for ((_, found), (class, expected)) in mixed.tailors.iter().zip(&exact.tailors) {
        let own = distance(found, expected);
        assert!(own < 0.05, "class {class}: {own}");
    }
}

#[test]
fn tailors_come_home_from_the_device_for_the_processor() {
    let config = ModelConfig::preset("tiny").unwrap();
    let host = random(&config, 3);
    let back = host
        .clone()
        .with_engine(GradientEngine::Graph)
        .unwrap()
        .with_device_bank(u64::MAX)
        .with_engine(GradientEngine::Processor)
        .unwrap();
    assert_eq!(back.tailors(), host.tailors());
    let batch = batch(&config, 5, &[0, 1, 2], 0.1);
    assert!(back.gradients(&batch) == host.gradients(&batch));
}
