//! Experiments: several arms, each trained with the same seeds, published, judged and compared.
//!
//! - [`plan`]: the file of an experiment, and the runs that follow from it;
//! - `begun`: its folder, and the images that it was begun with;
//! - `run`: carries the runs out, and goes on after a kill; `workers` does so in several programs at once;
//! - [`results`]: what came of each run, as JSON lines;
//! - [`compare`]: the tables, with intervals;
//! - [`pictures`]: what the arms' samples look like, over the steps, and with and without tailors;
//! - [`estimate`]: how long it will take here.

mod begun;
pub mod compare;
pub mod estimate;
pub mod judging;
pub mod pictures;
pub mod plan;
pub mod results;
mod run;
mod workers;

pub use run::Carried;
pub use workers::is_worker;

use crate::error::Error;
use crate::settings::experiment::ExperimentSettings;
use crate::system::status::Status;
use plan::Experiment;

/// Carries out the runs of the settings' part that have not ended yet.
///
/// # Errors
/// Anything wrong with data, settings, device or disk. What has ended stays, and the same command goes on.
pub fn carry_out(settings: &ExperimentSettings, experiment: &Experiment) -> Result<Carried, Error> {
    let mine = run::part(experiment, settings.part);
    if settings.out.exists() && run::open_runs(&settings.out, &mine)?.is_empty() {
        // Whatever has become of the images since.
        let outcomes = results::gather(&settings.out, experiment)?;
        return Ok(Carried { status: Status::Done, outcomes, elsewhere: 0 });
    }
    match settings.jobs.min(mine.len()) {
        0 | 1 => {
            workers::end_with_the_first();
            run::carry_out(settings, experiment)
        }
        jobs => workers::carry_out(settings, experiment, jobs),
    }
}
