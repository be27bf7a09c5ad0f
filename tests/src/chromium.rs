//! A real headless Chromium: open pages, run scripts in them, click, and read what they fetched and said.
//!
//! Workers are part of their page here: what a worker fetches or logs, and what its own workers do, stands in the
//! page's [`Page::network`] and [`Page::console`].

use std::{
    collections::{HashMap, VecDeque},
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use base64::Engine;
use serde_json::{Value, json};

use crate::{
    Error,
    devtools::{Connection, lock},
};

/// How long a command may take unless a call says otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the console says of a page that died.
const CRASHED: &str = "exception: the page crashed";

/// What the machine that the browser believes to run on offers for WebGPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gpu {
    /// SwiftShader, an emulated adapter that every machine has.
    Software,
    /// `navigator.gpu` is there, but no adapter is.
    NoAdapter,
}

impl Gpu {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Software => &["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
            Self::NoAdapter => &["--disable-gpu", "--disable-features=WebGPUService"],
        }
    }
}

/// One response, or one failure to get any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The address asked for.
    pub url: String,
    /// The HTTP status; 0 when no answer came.
    pub status: u16,
    /// Response headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// Bytes on the wire: headers and the body as encoded for transfer.
    pub encoded_bytes: u64,
    /// Whether the browser took it from its own cache.
    pub from_cache: bool,
    /// Whether the body arrived whole.
    pub finished: bool,
    /// The browser's error, such as `net::ERR_CONTENT_LENGTH_MISMATCH`.
    pub failure: Option<String>,
}

/// What a page and its workers fetched and said.
#[derive(Default)]
struct Log {
    responses: Vec<Response>,
    by_request: HashMap<String, usize>,
    console: Vec<String>,
    /// What the next workers run before their own scripts.
    scripts: VecDeque<String>,
}

impl Log {
    /// The entry of a request. A worker's script is told of twice, by the page and by the worker, under one id.
    fn response(&mut self, params: &Value) -> &mut Response {
        let next = self.responses.len();
        let index = *self.by_request.entry(text(&params["requestId"])).or_insert(next);
        if index == next {
            self.responses.push(Response::default());
        }
        &mut self.responses[index]
    }

    fn record(&mut self, method: &str, params: &Value) {
        match method {
            "Network.requestWillBeSent" => {
                if params["redirectResponse"].is_object() {
                    self.response(params).receive(&params["redirectResponse"]);
                    self.by_request.remove(&text(&params["requestId"]));
                }
                self.response(params).url = text(&params["request"]["url"]);
            }
            "Network.requestServedFromCache" => self.response(params).from_cache = true,
            "Network.responseReceived" => self.response(params).receive(&params["response"]),
            "Network.loadingFinished" => {
                let response = self.response(params);
                response.finish(params["encodedDataLength"].as_f64().unwrap_or(0.0) as u64);
            }
            "Network.loadingFailed" => self.response(params).failure = Some(text(&params["errorText"])),
            "Runtime.consoleAPICalled" => {
                let words: Vec<String> =
                    params["args"].as_array().into_iter().flatten().map(remote).collect();
                self.console.push(format!("{}: {}", text(&params["type"]), words.join(" ")));
            }
            "Runtime.exceptionThrown" => {
                self.console.push(format!("exception: {}", exception(&params["exceptionDetails"])));
            }
            "Log.entryAdded" => {
                let entry = &params["entry"];
                self.console.push(format!(
                    "{}: {} {}",
                    text(&entry["level"]),
                    text(&entry["text"]),
                    text(&entry["url"])
                ));
            }
            "Inspector.targetCrashed" => self.console.push(CRASHED.into()),
            _ => {}
        }
    }
}

impl Response {
    fn receive(&mut self, response: &Value) {
        self.url = text(&response["url"]);
        self.status = response["status"].as_u64().unwrap_or(0) as u16;
        self.from_cache |= response["fromDiskCache"].as_bool().unwrap_or(false);
        self.encoded_bytes = response["encodedDataLength"].as_f64().unwrap_or(0.0) as u64;
        let headers = response["headers"].as_object().into_iter().flatten();
        self.headers = headers.map(|(name, value)| (name.to_lowercase(), text(value))).collect();
    }

    fn finish(&mut self, reported: u64) {
        self.finished = true;
        // Of a worker's own script the browser reports the headers only; the server named the body's length.
        let body = self.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let promised = if self.from_cache { 0 } else { self.encoded_bytes + body };
        self.encoded_bytes = reported.max(promised);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A remote object as the console would print it.
fn remote(object: &Value) -> String {
    match (&object["value"], object["description"].as_str()) {
        (Value::String(value), _) => value.clone(),
        (_, Some(description)) => description.to_owned(),
        (value, None) => value.to_string(),
    }
}

fn exception(details: &Value) -> String {
    let thrown = &details["exception"];
    if thrown.is_object() { remote(thrown) } else { text(&details["text"]) }
}

type Logs = Arc<Mutex<HashMap<String, Arc<Mutex<Log>>>>>;

/// A headless browser with a fresh profile; it ends, and its profile goes, when this and its pages are dropped.
pub struct Browser {
    connection: Arc<Connection>,
    logs: Logs,
}

impl Browser {
    /// Starts the browser named by `CHROMIUM`, or the first one found on this machine.
    ///
    /// # Errors
    /// [`Error::NoBrowser`] when there is none; [`Error::Gone`] with its last words when it does not come up.
    pub fn launch(gpu: Gpu) -> Result<Self, Error> {
        Self::launch_with(gpu, None, &[])
    }

    /// The same with further arguments, on the profile in the folder `profile` if there is one: what a site stores there is
    /// there again when the next browser is launched on it.
    ///
    /// # Errors
    /// As [`Browser::launch`].
    pub fn launch_with(gpu: Gpu, profile: Option<&Path>, more: &[&str]) -> Result<Self, Error> {
        let mut arguments = vec![
            "--headless",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-sync",
            "--mute-audio",
            "--force-color-profile=srgb",
            "--lang=en",
        ];
        arguments.extend(gpu.arguments());
        arguments.extend(more);
        let logs = Logs::default();
        let known = logs.clone();
        let connection = Connection::open(&find()?, &arguments, profile, move |connection, event| {
            on_event(connection, &known, event);
        })?;
        connection.call("", "Browser.getVersion", json!({}), Duration::from_secs(60))?;
        Ok(Self { connection, logs })
    }

    /// Opens an empty page in a window of its own, so that it is not hidden behind another.
    ///
    /// # Errors
    /// When the browser refuses or is gone.
    pub fn page(&self) -> Result<Page, Error> {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank", "newWindow": true }))?;
        let target = text(&target["targetId"]);
        let attached = self.call("Target.attachToTarget", json!({ "targetId": &target, "flatten": true }))?;
        let session = text(&attached["sessionId"]);
        let log = Arc::default();
        lock(&self.logs).insert(session.clone(), Arc::clone(&log));
        let page = Page { connection: Arc::clone(&self.connection), target, session, log };
        page.call("Page.enable", json!({}))?;
        page.call("Inspector.enable", json!({}))?;
        for (method, params) in watching() {
            page.call(method, params)?;
        }
        Ok(page)
    }

    /// Sends a command of the DevTools protocol to a page and all of its workers, and waits for no answer.
    pub fn tell_all(&self, page: &Page, method: &str) {
        let logs = lock(&self.logs);
        for (session, _) in logs.iter().filter(|(_, log)| Arc::ptr_eq(log, &page.log)) {
            self.connection.post(session, method, json!({}));
        }
    }

    /// Any command of the DevTools protocol, sent to the browser.
    ///
    /// # Errors
    /// [`Error::Protocol`] when it is refused.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        self.connection.call("", method, params, PATIENCE)
    }
}

/// What turns on the logs of a page or worker, and of the workers that it will start.
fn watching() -> [(&'static str, Value); 4] {
    [
        ("Network.enable", json!({})),
        ("Runtime.enable", json!({})),
        ("Log.enable", json!({})),
        (
            "Target.setAutoAttach",
            json!({ "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true }),
        ),
    ]
}

fn on_event(connection: &Connection, logs: &Logs, event: &Value) {
    let (method, params) = (text(&event["method"]), &event["params"]);
    let Some(log) = lock(logs).get(&text(&event["sessionId"])).cloned() else { return };
    if method == "Target.attachedToTarget" {
        // A worker starts paused, so that none of its requests is missed; it writes to its page's log.
        let worker = text(&params["sessionId"]);
        // The worker for visits without a network is not the page's own.
        let own = params["targetInfo"]["type"] == "worker";
        let first = if own { lock(&log).scripts.pop_front() } else { None };
        lock(logs).insert(worker.clone(), log);
        for (method, params) in watching() {
            connection.post(&worker, method, params);
        }
        if let Some(script) = first {
            connection.post(&worker, "Runtime.evaluate", json!({ "expression": script }));
        }
        connection.post(&worker, "Runtime.runIfWaitingForDebugger", json!({}));
    } else {
        lock(&log).record(&method, params);
    }
}

/// The browser to drive: `CHROMIUM` if set, else the first that is installed.
fn find() -> Result<PathBuf, Error> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let bundles = ["Google Chrome", "Chromium"]
        .map(|name| PathBuf::from(format!("/Applications/{name}.app/Contents/MacOS/{name}")));
    installed.chain(bundles).find(|candidate| candidate.is_file()).ok_or(Error::NoBrowser)
}

/// A page, with its workers.
pub struct Page {
    connection: Arc<Connection>,
    target: String,
    session: String,
    log: Arc<Mutex<Log>>,
}

impl Page {
    /// Any command of the DevTools protocol, sent to this page.
    ///
    /// # Errors
    /// [`Error::Protocol`] when it is refused.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        self.connection.call(&self.session, method, params, PATIENCE)
    }

    /// Opens `url` and waits until its document and what the document names have loaded.
    ///
    /// # Errors
    /// [`Error::Navigation`] when no answer came; an HTTP error status is an answer.
    pub fn navigate(&self, url: &str) -> Result<(), Error> {
        let answer = self.call("Page.navigate", json!({ "url": url }))?;
        if let Some(message) = answer["errorText"].as_str() {
            return Err(Error::Navigation { url: url.into(), message: message.into() });
        }
        self.wait_for("document.readyState === 'complete'", PATIENCE)
    }

    /// Kills the page and its workers on the spot: nothing in it gets to tidy up.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it lives on; when the browser is gone.
    pub fn kill(self) -> Result<(), Error> {
        // A page that dies does not answer.
        self.connection.post(&self.session, "Page.crash", json!({}));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.console().iter().any(|line| line == CRASHED) {
            if Instant::now() >= deadline {
                let (what, after) = ("the page's end".into(), Duration::from_secs(10));
                return Err(Error::Timeout { what, after, context: self.console().join("\n") });
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.close()
    }

    /// Closes the page.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn close(self) -> Result<(), Error> {
        self.connection.call("", "Target.closeTarget", json!({ "targetId": self.target }), PATIENCE).map(drop)
    }

    /// Has the next worker of this page run this script before its own; called twice, the one after it, too.
    pub fn before_next_worker(&self, script: &str) {
        lock(&self.log).scripts.push_back(script.into());
    }

    /// Hides the page as a visitor who minimizes its window does, or shows it again.
    ///
    /// # Errors
    /// [`Error::Timeout`] when the page does not hear of it.
    pub fn hide(&self, hidden: bool) -> Result<(), Error> {
        let window = self.call("Browser.getWindowForTarget", json!({}))?["windowId"].take();
        let state = if hidden { "minimized" } else { "normal" };
        let params = json!({ "windowId": window, "bounds": { "windowState": state } });
        self.call("Browser.setWindowBounds", params)?;
        self.wait_for(&format!("document.hidden === {hidden}"), PATIENCE)
    }

    /// Evaluates an expression, waits for it if it is a promise, and returns its value.
    ///
    /// # Errors
    /// [`Error::Script`] when it throws.
    pub fn eval(&self, script: &str) -> Result<Value, Error> {
        let params = json!({
            "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let mut answer = self.call("Runtime.evaluate", params)?;
        if answer["exceptionDetails"].is_object() {
            let message = exception(&answer["exceptionDetails"]);
            return Err(Error::Script { script: script.into(), message });
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression is true; one that throws (an element not there yet) counts as false.
    ///
    /// # Errors
    /// [`Error::Timeout`] with the last exception and the end of the page's console.
    pub fn wait_for(&self, condition: &str, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let last = match self.eval(&format!("Promise.resolve({condition}).then(Boolean)")) {
                Ok(Value::Bool(true)) => return Ok(()),
                Err(gone @ Error::Gone { .. }) => return Err(gone),
                Err(error) => error.to_string(),
                Ok(_) => String::new(),
            };
            if Instant::now() >= deadline {
                let console = self.console();
                let context = [&[last], &console[console.len().saturating_sub(20)..]].concat().join("\n");
                return Err(Error::Timeout { what: condition.into(), after: timeout, context });
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks the middle of the first element that `selector` finds, with a real mouse event, scrolling to it first.
    ///
    /// # Errors
    /// [`Error::Script`] when there is no such element.
    pub fn click(&self, selector: &str) -> Result<(), Error> {
        let selector = json!(selector);
        let middle = self.eval(&format!(
            "(() => {{ const e = document.querySelector({selector});
                if (!e) throw new Error('no element ' + {selector});
                e.scrollIntoView({{ block: 'center', inline: 'center', behavior: 'instant' }});
                const r = e.getBoundingClientRect();
                return {{ x: r.x + r.width / 2, y: r.y + r.height / 2 }}; }})()"
        ))?;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let params = json!({ "type": kind, "x": middle["x"], "y": middle["y"], "button": button, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params)?;
        }
        Ok(())
    }

    /// Sets the value of an input, select or text area as its user would, so that the page's listeners hear of it.
    ///
    /// # Errors
    /// [`Error::Script`] when there is no such element.
    pub fn set_value(&self, selector: &str, value: &str) -> Result<(), Error> {
        let (selector, value) = (json!(selector), json!(value));
        self.eval(&format!(
            "(() => {{ const e = document.querySelector({selector});
                if (!e) throw new Error('no element ' + {selector});
                e.focus();
                Object.getOwnPropertyDescriptor(Object.getPrototypeOf(e), 'value').set.call(e, {value});
                for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {{ bubbles: true }})); }})()"
        ))
        .map(drop)
    }

    /// Lays the page out for a window of `width` × `height` CSS pixels, `scale` device pixels each.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn resize(&self, width: u32, height: u32, scale: f64) -> Result<(), Error> {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", params).map(drop)
    }

    /// Writes a PNG of the window to `path`, see [`Page::resize`].
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn screenshot(&self, path: &Path, width: u32, height: u32, scale: f64) -> Result<(), Error> {
        self.resize(width, height, scale)?;
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }))?;
        let png = base64::prelude::BASE64_STANDARD.decode(text(&shot["data"])).map_err(|error| {
            Error::Protocol { method: "Page.captureScreenshot".into(), message: error.to_string() }
        })?;
        fs::write(path, png).map_err(Error::io(path))
    }

    /// Everything that the page and its workers have asked for since it was opened, in order.
    pub fn network(&self) -> Vec<Response> {
        // The rest of an answer that was under way at `clear_logs` has no address.
        lock(&self.log).responses.iter().filter(|response| !response.url.is_empty()).cloned().collect()
    }

    /// Console messages and uncaught exceptions of the page and its workers, each as `kind: text`.
    pub fn console(&self) -> Vec<String> {
        lock(&self.log).console.clone()
    }

    /// Forgets what [`Page::network`] and [`Page::console`] hold so far.
    pub fn clear_logs(&self) {
        let mut log = lock(&self.log);
        let scripts = std::mem::take(&mut log.scripts);
        *log = Log { scripts, ..Log::default() };
    }
}
