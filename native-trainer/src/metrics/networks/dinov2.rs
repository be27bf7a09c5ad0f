//! DINOv2 (Oquab et al. 2023), whose class token FDD compares images by (Stein et al. 2023).
//!
//! A vision transformer with LayerScale and positions that are interpolated to the images' size. Weights
//! have the names and shapes of `transformers`' `Dinov2Model`; width, depth and patch are read off them, so
//! the small, base and large network are all known. The giant one, with another feed-forward part, is not.
//! FDD is defined for the large one (ViT-L/14); figures of the others are named after them. Images are made
//! 224 × 224 by a bicubic filter and normalised by ImageNet's mean and deviation.

use burn::tensor::activation::{gelu, softmax};
use burn::tensor::module::{conv2d, linear};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use tailor_core::diffusion::images::Images;

use super::weights::{NetworkError, Weights};
use super::{Network, Reading, pixels, values};
use crate::metrics::table::Table;

/// The network's name where its weights are refused.
const NAME: &str = "DINOv2";
/// Height and width to which images are made.
const SIDE: usize = 224;
/// Width of one head, the same in all networks of the family.
const HEAD: usize = 64;
/// Added to a variance before its root is taken.
const EPSILON: f64 = 1e-6;
/// Mean and deviation of ImageNet's channels, of values from 0 to 1.
const NORMAL: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];
/// Images at a time.
const BATCH: usize = 16;

/// `x·W + b`.
struct Linear {
    /// `[in, out]`
    weight: Tensor<2>,
    bias: Tensor<1>,
}

/// A scale and a shift after normalisation.
struct Norm {
    gain: Tensor<1>,
    bias: Tensor<1>,
}

/// Attention and feed-forward part, each scaled before it is added.
struct Block {
    norm1: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    scale1: Tensor<1>,
    norm2: Norm,
    up: Linear,
    down: Linear,
    scale2: Tensor<1>,
}

/// The network.
pub struct DinoV2 {
    name: &'static str,
    width: usize,
    patch: usize,
    /// `[D, 3, patch, patch]`
    patches: Tensor<4>,
    patches_bias: Tensor<1>,
    /// The class token and its position, `[1, 1, D]`.
    token: Tensor<3>,
    /// Positions of the patches of an image of [`SIDE`] pixels, `[1, T, D]`.
    positions: Tensor<3>,
    blocks: Vec<Block>,
    norm: Norm,
    device: Device,
}

/// Puts tensors of a file on a device.
struct Reader<'a, 'b> {
    weights: &'a Weights<'b>,
    device: &'a Device,
}

impl Reader<'_, '_> {
    fn get<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, NetworkError> {
        let values = self.weights.values(NAME, name, &shape)?;
        Ok(Tensor::from_data(TensorData::new(values, shape), self.device))
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, NetworkError> {
        Ok(Linear {
            weight: self.get(&format!("{name}.weight"), [outputs, inputs])?.transpose(),
            bias: self.get(&format!("{name}.bias"), [outputs])?,
        })
    }

    fn norm(&self, name: &str, d: usize) -> Result<Norm, NetworkError> {
        let get = |part: &str| self.get(&format!("{name}.{part}"), [d]);
        Ok(Norm { gain: get("weight")?, bias: get("bias")? })
    }

    fn block(&self, number: usize, d: usize) -> Result<Block, NetworkError> {
        let at = |part: &str| format!("encoder.layer.{number}.{part}");
        let hidden = self.weights.shape(NAME, &at("mlp.fc1.weight"), &[0, d])?[0];
        Ok(Block {
            norm1: self.norm(&at("norm1"), d)?,
            query: self.linear(&at("attention.attention.query"), d, d)?,
            key: self.linear(&at("attention.attention.key"), d, d)?,
            value: self.linear(&at("attention.attention.value"), d, d)?,
            output: self.linear(&at("attention.output.dense"), d, d)?,
            scale1: self.get(&at("layer_scale1.lambda1"), [d])?,
            norm2: self.norm(&at("norm2"), d)?,
            up: self.linear(&at("mlp.fc1"), d, hidden)?,
            down: self.linear(&at("mlp.fc2"), hidden, d)?,
            scale2: self.get(&at("layer_scale2.lambda1"), [d])?,
        })
    }
}

impl DinoV2 {
    /// Whether these are the weights of such a network.
    pub fn is_in(weights: &Weights<'_>) -> bool {
        weights.has("embeddings.cls_token") && weights.has("encoder.layer.0.layer_scale1.lambda1")
    }

    /// Puts the weights on `device`.
    ///
    /// # Errors
    /// [`NetworkError`] names the tensor that is missing or has another shape.
    pub fn new(weights: &Weights<'_>, device: &Device) -> Result<Self, NetworkError> {
        let reader = Reader { weights, device };
        let kernel = "embeddings.patch_embeddings.projection.weight";
        let shape = weights.shape(NAME, kernel, &[0, 3, 0, 0])?;
        let (width, patch) = (shape[0], shape[2]);
        // A width without whole heads and a patch that does not tile the image are no network of this family.
        let wanted = [width.div_ceil(HEAD) * HEAD, 3, 14, 14];
        weights.shape(NAME, kernel, &wanted)?;
        let places = "embeddings.position_embeddings";
        let count = weights.shape(NAME, places, &[1, 0, width])?[1] - 1;
        let side = count.isqrt();
        weights.shape(NAME, places, &[1, side.max(1).pow(2) + 1, width])?;
        let positions = weights.values(NAME, places, &[1, count + 1, width])?;
        let tokens = SIDE / patch;
        let place = |values: Vec<f32>| {
            let n = values.len() / width;
            Tensor::<3>::from_data(TensorData::new(values, [1, n, width]), device)
        };
        let token = reader.get("embeddings.cls_token", [1, 1, width])?;
        let depth = (0..).take_while(|i| weights.has(&format!("encoder.layer.{i}.norm1.weight"))).count();
        Ok(Self {
            name: match (width, depth) {
                (384, 12) => "DINOv2 ViT-S/14",
                (768, 12) => "DINOv2 ViT-B/14",
                (1024, 24) => "DINOv2 ViT-L/14",
                _ => NAME,
            },
            width,
            patch,
            patches: reader.get(kernel, [width, 3, patch, patch])?,
            patches_bias: reader.get("embeddings.patch_embeddings.projection.bias", [width])?,
            token: token + place(positions[..width].to_vec()),
            positions: place(interpolated(&positions[width..], side, tokens, width)),
            blocks: (0..depth).map(|i| reader.block(i, width)).collect::<Result<_, _>>()?,
            norm: reader.norm("layernorm", width)?,
            device: device.clone(),
        })
    }

    /// The class token `[B, D]` of normalised images `[B, 3, 224, 224]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let (b, d) = (x.dims()[0], self.width);
        let options = ConvOptions::new([self.patch; 2], [0, 0], [1, 1], 1);
        let x = conv2d(x, self.patches.clone(), Some(self.patches_bias.clone()), options);
        let x = x.flatten::<3>(2, 3).swap_dims(1, 2) + self.positions.clone();
        let mut x = Tensor::cat(vec![self.token.clone().expand([b, 1, d]), x], 1);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.norm.forward(x.slice([0..b, 0..1])).reshape([b, d])
    }
}

impl Network for DinoV2 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn features(&self) -> usize {
        self.width
    }

    fn spatial(&self) -> usize {
        0
    }

    fn classes(&self) -> usize {
        0
    }

    fn read(&self, images: &Images) -> Reading {
        let mut reading = Reading::default();
        for start in (0..images.shape[0]).step_by(BATCH) {
            let part = start..images.shape[0].min(start + BATCH);
            let shape = [part.len(), 3, SIDE, SIDE];
            let x = TensorData::new(part.flat_map(|i| normalised(images, i)).collect::<Vec<_>>(), shape);
            let token = self.forward(Tensor::from_data(x, &self.device));
            let features = Table::new(self.width, values(token));
            reading.extend(Reading { features, ..Reading::default() });
        }
        reading
    }
}

impl Linear {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        linear(x, self.weight.clone(), Some(self.bias.clone()))
    }
}

impl Norm {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let centred = x.clone() - x.mean_dim(2);
        let deviation = (centred.clone().square().mean_dim(2) + EPSILON).sqrt();
        centred / deviation * self.gain.clone().unsqueeze::<3>() + self.bias.clone().unsqueeze::<3>()
    }
}

impl Block {
    /// Tokens `[B, T, D]`.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, t, d] = x.dims();
        let normal = self.norm1.forward(x.clone());
        let heads =
            |part: &Linear| part.forward(normal.clone()).reshape([b, t, d / HEAD, HEAD]).swap_dims(1, 2);
        let scores = heads(&self.query).matmul(heads(&self.key).transpose()) / (HEAD as f64).sqrt();
        let seen = softmax(scores, 3).matmul(heads(&self.value)).swap_dims(1, 2).reshape([b, t, d]);
        let x = x + self.output.forward(seen) * self.scale1.clone().unsqueeze::<3>();
        let hidden = gelu(self.up.forward(self.norm2.forward(x.clone())));
        x + self.down.forward(hidden) * self.scale2.clone().unsqueeze::<3>()
    }
}

/// Image number `i` at 224 × 224. Pillow's bicubic filter gives the same, to one of 255 levels.
pub fn resized(images: &Images, i: usize) -> RgbImage {
    let [_, _, h, w] = images.shape;
    let image = pixels(images, i);
    let at = |x: u32, y: u32| y as usize * w + x as usize;
    let picture = RgbImage::from_fn(w as u32, h as u32, |x, y| {
        Rgb([0, 1, 2].map(|channel| image[channel * h * w + at(x, y)]))
    });
    resize(&picture, SIDE as u32, SIDE as u32, FilterType::CatmullRom)
}

/// Image number `i` at 224 × 224 and normalised: `[3, 224, 224]`.
fn normalised(images: &Images, i: usize) -> Vec<f32> {
    let picture = resized(images, i);
    let value = |channel: usize| {
        let (mean, deviation) = NORMAL[channel];
        picture.pixels().map(move |pixel| (f32::from(pixel.0[channel]) / 255.0 - mean) / deviation)
    };
    (0..3).flat_map(value).collect()
}

/// Positions `[from², D]` of a square, interpolated to `[to², D]` by the bicubic filter of PyTorch (a = −0.75),
/// where the border goes on.
fn interpolated(positions: &[f32], from: usize, to: usize, d: usize) -> Vec<f32> {
    if from == to {
        return positions.to_vec();
    }
    // For each place of the result the four places that it is made of, and how much of each.
    let taps = |i: usize| -> [(usize, f32); 4] {
        let at = (i as f32 + 0.5) * (from as f32 / to as f32) - 0.5;
        let part = at - at.floor();
        let near = |x: f32| ((1.25 * x - 2.25) * x) * x + 1.0;
        let far = |x: f32| ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0;
        let shares = [far(part + 1.0), near(part), near(1.0 - part), far(2.0 - part)];
        let place =
            |tap: usize| (at.floor() as isize + tap as isize - 1).clamp(0, from as isize - 1) as usize;
        std::array::from_fn(|tap| (place(tap), shares[tap]))
    };
    let taps: Vec<_> = (0..to).map(taps).collect();
    let mut found = vec![0.0; to * to * d];
    for (place, values) in found.chunks_exact_mut(d).enumerate() {
        for (y, share_y) in taps[place / to] {
            for (x, share_x) in taps[place % to] {
                let row = &positions[(y * from + x) * d..][..d];
                values.iter_mut().zip(row).for_each(|(sum, v)| *sum += share_y * share_x * v);
            }
        }
    }
    found
}
