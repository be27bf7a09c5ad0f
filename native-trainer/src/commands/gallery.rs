//! `tailor gallery`: packs come into a published gallery, classes leave it, and it is signed.

use crate::cli::{GalleryArgs, GalleryChange};
use crate::data::number;
use crate::error::Error;
use crate::gallery::change::{add, remove, sign};
use crate::system::output::{json, print};

/// Runs `tailor gallery add`, `remove` or `sign`.
///
/// # Errors
/// A pack that is damaged or for another learngene, an unknown class, or anything wrong with the disk.
pub fn run(args: &GalleryArgs) -> Result<(), Error> {
    let signing = args.signing.settings();
    let index = match &args.change {
        GalleryChange::Add { gallery, packs } => add(gallery, packs, &signing)?,
        GalleryChange::Remove { gallery, classes } => remove(gallery, classes, &signing)?,
        GalleryChange::Sign { gallery } => sign(gallery, &signing)?,
    };
    let (id, classes, version) = (&index.id, index.classes.len(), index.version);
    Ok(print(&match args.json {
        true => json(&serde_json::json!({ "id": id, "classes": classes, "version": version })),
        false => format!("{id} has {}, version {version}\n", number(classes, "class")),
    })?)
}
