//! Opening a gallery, and looking at it again: what to ask its server for, and what to make of the answers.
//!
//! Nothing here touches the network, a disk or a clock, so the page and the command line decide alike. Whoever opens a
//! gallery asks [`Opening::next`] which file to download (with [`SmallDownload`](crate::download::SmallDownload)),
//! hands over what came, and does what the [`Decision`] says:
//!
//! ```
//! # use tailor_packs::{Trust, PackError, download::Problem, gallery::*};
//! # fn download(file: &str, limit: u64) -> Result<Vec<u8>, Problem> { Err(Problem::Missing) }
//! # fn ask(_: &str) -> bool { true }
//! # fn open(kept: Option<Trust>) -> Result<Option<Opened>, Box<dyn std::error::Error>> {
//! let mut opening = Opening::new(None); // or the publisher's key
//! let opened = loop {
//!     if let Next::Ask { file, limit } = opening.next(kept.as_ref())? {
//!         match download(file, limit) {
//!             Ok(bytes) => opening.came(bytes),
//!             Err(problem) if opening.is_answer(&problem) => {}
//!             Err(problem) => return Err(problem.into()),
//!         }
//!         continue;
//!     }
//!     let now = 1_800_000_000; // unix seconds
//!     match opening.decide(kept.as_ref(), now)? {
//!         Decision::Open(opened) => break opened,
//!         Decision::Again { wait } => std::thread::sleep(wait),
//!         Decision::FirstUse(key) if ask(&key.fingerprint()) => opening.vouch(key),
//!         Decision::FirstUse(_) => return Ok(None),
//!     }
//! };
//! // To be kept for the next visit: opened.checked.trust
//! # Ok(Some(*opened)) }
//! ```
//!
//! A gallery may be published anew at any time. Its files are named by their content, so one that is gone or is not
//! itself ([`Problem::wants_new_index`]) is a reason to open the gallery again, with what was kept of it, and to see
//! with [`Opened::since`] what changed. After [`Change::Nothing`] the failure stands.

use crate::download::Problem;
use crate::error::Result;
use crate::file::{INDEX_FILE, SIGNATURE_FILE};
use crate::limits;
use crate::trust::index::Index;
use crate::trust::signature::PublicKey;
use crate::trust::{self, Checked, Trust, Verdict};
use std::time::Duration;

/// How long to wait before a second look at a gallery that is perhaps being published.
pub const PUBLISHING: Duration = Duration::from_millis(1500);

/// A gallery that is about to be opened.
#[derive(Clone, Debug)]
pub struct Opening {
    pinned: Option<PublicKey>,
    vouched: Option<PublicKey>,
    json: Option<Vec<u8>>,
    signature: Signature,
    /// Whether it was looked at a second time.
    again: bool,
}

/// What is known of the file beside the index.
#[derive(Clone, Debug, PartialEq)]
enum Signature {
    Unasked,
    Absent,
    Here(Vec<u8>),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Download this file of the gallery and hand it to [`Opening::came`], or the problem to
    /// [`Opening::is_answer`].
    Ask {
        /// Its name.
        file: &'static str,
        /// How many bytes it may have.
        limit: u64,
    },
    /// Everything is there: [`Opening::decide`].
    Decide,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It may be used.
    Open(Box<Opened>),
    /// It may be used once somebody vouches for this key; then [`Opening::vouch`], and decide again.
    FirstUse(PublicKey),
    /// Wait, then begin with [`Opening::next`].
    Again {
        /// How long.
        wait: Duration,
    },
}

/// An index that may be used, and the bytes that it came as.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The index, and what to remember of it.
    pub checked: Checked,
    /// `index.json`.
    pub json: Vec<u8>,
    /// `index.json.minisig`, of a gallery that has one.
    pub minisig: Option<Vec<u8>>,
}

/// What is different in a gallery that was opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is the same index.
    Nothing,
    /// The learngene and its config are the same, so a model that is loaded can stay; tailors may have changed.
    Tailors,
    /// It has another learngene.
    Learngene,
}

impl Opening {
    /// The first look at a gallery. `pinned` is its publisher's key, where the reader was given it beforehand.
    pub fn new(pinned: Option<PublicKey>) -> Self {
        Self { pinned, vouched: None, json: None, signature: Signature::Unasked, again: false }
    }

    /// What to do next; `kept` is what the reader remembers of the gallery.
    ///
    /// # Errors
    /// Those of [`Index::parse`], for an index of which not even the key can be read.
    pub fn next(&self, kept: Option<&Trust>) -> Result<Next> {
        Ok(match &self.json {
            None => Next::Ask { file: INDEX_FILE, limit: limits::INDEX },
            Some(json) if self.wants_signature(json, kept)? => {
                Next::Ask { file: SIGNATURE_FILE, limit: limits::SIGNATURE }
            }
            Some(_) => Next::Decide,
        })
    }

    /// Whether the signature is still to be asked for. A gallery that is not signed need not have a file that says so.
    fn wants_signature(&self, json: &[u8], kept: Option<&Trust>) -> Result<bool> {
        if self.signature != Signature::Unasked {
            return Ok(false);
        }
        let known = self.pinned.is_some() || kept.is_some_and(|kept| kept.root.is_some());
        Ok(known || Index::look(json)?.key.is_some())
    }

    /// Takes the file that was asked for.
    pub fn came(&mut self, bytes: Vec<u8>) {
        match self.json {
            None => self.json = Some(bytes),
            Some(_) => self.signature = Signature::Here(bytes),
        }
    }

    /// Whether this problem with the file that was asked for is an answer: that the gallery has no signature
    /// ([`Problem::is_absence`]). Any other problem stands.
    pub fn is_answer(&mut self, problem: &Problem) -> bool {
        let absent = self.json.is_some() && problem.is_absence();
        if absent {
            self.signature = Signature::Absent;
        }
        absent
    }

    /// Somebody vouches for this key, which [`Decision::FirstUse`] named.
    pub fn vouch(&mut self, key: PublicKey) {
        self.vouched = Some(key);
    }

    /// Decides by what the reader remembers now, which may be more than it was in [`Opening::next`]; `now` is in unix
    /// seconds. To decide and to keep [`Checked::trust`] must be one act for all who keep it in the same place.
    ///
    /// Index and signature are published one after the other, so two that do not fit are looked at a second time.
    ///
    /// # Errors
    /// Those of [`trust::check`].
    pub fn decide(&mut self, kept: Option<&Trust>, now: u64) -> Result<Decision> {
        if self.next(kept)? != Next::Decide {
            return Ok(Decision::Again { wait: Duration::ZERO });
        }
        let json = self.json.as_deref().unwrap_or_default();
        let minisig = match &self.signature {
            Signature::Here(minisig) => Some(minisig.as_slice()),
            Signature::Unasked | Signature::Absent => None,
        };
        let verdict = match trust::check(self.pinned.as_ref(), kept, json, minisig, now) {
            Err(error) if error.may_be_half_published() && !self.again => {
                let Self { pinned, vouched, .. } = *self;
                *self = Self { vouched, again: true, ..Self::new(pinned) };
                return Ok(Decision::Again { wait: PUBLISHING });
            }
            verdict => verdict?,
        };
        let checked = match verdict {
            Verdict::FirstUse { key, .. } if self.vouched != Some(key) => {
                return Ok(Decision::FirstUse(key));
            }
            Verdict::FirstUse { checked, .. } | Verdict::Signed(checked) | Verdict::Unsigned(checked) => {
                checked
            }
        };
        let minisig = minisig.map(<[u8]>::to_vec);
        Ok(Decision::Open(Box::new(Opened { checked, json: self.json.take().unwrap_or_default(), minisig })))
    }
}

impl Opened {
    /// What is different from the index `before`, of which `trust` was remembered.
    pub fn since(&self, before: &Index, trust: &Trust) -> Change {
        let Checked { index, trust: now } = &self.checked;
        if now.digest == trust.digest {
            Change::Nothing
        } else if (index.learngene.sha256, &index.config) == (before.learngene.sha256, &before.config) {
            Change::Tailors
        } else {
            Change::Learngene
        }
    }
}
