//! What may go wrong: a page that is hidden, left or brought back, a failure, a teacher that breaks down.

use super::{Desk, Effect, Phase};
use crate::protocol::{Code, Failure};
use crate::teaching::{Kept, Request};

impl Desk {
    /// Has the lesson wait between two steps while the page is hidden.
    pub(super) fn hide(&mut self, hidden: bool, effects: &mut Vec<Effect>) {
        if self.hidden && !hidden && self.phase == Phase::Learning {
            self.notice = Some(self.words.teach_shown_again());
        }
        self.hidden = hidden;
        effects.push(Effect::Post(Request::Hold(hidden), Vec::new()));
    }

    /// Has a teacher start, after the browser ended the last one with the page and brought the page back.
    pub(super) fn come_back(&mut self, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Starting | Phase::Learning | Phase::Ending => {
                self.restarted = true;
                self.phase = Phase::Starting;
            }
            Phase::Saved => {}
            // A lesson that is paused or over is kept, and is offered again.
            _ => self.phase = Phase::Loading,
        }
        effects.push(Effect::Spawn);
    }

    /// Handles a teacher that broke down: it is started again, once for each lesson.
    pub(super) fn broke_down(&mut self, failure: Failure, effects: &mut Vec<Effect>) {
        let under_way = matches!(self.phase, Phase::Starting | Phase::Learning | Phase::Ending);
        if self.restarted || !under_way {
            return self.fail(failure);
        }
        self.restarted = true;
        self.phase = Phase::Starting;
        effects.push(Effect::Spawn);
    }

    /// Goes on with the lesson that the last teacher left, from what is kept of it, or begins it
    /// anew. Returns whether there is such a lesson.
    pub(super) fn recover(&mut self, kept: Option<&Kept>, effects: &mut Vec<Effect>) -> bool {
        if !self.restarted || self.phase != Phase::Starting {
            return false;
        }
        let step = kept.map_or(0, |kept| kept.step);
        if kept.is_some() {
            effects.push(Effect::Post(Request::GoOn, Vec::new()));
        } else {
            self.phase = Phase::Gathering;
            self.begin(effects);
            self.restarted = true;
        }
        self.notice = Some(self.words.teach_again_from(&step));
        true
    }

    /// Shows what went wrong. A lesson under way goes on, unless the teacher says that it is paused.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.phase = match self.phase {
            Phase::Starting => Phase::Gathering,
            Phase::Ending | Phase::Saving => Phase::Ended,
            other => other,
        };
        self.failure = Some(failure);
    }

    /// Tries again after a failure.
    pub(super) fn again(&mut self, effects: &mut Vec<Effect>) {
        let code = self.failure.take().map(|failure| failure.code);
        let ended = matches!(code, Some(Code::Engine | Code::Panic | Code::Worker));
        // A teacher that is at work has the lesson, and does not end for a failure.
        if ended || self.phase == Phase::Loading {
            self.phase = Phase::Loading;
            effects.push(Effect::Spawn);
        }
    }

    /// Tells whether something would be lost if the page went away now.
    pub fn would_lose(&self) -> bool {
        match self.phase {
            Phase::Loading | Phase::Gathering => {
                self.pictures.iter().any(|(number, _)| *number > self.recalled)
            }
            Phase::Saved => self.pack.as_ref().is_some_and(|pack| !pack.kept),
            _ => !self.keeping,
        }
    }
}
