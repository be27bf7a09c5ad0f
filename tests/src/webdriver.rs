//! Browsers other than Chromium, driven by the WebDriver protocol (<https://www.w3.org/TR/webdriver2/>): Firefox through
//! geckodriver, and WebKitGTK, whose engine Safari shares, through its own driver.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::Engine;
use serde_json::{Value, json};

use crate::Error;

/// How long a driver may take to answer; scripts that wait are given less.
const PATIENCE: Duration = Duration::from_secs(300);

/// A browser with a WebDriver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Firefox; needs `firefox-esr` or `firefox`, and `geckodriver`.
    Firefox,
    /// WebKitGTK's MiniBrowser; needs `WebKitWebDriver`, and `Xvfb` where there is no display.
    WebKit,
}

/// A program that is ended with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One window of a browser that starts with an empty profile.
pub struct Window {
    session: String,
    agent: ureq::Agent,
    _driver: Running,
    _display: Option<Running>,
}

impl Window {
    /// Starts a browser.
    ///
    /// # Errors
    /// [`Error::Io`] with the program that is not there; [`Error::Protocol`] when the browser does not start.
    pub fn launch(kind: Kind) -> Result<Self, Error> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(Error::io("127.0.0.1"))?
            .port();
        let (driver, options) = match kind {
            Kind::Firefox => {
                let binary = found(&["firefox-esr", "firefox"]);
                let options = json!({ "moz:firefoxOptions": { "binary": binary, "args": ["-headless"] } });
                ("geckodriver", options)
            }
            Kind::WebKit => {
                let binary = mini_browser()?;
                (
                    "WebKitWebDriver",
                    json!({ "webkitgtk:browserOptions": { "binary": binary, "args": ["--automation"] } }),
                )
            }
        };
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut display = None;
        if kind == Kind::WebKit && env::var_os("DISPLAY").is_none() {
            // A number that nothing else on this machine is likely to have.
            let number = format!(":{}", 1000 + u32::from(port));
            let mut screen = Command::new("Xvfb");
            screen.args([&number, "-screen", "0", "1280x900x24"]).stdout(Stdio::null()).stderr(Stdio::null());
            display = Some(Running(screen.spawn().map_err(Error::io("Xvfb"))?));
            command.env("DISPLAY", number);
        }
        let driver = Running(command.spawn().map_err(Error::io(driver))?);
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        let mut window = Self {
            session: format!("http://127.0.0.1:{port}"),
            agent: config.build().into(),
            _driver: driver,
            _display: display,
        };
        let begun = Instant::now();
        while window.send("status", None).is_err() {
            if begun.elapsed() > Duration::from_secs(20) {
                let (what, after) = ("the driver".to_owned(), begun.elapsed());
                return Err(Error::Timeout { what, after, context: window.session.clone() });
            }
            thread::sleep(Duration::from_millis(50));
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": options } });
        let session = window.send("session", Some(&wanted))?;
        window.session =
            format!("{}/session/{}", window.session, session["sessionId"].as_str().unwrap_or_default());
        window.send("timeouts", Some(&json!({ "script": 240_000, "pageLoad": 120_000 })))?;
        let about = &session["capabilities"];
        println!("{} {}", about["browserName"], about["browserVersion"]);
        Ok(window)
    }

    /// Sends a command, by POST if it has a body.
    fn send(&self, command: &str, body: Option<&Value>) -> Result<Value, Error> {
        let url = format!("{}/{command}", self.session);
        let failed = |message: String| Error::Protocol { method: command.to_owned(), message };
        let answer = match body {
            Some(body) => self.agent.post(&url).content_type("application/json").send(body.to_string()),
            None => self.agent.get(&url).call(),
        };
        let mut answer = answer.map_err(|error| failed(error.to_string()))?;
        let text = answer.body_mut().read_to_string().map_err(|error| failed(error.to_string()))?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(failed(format!("{error}: {}", value["message"]))),
            None => Ok(value),
        }
    }

    /// Opens an address, and waits for the page.
    ///
    /// # Errors
    /// [`Error::Protocol`] when it does not come.
    pub fn navigate(&self, url: &str) -> Result<(), Error> {
        self.send("url", Some(&json!({ "url": url }))).map(drop)
    }

    /// Evaluates an expression, waits for it if it is a promise, and returns its value.
    ///
    /// # Errors
    /// [`Error::Script`] when it throws.
    pub fn eval(&self, script: &str) -> Result<Value, Error> {
        // Firefox runs a driver's scripts beside the page's, where an import is not the module that the page has.
        let wrapped = "const [script, done] = arguments;
            addEventListener('answer', ({ detail }) => done(JSON.parse(detail)), { once: true });
            addEventListener('error', ({ message }) => done(String(message)), { once: true });
            const element = document.createElement('script');
            element.type = 'module';
            element.textContent = `(async () => (${script}))().then((value) => [value ?? null], String)
                .then((value) => dispatchEvent(new CustomEvent('answer', { detail: JSON.stringify(value) })))`;
            document.documentElement.append(element);
            element.remove();";
        let body = json!({ "script": wrapped, "args": [script] });
        match self.send("execute/async", Some(&body))? {
            Value::Array(mut found) if !found.is_empty() => Ok(found.swap_remove(0)),
            thrown => Err(Error::Script { script: script.into(), message: thrown.to_string() }),
        }
    }

    /// Waits until an expression is true; one that throws (an element not there yet) counts as false.
    ///
    /// # Errors
    /// [`Error::Timeout`] with what the page says.
    pub fn wait_for(&self, condition: &str, timeout: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match self.eval(condition) {
                Ok(Value::Bool(true)) => return Ok(()),
                Ok(_) | Err(Error::Script { .. }) => {}
                Err(error) => return Err(error),
            }
            if begun.elapsed() > timeout {
                let context = self.eval("document.body.innerText").map(|text| text.to_string());
                let context = context.unwrap_or_default();
                return Err(Error::Timeout { what: condition.into(), after: timeout, context });
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Chooses files in an input of the page.
    ///
    /// # Errors
    /// [`Error::Protocol`] when there is no such input.
    pub fn choose(&self, selector: &str, files: &[PathBuf]) -> Result<(), Error> {
        let found = self.send("element", Some(&json!({ "using": "css selector", "value": selector })))?;
        let element = found.as_object().and_then(|object| object.values().next()).and_then(Value::as_str);
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let text = json!({ "text": names.join("\n") });
        self.send(&format!("element/{}/value", element.unwrap_or_default()), Some(&text)).map(drop)
    }

    /// Writes a PNG of the window to `path`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn screenshot(&self, path: &Path) -> Result<(), Error> {
        let shot = self.send("screenshot", None)?;
        let png = base64::prelude::BASE64_STANDARD.decode(shot.as_str().unwrap_or_default());
        let png =
            png.map_err(|error| Error::Protocol { method: "screenshot".into(), message: error.to_string() })?;
        fs::write(path, png).map_err(Error::io(path))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It ends the browser, which the driver would leave behind.
        let _ = self.agent.delete(&self.session).call();
    }
}

/// The first of these programs on the search path, or the last one's name.
fn found(names: &[&str]) -> PathBuf {
    let folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let all = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| names.last().map(PathBuf::from).unwrap_or_default())
}

/// WebKitGTK's small browser, which no search path holds.
fn mini_browser() -> Result<PathBuf, Error> {
    let missing = || Error::Io {
        path: "MiniBrowser".into(),
        source: std::io::Error::new(std::io::ErrorKind::NotFound, "install `webkit2gtk-driver`"),
    };
    let libraries = ["/usr/lib", "/usr/lib64", "/usr/libexec"].map(PathBuf::from);
    let systems = libraries.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let folders = libraries.iter().cloned().chain(systems.map(|entry| entry.path()));
    let browsers = folders.flat_map(|folder| {
        ["webkitgtk-6.0", "webkit2gtk-4.1", "webkit2gtk-4.0"]
            .map(|name| folder.join(name).join("MiniBrowser"))
    });
    browsers.into_iter().find(|path| path.is_file()).ok_or_else(missing)
}
