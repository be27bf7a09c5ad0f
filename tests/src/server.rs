//! A static file host for tests: it counts what it sends and can misbehave on demand.
//!
//! One thread and one connection per request: simple, and a fault cannot spill into the next answer.

use std::{
    collections::HashMap,
    fs,
    hash::{Hash, Hasher},
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{Error, devtools::lock};

/// A way to answer badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Promise the whole body, send this many bytes of it, hang up.
    Truncate(usize),
    /// Promise the whole body, send of it what belongs to the file's first so many bytes, and then nothing.
    StallAt(usize),
    /// Answer with this status and a few words.
    Status(u16),
    /// Answer 503 with this `Retry-After`.
    Busy(&'static str),
    /// Send the file with the byte at this offset inverted (of the last byte, if it is shorter).
    FlipByte(usize),
    /// Send the file with this many bytes more at its end.
    Longer(usize),
    /// Send the whole file, whatever part was asked for.
    Whole,
    /// Send a web page.
    WebPage,
    /// Send the file compressed.
    Gzip,
    /// Send the file as one of this type.
    Type(&'static str),
    /// Send the file with this further line in the answer's head.
    Header(&'static str),
    /// Send the reader on to this address.
    Redirect(String),
    /// Accept the request and send nothing until the server goes.
    Hang,
    /// Wait this long with the answer, which is then what it was before.
    Delay(Duration),
}

/// One answer, as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The path asked for, without its query.
    pub path: String,
    /// The part of it that was asked for, as the header has it.
    pub range: Option<String>,
    /// The status answered.
    pub status: u16,
    /// Body bytes sent, encoded as they were.
    pub body_bytes: usize,
    /// Whether the body went out compressed with brotli.
    pub brotli: bool,
}

#[derive(Default)]
struct Shared {
    mounts: Vec<(String, PathBuf)>,
    /// Each with how often it still happens.
    faults: Mutex<HashMap<String, (Fault, usize)>>,
    shared: AtomicBool,
    sent: Mutex<Vec<Sent>>,
    /// The bytes a second that all answers share, and until when they are taken.
    line: Mutex<Option<(f64, Instant)>>,
    closing: AtomicBool,
}

/// A static host on a free local port; it stops when dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// Serves folders under path prefixes, such as `("/", "web/dist")`; the first prefix that fits a path decides,
    /// so the longer ones go first. A path that ends in `/` is answered with its `index.html`.
    ///
    /// # Errors
    /// [`Error::Io`] when no local port can be had.
    pub fn start<P: AsRef<Path>>(mounts: &[(&str, P)]) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::io("127.0.0.1"))?;
        let address = listener.local_addr().map_err(Error::io("127.0.0.1"))?;
        let mounts =
            mounts.iter().map(|(prefix, folder)| ((*prefix).into(), folder.as_ref().into())).collect();
        let shared = Arc::new(Shared { mounts, ..Shared::default() });
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if state.closing.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&state);
                // A client that hangs up is its own business, and the log tells what was sent.
                thread::spawn(move || state.answer(&stream).and_then(|()| stream.shutdown(Shutdown::Both)));
            }
        });
        Ok(Self { address, shared })
    }

    /// The address of `path` on this server; `localhost`, which browsers hold to be a secure place.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    /// Answers `path` badly from now on, or well again with `None`.
    pub fn set_fault(&self, path: &str, fault: impl Into<Option<Fault>>) {
        match fault.into() {
            Some(fault) => self.set_fault_times(path, fault, usize::MAX),
            None => drop(lock(&self.shared.faults).remove(path)),
        }
    }

    /// Answers `path` badly this many times.
    pub fn set_fault_times(&self, path: &str, fault: Fault, times: usize) {
        lock(&self.shared.faults).insert(path.into(), (fault, times));
    }

    /// Lets pages of other origins read the answers.
    pub fn share(&self) {
        self.shared.shared.store(true, Ordering::Relaxed);
    }

    /// Sends no faster than this from now on, over all connections together.
    pub fn throttle(&self, bits_a_second: f64) {
        *lock(&self.shared.line) = Some((bits_a_second / 8.0, Instant::now()));
    }

    /// What was sent so far, in order.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.shared.sent).clone()
    }

    /// Forgets what [`Server::sent`] holds so far.
    pub fn clear_log(&self) {
        lock(&self.shared.sent).clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut head =
            BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let request = head.next().unwrap_or_default();
        let headers: HashMap<String, String> = head
            .filter_map(|line| line.split_once(':').map(|(k, v)| (k.to_lowercase(), v.trim().to_owned())))
            .collect();
        let path =
            request.split(' ').nth(1).and_then(|target| target.split(['?', '#']).next()).unwrap_or("/");
        let header = |name: &str| headers.get(name).map(String::as_str);
        let takes_brotli =
            header("accept-encoding").unwrap_or_default().split(',').any(|name| name.trim() == "br");

        let fault = self.fault(path);
        if fault == Some(Fault::Hang) {
            return self.hang(stream);
        }
        let mut answer = Answer { status: 200, kind: mime(path), ..Answer::default() };
        match (&fault, self.file(path)) {
            (Some(Fault::Status(status)), _) => answer = Answer::words(*status, "refused on purpose"),
            (Some(Fault::Busy(wait)), _) => {
                answer = Answer::words(503, "busy");
                answer.extra.push(format!("Retry-After: {wait}"));
            }
            (Some(Fault::Redirect(to)), _) => {
                answer = Answer::words(302, "over there");
                answer.extra.push(format!("Location: {to}"));
            }
            (Some(Fault::WebPage), _) => {
                answer.kind = "text/html; charset=utf-8";
                answer.body = b"<!doctype html><title>Welcome to our network</title>".to_vec();
            }
            (_, None) => answer = Answer::words(404, "not found"),
            (_, Some(file)) => {
                let packed = takes_brotli && fault.is_none() && header("range").is_none();
                let packed = packed.then(|| fs::read(beside(&file, ".br")).ok()).flatten();
                if packed.is_some() {
                    answer.extra.push("Content-Encoding: br".into());
                }
                answer.brotli = packed.is_some();
                answer.body = packed.map_or_else(|| fs::read(&file), Ok)?;
                answer.distort(fault.as_ref())?;
                match &fault {
                    Some(Fault::Type(kind)) => answer.kind = kind,
                    Some(Fault::Header(line)) => answer.extra.push((*line).into()),
                    _ => {}
                }
                let whole = answer.brotli || matches!(fault, Some(Fault::Whole | Fault::Gzip));
                if !whole {
                    answer.cut(header("range"), header("if-range"));
                }
            }
        }
        if let Some(Fault::Delay(pause)) = fault {
            thread::sleep(pause);
        }
        let promised = answer.body.len();
        match fault {
            Some(Fault::Truncate(length)) => answer.body.truncate(length),
            Some(Fault::StallAt(end)) => answer.body.truncate(end.saturating_sub(answer.start)),
            _ => {}
        }
        // Logged before sending: a test that sees the effect of an answer must find it in the log.
        lock(&self.sent).push(Sent {
            path: path.into(),
            range: header("range").map(str::to_owned),
            status: answer.status,
            body_bytes: answer.body.len(),
            brotli: answer.brotli,
        });
        if self.shared.load(Ordering::Relaxed) {
            answer.extra.push("Access-Control-Allow-Origin: *".into());
        }
        let extra: String = answer.extra.iter().map(|line| format!("{line}\r\n")).collect();
        write!(
            stream,
            "HTTP/1.1 {} -\r\nContent-Type: {}\r\nContent-Length: {promised}\r\n{extra}\
             Vary: Accept-Encoding\r\nConnection: close\r\n\r\n",
            answer.status, answer.kind
        )?;
        if !request.starts_with("HEAD ") {
            for piece in answer.body.chunks(16 << 10) {
                self.wait_for_line(piece.len());
                stream.write_all(piece)?;
            }
        }
        stream.flush()?;
        if matches!(fault, Some(Fault::StallAt(_))) {
            return self.hang(stream);
        }
        Ok(())
    }

    /// Waits until a line that is throttled has carried this many bytes more.
    fn wait_for_line(&self, bytes: usize) {
        let mut line = lock(&self.line);
        let Some((rate, taken)) = line.as_mut() else { return };
        *taken = (*taken).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / *rate);
        let until = *taken;
        drop(line);
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }

    /// The fault of this path, which may have happened for the last time.
    fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let (fault, left) = faults.get_mut(path)?;
        let fault = fault.clone();
        *left -= 1;
        if *left == 0 {
            faults.remove(path);
        }
        Some(fault)
    }

    /// Sends nothing until the reader or this server goes.
    fn hang(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        while !self.closing.load(Ordering::Relaxed) {
            match stream.read(&mut [0; 64]) {
                Ok(0) => break,
                Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// The file behind a path, if there is one inside its folder.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let (prefix, folder) = self.mounts.iter().find(|(prefix, _)| path.starts_with(prefix.as_str()))?;
        let inside = Path::new(path[prefix.len()..].trim_start_matches('/'));
        let stays = inside.components().all(|part| matches!(part, Component::Normal(_)));
        let file = folder.join(inside);
        let file = if path.ends_with('/') { file.join("index.html") } else { file };
        (stays && file.is_file()).then_some(file)
    }
}

/// An answer in the making.
#[derive(Default)]
struct Answer {
    status: u16,
    kind: &'static str,
    /// Further lines of its head.
    extra: Vec<String>,
    body: Vec<u8>,
    /// Where in the file the body begins.
    start: usize,
    brotli: bool,
}

impl Answer {
    fn words(status: u16, words: &str) -> Self {
        Self { status, kind: "text/plain", body: words.into(), ..Self::default() }
    }

    /// Makes of the file what the fault makes of it.
    fn distort(&mut self, fault: Option<&Fault>) -> std::io::Result<()> {
        match fault {
            Some(Fault::FlipByte(offset)) => {
                let last = self.body.len().saturating_sub(1);
                self.body.iter_mut().skip((*offset).min(last)).take(1).for_each(|byte| *byte ^= 0xff);
            }
            Some(Fault::Longer(by)) => self.body.extend(vec![0; *by]),
            Some(Fault::Gzip) => {
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packed.write_all(&self.body)?;
                self.body = packed.finish()?;
                self.extra.push("Content-Encoding: gzip".into());
            }
            _ => {}
        }
        Ok(())
    }

    /// Leaves the part of the file that was asked for, if it is still the file that was meant.
    fn cut(&mut self, range: Option<&str>, if_range: Option<&str>) {
        let mut hasher = std::hash::DefaultHasher::new();
        self.body.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        self.extra.extend([format!("ETag: {etag}"), "Accept-Ranges: bytes".into()]);
        let size = self.body.len();
        let bounds = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let Some((first, last)) = bounds.filter(|_| if_range.is_none_or(|tag| tag == etag)) else { return };
        let first = first.parse().unwrap_or(usize::MAX);
        let end = last.parse::<usize>().map_or(size, |last| last.saturating_add(1)).min(size);
        if first >= end {
            *self = Self::words(416, "no such part");
            self.extra.push(format!("Content-Range: bytes */{size}"));
            return;
        }
        (self.status, self.start) = (206, first);
        self.extra.push(format!("Content-Range: bytes {first}-{}/{size}", end - 1));
        self.body = self.body[first..end].to_vec();
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn mime(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("html", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ if path.ends_with('/') => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}
