//! `tailor export`: a gallery's model as one plain network, for other programs.

use crate::cli::ExportArgs;
use crate::error::Error;
use crate::gallery::export::export;
use crate::say;
use crate::system::output::{json, print, shown};

/// Runs `tailor export`.
///
/// # Errors
/// Anything wrong with the gallery, the classes asked for, the file's ending or the disk.
pub fn run(args: &ExportArgs) -> Result<(), Error> {
    let exported = export(&args.settings())?;
    if args.json {
        print(&json(&serde_json::json!({
            "file": args.out.to_string_lossy(),
            "bytes": exported.bytes,
            "parameters": exported.config.learngene_parameters(),
            "classes": exported.classes.iter().map(|class| &class.name).collect::<Vec<_>>(),
        })))?;
    }
    say!("wrote {}, {:.1} MB", shown(&args.out), exported.bytes as f64 / 1e6);
    Ok(())
}
