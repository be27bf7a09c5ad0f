//! Switches from the processor to the GPU and back. The GPU's engine is tried before it is used,
//! and the page goes on without it when it is lost.

use super::program::{Absence, Program, Wish, not_loaded};
use super::recovery::may_mend;
use super::state::{Adapter, Effect, Gpu, NoGpu, State, Trial};
use super::words;
use crate::protocol::{Backend, Code, Failure, Order, Remedy, Request, Turned};

/// Steps of a trial.
const TRIAL_STEPS: u32 = 2;
/// The largest difference of one value in `[-1, 1]` from the CPU's.
const TRIAL_TOLERANCE: f32 = 0.02;

impl State {
    /// Starts the GPU's engine if the browser has an adapter that is worth it.
    pub(super) fn found_adapter(&mut self, adapter: Result<Adapter, NoGpu>, effects: &mut Vec<Effect>) {
        if self.gpu != Gpu::Sought {
            return;
        }
        let at_any_price = self.site.wish == Wish::Gpu;
        match adapter {
            Ok(Adapter { name, emulated: true }) if !at_any_price => {
                self.gpu = Gpu::No(NoGpu::Emulated(name));
            }
            Ok(Adapter { name, .. }) => {
                self.gpu = if at_any_price { Gpu::Used(name) } else { Gpu::Coming(name) };
                self.spawn(Program::Gpu, effects);
            }
            Err(why) => {
                if at_any_price {
                    let sentence = self.words.gpu_cannot(&words::no_gpu(&self.words, &why));
                    self.fail(Failure::new(Code::Device, sentence, Remedy::UseCpu));
                }
                self.gpu = Gpu::No(why);
            }
        }
    }

    /// Has both engines make the same image in few steps, which also warms up the GPU.
    pub(super) fn try_gpu(&mut self, effects: &mut Vec<Effect>) {
        let shown = self.shown.as_ref();
        let Some(image) = shown.and_then(|shown| shown.order.images.first().cloned()) else { return };
        let id = self.next_id();
        let order = Order {
            id,
            images: vec![image],
            steps: TRIAL_STEPS,
            guidance: 1.5,
            previews: false,
            workers: 0,
            trace: false,
            parts: Turned::default(),
        };
        self.trial = Some(Trial { id, cpu: None, gpu: None });
        self.post(Backend::Cpu, Request::Sample(order.clone()), effects);
        self.post(Backend::Gpu, Request::Sample(order), effects);
    }

    /// Takes an image of the trial, and compares the two once both are there.
    pub(super) fn tried(
        &mut self,
        from: Backend,
        id: u32,
        values: Option<Vec<f32>>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(trial) = self.trial.as_mut().filter(|trial| trial.id == id) else { return };
        match from {
            Backend::Cpu => trial.cpu = values,
            Backend::Gpu => trial.gpu = values,
        }
        let (Some(cpu), Some(gpu)) = (&trial.cpu, &trial.gpu) else { return };
        let furthest = cpu.iter().zip(gpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let agree = cpu.len() == gpu.len() && furthest <= TRIAL_TOLERANCE;
        self.trial = None;
        match &self.gpu {
            Gpu::Coming(name) if agree => self.gpu = Gpu::Ready(name.clone()),
            _ if agree => {}
            _ => self.no_gpu(NoGpu::Differs(furthest), effects),
        }
    }

    /// Lets the GPU take over if it is ready and no order is under way.
    pub(super) fn take_over(&mut self) {
        if let (Gpu::Ready(name), None) = (&self.gpu, &self.current) {
            self.gpu = Gpu::Used(name.clone());
            self.active = Backend::Gpu;
        }
    }

    /// Ends the GPU's engine, and goes on without it because of `why`.
    pub(super) fn no_gpu(&mut self, why: NoGpu, effects: &mut Vec<Effect>) {
        self.end(Backend::Gpu, effects);
        self.trial = None;
        self.gpu = Gpu::No(why);
    }

    /// Handles an engine that has ended.
    pub(super) fn lost(&mut self, from: Backend, failure: Failure, effects: &mut Vec<Effect>) {
        self.end(from, effects);
        match from {
            Backend::Gpu if self.active != from => self.no_gpu(NoGpu::Ended(why(&failure)), effects),
            // The visitor did not ask for the GPU, so the processor takes over.
            Backend::Gpu if self.site.wish != Wish::Gpu => {
                self.no_gpu(NoGpu::Ended(why(&failure)), effects);
                self.active = Backend::Cpu;
                if self.current.take().is_some() {
                    self.generate(effects);
                }
            }
            Backend::Gpu => {
                self.gpu = Gpu::No(NoGpu::Ended(why(&failure)));
                self.fail(Failure { remedy: Remedy::UseCpu, ..failure });
            }
            Backend::Cpu => {
                if self.trial.is_some() {
                    self.no_gpu(NoGpu::Beside, effects);
                }
                if self.active == from {
                    self.fail(failure);
                }
            }
        }
    }

    /// Handles a program that did not load: tries the next one of its kind, or asks the server why.
    pub(super) fn not_loaded(&mut self, program: Program, detail: String, effects: &mut Vec<Effect>) {
        if self.program(program.backend()) != Some(program) {
            return;
        }
        match self.for_cpu {
            [first, rest @ ..] if *first == program && !rest.is_empty() => {
                self.for_cpu = rest;
                self.spawn_cpu(effects);
            }
            _ => effects.push(Effect::Examine(program, detail)),
        }
    }

    /// Handles the server's answer why a program did not load.
    pub(super) fn examined(
        &mut self,
        program: Program,
        absence: Absence,
        detail: String,
        effects: &mut Vec<Effect>,
    ) {
        let backend = program.backend();
        if self.program(backend) != Some(program) {
            return;
        }
        let adapter = match &self.gpu {
            Gpu::Coming(name) | Gpu::Used(name) => Some(name.clone()),
            _ => None,
        };
        self.lost(backend, not_loaded(&self.words, program, absence, detail), effects);
        if let (Some(name), Program::Gpu, Absence::Missing) = (adapter, program, absence) {
            self.gpu = Gpu::Unbuilt(name);
        }
    }

    /// Handles a browser that does not let the page start a worker.
    pub(super) fn no_worker(&mut self, backend: Backend, effects: &mut Vec<Effect>) {
        let sentence = self.words.shared_no_worker();
        self.lost(backend, Failure::new(Code::Worker, sentence, Remedy::Retry), effects);
    }

    /// Switches to the processor, because the visitor wants that.
    pub(super) fn use_cpu(&mut self, effects: &mut Vec<Effect>) {
        self.site.wish = Wish::Cpu;
        self.end(Backend::Gpu, effects);
        self.active = Backend::Cpu;
        self.go_on(effects);
    }

    /// Handles a failure of an order, of the gallery or of an engine.
    pub(super) fn failed(
        &mut self,
        from: Backend,
        id: Option<u32>,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) {
        let trial = self.trial.as_ref().map(|trial| trial.id);
        let background = from == Backend::Gpu && self.active == Backend::Cpu;
        if background || (id.is_some() && id == trial) {
            self.no_gpu(NoGpu::Trial(failure.sentence), effects);
        } else if id.is_none_or(|id| self.is_current(id)) {
            match may_mend(&failure.code) {
                true => self.broke_down(from, failure, effects),
                false => self.fail(failure),
            }
        }
    }
}

/// Shortens a failure to a few words. Its cause may be a page long; the first words tell which it
/// is.
fn why(failure: &Failure) -> String {
    let detail: String = failure.detail.chars().take(120).collect();
    match detail.as_str() {
        "" => failure.sentence.clone(),
        detail => format!("{} ({detail})", failure.sentence.trim_end_matches('.')),
    }
}
