//! How a command ends: the exit statuses, and the signals that end a run.

use std::fmt::Write;
use std::process::ExitCode;

/// How a command ended, for the shell that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It did what it was asked to do.
    Done,
    /// It refused or failed, and said why.
    Refused,
    /// The command line was wrong.
    Usage,
    /// Ctrl-C or another signal stopped it, after it had saved what there was.
    Stopped(Signal),
}

/// A signal that asks a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The terminal was closed (SIGHUP).
    Hangup,
    /// Ctrl-C (SIGINT).
    Interrupt,
    /// Somebody ended the program (SIGTERM).
    Terminate,
}

impl Signal {
    /// Every signal that is waited for.
    pub const ALL: [Self; 3] = [Self::Hangup, Self::Interrupt, Self::Terminate];

    /// Its number, the same on every Unix.
    pub fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

impl Status {
    /// Every way to end.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Refused,
        Self::Usage,
        Self::Stopped(Signal::Hangup),
        Self::Stopped(Signal::Interrupt),
        Self::Stopped(Signal::Terminate),
    ];

    /// The exit status; of a signal 128 and its number, as shells count.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Stopped(signal) => 128 + signal.number(),
        }
    }

    /// What it means, for the help.
    fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused with a message",
            Self::Usage => "wrong usage",
            Self::Stopped(Signal::Hangup) => "stopped by the end of its terminal",
            Self::Stopped(Signal::Interrupt) => "stopped by Ctrl-C",
            Self::Stopped(Signal::Terminate) => "stopped by SIGTERM",
        }
    }

    /// All of them on one line, for the help.
    pub fn list() -> String {
        let mut text = "Exit status: ".to_owned();
        for (i, status) in Self::ALL.into_iter().enumerate() {
            // Writing into a string cannot fail.
            let _ = write!(text, "{}{} {}", if i > 0 { ", " } else { "" }, status.code(), status.meaning());
        }
        text + "."
    }
}

impl From<()> for Status {
    fn from((): ()) -> Self {
        Self::Done
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

/// Calls `each` from a thread of its own at every signal that asks the program to end. The end of the terminal
/// stays ignored where the program was started to ignore it, as `nohup` does. Shells let programs in the
/// background ignore Ctrl-C, too; whoever sends it to one all the same means it.
///
/// # Errors
/// What the system says when it takes no handler.
#[cfg(unix)]
pub fn on_signal(mut each: impl FnMut(Signal) + Send + 'static) -> std::io::Result<()> {
    let wanted = Signal::ALL.into_iter().filter(|signal| *signal != Signal::Hangup || !is_ignored(*signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted.map(|signal| i32::from(signal.number())))?;
    std::thread::spawn(move || {
        for number in signals.forever() {
            Signal::ALL.into_iter().filter(|signal| i32::from(signal.number()) == number).for_each(&mut each);
        }
    });
    Ok(())
}

/// As on Unix, for what Windows has instead.
///
/// # Errors
/// What the system says when it takes no handler.
#[cfg(not(unix))]
pub fn on_signal(mut each: impl FnMut(Signal) + Send + 'static) -> std::io::Result<()> {
    ctrlc::set_handler(move || each(Signal::Interrupt)).map_err(std::io::Error::other)
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "no safe call asks how a signal is handled")]
fn is_ignored(signal: Signal) -> bool {
    // SAFETY: a null action asks and changes nothing, and the answer is written into a value of its own,
    // which may begin as zeros.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        libc::sigaction(i32::from(signal.number()), std::ptr::null(), &raw mut present) == 0
            && present.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_end_with_the_statuses_that_shells_know() {
        let codes: Vec<u8> = Status::ALL.iter().map(|status| status.code()).collect();
        assert_eq!(codes, [0, 1, 2, 129, 130, 143]);
        assert!(Status::list().contains("130 stopped by Ctrl-C, 143 stopped by SIGTERM."));
    }
}
