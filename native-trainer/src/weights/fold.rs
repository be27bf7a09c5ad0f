//! A model that comes apart as the plain network that it computes.

use rayon::prelude::*;
use tailor_core::ModelError;
use tailor_core::model::values;
use tailor_packs::{FactoredSet, Matrix, ModelConfig, PackError, TensorSpec, Tensors};

/// Why a model cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// A tensor is missing or of another shape.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Its tensors cannot be put together.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// The config of a model of this one as the plain network that it computes: fused queries, keys and values, and nothing
/// factored. It keeps the numbers of components, from which methods that adapt the network take their sizes.
pub fn plain(config: &ModelConfig) -> ModelConfig {
    ModelConfig { factored: FactoredSet::none(), separate_attention: false, ..config.clone() }
}

/// Multiplies out every factored matrix of a learngene, together with one tailor at weight 1 if there is
/// one: `W = U·diag(σ)·V` over the components of both (KIND, eqs. 5 to 7). Separate queries, keys and
/// values become one matrix.
///
/// Returns the config of the plain network, [`plain`], and its tensors, which are those of a learngene.
///
/// # Errors
/// [`FoldError`] for tensors that are not those of the config.
pub fn folded(
    config: &ModelConfig,
    learngene: &Tensors,
    tailor: Option<&Tensors>,
) -> Result<(ModelConfig, Tensors), FoldError> {
    let plain = plain(config);
    let mut tensors = Tensors::new();
    for spec in plain.learngene_tensors() {
        let values = match block_matrix(&spec.name) {
            Some((block, matrix, part)) => {
                let parts = match matrix {
                    Matrix::Qkv if !config.block_matrices().contains(&Matrix::Qkv) => {
                        vec![Matrix::Q, Matrix::K, Matrix::V]
                    }
                    matrix => vec![matrix],
                };
                let parts = parts.into_iter().map(|matrix| {
                    let name = format!("blocks.{block}.{matrix}");
                    let (m1, m2) = config.widths(matrix);
                    let values = match part {
                        "bias" => of(learngene, &format!("{name}.bias"), &[m2])?.to_vec(),
                        _ => weight(config, learngene, tailor, &name, matrix)?,
                    };
                    Ok((values, if part == "bias" { 1 } else { m1 }))
                });
                beside(&parts.collect::<Result<Vec<_>, ModelError>>()?)
            }
            None => values(learngene, &spec)?.to_vec(),
        };
        tensors.insert(&spec.name, &spec.shape, values)?;
    }
    Ok((plain, tensors))
}

/// The block, the matrix and what of it (`weight` or `bias`) a tensor of a plain network is.
fn block_matrix(name: &str) -> Option<(&str, Matrix, &str)> {
    let (block, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
    let (matrix, part) = rest.split_once('.')?;
    Some((block, Matrix::ALL.into_iter().find(|m| m.name() == matrix)?, part))
}

fn of<'a>(tensors: &'a Tensors, name: &str, shape: &[usize]) -> Result<&'a [f32], ModelError> {
    values(tensors, &TensorSpec { name: name.to_owned(), shape: shape.to_vec() })
}

/// The dense matrix `[m1, m2]`.
fn weight(
    config: &ModelConfig,
    learngene: &Tensors,
    tailor: Option<&Tensors>,
    name: &str,
    matrix: Matrix,
) -> Result<Vec<f32>, ModelError> {
    let (m1, m2) = config.widths(matrix);
    if !config.factored.contains(matrix) {
        return Ok(of(learngene, &format!("{name}.weight"), &[m1, m2])?.to_vec());
    }
    let mut weight = vec![0.0f32; m1 * m2];
    let both = [(Some(learngene), config.learngene_components), (tailor, config.tailor_components)];
    for (tensors, r) in both.into_iter().filter_map(|(tensors, r)| Some((tensors?, r as usize))) {
        let u = of(tensors, &format!("{name}.u"), &[m1, r])?;
        let sigma = of(tensors, &format!("{name}.sigma"), &[r])?;
        let v = of(tensors, &format!("{name}.v"), &[r, m2])?;
        weight.par_chunks_exact_mut(m2).zip(u.par_chunks_exact(r)).for_each(|(row, u)| {
            for ((u, sigma), v) in u.iter().zip(sigma).zip(v.chunks_exact(m2)) {
                row.iter_mut().zip(v).for_each(|(sum, v)| *sum += u * sigma * v);
            }
        });
    }
    Ok(weight)
}

/// Matrices of as many rows, one beside the other.
fn beside(parts: &[(Vec<f32>, usize)]) -> Vec<f32> {
    let rows = parts.first().map_or(0, |(_, rows)| *rows);
    let row = |i: usize| {
        parts.iter().flat_map(move |(values, rows)| {
            let width = values.len() / rows.max(&1);
            values[i * width..(i + 1) * width].iter().copied()
        })
    };
    (0..rows).flat_map(row).collect()
}
