//! `tailor experiment`: arms trained with the same seeds, judged and compared.

use crate::cli::{ExperimentArgs, ExperimentThen};
use crate::error::Error;
use crate::experiment::compare::Table;
use crate::experiment::estimate::{Estimate, estimate};
use crate::experiment::{Carried, carry_out, results};
use crate::say;
use crate::system::output::{self, json, print, shown};
use crate::system::shell;
use crate::system::status::Status;

/// Runs `tailor experiment`.
///
/// # Errors
/// Anything wrong with file, data, device or disk; what has ended stays.
pub fn run(args: &ExperimentArgs) -> Result<Status, Error> {
    if let Some(ExperimentThen::Report { results, figures, out }) = &args.then {
        return report(results, figures, out).map(Status::from);
    }
    let settings = args.settings()?;
    if args.estimate {
        let estimate = estimate(&settings)?;
        print(&if args.json { json(&estimate) } else { in_words(&estimate) })?;
        return Ok(Status::Done);
    }
    let Carried { status, outcomes, elsewhere } = carry_out(&settings)?;
    let all = settings.experiment.runs.len();
    let page = shell::path(&settings.out);
    match outcomes.len() {
        n if n == all => say!("all {all} runs have ended; the tables: tailor experiment report {page}"),
        n => say!(
            "{n} of {all} runs have ended; {elsewhere} are under way elsewhere, the same command goes on"
        ),
    }
    if args.json {
        print(&json(&serde_json::json!({
            "results": results::lines(&settings.out).to_string_lossy(),
            "runs": all,
            "ended": outcomes.len(),
        })))?;
    }
    Ok(status)
}

fn report(results: &std::path::Path, figures: &[String], out: &std::path::Path) -> Result<(), Error> {
    let lines = if results.is_dir() { results::lines(results) } else { results.to_owned() };
    output::refuse_inputs(out, [lines.clone()])?;
    let outcomes = results::read(&lines)?;
    let Some(first) = outcomes.first() else {
        return Err(Error::Refused {
            what: format!("{} holds no result yet", shown(&lines)),
            help: "wait for the first run to end".to_owned(),
        });
    };
    if let Some(unknown) = figures.iter().find(|name| outcomes.iter().all(|o| o.figure(name).is_none())) {
        return Err(Error::Refused {
            what: format!("no result has a figure called {unknown:?}"),
            help: "name a field of results.jsonl, such as agreement or frechet.samples".to_owned(),
        });
    }
    let page = format!("# {}\n\n{}", first.experiment, Table::of(&outcomes, figures).to_markdown());
    Ok(output::write(out, page.as_bytes())?)
}

fn in_words(estimate: &Estimate) -> String {
    let arm = |arm: &crate::experiment::estimate::ArmEstimate| {
        format!(
            "{}: {} runs of {:.2} h training ({:.0} images/s) and {:.2} h sampling, {} to go\n",
            arm.arm, arm.runs.0, arm.training_hours, arm.images_per_second, arm.sampling_hours, arm.runs.1
        )
    };
    let arms: String = estimate.arms.iter().map(arm).collect();
    format!("{arms}{:.1} hours in all, {:.1} to go\n", estimate.hours, estimate.hours_left)
}
