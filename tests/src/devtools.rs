//! The Chrome DevTools Protocol over the browser's debugging pipe.
//!
//! The pipe needs no port and no WebSocket: messages are JSON texts, each ended by a zero byte, and the browser
//! quits by itself once the pipe closes, so a killed test run leaves no browser behind.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Error;

/// Locks without caring whether another thread panicked: the logs stay readable for the failing test's message.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running browser and the pipe to it.
pub(crate) struct Connection {
    child: Mutex<Child>,
    pipe: Mutex<Option<ChildStdin>>,
    pending: Mutex<HashMap<u64, mpsc::Sender<Value>>>,
    next_id: AtomicU64,
    stderr: PathBuf,
    /// A fresh profile, which goes with the browser.
    _profile: Option<TempDir>,
}

impl Connection {
    /// Starts `browser` with `arguments` on the profile in `profile`, else on a fresh one; every event goes to
    /// `on_event`, on the reader's thread.
    ///
    /// # Errors
    /// [`Error::Io`] when the process or its profile cannot be made.
    pub(crate) fn open(
        browser: &Path,
        arguments: &[&str],
        profile: Option<&Path>,
        on_event: impl Fn(&Connection, &Value) + Send + 'static,
    ) -> Result<Arc<Self>, Error> {
        let fresh = || tempfile::Builder::new().prefix("tailor-chromium-").tempdir();
        let fresh = profile.is_none().then(fresh).transpose().map_err(Error::io("profile"))?;
        let folder = fresh.as_ref().map(TempDir::path).or(profile).unwrap_or(Path::new("."));
        let log = folder.join("stderr.txt");
        let stderr = std::fs::File::create(&log).map_err(Error::io(&log))?;
        // The browser wants the pipe on descriptors 3 and 4; a shell can put it there without unsafe code.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#])
            .arg(browser)
            .args(["--remote-debugging-pipe", "--no-first-run", "--no-sandbox", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", folder.display()))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(Error::io(browser))?;
        let pipe = child.stdin.take();
        let stdout = child.stdout.take();
        let connection = Arc::new(Self {
            child: Mutex::new(child),
            pipe: Mutex::new(pipe),
            pending: Mutex::default(),
            next_id: AtomicU64::new(1),
            stderr: log,
            _profile: fresh,
        });
        // The reader must not keep the browser alive once the test has let go of it.
        let reader = Arc::downgrade(&connection);
        thread::spawn(move || {
            let messages =
                stdout.into_iter().flat_map(|out| BufReader::new(out).split(0)).map_while(Result::ok);
            for message in messages.filter_map(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) {
                let Some(connection) = reader.upgrade() else { return };
                match message["id"].as_u64() {
                    Some(id) => {
                        if let Some(waiting) = lock(&connection.pending).remove(&id) {
                            // A caller that timed out is no longer there to be told.
                            let _ = waiting.send(message);
                        }
                    }
                    None => on_event(&connection, &message),
                }
            }
            if let Some(connection) = reader.upgrade() {
                lock(&connection.pending).clear();
                lock(&connection.pipe).take();
            }
        });
        Ok(connection)
    }

    /// Sends a command and does not wait for the answer: what an event handler may do.
    pub(crate) fn post(&self, session: &str, method: &str, params: Value) {
        // A session that has just ended refuses commands, and that is no news.
        let _ = self.send(self.next_id.fetch_add(1, Ordering::Relaxed), session, method, params);
    }

    /// Sends a command to a session (`""` is the browser itself) and waits for its result.
    ///
    /// # Errors
    /// [`Error::Protocol`], [`Error::Timeout`] or [`Error::Gone`].
    pub(crate) fn call(
        &self,
        session: &str,
        method: &str,
        params: Value,
        timeout: Duration,
    ) -> Result<Value, Error> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = mpsc::channel();
        lock(&self.pending).insert(id, sender);
        self.send(id, session, method, params)?;
        let mut message = answer.recv_timeout(timeout).map_err(|reason| match reason {
            RecvTimeoutError::Disconnected => self.gone(),
            RecvTimeoutError::Timeout => {
                Error::Timeout { what: method.into(), after: timeout, context: String::new() }
            }
        })?;
        match message["error"]["message"].as_str() {
            Some(refusal) => Err(Error::Protocol { method: method.into(), message: refusal.into() }),
            None => Ok(message["result"].take()),
        }
    }

    fn send(&self, id: u64, session: &str, method: &str, params: Value) -> Result<(), Error> {
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let mut pipe = lock(&self.pipe);
        let pipe = pipe.as_mut().ok_or_else(|| self.gone())?;
        pipe.write_all(&bytes).and_then(|()| pipe.flush()).map_err(|_| self.gone())
    }

    fn gone(&self) -> Error {
        let log = std::fs::read(&self.stderr).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(2000)..];
        Error::Gone { stderr: String::from_utf8_lossy(tail).into_owned() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Closing the pipe asks the browser to quit and lets it end its own helpers; killing it comes second.
        lock(&self.pipe).take();
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
