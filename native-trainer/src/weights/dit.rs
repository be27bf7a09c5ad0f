//! The tensors of a plain model under the names of DiT's public code (Peebles and Xie 2023,
//! `models.py` of facebookresearch/DiT).
//!
//! PyTorch multiplies by the transpose, so a matrix `[m1, m2]` of ours is `[m2, m1]` there. The patch
//! embedding is a convolution `[D, C, p, p]`; the values of a patch are ours by row, column and channel.
//! The label table `[K + 1, D]` has the null label last.

use std::collections::{BTreeMap, BTreeSet};

use tailor_core::embedding::sincos_positions;
use tailor_packs::config::TIME_FEATURES;
use tailor_packs::{ConfigError, FactoredSet, Gelu, Matrix, ModelConfig, Norm, Objective};

/// The label table, null label last.
pub const LABELS: &str = "y_embedder.embedding_table.weight";
/// The table of positions, `[1, T, D]`, which training does not change.
pub const POSITIONS: &str = "pos_embed";
const PATCH: &str = "x_embedder.proj.weight";
const LAST: &str = "final_layer.linear.weight";

/// Rows of a label table.
const MAX_LABELS: usize = 1 << 16;

/// By how much a value of the table of positions may differ from DiT's: what bfloat16 rounds, and a little.
const POSITION_ERROR: f32 = 2.5e-3;

/// Why tensors are not those of a DiT.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LayoutError {
    /// A tensor is missing.
    #[error("there is no tensor {0}, which every DiT has")]
    Missing(String),
    /// There is a tensor that no DiT of these sizes has.
    #[error("there is a tensor {0}, which no DiT has")]
    Unexpected(String),
    /// A tensor has another shape than the others imply.
    #[error("{name} has the shape {found:?}, must be {expected}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it must be.
        expected: String,
    },
    /// The number of heads, which no shape tells, is not known for this width.
    #[error("the number of attention heads cannot be told from the weights of width {0}")]
    Heads(usize),
    /// A number of heads that does not divide the width.
    #[error("{heads} attention heads do not divide the width {width}")]
    HeadsDivide {
        /// The number of heads.
        heads: u32,
        /// The model's width.
        width: usize,
    },
    /// Positions that are not DiT's.
    #[error("pos_embed differs from DiT's table of sines and cosines by up to {0:.3}")]
    Positions(f32),
    /// Sizes beyond what a model here may have.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl LayoutError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Heads(_) | Self::HeadsDivide { .. } => "say how many with --heads",
            Self::Positions(_) => "only a DiT with its fixed positions can be imported",
            _ => "name the checkpoint of a DiT with the names of facebookresearch/DiT",
        }
    }
}

/// How a tensor of ours becomes one of DiT's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A vector, as it is.
    Vector,
    /// A matrix, transposed.
    Matrix,
    /// The patch embedding, as a convolution.
    Convolution,
}

/// One tensor under both names.
#[derive(Clone, Debug)]
pub struct Pair {
    /// DiT's name.
    pub name: String,
    /// Its shape in DiT.
    pub shape: Vec<usize>,
    /// The name in [`ModelConfig::learngene_tensors`].
    pub own: String,
    form: Form,
}

/// The tensors of a plain model of these sizes, but for labels and positions.
pub fn pairs(config: &ModelConfig) -> Vec<Pair> {
    let (d, c, p) = (config.width as usize, config.channels as usize, config.patch_size as usize);
    let mut pairs = Vec::new();
    let mut dense = |name: String, own: String, m1: usize, m2: usize| {
        let (weight, form) = match name.as_str() {
            "x_embedder.proj" => (vec![d, c, p, p], Form::Convolution),
            _ => (vec![m2, m1], Form::Matrix),
        };
        let pair = |part: &str, shape, form| Pair {
            name: format!("{name}.{part}"),
            own: format!("{own}.{part}"),
            shape,
            form,
        };
        pairs.push(pair("weight", weight, form));
        pairs.push(pair("bias", vec![m2], Form::Vector));
    };
    dense("x_embedder.proj".into(), "patch".into(), config.patch_values(), d);
    dense("t_embedder.mlp.0".into(), "time.0".into(), TIME_FEATURES, d);
    dense("t_embedder.mlp.2".into(), "time.1".into(), d, d);
    for block in 0..config.depth {
        for (name, matrix) in [
            ("attn.qkv", Matrix::Qkv),
            ("attn.proj", Matrix::O),
            ("mlp.fc1", Matrix::In),
            ("mlp.fc2", Matrix::Out),
            ("adaLN_modulation.1", Matrix::AdaLn),
        ] {
            let (m1, m2) = config.widths(matrix);
            dense(format!("blocks.{block}.{name}"), format!("blocks.{block}.{matrix}"), m1, m2);
        }
    }
    dense("final_layer.adaLN_modulation.1".into(), "final.adaln".into(), d, 2 * d);
    dense("final_layer.linear".into(), "final.linear".into(), d, config.patch_outputs());
    pairs
}

impl Pair {
    /// DiT's values as ours.
    pub fn to_own(&self, values: &[f32]) -> Vec<f32> {
        self.places().map(|(_, theirs)| values[theirs]).collect()
    }

    /// Our values as DiT's.
    pub fn to_dit(&self, values: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; values.len()];
        self.places().for_each(|(own, theirs)| out[theirs] = values[own]);
        out
    }

    /// For each of our values, in order, its place among DiT's.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        // A vector is a matrix of one row, and a matrix a convolution of one place.
        let (d, c, p) = match (self.form, &self.shape[..]) {
            (Form::Convolution, [d, c, p, _]) => (*d, *c, *p),
            (_, [m2, m1]) => (*m2, *m1, 1),
            (_, shape) => (shape.iter().product(), 1, 1),
        };
        // Ours is [p, p, C, D], theirs [D, C, p, p].
        (0..d * c * p * p).map(move |own| {
            let (column, rest) = (own % d, own / d);
            let (channel, place) = (rest % c, rest / c);
            (own, (column * c + channel) * p * p + place)
        })
    }
}

/// What a checkpoint's shapes do not tell.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The number of attention heads; none for that of DiT's sizes.
    pub heads: Option<u32>,
    /// The activation.
    pub gelu: Gelu,
}

/// The config of the plain model with tensors of these names and shapes, and its number of classes.
///
/// # Errors
/// [`LayoutError`] for tensors that are not those of a DiT.
pub fn config(shapes: &BTreeMap<&str, &[usize]>, told: Told) -> Result<(ModelConfig, usize), LayoutError> {
    let shape = |name: &str| shapes.get(name).copied().ok_or_else(|| LayoutError::Missing(name.to_owned()));
    let wrong = |name: &str, expected: String| LayoutError::Shape {
        name: name.to_owned(),
        found: shapes.get(name).map(|shape| shape.to_vec()).unwrap_or_default(),
        expected,
    };
    let &[d, c, p, q] = shape(PATCH)? else { return Err(wrong(PATCH, "[D, C, p, p]".to_owned())) };
    if p != q || [d, c, p].contains(&0) {
        return Err(wrong(PATCH, "[D, C, p, p]".to_owned()));
    }
    let &[1, tokens, _] = shape(POSITIONS)? else { return Err(wrong(POSITIONS, format!("[1, T, {d}]"))) };
    let side = tokens.isqrt();
    if side * side != tokens || shape(POSITIONS)? != [1, tokens, d] {
        return Err(wrong(POSITIONS, format!("[1, T, {d}] with T a square")));
    }
    let &[labels @ 1..=MAX_LABELS, _] = shape(LABELS)? else {
        return Err(wrong(LABELS, format!("[K + 1, {d}]")));
    };
    let outputs = shape(LAST)?.first().copied().unwrap_or(0);
    let patch = p.saturating_mul(p).saturating_mul(c);
    if outputs != patch && outputs != patch.saturating_mul(2) {
        return Err(wrong(
            LAST,
            format!("[{patch}, {d}], or [{}, {d}] with learned variance", patch.saturating_mul(2)),
        ));
    }
    let blocks: BTreeSet<&str> =
        shapes.keys().filter_map(|n| n.strip_prefix("blocks.")?.split('.').next()).collect();
    let heads = match told.heads {
        Some(heads) => heads,
        // DiT-S, B, L and XL.
        None => match d {
            384 => 6,
            768 => 12,
            1024 | 1152 => 16,
            _ => return Err(LayoutError::Heads(d)),
        },
    };
    if heads == 0 || !d.is_multiple_of(heads as usize) {
        return Err(LayoutError::HeadsDivide { heads, width: d });
    }
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let config = ModelConfig {
        channels: small(c),
        image_size: small(side.saturating_mul(p)),
        patch_size: small(p),
        width: small(d),
        depth: small(blocks.len()),
        heads,
        learngene_components: paper_components(d, 318),
        tailor_components: paper_components(d, 3),
        factored: FactoredSet::new(&[])?,
        objective: Objective::Ddpm,
        gelu: told.gelu,
        learned_variance: outputs != patch,
        separate_attention: false,
        norm: Norm::Layer,
        qk_norm: false,
        rope: false,
        swiglu: false,
        clean_output: false,
        few_steps: false,
    };
    config.validate()?;
    check(shapes, &config, labels)?;
    Ok((config, labels - 1))
}

/// Components that the paper gives a network of this width, in proportion to its `of_b` for DiT-B of width 768: for
/// DiT-L of width 1024 it has 4 instead of 3, and 424 instead of 318 (KIND §4). Nothing of a plain network is factored,
/// but methods that adapt it take their sizes from these.
fn paper_components(width: usize, of_b: usize) -> u32 {
    let components = (width.saturating_mul(of_b).saturating_add(384) / 768).max(1);
    u32::try_from(components).unwrap_or(u32::MAX)
}

/// Refuses tensors that are not exactly those of a DiT of these sizes.
fn check(shapes: &BTreeMap<&str, &[usize]>, config: &ModelConfig, labels: usize) -> Result<(), LayoutError> {
    let d = config.width as usize;
    let mut expected: BTreeMap<String, Vec<usize>> =
        pairs(config).into_iter().map(|pair| (pair.name, pair.shape)).collect();
    expected.insert(LABELS.to_owned(), vec![labels, d]);
    expected.insert(POSITIONS.to_owned(), vec![1, config.tokens(), d]);
    for (name, shape) in &expected {
        match shapes.get(name.as_str()) {
            None => return Err(LayoutError::Missing(name.clone())),
            Some(found) if found != shape => {
                let (name, found, expected) = (name.clone(), found.to_vec(), format!("{shape:?}"));
                return Err(LayoutError::Shape { name, found, expected });
            }
            Some(_) => {}
        }
    }
    match shapes.keys().find(|name| !expected.contains_key(**name)) {
        Some(name) => Err(LayoutError::Unexpected((*name).to_owned())),
        None => Ok(()),
    }
}

/// Refuses a table of positions, `[1, T, D]`, that is not DiT's.
///
/// # Errors
/// [`LayoutError::Positions`] with the largest difference.
pub fn check_positions(config: &ModelConfig, found: &[f32]) -> Result<(), LayoutError> {
    let differences = sincos_positions(config).into_iter().zip(found).map(|(own, found)| (own - found).abs());
    // A NaN is larger than any bound.
    let largest = differences.fold(0.0, |most: f32, off| if off > most || off.is_nan() { off } else { most });
    if largest <= POSITION_ERROR { Ok(()) } else { Err(LayoutError::Positions(largest)) }
}
