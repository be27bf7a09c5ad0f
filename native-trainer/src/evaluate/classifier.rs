//! A small convolutional reader of images, trained on real ones to judge samples.
//!
//! Three 3×3 convolutions of stride 2 and one linear layer. It is a measuring instrument: its own
//! accuracy on sources it never saw stands beside every figure made with it.

use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Int, Tensor, TensorData, module};
use rand::seq::SliceRandom;
use tailor_core::diffusion::noise::{Stream, generator, standard_normal};

use crate::data::Dataset;
use crate::train::graph::DenseState;
use tailor_core::engine::adamw::{AdamW, Update};

/// Channels after each convolution.
const CHANNELS: [usize; 3] = [24, 48, 96];
const BATCH: usize = 128;
const RATE: f64 = 2e-3;

/// Values that describe an image for the Fréchet distance: the last convolution's channels, each averaged
/// over the image.
pub const FEATURES: usize = CHANNELS[2];

/// What the reader makes of some images.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The likeliest class of each.
    pub answers: Vec<usize>,
    /// [`FEATURES`] values of each.
    pub features: Vec<f32>,
}

/// The reader.
pub struct Classifier {
    parameters: Vec<DenseState>,
    shapes: Vec<Vec<usize>>,
    size: usize,
    channels: usize,
    device: Device,
}

impl Classifier {
    /// Trains on the images at `indices` for `epochs` passes; `progress` is told each step of all.
    pub fn train(
        data: &Dataset,
        indices: &[usize],
        epochs: usize,
        seed: u64,
        device: &Device,
        mut progress: impl FnMut(usize, usize),
    ) -> Self {
        let mut reader = Self::new(data.channels, data.size, data.classes.len(), seed, device);
        let adamw = AdamW { beta2: 0.999, weight_decay: 0.01, ..AdamW::default() };
        let steps = epochs * indices.len().div_ceil(BATCH);
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
        let mut shapes = Vec::new();
        let (mut before, mut side) = (channels, size);
        for after in CHANNELS {
            shapes.extend([vec![after, before, 3, 3], vec![after]]);
            (before, side) = (after, side.div_ceil(2));
        }
        shapes.extend([vec![before * side * side, classes], vec![classes]]);
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

    /// What the reader makes of images `[B, C, H, W]` in `[-1, 1]`, flat.
    pub fn read(&self, images: &[f32]) -> Reading {
        let n = self.channels * self.size * self.size;
        let parameters: Vec<Tensor<1>> = self.parameters.iter().map(|s| s.parameter.clone()).collect();
        let classes = self.shapes.last().map_or(1, |s| s[0]);
        let best = |row: &[f32]| {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.map_or(0, |(class, _)| class)
        };
        let values = |data: TensorData| data.convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
        let mut reading = Reading::default();
        for batch in images.chunks(n * 256) {
            let maps = self.maps(&parameters, batch.to_vec(), batch.len() / n, &self.device);
            let features = maps.clone().mean_dims(&[2, 3]);
            let scores = values(self.scores(&parameters, maps).into_data());
            reading.answers.extend(scores.chunks_exact(classes).map(best));
            reading.features.extend(values(features.into_data()));
        }
        reading
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
