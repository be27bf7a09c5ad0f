//! Why a data set cannot be used, with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::splits::SplitError;
use crate::system::output::{one_line, shown};

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The path leads nowhere.
    #[error("there is no data at {}", shown(.0))]
    Missing(PathBuf),
    /// A file or folder that the system would not let us read.
    #[error("cannot read {}: {source}", shown(path))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is none of those that are read.
    #[error("{} is no folder, archive or IDX file of images", shown(.0))]
    NoData(PathBuf),
    /// IDX files where images of one class are wanted.
    #[error("{} holds images of several classes", shown(.0))]
    HasClasses(PathBuf),
    /// An archive that is damaged, or that no honest program would make.
    #[error("cannot read the archive {}: {reason}", shown(path))]
    Archive {
        /// The archive, or a file in it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder or archive with nothing in it.
    #[error("{} is empty", shown(.0))]
    EmptyFolder(PathBuf),
    /// A folder or archive without class folders.
    #[error("{} holds no class folders{}", shown(path), because(first.as_deref(), *unreadable))]
    NoClassFolders {
        /// The folder or archive.
        path: PathBuf,
        /// The first file that is there and cannot be read, and why.
        first: Option<Box<(PathBuf, String)>>,
        /// Files that are there and cannot be read.
        unreadable: usize,
    },
    /// Classes without one readable image.
    #[error("{}", empty_class(class, path, *unreadable, first.as_deref(), others))]
    EmptyClass {
        /// The first such class's name.
        class: String,
        /// Its folder, or the labels file.
        path: PathBuf,
        /// Files that are there and cannot be read.
        unreadable: usize,
        /// The first of them, and why it cannot be read.
        first: Option<Box<(PathBuf, String)>>,
        /// The names of the other such classes.
        others: Vec<String>,
    },
    /// Several sets of IDX files, of which one is to be named.
    #[error("{} holds {} sets of IDX files: {}", shown(path), images.len(), listed(images))]
    SeveralIdx {
        /// The folder or archive.
        path: PathBuf,
        /// The images file of each.
        images: Vec<PathBuf>,
    },
    /// Two folders that would become one class, or one that has no id.
    #[error("class folders {} and {} would both have the id {id:?}", shown(first), shown(second))]
    SameId {
        /// The id.
        id: String,
        /// The folder that has it already.
        first: PathBuf,
        /// The folder that would have it too.
        second: PathBuf,
    },
    /// A folder's name from which no id can be made.
    #[error("no class id can be made from the folder name {:?}", shown(.0))]
    NoId(PathBuf),
    /// With `--strict`: an image that cannot be read.
    #[error("cannot read image {}: {reason}{}", shown(path), and_more(*others))]
    BrokenImage {
        /// The first such image.
        path: PathBuf,
        /// Why it cannot be read.
        reason: String,
        /// How many more there are.
        others: usize,
    },
    /// An IDX file that does not begin as it must.
    #[error("{} begins with {found:#010x}, an IDX file of {what} begins with {expected:#010x}", shown(path))]
    IdxMagic {
        /// The file.
        path: PathBuf,
        /// `images` or `labels`.
        what: &'static str,
        /// The first four bytes.
        found: u32,
        /// What they must be.
        expected: u32,
    },
    /// An IDX file shorter or longer than its header says.
    #[error("{} holds {found} bytes{}, its header asks for {expected}", shown(path), if found > expected { " or more" } else { "" })]
    IdxLength {
        /// The file.
        path: PathBuf,
        /// Bytes after the header.
        found: u64,
        /// Bytes that the header asks for.
        expected: u64,
    },
    /// An IDX header beyond what this program reads.
    #[error("{}: {what} is {found}, must be 1 to {allowed}", shown(path))]
    IdxLimit {
        /// The file.
        path: PathBuf,
        /// Which number.
        what: &'static str,
        /// What it was.
        found: u64,
        /// The most it may be.
        allowed: u64,
    },
    /// Images and labels that do not belong together.
    #[error("{} has {images} images, {} has {labels} labels", shown(images_path), shown(labels_path))]
    IdxCount {
        /// The images file.
        images_path: PathBuf,
        /// Its number of images.
        images: usize,
        /// The labels file.
        labels_path: PathBuf,
        /// Its number of labels.
        labels: usize,
    },
    /// A split that is none, or that does not fit the data.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// No latents where a model learns from them.
    #[error("a model of {channels} channels learns from latents, and {} holds none", shown(path))]
    NoLatents {
        /// The folder, archive or file.
        path: PathBuf,
        /// The model's channels.
        channels: usize,
    },
    /// More images than memory holds.
    #[error("{images} images of {bytes} bytes each do not fit into memory")]
    TooLarge {
        /// Number of images.
        images: usize,
        /// Bytes of one.
        bytes: usize,
    },
}

fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " (and one more)".to_owned(),
        n => format!(" (and {n} more)"),
    }
}

/// The first file that cannot be read, with its reason, and how many there are beside it.
fn because(first: Option<&(PathBuf, String)>, unreadable: usize) -> String {
    let Some((path, reason)) = first else { return String::new() };
    format!(": {}: {reason}{}", shown(path), and_more(unreadable.saturating_sub(1)))
}

fn empty_class(
    class: &str,
    path: &Path,
    unreadable: usize,
    first: Option<&(PathBuf, String)>,
    others: &[String],
) -> String {
    let readable = if unreadable > 0 { "readable " } else { "" };
    let because = because(first, unreadable);
    if others.is_empty() {
        return format!("class {class:?} has no {readable}images (in {}){because}", shown(path));
    }
    let all: Vec<_> = std::iter::once(class).chain(others.iter().map(String::as_str)).map(one_line).collect();
    format!("{} classes have no {readable}images: {}{because}", all.len(), all.join(", "))
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", ")
}

impl DataError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Missing(_) => "check the path",
            Self::Read { .. } => "check the permissions and the disk",
            Self::NoData(_) => {
                "name a folder, a .zip, .tar, .tar.gz, .tgz or .tar.zst file, or an IDX file with images-idx3 in its name"
            }
            Self::HasClasses(_) => "name a folder or archive with images of one class",
            Self::Archive { .. } => "fetch it again, or unpack it and name the folder",
            Self::NoClassFolders { first: Some(_), .. } => {
                "mend or replace the files, or unpack the archive yourself"
            }
            Self::EmptyFolder(_) | Self::NoClassFolders { .. } => {
                "make one folder per class with its images inside (PNG, JPEG, WebP, BMP, GIF; latents as .safetensors), or name a folder of IDX files"
            }
            Self::EmptyClass { unreadable: 0, .. } => {
                "put images into it (latents for a model of other than 1 or 3 channels), or remove the class"
            }
            Self::EmptyClass { .. } => {
                "put PNG, JPEG, WebP, BMP or GIF images into it (or latents of the model's shape), or remove the class"
            }
            Self::SeveralIdx { .. } => "name one of these files",
            Self::SameId { .. } | Self::NoId(_) => "rename the folder",
            Self::BrokenImage { .. } => "remove or replace it, or leave out --strict to skip it",
            Self::IdxMagic { .. } | Self::IdxLength { .. } | Self::IdxLimit { .. } => {
                "the file is damaged or of another kind: fetch it again"
            }
            Self::IdxCount { .. } => "use images and labels of the same set",
            Self::Split(error) => error.help(),
            Self::NoLatents { .. } => {
                "put an autoencoder's latents into class folders, one .safetensors file each, or set channels in \
                 the model config to 1 (grey) or 3 (RGB)"
            }
            Self::TooLarge { .. } => "use fewer or smaller images",
        }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}
