//! One file of a gallery: its name beside the index, and the digests by which a reader verifies it.

use crate::digest::Digest;
use crate::error::{PackError, Result, shorten};
use crate::limits;
use crate::lists::few;
use serde::{Deserialize, Deserializer, Serialize};

/// The name of a gallery's index, which lists all other files.
pub const INDEX_FILE: &str = "index.json";
/// The name of the file with the index's signature.
pub const SIGNATURE_FILE: &str = "index.json.minisig";

/// What an index says of one file of its gallery: name, length and digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct FileEntry {
    /// Name of the file, which lies in the same folder as the index: 1 to 160 characters out of
    /// `A-Za-z0-9._-`, not beginning with a dot.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the whole file.
    pub sha256: Digest,
    /// SHA-256 of each chunk of [`limits::CHUNK`] bytes, in order; the last chunk may be shorter.
    pub chunks: Vec<Digest>,
}

/// A [`FileEntry`] as JSON has it. Where a file has one chunk, the list is left out: that chunk's
/// digest is the file's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    path: String,
    size: u64,
    sha256: Digest,
    #[serde(default, deserialize_with = "few_chunks", skip_serializing_if = "Vec::is_empty")]
    chunks: Vec<Digest>,
}

fn few_chunks<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<Digest>, D::Error> {
    few(deserializer, limits::FILE as usize / limits::CHUNK)
}

impl From<Written> for FileEntry {
    fn from(Written { path, size, sha256, mut chunks }: Written) -> Self {
        if chunks.is_empty() && size <= limits::CHUNK as u64 {
            chunks = vec![sha256];
        }
        Self { path, size, sha256, chunks }
    }
}

impl From<FileEntry> for Written {
    fn from(FileEntry { path, size, sha256, mut chunks }: FileEntry) -> Self {
        if chunks == [sha256] {
            chunks.clear();
        }
        Self { path, size, sha256, chunks }
    }
}

impl FileEntry {
    /// Makes the entry for a file with these bytes.
    pub fn of(path: impl Into<String>, bytes: &[u8]) -> Self {
        let chunks = bytes.chunks(limits::CHUNK).map(Digest::of).collect();
        Self { path: path.into(), size: bytes.len() as u64, sha256: Digest::of(bytes), chunks }
    }

    /// Refuses any bytes but those that the entry was made of. Hashes each byte once where they are
    /// right.
    ///
    /// # Errors
    /// [`PackError::Truncated`], [`PackError::TrailingBytes`] or [`PackError::DigestMismatch`], with the
    /// path, and the first bad chunk if there are several.
    pub fn verify(&self, bytes: &[u8]) -> Result<()> {
        self.verify_length(bytes)?;
        self.verify_digest(bytes)
    }

    pub(crate) fn verify_length(&self, bytes: &[u8]) -> Result<()> {
        let (what, found) = (self.path.clone(), bytes.len() as u64);
        if found < self.size {
            return Err(PackError::Truncated { what, needed: self.size, found });
        }
        if found > self.size {
            return Err(PackError::TrailingBytes { what, extra: found - self.size });
        }
        Ok(())
    }

    pub(crate) fn verify_digest(&self, bytes: &[u8]) -> Result<()> {
        let found = Digest::of(bytes);
        if found != self.sha256 && self.chunks.len() > 1 {
            for (number, chunk) in bytes.chunks(limits::CHUNK).enumerate() {
                self.verify_chunk(number, chunk)?;
            }
        }
        same(self.path.clone(), self.sha256, found)
    }

    /// Returns the SHA-256 of the file's size (8 bytes, little-endian) followed by the digests of
    /// its chunks. Use it to compare files whose chunks were verified while [`FileEntry::sha256`]
    /// was not: where this is the same, the content is.
    pub fn content(&self) -> Digest {
        let size = self.size.to_le_bytes();
        let chunks = self.chunks.iter().flat_map(|chunk| chunk.0);
        Digest::of(&size.into_iter().chain(chunks).collect::<Vec<u8>>())
    }

    /// Returns the bytes of the file that chunk `number` covers; empty past the last chunk.
    pub fn chunk_range(&self, number: usize) -> std::ops::Range<u64> {
        let start = (number as u64).saturating_mul(limits::CHUNK as u64).min(self.size);
        start..start.saturating_add(limits::CHUNK as u64).min(self.size)
    }

    /// Refuses any bytes but those of chunk `number`, so that a download can stop at the first bad one.
    ///
    /// # Errors
    /// [`PackError::DigestMismatch`] with path and chunk; [`PackError::TrailingBytes`] past the last chunk.
    pub fn verify_chunk(&self, number: usize, bytes: &[u8]) -> Result<()> {
        let Some(expected) = self.chunks.get(number) else {
            return Err(PackError::TrailingBytes { what: self.path.clone(), extra: bytes.len() as u64 });
        };
        same(format!("{}, chunk {number}", self.path), *expected, Digest::of(bytes))
    }

    pub(crate) fn validate(&self) -> std::result::Result<(), String> {
        let path = shorten(&self.path);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let ok = self.path.bytes().all(plain) && !self.path.starts_with('.') && !self.path.is_empty();
        if !ok || self.path.len() as u64 > limits::PATH || [INDEX_FILE, SIGNATURE_FILE].contains(&&*self.path)
        {
            return Err(format!("{path:?} is no plain file name"));
        }
        self.fits(limits::FILE)?;
        let chunks = self.size.div_ceil(limits::CHUNK as u64);
        if self.chunks.len() as u64 != chunks {
            return Err(format!("{path} has {} chunk digests instead of {chunks}", self.chunks.len()));
        }
        if chunks == 1 && self.chunks != [self.sha256] {
            return Err(format!("{path} is one chunk, whose digest is not the file's"));
        }
        Ok(())
    }
}

impl FileEntry {
    /// Refuses a file of more than `limit` bytes, or of none.
    fn fits(&self, limit: u64) -> std::result::Result<(), String> {
        let (path, size) = (shorten(&self.path), self.size);
        match size {
            1.. if size <= limit => Ok(()),
            _ => Err(format!("{path} has {size} bytes; 1 to {limit} are allowed")),
        }
    }
}

fn same(entry: String, expected: Digest, found: Digest) -> Result<()> {
    if expected == found { Ok(()) } else { Err(PackError::DigestMismatch { entry, expected, found }) }
}

/// Returns the name of a learngene file, which changes with its content:
/// `letters-0123456789abcdef.learngene`.
pub fn learngene_file_name(model: &str, digest: &Digest) -> String {
    format!("{model}-{}.learngene", digest.short())
}

/// Returns the name of a tailor pack, which changes with its content: `a-0123456789abcdef.tailor`.
pub fn tailor_file_name(class: &str, digest: &Digest) -> String {
    format!("{class}-{}.tailor", digest.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_model_is_for_a_machine_of_ones_own_and_not_for_a_browser() {
        let of = |size| FileEntry {
            path: "dit-l.learngene".into(),
            size,
            sha256: Digest([0; 32]),
            chunks: vec![],
        };
        // DiT-B, L and XL in f16, DiT-XL in f32.
        for (size, browser) in
            [(261 << 20, true), (873 << 20, false), (1288 << 20, false), (2576 << 20, false)]
        {
            assert_eq!(of(size).fits(limits::BROWSER_FILE).is_ok(), browser, "{size}");
            of(size).fits(limits::LOCAL_FILE).unwrap();
        }
        let refused = of(limits::BROWSER_FILE + 1).fits(limits::BROWSER_FILE).unwrap_err();
        assert_eq!(refused, "dit-l.learngene has 536870913 bytes; 1 to 536870912 are allowed");
        assert!(of(limits::LOCAL_FILE + 1).fits(limits::LOCAL_FILE).is_err() && of(0).fits(1).is_err());
        assert_eq!(limits::FILE, limits::LOCAL_FILE, "this test runs on no browser");
    }

    #[test]
    fn an_entry_of_gigabytes_is_valid_with_a_digest_for_each_chunk() {
        let size = 2u64 << 30;
        let chunks = vec![Digest([1; 32]); (size / limits::CHUNK as u64) as usize];
        let entry = FileEntry { path: "dit-xl.learngene".into(), size, sha256: Digest([2; 32]), chunks };
        entry.validate().unwrap();
        let json = serde_json::to_vec(&entry).unwrap();
        assert_eq!(serde_json::from_slice::<FileEntry>(&json).unwrap(), entry);
    }
}
