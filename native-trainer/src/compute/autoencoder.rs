//! The decoder of an autoencoder, which makes images of the latents that a model learned from.
//!
//! It is the one of `AutoencoderKL` in diffusers (Rombach et al. 2022), which Stable Diffusion's weights come
//! in: convolutions with residual blocks, one layer of attention in the middle, and maps that double in size
//! from block to block. Its sizes are read from the weights.

use std::collections::BTreeMap;
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
/// Latents at a time: the maps of one image of 256 × 256 take hundreds of megabytes.
const BATCH: usize = 4;

/// What is said of an autoencoder beside its weights; each has the value of Stable Diffusion's where nothing is said.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
struct Config {
    /// Latents are what the encoder makes, less the shift, times this.
    scaling_factor: Option<f32>,
    shift_factor: Option<f32>,
    norm_num_groups: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { scaling_factor: None, shift_factor: None, norm_num_groups: 32 }
    }
}

impl Config {
    /// Stable Diffusion's, which the config files of its time leave out.
    const SCALING_FACTOR: f32 = 0.18215;
}

/// The decoder.
pub struct Autoencoder {
    path: PathBuf,
    /// Each with its shape, as one row.
    tensors: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
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
        let config = file.with_file_name(CONFIG);
        let config = if config.exists() { read_config(&config)? } else { Config::default() };
        let mut weights = WeightsFile::open(&file)?;
        let shapes: Vec<(String, Vec<usize>)> = weights
            .shapes()
            .into_iter()
            .filter(|(name, _)| name.starts_with("decoder.") || name.starts_with("post_quant_conv."))
            .map(|(name, shape)| (name.to_owned(), shape.to_owned()))
            .collect();
        let mut tensors = BTreeMap::new();
        for (name, shape) in shapes {
            let values = weights.read(&name)?;
            if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
                let reason = format!("{name} is empty or holds values that are not finite");
                return Err(WeightsError::Autoencoder { path: file, reason }.into());
            }
            let row = TensorData::new(values, [shape.iter().product::<usize>()]);
            tensors.insert(renamed(&name), (shape, Tensor::from_data(row, device)));
        }
        let decoder = Self { path: file, tensors, config, device: device.clone() };
        decoder.check()?;
        Ok(decoder)
    }

    /// Channels of a latent.
    pub fn channels(&self) -> usize {
        let first = if self.has("post_quant_conv") { "post_quant_conv" } else { "decoder.conv_in" };
        let weight = self.tensors.get(&format!("{first}.weight"));
        weight.and_then(|(shape, _)| shape.get(1).copied()).unwrap_or_default()
    }

    /// Pixels of an image's side for one of a latent's.
    pub fn factor(&self) -> usize {
        1 << (0..self.blocks()).filter(|block| self.has(&upsampler(*block))).count()
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
        if c != self.channels() {
            return Err(Error::Refused {
                what: format!(
                    "{} decodes latents of {} channels, and these have {c}",
                    shown(&self.path),
                    self.channels()
                ),
                help: "name the autoencoder whose latents the model learned from".to_owned(),
            });
        }
        let factor = self.factor();
        let mut images = Images::new([0, 3, h * factor, w * factor], Vec::new());
        for start in (0..b).step_by(BATCH) {
            let part = latents.part(start..b.min(start + BATCH));
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
        if self.has("post_quant_conv") {
            x = self.convolve("post_quant_conv", x);
        }
        x = self.convolve("decoder.conv_in", x);
        x = self.residual("decoder.mid_block.resnets.0", x);
        if self.has(&format!("{ATTENTION}.to_q")) {
            x = self.attend(x);
        }
        x = self.residual("decoder.mid_block.resnets.1", x);
        for block in 0..self.blocks() {
            for layer in 0..self.layers(block) {
                x = self.residual(&resnet(block, layer), x);
            }
            let upsampler = upsampler(block);
            if self.has(&upsampler) {
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
        let own = if self.has(&shortcut) { self.convolve(&shortcut, x.clone()) } else { x.clone() };
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

    /// Whether there is a layer of this name.
    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(&format!("{name}.weight"))
    }

    fn blocks(&self) -> usize {
        (0..MOST_BLOCKS).take_while(|block| self.layers(*block) > 0).count()
    }

    fn layers(&self, block: usize) -> usize {
        let is_there = |layer: &usize| self.has(&format!("{}.conv1", resnet(block, *layer)));
        (0..MOST_LAYERS).take_while(is_there).count()
    }

    /// The shape of a tensor that [`Self::check`] has found.
    fn shape<const D: usize>(&self, name: &str) -> [usize; D] {
        let shape = self.tensors.get(name).and_then(|(shape, _)| shape[..].try_into().ok());
        shape.unwrap_or_else(|| unreachable!("{name} was checked"))
    }

    fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D> {
        let Some((_, row)) = self.tensors.get(name) else { unreachable!("{name} was checked") };
        row.clone().reshape(shape)
    }

    /// Refuses weights with which [`Self::forward`] would fail.
    fn check(&self) -> Result<(), Error> {
        let mut check = Check { decoder: self, channels: 0 };
        check.all().map_err(|reason| WeightsError::Autoencoder { path: self.path.clone(), reason }.into())
    }
}

/// Goes through the network as [`Autoencoder::forward`] does, with numbers of channels instead of maps.
struct Check<'a> {
    decoder: &'a Autoencoder,
    /// Channels of the maps so far.
    channels: usize,
}

impl Check<'_> {
    fn all(&mut self) -> Result<(), String> {
        let decoder = self.decoder;
        self.channels = decoder.channels();
        if decoder.has("post_quant_conv") {
            self.convolution("post_quant_conv")?;
        }
        self.convolution("decoder.conv_in")?;
        self.residual("decoder.mid_block.resnets.0")?;
        if decoder.has(&format!("{ATTENTION}.to_q")) {
            self.normalisation(&format!("{ATTENTION}.group_norm"))?;
            for part in ["to_q", "to_k", "to_v", "to_out.0"] {
                let name = format!("{ATTENTION}.{part}");
                self.tensor(&format!("{name}.weight"), &[self.channels, self.channels])?;
                self.tensor(&format!("{name}.bias"), &[self.channels])?;
            }
        }
        self.residual("decoder.mid_block.resnets.1")?;
        if decoder.blocks() == 0 {
            return Err(missing(&format!("{}.conv1.weight", resnet(0, 0))));
        }
        for block in 0..decoder.blocks() {
            for layer in 0..decoder.layers(block) {
                self.residual(&resnet(block, layer))?;
            }
            if decoder.has(&upsampler(block)) {
                self.convolution(&upsampler(block))?;
            }
        }
        self.normalisation("decoder.conv_norm_out")?;
        self.convolution("decoder.conv_out")?;
        match self.channels {
            3 => Ok(()),
            other => Err(format!("it makes images of {other} channels")),
        }
    }

    fn residual(&mut self, name: &str) -> Result<(), String> {
        let before = self.channels;
        self.normalisation(&format!("{name}.norm1"))?;
        self.convolution(&format!("{name}.conv1"))?;
        self.normalisation(&format!("{name}.norm2"))?;
        self.convolution(&format!("{name}.conv2"))?;
        let shortcut = format!("{name}.conv_shortcut");
        let mut own = Check { decoder: self.decoder, channels: before };
        if self.decoder.has(&shortcut) {
            own.convolution(&shortcut)?;
        }
        match own.channels == self.channels {
            true => Ok(()),
            false => Err(missing(&format!("{shortcut}.weight"))),
        }
    }

    fn convolution(&mut self, name: &str) -> Result<(), String> {
        let weight = format!("{name}.weight");
        let (shape, _) = self.decoder.tensors.get(&weight).ok_or_else(|| missing(&weight))?;
        match shape[..] {
            [o, i, h, w] if i == self.channels && h == w && matches!(h, 1 | 3) => {
                self.tensor(&format!("{name}.bias"), &[o])?;
                self.channels = o;
                Ok(())
            }
            _ => Err(format!(
                "{weight} is {shape:?}, must be of {} channels with a kernel of 1 or 3",
                self.channels
            )),
        }
    }

    fn normalisation(&self, name: &str) -> Result<(), String> {
        let groups = self.decoder.config.norm_num_groups;
        if groups == 0 || !self.channels.is_multiple_of(groups) {
            return Err(format!("{} channels are not normalised in {groups} groups", self.channels));
        }
        ["weight", "bias"]
            .iter()
            .try_for_each(|part| self.tensor(&format!("{name}.{part}"), &[self.channels]))
    }

    fn tensor(&self, name: &str, wanted: &[usize]) -> Result<(), String> {
        let (shape, _) = self.decoder.tensors.get(name).ok_or_else(|| missing(name))?;
        match shape == wanted {
            true => Ok(()),
            false => Err(format!("{name} is {shape:?}, must be {wanted:?}")),
        }
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

fn read_config(path: &Path) -> Result<Config, Error> {
    let bytes = read_limited(path, LARGEST_CONFIG)?;
    let damaged = |reason: String| WeightsError::Autoencoder { path: path.to_owned(), reason };
    let config: Config = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    match config.scaling_factor.is_none_or(|scale| scale.is_finite() && scale > 0.0) {
        true => Ok(config),
        false => Err(damaged("scaling_factor must be a number above 0".to_owned()).into()),
    }
}
