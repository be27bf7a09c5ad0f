//! One file from a server: connections, what comes over them, and the file on its way.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use tailor_packs::FileEntry;
use tailor_packs::download::{
    Answer, Download, DownloadError, Failure, Problem, Request, STALL, SmallDownload, Step, backoff,
};
use ureq::http::{Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, ResponseExt};

use crate::error::Error;
use crate::system::clock::since_1970;
use crate::system::files::{WriteError, give_name};
use crate::system::output::without_password;

/// What a compressed body begins with; no file of a gallery does.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How long to wait for a server.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// What every wait before another attempt is multiplied by: 1, and next to nothing in tests.
    pub waits: f64,
    /// After how long without a byte a connection has stalled.
    pub stall: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { waits: 1.0, stall: STALL }
    }
}

/// Whoever asks a gallery's server.
pub(super) struct Client {
    agent: Agent,
    pace: Pace,
    /// The gallery's address, with its last slash.
    pub(super) url: String,
    pub(super) bar: ProgressBar,
    /// Set once one of several downloads has failed, so that the others end soon.
    pub(super) stopped: AtomicBool,
    /// Bytes that came from the network, of all downloads together.
    pub(super) bytes: AtomicU64,
}

impl Client {
    pub(super) fn new(url: String, pace: Pace) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(pace.stall))
            .timeout_connect(Some(pace.stall))
            .timeout_per_read(Some(pace.stall))
            .timeout_per_write(Some(pace.stall))
            .build();
        let style =
            ProgressStyle::with_template("{bytes}/{total_bytes} {bar:30} {bytes_per_sec}, {eta} left");
        let bar = ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (stopped, bytes) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { agent: agent.into(), pace, url, bar, stopped, bytes }
    }

    /// Has the chunks that are missing in `part`, each verified.
    ///
    /// # Errors
    /// [`Error::Download`], or [`Error::Write`] when the disk fails.
    pub(super) fn complete(&self, part: &mut Part) -> Result<(), Error> {
        let (entry, held) = (part.entry.clone(), part.held.clone());
        let download = Download::resume(&entry, |n| held.get(n).copied().unwrap_or_default(), None);
        self.bar.inc(download.received());
        self.drive(&entry.path, &mut IntoPart { download, part: &mut *part, written: Ok(()) })
            .inspect_err(|_| part.leave())
    }

    /// The bytes of a file that no index vouches for.
    pub(super) fn small(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut download = SmallDownload::new(name, limit).raw();
        self.drive(name, &mut download)?;
        Ok(download.into_bytes())
    }

    /// Makes one request after the other until the file is there.
    fn drive(&self, name: &str, file: &mut dyn Incoming) -> Result<(), Error> {
        let url = format!("{}{name}", self.url);
        let mut cause = None;
        while let Some(request) = file.request() {
            let before = file.received();
            let step = self.exchange(&url, &request, file, &mut cause);
            file.written()?;
            match step {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Retry { attempt, at_least }) => self.wait(attempt, at_least),
                Ok(Step::Read | Step::Next) => {}
                Err(DownloadError { problem, .. }) => {
                    let connection =
                        matches!(problem, Problem::Unreachable | Problem::Broken | Problem::Stalled);
                    return Err(Error::Download { url, problem, cause: cause.filter(|_| connection) });
                }
            }
            // A part of a chunk that was of no use was counted too soon.
            self.bar.dec(before.saturating_sub(file.received()));
            if self.stopped.load(Ordering::Relaxed) {
                return Err(Error::Refused {
                    what: format!("{} was left", without_password(&url)),
                    help: String::new(),
                });
            }
        }
        Ok(())
    }

    /// One request and its answer.
    fn exchange(
        &self,
        url: &str,
        request: &Request,
        file: &mut dyn Incoming,
        cause: &mut Option<String>,
    ) -> Result<Step, DownloadError> {
        let mut call = self.agent.get(url).header(header::ACCEPT_ENCODING, "identity");
        for (name, value) in [(header::RANGE, &request.range), (header::IF_RANGE, &request.if_range)] {
            call = value.iter().fold(call, |call, value| call.header(name.clone(), value));
        }
        if request.fresh {
            call = call.header(header::CACHE_CONTROL, "no-cache");
        }
        let mut failed = |file: &mut dyn Incoming, error: ureq::Error, otherwise| {
            *cause = Some(error.to_string());
            file.failed(match &error {
                ureq::Error::Timeout(_) => Failure::Stalled,
                ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => Failure::Stalled,
                _ => otherwise,
            })
        };
        let response = match call.call() {
            Ok(response) => response,
            Err(error) => return failed(file, error, Failure::Unreachable),
        };
        let asked = url.parse::<Uri>().ok().and_then(|uri| server(&uri));
        let answered = server(response.get_uri());
        let elsewhere = (asked != answered).then(|| response.get_uri().to_string());
        let (head, body) = response.into_parts();
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let mut body: Box<dyn Read> = Box::new(body.into_with_config().limit(u64::MAX).reader());
        // Some servers compress whatever they are asked for. What is whole can be undone, unless they only say so.
        let encoding = text(header::CONTENT_ENCODING).unwrap_or_default().trim();
        let says_gzip = ["gzip", "x-gzip"].iter().any(|name| encoding.eq_ignore_ascii_case(name));
        let mut gzip = false;
        if says_gzip && head.status == 200 {
            let mut begin = Vec::new();
            if let Err(error) = (&mut body).take(GZIP.len() as u64).read_to_end(&mut begin) {
                return failed(file, error.into(), Failure::Broken);
            }
            gzip = begin == GZIP;
            let all = Cursor::new(begin).chain(body);
            body = if gzip { Box::new(MultiGzDecoder::new(all)) } else { Box::new(all) };
        }
        let answer = Answer {
            status: head.status.as_u16(),
            content_range: text(header::CONTENT_RANGE),
            content_length: text(header::CONTENT_LENGTH).filter(|_| !gzip),
            content_type: text(header::CONTENT_TYPE),
            content_encoding: text(header::CONTENT_ENCODING).filter(|_| !gzip),
            etag: text(header::ETAG),
            retry_after: text(header::RETRY_AFTER),
            elsewhere: elsewhere.as_deref(),
            now: since_1970().as_secs(),
        };
        let step = file.answer(&answer)?;
        if step != Step::Read {
            return Ok(step);
        }
        let length_known = answer.content_length.is_some();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => return file.ended(),
                Ok(count) => {
                    self.bytes.fetch_add(count as u64, Ordering::Relaxed);
                    let before = file.received();
                    let step = file.bytes(&buffer[..count])?;
                    self.bar.inc(file.received().saturating_sub(before));
                    if step != Step::Read || self.stopped.load(Ordering::Relaxed) {
                        if length_known && step == Step::Done {
                            // Only who has seen its end can use a connection again.
                            let _ = body.read(&mut buffer);
                        }
                        return Ok(step);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return failed(file, error.into(), Failure::Broken),
            }
        }
    }

    pub(super) fn wait(&self, attempt: u32, at_least: Option<Duration>) {
        // The keys of a new hasher are random: that is all that a jitter has to be.
        let jitter = RandomState::new().hash_one(attempt) as f64 / u64::MAX as f64;
        std::thread::sleep(backoff(attempt, at_least, jitter).mul_f64(self.pace.waits));
    }
}

/// Scheme, host and port.
fn server(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// A file on its way, with an index's word for it or without.
trait Incoming {
    fn request(&mut self) -> Option<Request>;
    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step, DownloadError>;
    fn bytes(&mut self, bytes: &[u8]) -> Result<Step, DownloadError>;
    fn ended(&mut self) -> Result<Step, DownloadError>;
    fn failed(&mut self, failure: Failure) -> Result<Step, DownloadError>;
    /// For the progress bar.
    fn received(&self) -> u64 {
        0
    }
    /// What is wrong with the disk.
    fn written(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl Incoming for SmallDownload {
    fn request(&mut self) -> Option<Request> {
        Some(Request { range: None, if_range: None, fresh: true })
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step, DownloadError> {
        self.answer(answer)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Step, DownloadError> {
        self.bytes(bytes)
    }

    fn ended(&mut self) -> Result<Step, DownloadError> {
        self.ended()
    }

    fn failed(&mut self, failure: Failure) -> Result<Step, DownloadError> {
        self.failed(failure)
    }
}

/// A download, and where its chunks go.
struct IntoPart<'a> {
    download: Download,
    part: &'a mut Part,
    /// The first failure of the disk; after it nothing is kept.
    written: Result<(), WriteError>,
}

impl Incoming for IntoPart<'_> {
    fn request(&mut self) -> Option<Request> {
        self.download.request()
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step, DownloadError> {
        self.download.answer(answer)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Step, DownloadError> {
        let step = self.download.bytes(bytes, |number, chunk| {
            if self.written.is_ok() {
                self.written = self.part.keep(number, chunk);
            }
        })?;
        // With a disk that is full the rest need not come.
        Ok(if self.written.is_ok() { step } else { Step::Done })
    }

    fn ended(&mut self) -> Result<Step, DownloadError> {
        self.download.ended()
    }

    fn failed(&mut self, failure: Failure) -> Result<Step, DownloadError> {
        self.download.failed(failure)
    }

    fn received(&self) -> u64 {
        self.download.received()
    }

    fn written(&mut self) -> Result<(), Error> {
        Ok(std::mem::replace(&mut self.written, Ok(()))?)
    }
}

/// `NAME.part`: the chunks of a file that came so far, each where it belongs.
pub(super) struct Part {
    file: File,
    pub(super) path: PathBuf,
    entry: FileEntry,
    /// Which chunks are there and right.
    held: Vec<bool>,
}

impl Part {
    /// Opens the file beside `path`, and hashes what is in it already.
    pub(super) fn open(path: &Path, entry: &FileEntry) -> Result<Self, Error> {
        const ENDING: &str = ".part";
        if entry.path.ends_with(ENDING) {
            // It could be mistaken for another file on its way.
            return Err(Error::Refused {
                what: format!("a file of the gallery is called {}", entry.path),
                help: "ask its publisher for another name".to_owned(),
            });
        }
        let mut name = path.as_os_str().to_owned();
        name.push(ENDING);
        let path = PathBuf::from(name);
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(WriteError::at(&path))?;
        let length = file.metadata().map_err(Error::read(&path))?.len();
        if length > entry.size {
            file.set_len(entry.size).map_err(WriteError::at(&path))?;
        }
        let mut part = Self { file, path, entry: entry.clone(), held: Vec::new() };
        let mut chunk = Vec::new();
        for number in 0..entry.chunks.len() {
            let range = entry.chunk_range(number);
            let there = range.end <= length;
            if there {
                chunk.resize((range.end - range.start) as usize, 0);
                let read = part
                    .file
                    .seek(SeekFrom::Start(range.start))
                    .and_then(|_| part.file.read_exact(&mut chunk));
                read.map_err(Error::read(&part.path))?;
            }
            part.held.push(there && entry.verify_chunk(number, &chunk).is_ok());
        }
        Ok(part)
    }

    fn keep(&mut self, number: usize, chunk: &[u8]) -> Result<(), WriteError> {
        let start = SeekFrom::Start(self.entry.chunk_range(number).start);
        let written = self.file.seek(start).and_then(|_| self.file.write_all(chunk));
        written.map_err(WriteError::at(&self.path))
    }

    /// Takes the file back if nothing came.
    fn leave(&self) {
        if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            // Who cannot remove it has an empty file more.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Gives the file, which is whole, its name.
    pub(super) fn finish(self, path: &Path) -> Result<(), Error> {
        Ok(give_name(&self.file, &self.path, path)?)
    }

    /// Removes the file.
    pub(super) fn remove(self) -> Result<(), Error> {
        // Some systems remove no file that is open.
        drop(self.file);
        Ok(std::fs::remove_file(&self.path).map_err(WriteError::at(&self.path))?)
    }
}
