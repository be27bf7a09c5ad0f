//! What a method makes of a matrix and how it trains, held to Hugging Face's `peft` (`tests/reference/make_peft.py`).
#![cfg(feature = "graph")]

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use tailor_core::engine::adamw::{AdamW, Learned, Update};
use tailor_packs::{Matrix, ModelConfig};
use tailor_trainer::train::method::{Given, PerMatrix, Values, named};

const FIXTURE: &[u8] = include_bytes!("fixtures/peft.safetensors");
const RANK: usize = 4;
const BLOCKS: usize = 3;

fn read(name: &str) -> Option<Values> {
    let tensors = SafeTensors::deserialize(FIXTURE).unwrap();
    let tensor = tensors.tensor(name).ok()?;
    let values = tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    Some(Values::new([tensor.shape()[0], tensor.shape()[1]], values.collect()))
}

fn tensor(values: &Values) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.values.clone(), values.shape), &Device::flex())
}

fn series(name: &str) -> Vec<Values> {
    (0..).map_while(|i| read(&format!("{name}.{i}"))).collect()
}

fn worst(found: &Tensor<2>, expected: &Values) -> f32 {
    assert_eq!(found.dims(), expected.shape);
    let found: Vec<f32> = found.to_data().try_into_vec().unwrap();
    found.iter().zip(&expected.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn per_matrix(name: &str) -> &'static dyn PerMatrix {
    named(name).unwrap().per_matrix().unwrap()
}

/// What stays of the fixture's matrix, and the first values of what trains.
fn begun(name: &str) -> (Vec<Tensor<2>>, Vec<Values>) {
    let weight = read(&format!("{name}.weight")).unwrap();
    let rank = if name == "oft" { BLOCKS } else { RANK };
    let config = ModelConfig::preset("tiny").unwrap();
    let given = Given { weight: &weight, matrix: Matrix::O, rank, config: &config };
    let parts = per_matrix(name).begin(&given, &mut |n, deviation| vec![deviation as f32; n]);
    (parts.fixed.iter().map(tensor).collect(), parts.trained)
}

#[test]
fn outputs_and_three_steps_are_those_of_peft() {
    let (x, target) = (tensor(&read("x").unwrap()), tensor(&read("target").unwrap()));
    for name in ["lora", "pissa", "dora", "loha", "oft", "svdiff"] {
        let (method, (fixed, first)) = (per_matrix(name), begun(name));
        let before = series(&format!("{name}.before"));
        let shapes = |values: &[Values]| values.iter().map(|v| v.shape).collect::<Vec<_>>();
        assert_eq!(shapes(&first), shapes(&before), "{name}");
        let mut states: Vec<Learned> =
            before.iter().map(|values| Learned::new(values.values.clone())).collect();
        let leaves = |states: &[Learned]| -> Vec<Tensor<2>> {
            let leaf = |(state, values): (&Learned, &Values)| {
                let values = Values::new(values.shape, state.parameters.clone());
                tensor(&values).autodiff().require_grad()
            };
            states.iter().zip(&before).map(leaf).collect()
        };
        let fixed: Vec<Tensor<2>> = fixed.into_iter().map(Tensor::autodiff).collect();
        let output = |leaves: &[Tensor<2>]| x.clone().autodiff().matmul(method.weight(&fixed, leaves));
        let found = output(&leaves(&states)).inner();
        let far = worst(&found, &read(&format!("{name}.output")).unwrap());
        assert!(far < 1e-5, "{name}: outputs are {far} apart");
        for _ in 0..3 {
            let leaves = leaves(&states);
            let loss = (output(&leaves) - target.clone().autodiff()).square().mean();
            let mut gradients = loss.backward();
            for (state, leaf) in states.iter_mut().zip(&leaves) {
                let gradient = leaf.grad_remove(&mut gradients).unwrap();
                let update = Update { learning_rate: 1e-2, scale: 1.0, ema_clock: 0.0, decay: 1.0 };
                state.update(&gradient.to_data().try_into_vec().unwrap(), &AdamW::default(), &update);
            }
        }
        for (state, expected) in states.iter().zip(series(&format!("{name}.after"))) {
            let far = state.parameters.iter().zip(&expected.values).map(|(a, b)| (a - b).abs());
            let far = far.fold(0.0, f32::max);
            assert!(far < 1e-5, "{name}: parameters are {far} apart after three steps");
        }
        let far = worst(&output(&leaves(&states)).inner(), &read(&format!("{name}.output_after")).unwrap());
        assert!(far < 1e-4, "{name}: outputs are {far} apart after three steps");
    }
}

#[test]
fn every_method_begins_with_the_network_as_it_is() {
    for name in ["lora", "pissa", "dora", "loha", "oft", "svdiff"] {
        let (fixed, first) = begun(name);
        let first: Vec<Tensor<2>> = first.iter().map(tensor).collect();
        let weight = per_matrix(name).weight(&fixed, &first);
        let far = worst(&weight, &read(&format!("{name}.weight")).unwrap());
        assert!(far < 1e-6, "{name} begins {far} from the network");
    }
    // The largest components, as peft takes them: signs of singular vectors are a matter of choice, products are not.
    let (_, first) = begun("pissa");
    let product = |parts: &[Values]| tensor(&parts[0]).matmul(tensor(&parts[1]));
    let expected = product(&series("pissa.before"));
    let expected = Values::new([12, 20], expected.to_data().try_into_vec().unwrap());
    assert!(worst(&product(&first), &expected) < 1e-5);
}
