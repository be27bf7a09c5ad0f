//! A small convolutional reader of images, trained on real ones to judge samples.
//!
//! Three 3×3 convolutions of stride 2 and one linear layer. It is a measuring instrument: its own
//! accuracy on sources it never saw stands beside every figure made with it.

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Int, Tensor, TensorData, module};
use rand::seq::SliceRandom;
use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};
use tailor_core::diffusion::images::Images;
use tailor_core::diffusion::noise::{Stream, generator, standard_normal};
use tailor_core::engine::adamw::{AdamW, Update};
use tailor_packs::Digest;

use crate::data::Dataset;
use crate::metrics::networks::weights::{NetworkError, read};
use crate::metrics::networks::{Network, Reading, values};
use crate::metrics::table::Table;
use crate::settings::evaluate::EvaluateSettings;
use crate::system::output;
use crate::train::graph::DenseState;

/// Channels after each convolution.
const CHANNELS: [usize; 3] = [24, 48, 96];
const BATCH: usize = 128;
const RATE: f64 = 2e-3;
/// Images that are read at a time.
const READ: usize = 256;

/// Values that describe an image for the Fréchet distance: the last convolution's channels, each averaged
/// over the image.
pub const FEATURES: usize = CHANNELS[2];

/// The reader's name in reports.
pub const NAME: &str = "the classifier";

/// Entries of a file's metadata: the images that its classifier was trained for, their classes, and the sources that it
/// has not seen.
const KEYS: [&str; 3] = ["tailor.images", "tailor.classes", SOURCES];

/// Of these the one that classifiers of before do not have.
const SOURCES: &str = "tailor.sources";

/// The reader.
pub struct Classifier {
    parameters: Vec<DenseState>,
    shapes: Vec<Vec<usize>>,
    size: usize,
    channels: usize,
    device: Device,
}

impl Classifier {
    /// Trains on the images at `indices` for `epochs` passes, without a number for as many as settings say;
    /// `progress` is told each step of all.
    pub fn train(
        data: &Dataset,
        indices: &[usize],
        epochs: Option<usize>,
        seed: u64,
        device: &Device,
        mut progress: impl FnMut(usize, usize),
    ) -> Self {
        let mut reader = Self::new(data.channels, data.size, data.classes.len(), seed, device);
        let adamw = AdamW { beta2: 0.999, weight_decay: 0.01, ..AdamW::default() };
        let of_a_pass = indices.len().div_ceil(BATCH).max(1);
        let least = EvaluateSettings::LEAST_STEPS.div_ceil(of_a_pass);
        let epochs = epochs.unwrap_or(least.max(EvaluateSettings::EPOCHS));
        let steps = epochs * of_a_pass;
        let mut step = 0;
        for epoch in 0..epochs {
            let mut order = indices.to_vec();
            order.shuffle(&mut generator(seed, Stream::ClassifierImages(epoch as u32)));
            for batch in order.chunks(BATCH) {
                step += 1;
                let lr = RATE * (1.0 - (step - 1) as f64 / steps as f64);
                let labels: Vec<i32> = batch.iter().map(|&i| data.labels[i] as i32).collect();
                reader.step(data.batch(batch), labels, lr, step as u64, &adamw);
                progress(step, steps);
            }
        }
        reader
    }

    fn new(channels: usize, size: usize, classes: usize, seed: u64, device: &Device) -> Self {
        let shapes = shapes(channels, size, classes);
        let initial = |(i, shape): (usize, &Vec<usize>)| {
            let n = shape.iter().product::<usize>();
            let fan_in = if shape.len() == 2 { shape[0] } else { n / shape[0] };
            let scale = if shape.len() == 1 { 0.0 } else { (2.0 / fan_in as f32).sqrt() };
            let values = standard_normal(seed, Stream::Classifier(i as u32), n);
            DenseState::new(values.into_iter().map(|v| v * scale).collect(), device)
        };
        let parameters = shapes.iter().enumerate().map(initial).collect();
        Self { parameters, shapes, size, channels, device: device.clone() }
    }

    fn step(&mut self, images: Vec<f32>, labels: Vec<i32>, lr: f64, number: u64, adamw: &AdamW) {
        let b = labels.len();
        let device = self.device.clone().autodiff();
        let leaves: Vec<Tensor<1>> =
            self.parameters.iter().map(|s| s.parameter.clone().autodiff().require_grad()).collect();
        let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [b, 1]), &device);
        let scores = log_softmax(self.forward(&leaves, images, b, &device), 1);
        let mut gradients = scores.gather(1, labels).mean().neg().backward();
        let update = Update { learning_rate: lr, scale: 1.0, ema_clock: 0.0, decay: 0.0 };
        for (state, leaf) in self.parameters.iter_mut().zip(&leaves) {
            if let Some(gradient) = leaf.grad_remove(&mut gradients) {
                state.update(gradient, number, adamw, &update);
            }
        }
    }

    /// Writes the weights to `path`, for [`Classifier::load`].
    ///
    /// # Errors
    /// [`WriteError`](crate::system::files::WriteError) names the file.
    pub fn save(&self, path: &Path, data: &Dataset, hold_out: usize) -> Result<(), crate::Error> {
        let bytes = |state: &DenseState| -> Vec<u8> {
            values(state.parameter.clone()).into_iter().flat_map(f32::to_le_bytes).collect()
        };
        let tensors: Vec<Vec<u8>> = self.parameters.iter().map(bytes).collect();
        let views = tensors.iter().enumerate().map(|(i, data)| {
            TensorView::new(Dtype::F32, self.shapes[i].clone(), data).map(|view| (name_of(i), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>();
        let about = KEYS.map(str::to_owned).into_iter().zip(trained_for(data, hold_out)).collect();
        let file = views.and_then(|views| serialize(views, Some(about)));
        let file = file.unwrap_or_else(|_| unreachable!("tensors as long as their shapes"));
        Ok(output::write(path, &file)?)
    }

    /// Reads a classifier that was trained for the classes of `data` with the same sources held out.
    ///
    /// # Errors
    /// [`NetworkError`] for a file that holds no classifier, or one that was trained for something else.
    pub fn load(path: &Path, data: &Dataset, hold_out: usize, device: &Device) -> Result<Self, NetworkError> {
        read(path, |weights| {
            for (key, wanted) in KEYS.into_iter().zip(trained_for(data, hold_out)) {
                let found = match weights.metadata(key) {
                    Some(found) => found,
                    None if key == SOURCES => continue,
                    None => return Err(weights.unknown()),
                };
                if found != wanted {
                    let what = format!("that was trained for {}, not for {}", short(found), short(&wanted));
                    return Err(NetworkError::OtherClassifier { path: path.to_owned(), what });
                }
            }
            let shapes = shapes(data.channels, data.size, data.classes.len());
            let parameter = |(i, shape): (usize, &Vec<usize>)| {
                Ok(DenseState::new(weights.values(NAME, &name_of(i), shape)?, device))
            };
            let parameters = shapes.iter().enumerate().map(parameter).collect::<Result<_, NetworkError>>()?;
            Ok(Self { parameters, shapes, size: data.size, channels: data.channels, device: device.clone() })
        })
    }

    /// Scores `[B, K]`.
    fn forward(&self, parameters: &[Tensor<1>], images: Vec<f32>, b: usize, device: &Device) -> Tensor<2> {
        self.scores(parameters, self.maps(parameters, images, b, device))
    }

    /// What the last convolution finds, `[B, FEATURES, S, S]`.
    fn maps(&self, parameters: &[Tensor<1>], images: Vec<f32>, b: usize, device: &Device) -> Tensor<4> {
        let shape = [b, self.channels, self.size, self.size];
        let mut x = Tensor::<4>::from_data(TensorData::new(images, shape), device);
        for layer in 0..CHANNELS.len() {
            let s = &self.shapes[2 * layer];
            let weight = parameters[2 * layer].clone().reshape([s[0], s[1], 3, 3]);
            let bias = Some(parameters[2 * layer + 1].clone());
            x = relu(module::conv2d(x, weight, bias, ConvOptions::new([2, 2], [1, 1], [1, 1], 1)));
        }
        x
    }

    fn scores(&self, parameters: &[Tensor<1>], maps: Tensor<4>) -> Tensor<2> {
        let last = 2 * CHANNELS.len();
        let [inputs, classes] = [self.shapes[last][0], self.shapes[last][1]];
        let weight = parameters[last].clone().reshape([inputs, classes]);
        let b = maps.dims()[0];
        module::linear(maps.reshape([b, inputs]), weight, Some(parameters[last + 1].clone()))
    }
}

impl Network for Classifier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> usize {
        FEATURES
    }

    fn spatial(&self) -> usize {
        spatial(self.size)
    }

    fn classes(&self) -> usize {
        self.shapes.last().map_or(0, |shape| shape[0])
    }

    fn read(&self, images: &Images) -> Reading {
        let parameters: Vec<Tensor<1>> = self.parameters.iter().map(|s| s.parameter.clone()).collect();
        let mut reading = Reading::default();
        for start in (0..images.shape[0]).step_by(READ) {
            let part = images.part(start..images.shape[0].min(start + READ));
            let b = part.shape[0];
            let maps = self.maps(&parameters, part.values, b, &self.device);
            let places = maps.dims()[2] * maps.dims()[3];
            let spatial = maps.clone().slice([0..b, 0..self.spatial() / places]).permute([0, 2, 3, 1]);
            reading.extend(Reading {
                features: Table::new(FEATURES, values(maps.clone().mean_dims(&[2, 3]))),
                spatial: Table::new(self.spatial(), values(spatial)),
                scores: Table::new(self.classes(), values(self.scores(&parameters, maps))),
            });
        }
        reading
    }
}

/// Height and width of the last maps of images of this size.
fn last_side(size: usize) -> usize {
    CHANNELS.iter().fold(size, |side, _| side.div_ceil(2))
}

/// Values that describe an image of this size with its places: so many of the first channels of the last maps
/// as make about as many values as [`FEATURES`], at least one channel.
pub fn spatial(size: usize) -> usize {
    let places = last_side(size).pow(2);
    (FEATURES / places.max(1)).max(1) * places
}

/// Shape of each parameter: weight and bias of each convolution, then of the last layer.
fn shapes(channels: usize, size: usize, classes: usize) -> Vec<Vec<usize>> {
    let mut shapes = Vec::new();
    let mut before = channels;
    for after in CHANNELS {
        shapes.extend([vec![after, before, 3, 3], vec![after]]);
        before = after;
    }
    shapes.extend([vec![before * last_side(size).pow(2), classes], vec![classes]]);
    shapes
}

/// The name in a file of parameter number `i`.
fn name_of(i: usize) -> String {
    format!("{}.{}", i / 2, ["weight", "bias"][i % 2])
}

/// What a classifier is trained for, by [`KEYS`]: it reads only images of one shape and these classes, and its
/// accuracy is honest only on sources that its training held out.
fn trained_for(data: &Dataset, hold_out: usize) -> [String; 3] {
    let [c, s] = [data.channels, data.size];
    let sources = held_out(data, hold_out);
    let names: String = sources.iter().map(|source| format!("{source}\0")).collect();
    let digest = Digest::of(names.as_bytes()).short();
    let ids: Vec<&str> = data.classes.iter().map(|class| class.id.as_str()).collect();
    [
        format!("images of {c} × {s} × {s} with one source in {hold_out} held out"),
        format!("{} classes: {}", ids.len(), ids.join(" ")),
        format!(
            "images of which {} sources were held out (their names' digest is {})",
            sources.len(),
            digest
        ),
    ]
}

/// The sources of which no image trains a classifier: of all names in order the first, and then one in so many.
pub fn held_out(data: &Dataset, hold_out: usize) -> BTreeSet<&String> {
    data.sources.iter().collect::<BTreeSet<_>>().into_iter().step_by(hold_out).collect()
}

/// The beginning of a long list.
fn short(words: &str) -> String {
    match words.char_indices().nth(100) {
        Some((end, _)) => format!("{} …", &words[..end]),
        None => words.to_owned(),
    }
}
