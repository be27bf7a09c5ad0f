//! Experiments: several arms, each trained with the same seeds, published, judged and compared.
//!
//! - `run`: carries the runs out, and goes on after a kill; `workers` does so in several programs at once;
//! - [`results`]: what came of each run, as JSON lines;
//! - [`compare`]: the tables, with intervals;
//! - [`estimate`]: how long it will take here.

pub mod compare;
pub mod estimate;
pub mod results;
mod run;
mod workers;

pub use run::Carried;

use crate::error::Error;
use crate::settings::experiment::ExperimentSettings;

/// Carries out the runs of the settings' part that have not ended yet.
///
/// # Errors
/// Anything wrong with data, settings, device or disk. What has ended stays, and the same command goes on.
pub fn carry_out(settings: &ExperimentSettings) -> Result<Carried, Error> {
    match settings.jobs {
        0 | 1 => run::carry_out(settings),
        _ => workers::carry_out(settings),
    }
}
