//! Downloads files: sends the requests, reads the answers and waits, as [`tailor_packs::download`]
//! decides.

use super::error::EngineError;
use super::host::{post, scope};
use super::stop::Stop;
use crate::address::canonical;
use crate::protocol::{Event, Wait};
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use std::ops::Range;
use std::pin::pin;
use tailor_packs::download::{
    Answer, Failure, PATIENCE, Problem, Request, STALL, SmallDownload, Step, backoff,
};
use tailor_packs::{Download, DownloadError, FileEntry};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, ReadableStreamReadResult, RequestCache,
    RequestInit, Response, Url,
};

/// The folder of a gallery on some server.
#[derive(Clone)]
pub struct Folder {
    /// An absolute URL that ends in a slash.
    url: String,
    origin: String,
}

/// A server's answer, piece by piece.
enum Heard<'a> {
    Answer(Answer<'a>),
    Bytes(&'a [u8]),
    Ended,
    Failed(Failure),
}

impl Folder {
    /// Takes the folder at this absolute URL.
    ///
    /// # Errors
    /// [`EngineError::Address`] for anything but a folder on a web server.
    pub fn new(url: &str) -> Result<Self, EngineError> {
        // The browser resolves relative parts and odd spellings of the host.
        let href = Url::new(url).map(|url| url.href()).ok();
        let address = || EngineError::Address { url: url.to_owned() };
        let url = href.and_then(|href| canonical(&href)).ok_or_else(address)?;
        Ok(Self { origin: origin(&url), url })
    }

    /// Returns the folder's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Downloads a small file of which no digest is known yet. It may have at most `limit` bytes.
    ///
    /// # Errors
    /// Those of [`SmallDownload`].
    pub async fn small(&self, name: &str, limit: u64) -> Result<Vec<u8>, EngineError> {
        // A file that comes byte by byte would otherwise take hours.
        let patience = TimeoutFuture::new(PATIENCE.as_millis() as u32);
        match select(pin!(self.small_in_time(name, limit)), patience).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                Err(DownloadError { file: name.to_owned(), problem: Problem::Stalled }.into())
            }
        }
    }

    async fn small_in_time(&self, name: &str, limit: u64) -> Result<Vec<u8>, EngineError> {
        let mut download = SmallDownload::new(name, limit);
        let request = Request { range: None, if_range: None, fresh: false };
        loop {
            let hear = async |heard: Heard<'_>| match heard {
                Heard::Answer(answer) => download.answer(&answer),
                Heard::Bytes(bytes) => download.bytes(bytes),
                Heard::Ended => download.ended(),
                Heard::Failed(failure) => download.failed(failure),
            };
            // The file's content may change under its name, so no cache may answer without asking
            // the server.
            let step = self.exchange(name, &request, RequestCache::NoCache, None, hear).await?;
            if step == Step::Done {
                return Ok(download.into_bytes());
            }
            wait(step).await;
        }
    }

    /// Downloads the chunks of `file` that are missing in `part`, and passes each verified one to
    /// `keep`. Reports to `progress` how many bytes of the file are here. Returns how many bytes
    /// the network brought.
    ///
    /// # Errors
    /// Those of [`Download`]; [`EngineError::Cancelled`], but not while `keep` runs.
    pub async fn fetch(
        &self,
        file: &FileEntry,
        part: &mut Part,
        cache: RequestCache,
        stop: &Stop,
        mut keep: impl AsyncFnMut(usize, &[u8]),
        progress: impl Fn(u64),
    ) -> Result<u64, EngineError> {
        let mut download = Download::resume(file, |chunk| part.held[chunk], None);
        if self.origin != scope().location().origin() {
            download = download.cross_origin();
        }
        progress(download.received());
        let mut network = 0;
        while let Some(request) = download.request() {
            let hear = async |heard: Heard<'_>| match heard {
                Heard::Answer(answer) => download.answer(&answer),
                Heard::Bytes(bytes) => {
                    network += bytes.len() as u64;
                    let mut whole = Vec::new();
                    let step = download.bytes(bytes, |number, chunk| {
                        part.put(number, file.chunk_range(number), chunk);
                        whole.push(number);
                    });
                    for number in whole {
                        let Range { start, end } = file.chunk_range(number);
                        keep(number, &part.bytes[start as usize..end as usize]).await;
                    }
                    progress(download.received());
                    step
                }
                Heard::Ended => download.ended(),
                Heard::Failed(failure) => download.failed(failure),
            };
            let cache = if request.fresh { RequestCache::Reload } else { cache };
            let step = self.exchange(&file.path, &request, cache, Some(stop), hear).await?;
            stop.or(wait(step)).await?;
        }
        Ok(network)
    }

    /// Sends one request and reads its answer, until `hear` wants no more.
    async fn exchange(
        &self,
        name: &str,
        request: &Request,
        cache: RequestCache,
        stop: Option<&Stop>,
        mut hear: impl AsyncFnMut(Heard<'_>) -> Result<Step, DownloadError>,
    ) -> Result<Step, EngineError> {
        let url = format!("{}{name}", self.url);
        let mut answer = match stoppable(stop, Incoming::ask(&url, request, cache)).await? {
            Ok(answer) => answer,
            Err(failure) => return Ok(hear(Heard::Failed(failure)).await?),
        };
        let header = |name: &str| answer.response.headers().get(name).ok().flatten();
        let (range, length) = (header("content-range"), header("content-length"));
        let (kind, encoding) = (header("content-type"), header("content-encoding"));
        let (etag, retry) = (header("etag"), header("retry-after"));
        let from = origin(&answer.response.url());
        // Another origin hides whether it compressed the file, and then its length says nothing.
        let hidden = from != scope().location().origin() && encoding.is_none();
        let length = length.filter(|_| !hidden);
        let mut step = hear(Heard::Answer(Answer {
            status: answer.response.status(),
            content_range: range.as_deref(),
            content_length: length.as_deref(),
            content_type: kind.as_deref(),
            content_encoding: encoding.as_deref(),
            etag: etag.as_deref(),
            retry_after: retry.as_deref(),
            elsewhere: (from != self.origin).then_some(&from),
            now: super::host::unix_seconds(),
        }))
        .await?;
        while step == Step::Read {
            step = match stoppable(stop, answer.read()).await? {
                Ok(Some(part)) => hear(Heard::Bytes(&part)).await?,
                Ok(None) => hear(Heard::Ended).await?,
                Err(failure) => hear(Heard::Failed(failure)).await?,
            };
        }
        Ok(step)
    }
}

/// A file of which some chunks may be missing.
pub struct Part {
    /// The bytes up to the last chunk that is here. Missing chunks before that are zero.
    pub bytes: Vec<u8>,
    /// Which chunks are here and verified.
    pub held: Vec<bool>,
}

impl Part {
    /// Adds a verified chunk, which lies at `range` in the file.
    pub fn put(&mut self, number: usize, range: Range<u64>, chunk: &[u8]) {
        let (start, end) = (range.start as usize, range.end as usize);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(chunk);
        self.held[number] = true;
    }

    /// Returns whether every chunk is here.
    pub fn is_whole(&self) -> bool {
        self.held.iter().all(|held| *held)
    }
}

/// An answer that is being read. If it is dropped half-way, as by a cancelled order, the transfer
/// ends, too.
struct Incoming {
    response: Response,
    body: Option<ReadableStreamDefaultReader>,
    _transfer: Transfer,
}

struct Transfer(AbortController);

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Incoming {
    async fn ask(url: &str, request: &Request, cache: RequestCache) -> Result<Self, Failure> {
        let unreachable = |_: JsValue| Failure::Unreachable;
        let transfer = Transfer(AbortController::new().map_err(unreachable)?);
        let headers = Headers::new().map_err(unreachable)?;
        for (name, value) in [("range", &request.range), ("if-range", &request.if_range)] {
            if let Some(value) = value {
                headers.set(name, value).map_err(unreachable)?;
            }
        }
        let options = RequestInit::new();
        options.set_headers_headers(&headers);
        options.set_cache(cache);
        options.set_signal(Some(&transfer.0.signal()));
        let answer = in_time(scope().fetch_with_str_and_init(url, &options)).await?;
        let response: Response = answer.map_err(unreachable)?.unchecked_into();
        let body = response.body().map(|body| body.get_reader().unchecked_into());
        Ok(Self { response, body, _transfer: transfer })
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(body) = &self.body else { return Ok(None) };
        let part = in_time(body.read()).await?.map_err(|_| Failure::Broken)?;
        let part: ReadableStreamReadResult = part.unchecked_into();
        if part.get_done().unwrap_or(true) {
            return Ok(None);
        }
        Ok(Some(part.get_value().unchecked_into::<js_sys::Uint8Array>().to_vec()))
    }
}

/// Returns the result of `work`, unless the order is stopped first.
async fn stoppable<T>(stop: Option<&Stop>, work: impl Future<Output = T>) -> Result<T, EngineError> {
    match stop {
        Some(stop) => stop.or(work).await,
        None => Ok(work.await),
    }
}

/// Waits for `promise`, but no longer than [`STALL`].
async fn in_time(promise: js_sys::Promise) -> Result<Result<JsValue, JsValue>, Failure> {
    let patience = TimeoutFuture::new(STALL.as_millis() as u32);
    match select(JsFuture::from(promise), patience).await {
        Either::Left((outcome, _)) => Ok(outcome),
        Either::Right(_) => Err(Failure::Stalled),
    }
}

/// Waits as long as `step` says. Tells the page if that is a second or more.
async fn wait(step: Step) {
    let Step::Retry { attempt, at_least } = step else { return };
    let pause = backoff(attempt, at_least, js_sys::Math::random());
    if pause.as_secs() > 0 {
        post(&Event::Waiting(Wait::Server { seconds: pause.as_secs() as u32 }), None);
    }
    TimeoutFuture::new(pause.as_millis() as u32).await;
}

fn origin(url: &str) -> String {
    Url::new(url).map(|url| url.origin()).unwrap_or_default()
}
