//! `tailor finetune`: a trained network, adapted to other classes.

use std::fmt::Write;

use super::train::ended;
use crate::cli::FinetuneArgs;
use crate::error::Error;
use crate::gallery::finetune::finetune;
use crate::system::output::{json, print};
use crate::system::shell;
use crate::system::status::Status;
use crate::train::method::{Cost, PAPER_TASKS, costs};

/// Runs `tailor finetune`, and writes the report of a run that made its last step.
///
/// # Errors
/// Anything wrong with base, data, settings, device or disk; what was saved before stays.
pub fn run(args: &FinetuneArgs) -> Result<Status, Error> {
    if args.list {
        let task = args.classes.map(|classes| [classes as usize]);
        let tasks = task.as_ref().map_or(&PAPER_TASKS[..], |task| task);
        let costs = costs(&args.model.choice().read()?, tasks);
        print(&if args.running.json { json(&costs) } else { in_words(&costs) })?;
        return Ok(Status::Done);
    }
    let settings = args.settings(shell::command_again("--resume"));
    let outcome = finetune(&settings)?;
    ended(outcome, &settings.run.out, args.running.json)
}

fn in_words(costs: &[Cost]) -> String {
    let width = costs.iter().map(|cost| cost.method.len()).max().unwrap_or(0);
    let mut out = format!("{:width$} trainable  GFLOP an image\n", "method");
    for Cost { method, trainable_parameters, flops_per_image, .. } in costs {
        // Writing into a string cannot fail.
        let _ = writeln!(
            out,
            "{method:width$} {:>7} M  {:>8}",
            rounded(trainable_parameters / 1e6, 2),
            rounded(flops_per_image / 1e9, 1)
        );
    }
    for Cost { method, gathered_flops_per_image, .. } in costs {
        if let Some(gathered) = gathered_flops_per_image {
            let _ = writeln!(
                out,
                "{method} computes {} GFLOP here, where each image takes the components of its own class alone; the \
                 paper counts those of every class of the task.",
                rounded(gathered / 1e9, 1)
            );
        }
    }
    out
}

/// A number with so many digits behind the point, of a small one three.
fn rounded(value: f64, digits: usize) -> String {
    let digits = if value < 1.0 { 3 } else { digits };
    format!("{value:.digits$}")
}
