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
use tailor_packs::download::Problem;
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::{Checked, ClassEntry, Digest, Index, PackError, PublicKey, Trust, Verdict, limits, trust};

/// Milliseconds until a gallery that is half published is looked at again.
const PUBLISHING: u32 = 1500;

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

/// An index and its signature as they came.
pub struct Published {
    folder: Folder,
    pinned: Option<PublicKey>,
    json: Vec<u8>,
    minisig: Option<Vec<u8>>,
}

/// What an index turned out to be.
pub enum Found {
    /// One that may be used.
    Trusted(Box<Opened>),
    /// One that may be used once the visitor vouches for this key.
    FirstUse(PublicKey, Published),
}

impl Published {
    /// Downloads the index of the gallery in this folder and decides about it. `before` is what is known of it
    /// without the storage.
    ///
    /// # Errors
    /// Those of downloading; [`EngineError::Index`] for what [`trust::check`] refuses; [`EngineError::Cancelled`], but
    /// not while it decides.
    pub async fn find(
        folder: &Folder,
        pinned: Option<PublicKey>,
        before: Option<&Trust>,
        store: &Store,
        stop: &Stop,
    ) -> Result<Found, EngineError> {
        let published = stop.or(Self::ask(folder, pinned, before, store)).await??;
        match published.decide(before, store, false).await {
            Err(EngineError::Index { source }) if source.may_be_half_published() => {
                stop.or(TimeoutFuture::new(PUBLISHING)).await?;
                let published = stop.or(Self::ask(folder, pinned, before, store)).await??;
                published.decide(before, store, false).await
            }
            found => found,
        }
    }

    async fn ask(
        folder: &Folder,
        pinned: Option<PublicKey>,
        before: Option<&Trust>,
        store: &Store,
    ) -> Result<Self, EngineError> {
        let json = folder.small(INDEX_FILE, limits::INDEX).await?;
        // A gallery that is not signed need not have a file that says so.
        let signed = |trust: &Trust| trust.root.is_some();
        let expected = pinned.is_some()
            || before.is_some_and(signed)
            || store.trust(folder.url()).await.as_ref().is_some_and(signed)
            || Index::parse(&json).map_err(refused)?.key.is_some();
        let minisig = match expected {
            true => match folder.small(SIGNATURE_FILE, limits::SIGNATURE).await {
                // Some hosts forbid what is not there.
                Err(EngineError::Download(e))
                    if matches!(e.problem, Problem::Missing | Problem::Forbidden(403)) =>
                {
                    None
                }
                answer => Some(answer?),
            },
            false => None,
        };
        Ok(Self { folder: folder.clone(), pinned, json, minisig })
    }

    /// Decides by what is remembered now, and remembers what follows: no other tab decides meanwhile. `vouched`
    /// is whether the visitor vouches for the key.
    ///
    /// # Errors
    /// [`EngineError::Index`].
    pub async fn decide(
        self,
        before: Option<&Trust>,
        store: &Store,
        vouched: bool,
    ) -> Result<Found, EngineError> {
        let _lock = store.deciding(self.folder.url()).await;
        let kept = store.trust(self.folder.url()).await;
        let kept = kept.as_ref().or(before);
        // Whoever makes an unsigned gallery on this machine may well begin it anew.
        let kept = kept.filter(|kept| kept.root.is_some() || !is_local(self.folder.url()));
        let now = unix_seconds();
        let verdict = trust::check(self.pinned.as_ref(), kept, &self.json, self.minisig.as_deref(), now);
        let checked = match verdict.map_err(refused)? {
            Verdict::FirstUse { key, .. } if !vouched => return Ok(Found::FirstUse(key, self)),
            Verdict::FirstUse { checked, .. } | Verdict::Signed(checked) | Verdict::Unsigned(checked) => {
                checked
            }
        };
        let remembered = store.keep_trust(self.folder.url(), &checked.trust).await;
        let bytes = (self.json.len() + self.minisig.map_or(0, |minisig| minisig.len())) as u64;
        let Self { folder, pinned, .. } = self;
        Ok(Found::Trusted(Box::new(Opened { folder, pinned, checked, remembered, bytes })))
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
