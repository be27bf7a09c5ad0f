//! Downloads files from servers that may answer wrongly: what to ask for, what an answer means, and
//! when to try again.
//!
//! Nothing here touches the network. A fetcher, in a browser or not, gets its next request from
//! [`Download::request`]. It reports the head of the answer with [`Download::answer`], the bytes
//! with [`Download::bytes`], and the end with [`Download::ended`] or [`Download::failed`]. Each
//! report returns the [`Step`] to take:
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
//! Each chunk is verified when its last byte arrives, and only verified chunks are handed out. A
//! damaged chunk is asked for again; a good one is never asked for twice.

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
/// How long a connection may go without a byte. After that it counts as stalled: the fetcher ends
/// it and reports [`Failure::Stalled`].
pub const STALL: Duration = Duration::from_secs(20);
/// Returns how long to wait before attempt number `attempt`, counted from 1. The wait is `at_least`
/// and a share of a time that doubles from half a second to half a minute. That share is `jitter`,
/// a random number from 0 to 1, so that many readers do not come back at once.
pub fn backoff(attempt: u32, at_least: Option<Duration>, jitter: f64) -> Duration {
    let longest = 0.5 * f64::from(1u32 << attempt.saturating_sub(1).min(6));
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
    at_least.unwrap_or_default() + Duration::from_secs_f64(longest.min(30.0) * jitter)
}

/// The next thing for the fetcher to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read on.
    Read,
    /// Drop the rest of the body, and make the next request at once.
    Next,
    /// Drop the body, wait for [`backoff`], and make the next request.
    Retry {
        /// The attempt's number, for [`backoff`].
        attempt: u32,
        /// The shortest wait that the server asked for, for [`backoff`].
        at_least: Option<Duration>,
    },
    /// Every chunk is there.
    Done,
}

type Result<T> = std::result::Result<T, DownloadError>;

/// How many attempts in a row went wrong.
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
    /// Which chunks were verified and handed out.
    held: Vec<bool>,
    /// The first bytes of the chunk that is arriving; they end at `at`.
    partial: Vec<u8>,
    /// Where in the file the next byte belongs.
    at: u64,
    /// The bytes of the file that were asked for; after an answer, those that it brings.
    part: Range<u64>,
    /// The strong entity tag (`ETag`) of the file version that `partial` comes from.
    etag: Option<String>,
    /// The content encoding of the present answer.
    encoding: Option<String>,
    /// Whether the file lies on another origin than the page.
    cross_origin: bool,
    /// Whether to ask for the whole file only, because asking for parts went wrong.
    whole_only: bool,
    patience: Patience,
    /// How many times in a row the same chunk came damaged.
    damaged: u32,
}

impl Download {
    /// Begins a download of the whole file.
    pub fn new(entry: &FileEntry) -> Self {
        Self::resume(entry, |_| false, None)
    }

    /// Goes on with a download: `held` says which chunks are there already. `etag` is what
    /// [`Download::etag`] returned before.
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

    /// Leaves out `If-Range`, for a file on another origin: a browser would first ask the server
    /// for permission to send that header, and most servers refuse. Chunks are verified all the
    /// same.
    pub fn cross_origin(mut self) -> Self {
        self.cross_origin = true;
        self
    }

    /// Returns the strong `ETag` of what was downloaded so far, to be stored beside it.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Returns whether every chunk was handed out.
    pub fn is_done(&self) -> bool {
        self.held.iter().all(|held| *held)
    }

    /// Returns how many bytes of the file are here, verified or not yet.
    pub fn received(&self) -> u64 {
        let held = self.held.iter().enumerate().filter(|(_, held)| **held);
        held.map(|(n, _)| length(&self.entry.chunk_range(n))).sum::<u64>() + self.partial.len() as u64
    }

    /// Returns what to ask for next: the first bytes that are missing, up to the next chunk that is
    /// there. Returns `None` once every chunk is there.
    pub fn request(&mut self) -> Option<Request> {
        let first = self.held.iter().position(|held| !held)?;
        let chunk = self.entry.chunk_range(first);
        // The beginning of that chunk need not come again; that of another chunk is of no use.
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

    /// Notes the `ETag` of the bytes that follow. Returns whether it is of another version of the
    /// file than the bytes before.
    fn see(&mut self, etag: Option<&str>) -> bool {
        let etag = etag.filter(|etag| is_strong(etag)).map(str::to_owned);
        let other = self.etag.is_some() && etag.is_some() && self.etag != etag;
        if etag.is_some() {
            self.etag = etag;
        }
        other
    }

    /// Asks for the whole file from now on; gives up if that was asked for already.
    fn without_parts(&mut self, problem: Problem) -> std::result::Result<Step, Problem> {
        if self.whole_only {
            return Err(problem);
        }
        self.whole_only = true;
        self.partial.clear();
        Ok(Step::Next)
    }

    /// Takes bytes of the answer, and calls `keep` with number and bytes of each chunk that they
    /// complete, once it is verified.
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

    /// Takes note of a connection without an answer, or of one that broke off.
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

/// Content encodings whose bytes are not those of the file. Gzip is left out: it is easily undone,
/// and some servers only claim it.
const COMPRESSED: [&str; 4] = ["br", "compress", "deflate", "zstd"];

/// The download of a small file whose digest no index gives: `index.json` itself, or its signature.
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
    /// Begins a download of `file`, which may have at most `limit` bytes.
    pub fn new(file: &str, limit: u64) -> Self {
        let (file, bytes, patience) = (file.to_owned(), Vec::new(), Patience::default());
        Self { file, limit, announced: None, bytes, patience, raw: false }
    }

    /// Refuses a compressed answer with [`Problem::Encoded`], for a fetcher that hands on the bytes
    /// as the server sends them. A browser undoes compression by itself.
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

    /// Takes the answer's end. After [`Step::Done`], [`SmallDownload::into_bytes`] returns the
    /// file.
    ///
    /// # Errors
    /// As [`SmallDownload::answer`].
    pub fn ended(&mut self) -> Result<Step> {
        if self.announced.is_some_and(|n| n != self.bytes.len() as u64) {
            return self.failed(Failure::Broken);
        }
        Ok(Step::Done)
    }

    /// Takes note of a connection without an answer, or of one that broke off.
    ///
    /// # Errors
    /// As [`SmallDownload::answer`].
    pub fn failed(&mut self, failure: Failure) -> Result<Step> {
        self.patience.failed(failure).map_err(|problem| self.error(problem))
    }

    /// Returns the bytes that arrived.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn error(&self, problem: Problem) -> DownloadError {
        DownloadError { file: self.file.clone(), problem }
    }
}

/// Returns whether an `ETag` is strong, which means that it stands for the same bytes, and fit to
/// be sent back.
fn is_strong(etag: &str) -> bool {
    etag.len() <= 256 && etag.starts_with('"') && etag.bytes().all(|b| b.is_ascii_graphic())
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}
