//! `tailor fetch`: a gallery, or some of its classes, from a server into a folder.

use indicatif::HumanBytes;

use crate::cli::FetchArgs;
use crate::error::Error;
use crate::gallery::fetch::{Pace, fetch};
use crate::system::output::{json, print, shown};

/// Runs `tailor fetch`.
///
/// # Errors
/// As [`fetch`].
pub fn run(args: &FetchArgs) -> Result<(), Error> {
    let outcome = fetch(&args.settings(), Pace::default())?;
    if args.json {
        return Ok(print(&json(&outcome))?);
    }
    let signed = outcome.key.as_ref().map_or("unsigned".to_owned(), |key| format!("signed by key {key}"));
    Ok(print(&format!(
        "{} version {}, {signed}; classes here {}, in {}; files that came {}, {}, that were here {}\n",
        outcome.id,
        outcome.version,
        outcome.classes.len(),
        shown(&outcome.folder),
        outcome.fetched,
        HumanBytes(outcome.bytes),
        outcome.kept,
    ))?)
}
