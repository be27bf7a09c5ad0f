//! `tailor report`: one page about a run.

use crate::cli::ReportArgs;
use crate::compute::device;
use crate::error::Error;
use crate::report;
use crate::system::output::{self, print, shown};
use crate::train::checkpoint;

/// Runs `tailor report`.
///
/// # Errors
/// A run without a sound checkpoint, or anything wrong with device or disk.
pub fn run(args: &ReportArgs) -> Result<(), Error> {
    let stored = checkpoint::require(&args.run)?;
    let out = args.out.clone().unwrap_or_else(|| args.run.join("report.html"));
    output::refuse_inputs(&out, report::inputs(&args.run))?;
    output::prepare(&out)?;
    let trainer = stored.restore(&device::open(args.device)?)?;
    report::write(&args.run, &out, &stored.header, &trainer)?;
    if !output::is_standard_output(&out) {
        print(&format!("{}\n", shown(&out)))?;
    }
    Ok(())
}
