//! `tailor train-tailor`: one class of one's own for a learngene that stays as it is.

use crate::cli::TrainTailorArgs;
use crate::error::Error;
use crate::gallery::train_tailor::train_tailor;
use crate::say;
use crate::system::output::{json, print, shown};
use crate::system::shell;
use crate::system::status::Status;

/// Runs `tailor train-tailor`.
///
/// # Errors
/// Anything wrong with learngene, data, settings, device or disk; what was saved before stays.
pub fn run(args: &TrainTailorArgs) -> Result<Status, Error> {
    let (status, pack) = train_tailor(&args.settings())?;
    if let Some(pack) = pack {
        if args.running.json {
            print(&json(&pack))?;
        }
        say!(
            "wrote {}, {:.0} kB; put it into its gallery with: tailor gallery add GALLERY {}",
            shown(&pack.pack),
            pack.bytes as f64 / 1e3,
            shell::path(&pack.pack)
        );
    }
    Ok(status)
}
