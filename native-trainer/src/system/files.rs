//! Writing files so that a reader sees the old content or the new, never a part.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file or folder that could not be written. Nothing half-written is left behind.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// The file that was to be written.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl WriteError {
    /// For `map_err`: a file or folder at `path` that could not be written.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, source }
    }

    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
                "free some space or write to another disk; nothing half-written was left behind"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "choose a place that you may write to"
            }
            io::ErrorKind::InvalidInput => "choose another name",
            _ => "check the path and the disk; nothing half-written was left behind",
        }
    }
}

/// A file or folder that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct ReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl ReadError {
    /// For `map_err`: a file or folder at `path` that could not be read.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, source }
    }

    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::InvalidInput => "name a regular file, or a link to one",
            _ => "check the path and its permissions",
        }
    }
}

/// Why a program may not work in a folder.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another program is at work there.
    #[error("another program is {doing} in {}", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// What the other program does.
        doing: String,
    },
    /// The folder cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl LockError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "wait for it, stop it, or choose another folder",
            Self::Write(error) => error.help(),
        }
    }
}

/// Opens a regular file, or the one that a link means. To open a pipe would wait for its writer, and a device need
/// have no end.
///
/// # Errors
/// What the system says, and `InvalidInput` for anything that is no regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match std::fs::metadata(path)? {
        found if found.is_file() => File::open(path),
        found => Err(irregular(&found)),
    }
}

/// Reads a file, but at most one byte more than `limit`, for the caller's check to refuse.
///
/// # Errors
/// [`ReadError`] names the file.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let read = open(path).and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(ReadError::at(path))?;
    Ok(bytes)
}

/// Why what is there cannot be read or replaced as a file.
fn irregular(found: &std::fs::Metadata) -> io::Error {
    let what = if found.is_dir() { "it is a folder" } else { "it is no regular file" };
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// The file that is written when `path` is: itself, or the regular file that it is a link to, so that links stay
/// links. A pipe or a device would be replaced by a file, and whoever reads there would never know.
///
/// # Errors
/// What the system says, and `InvalidInput` for what is there and is neither a regular file nor a link to one.
pub(crate) fn target(path: &Path) -> io::Result<PathBuf> {
    let is_link = match path.symlink_metadata() {
        Ok(found) => found.is_symlink(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_owned()),
        Err(error) => return Err(error),
    };
    match path.metadata() {
        Ok(found) if !found.is_file() => Err(irregular(&found)),
        Ok(_) if is_link => path.canonicalize(),
        Ok(_) => Ok(path.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link to nothing"))
        }
        Err(error) => Err(error),
    }
}

/// The operations by which a file comes to be. Tests put a failing one in place of [`OnDisk`].
pub trait Disk {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// What the system says.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Waits until the file's content is on the disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Gives a finished file its name, in place of what had it before.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        file.persist(path).map(drop).map_err(|e| e.error)
    }

    /// Waits until the folder's list of names is on the disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Elsewhere a folder is no file that could be opened.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

/// The real thing.
#[derive(Clone, Copy, Debug)]
pub struct OnDisk;

impl Disk for OnDisk {}

/// Writes `bytes` to `path`, replacing what was there in one step.
///
/// # Errors
/// [`WriteError`] names the file; the previous content, if any, is still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_atomic_on(&OnDisk, path, bytes)
}

/// As [`write_atomic`], on a given disk.
///
/// # Errors
/// [`WriteError`] names the file; the previous content, if any, is still there.
pub fn write_atomic_on(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(disk, path, |file| disk.write(file, bytes)).map_err(WriteError::at(path))
}

/// As [`write_atomic`], with the content written by `fill`, for files too large to hold twice.
///
/// # Errors
/// [`WriteError`] names the file; the previous content, if any, is still there.
pub fn write_atomic_with(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), WriteError> {
    let buffered = |file: &mut File| {
        let mut writer = BufWriter::new(file);
        fill(&mut writer)?;
        writer.flush()
    };
    replace(&OnDisk, path, buffered).map_err(WriteError::at(path))
}

/// Makes `path` and its parents, if they are not there yet.
///
/// # Errors
/// [`WriteError`] names the folder.
pub fn create_folder(path: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(path).map_err(WriteError::at(path))
}

/// Keeps a second program out of `folder` for as long as the file is held open; `doing` is what the first one
/// is at.
///
/// # Errors
/// [`LockError::Busy`] when another program is there, [`LockError::Write`] when the folder cannot be written.
pub(crate) fn lock(folder: &Path, doing: &str) -> Result<File, LockError> {
    let path = folder.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(WriteError::at(&path))?;
    // A lock outlives its holder for a moment where that is just starting another program, which has the file
    // open until it begins. So one look does not tell.
    for wait in [20, 80, 400, 0] {
        if !matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)) {
            return Ok(file);
        }
        std::thread::sleep(std::time::Duration::from_millis(wait));
    }
    Err(LockError::Busy { folder: folder.to_owned(), doing: doing.to_owned() })
}

/// Takes back a folder that was made for work which was then refused, if it is `fresh` and holds nothing.
pub(crate) fn leave(folder: &Path, fresh: bool) {
    if fresh {
        // Neither is there when it was refused even earlier; a folder with anything in it stays.
        let _ = std::fs::remove_file(folder.join(LOCK));
        let _ = std::fs::remove_dir(folder);
    }
}

/// Gives `file`, which is open and called `from`, its final name `to`, in place of what had it before.
///
/// # Errors
/// [`WriteError`] names `to`.
pub(crate) fn give_name(file: &File, from: &Path, to: &Path) -> Result<(), WriteError> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let named = target(to).and_then(|_| OnDisk.sync(file)).and_then(|()| std::fs::rename(from, to));
    named.and_then(|()| OnDisk.sync_folder(folder)).map_err(WriteError::at(to))
}

/// Removes the unfinished files of a program that was killed in `folder`. Those of one that is still at
/// work must not lie there.
pub fn remove_leftovers(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let unfinished = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    let paths =
        entries.flatten().filter(|e| e.file_name().to_str().is_some_and(unfinished)).map(|e| e.path());
    // What cannot be removed only takes room.
    paths.for_each(|path| std::fs::remove_file(path).unwrap_or_default());
}

/// Locked by whoever works in a folder; it says nothing and stays.
const LOCK: &str = ".lock";
const PREFIX: &str = ".tailor-";
const SUFFIX: &str = ".part";

/// The folder that a file at `path` lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether a file can come to be in `folder`: makes one and takes it back.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    temporary_in(folder).map(drop)
}

/// A file without a final name, removed when it is dropped.
fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    {
        // A temporary file is private by default; what replaces `path` must be as readable as any new file.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // Its name says nothing to anybody: what the system said stands below the error that names it.
    builder.tempfile_in(folder).map_err(|error| {
        let inner = error.get_ref().and_then(|inner| inner.source());
        let code = inner.and_then(|inner| inner.downcast_ref::<io::Error>()?.raw_os_error());
        code.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
    })
}

fn replace(disk: &dyn Disk, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let path = &target(path)?;
    let folder = folder_of(path);
    // Dropping the temporary file removes it, so every early return leaves the folder as it was.
    let mut temporary = temporary_in(folder)?;
    fill(temporary.as_file_mut())?;
    disk.sync(temporary.as_file())?;
    disk.rename(temporary, path)?;
    // The new name survives a power cut only once the folder itself is on disk.
    disk.sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomic(&path, b"old").unwrap();
        let error = write_atomic_with(&path, |file| {
            file.write_all(b"half of the new")?;
            file.flush()?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
        assert!(error.help().contains("free some space"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomic(&folder.path().join("absent/file"), b"x").unwrap_err();
        assert!(error.to_string().contains("absent/file"), "{error}");
        assert!(!error.to_string().contains(".tailor-"), "{error}");
    }

    #[cfg(unix)]
    fn pipe(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_links_to_them_are_neither_replaced_nor_read() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        pipe(&at("pipe"));
        symlink("pipe", at("to-pipe")).unwrap();
        symlink("absent", at("to-nothing")).unwrap();
        symlink("loop", at("loop")).unwrap();
        for name in ["pipe", "to-pipe", "to-nothing", "loop", "."] {
            let error = write_atomic(&at(name), b"x").unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            let error = read_limited(&at(name), 9).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let error = write_atomic(&at("to-pipe"), b"x").unwrap_err();
        assert!(error.to_string().ends_with("it is no regular file"), "{error}");
        assert_eq!(error.help(), "choose another name");
        assert!(at("pipe").metadata().unwrap().file_type().is_fifo());
        assert!(at("to-pipe").is_symlink() && at("to-nothing").is_symlink());
        assert_eq!(names(folder.path()).len(), 4, "nothing half-written is left");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_written_to_a_link_is_in_the_file_that_it_means() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, file) = (folder.path().join("link"), other.path().join("file"));
        std::fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!((names(folder.path()).len(), names(other.path()).len()), (1, 1));
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_is_as_readable_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        write_atomic(&folder.path().join("ours"), b"x").unwrap();
        std::fs::write(folder.path().join("plain"), b"x").unwrap();
        let mode = |name| folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("ours"), mode("plain"));
    }
}
