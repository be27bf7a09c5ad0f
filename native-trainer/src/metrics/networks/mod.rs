//! Networks that describe images, by whose features and class predictions samples are judged.

pub mod dinov2;
pub mod inception;
pub mod weights;

use std::path::Path;

use burn::tensor::{Device, Tensor};
use tailor_core::diffusion::images::Images;

use self::dinov2::DinoV2;
use self::inception::Inception;
use self::weights::{NetworkError, read};
use super::table::Table;
use crate::system::grid::to_pixel;

/// What a network makes of some images. A table that the network does not have is empty.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What describes an image, for Fréchet distance, precision and recall.
    pub features: Table,
    /// What describes an image with the places of things in it, for sFID.
    pub spatial: Table,
    /// A score for each class, before any softmax.
    pub scores: Table,
}

impl Reading {
    /// Adds what was made of further images by the same network.
    pub fn extend(&mut self, other: Reading) {
        self.features.extend(other.features);
        self.spatial.extend(other.spatial);
        self.scores.extend(other.scores);
    }

    /// The likeliest class of each image.
    pub fn answers(&self) -> Vec<usize> {
        let best = |row: &[f32]| {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.map_or(0, |(class, _)| class)
        };
        (0..self.scores.rows()).map(|i| best(self.scores.row(i))).collect()
    }
}

/// Images in, features and class predictions out.
pub trait Network {
    /// The network's name in reports.
    fn name(&self) -> &'static str;

    /// Values that describe an image.
    fn features(&self) -> usize;

    /// Values that describe an image with the places of things in it; zero where there are none.
    fn spatial(&self) -> usize;

    /// Classes that it tells apart; zero where it knows no classes.
    fn classes(&self) -> usize;

    /// Reads images with values in `[-1, 1]`.
    fn read(&self, images: &Images) -> Reading;
}

/// The network whose weights are in the file at `path`.
///
/// # Errors
/// [`NetworkError`] for a file that cannot be read, is no safetensors file, or holds another network.
pub fn load(path: &Path, device: &Device) -> Result<Box<dyn Network>, NetworkError> {
    read(path, |weights| {
        if Inception::is_in(weights) {
            Ok(Box::new(Inception::new(weights, device)?) as Box<dyn Network>)
        } else if DinoV2::is_in(weights) {
            Ok(Box::new(DinoV2::new(weights, device)?))
        } else {
            Err(weights.unknown())
        }
    })
}

/// Image number `i` as bytes, `[3, H, W]`: what a file of it would hold. Grey becomes three equal channels.
fn pixels(images: &Images, i: usize) -> Vec<u8> {
    let [_, c, h, w] = images.shape;
    let image = images.image(i);
    let channel = |channel: usize| image[channel.min(c - 1) * h * w..][..h * w].iter().map(|v| to_pixel(*v));
    (0..3).flat_map(channel).collect()
}

/// The values of a tensor on a device.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("converted to f32"))
}
