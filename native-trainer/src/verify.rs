//! `tailor verify`: whether a pack, or every file of a gallery, is what it should be.

use std::path::Path;

use tailor_packs::{ClassEntry, Learngene, limits, read_any};

use crate::cli::{VerifyArgs, print};
use crate::error::Error;
use crate::gallery::{Gallery, read_limited};

/// What `tailor verify` found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many files were checked.
    pub files: usize,
    /// One for each file that is not as it should be.
    pub problems: Vec<Error>,
}

/// Runs `tailor verify`: one line per problem, or one line that all is well.
///
/// # Errors
/// [`Error::Unsound`] when there was a problem, or what keeps the gallery from being opened at all.
pub fn run(args: &VerifyArgs) -> Result<(), Error> {
    if !args.path.is_dir() {
        let bytes = read_limited(&args.path, limits::FILE)?;
        let pack = read_any(&bytes).map_err(Error::pack(&args.path))?;
        let (kind, digest) = (pack.manifest().kind.name(), pack.digest());
        return print(&format!("sound: a {kind} of model {}, sha256 {digest}\n", pack.manifest().model));
    }
    let Verdict { files, problems } = verify_gallery(&args.path)?;
    for problem in &problems {
        print(&format!("{problem}\n"))?;
    }
    match problems.len() {
        0 => print(&format!("sound: {files} files\n")),
        problems => Err(Error::Unsound { problems, files }),
    }
}

/// Checks every file of the gallery in `path`: its digests in the index, its contents, that it is of
/// the class and model that the index says, and that each tailor fits the learngene.
///
/// # Errors
/// When there is no gallery or its index is not valid.
pub fn verify_gallery(path: &Path) -> Result<Verdict, Error> {
    let gallery = Gallery::open(path)?;
    let mut verdict = Verdict { files: gallery.index.files().count() + 1, problems: Vec::new() };
    let learngene = match gallery.learngene() {
        Ok(learngene) => learngene,
        Err(problem) => {
            // Without a learngene there is nothing that tailors could fit.
            verdict.problems.push(problem);
            return Ok(verdict);
        }
    };
    if learngene.manifest.config != gallery.index.config {
        let path = gallery.folder.join(&gallery.index.learngene.path);
        verdict.problems.push(differs(&path, "its model config"));
    }
    let checks = gallery.index.classes.iter().map(|class| check(&gallery, class, &learngene));
    verdict.problems.extend(checks.filter_map(Result::err));
    Ok(verdict)
}

fn check(gallery: &Gallery, class: &ClassEntry, learngene: &Learngene) -> Result<(), Error> {
    let tailor = gallery.tailor(class, learngene)?;
    let path = gallery.folder.join(&class.file.path);
    if tailor.class.id != class.id || tailor.class.name != class.name || tailor.class.wordnet != class.wordnet
    {
        return Err(differs(&path, "its class"));
    }
    Ok(())
}

fn differs(path: &Path, what: &str) -> Error {
    Error::Refused {
        what: format!("{}: {what} is not the one in index.json", path.display()),
        help: "publish the gallery again".to_owned(),
    }
}
