//! The decoder of an autoencoder, which makes images of the latents that a model learned from.
//!
//! It is the one of `AutoencoderKL` in diffusers (Rombach et al. 2022), which Stable Diffusion's weights come
//! in: convolutions with residual blocks, one layer of attention in the middle, and maps that double in size
//! from block to block. Its sizes are read from the weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::activation::{silu, softmax};
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;
use tailor_core::diffusion::images::Images;

use super::model::read as read_back;
use crate::error::Error;
use crate::system::files::read_limited;
use crate::system::output::shown;
use crate::weights::{WeightsError, WeightsFile};

/// Names of the weights in a folder that diffusers wrote.
const FILES: [&str; 2] = ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"];
/// What diffusers writes beside them.
const CONFIG: &str = "config.json";
/// Bytes of the largest such file.
const LARGEST_CONFIG: u64 = 1 << 20;
/// Added to a variance before its root is taken.
const EPSILON: f32 = 1e-6;
/// Blocks of the decoder; no autoencoder has more.
const MOST_BLOCKS: usize = 8;
/// Residual blocks in one of them.
const MOST_LAYERS: usize = 16;
/// The attention in the middle.
const ATTENTION: &str = "decoder.mid_block.attentions.0";
/// Places of latents that are decoded at a time, four of 32 × 32: the maps of one image of 256 × 256 take hundreds of
/// megabytes.
const BATCH: usize = 4 * 32 * 32;

/// What is said of an autoencoder beside its weights; each has the value of Stable Diffusion's where nothing is said.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
struct Config {
    #[serde(rename = "_class_name")]
    class: String,
    act_fn: String,
    /// Latents are what the encoder makes, less the shift, times this.
    scaling_factor: Option<f32>,
    shift_factor: Option<f32>,
    norm_num_groups: usize,
    /// Means and deviations of channels, which some pipelines apply to latents.
    latents_mean: Option<Vec<f32>>,
    latents_std: Option<Vec<f32>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            class: "AutoencoderKL".to_owned(),
            act_fn: "silu".to_owned(),
            scaling_factor: None,
            shift_factor: None,
            norm_num_groups: 32,
            latents_mean: None,
            latents_std: None,
        }
    }
}

impl Config {
    /// Stable Diffusion's, which the config files of its time leave out.
    const SCALING_FACTOR: f32 = 0.18215;

    /// Reads what diffusers wrote beside the weights.
    fn read(path: &Path) -> Result<Self, Error> {
        let refused = |reason: String| WeightsError::Autoencoder { path: path.to_owned(), reason };
        let bytes = read_limited(path, LARGEST_CONFIG)?;
        let config: Self = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
        config.check().map_err(refused)?;
        Ok(config)
    }

    /// Refuses what the decoder does not do.
    fn check(&self) -> Result<(), String> {
        let positive = |scale: f32| scale.is_finite() && scale > 0.0;
        match self {
            Self { class, .. } if class != "AutoencoderKL" => Err(format!("it is of a {class}")),
            Self { act_fn, .. } if act_fn != "silu" => Err(format!("act_fn is {act_fn}, and silu is known")),
            Self { scaling_factor: Some(scale), .. } if !positive(*scale) => {
                Err(format!("scaling_factor is {scale}, must be a number above 0"))
            }
            Self { shift_factor: Some(shift), .. } if !shift.is_finite() => {
                Err(format!("shift_factor is {shift}, must be a number"))
            }
            Self { latents_mean, latents_std, .. } if latents_mean.is_some() || latents_std.is_some() => {
                Err("latents_mean and latents_std are not known".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The tensors of a decoder, by their present names.
struct Layout(BTreeMap<String, Vec<usize>>);

impl Layout {
    /// Whether there is a layer of this name.
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(&format!("{name}.weight"))
    }

    /// Channels of a latent.
    fn channels(&self) -> usize {
        let first = if self.has("post_quant_conv") { "post_quant_conv" } else { "decoder.conv_in" };
        let weight = self.0.get(&format!("{first}.weight"));
        weight.and_then(|shape| shape.get(1).copied()).unwrap_or_default()
    }

    fn blocks(&self) -> usize {
        (0..MOST_BLOCKS).take_while(|block| self.layers(*block) > 0).count()
    }

    fn layers(&self, block: usize) -> usize {
        let is_there = |layer: &usize| self.has(&format!("{}.conv1", resnet(block, *layer)));
        (0..MOST_LAYERS).take_while(is_there).count()
    }
}

/// The decoder.
pub struct Autoencoder {
    path: PathBuf,
    layout: Layout,
    /// Each as one row.
    tensors: BTreeMap<String, Tensor<1>>,
    config: Config,
    device: Device,
}

impl Autoencoder {
    /// Reads a decoder's weights: `path` is the folder of an `AutoencoderKL` as diffusers saves it, or the file with
    /// the weights, with `config.json` beside it where latents are not scaled as Stable Diffusion's are.
    ///
    /// # Errors
    /// [`WeightsError`] for a file that holds no such decoder.
    pub fn open(path: &Path, device: &Device) -> Result<Self, Error> {
        let file = match path.is_dir() {
            true => FILES.iter().map(|name| path.join(name)).find(|file| file.exists()),
            false => Some(path.to_owned()),
        };
        let Some(file) = file else {
            let reason = format!("it has neither {} nor {}", FILES[0], FILES[1]);
            return Err(WeightsError::Autoencoder { path: path.to_owned(), reason }.into());
        };
        let refused = |reason: String| WeightsError::Autoencoder { path: file.clone(), reason };
        let config = file.with_file_name(CONFIG);
        let config = if config.exists() { Config::read(&config)? } else { Config::default() };
        let mut weights = WeightsFile::open(&file)?;
        let (mut names, mut layout) = (Vec::new(), Layout(BTreeMap::new()));
        for (name, shape) in weights.shapes() {
            if name.starts_with("decoder.") || name.starts_with("post_quant_conv.") {
                names.push(name.to_owned());
                layout.0.insert(renamed(name), shape.to_owned());
            }
        }
        // Before a value is read: what the file says of itself may be larger than memory.
        Check::of(&layout, config.norm_num_groups).map_err(refused)?;
        let mut tensors = BTreeMap::new();
        for name in names {
            let values = weights.read(&name)?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(refused(format!("{name} holds values that are not finite")).into());
            }
            let length = values.len();
            tensors.insert(renamed(&name), Tensor::from_data(TensorData::new(values, [length]), device));
        }
        Ok(Self { path: file, layout, tensors, config, device: device.clone() })
    }

    /// Refuses latents of another number of channels than this decoder's.
    ///
    /// # Errors
    /// [`Error::Refused`] names both numbers.
    pub fn fits(&self, channels: usize) -> Result<(), Error> {
        let own = self.layout.channels();
        if channels == own {
            return Ok(());
        }
        Err(Error::Refused {
            what: format!(
                "{} decodes latents of {own} channels, and the model's have {channels}",
                shown(&self.path)
            ),
            help: "name the autoencoder whose latents the model learned from".to_owned(),
        })
    }

    /// Pixels of an image's side for one of a latent's.
    pub fn factor(&self) -> usize {
        let layout = &self.layout;
        1 << (0..layout.blocks()).filter(|block| layout.has(&upsampler(*block))).count()
    }

    /// The images of these latents.
    ///
    /// # Shapes
    /// `[B, C, h, w]` to `[B, 3, H, W]`, values mostly in `[-1, 1]`.
    ///
    /// # Errors
    /// [`Error::Refused`] for latents of another number of channels, and when the device fails.
    pub fn decode(&self, latents: &Images) -> Result<Images, Error> {
        let [b, c, h, w] = latents.shape;
        self.fits(c)?;
        let factor = self.factor();
        let mut images = Images::new([0, 3, h * factor, w * factor], Vec::new());
        let at_a_time = (BATCH / (h * w).max(1)).max(1);
        for start in (0..b).step_by(at_a_time) {
            let part = latents.part(start..b.min(start + at_a_time));
            let x = Tensor::<4>::from_data(TensorData::new(part.values, part.shape), &self.device);
            let decoded = read_back(&self.forward(x))?;
            images.shape[0] += decoded.shape[0];
            images.values.extend(decoded.values);
        }
        Ok(images)
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let scale = self.config.scaling_factor.unwrap_or(Config::SCALING_FACTOR);
        let mut x = x / scale + self.config.shift_factor.unwrap_or(0.0);
        if self.layout.has("post_quant_conv") {
            x = self.convolve("post_quant_conv", x);
        }
        x = self.convolve("decoder.conv_in", x);
        x = self.residual("decoder.mid_block.resnets.0", x);
        if self.layout.has(&format!("{ATTENTION}.to_q")) {
            x = self.attend(x);
        }
        x = self.residual("decoder.mid_block.resnets.1", x);
        for block in 0..self.layout.blocks() {
            for layer in 0..self.layout.layers(block) {
                x = self.residual(&resnet(block, layer), x);
            }
            let upsampler = upsampler(block);
            if self.layout.has(&upsampler) {
                let twice = InterpolateOptions::new(InterpolateMode::Nearest).with_scale_factor([2.0, 2.0]);
                x = self.convolve(&upsampler, interpolate(x, twice));
            }
        }
        self.convolve("decoder.conv_out", silu(self.normalise("decoder.conv_norm_out", x)))
    }

    /// Two convolutions, added to what came in.
    fn residual(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let part = |part: &str| format!("{name}.{part}");
        let shortcut = part("conv_shortcut");
        let own = if self.layout.has(&shortcut) { self.convolve(&shortcut, x.clone()) } else { x.clone() };
        let h = self.convolve(&part("conv1"), silu(self.normalise(&part("norm1"), x)));
        own + self.convolve(&part("conv2"), silu(self.normalise(&part("norm2"), h)))
    }

    /// Attention of one head over all places, added to what came in.
    fn attend(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let places = self.normalise(&format!("{ATTENTION}.group_norm"), x.clone());
        let places = places.reshape([b, c, h * w]).swap_dims(1, 2);
        let project = |part: &str, x: Tensor<3>| {
            let name = format!("{ATTENTION}.{part}");
            let weight = self.tensor::<2>(&format!("{name}.weight"), [c, c]).transpose();
            x.matmul(weight.unsqueeze()) + self.tensor::<1>(&format!("{name}.bias"), [c]).reshape([1, 1, c])
        };
        let [q, k, v] = ["to_q", "to_k", "to_v"].map(|part| project(part, places.clone()));
        let weights = softmax(q.matmul(k.swap_dims(1, 2)) / (c as f32).sqrt(), 2);
        x + project("to_out.0", weights.matmul(v)).swap_dims(1, 2).reshape([b, c, h, w])
    }

    /// A convolution that keeps height and width.
    fn convolve(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let weight = format!("{name}.weight");
        let [o, i, h, w] = self.shape(&weight);
        let bias = self.tensor::<1>(&format!("{name}.bias"), [o]);
        let options = ConvOptions::new([1, 1], [h / 2, w / 2], [1, 1], 1);
        conv2d(x, self.tensor::<4>(&weight, [o, i, h, w]), Some(bias), options)
    }

    /// Group normalisation.
    fn normalise(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let groups = self.config.norm_num_groups;
        let x = x.reshape([b, groups, c / groups * h * w]);
        let x = x.clone() - x.mean_dim(2);
        let variance = x.clone().square().mean_dim(2);
        let x = (x / (variance + EPSILON).sqrt()).reshape([b, c, h, w]);
        let of_channels = |part: &str| self.tensor::<1>(&format!("{name}.{part}"), [c]).reshape([1, c, 1, 1]);
        x * of_channels("weight") + of_channels("bias")
    }

    /// The shape of a tensor that [`Check`] has found.
    fn shape<const D: usize>(&self, name: &str) -> [usize; D] {
        let shape = self.layout.0.get(name).and_then(|shape| shape[..].try_into().ok());
        shape.unwrap_or_else(|| unreachable!("{name} was checked"))
    }

    fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D> {
        let Some(row) = self.tensors.get(name) else { unreachable!("{name} was checked") };
        row.clone().reshape(shape)
    }
}

/// Goes through the network as [`Autoencoder::forward`] does, with numbers of channels instead of maps, and refuses
/// weights with which that would fail or leave a tensor out.
struct Check<'a> {
    layout: &'a Layout,
    groups: usize,
    used: BTreeSet<String>,
}

impl<'a> Check<'a> {
    fn of(layout: &'a Layout, groups: usize) -> Result<(), String> {
        let mut check = Self { layout, groups, used: BTreeSet::new() };
        let made = check.all()?;
        if made != 3 {
            return Err(format!("it makes images of {made} channels"));
        }
        match layout.0.keys().find(|name| !check.used.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(format!("nothing here uses {name}")),
        }
    }

    /// The number of channels that come out.
    fn all(&mut self) -> Result<usize, String> {
        let layout = self.layout;
        let mut c = layout.channels();
        if layout.has("post_quant_conv") {
            c = self.convolution("post_quant_conv", c)?;
        }
        c = self.convolution("decoder.conv_in", c)?;
        c = self.residual("decoder.mid_block.resnets.0", c)?;
        if layout.has(&format!("{ATTENTION}.to_q")) {
            self.normalisation(&format!("{ATTENTION}.group_norm"), c)?;
            for part in ["to_q", "to_k", "to_v", "to_out.0"] {
                self.tensor(&format!("{ATTENTION}.{part}.weight"), &[c, c])?;
                self.tensor(&format!("{ATTENTION}.{part}.bias"), &[c])?;
            }
        }
        c = self.residual("decoder.mid_block.resnets.1", c)?;
        if layout.blocks() == 0 {
            return Err(missing(&format!("{}.conv1.weight", resnet(0, 0))));
        }
        for block in 0..layout.blocks() {
            for layer in 0..layout.layers(block) {
                c = self.residual(&resnet(block, layer), c)?;
            }
            if layout.has(&upsampler(block)) {
                c = self.convolution(&upsampler(block), c)?;
            }
        }
        self.normalisation("decoder.conv_norm_out", c)?;
        self.convolution("decoder.conv_out", c)
    }

    fn residual(&mut self, name: &str, before: usize) -> Result<usize, String> {
        self.normalisation(&format!("{name}.norm1"), before)?;
        let c = self.convolution(&format!("{name}.conv1"), before)?;
        self.normalisation(&format!("{name}.norm2"), c)?;
        let c = self.convolution(&format!("{name}.conv2"), c)?;
        let shortcut = format!("{name}.conv_shortcut");
        let own = if self.layout.has(&shortcut) { self.convolution(&shortcut, before)? } else { before };
        if own == c { Ok(c) } else { Err(missing(&format!("{shortcut}.weight"))) }
    }

    fn convolution(&mut self, name: &str, before: usize) -> Result<usize, String> {
        let weight = format!("{name}.weight");
        let shape = self.layout.0.get(&weight).ok_or_else(|| missing(&weight))?;
        match shape[..] {
            [o, i, h, w] if o > 0 && i > 0 && i == before && h == w && matches!(h, 1 | 3) => {
                self.used.insert(weight);
                self.tensor(&format!("{name}.bias"), &[o])?;
                Ok(o)
            }
            _ => Err(format!("{weight} is {shape:?}, must be of {before} channels with a kernel of 1 or 3")),
        }
    }

    fn normalisation(&mut self, name: &str, c: usize) -> Result<(), String> {
        let groups = self.groups;
        if groups == 0 || !c.is_multiple_of(groups) {
            return Err(format!("{c} channels are not normalised in {groups} groups"));
        }
        ["weight", "bias"].iter().try_for_each(|part| self.tensor(&format!("{name}.{part}"), &[c]))
    }

    fn tensor(&mut self, name: &str, wanted: &[usize]) -> Result<(), String> {
        let shape = self.layout.0.get(name).ok_or_else(|| missing(name))?;
        if shape != wanted {
            return Err(format!("{name} is {shape:?}, must be {wanted:?}"));
        }
        self.used.insert(name.to_owned());
        Ok(())
    }
}

fn resnet(block: usize, layer: usize) -> String {
    format!("decoder.up_blocks.{block}.resnets.{layer}")
}

fn upsampler(block: usize) -> String {
    format!("decoder.up_blocks.{block}.upsamplers.0.conv")
}

fn missing(name: &str) -> String {
    format!("there is no {name}")
}

/// The present name of a tensor: files of 2022, Stable Diffusion's among them, call attention's layers otherwise.
fn renamed(name: &str) -> String {
    let names =
        [(".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0.")];
    names.iter().fold(name.to_owned(), |name, (before, now)| name.replace(before, now))
}
