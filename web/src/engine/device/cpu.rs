//! Computes on the processor with `tailor_core::engine`, in this worker and a team of others.

use super::model::Model;
use super::team::Team;
use crate::engine::error::EngineError;
use crate::protocol::Backend;
use crate::traffic::memory_bytes;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use tailor_core::diffusion::images::Images;
use tailor_core::diffusion::sampling::{Course, Query};
use tailor_core::model::Gate;
use tailor_core::{ModelError, Predict as _, SampleSettings, engine, threads};
use tailor_packs::{ModelConfig, Tensors};

/// The processor, and the team of other workers.
#[derive(Default)]
pub struct Device {
    team: RefCell<Team>,
    models: Cell<u64>,
}

/// A run of sampling. The images of a query are spread over this worker and its team.
pub struct Run<'a> {
    device: &'a Device,
    model: &'a Model,
    course: Course<Images>,
    gates: Vec<Gate>,
    own: (Range<usize>, engine::sampling::Gated),
    /// Which images of each query the members of the team compute, in the order of their numbers.
    others: Vec<Range<usize>>,
}

impl Device {
    /// Tells the page what computes.
    pub const BACKEND: Backend = Backend::Cpu;

    /// Opens the processor, which is always there.
    ///
    /// # Errors
    /// None; the signature is that of WebGPU's.
    pub async fn open() -> Result<Self, EngineError> {
        Ok(Self::default())
    }

    /// Returns the bytes of memory of this worker and its team, and how many workers that is.
    pub fn memory(&self) -> (u64, u32) {
        let helpers = self.team.borrow().memory();
        (memory_bytes() + helpers.iter().sum::<u64>(), 1 + helpers.len() as u32)
    }

    /// Prepares a learngene to predict.
    ///
    /// # Errors
    /// [`ModelError`] when the tensors are not those of the config, or the engine does not know the
    /// config.
    pub fn model(&self, config: &ModelConfig, learngene: Tensors) -> Result<Model, ModelError> {
        self.models.set(self.models.get() + 1);
        Model::new(self.models.get(), config, learngene)
    }
}

impl<'a> Run<'a> {
    /// Begins a run on up to `workers` workers, including this one; 0 means as many as the device
    /// has cores for.
    ///
    /// # Errors
    /// [`ModelError`] for a class that is not loaded or a setting out of range.
    pub fn new(
        device: &'a Device,
        model: &'a Model,
        settings: SampleSettings,
        workers: u32,
    ) -> Result<Self, ModelError> {
        let asked: Vec<Gate> = settings.items.iter().map(|item| item.gate.clone()).collect();
        let course = Course::new(model.config(), settings, |values| model.engine.images(values))?;
        // Classes that guidance leaves out must be loaded, too.
        for (class, _) in asked.iter().flatten() {
            model.engine.tailor(class)?;
        }
        let gates = course.gates();
        let helpers = device.team.borrow_mut().gather(model, &gates, workers);
        let mut parts = threads::parts(gates.len(), helpers + 1);
        let own = parts.remove(0);
        let gated = model.engine.gate(&gates[own.clone()])?;
        device.team.borrow_mut().assign(&gates, &parts);
        Ok(Self { device, model, course, gates, own: (own, gated), others: parts })
    }

    /// Makes one step.
    ///
    /// # Errors
    /// [`EngineError::Model`] when a worker failed and this one cannot compute its part.
    pub async fn step(&mut self) -> Result<(), EngineError> {
        while let Some(query) = self.course.query() {
            let predicted = self.predict(&query).await?;
            let model = &self.model.engine;
            if self.course.answer(predicted, |values| model.images(values)) {
                break;
            }
        }
        Ok(())
    }

    async fn predict(&mut self, query: &Query<Images>) -> Result<Images, EngineError> {
        let part = |range: &Range<usize>| query.x.part(range.clone());
        // The others begin before this worker computes its own part.
        let ask = |(number, range)| self.device.team.borrow().ask(number, query.at, &part(range).values);
        let answers: Vec<_> = self.others.iter().enumerate().map(ask).collect();
        let (range, gated) = &self.own;
        let mut predicted = self.model.engine.predict(gated, &part(range), query.at).values;
        for (range, answer) in self.others.clone().into_iter().zip(answers) {
            let answer = answer.await.ok();
            match answer.filter(|values| values.len() == range.len() * query.x.image_len()) {
                Some(values) => predicted.extend(values),
                None => {
                    // If a worker failed, the run goes on without the team.
                    self.device.team.borrow_mut().dismiss();
                    let gates = &self.gates[range.start..];
                    let gated = self.model.engine.gate(gates)?;
                    let rest = part(&(range.start..self.gates.len()));
                    predicted.extend(self.model.engine.predict(&gated, &rest, query.at).values);
                    self.own = (0..self.gates.len(), self.model.engine.gate(&self.gates)?);
                    self.others.clear();
                    break;
                }
            }
        }
        Ok(Images::new(query.x.shape, predicted))
    }

    /// Returns the number of steps made so far.
    pub fn steps_done(&self) -> usize {
        self.course.steps_done()
    }

    /// Returns the clean images as the last step estimated them, `[B, C, H, W]` in `[-1, 1]`.
    ///
    /// # Errors
    /// None; the signature is that of WebGPU's.
    pub async fn preview(&self) -> Result<Vec<f32>, EngineError> {
        Ok(self.course.preview().values)
    }

    /// Returns the images in their present state, `[B, C, H, W]` in `[-1, 1]`.
    ///
    /// # Errors
    /// None; the signature is that of WebGPU's.
    pub async fn images(&self) -> Result<Vec<f32>, EngineError> {
        Ok(self.course.images().values)
    }
}

impl Drop for Run<'_> {
    /// Starts the team for the next run. It starts after the first one, so that the first image
    /// need not wait for it.
    fn drop(&mut self) {
        self.device.team.borrow_mut().call(self.gates.len());
    }
}
