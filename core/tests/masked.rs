//! The two forms of the gate in Burn's graph agree, and so do the two engines.

#![cfg(feature = "graph")]

use crate::support::{configs, difference, images, item, model, normal, random, samplers, settings};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use tailor_core::graph::factored::{Gate, Linear, TailorStack, Weight, masked};
use tailor_core::{Predict as _, SampleSettings, engine, graph};

const CLOSE: f32 = 1e-5;

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
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
                    let (m1, m2) = config.widths(*matrix);
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
fn the_network_predicts_for_a_mixed_batch_what_it_predicts_for_each_sample() {
    let gates: Vec<Vec<(String, f32)>> =
        [&[("A", 1.0)][..], &[], &[("A", 0.4), ("B", 0.6)], &[("C", 1.0)]].map(|g| item(g, 0).gate).into();
    let times = [999.0, 640.0, 20.0, 333.0];
    for config in configs() {
        let model: graph::Model = model(&config, &["A", "B", "C"]);
        let (c, side) = (config.channels as usize, config.image_size as usize);
        let x = tensor(normal(5, 4 * c * side * side), [4, c, side, side]);
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
fn both_engines_make_the_same_images() {
    let items = [
        item(&[("A", 1.0)], 1),
        item(&[], 2),
        item(&[("A", 0.4), ("B", 0.6), ("C", -0.5)], 3),
        item(&[("C", 0.5)], 4),
    ];
    for config in configs() {
        let hand: engine::Model = model(&config, &["A", "B", "C"]);
        let graph: graph::Model = model(&config, &["A", "B", "C"]);
        for guidance in [0.0, 1.0, 1.5] {
            for sampler in samplers(&config) {
                let settings = SampleSettings { guidance, ..settings(sampler, &items) };
                let (found, expected) =
                    (images(&hand, settings.clone()).concat(), images(&graph, settings).concat());
                let levels = difference(&found, &expected) * 127.5;
                assert!(expected.iter().any(|v| v.abs() < 0.9), "images of clipped values test nothing");
                assert!(levels < 0.5, "{sampler}, guidance {guidance}: {levels} of 255 levels");
            }
        }
    }
}
