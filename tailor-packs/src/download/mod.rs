//! Downloads that survive wrong servers: what to ask for, what to make of the answer, when to try again.
//!
//! Nothing here touches the network. A fetcher, in a browser or not, asks [`Download::request`] what to ask
//! for, tells it the answer's head with [`Download::answer`], its bytes with [`Download::bytes`] and its end
//! with [`Download::ended`] or [`Download::failed`], and does what the [`Step`] says:
//!
//! ```
//! # use tailor_packs::{FileEntry, download::*};
//! # let file: Vec<u8> = (0..9).collect();
//! # let entry = FileEntry::of("a.tailor", &file);
//! # struct Body<'a>(&'a [u8]);
//! # fn fetch<'a>(_: &Request, file: &'a [u8]) -> Result<(Answer<'a>, Body<'a>), Failure> {
//! #     Ok((Answer { status: 200, ..Answer::default() }, Body(file)))
//! # }
//! let mut download = Download::new(&entry);
//! let mut have = Vec::new(); // or a file, in which chunk n begins at n MiB
//! while let Some(request) = download.request() {
//!     let step = match fetch(&request, &file) {
//!         Ok((answer, body)) => match download.answer(&answer)? {
//!             Step::Read => match download.bytes(body.0, |_, chunk| have.extend_from_slice(chunk))? {
//!                 Step::Read => download.ended()?,
//!                 step => step,
//!             },
//!             step => step, // the body is of no interest
//!         },
//!         Err(failure) => download.failed(failure)?,
//!     };
//!     if let Step::Retry { attempt, at_least } = step {
//!         let jitter = 0.3; // a random number from 0 to 1
//!         std::thread::sleep(backoff(attempt, at_least, jitter));
//!     }
//! }
//! assert_eq!(have, file);
//! # Ok::<(), DownloadError>(())
//! ```
//!
//! Each chunk is verified the moment it is whole, and only verified chunks are handed out. A bad one is
//! asked for again; what was good is never asked for twice.

mod answer;

use crate::digest::Digest;
use crate::error::shorten;
use crate::file::FileEntry;
use crate::limits::CHUNK;
use std::ops::Range;
use std::time::Duration;

pub use answer::{ATTEMPTS, Answer, DAMAGED, DownloadError, Failure, PATIENCE, Problem, Request};
use answer::{ContentRange, Head, head};

/// How many files to fetch at the same time.
pub const PARALLEL: usize = 4;
/// After this long without a byte a connection counts as stalled: the fetcher ends it and reports
/// [`Failure::Stalled`].
pub const STALL: Duration = Duration::from_secs(20);
/// How long to wait before attempt number `attempt`, counted from 1: a random part, `jitter` from 0 to 1, of
/// a time that doubles from half a second to half a minute, so that many readers do not come back at once.
pub fn backoff(attempt: u32, at_least: Option<Duration>, jitter: f64) -> Duration {
    let longest = 0.5 * f64::from(1u32 << attempt.saturating_sub(1).min(6));
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
    at_least.unwrap_or_default() + Duration::from_secs_f64(longest.min(30.0) * jitter)
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read on.
    Read,
    /// Leave the body if there is more of it, and make the next request at once.
    Next,
    /// Leave the body, wait for [`backoff`], and make the next request.
    Retry {
        /// For [`backoff`].
        attempt: u32,
        /// For [`backoff`]: what the server asked for.
        at_least: Option<Duration>,
    },
    /// Everything is there.
    Done,
}

type Result<T> = std::result::Result<T, DownloadError>;

/// Attempts in a row.
#[derive(Debug, Default)]
struct Patience(u32);

impl Patience {
    fn retry(&mut self, problem: Problem, at_least: Option<Duration>) -> std::result::Result<Step, Problem> {
        self.0 += 1;
        if self.0 >= ATTEMPTS { Err(problem) } else { Ok(Step::Retry { attempt: self.0, at_least }) }
    }

    fn failed(&mut self, failure: Failure) -> std::result::Result<Step, Problem> {
        let problem = match failure {
            Failure::Unreachable => Problem::Unreachable,
            Failure::Stalled => Problem::Stalled,
            Failure::Broken => Problem::Broken,
        };
        self.retry(problem, None)
    }
}

/// The download of a file that the index names.
#[derive(Debug)]
pub struct Download {
    entry: FileEntry,
    /// Which chunks are verified and with the caller.
    held: Vec<bool>,
    /// The chunk that is on its way, as far as it is here: it ends at `at`.
    partial: Vec<u8>,
    /// Where in the file the next byte belongs.
    at: u64,
    /// The part that was asked for or, once answered, is on its way.
    part: Range<u64>,
    /// The strong validator of the file that `partial` is of.
    etag: Option<String>,
    /// The content encoding of the present answer.
    encoding: Option<String>,
    /// Whether the file is on another origin than the page.
    cross_origin: bool,
    /// Whether to ask for the whole file only, because asking for parts went wrong.
    whole_only: bool,
    patience: Patience,
    /// How often in a row the same chunk came damaged.
    damaged: u32,
}

impl Download {
    /// A download of everything.
    pub fn new(entry: &FileEntry) -> Self {
        Self::resume(entry, |_| false, None)
    }

    /// A download of the chunks that are not `held` yet. `etag` is [`Download::etag`] of the earlier one.
    pub fn resume(entry: &FileEntry, held: impl Fn(usize) -> bool, etag: Option<String>) -> Self {
        Self {
            held: (0..entry.chunks.len()).map(held).collect(),
            entry: entry.clone(),
            partial: Vec::new(),
            at: 0,
            part: 0..0,
            etag: etag.filter(|etag| is_strong(etag)),
            encoding: None,
            cross_origin: false,
            whole_only: false,
            patience: Patience::default(),
            damaged: 0,
        }
    }

    /// For a file on another origin: without `If-Range`, for which a browser would first ask whether it may,
    /// and most servers say no. Chunks are verified all the same.
    pub fn cross_origin(mut self) -> Self {
        self.cross_origin = true;
        self
    }

    /// The validator of what was downloaded so far, to be kept with it.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Whether every chunk was handed out.
    pub fn is_done(&self) -> bool {
        self.held.iter().all(|held| *held)
    }

    /// Bytes of the file that are here, whether verified yet or not.
    pub fn received(&self) -> u64 {
        let held = self.held.iter().enumerate().filter(|(_, held)| **held);
        held.map(|(n, _)| length(&self.entry.chunk_range(n))).sum::<u64>() + self.partial.len() as u64
    }

    /// What to ask for next: the first bytes that are missing, up to the next that are there. `None` once
    /// everything is.
    pub fn request(&mut self) -> Option<Request> {
        let first = self.held.iter().position(|held| !held)?;
        let chunk = self.entry.chunk_range(first);
        // What is here of that chunk need not come again; of any other it is of no use.
        if self.at != chunk.start + self.partial.len() as u64 {
            self.partial.clear();
        }
        let last = self.held[first..].iter().position(|held| *held).map_or(self.held.len(), |n| first + n);
        self.part = chunk.start + self.partial.len() as u64..self.entry.chunk_range(last - 1).end;
        self.at = self.part.start;
        self.encoding = None;
        if self.whole_only || self.part == (0..self.entry.size) {
            return Some(Request { range: None, if_range: None, fresh: self.damaged > 0 });
        }
        let range = Some(format!("bytes={}-{}", self.part.start, self.part.end - 1));
        let if_range = self.etag.clone().filter(|_| !self.cross_origin);
        Some(Request { range, if_range, fresh: self.damaged > 0 })
    }

    /// Takes the answer's head.
    ///
    /// # Errors
    /// A [`Problem`] that another attempt would not solve, or that did not go away.
    pub fn answer(&mut self, answer: &Answer<'_>) -> Result<Step> {
        self.take(answer).map_err(|problem| self.error(problem))
    }

    fn take(&mut self, answer: &Answer<'_>) -> std::result::Result<Step, Problem> {
        let expected = self.entry.size;
        let wrong = |found| Problem::WrongLength { expected, found };
        let identity =
            |encoding: &&str| !encoding.trim().is_empty() && !encoding.eq_ignore_ascii_case("identity");
        let encoding = answer.content_encoding.filter(identity).map(shorten);
        let announced = answer.content_length.and_then(|text| text.trim().parse::<u64>().ok());
        let range = answer.content_range.map(ContentRange::parse);
        match head(answer)? {
            Head::Later(problem, wait) => self.patience.retry(problem, wait),
            Head::NoRange => match range {
                Some(ContentRange { total: Some(found), .. }) if found != expected => Err(wrong(found)),
                _ => self.without_parts(Problem::Status(416)),
            },
            Head::Whole => {
                // The length of what is compressed is not the file's; a browser decompresses on its own.
                if let Some(found) = announced.filter(|n| *n != expected && encoding.is_none()) {
                    return Err(wrong(found));
                }
                self.encoding = encoding;
                self.see(answer.etag);
                self.partial.clear();
                (self.at, self.part) = (0, 0..expected);
                Ok(Step::Read)
            }
            // Part of what is compressed is part of nothing.
            Head::Part if encoding.is_some() => {
                self.without_parts(Problem::Encoded(encoding.unwrap_or_default()))
            }
            Head::Part => {
                // Another origin may hide the header; the digest will tell.
                if let Some(ContentRange { part, total }) = range {
                    if let Some(found) = total.filter(|total| *total != expected) {
                        return Err(wrong(found));
                    }
                    if part.as_ref() != Some(&self.part) {
                        return self.without_parts(Problem::Status(206));
                    }
                }
                if announced.is_some_and(|n| n != length(&self.part)) {
                    return self.without_parts(Problem::Status(206));
                }
                let other = self.see(answer.etag);
                if other && !self.partial.is_empty() {
                    // What is here of the chunk is of another file than what would follow.
                    self.partial.clear();
                    return self.patience.retry(Problem::Broken, None);
                }
                Ok(Step::Read)
            }
        }
    }

    /// Notes the validator of what follows; whether it is of something else than what came before.
    fn see(&mut self, etag: Option<&str>) -> bool {
        let etag = etag.filter(|etag| is_strong(etag)).map(str::to_owned);
        let other = self.etag.is_some() && etag.is_some() && self.etag != etag;
        if etag.is_some() {
            self.etag = etag;
        }
        other
    }

    /// Asks for the whole file from now on; gives up if that is what was done already.
    fn without_parts(&mut self, problem: Problem) -> std::result::Result<Step, Problem> {
        if self.whole_only {
            return Err(problem);
        }
        self.whole_only = true;
        self.partial.clear();
        Ok(Step::Next)
    }

    /// Takes bytes of the answer, and hands out number and bytes of each chunk that is whole and verified.
    ///
    /// # Errors
    /// As [`Download::answer`].
    pub fn bytes(&mut self, part: &[u8], keep: impl FnMut(usize, &[u8])) -> Result<Step> {
        self.read(part, keep).map_err(|problem| self.error(problem))
    }

    fn read(
        &mut self,
        mut bytes: &[u8],
        mut keep: impl FnMut(usize, &[u8]),
    ) -> std::result::Result<Step, Problem> {
        while !bytes.is_empty() {
            if self.at >= self.part.end {
                // More than was asked for is no harm unless it is more than there is.
                let found = self.entry.size + bytes.len() as u64;
                return match (self.part.end == self.entry.size, self.is_done(), self.encoding.take()) {
                    (_, true, _) => Ok(Step::Done),
                    (true, _, None) => Err(Problem::WrongLength { expected: self.entry.size, found }),
                    (true, _, Some(encoding)) => Err(Problem::Encoded(encoding)),
                    (false, ..) => Ok(Step::Next),
                };
            }
            let number = (self.at / CHUNK as u64) as usize;
            let range = self.entry.chunk_range(number);
            let count = (range.end - self.at).min(bytes.len() as u64) as usize;
            let (now, later) = bytes.split_at(count);
            bytes = later;
            self.at += count as u64;
            if self.held.get(number).copied().unwrap_or(true) {
                continue;
            }
            if self.partial.is_empty() {
                self.partial.reserve_exact(length(&range) as usize);
            }
            self.partial.extend_from_slice(now);
            if self.at < range.end {
                continue;
            }
            let chunk = std::mem::take(&mut self.partial);
            if self.entry.chunks.get(number) != Some(&Digest::of(&chunk)) {
                return self.refuse(number);
            }
            keep(number, &chunk);
            self.held[number] = true;
            (self.patience, self.damaged) = (Patience::default(), 0);
            if self.is_done() {
                return Ok(Step::Done);
            }
        }
        Ok(Step::Read)
    }

    /// Asks for a damaged chunk again.
    fn refuse(&mut self, chunk: usize) -> std::result::Result<Step, Problem> {
        self.damaged += 1;
        match self.encoding.take() {
            Some(encoding) => Err(Problem::Encoded(encoding)),
            None if self.damaged >= DAMAGED => Err(Problem::Damaged { chunk }),
            None => Ok(Step::Retry { attempt: self.damaged, at_least: None }),
        }
    }

    /// Takes the answer's end.
    ///
    /// # Errors
    /// As [`Download::answer`].
    pub fn ended(&mut self) -> Result<Step> {
        if self.is_done() {
            return Ok(Step::Done);
        }
        if self.at >= self.part.end && self.partial.is_empty() {
            return Ok(Step::Next);
        }
        // What came of a compressed answer is no beginning of the file to go on from.
        match self.encoding.take() {
            Some(encoding) => Err(self.error(Problem::Encoded(encoding))),
            None => self.failed(Failure::Broken),
        }
    }

    /// Takes word that there was no answer, or no good end of it.
    ///
    /// # Errors
    /// As [`Download::answer`].
    pub fn failed(&mut self, failure: Failure) -> Result<Step> {
        self.patience.failed(failure).map_err(|problem| self.error(problem))
    }

    fn error(&self, problem: Problem) -> DownloadError {
        DownloadError { file: self.entry.path.clone(), problem }
    }
}

/// Content encodings under which nothing of a file can be read as it is. Not gzip, which is easily undone, and
/// which some servers only claim.
const COMPRESSED: [&str; 4] = ["br", "compress", "deflate", "zstd"];

/// The download of a small file that nothing vouches for beforehand: `index.json` and its signature.
///
/// The steps are those of [`Download`]; each request is for the whole file and past all caches.
#[derive(Debug)]
pub struct SmallDownload {
    file: String,
    limit: u64,
    announced: Option<u64>,
    bytes: Vec<u8>,
    patience: Patience,
    /// Whether the fetcher hands on the bytes as the server sends them.
    raw: bool,
}

impl SmallDownload {
    /// A download of `file`, which may have `limit` bytes.
    pub fn new(file: &str, limit: u64) -> Self {
        let (file, bytes, patience) = (file.to_owned(), Vec::new(), Patience::default());
        Self { file, limit, announced: None, bytes, patience, raw: false }
    }

    /// For a fetcher that hands on the bytes as the server sends them: an answer that is compressed is then
    /// [`Problem::Encoded`]. A browser undoes compression by itself.
    pub fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// Takes the answer's head.
    ///
    /// # Errors
    /// A [`Problem`] that another attempt would not solve, or that did not go away. An unsigned gallery's
    /// signature is [`Problem::Missing`].
    pub fn answer(&mut self, answer: &Answer<'_>) -> Result<Step> {
        if let Some(origin) = answer.elsewhere {
            return Err(self.error(Problem::Elsewhere(shorten(origin))));
        }
        let compressed = answer
            .content_encoding
            .filter(|name| COMPRESSED.iter().any(|known| name.trim().eq_ignore_ascii_case(known)));
        if let Some(name) = compressed.filter(|_| self.raw) {
            return Err(self.error(Problem::Encoded(shorten(name))));
        }
        let step = head(answer).and_then(|head| match head {
            Head::Whole => {
                let encoded = answer.content_encoding.is_some();
                let announced = answer.content_length.and_then(|text| text.trim().parse().ok());
                self.announced = announced.filter(|_| !encoded);
                self.bytes.clear();
                match self.announced.filter(|n| *n > self.limit) {
                    Some(_) => Err(Problem::TooLarge(self.limit)),
                    None => Ok(Step::Read),
                }
            }
            Head::Later(problem, wait) => self.patience.retry(problem, wait),
            Head::Part | Head::NoRange => Err(Problem::Status(answer.status)),
        });
        step.map_err(|problem| self.error(problem))
    }

    /// Takes bytes of the answer.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub fn bytes(&mut self, part: &[u8]) -> Result<Step> {
        if (self.bytes.len() + part.len()) as u64 > self.limit {
            return Err(self.error(Problem::TooLarge(self.limit)));
        }
        self.bytes.extend_from_slice(part);
        Ok(Step::Read)
    }

    /// Takes the answer's end; after [`Step::Done`] the bytes are [`SmallDownload::into_bytes`].
    ///
    /// # Errors
    /// As [`SmallDownload::answer`].
    pub fn ended(&mut self) -> Result<Step> {
        if self.announced.is_some_and(|n| n != self.bytes.len() as u64) {
            return self.failed(Failure::Broken);
        }
        Ok(Step::Done)
    }

    /// Takes word that there was no answer, or no good end of it.
    ///
    /// # Errors
    /// As [`SmallDownload::answer`].
    pub fn failed(&mut self, failure: Failure) -> Result<Step> {
        self.patience.failed(failure).map_err(|problem| self.error(problem))
    }

    /// The bytes, as far as they came.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn error(&self, problem: Problem) -> DownloadError {
        DownloadError { file: self.file.clone(), problem }
    }
}

/// A validator that stands for the same bytes, and that is fit to be sent back.
fn is_strong(etag: &str) -> bool {
    etag.len() <= 256 && etag.starts_with('"') && etag.bytes().all(|b| b.is_ascii_graphic())
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}
