//! Everything that can be wrong with a pack or a gallery, each by name.

use crate::config::ConfigError;
use crate::digest::Digest;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, PackError>;

/// Why bytes were refused, or why contents could not be written.
///
/// The crate sees bytes, not files: the caller adds the file's name.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The bytes are something else altogether.
    #[error("this is no learngene file and no tailor pack; pass a .learngene or .tailor file")]
    NotAPack,
    /// A learngene where a tailor was wanted, or the other way round.
    #[error("this is a {found}, but a {expected} is wanted; pass a .{expected} file")]
    WrongKind {
        /// The kind asked for.
        expected: &'static str,
        /// The kind of the file.
        found: &'static str,
    },
    /// Written by a later version of tailor.
    #[error(
        "{what} has format version {found}, and this tailor reads up to {supported}; update tailor to a \
         version that reads format {found}"
    )]
    VersionTooNew {
        /// `pack` or `index.json`.
        what: &'static str,
        /// Its format version.
        found: u16,
        /// The newest format version that this crate reads.
        supported: u16,
    },
    /// The bytes end too early.
    #[error("{what} ends at byte {found}, and at least {needed} are needed; download or copy it again")]
    Truncated {
        /// The file or entry.
        what: String,
        /// How many bytes it needs, at least.
        needed: u64,
        /// How many there are.
        found: u64,
    },
    /// There is more than there should be.
    #[error("{what} has {extra} bytes after its end; download or copy it again")]
    TrailingBytes {
        /// The file or entry.
        what: String,
        /// How many bytes too many.
        extra: u64,
    },
    /// A ZIP header is not the one that the writer writes for these entries.
    #[error(
        "the {header} at byte {offset} is not as tailor writes it; the file was altered or repacked, \
         get the original"
    )]
    HeaderMismatch {
        /// Which of the archive's headers.
        header: &'static str,
        /// Where the header begins.
        offset: u64,
    },
    /// The archive's entries are not the fixed ones in their fixed order.
    #[error("the archive holds entry {found:?} out of place; it was altered or repacked, get the original")]
    EntryUnexpected {
        /// The name found, shortened if long.
        found: String,
    },
    /// A mandatory entry is not there.
    #[error("the archive holds no {entry}; it was altered or repacked, get the original")]
    EntryMissing {
        /// The entry's name.
        entry: &'static str,
    },
    /// An entry's content cannot be read, though it is what its author wrote.
    #[error("{entry} is invalid: {reason}; publish it again")]
    EntryInvalid {
        /// The entry's name.
        entry: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Something is larger than any reader should accept.
    #[error("{which} is {found}, and at most {allowed} is allowed; make it smaller")]
    LimitExceeded {
        /// What is too large.
        which: &'static str,
        /// Its size.
        found: u64,
        /// The limit, see [`crate::limits`].
        allowed: u64,
    },
    /// An entry's bytes do not have the CRC-32 in its header.
    #[error("{entry} has checksum {found:08x} instead of {expected:08x}; download or copy the file again")]
    ChecksumMismatch {
        /// The entry's name.
        entry: &'static str,
        /// The header's CRC-32.
        expected: u32,
        /// The CRC-32 of the bytes.
        found: u32,
    },
    /// Bytes are not those that the manifest or the index names.
    #[error("{entry} has SHA-256 {found} instead of {expected}; download or copy the file again")]
    DigestMismatch {
        /// The entry, the file, or a chunk of it.
        entry: String,
        /// The digest that the manifest or index holds.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// Text that should be a SHA-256.
    #[error("{found:?} is no SHA-256; write it as 64 lower-case hexadecimal digits")]
    NotADigest {
        /// The text, shortened if long.
        found: String,
    },
    /// The manifest cannot be read or contradicts itself.
    #[error("the manifest is invalid: {reason}; publish the pack again")]
    ManifestInvalid {
        /// What is wrong.
        reason: String,
    },
    /// The model config is none that a model can have.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A tensor that the config does not imply.
    #[error("tensor {name:?} does not belong to this model config; remove it or publish with its config")]
    TensorUnexpected {
        /// The tensor's name, shortened if long.
        name: String,
    },
    /// A tensor that the config implies is not there.
    #[error("tensor {name:?} is missing, and the model config wants it; publish with every tensor")]
    TensorMissing {
        /// The tensor's name.
        name: String,
    },
    /// A tensor of another shape.
    #[error(
        "tensor {name:?} has shape {found:?} and must have {expected:?}; publish with the model's config"
    )]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// The shape that it must have.
        expected: Vec<usize>,
        /// The shape that it has.
        found: Vec<usize>,
    },
    /// A tensor stored in another number format.
    #[error("tensor {name:?} is stored as {found} and must be {expected}; publish it again")]
    TensorDtype {
        /// The tensor's name.
        name: String,
        /// The number format that it must have.
        expected: String,
        /// The number format that it has.
        found: String,
    },
    /// A value that is NaN or infinite, or is so once stored as f16 (largest 65,504).
    #[error(
        "tensor {name:?} holds {value} at {position}, which its number format cannot hold; the \
         training diverged, publish an earlier checkpoint"
    )]
    TensorNotFinite {
        /// The tensor's name.
        name: String,
        /// Where in its row-major values.
        position: usize,
        /// The value.
        value: f32,
    },
    /// A tailor that was trained on another learngene.
    #[error("this tailor fits the learngene {expected}, not {found}; take both from the same gallery")]
    WrongLearngene {
        /// The learngene that the tailor names.
        expected: Digest,
        /// The learngene that is there.
        found: Digest,
    },
    /// The gallery's index cannot be read or contradicts itself.
    #[error("index.json is invalid: {reason}; publish the gallery again")]
    IndexInvalid {
        /// What is wrong.
        reason: String,
    },
    /// A class that the gallery does not have.
    #[error("the gallery has no class {found:?}; its index.json lists the classes it has")]
    ClassUnknown {
        /// The id asked for, shortened if long.
        found: String,
    },
    /// The index is past the time up to which its publisher vouches for it.
    #[error(
        "index.json expired at {expires} (unix seconds), and it is {now}; reload it, \
         or publish the gallery again"
    )]
    IndexExpired {
        /// When it expired, in unix seconds.
        expires: u64,
        /// The time now, in unix seconds.
        now: u64,
    },
    /// The index is older than one already seen.
    #[error("index.json has version {found}, and version {seen} was already seen; reload it without caches")]
    IndexRolledBack {
        /// The newest version already seen.
        seen: u64,
        /// The version of this index.
        found: u64,
    },
    /// Reserved for signed galleries: there is no `index.json.minisig`.
    #[error("the gallery has no index.json.minisig; sign it with `minisign -Sm index.json`")]
    SignatureMissing,
    /// Reserved for signed galleries: the signature is not by the trusted key over these bytes.
    #[error("index.json.minisig does not sign this index.json: {reason}; get both again")]
    SignatureInvalid {
        /// What is wrong.
        reason: String,
    },
}

/// Text from a file as it may stand in a message: at most 64 characters.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(64).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
