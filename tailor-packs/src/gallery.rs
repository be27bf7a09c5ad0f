//! Opens a gallery, and looks at it again: what to ask its server for, and what the answers mean.
//!
//! A gallery is a folder on a web server with an index, the learngene file that all classes share,
//! and a tailor pack for each class.
//!
//! Nothing here touches the network, a disk or a clock, so the page and the command line decide
//! alike. The caller asks [`Opening::next`] which file to download (with
//! [`SmallDownload`](crate::download::SmallDownload)), hands the answer to [`Opening::came`] or
//! [`Opening::is_answer`], and does what the [`Decision`] says:
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
//! A gallery may be published anew at any time. Its files are named by their content. So when a
//! file is missing, or its content is not the expected one ([`Problem::wants_new_index`]), open the
//! gallery again with the [`Trust`] that was kept of it, and ask [`Checked::since`] what changed.
//! If the answer is [`Change::Nothing`], report the problem with the file.

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
    /// Whether this is the second look at the gallery.
    again: bool,
}

/// What is known of the index's signature file.
#[derive(Clone, Debug, PartialEq)]
enum Signature {
    Unasked,
    Absent,
    Here(Vec<u8>),
}

/// The next thing for the caller of [`Opening::next`] to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Download this file of the gallery. Hand its bytes to [`Opening::came`], or the problem to
    /// [`Opening::is_answer`].
    Ask {
        /// The file's name.
        file: &'static str,
        /// How many bytes it may have at most.
        limit: u64,
    },
    /// Every file that is needed is there: call [`Opening::decide`].
    Decide,
}

/// The outcome of [`Opening::decide`].
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The gallery may be used.
    Open(Box<Opened>),
    /// The gallery may be used once somebody vouches for this key. Then call [`Opening::vouch`],
    /// and decide again.
    FirstUse(PublicKey),
    /// Wait, then begin with [`Opening::next`].
    Again {
        /// How long to wait.
        wait: Duration,
    },
}

/// An index that may be used, and the files that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The index, and what to remember of it.
    pub checked: Checked,
    /// The bytes of `index.json`.
    pub json: Vec<u8>,
    /// The bytes of `index.json.minisig`, where the gallery has one.
    pub minisig: Option<Vec<u8>>,
}

/// What is different in a gallery that was opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The index is the same.
    Nothing,
    /// The learngene and its config are the same, so a model that is loaded can stay; tailors may have changed.
    Tailors,
    /// The learngene or its config is another one, so the model must be loaded anew.
    Learngene,
}

impl Opening {
    /// Begins with a first look at a gallery. `pinned` is its publisher's key, if the reader was
    /// given one beforehand.
    pub fn new(pinned: Option<PublicKey>) -> Self {
        Self { pinned, vouched: None, json: None, signature: Signature::Unasked, again: false }
    }

    /// Returns what to do next. `kept` is what the reader remembers of the gallery from its last
    /// visit.
    ///
    /// # Errors
    /// Those of [`Index::parse`], if the index has to be read to learn whether it names a key.
    pub fn next(&self, kept: Option<&Trust>) -> Result<Next> {
        Ok(match &self.json {
            None => Next::Ask { file: INDEX_FILE, limit: limits::INDEX },
            Some(json) if self.wants_signature(json, kept)? => {
                Next::Ask { file: SIGNATURE_FILE, limit: limits::SIGNATURE }
            }
            Some(_) => Next::Decide,
        })
    }

    /// Returns whether to ask for the signature. An unsigned gallery need not have a signature
    /// file, so it is asked for only if a key is known or the index names one.
    fn wants_signature(&self, json: &[u8], kept: Option<&Trust>) -> Result<bool> {
        if self.signature != Signature::Unasked {
            return Ok(false);
        }
        let known = self.pinned.is_some() || kept.is_some_and(|kept| kept.root.is_some());
        Ok(known || Index::look(json)?.key.is_some())
    }

    /// Takes the bytes of the file that was asked for.
    pub fn came(&mut self, bytes: Vec<u8>) {
        match self.json {
            None => self.json = Some(bytes),
            Some(_) => self.signature = Signature::Here(bytes),
        }
    }

    /// Returns whether this problem answers the question for the signature file: there is none
    /// ([`Problem::is_absence`]). Any other problem is a failure to report.
    pub fn is_answer(&mut self, problem: &Problem) -> bool {
        let absent = self.json.is_some() && problem.is_absence();
        if absent {
            self.signature = Signature::Absent;
        }
        absent
    }

    /// Notes that somebody vouches for this key, which [`Decision::FirstUse`] named.
    pub fn vouch(&mut self, key: PublicKey) {
        self.vouched = Some(key);
    }

    /// Decides whether the gallery may be used. `kept` is what the reader remembers of it now,
    /// perhaps more than at [`Opening::next`], and `now` is the time in unix seconds. Where several
    /// readers share a memory, hold its lock from this call until [`Checked::trust`] is stored.
    ///
    /// A publisher replaces index and signature one after the other. So when the two do not fit,
    /// the first answer is [`Decision::Again`], and only the second look gives an error.
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

impl Checked {
    /// Returns what changed since the index `before`, of which the reader remembers `trust`.
    pub fn since(&self, before: &Index, trust: &Trust) -> Change {
        let Checked { index, trust: now } = self;
        if now.digest == trust.digest {
            Change::Nothing
        } else if (index.learngene.sha256, &index.config) == (before.learngene.sha256, &before.config) {
            Change::Tailors
        } else {
            Change::Learngene
        }
    }
}
