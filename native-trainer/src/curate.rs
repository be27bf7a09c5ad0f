//! `tailor gallery`: packs come into a published gallery and classes leave it.

use tailor_packs::index::tailor_file_name;
use tailor_packs::{ClassEntry, Digest, FileEntry, limits, read_tailor};

use crate::cli::{GalleryArgs, GalleryChange};
use crate::data::number;
use crate::error::Error;
use crate::files::write_atomic;
use crate::gallery::{Gallery, class, read_limited};
use crate::output::{json, print};
use crate::sign::Signing;

/// Runs `tailor gallery add` or `remove`. The index is written last, so a gallery is never half new.
///
/// # Errors
/// A pack that is damaged or for another learngene, an unknown class, or anything wrong with the disk.
pub fn run(args: &GalleryArgs) -> Result<(), Error> {
    let folder = match &args.change {
        GalleryChange::Add { gallery, .. } | GalleryChange::Remove { gallery, .. } => gallery,
    };
    let gallery = Gallery::open(folder)?;
    if let Some(missing) = gallery.missing() {
        return Err(Error::Refused {
            what: format!(
                "{} was fetched without {missing}, which the change would remove",
                folder.display()
            ),
            help: "fetch it with --all-classes first".to_owned(),
        });
    }
    let Gallery { folder, mut index, .. } = gallery;
    let signing = Signing::new(&args.signing, &folder)?;
    match &args.change {
        GalleryChange::Add { packs, .. } => {
            for path in packs {
                let bytes = read_limited(path, limits::FILE)?;
                let fits = Some((&index.learngene.sha256, &index.config));
                let tailor = read_tailor(&bytes, fits).map_err(Error::pack(path))?;
                let name = tailor_file_name(&tailor.class.id, &Digest::of(&bytes));
                write_atomic(&folder.join(&name), &bytes)?;
                let entry = ClassEntry::new(&tailor.class, FileEntry::of(name, &bytes));
                match index.classes.iter_mut().find(|class| class.id == entry.id) {
                    Some(class) => *class = entry,
                    None => index.classes.push(entry),
                }
            }
        }
        GalleryChange::Remove { classes, .. } => {
            for asked in classes {
                let id = class(&index, asked)?.id.clone();
                index.classes.retain(|class| class.id != id);
            }
        }
    }
    index.version += 1;
    signing.write(&folder, &mut index)?;
    let (id, classes, version) = (&index.id, index.classes.len(), index.version);
    match args.json {
        true => print(&json(&serde_json::json!({ "id": id, "classes": classes, "version": version }))),
        false => print(&format!("{id} has {}, version {version}\n", number(classes, "class"))),
    }
}
