//! Weights of large networks by a formula that `tests/reference/formula.py` knows, too.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};

use crate::fixtures::Tensors;

/// Values in [-1, 1) by the finaliser of SplitMix64, as `tests/reference/formula.py` makes them.
pub(crate) fn uniform(stream: u64, count: usize) -> Vec<f32> {
    let value = |i: u64| {
        let mut z = ((stream << 32) + i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((z >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
    };
    (0..count as u64).map(value).collect()
}

/// Name and shape of every tensor of a file of weights.
pub(crate) type Shapes = Vec<(String, Vec<usize>)>;

/// The weights of the formula: each tensor by its place among the sorted names.
pub(crate) fn weights(mut shapes: Shapes) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    shapes.sort();
    let tensor = |(stream, (name, shape)): (usize, (String, Vec<usize>))| {
        let mut values = uniform(stream as u64, shape.iter().product());
        let gains = [
            "bn.weight",
            "norm1.weight",
            "norm2.weight",
            "layernorm.weight",
            "lambda1",
            "group_norm.weight",
            "norm_out.weight",
        ];
        let (shift, scale) = if name.ends_with("running_var") {
            (1.0, 0.5)
        } else if shape.len() > 1 && !name.contains("embeddings.position") && !name.contains("token") {
            (0.0, (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt() as f32)
        } else if gains.iter().any(|ending| name.ends_with(ending)) {
            (1.0, 0.2)
        } else {
            (0.0, 0.2)
        };
        values.iter_mut().for_each(|v| *v = shift + scale * *v);
        (name, shape, values)
    };
    shapes.into_iter().enumerate().map(tensor).collect()
}

/// Writes tensors into a file of safetensors.
pub(crate) fn save(folder: &Path, name: &str, tensors: &[(String, Vec<usize>, Vec<f32>)]) -> PathBuf {
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let data: Vec<_> = tensors.iter().map(|(_, _, values)| bytes(values)).collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    });
    let path = folder.join(name);
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

/// The tensors that a `state_dict` of `network` has, from what the fixture says about them.
pub(crate) fn listed(fixture: &Tensors, network: &str) -> Shapes {
    let start = match network {
        "" => "shape.".to_owned(),
        network => format!("{network}.shape."),
    };
    let shapes = fixture.iter().filter_map(|(name, (_, axes))| {
        Some((name.strip_prefix(&start)?.to_owned(), axes.iter().map(|axis| *axis as usize).collect()))
    });
    shapes.collect()
}
