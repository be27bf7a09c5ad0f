//! Every way in which a pack or a gallery can be wrong, each as one variant of [`PackError`].

use crate::digest::Digest;
use crate::format::config::ConfigError;

/// A result whose error is a [`PackError`].
pub type Result<T> = std::result::Result<T, PackError>;

/// Why bytes were refused, or why contents could not be written.
///
/// The crate sees bytes, not files: the caller adds the file's name.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The bytes are neither a learngene file nor a tailor pack.
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
    /// The file was written by a later version of tailor, in a format that this crate does not
    /// know.
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
        /// How many bytes there are.
        found: u64,
    },
    /// There are more bytes than the file or entry should have.
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
        /// Which of the archive's headers: `local header` or `central directory`.
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
        entry: String,
    },
    /// The pack marks an extension or entry as required, and this crate does not know it.
    #[error(
        "the pack needs {what} {name:?}, which this tailor does not know; update tailor to one that does"
    )]
    RequiredUnknown {
        /// `extension` or `entry`.
        what: &'static str,
        /// The name of the extension or entry.
        name: String,
    },
    /// An entry's content cannot be read, though it is what its author wrote.
    #[error("{entry} is invalid: {reason}; publish it again")]
    EntryInvalid {
        /// The entry's name.
        entry: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A file, an entry or a count is larger than any reader should accept.
    #[error("{which} is {found}, and at most {allowed} is allowed; whoever made it must make it smaller")]
    LimitExceeded {
        /// What is too large.
        which: &'static str,
        /// Its size, in the unit of the limit: bytes, or a count.
        found: u64,
        /// The limit, see [`crate::limits`].
        allowed: u64,
    },
    /// The CRC-32 of an entry's bytes is not the one in its ZIP header.
    #[error("{entry} has checksum {found:08x} instead of {expected:08x}; download or copy the file again")]
    ChecksumMismatch {
        /// The entry's name.
        entry: String,
        /// The header's CRC-32.
        expected: u32,
        /// The CRC-32 of the bytes.
        found: u32,
    },
    /// The SHA-256 of some bytes is not the one that the manifest or the index holds for them.
    #[error("{entry} has SHA-256 {found} instead of {expected}; download or copy the file again")]
    DigestMismatch {
        /// The entry, the file, or a chunk of it.
        entry: String,
        /// The digest that the manifest or index holds.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// A text that should be a SHA-256 is none.
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
    /// The model config is one that no model can have; [`ConfigError`] says why.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The pack holds a tensor that its config does not imply.
    #[error("tensor {name:?} does not belong to this model config; remove it or publish with its config")]
    TensorUnexpected {
        /// The tensor's name, shortened if long.
        name: String,
    },
    /// The pack lacks a tensor that its config implies.
    #[error("tensor {name:?} is missing, and the model config wants it; publish with every tensor")]
    TensorMissing {
        /// The tensor's name.
        name: String,
    },
    /// A tensor has another shape than its config implies.
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
    /// A tensor is stored in another number format than its manifest gives.
    #[error("tensor {name:?} is stored as {found} and must be {expected}; publish it again")]
    TensorDtype {
        /// The tensor's name.
        name: String,
        /// The number format that it must have.
        expected: String,
        /// The number format that it has.
        found: String,
    },
    /// A value is NaN or infinite, or too large for the number format that it is stored in: f16
    /// ends at 65,504.
    #[error(
        "tensor {name:?} holds {value} at {position}, which its number format cannot hold; the \
         training diverged, publish an earlier checkpoint"
    )]
    TensorNotFinite {
        /// The tensor's name.
        name: String,
        /// The value's position among the tensor's values, which are in row-major order.
        position: usize,
        /// The value.
        value: f32,
    },
    /// The tailor was trained on another learngene.
    #[error("this tailor fits the learngene {expected}, not {found}; take both from the same gallery")]
    WrongLearngene {
        /// SHA-256 of the learngene file that the tailor names.
        expected: Digest,
        /// SHA-256 of the learngene file that is there.
        found: Digest,
    },
    /// The gallery's index cannot be read or contradicts itself.
    #[error("index.json is invalid: {reason}; publish the gallery again")]
    IndexInvalid {
        /// What is wrong.
        reason: String,
    },
    /// The gallery has no class with this id.
    #[error("the gallery has no class {found:?}; its index.json lists the classes it has")]
    ClassUnknown {
        /// The id asked for, shortened if long.
        found: String,
    },
    /// The time up to which the publisher vouches for the index is over.
    #[error(
        "index.json expired on {} (UTC), and it is {} now; reload it, check this device's clock, or ask the \
         publisher for a new one",
        date(*expires), date(*now)
    )]
    IndexExpired {
        /// When it expired, in unix seconds.
        expires: u64,
        /// The time now, in unix seconds.
        now: u64,
    },
    /// The index has a lower version than one that this reader has already seen.
    #[error("index.json has version {found}, and version {seen} was already seen; reload it without caches")]
    IndexRolledBack {
        /// The newest version already seen.
        seen: u64,
        /// The version of this index.
        found: u64,
    },
    /// The index has the version of one that this reader has already seen, but other content.
    #[error(
        "index.json has version {version} like one already seen, but other content; reload it without \
         caches, or ask the publisher to publish a higher version"
    )]
    IndexReplaced {
        /// The version of both.
        version: u64,
        /// SHA-256 of the index already seen.
        expected: Digest,
        /// SHA-256 of this index.
        found: Digest,
    },
    /// The index belongs to another gallery than the one that was at this address before.
    #[error("this is the index of gallery {found:?}, and {expected:?} was here before; check the address")]
    OtherGallery {
        /// The id of the gallery already seen.
        expected: String,
        /// The id in this index.
        found: String,
    },
    /// There is no `index.json.minisig` where one must be.
    #[error(
        "the gallery has no index.json.minisig, and it must be signed by key {expected}; reload it, or ask \
         the publisher to sign it"
    )]
    SignatureMissing {
        /// The id of the key.
        expected: String,
    },
    /// The signature is not over these bytes, or not in its one spelling.
    #[error("index.json.minisig does not sign this index.json: {reason}; reload both")]
    SignatureInvalid {
        /// What is wrong.
        reason: String,
    },
    /// The signature is by another key than the trusted one.
    #[error(
        "the gallery is signed by key {found}, and trusted is {expected}; trust the new key only if its \
         publisher says that it is theirs"
    )]
    WrongKey {
        /// The id of the trusted key.
        expected: String,
        /// The id of the key that signed.
        found: String,
    },
    /// The index does not say which key signs it, and the reader knows none.
    #[error("the gallery is signed by key {id}, which it does not hold; pass the publisher's public key")]
    KeyUnknown {
        /// The id of the key that signed.
        id: String,
    },
    /// A text that should be a public key is none.
    #[error("{found:?} is no minisign public key; pass the line of 56 characters that begins with RW")]
    NotAKey {
        /// The text, shortened if long.
        found: String,
    },
}

/// Returns the calendar date of a time in unix seconds, UTC: `2027-01-31`.
fn date(seconds: u64) -> String {
    // Civil from days, after Howard Hinnant: years begin in March, so that the leap day comes last.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

impl PackError {
    /// Returns whether the index and the signature may be of two versions. A publisher replaces one
    /// after the other, so a reader who comes in between gets two files that do not fit. Open the
    /// gallery once more, and refuse it if the error is the same.
    pub fn may_be_half_published(&self) -> bool {
        matches!(self, Self::SignatureInvalid { .. } | Self::WrongKey { .. } | Self::IndexReplaced { .. })
    }
}

/// Refuses a number above `allowed`.
pub(crate) fn check_limit(which: &'static str, found: u64, allowed: u64) -> Result<()> {
    if found <= allowed { Ok(()) } else { Err(PackError::LimitExceeded { which, found, allowed }) }
}

/// Makes the error about an index that cannot be read or contradicts itself.
pub(crate) fn index_invalid(reason: impl ToString) -> PackError {
    PackError::IndexInvalid { reason: reason.to_string() }
}

impl std::str::FromStr for Digest {
    type Err = PackError;

    fn from_str(text: &str) -> Result<Self> {
        Digest::parse(text).ok_or_else(|| PackError::NotADigest { found: shorten(text) })
    }
}

/// Cuts a text from a file to 64 characters, so that it can stand in a message.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(64).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let days = [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (951_868_800, "2000-03-01")];
        let days = [&days[..], &[(1_735_689_599, "2024-12-31"), (4_107_542_400, "2100-03-01")]].concat();
        for (seconds, expected) in days {
            assert_eq!(date(seconds), expected);
        }
        // A time from a file is no overflow.
        date(u64::MAX);
    }
}
