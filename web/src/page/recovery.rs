//! Waits while the page is hidden, and goes on after an engine broke down: it is started again, once,
//! and makes the same images.

use super::program::Wish;
use super::state::{Effect, Gpu, NoGpu, Phase, State};
use crate::protocol::{Backend, Code, Failure, Remedy, Request};

impl State {
    /// Has both engines wait between two steps while the page is hidden.
    pub(super) fn hide(&mut self, hidden: bool, effects: &mut Vec<Effect>) {
        self.hidden = hidden;
        if let Some(running) = &mut self.current {
            running.held |= hidden;
        }
        for backend in [Backend::Cpu, Backend::Gpu] {
            self.post(backend, Request::Hold(hidden), effects);
        }
    }

    /// Handles an engine that broke down or lost its GPU. The images that it was making are begun
    /// anew, once: on another engine of the same kind, or on the processor where the GPU is only
    /// the faster way to them.
    pub(super) fn broke_down(&mut self, from: Backend, failure: Failure, effects: &mut Vec<Effect>) {
        let at_work = self.current.is_some() || matches!(self.phase, Phase::Starting);
        if from != self.active || !at_work {
            return self.lost(from, failure, effects);
        }
        let again = std::mem::replace(&mut self.restarted, true);
        match from {
            Backend::Gpu if self.site.wish != Wish::Gpu => self.lost(from, failure, effects),
            Backend::Cpu | Backend::Gpu if !again => {
                self.end(from, effects);
                self.current = None;
                // It opens the gallery and follows the link, which names these images.
                self.go_on(effects);
            }
            Backend::Cpu | Backend::Gpu => {
                let detail = [&*failure.sentence, &*failure.detail].join(" ").trim().to_owned();
                let sentence = match from {
                    Backend::Cpu => self.words.engine_twice(),
                    Backend::Gpu => self.words.gpu_twice(),
                };
                self.lost(from, Failure { sentence, detail, remedy: Remedy::Retry, ..failure }, effects);
            }
        }
    }

    /// Says, once there are images, that they were begun anew.
    pub(super) fn recovered(&mut self) {
        if std::mem::take(&mut self.restarted) {
            self.notice = Some(match self.gpu {
                Gpu::No(NoGpu::Ended(_)) if self.active == Backend::Cpu => self.words.engine_handed(),
                _ => self.words.engine_again(),
            });
        }
    }
}

/// Tells whether an order that failed so may come out well on an engine that is started again.
pub(super) fn may_mend(code: &Code) -> bool {
    matches!(code, Code::Memory | Code::ReadBack | Code::Device | Code::Panic)
}
