//! `tailor train-tailor`: classes of one's own for a learngene that stays as it is.

use crate::cli::TrainTailorArgs;
use crate::data::number;
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
    let (status, packs) = train_tailor(&args.settings())?;
    let kilobytes = packs.iter().map(|pack| pack.bytes).sum::<usize>() as f64 / 1e3;
    match (&packs[..], &args.class) {
        ([], _) => {}
        ([pack], Some(_)) => {
            told(args, pack)?;
            let (file, word) = (shown(&pack.pack), shell::path(&pack.pack));
            say!(
                "wrote {file}, {kilobytes:.0} kB; put it into its gallery with: tailor gallery add GALLERY {word}"
            );
        }
        _ => {
            told(args, &packs)?;
            let (folder, word) = (shown(&args.out), shell::path(&args.out));
            say!(
                "wrote {} to {folder}, {kilobytes:.0} kB; put them into their gallery with: \
                 tailor gallery add GALLERY {word}/*.tailor",
                number(packs.len(), "pack")
            );
        }
    }
    Ok(status)
}

/// With `--json`, says what was written.
fn told(args: &TrainTailorArgs, written: &impl serde::Serialize) -> Result<(), Error> {
    if args.running.json {
        print(&json(written))?;
    }
    Ok(())
}
