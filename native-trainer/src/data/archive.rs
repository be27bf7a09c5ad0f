//! The tree of files in a `.zip`, `.tar`, `.tar.gz` or `.tar.zst` file, read without unpacking it.
//!
//! An archive is read twice: for its names, which say how many images of which classes there are, then
//! for the images, one entry at a time. Nothing that it claims about itself makes us allocate: names
//! and headers are limited here, the bytes of an entry where they are read.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use tar::EntryType;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::listing::{Node, Tree, is_dotted, is_hidden};
use super::picture::Ending;
use super::{DataError, Options};
use crate::system::files;
use crate::system::output::one_line;

/// Bytes of one name.
const MAX_NAME: usize = 4096;

/// Bytes of all names together, folders included.
const MAX_NAMES: usize = 1 << 29;

/// What a name takes beside its bytes, so that very many short names are limited too.
const NAME_COST: usize = 64;

/// Bytes of the headers before one entry of a tar file, and of what follows the last one.
const MAX_HEADERS: u64 = 1 << 20;

/// An archive on disk.
pub(super) struct Archive {
    path: PathBuf,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Zip,
    Tar,
    TarGz,
    TarZst,
}

/// What an entry is, by its header.
enum Kind {
    Folder,
    File,
    /// A link that would be followed.
    Link,
    /// Another name of an earlier entry.
    HardLink(Vec<u8>),
    Other,
}

/// Takes the content of an entry, or why it cannot be read, with the entry's number.
pub(super) type Take<'a> = dyn FnMut(usize, Result<&mut dyn Read, String>) -> Result<(), DataError> + 'a;

/// Takes an entry of a tar file with its number.
type Each<'a> = dyn FnMut(usize, &mut tar::Entry<'_, Metered>) -> Result<(), DataError> + 'a;

impl Archive {
    /// The archive that `path` means by its ending.
    pub(super) fn named(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let endings = [
            (".zip", Form::Zip),
            (".tar", Form::Tar),
            (".tar.gz", Form::TarGz),
            (".tgz", Form::TarGz),
            (".tar.zst", Form::TarZst),
        ];
        let (_, form) = endings.into_iter().find(|(ending, _)| name.ends_with(ending))?;
        Some(Self { path: path.to_owned(), form })
    }

    /// Everything in the archive that is not hidden; a file's number is its entry's.
    pub(super) fn list(&self, options: &Options) -> Result<Tree, DataError> {
        let mut names = Names { archive: self, options, tree: Tree::default(), bytes: 0 };
        if let Form::Zip = self.form {
            let archive = self.zip()?;
            for at in 0..archive.len() {
                let entry = archive.by_index_data(at).map_err(|error| self.refuse(error))?;
                let name = entry.name().unwrap_or_else(|_| String::from_utf8_lossy(entry.name_raw()));
                // Some programs on Windows write their own separator.
                let name = name.replace('\\', "/");
                names.add(name.as_bytes(), at, if entry.is_symlink() { Kind::Link } else { Kind::File })?;
            }
        } else {
            self.tar(&mut |at, entry| {
                let kind = match entry.header().entry_type() {
                    EntryType::Regular | EntryType::Continuous => Kind::File,
                    EntryType::Directory => Kind::Folder,
                    EntryType::Symlink => Kind::Link,
                    EntryType::Link => Kind::HardLink(
                        entry.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default(),
                    ),
                    _ => Kind::Other,
                };
                names.add(&entry.path_bytes(), at, kind)
            })?;
        }
        Ok(names.tree)
    }

    /// Hands over the content of every entry whose number is a key of `wanted`, in the order of the archive.
    pub(super) fn visit<T>(&self, wanted: &HashMap<usize, T>, take: &mut Take) -> Result<(), DataError> {
        let mut found = 0;
        if let Form::Zip = self.form {
            let mut archive = self.zip()?;
            for at in (0..archive.len()).filter(|at| wanted.contains_key(at)) {
                found += 1;
                match archive.by_index(at) {
                    Ok(mut entry) => match unread(entry.compression()) {
                        Some(reason) => take(at, Err(reason))?,
                        None => take(at, Ok(&mut entry))?,
                    },
                    Err(error) => take(at, Err(words(&error)))?,
                }
            }
        } else {
            self.tar(&mut |at, entry| {
                if !wanted.contains_key(&at) {
                    return Ok(());
                }
                found += 1;
                take(at, Ok(entry))
            })?;
        }
        if found < wanted.len() {
            return Err(self.refuse("it changed while it was read"));
        }
        Ok(())
    }

    fn open(&self) -> Result<BufReader<File>, DataError> {
        Ok(BufReader::new(files::open(&self.path).map_err(DataError::read(&self.path))?))
    }

    fn zip(&self) -> Result<ZipArchive<BufReader<File>>, DataError> {
        ZipArchive::new(self.open()?).map_err(|error| self.refuse(error))
    }

    /// Calls `each` on every entry of a tar file with its number.
    fn tar(&self, each: &mut Each) -> Result<(), DataError> {
        let file = self.open()?;
        let stream: Box<dyn Read> = match self.form {
            Form::TarGz => Box::new(MultiGzDecoder::new(file)),
            Form::TarZst => Box::new(zstd::Decoder::with_buffer(file).map_err(|error| self.refuse(error))?),
            Form::Tar | Form::Zip => Box::new(file),
        };
        let meter = Rc::new(Meter { left: Cell::new(MAX_HEADERS), ended: Cell::new(false) });
        let mut archive = tar::Archive::new(Metered { stream, meter: meter.clone() });
        for (at, entry) in archive.entries().map_err(|error| self.refuse(error))?.enumerate() {
            let mut entry = entry.map_err(|error| self.refuse(error))?;
            // A sparse file claims the length it would have on disk.
            let sparse = entry.header().entry_type().is_gnu_sparse();
            let length = if sparse { entry.header().entry_size().unwrap_or(0) } else { entry.size() };
            meter.left.set(length.saturating_add(MAX_HEADERS));
            each(at, &mut entry)?;
        }
        if meter.ended.get() {
            return Err(self.refuse("it ends before its end mark"));
        }
        // A checksum of all that was packed stands at the very end.
        let mut rest = archive.into_inner().stream.take(MAX_HEADERS);
        io::copy(&mut rest, &mut io::sink()).map_err(|error| self.refuse(error))?;
        Ok(())
    }

    fn refuse(&self, reason: impl Display) -> DataError {
        DataError::Archive { path: self.path.clone(), reason: one_line(&reason.to_string()).into_owned() }
    }
}

/// Why an entry of a zip file cannot be read.
fn words(error: &ZipError) -> String {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => {
            "it is encrypted: unpack the archive with its password".to_owned()
        }
        error => one_line(&error.to_string()).into_owned(),
    }
}

/// Why an entry that is compressed by `method` is not read, if it is not.
fn unread(method: CompressionMethod) -> Option<String> {
    const NAMES: [(CompressionMethod, &str); 6] = [
        (CompressionMethod::DEFLATE64, "Deflate64"),
        (CompressionMethod::BZIP2, "bzip2"),
        (CompressionMethod::LZMA, "LZMA"),
        (CompressionMethod::ZSTD, "Zstandard"),
        (CompressionMethod::XZ, "XZ"),
        (CompressionMethod::PPMD, "PPMd"),
    ];
    if matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
        return None;
    }
    let name = NAMES.iter().find(|(known, _)| *known == method).map_or("another method", |(_, name)| name);
    Some(format!("it is compressed by {name}, and only deflate is read"))
}

/// The names of an archive as they are found.
struct Names<'a> {
    archive: &'a Archive,
    options: &'a Options,
    tree: Tree,
    bytes: usize,
}

impl Names<'_> {
    fn add(&mut self, name: &[u8], at: usize, kind: Kind) -> Result<(), DataError> {
        if name.len() > MAX_NAME {
            return Err(self
                .archive
                .refuse(format!("the name of an entry has {} bytes, more than {MAX_NAME}", name.len())));
        }
        let Some(path) = inside(name) else {
            let reason = "its name leads out of the archive".to_owned();
            // Below `.`, so that it is shown below the archive, whatever it is.
            let shown = format!("./{}", String::from_utf8_lossy(name));
            return self.insert(PathBuf::from(shown), Node::Left(reason));
        };
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        if let Some(depth) = path.iter().position(|part| is_hidden(&part.to_string_lossy())) {
            let folder: PathBuf = path.iter().take(depth + 1).collect();
            let is_folder = path.parent() == Some(&folder);
            if is_folder
                && self.options.ending(&path) == Ending::Readable
                && is_dotted(&folder.file_name().unwrap_or_default().to_string_lossy())
                && !self.tree.dotted.contains(&folder)
            {
                self.count(&folder)?;
                self.tree.dotted.insert(folder);
            }
            return Ok(());
        }
        let node = match kind {
            Kind::Folder => Node::Folder,
            Kind::File if name.ends_with(b"/") => Node::Folder,
            Kind::File => Node::File(at),
            Kind::Link => Node::Left("it is a link, and links in archives are not followed".to_owned()),
            Kind::HardLink(target) => match inside(&target).and_then(|path| self.tree.listing.get(&path)) {
                Some(Node::File(first)) => Node::File(*first),
                _ => Node::Left("it is a link to what is not in the archive".to_owned()),
            },
            Kind::Other if self.options.ending(&path) != Ending::Never => {
                Node::Left("it is no plain file".to_owned())
            }
            Kind::Other => return Ok(()),
        };
        // Archives need not list the folders that their files lie in.
        for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            if let Some(Node::Folder) = self.tree.listing.get(folder) {
                break;
            }
            self.insert(folder.to_owned(), Node::Folder)?;
        }
        self.insert(path, node)
    }

    fn insert(&mut self, path: PathBuf, node: Node) -> Result<(), DataError> {
        self.count(&path)?;
        // As when unpacking, the last of several entries with one name counts.
        self.tree.listing.insert(path, node);
        Ok(())
    }

    fn count(&mut self, path: &Path) -> Result<(), DataError> {
        self.bytes += path.as_os_str().len() + NAME_COST;
        if self.bytes > MAX_NAMES {
            return Err(self.archive.refuse("it holds more names than a data set can have"));
        }
        Ok(())
    }
}

/// The path below the archive's root that `name` means, if it stays there.
fn inside(name: &[u8]) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
        let part = as_path(part);
        let mut components = part.components();
        match (components.next(), components.next()) {
            (Some(Component::Normal(part)), None) => path.push(part),
            _ => return None,
        }
    }
    (!name.starts_with(b"/")).then_some(path)
}

/// The name that a file system would have.
#[cfg(unix)]
fn as_path(name: &[u8]) -> Cow<'_, Path> {
    use std::os::unix::ffi::OsStrExt;
    Cow::Borrowed(Path::new(std::ffi::OsStr::from_bytes(name)))
}

/// The name that a file system would have.
#[cfg(not(unix))]
fn as_path(name: &[u8]) -> Cow<'_, Path> {
    Cow::Owned(PathBuf::from(String::from_utf8_lossy(name).into_owned()))
}

/// What is known about a stream that is being read.
struct Meter {
    /// Bytes that may be read before the next entry must have begun.
    left: Cell<u64>,
    ended: Cell<bool>,
}

/// A tar stream that gives out only as much as its entries are long, and a little for headers: the
/// headers of one entry are held in memory, and can be as long as their author likes.
struct Metered {
    stream: Box<dyn Read>,
    meter: Rc<Meter>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.meter.left.get();
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other(format!("an entry has more than {MAX_HEADERS} bytes of headers")));
        }
        let read = self.stream.read(&mut buffer[..most])?;
        self.meter.left.set(left - read as u64);
        self.meter.ended.set(read == 0 && most > 0);
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests;
