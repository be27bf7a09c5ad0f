//! From the processor to the GPU and back: its engine is tried before it is used, and done without when it is lost.

use super::gpu;
use super::studio::{Gpu, Phase, Studio};
use crate::protocol::{Backend, Failure, Order, Remedy, Request};
use leptos::prelude::*;

/// The GPU engine's first images, which the CPU engine makes as well; it is used if they agree.
pub(super) struct Trial {
    pub(super) id: u32,
    pub(super) cpu: Option<Vec<f32>>,
    pub(super) gpu: Option<Vec<f32>>,
}

/// Steps of a trial, and how far one value in `[-1, 1]` may lie from the CPU's.
const TRIAL_STEPS: u32 = 2;
const TRIAL_TOLERANCE: f32 = 0.02;

impl Studio {
    /// Looks for a GPU and, where there is one, starts its engine beside the other.
    pub(super) fn bring_gpu(self, at_any_price: bool) {
        self.gpu.set(Gpu::Coming(String::new()));
        leptos::task::spawn_local(async move {
            match gpu::probe().await {
                Ok(adapter) if adapter.emulated && !at_any_price => {
                    self.gpu.set(Gpu::No(format!(
                        "the only adapter ({}) is emulated, which is slower",
                        adapter.name
                    )));
                }
                Ok(adapter) => {
                    let known = if at_any_price { Gpu::Used } else { Gpu::Coming };
                    self.gpu.set(known(adapter.name));
                    self.spawn(Backend::Gpu);
                }
                Err(why) => {
                    self.gpu.set(Gpu::No(why.to_owned()));
                    if at_any_price {
                        self.fail("device", &format!("The GPU cannot be used: {why}."), Remedy::UseCpu);
                    }
                }
            }
        });
    }

    /// Has both engines make the same image in few steps. For the GPU it is the warm-up, too.
    pub(super) fn try_gpu(self) {
        let shown = self.shown.get_untracked();
        let Some(image) = shown.and_then(|shown| shown.order.images.first().cloned()) else { return };
        let id = self.next_id();
        let images = vec![image];
        let order = Order { id, images, steps: TRIAL_STEPS, guidance: 1.5, previews: false };
        self.inner.update_value(|inner| inner.trial = Some(Trial { id, cpu: None, gpu: None }));
        self.send(Backend::Cpu, &Request::Sample(order.clone()));
        self.send(Backend::Gpu, &Request::Sample(order));
    }

    pub(super) fn tried(self, from: Backend, id: u32, values: Option<Vec<f32>>) {
        let result = self.inner.try_update_value(|inner| {
            let trial = inner.trial.as_mut().filter(|trial| trial.id == id)?;
            match from {
                Backend::Cpu => trial.cpu = values,
                Backend::Gpu => trial.gpu = values,
            }
            let (cpu, gpu) = (trial.cpu.as_ref()?, trial.gpu.as_ref()?);
            let furthest = cpu.iter().zip(gpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let agree = cpu.len() == gpu.len() && furthest <= TRIAL_TOLERANCE;
            inner.trial = None;
            Some(if agree { Ok(()) } else { Err(furthest) })
        });
        match result.flatten() {
            Some(Ok(())) => self.use_gpu(),
            Some(Err(by)) => self.no_gpu(format!("its numbers differ from the CPU's by up to {by:.2}")),
            None => {}
        }
    }

    /// The next order goes to the GPU; one under way ends where it is.
    fn use_gpu(self) {
        let Gpu::Coming(name) = self.gpu.get_untracked() else { return };
        // An order under way answers to `active`, so the change waits until it is done.
        let busy = self.inner.with_value(|inner| inner.current.is_some());
        if busy {
            let wait = std::time::Duration::from_millis(100);
            return set_timeout(move || self.use_gpu(), wait);
        }
        self.gpu.set(Gpu::Used(name));
        self.active.set(Backend::Gpu);
    }

    pub(super) fn no_gpu(self, why: String) {
        self.inner.update_value(|inner| {
            inner.gpu = None;
            inner.trial = None;
        });
        self.gpu.set(Gpu::No(why));
    }

    pub(super) fn lost(self, from: Backend, failure: Failure) {
        // The cause may be a page long; its first words say which it is.
        let detail: String = failure.detail.chars().take(120).collect();
        let why = match detail.as_str() {
            "" => failure.sentence.clone(),
            detail => format!("{} ({detail})", failure.sentence.trim_end_matches('.')),
        };
        let (wish, running) = self.inner.with_value(|inner| (inner.wish, inner.current.is_some()));
        if from != self.active.get_untracked() {
            match from {
                Backend::Gpu => self.no_gpu(why),
                Backend::Cpu => self.inner.update_value(|inner| inner.cpu = None),
            }
            return;
        }
        self.inner.update_value(|inner| match from {
            Backend::Cpu => inner.cpu = None,
            Backend::Gpu => inner.gpu = None,
        });
        if from == Backend::Gpu && wish.is_none() {
            self.no_gpu(why);
            self.active.set(Backend::Cpu);
            if running {
                self.generate();
            }
        } else {
            self.inner.update_value(|inner| inner.current = None);
            let remedy = if from == Backend::Gpu { Remedy::UseCpu } else { failure.remedy };
            self.phase.set(Phase::Failed(Failure { remedy, ..failure }));
        }
    }
}
