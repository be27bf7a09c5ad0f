//! `tailor inspect`: what a file, a gallery, a preset or a split holds, and how many parameters that is.

use tailor_packs::ConfigError;

use crate::cli::InspectArgs;
use crate::data::splits::{self, Split};
use crate::error::Error;
use crate::gallery::inspect::{inspect_path, inspect_preset, text};
use crate::settings::training::commented_table;
use crate::system::output::{json, print};

/// Runs `tailor inspect`.
///
/// # Errors
/// Any [`Error`] about reading packs, galleries and presets.
pub fn run(args: &InspectArgs) -> Result<(), Error> {
    let reason = |e: toml::ser::Error| Error::Refused { what: e.to_string(), help: String::new() };
    if args.splits {
        let splits = Split::all();
        return Ok(print(&if args.json { json(&splits) } else { splits::list(&splits) })?);
    }
    if let Some(split) = &args.split {
        let split = Split::open(split)?;
        return Ok(print(&match (args.toml, args.json) {
            (true, _) => split.to_toml().map_err(reason)?,
            (false, true) => json(&split),
            (false, false) => splits::text(&split),
        })?);
    }
    let report = match (&args.preset, &args.path) {
        (Some(preset), _) => inspect_preset(preset, args.factored.as_ref(), args.tailors.unwrap_or(1))?,
        (None, Some(path)) => inspect_path(path, args.tailors)?,
        (None, None) => return Err(ConfigError::UnknownPreset { found: String::new() }.into()),
    };
    Ok(print(&match (args.toml, args.json) {
        (true, _) => {
            let model = toml::to_string(&report.config).map_err(reason)?;
            format!("{model}\n{}", commented_table().map_err(reason)?)
        }
        (false, true) => json(&report),
        (false, false) => text(&report),
    })?)
}
