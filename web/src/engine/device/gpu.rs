//! Computes on the GPU with WebGPU, through Burn's graph.

use crate::engine::error::EngineError;
use crate::engine::host::post;
use crate::protocol::{Backend, Event};
use crate::traffic::memory_bytes;
use burn::tensor::Tensor;
use tailor_core::{ModelError, Predict as _, SampleRun, SampleSettings, graph};
use tailor_packs::{ModelConfig, Tensors};

/// WebGPU's adapter.
pub struct Device(burn::tensor::Device);

/// A learngene on the GPU, with the tailors that were put onto it.
pub struct Model(graph::Model);

/// A run of sampling.
pub struct Run<'a>(SampleRun<'a, graph::Model>);

impl Device {
    /// Tells the page what computes.
    pub const BACKEND: Backend = Backend::Gpu;

    /// Asks the browser for the adapter.
    ///
    /// # Errors
    /// [`EngineError::Device`] where there is no adapter, or it has no device to give.
    pub async fn open() -> Result<Self, EngineError> {
        let refused =
            |error: burn::tensor::wgpu::WgpuInitError| EngineError::Device { reason: error.to_string() };
        let options = burn::tensor::Device::wgpu_options();
        let (device, setup) = options.init_with_setup_async().await.map_err(refused)?;
        setup.device.set_device_lost_callback(|_, reason| {
            let lost = EngineError::Device { reason: format!("the browser took it away ({reason})") };
            post(&Event::Lost { failure: lost.failure() }, None);
        });
        Ok(Self(device))
    }

    /// Returns the bytes of this worker's own memory, and how many workers that is.
    pub fn memory(&self) -> (u64, u32) {
        (memory_bytes(), 1)
    }

    /// Puts a learngene onto the GPU.
    ///
    /// # Errors
    /// [`ModelError`] when the tensors are not those of the config.
    pub fn model(&self, config: &ModelConfig, learngene: Tensors) -> Result<Model, ModelError> {
        graph::Model::new(config, &learngene, &self.0).map(Model)
    }
}

impl Model {
    /// Adds the tailor of `class`, or replaces it.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when the tailor's tensors do not have this model's shapes.
    pub fn insert(&mut self, class: &str, tailor: Tensors) -> Result<(), ModelError> {
        self.0.insert(class, tailor)
    }

    /// Removes the tailor of `class`.
    pub fn remove(&mut self, class: &str) {
        self.0.remove(class);
    }

    /// Returns the tailor of `class`, if it is loaded.
    pub fn tailor(&self, class: &str) -> Option<&Tensors> {
        self.0.tailor(class).ok()
    }

    /// Returns the classes whose tailors are loaded, sorted.
    pub fn classes(&self) -> Vec<String> {
        self.0.classes()
    }
}

impl<'a> Run<'a> {
    /// Begins a run; a GPU needs no other workers.
    ///
    /// # Errors
    /// [`ModelError`] for a class that is not loaded or a setting out of range.
    pub fn new(
        _device: &Device,
        model: &'a Model,
        settings: SampleSettings,
        _workers: u32,
    ) -> Result<Self, ModelError> {
        SampleRun::new(&model.0, settings).map(Self)
    }

    /// Makes one step.
    ///
    /// # Errors
    /// None: a device that is lost reports that by itself.
    pub async fn step(&mut self) -> Result<(), EngineError> {
        self.0.step();
        Ok(())
    }

    /// Returns the number of steps made so far.
    pub fn steps_done(&self) -> usize {
        self.0.steps_done()
    }

    /// Returns the clean images as the last step estimated them, `[B, C, H, W]` in `[-1, 1]`.
    ///
    /// # Errors
    /// [`EngineError::ReadBack`].
    pub async fn preview(&self) -> Result<Vec<f32>, EngineError> {
        values(self.0.preview()).await
    }

    /// Returns the images in their present state, `[B, C, H, W]` in `[-1, 1]`.
    ///
    /// # Errors
    /// [`EngineError::ReadBack`].
    pub async fn images(&self) -> Result<Vec<f32>, EngineError> {
        values(self.0.images()).await
    }
}

/// Reads `[B, C, H, W]` back from the device.
async fn values(images: Tensor<4>) -> Result<Vec<f32>, EngineError> {
    let lost = |reason: String| EngineError::ReadBack { reason };
    let data = images.into_data_async().await.map_err(|e| lost(e.to_string()))?;
    data.try_into_vec::<f32>().map_err(|e| lost(e.to_string()))
}
