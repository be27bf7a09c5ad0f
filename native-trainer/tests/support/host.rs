//! A server of galleries that does the wrong thing on demand.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a server was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The file's name.
    pub(crate) file: String,
    pub(crate) range: Option<String>,
    pub(crate) fresh: bool,
}

/// What it answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// After so many bytes of the body the connection ends, or with `hold` stays open without a word.
    pub(crate) cut: Option<usize>,
    pub(crate) hold: bool,
}

impl Reply {
    pub(crate) fn set(&mut self, name: &'static str, value: impl ToString) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_string()));
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: vec![("Content-Length", "0".into())], ..Self::default() }
    }

    /// The file, or the part of it that was asked for.
    pub(crate) fn honest(asked: &Asked, folder: &Path) -> Self {
        let Ok(mut body) = fs::read(folder.join(&asked.file)) else { return Self::status(404) };
        let size = body.len();
        let mut reply = Self { status: 200, ..Self::default() };
        if let Some(range) = asked.range.as_ref().and_then(|range| range.strip_prefix("bytes=")) {
            let (first, last) = range.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            body = body[first..=last].to_vec();
            reply.status = 206;
            reply.set("Content-Range", format!("bytes {first}-{last}/{size}"));
        }
        reply.set("Content-Length", body.len());
        Self { body, ..reply }
    }

    pub(crate) fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        write!(stream, "HTTP/1.1 {} Said\r\nConnection: close\r\n", self.status)?;
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        write!(stream, "\r\n")?;
        stream.write_all(&self.body[..self.cut.unwrap_or(self.body.len())])?;
        stream.flush()?;
        if self.hold {
            // Until who asked has had enough.
            let _ = std::io::Read::read(stream, &mut [0]);
        }
        Ok(())
    }
}

/// Alters the honest reply to one request; the number says the how-manieth for that file it is, from 0.
pub(crate) type Mischief = Box<dyn Fn(&Asked, usize, &mut Reply) + Send>;

/// Hears of each request's begin and end.
pub(crate) type Around = Box<dyn Fn(bool) + Send>;

pub(crate) struct Host {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    mischief: Arc<Mutex<Mischief>>,
    pub(crate) around: Arc<Mutex<Around>>,
}

impl Host {
    pub(crate) fn of(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/gallery/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mischief: Arc<Mutex<Mischief>> = Arc::new(Mutex::new(Box::new(|_, _, _| {})));
        let around: Arc<Mutex<Around>> = Arc::new(Mutex::new(Box::new(|_| {})));
        let (log, rule, heard) = (Arc::clone(&asked), Arc::clone(&mischief), Arc::clone(&around));
        let host = Self { url, asked, mischief, around };
        let folder = folder.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, rule, folder) = (Arc::clone(&log), Arc::clone(&rule), folder.clone());
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || {
                    heard.lock().unwrap()(true);
                    answer(stream, &log, &rule, || heard.lock().unwrap()(false), &folder);
                });
            }
        });
        host
    }

    pub(crate) fn misbehave(&self, mischief: impl Fn(&Asked, usize, &mut Reply) + Send + 'static) {
        *self.mischief.lock().unwrap() = Box::new(mischief);
    }

    /// What was asked for since the last time, of files whose name ends so.
    pub(crate) fn asked(&self, ending: &str) -> Vec<Asked> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.retain(|asked| asked.file.ends_with(ending));
        asked
    }
}

fn answer(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    mischief: &Mutex<Mischief>,
    ends: impl Fn(),
    folder: &Path,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap();
    let file = path.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let (mut range, mut fresh) = (None, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        match name.to_lowercase().as_str() {
            "range" => range = Some(value.trim().to_owned()),
            "cache-control" => fresh = true,
            _ => {}
        }
    }
    let asked = Asked { file, range, fresh };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.iter().filter(|earlier| earlier.file == asked.file).count() - 1
    };
    let mut reply = Reply::honest(&asked, folder);
    if asked.file != "index.json" {
        std::thread::sleep(Duration::from_millis(2));
    }
    // Before its last byte: afterwards who asked may be quicker with the next request.
    ends();
    (mischief.lock().unwrap())(&asked, before, &mut reply);
    // Whoever asked may have gone away.
    let _ = reply.send(&mut stream);
}
