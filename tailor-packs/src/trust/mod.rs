//! Decides whether a reader may trust a gallery, and whether it is still the same one.
//!
//! A reader keeps a [`Trust`] for each gallery, and passes it to [`check`] with every index that it
//! gets:
//!
//! ```
//! # use tailor_packs::{trust::{self, Verdict}, PackError};
//! # fn ask(_: &str) -> bool { true }
//! # fn open(json: &[u8], minisig: Option<&[u8]>, kept: &mut Option<trust::Trust>) -> Result<(), PackError> {
//! let now = 1_800_000_000; // unix seconds
//! let checked = match trust::check(None, kept.as_ref(), json, minisig, now)? {
//!     Verdict::Signed(checked) => checked,
//!     Verdict::FirstUse { key, checked } if ask(&key.fingerprint()) => checked,
//!     Verdict::FirstUse { .. } => return Ok(()),
//!     Verdict::Unsigned(checked) => checked, // say so: "unsigned"
//! };
//! *kept = Some(checked.trust);
//! # Ok(())
//! # }
//! ```
//!
//! The reader of a signed gallery is safe from these attacks, named as in
//! [TUF](https://theupdateframework.io): an index signed by another key; an older index than the
//! last one (rollback); the same index served for ever (freeze: it expires); another index of the
//! same version, or the publisher's index of another gallery (mix and match); and an unsigned index
//! in the place of a signed one.

pub mod index;
pub mod shards;
pub mod signature;

use crate::digest::Digest;
use crate::error::{PackError, Result, index_invalid as invalid};
use index::Index;
use serde::{Deserialize, Serialize};
use signature::{PublicKey, claimed_key_id};

/// What a reader remembers of a gallery from one visit to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The gallery's id.
    pub gallery: String,
    /// The key with which trust began: pinned, or confirmed by the visitor. `None` for an unsigned
    /// gallery.
    pub root: Option<PublicKey>,
    /// The key that signs now, after any rotation.
    pub key: Option<PublicKey>,
    /// The key that the last index named as the next one.
    pub next_key: Option<PublicKey>,
    /// The highest version seen.
    pub version: u64,
    /// SHA-256 of the index of that version.
    pub digest: Digest,
}

/// An index that may be used, and what to remember of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The index, read and checked.
    pub index: Index,
    /// What to remember of the gallery, instead of what was kept before.
    pub trust: Trust,
}

/// What [`check`] found out about an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The index is signed by a key that the reader trusts.
    Signed(Checked),
    /// The index is signed by the key that it names itself, and nobody has vouched for that key
    /// yet. Show the key's fingerprint, and keep the trust only if the visitor agrees.
    FirstUse {
        /// The key to show.
        key: PublicKey,
        /// What to use and keep once the visitor agrees.
        checked: Checked,
    },
    /// The index is not signed. Label it as `unsigned`.
    Unsigned(Checked),
}

/// Decides whether an index may be used.
///
/// `pinned` is the publisher's key, if the reader was given one beforehand; `kept` is what the
/// reader remembers of the gallery at this address; `now` is the time in unix seconds. A pinned key
/// outranks a kept one, but rotations from it are followed, and versions never go back. For an
/// unsigned gallery only the rollback of versions is refused, since anybody could have written the
/// rest.
///
/// # Errors
/// About the signature: [`PackError::SignatureMissing`], [`PackError::SignatureInvalid`],
/// [`PackError::WrongKey`], [`PackError::KeyUnknown`]. About its place among the indexes of this
/// gallery: [`PackError::IndexExpired`], [`PackError::IndexRolledBack`],
/// [`PackError::IndexReplaced`], [`PackError::OtherGallery`]. And those of [`Index::parse`].
pub fn check(
    pinned: Option<&PublicKey>,
    kept: Option<&Trust>,
    json: &[u8],
    minisig: Option<&[u8]>,
    now: u64,
) -> Result<Verdict> {
    let kept_keys = kept.and_then(|kept| Some((kept.root?, kept.key?, kept.next_key)));
    // A pinned key that is none of the kept ones begins anew.
    let kept_keys = kept_keys.filter(|(root, key, next)| {
        pinned.is_none_or(|pinned| [Some(*root), Some(*key), *next].contains(&Some(*pinned)))
    });
    // The root key, the key that signs, and the next key, which may sign.
    let trusted = match (pinned, kept_keys) {
        // The publisher has rotated to the pinned key: the one before it signs no more.
        (Some(pinned), Some((_, _, Some(next)))) if *pinned == next => Some((next, next, None)),
        (Some(pinned), Some((_, key, next))) => Some((*pinned, key, next)),
        (Some(pinned), None) => Some((*pinned, *pinned, None)),
        (None, kept) => kept,
    };
    let (root, key, first_use) = match (trusted, minisig) {
        (Some((root, key, next)), Some(minisig)) => {
            (Some(root), Some(signer(key, next, json, minisig)?), false)
        }
        (Some((_, key, _)), None) => return Err(PackError::SignatureMissing { expected: key.id() }),
        (None, Some(minisig)) => {
            let key = named(json, minisig)?;
            (Some(key), Some(key), true)
        }
        (None, None) => (None, None, false),
    };

    // Of a signed index nothing is read before its signature was verified, except its key above.
    let index = Index::look(json)?;
    if key.is_some() && index.key.is_some_and(|named| Some(named) != key) {
        return Err(invalid("it names another key than the one that signs it"));
    }
    let digest = Digest::of(json);
    if let Some(kept) = kept {
        continues(kept, &index, digest, kept_keys.is_some())?;
    }
    index.check_fresh(now, None)?;
    // The key that signs now is no longer the next one.
    let next_key = index.next_key.filter(|next| key.is_some() && Some(*next) != key);
    let trust = Trust { gallery: index.id.clone(), root, key, next_key, version: index.version, digest };
    let checked = Checked { index: index.read(json)?, trust };
    Ok(match key {
        None => Verdict::Unsigned(checked),
        Some(key) if first_use => Verdict::FirstUse { key, checked },
        Some(_) => Verdict::Signed(checked),
    })
}

/// Returns which of the two keys signed.
fn signer(key: PublicKey, next: Option<PublicKey>, json: &[u8], minisig: &[u8]) -> Result<PublicKey> {
    match (key.verify(json, minisig), next) {
        (Ok(_), _) => Ok(key),
        // Ids are free to choose, so two keys can share one: the error is the present key's.
        (Err(error), Some(next)) => next.verify(json, minisig).map(|_| next).map_err(|_| error),
        (Err(error), None) => Err(error),
    }
}

/// Returns the key that the index names, after verifying that it signed.
fn named(json: &[u8], minisig: &[u8]) -> Result<PublicKey> {
    let id = claimed_key_id(minisig)?;
    let key = Index::look(json)?.key.ok_or(PackError::KeyUnknown { id })?;
    key.verify(json, minisig).map(|_| key)
}

/// Refuses an index that cannot follow the one that was kept.
fn continues<C>(kept: &Trust, index: &Index<C>, digest: Digest, signed: bool) -> Result<()> {
    if kept.gallery != index.id {
        // Where it is unsigned, or its key had nothing to do with the old one, this is another
        // gallery.
        let (expected, found) = (kept.gallery.clone(), index.id.clone());
        return if signed { Err(PackError::OtherGallery { expected, found }) } else { Ok(()) };
    }
    if index.version < kept.version {
        return Err(PackError::IndexRolledBack { seen: kept.version, found: index.version });
    }
    if signed && index.version == kept.version && digest != kept.digest {
        let version = index.version;
        return Err(PackError::IndexReplaced { version, expected: kept.digest, found: digest });
    }
    Ok(())
}
