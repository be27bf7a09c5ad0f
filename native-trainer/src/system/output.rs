//! What a command says: results on standard output, notes on standard error.
//!
//! Nothing here panics. A reader that has gone away is no error: whoever pipes a result into `head` has
//! what they wanted, and a run whose log nobody reads any more goes on. Control characters are written as
//! escapes, so that the name of a file cannot steer a terminal.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use super::files::{WriteError, create_folder, folder_of, probe, target, write_atomic, write_atomic_with};

/// Why no result can be written where it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A folder is where a file should be written.
    #[error("{} is a folder, not a file to be written", .0.display())]
    IsFolder(PathBuf),
    /// What a command reads would be overwritten by what it writes.
    #[error("{} would be written over what is read: {}", shown(output), shown(input))]
    IsInput {
        /// The file that was to be written.
        output: PathBuf,
        /// The file that is read, or the folder of such files.
        input: PathBuf,
    },
    /// No file can come to be there.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl OutputError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::IsFolder(_) => "name a file in it",
            Self::IsInput { .. } => "choose another name, in another folder",
            Self::Write(error) => error.help(),
        }
    }
}

/// The name that stands for standard output where a file is asked for.
const STANDARD_OUTPUT: &str = "-";

/// Writes a line to standard error, as `eprintln!` does, and goes on when that cannot be written.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => { $crate::system::output::line(format_args!($($words)*)) };
}

/// Writes one line to standard error; see [`say!`](crate::say).
pub fn line(words: Arguments<'_>) {
    let text = format!("{words}\n");
    // There is nobody left to be told.
    let _ = io::stderr().lock().write_all(escaped(&text).as_bytes());
}

/// Writes to standard error without ending the line, for a question.
pub fn ask(question: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(escaped(question).as_bytes()).and_then(|()| err.flush());
}

/// A result as JSON, with a newline at its end.
///
/// # Panics
/// Never for plain data; paths are no plain data, so turn them into text with [`shown`] first.
pub fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| unreachable!("plain data into memory")) + "\n"
}

/// For `serialize_with`: a path as text, since JSON has no other bytes.
///
/// # Errors
/// What the serializer says.
pub fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// Prints a result to standard output. A reader that has gone away, as `head` does, is no error.
///
/// # Errors
/// [`WriteError`] when standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), WriteError> {
    to_standard_output(escaped(text).as_bytes())
}

fn to_standard_output(bytes: &[u8]) -> Result<(), WriteError> {
    let mut out = io::stdout().lock();
    heard(out.write_all(bytes).and_then(|()| out.flush()))
}

/// A reader of standard output that has gone away is no error.
fn heard(written: io::Result<()>) -> Result<(), WriteError> {
    match written {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(WriteError { path: "standard output".into(), source })
        }
        _ => Ok(()),
    }
}

/// The address for people to read, without the password that it may hold.
pub fn without_password(url: &str) -> Cow<'_, str> {
    let hidden = || {
        let (scheme, rest) = url.split_once("://")?;
        let (user, rest) = rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
        let (user, host) = user.rsplit_once('@').map(|(user, host)| (user, format!("{host}{rest}")))?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:…@{host}"))
    };
    hidden().map_or(Cow::Borrowed(url), Cow::Owned)
}

/// Whether `path` stands for standard output.
pub fn is_standard_output(path: &Path) -> bool {
    path.as_os_str() == STANDARD_OUTPUT
}

/// Writes a result to `path`, atomically, or to standard output when that is `-`.
///
/// # Errors
/// [`WriteError`] names the file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    if is_standard_output(path) { to_standard_output(bytes) } else { write_atomic(path, bytes) }
}

/// As [`write()`], with the content written by `fill`, for what is too large to hold twice.
///
/// # Errors
/// [`WriteError`] names the file.
pub fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    if !is_standard_output(path) {
        return write_atomic_with(path, |file| fill(file));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    heard(fill(&mut out).and_then(|()| out.flush()))
}

/// Makes sure that a result can be written to `path` once it is there: its folder is made, and a file in it
/// can be. A command asks this before it works.
///
/// # Errors
/// [`OutputError::IsFolder`] when `path` is a folder, [`OutputError::Write`] when no file can come to be there.
pub fn prepare(path: &Path) -> Result<(), OutputError> {
    if is_standard_output(path) {
        return Ok(());
    }
    // What ends in a separator has a name all the same, but no file can be called so.
    let ends_in_separator =
        path.as_os_str().as_encoded_bytes().last().is_some_and(|b| std::path::is_separator(*b as char));
    if path.file_name().is_none() || ends_in_separator || path.is_dir() {
        return Err(OutputError::IsFolder(path.to_owned()));
    }
    create_folder(folder_of(path))?;
    let refused = |source| WriteError { path: path.to_owned(), source };
    // A name that is too long and a pipe are noticed here, a folder that cannot be written below.
    let target = target(path).map_err(refused)?;
    probe(folder_of(&target)).map_err(refused)?;
    Ok(())
}

/// Refuses an output that is one of the `inputs` under whatever name, or lies in one that is a folder: a command
/// must not write over what it reads.
///
/// # Errors
/// [`OutputError::IsInput`] names both.
pub fn refuse_inputs(
    output: &Path,
    inputs: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<(), OutputError> {
    let written = Some(output).filter(|path| !is_standard_output(path)).and_then(place);
    let is_it = |input: &Path| match (&written, place(input)) {
        (Some(written), Some(input)) => written.starts_with(input),
        _ => false,
    };
    match inputs.into_iter().find(|input| is_it(input.as_ref())) {
        Some(input) => {
            Err(OutputError::IsInput { output: output.to_owned(), input: input.as_ref().to_owned() })
        }
        None => Ok(()),
    }
}

/// Whether two names mean one file, which may not be there yet.
pub fn same(one: &Path, other: &Path) -> bool {
    one == other || place(one).is_some_and(|one| place(other) == Some(one))
}

/// Where a file or folder lies or would lie, links followed as far as they are there.
pub(crate) fn place(path: &Path) -> Option<PathBuf> {
    let parts = std::path::absolute(path).ok()?;
    Some(parts.components().fold(PathBuf::new(), |mut at, part| {
        match part {
            Component::ParentDir => drop(at.pop()),
            part => at.push(part),
        }
        at.canonicalize().unwrap_or(at)
    }))
}

/// A path for people, on one line whatever its name holds.
pub fn shown(path: &Path) -> String {
    one_line(&path.display().to_string()).into_owned()
}

/// Text with its control characters, line feeds included, as escapes.
pub fn one_line(text: &str) -> Cow<'_, str> {
    replaced(text, |c| c.is_control() || turns_text(c))
}

/// Text with its control characters as escapes, but for line feeds and tabs.
fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, |c| c.is_control() && !matches!(c, '\n' | '\t') || turns_text(c))
}

/// Characters that change the direction of the text after them.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn replaced(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_bad(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(escaped("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\n");
        assert_eq!(one_line("two\nlines\u{202e}"), "two\\nlines\\u{202e}");
        assert!(matches!(escaped("Größe 😀\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_folder_that_is_missing_is_made_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/grid.png");
        prepare(&path).unwrap();
        write(&path, b"x").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"x");
    }

    #[test]
    fn what_is_read_is_not_written_over_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("data/deep")).unwrap();
        std::fs::write(at("data/1.png"), "x").unwrap();
        std::fs::write(at("pack"), "x").unwrap();
        let inputs = [at("data"), at("pack"), at("absent")];
        for name in [
            "data/1.png",
            "data/new/deep/a.png",
            "new/../data/b.png",
            "data/deep/new.png",
            "data/../pack",
            "data/./deep/../1.png",
            "pack",
            "absent",
        ] {
            let error = refuse_inputs(&at(name), &inputs).unwrap_err();
            assert!(matches!(error, OutputError::IsInput { .. }), "{name}: {error}");
        }
        for name in ["data.png", "pack.png", "new/pack", "other"] {
            refuse_inputs(&at(name), &inputs).unwrap();
        }
        refuse_inputs(Path::new("-"), &inputs).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("data", at("to-data")).unwrap();
            refuse_inputs(&at("new/../to-data/new"), &inputs).unwrap_err();
            std::os::unix::fs::symlink("pack", at("link")).unwrap();
            refuse_inputs(&at("link"), &inputs).unwrap_err();
            refuse_inputs(&at("pack"), [at("link")]).unwrap_err();
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused_by_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = prepare(folder.path()).unwrap_err();
        assert!(error.to_string().contains("is a folder"), "{error}");
        let error = prepare(&folder.path().join("new.png/")).unwrap_err();
        assert!(error.to_string().contains("is a folder"), "{error}");
        std::fs::write(folder.path().join("file"), "in the way").unwrap();
        let error = prepare(&folder.path().join("file/grid.png")).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
        let error = prepare(&folder.path().join("x".repeat(300))).unwrap_err();
        assert!(!error.to_string().contains(".tailor-"), "{error}");
    }
}
