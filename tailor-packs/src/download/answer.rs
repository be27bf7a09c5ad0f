//! A request to a server, the head of its answer, and what that head means.

use std::ops::Range;
use std::time::Duration;

/// How many times in a row to try without completing a chunk.
pub const ATTEMPTS: u32 = 6;
/// How many times in a row one chunk may come damaged.
pub const DAMAGED: u32 = 3;
/// The longest wait that a server may ask for with `Retry-After`.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A request for one file, or for a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The value of the header `Range`, if it is to be sent.
    pub range: Option<String>,
    /// The value of the header `If-Range`, if it is to be sent.
    pub if_range: Option<String>,
    /// Whether to go past all caches, because the bytes that came last were damaged, and a cache
    /// may hold them.
    pub fresh: bool,
}

/// The head of a server's answer. Absent headers are `None`: other origins hide most of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// `Content-Range`.
    pub content_range: Option<&'a str>,
    /// `Content-Length`.
    pub content_length: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The address or origin that answered, if redirects led to another origin than the one that
    /// was asked. Files that the index names by their digest may come from anywhere; the index
    /// itself may not.
    pub elsewhere: Option<&'a str>,
    /// The time now in unix seconds, for a `Retry-After` that is a date.
    pub now: u64,
}

/// How a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no answer: no network, no such server, or a server that lets no other page read
    /// its files (CORS). A browser does not say which.
    Unreachable,
    /// No byte came for [`STALL`](super::STALL).
    Stalled,
    /// The connection broke.
    Broken,
}

/// Why a file cannot be downloaded, in words for a visitor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct DownloadError {
    /// The file's name.
    pub file: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a server's answers. The comments name the status codes, headers or failures
/// that lead to each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// 404 or 410.
    #[error("it is not on the server; the gallery may be about to be published anew, try again in a minute")]
    Missing,
    /// 401, 403, 407 or 451.
    #[error("the server does not give it out (status {0}); ask the gallery's publisher")]
    Forbidden(u16),
    /// Any other status that is no success; also 206 or 416 to a request that a server cannot serve
    /// in parts.
    #[error("the server answered with status {0}; ask the gallery's publisher")]
    Status(u16),
    /// 408, 425, 429 or 5xx, each time.
    #[error("the server is overloaded or out of order (status {0}); try again later")]
    Busy(u16),
    /// `Retry-After` asks for more than [`PATIENCE`].
    #[error("the server asks to come back in {0} seconds; try again then")]
    Later(u64),
    /// HTML where a file should be.
    #[error(
        "the server sent a web page instead of the file; a login or a network's welcome page may stand \
         before it, or the address is wrong"
    )]
    WebPage,
    /// Redirected to another origin, for a file that nothing vouches for beforehand.
    #[error("the server sent us on to {0}; if that is where the gallery is now, use that address")]
    Elsewhere(String),
    /// A `Content-Encoding` says that the bytes are compressed, and they are not those of the file.
    #[error("the server sends it compressed ({0}) and so not as it is; ask the gallery's publisher")]
    Encoded(String),
    /// The server's file has another length than the index says.
    #[error(
        "the server has {found} bytes of it instead of {expected}, so it is not what the index names; try again \
         in a minute, then ask the gallery's publisher"
    )]
    WrongLength {
        /// The length in the index, in bytes.
        expected: u64,
        /// The length on the server in bytes, or a lower bound of it.
        found: u64,
    },
    /// The digest of a chunk was not the index's, [`DAMAGED`] times in a row.
    #[error(
        "part {chunk} arrived damaged {DAMAGED} times, or is not what the index names; try again in a minute, \
         then ask the gallery's publisher"
    )]
    Damaged {
        /// The chunk's number.
        chunk: usize,
    },
    /// [`Failure::Unreachable`], each time.
    #[error(
        "the server cannot be reached: this device may be offline, or the server does not let this page \
         read it (CORS)"
    )]
    Unreachable,
    /// [`Failure::Stalled`], each time.
    #[error("the server stopped sending; check the connection and try again")]
    Stalled,
    /// [`Failure::Broken`] or too few bytes, each time.
    #[error("the connection broke {ATTEMPTS} times; check it and try again")]
    Broken,
    /// A file that the index does not list, such as the index itself, has more bytes than its
    /// limit.
    #[error("it has more than {0} bytes, which no such file has; ask the gallery's publisher")]
    TooLarge(u64),
}

impl Problem {
    /// Returns the problem's name for programs, such as `missing`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Forbidden(_) => "forbidden",
            Self::Status(_) => "status",
            Self::Busy(_) => "busy",
            Self::Later(_) => "later",
            Self::WebPage => "web-page",
            Self::Elsewhere(_) => "elsewhere",
            Self::Encoded(_) => "encoded",
            Self::WrongLength { .. } => "wrong-length",
            Self::Damaged { .. } => "damaged",
            Self::Unreachable => "unreachable",
            Self::Stalled => "stalled",
            Self::Broken => "broken",
            Self::TooLarge(_) => "too-large",
        }
    }

    /// Returns whether the server says that there is no such file: 404 and 410, and also 403, which
    /// many file hosts answer for a file that is missing. 401, 407 and 451 say instead that access
    /// is barred.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Missing | Self::Forbidden(403))
    }

    /// Returns whether a newer index may be the remedy. Files are named by their content, so one
    /// that is missing or has other content was probably replaced.
    pub fn wants_new_index(&self) -> bool {
        matches!(self, Self::Missing | Self::WrongLength { .. } | Self::Damaged { .. })
    }
}

/// The meaning of an answer's head, the same for every file.
pub(super) enum Head {
    /// The whole file follows.
    Whole,
    /// A part of it follows.
    Part,
    /// The file has no such range.
    NoRange,
    /// A later attempt may succeed.
    Later(Problem, Option<Duration>),
}

pub(super) fn head(answer: &Answer<'_>) -> std::result::Result<Head, Problem> {
    let status = answer.status;
    match status {
        200 | 206 => {
            let kind = answer.content_type.unwrap_or_default().trim_start().to_ascii_lowercase();
            if kind.starts_with("text/html") || kind.starts_with("application/xhtml") {
                return Err(Problem::WebPage);
            }
            Ok(if status == 206 { Head::Part } else { Head::Whole })
        }
        416 => Ok(Head::NoRange),
        404 | 410 => Err(Problem::Missing),
        401 | 403 | 407 | 451 => Err(Problem::Forbidden(status)),
        408 | 425 | 429 | 500..=599 => {
            let wait = answer.retry_after.and_then(|text| retry_after(text, answer.now));
            match wait {
                Some(wait) if wait > PATIENCE => Err(Problem::Later(wait.as_secs())),
                wait => Ok(Head::Later(Problem::Busy(status), wait)),
            }
        }
        _ => Err(Problem::Status(status)),
    }
}

/// Parses `Retry-After`: seconds, or a date.
fn retry_after(text: &str, now: u64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    let then = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(then.as_secs().saturating_sub(now)))
}

/// The header `Content-Range`, as far as it can be read.
pub(super) struct ContentRange {
    pub(super) part: Option<Range<u64>>,
    pub(super) total: Option<u64>,
}

impl ContentRange {
    pub(super) fn parse(text: &str) -> Self {
        let (part, total) =
            text.trim().strip_prefix("bytes").unwrap_or_default().split_once('/').unwrap_or_default();
        let bounds = part.trim().split_once('-');
        let bounds = bounds.and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
        let part = bounds.filter(|(a, b)| a <= b).map(|(a, b)| a..b.saturating_add(1));
        Self { part, total: total.trim().parse().ok() }
    }
}
