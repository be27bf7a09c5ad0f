//! Inception-v3 and DINOv2 against `torch-fidelity` and `transformers`, with weights that both sides make by
//! one formula, and what is said about files that hold neither.

#![cfg(feature = "graph")]

use std::path::Path;

use crate::fixtures::{read, relative_error};
use crate::formula::{listed, save, uniform, weights};
use burn::tensor::Device;
use tailor_core::diffusion::images::Images;
use tailor_trainer::metrics::networks::dinov2::resized;
use tailor_trainer::metrics::networks::{Network, Reading, load};

const FORWARD: f64 = 1e-3;

/// Bytes `[3, side, side]` as values from -1 to 1: a coarse pattern with fine noise over it.
fn picture(stream: u64, side: usize) -> Images {
    let (coarse, noise) = (uniform(stream, 3 * 64), uniform(stream + 1, 3 * side * side));
    let value = |i: usize| {
        let (channel, y, x) = (i / (side * side), i / side % side, i % side);
        let place = channel * 64 + y * 8 / side * 8 + x * 8 / side;
        let byte = (127.5 + 90.0 * coarse[place] + 30.0 * noise[i]).round_ties_even().clamp(0.0, 255.0);
        byte / 127.5 - 1.0
    };
    Images::new([1, 3, side, side], (0..3 * side * side).map(value).collect())
}

/// What the network makes of a small and a large picture.
fn read_both(network: &dyn Network) -> Reading {
    let mut reading = network.read(&picture(1000, 40));
    reading.extend(network.read(&picture(1002, 300)));
    reading
}

#[test]
fn the_pictures_are_those_of_the_reference() {
    let (_, fixture) = read("networks");
    let small = picture(1000, 40);
    let bytes: Vec<f32> = small.values.iter().map(|v| ((v + 1.0) * 127.5).round()).collect();
    assert_eq!(bytes, fixture["small"].1);
}

#[test]
fn inception_v3_is_torch_fidelitys() {
    let (_, fixture) = read("networks");
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), "inception.safetensors", &weights(listed(&fixture, "inception")));
    let network = load(&path, &Device::flex()).unwrap();
    assert_eq!((network.name(), network.features(), network.classes()), ("Inception-v3", 2048, 1008));
    let found = read_both(&*network);
    for (name, table) in
        [("features", &found.features), ("spatial", &found.spatial), ("scores", &found.scores)]
    {
        let (shape, expected) = &fixture[&format!("inception.{name}")];
        assert_eq!([table.rows(), table.width()], shape[..], "{name}");
        let error = relative_error(table.values(), expected);
        println!("{name}: {error:.1e}");
        assert!(error <= FORWARD, "{name}: {error:.2e}");
    }
}

#[test]
fn dinov2_is_that_of_transformers() {
    let (_, fixture) = read("networks");
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), "dinov2.safetensors", &weights(listed(&fixture, "dinov2")));
    let network = load(&path, &Device::flex()).unwrap();
    assert_eq!((network.name(), network.features(), network.classes()), ("DINOv2", 128, 0));
    let mut found = network.read(&picture(1004, 224));
    found.extend(network.read(&picture(1006, 224)));
    let (shape, expected) = &fixture["dinov2.token"];
    assert_eq!([found.features.rows(), found.features.width()], shape[..]);
    let error = relative_error(found.features.values(), expected);
    println!("token: {error:.1e}");
    assert!(error <= FORWARD, "{error:.2e}");
}

#[test]
fn dinov2_sees_images_of_other_sizes_as_pillow_resizes_them() {
    let (_, fixture) = read("networks");
    let places = |(image, side): (u64, usize)| {
        let resized = resized(&picture(image, side), 0);
        let value = |i: usize| {
            let (channel, y, x) = (i / 196, i / 14 % 14 * 16, i % 14 * 16);
            f32::from(resized.get_pixel(x as u32, y as u32).0[channel])
        };
        (0..3 * 196).map(value).collect::<Vec<_>>()
    };
    let found = [(1000, 40), (1002, 300)].map(places).concat();
    let differences = found.iter().zip(&fixture["dinov2.resized"].1).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0, f32::max);
    println!("resized: {worst} levels");
    assert!(worst <= 1.0, "{worst} levels");
}

#[test]
fn files_of_other_networks_are_refused_with_what_is_wrong() {
    let (_, fixture) = read("networks");
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| {
        let error = load(path, &Device::flex()).err().unwrap();
        assert!(!error.help().is_empty());
        let words = error.to_string();
        assert!(words.contains(path.file_name().unwrap().to_str().unwrap()), "{words}");
        words
    };
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "these are no weights").unwrap();
    assert!(refused(&text).contains("is no safetensors file"));
    assert!(refused(&folder.path().join("absent")).contains("cannot read"));

    let other = save(folder.path(), "other", &[("conv1.weight".to_owned(), vec![2], vec![0.0; 2])]);
    assert!(refused(&other).ends_with("it has conv1.weight …"));

    let whole = weights(listed(&fixture, "dinov2"));
    let without: Vec<_> = whole.iter().filter(|(name, ..)| name != "layernorm.bias").cloned().collect();
    let found = refused(&save(folder.path(), "part", &without));
    assert!(found.ends_with("layernorm.bias of shape [128] is missing"), "{found}");

    let mut wider = whole.clone();
    let place = wider.iter().position(|(name, ..)| name == "encoder.layer.1.mlp.fc2.bias").unwrap();
    wider[place] = (wider[place].0.clone(), vec![64], vec![0.0; 64]);
    let found = refused(&save(folder.path(), "wider", &wider));
    assert!(found.ends_with("encoder.layer.1.mlp.fc2.bias is [64], must be [128]"), "{found}");

    let mut broken = whole;
    broken[place].2[0] = f32::NAN;
    assert!(refused(&save(folder.path(), "broken", &broken)).contains("not finite"));
}
