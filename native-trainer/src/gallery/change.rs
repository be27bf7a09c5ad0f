//! Packs come into a published gallery, classes leave it, and it is signed.

use std::path::{Path, PathBuf};

use tailor_packs::index::tailor_file_name;
use tailor_packs::{ClassEntry, Digest, FileEntry, Index, limits, read_tailor};

use super::folder::{Gallery, class};
use super::sign::Signing;
use crate::error::Error;
use crate::settings::gallery::SigningSettings;
use crate::system::files::{read_limited, write_atomic};

/// Puts packs for the gallery's learngene into the gallery in `folder` and returns its new index, which is written
/// last, so a gallery is never half new. A class that is there is replaced.
///
/// # Errors
/// A pack that is damaged or for another learngene, or anything wrong with the disk.
pub fn add(folder: &Path, packs: &[PathBuf], signing: &SigningSettings) -> Result<Index, Error> {
    change(folder, signing, |folder, index| {
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
        Ok(())
    })
}

/// Takes classes, by id or name, out of the gallery in `folder` and returns its new index. Their files stay until
/// nothing on the way still asks for them.
///
/// # Errors
/// An unknown class, or anything wrong with the disk.
pub fn remove(folder: &Path, classes: &[String], signing: &SigningSettings) -> Result<Index, Error> {
    change(folder, signing, |_, index| {
        for asked in classes {
            let id = class(index, asked)?.id.clone();
            index.classes.retain(|class| class.id != id);
        }
        Ok(())
    })
}

/// Signs the gallery in `folder`, and changes nothing but the index's version and what is said of its signature.
/// Returns its new index.
///
/// # Errors
/// [`Error::Refused`] without a key; anything wrong with the key, the gallery or the disk.
pub fn sign(folder: &Path, signing: &SigningSettings) -> Result<Index, Error> {
    if signing.key.is_none() {
        return Err(Error::Refused {
            what: "without a key nothing can be signed".to_owned(),
            help: "name the .key file that `tailor keygen` wrote with --key".to_owned(),
        });
    }
    let (mut gallery, signing) = open(folder, signing)?;
    gallery.published.version += 1;
    signing.write_again(&gallery.folder, &mut gallery.published)?;
    Ok(Index { classes: gallery.index.classes, ..gallery.published })
}

fn change(
    folder: &Path,
    signing: &SigningSettings,
    change: impl FnOnce(&Path, &mut Index) -> Result<(), Error>,
) -> Result<Index, Error> {
    let (gallery, signing) = open(folder, signing)?;
    gallery.require_all()?;
    let Gallery { folder, mut index, .. } = gallery;
    change(&folder, &mut index)?;
    index.version += 1;
    signing.write(&folder, &mut index)?;
    Ok(index)
}

/// Opens the gallery in `folder` to write its index anew, while no other program does.
fn open(folder: &Path, signing: &SigningSettings) -> Result<(Gallery, Signing), Error> {
    let signing = Signing::new(signing, &Gallery::open(folder)?.folder)?;
    // Another program may have changed the gallery until now.
    let gallery = Gallery::open(folder)?;
    signing.check(&gallery.folder, &gallery.published)?;
    Ok((gallery, signing))
}
