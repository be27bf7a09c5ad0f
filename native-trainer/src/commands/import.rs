//! `tailor import`: a gallery of a plain model that another program trained.

use crate::cli::{ImportArgs, ImportFrom};
use crate::error::Error;
use crate::gallery::import::import;
use crate::say;
use crate::system::output::{json, print, shown};

/// Runs `tailor import`.
///
/// # Errors
/// Anything wrong with the weights, their names, the settings or the disk.
pub fn run(args: &ImportArgs) -> Result<(), Error> {
    let ImportFrom::Dit(args) = &args.from;
    let imported = import(&args.settings())?;
    if args.json {
        print(&json(&serde_json::json!({
            "gallery": args.out.to_string_lossy(),
            "classes": imported.classes,
            "learngene_bytes": imported.bytes,
            "parameters": imported.config.learngene_parameters(),
        })))?;
    }
    say!(
        "wrote {}: {} parameters, {} classes, {:.1} MB",
        shown(&args.out),
        imported.config.learngene_parameters(),
        imported.classes,
        imported.bytes as f64 / 1e6
    );
    Ok(())
}
