//! Serves the studio and a gallery on this machine, as any static host would serve them.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::percent_decode_str;
use tiny_http::{Header, Method, Request, Response, Server};

use crate::error::Error;

/// Browsers open about six connections to one host.
const THREADS: usize = 6;

/// Time between two looks whether connections are still accepted.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Two folders under one address: the site at `/`, a gallery at `/galleries/<name>/`.
#[derive(Clone, Debug)]
pub struct Site {
    /// The site's folder.
    pub root: PathBuf,
    /// The gallery's folder.
    pub gallery: PathBuf,
    /// The gallery's name in its address.
    pub name: String,
}

/// A server at work on threads of its own.
pub struct Running {
    server: Arc<Server>,
    address: SocketAddr,
    url: String,
    /// Says why no more connections are accepted; it ends with the last thread.
    failure: Mutex<Receiver<std::io::Error>>,
}

impl Running {
    /// The studio's address with this gallery chosen.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets every thread finish its request and end.
    pub fn stop(&self) {
        (0..THREADS).for_each(|_| self.server.unblock());
    }

    /// Waits until [`Running::stop`].
    ///
    /// # Errors
    /// [`Error::Refused`] when no more connections are accepted, as when the system has no more of them to give.
    pub fn wait(&self) -> Result<(), Error> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let error = loop {
            match failure.recv_timeout(LOOK_EVERY) {
                Ok(error) => break error,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                // Whatever accepts connections may have ended without a word.
                Err(RecvTimeoutError::Timeout) => match TcpStream::connect_timeout(&self.address, LOOK_EVERY)
                {
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => break error,
                    _ => {}
                },
            }
        };
        Err(Error::Refused {
            what: format!("the server takes no more connections: {error}"),
            help:
                "too many were open at once: end what holds them, or raise the limit with `ulimit -n`, and \
                   serve again"
                    .to_owned(),
        })
    }
}

impl Site {
    /// Starts to serve on `127.0.0.1` at `port`, 0 for any that is free.
    ///
    /// # Errors
    /// [`Error::Serve`] when the port is taken.
    pub fn start(self, port: u16) -> Result<Running, Error> {
        let serve = |reason: String| Error::Serve { port, reason };
        let server = Server::http(("127.0.0.1", port)).map_err(|e| serve(e.to_string()))?;
        let address = server.server_addr().to_ip().ok_or_else(|| serve("no address".to_owned()))?;
        let url = format!("http://{address}/?gallery=galleries/{}/", self.name);
        let (server, site) = (Arc::new(server), Arc::new(self));
        let (failed, failure) = channel();
        for _ in 0..THREADS {
            let (server, site, failed) = (Arc::clone(&server), Arc::clone(&site), failed.clone());
            thread::spawn(move || {
                let error = loop {
                    match server.recv() {
                        // Whoever asked may have gone away meanwhile; that is no concern of the next one.
                        Ok(request) => drop(site.answer(request)),
                        Err(error) => break error,
                    }
                };
                // Only a connection that the system could not give has a number of an error; a stop has none.
                if error.raw_os_error().is_some() {
                    let _ = failed.send(error);
                }
            });
        }
        Ok(Running { server, address, url, failure: Mutex::new(failure) })
    }

    fn answer(&self, request: Request) -> std::io::Result<()> {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return request.respond(Response::from_string("405").with_status_code(405));
        }
        let Some(path) = self.locate(request.url()) else {
            return request.respond(Response::from_string("404").with_status_code(404));
        };
        let asked = Asked::of(&request);
        // Who asks for a part wants it of the file itself: bytes of its compressed twin are of no use alone.
        let brotli = beside(&path, "br").filter(|_| asked.range.is_none() && accepts_brotli(&request));
        let opened =
            File::open(brotli.as_ref().unwrap_or(&path)).and_then(|file| Ok((file.metadata()?, file)));
        let Ok((metadata, mut file)) = opened else {
            return request.respond(Response::from_string("404").with_status_code(404));
        };
        let (size, etag) = (metadata.len(), etag(&metadata, brotli.is_some()));
        let part = asked.part(&etag, size);
        let (status, range) = match &part {
            Part::Whole => (200, 0..size),
            Part::Range(range) => (206, range.clone()),
            Part::None => (416, 0..0),
        };
        file.seek(SeekFrom::Start(range.start))?;
        let length = range.end - range.start;
        let kind = mime_guess::from_path(&path).first_or_octet_stream();
        let cache = if is_immutable(&path) { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut response = Response::empty(status)
            .with_data(file.take(length), usize::try_from(length).ok())
            .with_header(header("Content-Type", kind.as_ref()))
            .with_header(header("Cache-Control", cache))
            .with_header(header("Vary", "Accept-Encoding"))
            .with_header(header("Accept-Ranges", "bytes"))
            .with_header(header("ETag", &etag))
            .with_header(header("X-Content-Type-Options", "nosniff"));
        if brotli.is_some() {
            response = response.with_header(header("Content-Encoding", "br"));
        }
        let content_range = match part {
            Part::Whole => None,
            Part::Range(range) => Some(format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            Part::None => Some(format!("bytes */{size}")),
        };
        if let Some(content_range) = content_range {
            response = response.with_header(header("Content-Range", &content_range));
        }
        // A length is what a progress bar needs, so no chunked transfer.
        request.respond(response.with_chunked_threshold(usize::MAX))
    }

    /// The file that `url` means, if it is one of ours.
    fn locate(&self, url: &str) -> Option<PathBuf> {
        let path = url.split(['?', '#']).next()?.strip_prefix('/')?;
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let in_gallery =
            path.strip_prefix("galleries/").and_then(|p| p.strip_prefix(&*self.name)?.strip_prefix('/'));
        let (root, path) = in_gallery.map_or((&self.root, &*path), |path| (&self.gallery, path));
        let mut file = root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            // `..`, hidden files, and on Windows drives and other separators.
            if part.starts_with('.') || part.contains(['\\', ':', '\0']) {
                return None;
            }
            file.push(part);
        }
        if file.is_dir() {
            file.push("index.html");
        }
        file.is_file().then_some(file)
    }
}

/// The part of a file that a request asks for.
struct Asked {
    range: Option<String>,
    if_range: Option<String>,
}

/// What of a file to send.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Range(Range<u64>),
    /// What was asked for is not in the file.
    None,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let value = |name: &'static str| {
            let header = request.headers().iter().find(|header| header.field.equiv(name));
            header.map(|header| header.value.as_str().to_owned())
        };
        Self { range: value("Range"), if_range: value("If-Range") }
    }

    /// What to send of a file with this validator. Several ranges at once get the whole file, and so does
    /// what cannot be read: RFC 9110, 14.2 lets a server ignore both.
    fn part(&self, etag: &str, size: u64) -> Part {
        if self.if_range.as_ref().is_some_and(|known| known != etag) {
            return Part::Whole;
        }
        let range = self.range.as_deref().and_then(|text| http_range_header::parse_range_header(text).ok());
        match range.map(|range| range.validate(size)) {
            Some(Ok(ranges)) => match &ranges[..] {
                [range] => Part::Range(*range.start()..range.end() + 1),
                _ => Part::Whole,
            },
            Some(Err(_)) => Part::None,
            None => Part::Whole,
        }
    }
}

/// A strong validator: here files are replaced and never written into, so another content has another time or
/// length.
fn etag(metadata: &Metadata, brotli: bool) -> String {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let coding = if brotli { "-br" } else { "" };
    format!("\"{:x}-{:x}{coding}\"", metadata.len(), since.unwrap_or_default().as_nanos())
}

/// The file with one ending more, if it is there.
fn beside(path: &Path, ending: &str) -> Option<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    Some(PathBuf::from(name)).filter(|path| path.is_file())
}

fn accepts_brotli(request: &Request) -> bool {
    let encodings = request.headers().iter().filter(|h| h.field.equiv("Accept-Encoding"));
    encodings.flat_map(|h| h.value.as_str().split(',')).any(|e| e.trim().split(';').next() == Some("br"))
}

/// Whether the name changes with the content: it has a hyphen and then 16 or more hexadecimal digits.
fn is_immutable(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = |part: &str| part.bytes().take_while(u8::is_ascii_hexdigit).count();
    name.split('-').skip(1).any(|part| digits(part) >= 16)
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).unwrap_or_else(|()| unreachable!("headers are plain ASCII"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    struct Served {
        running: Running,
        _folder: tempfile::TempDir,
    }

    impl Drop for Served {
        fn drop(&mut self) {
            self.running.stop();
            let _ = self.running.wait();
        }
    }

    fn serve() -> Served {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("secret", "secret"),
            ("site/index.html", "page"),
            ("site/app-0123456789abcdef_bg.wasm", "wasm"),
            ("site/app-0123456789abcdef_bg.wasm.br", "packed"),
            ("site/.hidden", "secret"),
            ("gallery/index.json", "{}"),
            ("gallery/a-0123456789abcdef.tailor", "pack"),
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let site = Site {
            root: folder.path().join("site"),
            gallery: folder.path().join("gallery"),
            name: "mine".into(),
        };
        Served { running: site.start(0).unwrap(), _folder: folder }
    }

    /// The raw answer, so that nothing tidies the path on its way.
    fn ask(served: &Served, request: &str) -> String {
        let host = served.running.url().split('/').nth(2).unwrap().to_owned();
        let mut stream = TcpStream::connect(&host).unwrap();
        // Headers stand below the request's line.
        let (first, more) = request.split_once('\n').unwrap_or((request, ""));
        let more: String = more.lines().map(|line| format!("{line}\r\n")).collect();
        write!(
            stream,
            "{first} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip, br;q=1\r\n{more}Connection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_site_and_the_gallery_are_served_side_by_side() {
        let served = serve();
        assert!(ask(&served, "GET /").ends_with("\r\n\r\npage"));
        assert!(ask(&served, "GET /?gallery=galleries/mine/").ends_with("\r\n\r\npage"));
        let index = ask(&served, "GET /galleries/mine/index.json");
        assert!(index.contains("application/json") && index.contains("no-cache"), "{index}");
        let pack = ask(&served, "GET /galleries/mine/a-0123456789abcdef.tailor");
        assert!(pack.contains("immutable") && pack.contains("Content-Length: 4"), "{pack}");
    }

    #[test]
    fn a_compressed_twin_is_served_to_who_accepts_it() {
        let wasm = ask(&serve(), "GET /app-0123456789abcdef_bg.wasm");
        assert!(wasm.contains("application/wasm") && wasm.contains("Content-Encoding: br"), "{wasm}");
        assert!(wasm.contains("immutable") && wasm.ends_with("packed"), "{wasm}");
    }

    #[test]
    fn nothing_outside_the_two_folders_is_served() {
        let served = serve();
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/%2e%2e%2fsecret",
            "/galleries/mine/../../secret",
            "/galleries/mine/..%2fsecret",
            "/.hidden",
            "//../secret",
            "/absent",
            "/galleries/other/index.json",
        ] {
            let answer = ask(&served, &format!("GET {path}"));
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
        assert!(ask(&served, "POST /").starts_with("HTTP/1.1 405"));
    }

    const PACK: &str = "GET /galleries/mine/a-0123456789abcdef.tailor";

    #[test]
    fn one_range_is_answered_with_just_that_part() {
        let served = serve();
        for (range, part, content) in [
            ("0-0", "0-0", "p"),
            ("1-2", "1-2", "ac"),
            ("2-", "2-3", "ck"),
            ("1-99", "1-3", "ack"),
            ("-3", "1-3", "ack"),
            ("-99", "0-3", "pack"),
        ] {
            let answer = ask(&served, &format!("{PACK}\nRange: bytes={range}"));
            assert!(answer.starts_with("HTTP/1.1 206"), "{range}: {answer}");
            assert!(answer.contains(&format!("Content-Range: bytes {part}/4\r\n")), "{range}: {answer}");
            assert!(answer.contains(&format!("Content-Length: {}\r\n", content.len())), "{range}: {answer}");
            assert!(answer.ends_with(&format!("\r\n\r\n{content}")), "{range}: {answer}");
        }
    }

    #[test]
    fn a_range_outside_the_file_is_416_and_one_that_cannot_be_read_is_ignored() {
        let served = serve();
        for range in ["4-", "9-12", "-0"] {
            let answer = ask(&served, &format!("{PACK}\nRange: bytes={range}"));
            assert!(answer.starts_with("HTTP/1.1 416"), "{range}: {answer}");
            assert!(answer.contains("Content-Range: bytes */4\r\n"), "{range}: {answer}");
        }
        for range in ["bytes=0-1,3-3", "bytes=a-b", "bytes=2-1", "lines=0-1", "bytes=", ""] {
            let answer = ask(&served, &format!("{PACK}\nRange: {range}"));
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\npack"),
                "{range}: {answer}"
            );
        }
    }

    #[test]
    fn a_range_of_another_version_is_answered_with_the_whole_file() {
        let served = serve();
        let head = ask(&served, &PACK.replace("GET", "HEAD"));
        assert!(
            head.contains("Accept-Ranges: bytes\r\n") && head.contains("Content-Length: 4\r\n"),
            "{head}"
        );
        assert!(head.ends_with("\r\n\r\n"), "a HEAD has no body: {head}");
        let etag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
        let part = ask(&served, &format!("{PACK}\nRange: bytes=1-\nIf-Range: {etag}"));
        assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\nack"), "{part}");
        for other in ["\"other\"", &format!("W/{etag}"), "Wed, 21 Oct 2015 07:28:00 GMT"] {
            let whole = ask(&served, &format!("{PACK}\nRange: bytes=1-\nIf-Range: {other}"));
            assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("\r\n\r\npack"), "{whole}");
        }
        let head = ask(&served, &format!("{}\nRange: bytes=1-2", PACK.replace("GET", "HEAD")));
        assert!(head.starts_with("HTTP/1.1 206") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[test]
    fn a_range_is_of_the_file_and_never_of_its_compressed_twin() {
        let served = serve();
        let wasm = "GET /app-0123456789abcdef_bg.wasm";
        let part = ask(&served, &format!("{wasm}\nRange: bytes=1-"));
        assert!(part.contains("Content-Range: bytes 1-3/4\r\n") && part.ends_with("\r\n\r\nasm"), "{part}");
        assert!(!part.contains("Content-Encoding"), "{part}");
        let etag = |answer: &str| answer.lines().find(|line| line.starts_with("ETag: ")).unwrap().to_owned();
        assert_ne!(etag(&part), etag(&ask(&served, wasm)), "two representations, two validators");
    }
}
