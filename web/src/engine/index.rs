//! A gallery's index: downloaded, checked, and described to the page.

use super::download::Folder;
use super::error::EngineError;
use super::store::Store;
use super::worker::unix_seconds;
use crate::protocol::{ClassInfo, Gallery};
use gloo_timers::future::TimeoutFuture;
use std::collections::BTreeSet;
use tailor_packs::download::Problem;
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::{Checked, ClassEntry, Digest, Index, PackError, PublicKey, Verdict, limits, trust};

/// A publisher writes the signature and then the index: whoever comes between finds two that do not fit.
const PUBLISHING: u32 = 1500;

/// An index that may be used, where it came from, and the bytes that it took.
pub struct Opened {
    /// The gallery's folder.
    pub folder: Folder,
    /// The publisher's key, where the page knows it.
    pub pinned: Option<PublicKey>,
    /// The index, and what to remember of it.
    pub checked: Checked,
    bytes: u64,
}

/// What an index turned out to be.
pub enum Found {
    /// One that may be used.
    Trusted(Opened),
    /// One that may be used once the visitor vouches for this key.
    FirstUse(PublicKey, Opened),
}

impl Opened {
    /// Downloads the index of the gallery in this folder and decides about it.
    ///
    /// # Errors
    /// Those of downloading; [`EngineError::Index`] for what [`trust::check`] refuses.
    pub async fn find(
        folder: &Folder,
        pinned: Option<PublicKey>,
        store: &Store,
    ) -> Result<Found, EngineError> {
        match Self::find_once(folder, pinned, store).await {
            Err(EngineError::Index {
                source: PackError::SignatureInvalid { .. } | PackError::IndexReplaced { .. },
            }) => {
                TimeoutFuture::new(PUBLISHING).await;
                Self::find_once(folder, pinned, store).await
            }
            found => found,
        }
    }

    async fn find_once(
        folder: &Folder,
        pinned: Option<PublicKey>,
        store: &Store,
    ) -> Result<Found, EngineError> {
        let refused = |source| EngineError::Index { source };
        let json = folder.small(INDEX_FILE, limits::INDEX).await?;
        let kept = store.trust(folder.url()).await;
        // A gallery that is not signed need not have a file that says so.
        let expected =
            pinned.is_some() || kept.is_some() || Index::parse(&json).map_err(refused)?.key.is_some();
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
        let verdict = trust::check(pinned.as_ref(), kept.as_ref(), &json, minisig.as_deref(), unix_seconds());
        let bytes = (json.len() + minisig.map_or(0, |minisig| minisig.len())) as u64;
        let opened = |checked| Self { folder: folder.clone(), pinned, checked, bytes };
        Ok(match verdict.map_err(refused)? {
            Verdict::Unsigned(checked) => Found::Trusted(opened(checked)),
            Verdict::Signed(checked) => {
                store.keep_trust(folder.url(), &checked.trust).await;
                Found::Trusted(opened(checked))
            }
            Verdict::FirstUse { key, checked } => Found::FirstUse(key, opened(checked)),
        })
    }

    /// What the page needs to know of it.
    pub async fn describe(&self, store: &Store) -> Gallery {
        let Checked { index, trust } = &self.checked;
        let stored = store.holds(index.files()).await;
        Gallery {
            title: index.title.clone(),
            signed: trust.key.map(|key| key.fingerprint()),
            learngene: index.learngene.size,
            learngene_stored: stored.contains(&index.learngene.sha256),
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
        stored: stored.contains(&class.file.sha256),
    }
}
