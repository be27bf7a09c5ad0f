//! The lesson on this device, so that a closed tab loses a few seconds of it.
//!
//! One file for each learngene: a line of JSON, the pictures, and the lesson as `tailor-core` writes
//! it. A lock over all tabs keeps two teachers from the same file.

use crate::engine::error::EngineError;
use crate::engine::host::now;
use crate::engine::locks::Lock;
use crate::engine::{opfs, own};
use crate::teaching::Plan;
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use serde::{Deserialize, Serialize};
use std::pin::pin;
use tailor_core::teaching::{Examples, Lesson, Material};
use tailor_packs::{Digest, ModelConfig};

/// The least time between two writes, in milliseconds.
const PAUSE: f64 = 5000.0;
/// How long to wait for another tab, in milliseconds.
const PATIENCE: u32 = 500;

/// Keeps the lesson of one learngene.
pub(super) struct Keeper {
    name: String,
    lock: Option<Lock>,
    /// When the lesson was kept last, and whether that went well.
    last: f64,
    well: Option<bool>,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Head {
    plan: Plan,
    /// Bytes of the pictures.
    pictures: usize,
}

impl Keeper {
    /// Makes the keeper of a learngene's lessons.
    pub(super) async fn new(learngene: &Digest) -> Self {
        Self { name: format!("{}.lesson", &learngene.to_string()[..16]), lock: None, last: 0.0, well: None }
    }

    /// Reads the lesson that is kept. One that cannot be read counts as none.
    pub(super) async fn read(&self, config: &ModelConfig) -> Option<(Plan, Examples, Lesson)> {
        let bytes = own::read(&own::folder(false).await?, &self.name).await?;
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
        let (pictures, lesson) = bytes[end + 1..].split_at_checked(head.pictures)?;
        let examples = Examples::new(config, pictures.to_vec()).ok()?;
        let lesson = Lesson::from_bytes(config, super::settings(&head.plan), lesson).ok()?;
        Some((head.plan, examples, lesson))
    }

    /// Sees to it that no other tab teaches.
    ///
    /// # Errors
    /// [`EngineError::Teaching`] when another one does.
    pub(super) async fn take(&mut self) -> Result<(), EngineError> {
        if self.lock.is_some() {
            return Ok(());
        }
        match select(pin!(Lock::take(&self.name)), TimeoutFuture::new(PATIENCE)).await {
            Either::Left((lock, _)) => {
                self.lock = lock;
                Ok(())
            }
            Either::Right(_) => {
                let reason =
                    "another tab of this site is teaching a class; finish or close it first".to_owned();
                Err(EngineError::Teaching { reason })
            }
        }
    }

    /// Keeps the lesson, if the last time is some seconds ago or `at_once`. Returns whether that went
    /// well, when it is another answer than the last.
    pub(super) async fn keep(
        &mut self,
        plan: &Plan,
        material: &Material,
        lesson: &Lesson,
        at_once: bool,
    ) -> Option<bool> {
        if !at_once && now() - self.last < PAUSE {
            return None;
        }
        let pictures = material.examples().bytes();
        let head = Head { plan: plan.clone(), pictures: pictures.len() };
        let mut bytes = serde_json::to_vec(&head).ok()?;
        bytes.push(b'\n');
        bytes.extend(pictures);
        bytes.extend(lesson.to_bytes());
        let well = own::write(&self.name, &bytes).await == opfs::Kept::Yes;
        self.last = now();
        (self.well.replace(well) != Some(well)).then_some(well)
    }

    /// Deletes the lesson that is kept, and lets other tabs teach.
    ///
    /// # Errors
    /// Those of [`Keeper::take`]: the lesson of a tab that teaches stays.
    pub(super) async fn forget(&mut self) -> Result<(), EngineError> {
        self.take().await?;
        own::remove(&self.name).await;
        self.lock = None;
        Ok(())
    }
}
