//! `tailor train`: from images to a run's folder of checkpoints, metrics and sample grids.

use std::path::Path;

use crate::cli::TrainArgs;
use crate::error::Error;
use crate::report;
use crate::say;
use crate::system::output::{json, print, shown};
use crate::system::shell;
use crate::system::status::Status;
use crate::train::begin::{Outcome, train};
use crate::train::checkpoint;

/// Runs `tailor train`, and writes the report of a run that made its last step.
///
/// # Errors
/// Anything wrong with data, settings, device or disk; what was saved before stays.
pub fn run(args: &TrainArgs) -> Result<Status, Error> {
    let outcome = train(&args.settings(shell::command_again("--resume")))?;
    ended(outcome, &args.out, args.running.json)
}

/// Writes the report of a run that made its last step, and says what comes next.
///
/// # Errors
/// Anything wrong with run or disk.
pub(super) fn ended(outcome: Outcome, out: &Path, as_json: bool) -> Result<Status, Error> {
    // It keeps the run's folder from others until the report is written.
    let status = outcome.ended.status();
    let finished = outcome.ended.trainer();
    // A run that was stopped has said so; its checkpoint is not read again for nothing.
    if finished.is_none() && !as_json {
        return Ok(status);
    }
    let page = out.join("report.html");
    let Some(header) = checkpoint::latest(out)?.map(|stored| stored.header) else { return Ok(status) };
    if let Some(trainer) = &finished {
        report::write(out, &page, &header, trainer)?;
        say!(
            "done, see {}; publish it with: tailor publish {} --out GALLERY",
            shown(&page),
            shell::path(out)
        );
    }
    if as_json {
        print(&json(&serde_json::json!({
            "run": out.to_string_lossy(),
            "step": header.step,
            "steps": header.recipe.training.steps,
            "loss": header.losses.means().last().map(|(_, loss)| loss),
            "engine": header.engine,
            "report": finished.map(|_| page.to_string_lossy().into_owned()),
        })))?;
    }
    Ok(status)
}
