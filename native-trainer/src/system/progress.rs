//! How far a piece of work is, for who waits for it.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::say;

/// Time before anything is shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time between two lines where standard error is no terminal but, for example, a log file.
pub const LINE_EVERY: Duration = Duration::from_secs(60);

/// A progress bar that stays out of sight for the first two seconds. Where there is no terminal, it is a line a minute.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    terminal: bool,
    said: Mutex<Instant>,
}

impl Progress {
    /// For so many pieces of `what`, as in `reading images`.
    pub fn new(what: &'static str, count: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {eta} left");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what);
        Self { bar, what, terminal: std::io::stderr().is_terminal(), said: Mutex::new(Instant::now()) }
    }

    /// One more piece is done.
    pub fn step(&self) {
        self.bar.inc(1);
        if self.terminal {
            if self.bar.is_hidden() && self.bar.elapsed() > PATIENCE {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            return;
        }
        // Whoever comes while another speaks has nothing to add.
        if let Ok(mut said) = self.said.try_lock()
            && said.elapsed() >= LINE_EVERY
        {
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
            say!("{} {done}/{all}, {} left", self.what, HumanDuration(self.bar.eta()));
            *said = Instant::now();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
