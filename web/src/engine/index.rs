//! Downloads a gallery's index, checks it, and describes it to the page.

use super::download::Folder;
use super::error::EngineError;
use super::host::unix_seconds;
use super::own;
use super::stop::Stop;
use super::store::Store;
use crate::address::is_local;
use crate::protocol::{ClassInfo, Gallery};
use gloo_timers::future::TimeoutFuture;
use std::collections::BTreeSet;
use tailor_packs::gallery::{Decision, Next, Opening};
use tailor_packs::{Checked, ClassEntry, Digest, PackError, PublicKey, Trust};

/// An index that may be used, where it came from, and how many bytes were downloaded for it.
pub struct Opened {
    /// The gallery's folder.
    pub folder: Folder,
    /// The publisher's key, if the page knows it.
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

/// What opening a gallery found.
pub enum Found {
    /// An index that may be used.
    Trusted(Box<Opened>),
    /// An index that may be used once the visitor vouches for this key.
    FirstUse(PublicKey, Box<Published>),
}

impl Published {
    /// Downloads the index of the gallery in this folder and decides whether to trust it. `before`
    /// is used where the storage remembers nothing.
    ///
    /// # Errors
    /// Those of downloading; [`EngineError::Index`] for an index that [`Opening::decide`] refuses;
    /// [`EngineError::Latents`] for one whose model makes no images; [`EngineError::Cancelled`], but not
    /// during the decision.
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

    /// Opens the gallery after [`Found::FirstUse`], once the visitor vouches for `key`.
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
                    let config = &opened.checked.index.config;
                    if config.makes_latents() {
                        return Err(EngineError::Latents { channels: config.channels });
                    }
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

    /// Downloads the files that the decision needs.
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

    /// Decides by what is remembered now, and remembers the outcome. Locks out other tabs
    /// meanwhile. Returns also whether the outcome could be stored.
    async fn decide(
        &mut self,
        before: Option<&Trust>,
        store: &Store,
    ) -> Result<(Decision, bool), EngineError> {
        let _lock = store.deciding(self.folder.url()).await;
        let kept = store.trust(self.folder.url()).await;
        let kept = kept.as_ref().or(before);
        // An unsigned gallery on this machine is one in the making, which may begin again at
        // version 1.
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
    /// Describes the gallery for the page.
    pub async fn describe(&self, store: &Store) -> Gallery {
        let Checked { index, trust } = &self.checked;
        let stored = store.holds(index.files()).await;
        // Classes of one's own come first.
        let mut classes = own::list(index).await;
        classes.extend(index.classes.iter().map(|class| info(class, &stored)));
        Gallery {
            title: index.title.clone(),
            signed: trust.key.map(|key| key.fingerprint()),
            remembered: self.remembered,
            learngene: index.learngene.size,
            learngene_stored: stored.contains(&index.learngene.content()),
            index: self.bytes,
            classes,
            more: !index.shards.is_empty(),
            channels: index.config.channels,
            side: index.config.image_size,
            steps: index.sampling.steps,
            guidance: index.sampling.guidance.into(),
            layers: index.config.depth,
            matrices: index.config.factored.matrices().iter().map(ToString::to_string).collect(),
        }
    }
}

/// Describes a class for the page. `stored` are the contents of the files on this device.
pub fn info(class: &ClassEntry, stored: &BTreeSet<Digest>) -> ClassInfo {
    ClassInfo {
        id: class.id.clone(),
        name: class.name.clone(),
        bytes: class.file.size,
        stored: stored.contains(&class.file.content()),
        own: false,
    }
}
