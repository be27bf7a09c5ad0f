//! A gallery's index: downloaded, checked, and described to the page.

use super::download::Folder;
use super::error::EngineError;
use super::host::unix_seconds;
use super::stop::Stop;
use super::store::Store;
use crate::address::is_local;
use crate::protocol::{ClassInfo, Gallery};
use gloo_timers::future::TimeoutFuture;
use std::collections::BTreeSet;
use tailor_packs::gallery::{Decision, Next, Opening};
use tailor_packs::{Checked, ClassEntry, Digest, PackError, PublicKey, Trust};

/// An index that may be used, where it came from, and the bytes that it took.
pub struct Opened {
    /// The gallery's folder.
    pub folder: Folder,
    /// The publisher's key, where the page knows it.
    pub pinned: Option<PublicKey>,
    /// The index, and what to remember of it.
    pub checked: Checked,
    remembered: bool,
    bytes: u64,
}

/// A gallery that is about to be opened.
pub struct Published {
    folder: Folder,
    pinned: Option<PublicKey>,
    opening: Opening,
}

/// What an index turned out to be.
pub enum Found {
    /// One that may be used.
    Trusted(Box<Opened>),
    /// One that may be used once the visitor vouches for this key.
    FirstUse(PublicKey, Box<Published>),
}

impl Published {
    /// Downloads the index of the gallery in this folder and decides about it. `before` is what is known of it
    /// without the storage.
    ///
    /// # Errors
    /// Those of downloading; [`EngineError::Index`] for what [`Opening::decide`] refuses; [`EngineError::Cancelled`],
    /// but not while it decides.
    pub async fn find(
        folder: &Folder,
        pinned: Option<PublicKey>,
        before: Option<&Trust>,
        store: &Store,
        stop: &Stop,
    ) -> Result<Found, EngineError> {
        let opening = Opening::new(pinned);
        Self { folder: folder.clone(), pinned, opening }.open(before, store, stop).await
    }

    /// Goes on after [`Found::FirstUse`], now that the visitor vouches for its key.
    ///
    /// # Errors
    /// As [`Published::find`].
    pub async fn vouched(mut self, key: PublicKey, store: &Store, stop: &Stop) -> Result<Found, EngineError> {
        self.opening.vouch(key);
        self.open(None, store, stop).await
    }

    async fn open(
        mut self,
        before: Option<&Trust>,
        store: &Store,
        stop: &Stop,
    ) -> Result<Found, EngineError> {
        loop {
            stop.or(self.ask(before, store)).await??;
            match self.decide(before, store).await? {
                (Decision::Open(opened), remembered) => {
                    let Self { folder, pinned, .. } = self;
                    let minisig = opened.minisig.map_or(0, |minisig| minisig.len());
                    let bytes = (opened.json.len() + minisig) as u64;
                    let checked = opened.checked;
                    return Ok(Found::Trusted(Box::new(Opened {
                        folder,
                        pinned,
                        checked,
                        remembered,
                        bytes,
                    })));
                }
                (Decision::FirstUse(key), _) => return Ok(Found::FirstUse(key, Box::new(self))),
                (Decision::Again { wait }, _) => {
                    stop.or(TimeoutFuture::new(wait.as_millis() as u32)).await?;
                }
            }
        }
    }

    /// Downloads what it takes to decide.
    async fn ask(&mut self, before: Option<&Trust>, store: &Store) -> Result<(), EngineError> {
        let kept = store.trust(self.folder.url()).await;
        while let Next::Ask { file, limit } = self.opening.next(kept.as_ref().or(before)).map_err(refused)? {
            match self.folder.small(file, limit).await {
                Ok(bytes) => self.opening.came(bytes),
                Err(EngineError::Download(error)) if self.opening.is_answer(&error.problem) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Decides by what is remembered now, and remembers what follows: no other tab decides meanwhile. Tells also whether
    /// it could be remembered.
    async fn decide(
        &mut self,
        before: Option<&Trust>,
        store: &Store,
    ) -> Result<(Decision, bool), EngineError> {
        let _lock = store.deciding(self.folder.url()).await;
        let kept = store.trust(self.folder.url()).await;
        let kept = kept.as_ref().or(before);
        // Whoever makes an unsigned gallery on this machine may well begin it anew.
        let kept = kept.filter(|kept| kept.root.is_some() || !is_local(self.folder.url()));
        let decision = self.opening.decide(kept, unix_seconds()).map_err(refused)?;
        let remembered = match &decision {
            Decision::Open(opened) => store.keep_trust(self.folder.url(), &opened.checked.trust).await,
            _ => false,
        };
        Ok((decision, remembered))
    }
}

fn refused(source: PackError) -> EngineError {
    EngineError::Index { source }
}

impl Opened {
    /// What the page needs to know of it.
    pub async fn describe(&self, store: &Store) -> Gallery {
        let Checked { index, trust } = &self.checked;
        let stored = store.holds(index.files()).await;
        Gallery {
            title: index.title.clone(),
            signed: trust.key.map(|key| key.fingerprint()),
            remembered: self.remembered,
            learngene: index.learngene.size,
            learngene_stored: stored.contains(&index.learngene.content()),
            index: self.bytes,
            classes: index.classes.iter().map(|class| info(class, &stored)).collect(),
            more: !index.shards.is_empty(),
            channels: index.config.channels,
            side: index.config.image_size,
            steps: index.sampling.steps,
            guidance: index.sampling.guidance.into(),
        }
    }
}

/// What the page needs to know of a class, if these files are on this device.
pub fn info(class: &ClassEntry, stored: &BTreeSet<Digest>) -> ClassInfo {
    ClassInfo {
        id: class.id.clone(),
        name: class.name.clone(),
        bytes: class.file.size,
        stored: stored.contains(&class.file.content()),
    }
}
