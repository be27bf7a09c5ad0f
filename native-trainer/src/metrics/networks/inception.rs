//! Inception-v3 as FID uses it (Szegedy et al. 2016; Heusel et al. 2017): the network of 2015 with 1,008
//! classes, whose average pooling leaves the border out and whose last block pools by the maximum.
//!
//! Weights have the names and shapes of `pytorch-fid`'s and `torch-fidelity`'s `InceptionV3`, saved as
//! safetensors. Images are made 299 × 299 as TensorFlow 1 does it. A grey image is read as three equal
//! channels.

use std::collections::HashMap;

use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use tailor_core::diffusion::images::Images;

use super::weights::{NetworkError, Weights};
use super::{Network, Reading, pixels, values};
use crate::metrics::table::Table;

/// The network's name in reports.
pub const NAME: &str = "Inception-v3";
/// Values of an image: averages over its last maps.
const FEATURES: usize = 2048;
/// Classes it was trained for, a few of them unused.
const CLASSES: usize = 1008;
/// Height and width that the network takes.
const SIDE: usize = 299;
/// Channels of the map that sFID uses, as in the evaluation suite of ADM.
const SPATIAL: usize = 7;
/// Height and width of that map.
const SPATIAL_SIDE: usize = 17;
/// Added to a variance before its root is taken.
const EPSILON: f32 = 1e-3;
/// Images at a time.
const BATCH: usize = 16;

/// A convolution, normalised, without negative values.
struct Convolution {
    /// `[O, I, h, w]`
    weight: Tensor<4>,
    /// `[O]`
    bias: Tensor<1>,
    options: ConvOptions<2>,
}

/// Where a convolution stands, and what it does.
struct Spec {
    name: String,
    /// `[O, I, h, w]`
    shape: [usize; 4],
    /// 2, or 1 for maps that stay as large.
    stride: usize,
    /// Whether the border is filled up with zeros.
    padded: bool,
}

/// The network.
pub struct Inception {
    convolutions: HashMap<String, Convolution>,
    /// `[2048, 1008]`
    head: Tensor<2>,
    device: Device,
}

impl Inception {
    /// Whether these are the weights of such a network.
    pub fn is_in(weights: &Weights<'_>) -> bool {
        weights.has("Mixed_5b.branch1x1.conv.weight")
    }

    /// Puts the weights on `device`.
    ///
    /// # Errors
    /// [`NetworkError`] names the tensor that is missing or has another shape.
    pub fn new(weights: &Weights<'_>, device: &Device) -> Result<Self, NetworkError> {
        let mut convolutions = HashMap::new();
        for spec in specs() {
            let [o, i, h, w] = spec.shape;
            let get =
                |part: &str, shape: &[usize]| weights.values(NAME, &format!("{}.{part}", spec.name), shape);
            let mut weight = get("conv.weight", &spec.shape)?;
            let (gain, mut bias) = (get("bn.weight", &[o])?, get("bn.bias", &[o])?);
            let (mean, variance) = (get("bn.running_mean", &[o])?, get("bn.running_var", &[o])?);
            // Normalisation by known statistics is a scale and a shift of each channel.
            for channel in 0..o {
                let scale = gain[channel] / (variance[channel] + EPSILON).sqrt();
                weight[channel * i * h * w..][..i * h * w].iter_mut().for_each(|v| *v *= scale);
                bias[channel] -= mean[channel] * scale;
            }
            let padding = if spec.padded { [h / 2, w / 2] } else { [0, 0] };
            let convolution = Convolution {
                weight: Tensor::from_data(TensorData::new(weight, spec.shape), device),
                bias: Tensor::from_data(TensorData::new(bias, [o]), device),
                options: ConvOptions::new([spec.stride; 2], padding, [1, 1], 1),
            };
            convolutions.insert(spec.name, convolution);
        }
        let head = weights.values(NAME, "fc.weight", &[CLASSES, FEATURES])?;
        let head = Tensor::<2>::from_data(TensorData::new(head, [CLASSES, FEATURES]), device).transpose();
        Ok(Self { convolutions, head, device: device.clone() })
    }

    fn convolve(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let Some(found) = self.convolutions.get(name) else { unreachable!("{name} is in the list of all") };
        relu(conv2d(x, found.weight.clone(), Some(found.bias.clone()), found.options.clone()))
    }

    /// The convolutions of `block` named in `names`, one after the other.
    fn chain(&self, block: &str, names: &[&str], x: Tensor<4>) -> Tensor<4> {
        names.iter().fold(x, |x, name| self.convolve(&format!("{block}.{name}"), x))
    }

    /// Maps of `block` side by side: those of each chain, and of what `pooled` goes through last.
    fn branches(&self, block: &str, chains: &[&[&str]], pooled: Tensor<4>, x: &Tensor<4>) -> Tensor<4> {
        let mut maps: Vec<Tensor<4>> =
            chains.iter().map(|names| self.chain(block, names, x.clone())).collect();
        maps.push(pooled);
        Tensor::cat(maps, 1)
    }

    /// 35 × 35.
    fn a(&self, block: &str, x: Tensor<4>) -> Tensor<4> {
        let pooled = self.chain(block, &["branch_pool"], average(x.clone()));
        let chains: [&[&str]; 3] = [
            &["branch1x1"],
            &["branch5x5_1", "branch5x5_2"],
            &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"],
        ];
        self.branches(block, &chains, pooled, &x)
    }

    /// 35 × 35 to 17 × 17.
    fn b(&self, block: &str, x: Tensor<4>) -> Tensor<4> {
        let chains: [&[&str]; 2] = [&["branch3x3"], &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]];
        self.branches(block, &chains, halve(x.clone()), &x)
    }

    /// 17 × 17.
    fn c(&self, block: &str, x: Tensor<4>) -> Tensor<4> {
        let pooled = self.chain(block, &["branch_pool"], average(x.clone()));
        let long: Vec<String> = (1..=5).map(|i| format!("branch7x7dbl_{i}")).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let chains: [&[&str]; 3] = [&["branch1x1"], &["branch7x7_1", "branch7x7_2", "branch7x7_3"], &long];
        self.branches(block, &chains, pooled, &x)
    }

    /// 17 × 17 to 8 × 8.
    fn d(&self, block: &str, x: Tensor<4>) -> Tensor<4> {
        let chains: [&[&str]; 2] = [
            &["branch3x3_1", "branch3x3_2"],
            &["branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"],
        ];
        self.branches(block, &chains, halve(x.clone()), &x)
    }

    /// 8 × 8, with `pooled` the maps that the last branch goes on from.
    fn e(&self, block: &str, pooled: Tensor<4>, x: Tensor<4>) -> Tensor<4> {
        let pooled = self.chain(block, &["branch_pool"], pooled);
        let chains: [&[&str]; 5] = [
            &["branch1x1"],
            &["branch3x3_1", "branch3x3_2a"],
            &["branch3x3_1", "branch3x3_2b"],
            &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a"],
            &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3b"],
        ];
        self.branches(block, &chains, pooled, &x)
    }

    /// Features `[B, 2048]`, the map of sFID `[B, 17·17·7]` and scores `[B, 1008]` of images `[B, 3, 299, 299]`.
    fn forward(&self, x: Tensor<4>) -> [Tensor<2>; 3] {
        let b = x.dims()[0];
        let mut x = x;
        for name in ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"] {
            x = self.convolve(name, x);
        }
        x = halve(x);
        for name in ["Conv2d_3b_1x1", "Conv2d_4a_3x3"] {
            x = self.convolve(name, x);
        }
        x = halve(x);
        for block in ["Mixed_5b", "Mixed_5c", "Mixed_5d"] {
            x = self.a(block, x);
        }
        x = self.b("Mixed_6a", x);
        for block in ["Mixed_6b", "Mixed_6c", "Mixed_6d"] {
            x = self.c(block, x);
        }
        // The first branch of `Mixed_6d`, which TensorFlow calls `mixed_6/conv`, comes first in its maps.
        let spatial = x.clone().slice([0..b, 0..SPATIAL]).permute([0, 2, 3, 1]);
        let spatial = spatial.reshape([b, SPATIAL_SIDE * SPATIAL_SIDE * SPATIAL]);
        x = self.d("Mixed_7a", self.c("Mixed_6e", x));
        x = self.e("Mixed_7b", average(x.clone()), x);
        let most = MaxPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
        x = self.e("Mixed_7c", max_pool2d(x.clone(), most), x);
        let features = x.mean_dims(&[2, 3]).reshape([b, FEATURES]);
        [features.clone(), spatial, features.matmul(self.head.clone())]
    }
}

impl Network for Inception {
    fn name(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> usize {
        FEATURES
    }

    fn spatial(&self) -> usize {
        SPATIAL_SIDE * SPATIAL_SIDE * SPATIAL
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    /// Scores are those without the last layer's bias, as the Inception Score's authors took them.
    fn read(&self, images: &Images) -> Reading {
        let mut reading = Reading::default();
        for start in (0..images.shape[0]).step_by(BATCH) {
            let part = images.part(start..images.shape[0].min(start + BATCH));
            let x = TensorData::new(resized(&part), [part.shape[0], 3, SIDE, SIDE]);
            let [features, spatial, scores] = self.forward(Tensor::from_data(x, &self.device));
            reading.extend(Reading {
                features: Table::new(FEATURES, values(features)),
                spatial: Table::new(self.spatial(), values(spatial)),
                scores: Table::new(CLASSES, values(scores)),
            });
        }
        reading
    }
}

/// The mean of each 3 × 3 part, without what lies beyond the border.
fn average(x: Tensor<4>) -> Tensor<4> {
    let mut options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
    options.count_include_pad = false;
    avg_pool2d(x, options)
}

/// The most of each 3 × 3 part, at every second place.
fn halve(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2]))
}

/// Images `[B, 3, 299, 299]` from -1 to almost 1, interpolated as TensorFlow 1 does: pixel `i` of the result lies
/// at `i·from/to` of the original, and the border goes on.
fn resized(images: &Images) -> Vec<f32> {
    let [b, _, h, w] = images.shape;
    let places = |from: usize| -> Vec<(usize, usize, f32)> {
        let scale = (from as f64 / SIDE as f64) as f32;
        let place = |i: usize| {
            let at = i as f32 * scale;
            let low = (at as usize).min(from - 1);
            (low, (low + 1).min(from - 1), at - low as f32)
        };
        (0..SIDE).map(place).collect()
    };
    let (rows, columns) = (places(h), places(w));
    let mut resized = Vec::with_capacity(b * 3 * SIDE * SIDE);
    for i in 0..b {
        let image = pixels(images, i);
        for channel in image.chunks_exact(h * w) {
            let line = |y: usize, &(low, high, part): &(usize, usize, f32)| {
                let (low, high) = (f32::from(channel[y * w + low]), f32::from(channel[y * w + high]));
                low + (high - low) * part
            };
            for &(low, high, part) in &rows {
                resized.extend(columns.iter().map(|column| {
                    let (low, high) = (line(low, column), line(high, column));
                    (low + (high - low) * part - 128.0) / 128.0
                }));
            }
        }
    }
    resized
}

/// Every convolution of the network.
fn specs() -> Vec<Spec> {
    let mut specs = Vec::new();
    let mut add = |name: String, from: usize, to: usize, [h, w]: [usize; 2], stride: usize, padded: bool| {
        specs.push(Spec { name, shape: [to, from, h, w], stride, padded });
    };
    for (name, from, to, side, stride, padded) in [
        ("1a_3x3", 3, 32, 3, 2, false),
        ("2a_3x3", 32, 32, 3, 1, false),
        ("2b_3x3", 32, 64, 3, 1, true),
        ("3b_1x1", 64, 80, 1, 1, false),
        ("4a_3x3", 80, 192, 3, 1, false),
    ] {
        add(format!("Conv2d_{name}"), from, to, [side, side], stride, padded);
    }
    for (block, from, pool) in [("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)] {
        for (name, from, to, side) in [
            ("branch1x1", from, 64, 1),
            ("branch5x5_1", from, 48, 1),
            ("branch5x5_2", 48, 64, 5),
            ("branch3x3dbl_1", from, 64, 1),
            ("branch3x3dbl_2", 64, 96, 3),
            ("branch3x3dbl_3", 96, 96, 3),
            ("branch_pool", from, pool, 1),
        ] {
            add(format!("Mixed_{block}.{name}"), from, to, [side, side], 1, true);
        }
    }
    for (name, from, to, side, stride) in [
        ("branch3x3", 288, 384, 3, 2),
        ("branch3x3dbl_1", 288, 64, 1, 1),
        ("branch3x3dbl_2", 64, 96, 3, 1),
        ("branch3x3dbl_3", 96, 96, 3, 2),
    ] {
        add(format!("Mixed_6a.{name}"), from, to, [side, side], stride, stride == 1);
    }
    for (block, c) in [("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)] {
        for (name, from, to, kernel) in [
            ("branch1x1", 768, 192, [1, 1]),
            ("branch7x7_1", 768, c, [1, 1]),
            ("branch7x7_2", c, c, [1, 7]),
            ("branch7x7_3", c, 192, [7, 1]),
            ("branch7x7dbl_1", 768, c, [1, 1]),
            ("branch7x7dbl_2", c, c, [7, 1]),
            ("branch7x7dbl_3", c, c, [1, 7]),
            ("branch7x7dbl_4", c, c, [7, 1]),
            ("branch7x7dbl_5", c, 192, [1, 7]),
            ("branch_pool", 768, 192, [1, 1]),
        ] {
            add(format!("Mixed_{block}.{name}"), from, to, kernel, 1, true);
        }
    }
    for (name, from, to, kernel, stride) in [
        ("branch3x3_1", 768, 192, [1, 1], 1),
        ("branch3x3_2", 192, 320, [3, 3], 2),
        ("branch7x7x3_1", 768, 192, [1, 1], 1),
        ("branch7x7x3_2", 192, 192, [1, 7], 1),
        ("branch7x7x3_3", 192, 192, [7, 1], 1),
        ("branch7x7x3_4", 192, 192, [3, 3], 2),
    ] {
        add(format!("Mixed_7a.{name}"), from, to, kernel, stride, stride == 1);
    }
    for (block, from) in [("7b", 1280), ("7c", 2048)] {
        for (name, from, to, kernel) in [
            ("branch1x1", from, 320, [1, 1]),
            ("branch3x3_1", from, 384, [1, 1]),
            ("branch3x3_2a", 384, 384, [1, 3]),
            ("branch3x3_2b", 384, 384, [3, 1]),
            ("branch3x3dbl_1", from, 448, [1, 1]),
            ("branch3x3dbl_2", 448, 384, [3, 3]),
            ("branch3x3dbl_3a", 384, 384, [1, 3]),
            ("branch3x3dbl_3b", 384, 384, [3, 1]),
            ("branch_pool", from, 192, [1, 1]),
        ] {
            add(format!("Mixed_{block}.{name}"), from, to, kernel, 1, true);
        }
    }
    specs
}
