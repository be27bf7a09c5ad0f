//! Whether a pack, or every file of a gallery, is what it should be.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use tailor_packs::index::INDEX_FILE;
use tailor_packs::{ClassEntry, FileEntry, limits, read_any, trust};

use super::folder::{Gallery, signature};
use super::sign::public_key as public_key_of;
use crate::data::number;
use crate::error::Error;
use crate::system::clock::since_1970;
use crate::system::files::read_limited;
use crate::system::output::shown;

/// What was found of some files.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many files were checked.
    pub files: usize,
    /// One for each file that is not as it should be.
    pub problems: Vec<Error>,
}

/// What was found of one path.
#[derive(Debug)]
pub struct Subject {
    /// The files and their problems.
    pub verdict: Verdict,
    /// What to say when there are no problems.
    pub well: String,
    /// What was not fetched.
    pub missing: Option<String>,
}

/// Checks a pack or a gallery, which `public_key` must have signed where it is given.
///
/// # Errors
/// What keeps it from being opened, and a pack that is not as it should be.
pub fn verify(path: &Path, public_key: Option<&OsStr>) -> Result<Subject, Error> {
    if path.is_dir() || path.file_name().is_some_and(|name| name == INDEX_FILE) {
        let gallery = Gallery::open(path)?;
        let signed = signed(&gallery, public_key)?;
        let verdict = verify_gallery(&gallery);
        let missing = gallery.missing();
        let note = missing.as_ref().map_or(String::new(), |missing| format!("; not fetched: {missing}"));
        let well = format!("sound: {}, {signed}{note}", number(verdict.files, "file"));
        return Ok(Subject { verdict, well, missing });
    }
    if public_key.is_some() {
        return Err(Error::Refused {
            what: format!("{} is one file, and only a gallery's index is signed", shown(path)),
            help: "verify the gallery's folder, or leave out --public-key".to_owned(),
        });
    }
    let bytes = read_limited(path, limits::FILE)?;
    let pack = read_any(&bytes).map_err(Error::pack(path))?;
    let (kind, model, digest) = (pack.manifest().kind.name(), &pack.manifest().model, pack.digest());
    let well = format!("sound: a {kind} of model {model}, sha256 {digest}");
    Ok(Subject { verdict: Verdict { files: 1, problems: Vec::new() }, well, missing: None })
}

/// Who signed the gallery, in words. With `public_key` it must be that key, and the index must not
/// be expired; without, an index that is expired is noted.
fn signed(gallery: &Gallery, public_key: Option<&OsStr>) -> Result<String, Error> {
    let path = gallery.folder.join(INDEX_FILE);
    let Some(asked) = public_key else {
        let stale = gallery.index.check_fresh(since_1970().as_secs(), None).err();
        let stale = stale.map_or(String::new(), |error| format!("; {error}"));
        return Ok(match gallery.key {
            Some(key) if gallery.origin.as_ref().is_some_and(|origin| origin.trust.key == Some(key)) => {
                format!("signed by key {}, trusted when it was fetched{stale}", key.id())
            }
            Some(key) => format!(
                "signed by key {} ({}), for which nobody has vouched: pass --public-key{stale}",
                key.id(),
                key.fingerprint()
            ),
            None => format!("unsigned{stale}"),
        });
    };
    let key = public_key_of(asked)?;
    let json = read_limited(&path, limits::INDEX)?;
    let minisig = signature(&gallery.folder)?;
    trust::check(Some(&key), None, &json, minisig.as_deref(), since_1970().as_secs())
        .map_err(Error::pack(&path))?;
    Ok(format!("signed by key {}", key.id()))
}

/// Checks every file of a gallery: its digests in the index, its contents, that it is of the class and model
/// that the index says, and that each tailor fits the learngene.
pub fn verify_gallery(gallery: &Gallery) -> Verdict {
    let published = &gallery.published;
    // The shards were checked when the gallery was opened; equal ones are one file.
    let held = |entry: &&FileEntry| gallery.origin.is_none() || gallery.holds(entry);
    let shards: BTreeSet<_> = published.shards.iter().filter(held).map(|entry| &entry.path).collect();
    let names = published.names.as_ref().filter(held);
    let files = gallery.index.files().count() + shards.len() + usize::from(names.is_some()) + 1;
    let mut verdict = Verdict { files, problems: Vec::new() };
    verdict.problems.extend(names.and_then(|entry| check_names(gallery, entry).err()));
    verdict.problems.extend(gallery.learngene().err());
    let checks = gallery.index.classes.iter().map(|class| check(gallery, class));
    verdict.problems.extend(checks.filter_map(Result::err));
    verdict
}

/// Checks that the file to search in has just the gallery's classes.
fn check_names(gallery: &Gallery, entry: &FileEntry) -> Result<(), Error> {
    let path = gallery.folder.join(&entry.path);
    let bytes = read_limited(&path, entry.size)?;
    let names = gallery.published.read_names(&bytes).map_err(Error::pack(&path))?;
    let listed: BTreeSet<_> = names.iter().map(|(id, name)| (id, name)).collect();
    let classes = gallery.index.classes.iter().chain(&gallery.absent);
    let classes: BTreeSet<_> = classes.map(|class| (&class.id, &class.name)).collect();
    // What stands in a shard that is not here cannot be compared.
    match listed == classes || gallery.absent_shards > 0 && listed.is_superset(&classes) {
        true => Ok(()),
        false => Err(Error::Refused {
            what: format!("{}: its classes are not those of the gallery", path.display()),
            help: "publish the gallery again".to_owned(),
        }),
    }
}

fn check(gallery: &Gallery, class: &ClassEntry) -> Result<(), Error> {
    let tailor = gallery.tailor(class)?;
    let path = gallery.folder.join(&class.file.path);
    if tailor.class.name != class.name || tailor.class.wordnet != class.wordnet {
        return Err(Error::Refused {
            what: format!("{}: its class is not the one in index.json", path.display()),
            help: "publish the gallery again".to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tailor_packs::PackError;

    use super::*;
    use crate::gallery::folder::tests::{file, write};

    /// The only problem of a gallery whose file `start…` was changed by `damage`.
    fn problem(start: &str, damage: impl FnOnce(&Path)) -> PackError {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 0.5);
        damage(&file(folder.path(), start));
        let mut problems = verify_gallery(&Gallery::open(folder.path()).unwrap()).problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        match problems.remove(0) {
            Error::Pack { path, source } => {
                assert!(path.file_name().unwrap().to_str().unwrap().starts_with(start));
                source
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_gallery_as_published_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 0.5);
        let verdict = verify_gallery(&Gallery::open(folder.path()).unwrap());
        assert_eq!((verdict.files, verdict.problems.len()), (4, 0));
    }

    #[test]
    fn a_truncated_pack_is_named() {
        let error = problem("latin-capital-a", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        });
        assert!(matches!(error, PackError::Truncated { .. }), "{error}");
    }

    #[test]
    fn a_pack_with_one_bit_changed_is_named() {
        let error = problem("latin-capital-b", |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        });
        assert!(matches!(error, PackError::DigestMismatch { .. }), "{error}");
    }

    #[test]
    fn a_tailor_of_another_learngene_is_named_with_both() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(ours.path(), 0.5);
        write(theirs.path(), 0.25);
        // An index that vouches for their learngene beside our tailors.
        let mut index = Gallery::open(ours.path()).unwrap().index;
        let learngene = Gallery::open(theirs.path()).unwrap().index.learngene;
        fs::copy(theirs.path().join(&learngene.path), ours.path().join(&learngene.path)).unwrap();
        index.learngene = learngene;
        fs::write(ours.path().join("index.json"), index.to_json().unwrap()).unwrap();
        let problems = verify_gallery(&Gallery::open(ours.path()).unwrap()).problems;
        assert_eq!(problems.len(), 2);
        for problem in problems {
            assert!(
                matches!(problem, Error::Pack { source: PackError::WrongLearngene { .. }, .. }),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_missing_file_is_a_problem_and_not_the_end() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 0.5);
        fs::remove_file(file(folder.path(), "latin-capital-a")).unwrap();
        let problems = verify_gallery(&Gallery::open(folder.path()).unwrap()).problems;
        assert!(matches!(&problems[..], [Error::Read { .. }]), "{problems:?}");
    }

    #[test]
    fn a_pack_under_the_name_of_another_class_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 0.5);
        let mut index = Gallery::open(folder.path()).unwrap().index;
        index.classes[0].name = "Z".into();
        fs::write(folder.path().join("index.json"), index.to_json().unwrap()).unwrap();
        let problems = verify_gallery(&Gallery::open(folder.path()).unwrap()).problems;
        assert!(problems[0].to_string().contains("its class is not the one in index.json"), "{problems:?}");
    }
}
