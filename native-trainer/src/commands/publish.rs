//! `tailor publish`: from a run to a gallery of one learngene and one pack per class.

use crate::cli::PublishArgs;
use crate::data::number;
use crate::error::Error;
use crate::gallery::publish::publish;
use crate::say;
use crate::system::output::{json, print};
use crate::system::shell;

/// Runs `tailor publish`.
///
/// # Errors
/// Anything wrong with run, settings, device or disk.
pub fn run(args: &PublishArgs) -> Result<(), Error> {
    let index = publish(&args.settings())?;
    let total: u64 = index.files().map(|f| f.size).sum();
    if args.json {
        print(&json(&serde_json::json!({
            "gallery": args.out.to_string_lossy(),
            "id": index.id,
            "version": index.version,
            "classes": index.classes.len(),
            "bytes": total,
            "learngene_bytes": index.learngene.size,
        })))?;
    }
    say!(
        "published {}, {:.2} MB in all, learngene {:.2} MB; look at it, in the clone after `just site`, with: \
         tailor serve {}",
        number(index.classes.len(), "class"),
        total as f64 / 1e6,
        index.learngene.size as f64 / 1e6,
        shell::path(&args.out)
    );
    Ok(())
}
