//! Where every tensor lies in the flat parameters of a config.

use std::collections::HashMap;
use std::ops::Range;

use tailor_packs::config::{STRIDES, TIME_FEATURES};
use tailor_packs::{Matrix, ModelConfig, Norm, TensorSpec};

use crate::embedding::{rotary_angles, sincos_positions};
use crate::model::{KNOWN, Unsupported};

/// The place of every tensor of a config in the flat parameters, and the constants that all images
/// share.
#[derive(Clone, Debug)]
pub struct Network {
    pub(super) config: ModelConfig,
    pub(super) patch: Dense,
    pub(super) time: [Dense; 2],
    pub(super) null_label: Range<usize>,
    /// The table of strides; none in a model that does not know how far a step goes.
    pub(super) strides: Option<Range<usize>>,
    /// The label's row in a tailor.
    pub(super) label: Range<usize>,
    pub(super) blocks: Vec<Block>,
    /// What each block learns to scale queries and keys by; empty without QK-norm.
    pub(super) norms: Vec<[Range<usize>; 2]>,
    pub(super) final_adaln: Dense,
    pub(super) final_linear: Dense,
    pub(super) positions: Vec<f32>,
    /// Cosines and sines of RoPE.
    pub(super) angles: Option<[Vec<f32>; 2]>,
    /// For each value of the tokens `[T, p·p·C]` its place in the image `[C, H, W]`. With learned
    /// variance, the output has for each pixel first `C` values of the prediction, then `C` of the
    /// variance.
    pub(super) places: Vec<usize>,
    pub(super) learngene_len: usize,
    pub(super) tailor_len: usize,
}

/// The matrices of one block, by [`Matrix`] as a number.
pub(super) type ByMatrix<T> = [Option<T>; Matrix::ALL.len()];

/// One block: its matrices.
pub(super) type Block = ByMatrix<Linear>;

/// A matrix `[m1, m2]` and its bias in the learngene's flat parameters.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    pub(super) m1: usize,
    pub(super) m2: usize,
    pub(super) weight: Range<usize>,
    pub(super) bias: Range<usize>,
}

/// One matrix of a block: where it lies in the learngene's and the tailor's flat parameters.
#[derive(Clone, Debug)]
pub(super) enum Linear {
    Dense(Dense),
    Factored { m1: usize, m2: usize, learngene: Factors, tailor: Factors, bias: Range<usize> },
}

#[derive(Clone, Debug)]
pub(super) struct Factors {
    pub(super) u: Range<usize>,
    pub(super) sigma: Range<usize>,
    pub(super) v: Range<usize>,
}

impl Network {
    /// Finds the place of every tensor of `config`.
    ///
    /// # Errors
    /// [`Unsupported`] when the config has a tensor that this engine does not use, lacks one that
    /// it needs, or has one in another shape. Without this refusal it would silently train or
    /// sample another model.
    pub fn new(config: &ModelConfig) -> Result<Self, Unsupported> {
        if let Some(feature) = config.needs().into_iter().find(|feature| !KNOWN.contains(feature)) {
            return Err(Unsupported { what: feature.to_string() });
        }
        let (d, p) = (config.width as usize, config.patch_values());
        let (g, n) = (config.learngene_components as usize, config.tailor_components as usize);
        let mut learngene = Places::of(&config.learngene_tensors());
        let mut tailor = Places::of(&config.tailor_tensors());

        let patch = learngene.dense("patch", p, d)?;
        let time = [learngene.dense("time.0", TIME_FEATURES, d)?, learngene.dense("time.1", d, d)?];
        let null_label = learngene.take("label.null", &[d])?;
        let table = || learngene.take("stride.table", &[STRIDES, d]);
        let strides = config.few_steps.then(table).transpose()?;
        let label = tailor.take("label", &[d])?;
        let (mut blocks, mut norms) = (Vec::new(), Vec::new());
        for l in 0..config.depth {
            let mut block = Block::default();
            for m in config.block_matrices() {
                let (name, (m1, m2)) = (format!("blocks.{l}.{m}"), config.widths(m));
                block[m as usize] = Some(match config.factored.contains(m) {
                    false => Linear::Dense(learngene.dense(&name, m1, m2)?),
                    true => Linear::Factored {
                        m1,
                        m2,
                        learngene: learngene.factors(&name, m1, g, m2)?,
                        tailor: tailor.factors(&name, m1, n, m2)?,
                        bias: learngene.take(&format!("{name}.bias"), &[m2])?,
                    },
                });
            }
            blocks.push(block);
            if config.qk_norm {
                let head = &[d / config.heads as usize];
                let mut norm = |which| learngene.take(&format!("blocks.{l}.{which}_norm"), head);
                norms.push([norm("q")?, norm("k")?]);
            }
        }
        let final_adaln = learngene.dense("final.adaln", d, 2 * d)?;
        let final_linear = learngene.dense("final.linear", d, config.patch_outputs())?;
        learngene.none_left()?;
        tailor.none_left()?;
        Ok(Self {
            patch,
            time,
            null_label,
            strides,
            label,
            blocks,
            norms,
            final_adaln,
            final_linear,
            positions: sincos_positions(config),
            angles: config.rope.then(|| rotary_angles(config)),
            places: places(config),
            learngene_len: config.learngene_parameters() as usize,
            tailor_len: config.tailor_parameters() as usize,
            config: config.clone(),
        })
    }

    /// Returns the model's config.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Returns where the row of a stride lies in the learngene's flat parameters, in a model that has the
    /// table.
    pub(super) fn stride(&self, stride: usize) -> Option<Range<usize>> {
        let (table, d) = (self.strides.as_ref()?, self.config.width as usize);
        let start = table.start + stride.min(STRIDES - 1) * d;
        Some(start..start + d)
    }

    /// Components of learngene and tailor in each factored matrix.
    pub(super) fn components(&self) -> (usize, usize) {
        (self.config.learngene_components as usize, self.config.tailor_components as usize)
    }

    /// Whether a norm leaves the mean as it is.
    pub(super) fn rms(&self) -> bool {
        self.config.norm == Norm::Rms
    }

    /// Channels of the output, `C` or with learned variance `2·C`.
    pub(super) fn output_channels(&self) -> usize {
        self.config.channels as usize * self.final_linear.m2 / self.patch.m1
    }

    /// Returns the prediction in an output `[T, p·p·C]`, or with learned variance `[T, p·p·2C]`, as an
    /// image `[C, H, W]`.
    pub(super) fn image(&self, output: &[f32]) -> Vec<f32> {
        let mut image = vec![0.0; self.places.len()];
        let channels = self.config.channels as usize;
        let pixels = output.chunks_exact(self.output_channels());
        for (places, pixel) in self.places.chunks_exact(channels).zip(pixels) {
            places.iter().zip(pixel).for_each(|(&place, value)| image[place] = *value);
        }
        image
    }

    /// Writes an image `[C, H, W]` as patches `[T, p·p·C]`.
    pub(super) fn patches(&self, image: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend(self.places.iter().map(|&place| image[place]));
    }
}

impl Dense {
    /// Returns the learngene's values of weight and bias.
    pub(super) fn of<'a>(&self, learngene: &'a [f32]) -> (&'a [f32], &'a [f32]) {
        (&learngene[self.weight.clone()], &learngene[self.bias.clone()])
    }
}

/// The tensors that were not asked for yet, with their places and shapes.
struct Places(HashMap<String, (Range<usize>, Vec<usize>)>);

impl Places {
    fn of(specs: &[TensorSpec]) -> Self {
        let mut start = 0;
        let place = |spec: &TensorSpec| {
            let range = start..start + spec.len();
            start = range.end;
            (spec.name.clone(), (range, spec.shape.clone()))
        };
        Self(specs.iter().map(place).collect())
    }

    fn take(&mut self, name: &str, expected: &[usize]) -> Result<Range<usize>, Unsupported> {
        match self.0.remove(name) {
            Some((range, shape)) if shape == expected => Ok(range),
            Some((_, shape)) => Err(Unsupported { what: format!("the tensor {name} of shape {shape:?}") }),
            None => Err(Unsupported { what: format!("a model without the tensor {name}") }),
        }
    }

    fn dense(&mut self, name: &str, m1: usize, m2: usize) -> Result<Dense, Unsupported> {
        let weight = self.take(&format!("{name}.weight"), &[m1, m2])?;
        Ok(Dense { m1, m2, weight, bias: self.take(&format!("{name}.bias"), &[m2])? })
    }

    fn factors(&mut self, name: &str, m1: usize, r: usize, m2: usize) -> Result<Factors, Unsupported> {
        Ok(Factors {
            u: self.take(&format!("{name}.u"), &[m1, r])?,
            sigma: self.take(&format!("{name}.sigma"), &[r])?,
            v: self.take(&format!("{name}.v"), &[r, m2])?,
        })
    }

    fn none_left(self) -> Result<(), Unsupported> {
        match self.0.into_keys().min() {
            Some(name) => Err(Unsupported { what: format!("the tensor {name}") }),
            None => Ok(()),
        }
    }
}

fn places(config: &ModelConfig) -> Vec<usize> {
    let (c, p, side) = (config.channels as usize, config.patch_size as usize, config.image_size as usize);
    let mut places = Vec::with_capacity(c * side * side);
    for (row, column) in (0..side / p).flat_map(|row| (0..side / p).map(move |column| (row, column))) {
        for (y, x) in (0..p).flat_map(|y| (0..p).map(move |x| (y, x))) {
            places.extend((0..c).map(|c| (c * side + row * p + y) * side + column * p + x));
        }
    }
    places
}
