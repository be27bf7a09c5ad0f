//! Several programs that carry out one experiment side by side, each on its share of the cores.
//!
//! Each is this program again with one job. They agree by the locks of the folders in which they work.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::begun::begin;
use super::plan::Experiment;
use super::results;
use super::run::{self, Carried};
use crate::compute::device::{CORES, cores};
use crate::error::Error;
use crate::say;
use crate::settings::experiment::ExperimentSettings;
use crate::system::status::{Signal, Status, on_signal};

/// Carries out the runs of the settings' part in so many programs.
///
/// # Errors
/// [`Error::Refused`] when one of them cannot be started, or none of them did its part.
pub(super) fn carry_out(
    settings: &ExperimentSettings,
    experiment: &Experiment,
    jobs: usize,
) -> Result<Carried, Error> {
    // Said once, and not by every one of them.
    begin(&settings.out, experiment)?;
    let program = std::env::current_exe().map_err(|reason| Error::Refused {
        what: format!("this program cannot be started again: {reason}"),
        help: "choose --jobs 1".to_owned(),
    })?;
    let children: Arc<Mutex<Vec<Child>>> = Arc::default();
    let stopped = forward_signals(&children);
    let each = (cores() / jobs).max(1);
    let mut readers = Vec::new();
    for number in 1..=jobs {
        let mut command = Command::new(&program);
        command.args(&settings.alone).env(CORES, each.to_string()).env(WORKER, "1");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C reaches every program of a terminal's group, and a second one ends a program at once: those here
        // get theirs from this one.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|reason| Error::Refused {
            what: format!("job {number} cannot be started: {reason}"),
            help: "choose fewer --jobs".to_owned(),
        })?;
        if let Some(said) = child.stderr.take() {
            readers.push(std::thread::spawn(move || {
                BufReader::new(said).lines().map_while(Result::ok).for_each(|line| say!("[{number}] {line}"));
            }));
        }
        children.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    }
    // Each ends its last line when it ends.
    for reader in readers {
        let _ = reader.join();
    }
    let mut children = children.lock().unwrap_or_else(PoisonError::into_inner);
    let ended: Vec<Option<ExitStatus>> = children.iter_mut().map(|child| child.wait().ok()).collect();
    let outcomes = results::gather(&settings.out, experiment)?;
    if let Some(signal) = stopped.get() {
        return Ok(Carried { status: Status::Stopped(*signal), outcomes, elsewhere: 0 });
    }
    let failed = ended.iter().filter(|status| !status.is_some_and(|status| status.success())).count();
    if failed > 0 {
        return Err(Error::Refused {
            what: format!("{failed} of {} jobs did not end well; each said why above", jobs),
            help: "what has ended stays; mend the cause, and the same command goes on".to_owned(),
        });
    }
    // What none of them could take has others at it.
    let elsewhere = run::open_runs(&settings.out, &run::part(experiment, settings.part))?.len();
    Ok(Carried { status: Status::Done, outcomes, elsewhere })
}

/// Says to a program that another one has started it.
const WORKER: &str = "TAILOR_WORKER";

/// Whether another program has started this one to do a part of its work.
pub fn is_worker() -> bool {
    std::env::var_os(WORKER).is_some()
}

/// Lets this program, where another one has started it, end with that one, whatever ends it: the other one never writes
/// to the standard input here, which closes with its end. Then it is as if SIGTERM had come.
pub(super) fn end_with_the_first() {
    if !is_worker() {
        return;
    }
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        terminate();
    });
}

#[cfg(unix)]
fn terminate() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
}

#[cfg(not(unix))]
fn terminate() {
    std::process::exit(1);
}

/// Passes each signal on to the programs; returns where the first one is kept.
fn forward_signals(children: &Arc<Mutex<Vec<Child>>>) -> Arc<OnceLock<Signal>> {
    let first = Arc::new(OnceLock::new());
    let (seen, children) = (first.clone(), children.clone());
    // Without a handler the system's own ends this program; the others go on, and keep what they find.
    let _ = on_signal(move |signal| {
        let _ = seen.set(signal);
        // Whoever waits for them holds the list only after the last of them has closed its output.
        if let Ok(children) = children.try_lock() {
            children.iter().for_each(|child| pass_on(child, signal));
        }
    });
    first
}

#[cfg(unix)]
fn pass_on(child: &Child, signal: Signal) {
    use rustix::process::{Pid, Signal as Number, kill_process};
    let number = match signal {
        Signal::Hangup => Number::HUP,
        Signal::Interrupt => Number::INT,
        Signal::Terminate => Number::TERM,
    };
    // One that has ended by itself needs no signal.
    let _ = kill_process(Pid::from_child(child), number);
}

/// Elsewhere Ctrl-C reaches every program of a console by itself.
#[cfg(not(unix))]
fn pass_on(_: &Child, _: Signal) {}
