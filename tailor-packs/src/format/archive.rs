//! Reads and writes the ZIP archive that a pack is, with the plainest of ZIP's features only.
//!
//! ```text
//! local header │ name │ bytes      once per entry, in the fixed order of ENTRIES, then further ones by name
//! central header │ name            once per entry
//! end record                       22 bytes
//! ```
//!
//! Entries are stored without compression, dated 1980-01-01, without flags, extra fields, comments
//! or data descriptors. Every header follows from the entries' names, lengths and checksums. So the
//! reader builds each header anew and compares: an archive that differs from what the writer writes
//! is refused.

use crate::error::{PackError, Result, check_limit, shorten};
use crate::limits;

/// Name of the entry with the manifest, which says what the pack is.
pub const MANIFEST: &str = "manifest.postcard";
/// Name of the entry with the tensors.
pub const TENSORS: &str = "tensors.safetensors";
/// Name of the entry with the card, for people to read.
pub const CARD: &str = "card.json";
/// Name of the entry with the preview picture, which is optional.
pub const PREVIEW: &str = "preview.png";
/// The entries that every reader knows, with their largest lengths in bytes, in file order.
pub const ENTRIES: [(&str, u64); 4] =
    [(MANIFEST, limits::MANIFEST), (TENSORS, limits::FILE), (CARD, limits::CARD), (PREVIEW, limits::PREVIEW)];

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const LOCAL_LEN: usize = 30;
/// ZIP 1.0: the oldest version, which knows stored entries.
const VERSION: u16 = 10;
/// 1980-01-01, the earliest date that ZIP can express.
const DATE: u16 = 0x21;

struct Header<'a> {
    name: &'a str,
    crc: u32,
    len: u32,
    offset: u32,
}

impl Header<'_> {
    /// Appends the 26 bytes that the local and the central header have in common.
    fn common(&self, out: &mut Vec<u8>) {
        // version, flags, method (stored), time, date
        for field in [VERSION, 0, 0, 0, DATE] {
            out.extend(field.to_le_bytes());
        }
        // checksum, stored length, original length
        for field in [self.crc, self.len, self.len] {
            out.extend(field.to_le_bytes());
        }
        // name length, extra length
        for field in [self.name.len() as u16, 0] {
            out.extend(field.to_le_bytes());
        }
    }

    fn local(&self) -> Vec<u8> {
        let mut out = LOCAL.to_vec();
        self.common(&mut out);
        out.extend(self.name.as_bytes());
        out
    }

    fn central(&self, out: &mut Vec<u8>) {
        out.extend(CENTRAL);
        out.extend(VERSION.to_le_bytes());
        self.common(out);
        out.extend([0; 10]); // comment length, disk, internal and external attributes
        out.extend(self.offset.to_le_bytes());
        out.extend(self.name.as_bytes());
    }
}

/// Returns the central headers and the end record for entries that end at `offset`.
fn directory(headers: &[Header<'_>], offset: usize) -> Vec<u8> {
    let mut out = Vec::new();
    headers.iter().for_each(|h| h.central(&mut out));
    let length = out.len() as u32;
    out.extend(END);
    for field in [0, 0, headers.len() as u16, headers.len() as u16] {
        out.extend(field.to_le_bytes());
    }
    for field in [length, offset as u32] {
        out.extend(field.to_le_bytes());
    }
    out.extend([0; 2]); // comment length
    out
}

/// Writes an archive of these entries. The same entries give the same bytes.
///
/// The caller chooses names and order. [`read`] accepts only [`ENTRIES`] in their order, and after
/// them further entries ([`is_further`]) in ascending order of their names.
///
/// # Errors
/// [`PackError::LimitExceeded`] for an archive larger than [`limits::FILE`].
pub fn write(entries: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    // Twice 64 bytes cover an entry's two headers, 64 the end record.
    let total: u64 = entries.iter().map(|(name, bytes)| (2 * name.len() + bytes.len() + 128) as u64).sum();
    check_limit("the file's length in bytes", total, limits::FILE)?;
    let mut out = Vec::with_capacity(total as usize + 64);
    let mut writer = Writer::default();
    for (name, bytes) in entries {
        out.extend(writer.entry(name, bytes)?);
        out.extend_from_slice(bytes);
    }
    out.extend(writer.finish());
    Ok(out)
}

/// Writes an archive piece by piece, so that it need not be in memory as a whole: what [`Writer::entry`]
/// returns, then the entry's bytes; so for each entry; and what [`Writer::finish`] returns.
///
/// The archive may hold any files, such as those of a gallery. Every program that knows ZIP opens it.
#[derive(Default)]
pub struct Writer<'a> {
    headers: Vec<Header<'a>>,
    at: u64,
}

impl<'a> Writer<'a> {
    /// Returns what stands before the bytes of the next entry.
    ///
    /// # Errors
    /// [`PackError::LimitExceeded`] for an archive that a plain ZIP cannot be, of more than
    /// [`limits::LOCAL_FILE`] bytes or 65,535 entries.
    pub fn entry(&mut self, name: &'a str, bytes: &[u8]) -> Result<Vec<u8>> {
        let offset = self.at;
        self.at += (LOCAL_LEN + name.len() + bytes.len()) as u64;
        check_limit("the archive's length in bytes", self.at, limits::LOCAL_FILE)?;
        check_limit("the number of entries", self.headers.len() as u64 + 1, u16::MAX.into())?;
        let (len, offset) = (bytes.len() as u32, offset as u32);
        let header = Header { name, crc: crc32fast::hash(bytes), len, offset };
        let local = header.local();
        self.headers.push(header);
        Ok(local)
    }

    /// Returns what stands after the last entry.
    pub fn finish(self) -> Vec<u8> {
        directory(&self.headers, self.at as usize)
    }
}

/// The entries of an archive, as slices of its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Archive<'a> {
    /// Returns the bytes of entry `name`, if the archive has it.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, bytes)| *bytes)
    }

    /// Returns the bytes of an entry that every pack must have.
    ///
    /// # Errors
    /// [`PackError::EntryMissing`].
    pub fn require(&self, entry: &str) -> Result<&'a [u8]> {
        self.get(entry).ok_or_else(|| PackError::EntryMissing { entry: entry.to_owned() })
    }

    /// Returns name and bytes of every entry, in file order.
    pub fn entries(&self) -> &[(&'a str, &'a [u8])] {
        &self.0
    }
}

/// Reads an archive, every byte of which must be as [`write()`] writes it.
///
/// # Errors
/// [`PackError::NotAPack`], [`PackError::Truncated`], [`PackError::TrailingBytes`],
/// [`PackError::HeaderMismatch`], [`PackError::EntryUnexpected`], [`PackError::ChecksumMismatch`] and
/// [`PackError::LimitExceeded`].
pub fn read(bytes: &[u8]) -> Result<Archive<'_>> {
    check_limit("the file's length in bytes", bytes.len() as u64, limits::FILE)?;
    if !bytes.starts_with(&LOCAL) && !LOCAL.starts_with(bytes) {
        return Err(PackError::NotAPack);
    }

    let (mut entries, mut headers, mut at, mut order) = (Vec::new(), Vec::new(), 0, Order::default());
    // Fewer bytes than a ZIP signature are a truncated header, not the beginning of the directory.
    while bytes[at..].starts_with(&LOCAL) || LOCAL.starts_with(&bytes[at..]) {
        let fixed = take(bytes, at, LOCAL_LEN)?;
        let field = |i: usize| u32::from_le_bytes([fixed[i], fixed[i + 1], fixed[i + 2], fixed[i + 3]]);
        let name_len = u16::from_le_bytes([fixed[26], fixed[27]]) as usize;
        let found = take(bytes, at + LOCAL_LEN, name_len)?;
        if entries.is_empty() && found != MANIFEST.as_bytes() {
            return Err(PackError::NotAPack);
        }
        let (name, allowed) = order.next(found).ok_or_else(|| PackError::EntryUnexpected {
            found: shorten(&String::from_utf8_lossy(&found[..found.len().min(256)])),
        })?;

        let header = Header { name, crc: field(14), len: field(18), offset: at as u32 };
        let data_at = at + LOCAL_LEN + name_len;
        if header.local() != bytes[at..data_at] {
            return Err(PackError::HeaderMismatch { header: "local header", offset: at as u64 });
        }
        order.count(header.len.into(), allowed)?;
        let data = take(bytes, data_at, header.len as usize)?;
        let crc = crc32fast::hash(data);
        if crc != header.crc {
            return Err(PackError::ChecksumMismatch {
                entry: name.to_owned(),
                expected: header.crc,
                found: crc,
            });
        }
        at = data_at + data.len();
        entries.push((name, data));
        headers.push(header);
    }

    let (rest, directory) = (&bytes[at..], directory(&headers, at));
    if rest == directory {
        Ok(Archive(entries))
    } else if let Some(extra) = rest.strip_prefix(directory.as_slice()) {
        Err(PackError::TrailingBytes { what: "the file".into(), extra: extra.len() as u64 })
    } else if directory.starts_with(rest) {
        Err(truncated(bytes, at + directory.len()))
    } else {
        Err(PackError::HeaderMismatch { header: "central directory", offset: at as u64 })
    }
}

/// The state that tells which entry may come next.
#[derive(Default)]
struct Order<'a> {
    /// How many of [`ENTRIES`] can come no more.
    fixed: usize,
    /// The last further entry, how many there were, and their bytes.
    further: Option<&'a str>,
    count: u64,
    bytes: u64,
}

impl<'a> Order<'a> {
    /// Returns the name of an entry that is in its place, and the largest length of one of
    /// [`ENTRIES`]. Returns `None` for any other entry.
    fn next(&mut self, found: &'a [u8]) -> Option<(&'a str, Option<(&'static str, u64)>)> {
        let fixed = ENTRIES.iter().skip(self.fixed).position(|(name, _)| name.as_bytes() == found);
        if let Some(skipped) = fixed {
            let (name, allowed) = ENTRIES[self.fixed + skipped];
            self.fixed += skipped + 1;
            return Some((name, Some((name, allowed))));
        }
        let name = std::str::from_utf8(found).ok().filter(|name| is_further(name))?;
        self.fixed = ENTRIES.len();
        let before = self.further.replace(name);
        before.is_none_or(|before| before < name).then_some((name, None))
    }

    /// Refuses an entry that is too long, or one further entry too many.
    fn count(&mut self, len: u64, allowed: Option<(&'static str, u64)>) -> Result<()> {
        if let Some((name, allowed)) = allowed {
            return check_limit(name, len, allowed);
        }
        self.count += 1;
        self.bytes = self.bytes.saturating_add(len);
        check_limit("the number of further entries", self.count, limits::FURTHER_ENTRIES)?;
        check_limit("the length of all further entries in bytes", self.bytes, limits::FURTHER)
    }
}

/// Returns whether `name` can be that of a further entry, which is one beside [`ENTRIES`]: 1 to 64
/// characters out of `a-z0-9._-`, not beginning with a dot, and not a name in [`ENTRIES`].
pub fn is_further(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    let plain = !name.starts_with('.') && !name.is_empty() && name.bytes().all(allowed);
    plain && name.len() as u64 <= limits::ID && ENTRIES.iter().all(|(fixed, _)| *fixed != name)
}

fn take(bytes: &[u8], at: usize, len: usize) -> Result<&[u8]> {
    // Lengths come from the file; saturating, since `usize` has 32 bits in a browser.
    let end = at.saturating_add(len);
    bytes.get(at..end).ok_or_else(|| truncated(bytes, end))
}

fn truncated(bytes: &[u8], needed: usize) -> PackError {
    PackError::Truncated { what: "the file".into(), needed: needed as u64, found: bytes.len() as u64 }
}
