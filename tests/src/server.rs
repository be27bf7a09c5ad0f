//! A static file host for tests: it counts what it sends and can misbehave on demand.
//!
//! One thread and one connection per request: simple, and a fault cannot spill into the next answer.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{Error, devtools::lock};

/// A way to answer badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Promise the whole body, send this many bytes of it, hang up.
    Truncate(usize),
    /// Answer with this status and a few words.
    Status(u16),
    /// Send the body with the byte at this offset inverted (of the last byte, if the body is shorter).
    FlipByte(usize),
    /// Accept the request and send nothing until the server goes.
    Hang,
    /// Wait this long before the answer.
    Delay(Duration),
}

/// One answer, as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The path asked for, without its query.
    pub path: String,
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
    faults: Mutex<HashMap<String, Fault>>,
    sent: Mutex<Vec<Sent>>,
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
        let mut faults = lock(&self.shared.faults);
        match fault.into() {
            Some(fault) => faults.insert(path.into(), fault),
            None => faults.remove(path),
        };
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
        let path =
            request.split(' ').nth(1).and_then(|target| target.split(['?', '#']).next()).unwrap_or("/");
        let takes_brotli =
            head.filter(|line| line.to_lowercase().starts_with("accept-encoding:")).any(|line| {
                line.split_once(':').is_some_and(|(_, list)| list.split(',').any(|name| name.trim() == "br"))
            });

        let fault = lock(&self.faults).get(path).copied();
        match fault {
            Some(Fault::Delay(pause)) => thread::sleep(pause),
            Some(Fault::Hang) => {
                while !self.closing.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(50));
                }
                return Ok(());
            }
            _ => {}
        }
        let (status, mut body, brotli) = match (fault, self.file(path)) {
            (Some(Fault::Status(status)), _) => (status, b"refused on purpose".to_vec(), false),
            (_, None) => (404, b"not found".to_vec(), false),
            // A flipped byte is meant for the file itself, so that one goes out as it is.
            (Some(Fault::FlipByte(_)), Some(file)) => (200, fs::read(file)?, false),
            (_, Some(file)) => {
                let packed = takes_brotli.then(|| fs::read(beside(&file, ".br")).ok()).flatten();
                let brotli = packed.is_some();
                (200, packed.map_or_else(|| fs::read(&file), Ok)?, brotli)
            }
        };
        let promised = body.len();
        match fault {
            Some(Fault::Truncate(length)) => body.truncate(length),
            Some(Fault::FlipByte(offset)) if promised > 0 => body[offset.min(promised - 1)] ^= 0xff,
            _ => {}
        }
        // Logged before sending: a test that sees the effect of an answer must find it in the log.
        let sent = Sent { path: path.into(), status, body_bytes: body.len(), brotli };
        lock(&self.sent).push(sent);
        let encoding = if brotli { "Content-Encoding: br\r\n" } else { "" };
        write!(
            stream,
            "HTTP/1.1 {status} -\r\nContent-Type: {}\r\nContent-Length: {promised}\r\n{encoding}\
             Vary: Accept-Encoding\r\nConnection: close\r\n\r\n",
            mime(path)
        )?;
        if !request.starts_with("HEAD ") {
            stream.write_all(&body)?;
        }
        stream.flush()
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
        "woff2" => "font/woff2",
        _ if path.ends_with('/') => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}
