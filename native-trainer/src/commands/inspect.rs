//! `tailor inspect`: what a file, a gallery or a preset holds, and how many parameters that is.

use tailor_packs::ConfigError;

use crate::cli::InspectArgs;
use crate::error::Error;
use crate::gallery::inspect::{inspect_path, inspect_preset, text};
use crate::settings::training::commented_table;
use crate::system::output::{json, print};

/// Runs `tailor inspect`.
///
/// # Errors
/// Any [`Error`] about reading packs, galleries and presets.
pub fn run(args: &InspectArgs) -> Result<(), Error> {
    let report = match (&args.preset, &args.path) {
        (Some(preset), _) => inspect_preset(preset, args.factored.as_ref(), args.tailors.unwrap_or(1))?,
        (None, Some(path)) => inspect_path(path, args.tailors)?,
        (None, None) => return Err(ConfigError::UnknownPreset { found: String::new() }.into()),
    };
    let reason = |e: toml::ser::Error| Error::Refused { what: e.to_string(), help: String::new() };
    Ok(print(&match (args.toml, args.json) {
        (true, _) => {
            let model = toml::to_string(&report.config).map_err(reason)?;
            format!("{model}\n{}", commented_table().map_err(reason)?)
        }
        (false, true) => json(&report),
        (false, false) => text(&report),
    })?)
}
