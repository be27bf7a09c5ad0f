//! The processor, with the engine of `tailor_core::engine`, and a team of other workers beside it.

use super::model::Model;
use super::team::Team;
use crate::engine::error::EngineError;
use crate::protocol::Backend;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use tailor_core::diffusion::images::Images;
use tailor_core::diffusion::sampling::{Course, Query};
use tailor_core::model::Gate;
use tailor_core::{ModelError, Predict as _, SampleSettings, engine, threads};
use tailor_packs::{ModelConfig, Tensors};

/// The processor.
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
    /// What the team does of each query, in its order.
    others: Vec<Range<usize>>,
}

impl Device {
    /// What it is.
    pub const BACKEND: Backend = Backend::Cpu;

    /// The processor is always there.
    ///
    /// # Errors
    /// None; the signature is that of WebGPU's.
    pub async fn open() -> Result<Self, EngineError> {
        Ok(Self::default())
    }

    /// Makes a learngene ready.
    ///
    /// # Errors
    /// [`ModelError`] when the tensors are not those of the config, or the engine does not know it.
    pub fn model(&self, config: &ModelConfig, learngene: Tensors) -> Result<Model, ModelError> {
        self.models.set(self.models.get() + 1);
        Model::new(self.models.get(), config, learngene)
    }
}

impl<'a> Run<'a> {
    /// Begins a run on up to `workers` workers, this one among them; 0 is as many as the device has cores for.
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
        // Those that guidance leaves out must be known, too.
        model.engine.gate(&asked)?;
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
    /// [`EngineError::Model`] when the part of a worker that is gone cannot be made here.
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
        // The others begin before this worker does its own part.
        let ask = |(number, range)| self.device.team.borrow().ask(number, query.t, &part(range).values);
        let answers: Vec<_> = self.others.iter().enumerate().map(ask).collect();
        let (range, gated) = &self.own;
        let mut predicted = self.model.engine.predict(gated, &part(range), query.t).values;
        for (range, answer) in self.others.clone().into_iter().zip(answers) {
            let answer = answer.await.ok();
            match answer.filter(|values| values.len() == range.len() * query.x.image_len()) {
                Some(values) => predicted.extend(values),
                None => {
                    // One that is gone is done without, from here on.
                    self.device.team.borrow_mut().dismiss();
                    let gates = &self.gates[range.start..];
                    let gated = self.model.engine.gate(gates)?;
                    let rest = part(&(range.start..self.gates.len()));
                    predicted.extend(self.model.engine.predict(&gated, &rest, query.t).values);
                    self.own = (0..self.gates.len(), self.model.engine.gate(&self.gates)?);
                    self.others.clear();
                    break;
                }
            }
        }
        Ok(Images::new(query.x.shape, predicted))
    }

    /// Steps made so far.
    pub fn steps_done(&self) -> usize {
        self.course.steps_done()
    }

    /// The clean images as the last step predicted them, `[B, C, H, W]` in `[-1, 1]`.
    ///
    /// # Errors
    /// None; the signature is that of WebGPU's.
    pub async fn preview(&self) -> Result<Vec<f32>, EngineError> {
        Ok(self.course.preview().values)
    }

    /// The images as they stand, `[B, C, H, W]` in `[-1, 1]`.
    ///
    /// # Errors
    /// None; the signature is that of WebGPU's.
    pub async fn images(&self) -> Result<Vec<f32>, EngineError> {
        Ok(self.course.images().values)
    }
}

impl Drop for Run<'_> {
    /// After a first run, so that a first image waits for nobody, the team is called for the next.
    fn drop(&mut self) {
        self.device.team.borrow_mut().call(self.gates.len());
    }
}
