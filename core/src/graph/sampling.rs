//! A learngene with its tailors on one of Burn's devices, ready to sample.

use burn::tensor::{Device, Tensor, TensorData};
use tailor_packs::{ModelConfig, TensorSpec, Tensors};

use super::dit::Dit;
use super::factored::{GatedTailors, TailorStack};
use super::parameters::Parameters;
use crate::diffusion::images::{Combine, Images};
use crate::diffusion::sampling::Predict;
use crate::diffusion::shortcut::Moment;
use crate::model::Gate;
use crate::model::{KNOWN, ModelError, Tailors, values};

impl Combine for Tensor<4> {
    fn combine(&self, p: f64, other: &Self, q: f64) -> Self {
        if p == 0.0 {
            return other.clone() * q;
        }
        if q == 0.0 {
            return self.clone() * p;
        }
        self.clone() * p + other.clone() * q
    }

    fn twice(&self) -> Self {
        Tensor::cat(vec![self.clone(), self.clone()], 0)
    }

    fn halves(&self) -> (Self, Self) {
        let n = self.dims()[0] / 2;
        (self.clone().narrow(0, 0, n), self.clone().narrow(0, n, n))
    }

    fn clamped(&self) -> Self {
        self.clone().clamp(-1.0, 1.0)
    }
}

/// A learngene on a device, with the tailors that were put onto it.
#[derive(Clone, Debug)]
pub struct Model {
    config: ModelConfig,
    device: Device,
    dit: Dit,
    // Kept on the host: a sampling run uploads only the tailors it asks for.
    tailors: Tailors,
}

impl Model {
    /// Puts a learngene's tensors on `device`.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a config that this engine cannot compute; [`ModelError::Tensor`]
    /// for a tensor that is missing or of another shape.
    pub fn new(config: &ModelConfig, learngene: &Tensors, device: &Device) -> Result<Self, ModelError> {
        config.validate()?;
        config.supported_by("this engine", &KNOWN)?;
        let specs = config.learngene_tensors();
        let upload = |spec: &TensorSpec| {
            let values = values(learngene, spec)?.to_vec();
            Ok(Tensor::<1>::from_data(TensorData::new(values, [spec.len()]), device))
        };
        let flat = specs.iter().map(upload).collect::<Result<Vec<_>, ModelError>>()?;
        let dit = Dit::new(config, &Parameters::new(&specs, flat), device);
        Ok(Self { config: config.clone(), device: device.clone(), dit, tailors: Tailors::default() })
    }

    /// Returns the tailor of `class`.
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`] when it is not loaded.
    pub fn tailor(&self, class: &str) -> Result<&Tensors, ModelError> {
        self.tailors.get(class)
    }

    /// Returns the network of the learngene.
    pub fn dit(&self) -> &Dit {
        &self.dit
    }
}

impl Predict for Model {
    type Images = Tensor<4>;
    /// None when no image has a class.
    type Gated = Option<GatedTailors>;

    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn insert(&mut self, class: &str, tailor: Tensors) -> Result<(), ModelError> {
        self.tailors.insert(&self.config, class, tailor)
    }

    fn remove(&mut self, class: &str) -> bool {
        self.tailors.remove(class)
    }

    fn classes(&self) -> Vec<String> {
        self.tailors.classes()
    }

    fn gate(&self, gates: &[Gate]) -> Result<Self::Gated, ModelError> {
        let used = Tailors::named(gates);
        let tailors = used.iter().map(|class| self.tailors.get(class)).collect::<Result<Vec<_>, _>>()?;
        let stack = |spec: &TensorSpec| {
            let mut stacked = Vec::with_capacity(tailors.len() * spec.len());
            for tailor in &tailors {
                stacked.extend_from_slice(values(tailor, spec)?);
            }
            let n = stacked.len();
            Ok(Tensor::<1>::from_data(TensorData::new(stacked, [n]), &self.device))
        };
        if used.is_empty() {
            return Ok(None);
        }
        let flat = self.config.tailor_tensors().iter().map(stack).collect::<Result<Vec<_>, ModelError>>()?;
        let index =
            |class: &str| used.binary_search(&class).unwrap_or_else(|_| unreachable!("collected above"));
        let gate = gates.iter().map(|gate| gate.iter().map(|(c, w)| (index(c), *w)).collect()).collect();
        Ok(TailorStack::from_flat(&self.config, tailors.len(), &flat).gather(&gate))
    }

    fn images(&self, values: Vec<f32>) -> Tensor<4> {
        let (c, side) = (self.config.channels as usize, self.config.image_size as usize);
        let shape = [values.len() / (c * side * side), c, side, side];
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    fn predict(&self, gated: &Self::Gated, x: &Tensor<4>, at: impl Into<Moment>) -> Tensor<4> {
        let [b, c, ..] = x.dims();
        let output = self.dit.forward(x.clone(), &vec![at.into(); b], gated.as_ref());
        if self.config.learned_variance { output.narrow(1, 0, c) } else { output }
    }
}

/// Reads images back from their device.
///
/// # Errors
/// The device's own message when it was lost.
pub fn read(images: &Tensor<4>) -> Result<Images, String> {
    let data = images.try_to_data().map_err(|e| e.to_string())?.convert::<f32>();
    let values = data.try_to_vec::<f32>().map_err(|e| format!("{e:?}"))?;
    Ok(Images::new(images.dims(), values))
}
