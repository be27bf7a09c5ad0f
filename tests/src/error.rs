use std::{path::PathBuf, time::Duration};

/// Why the harness could not do what a test asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No browser was found on this machine.
    #[error("no Chromium found: install `chromium` (apt-get install chromium) or set CHROMIUM to its path")]
    NoBrowser,
    /// The browser process ended or closed its pipe.
    #[error("the browser is gone; its last words:\n{stderr}")]
    Gone {
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// A command of the DevTools protocol was refused.
    #[error("{method}: {message}")]
    Protocol {
        /// The command.
        method: String,
        /// The browser's answer.
        message: String,
    },
    /// A script threw, or its promise was rejected.
    #[error("script threw: {message}\nin: {script}")]
    Script {
        /// What was evaluated.
        script: String,
        /// The exception as the browser words it.
        message: String,
    },
    /// Something did not happen in time.
    #[error("still waiting after {after:?} for: {what}\n{context}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// The page's console, or whatever else helps.
        context: String,
    },
    /// A page could not be opened.
    #[error("cannot open {url}: {message}")]
    Navigation {
        /// The address.
        url: String,
        /// The browser's error, such as `net::ERR_CONNECTION_REFUSED`.
        message: String,
    },
    /// A file or socket failed.
    #[error("{path}: {source}")]
    Io {
        /// The file, or what stands for it.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
