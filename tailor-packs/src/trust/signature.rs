//! `index.json.minisig`, the signature of a gallery's publisher, in the format of
//! [minisign](https://jedisct1.github.io/minisign/).
//!
//! ```text
//! untrusted comment: signature from minisign secret key     one of COMMENTS
//! base64: "ED" │ key id, 8 bytes │ Ed25519 over BLAKE2b-512 of index.json
//! trusted comment: any text                                 signed by the last line
//! base64: Ed25519 over the signature above and the trusted comment
//! ```
//!
//! The stock `minisign` program accepts every signature that is accepted here, but not the reverse.
//! Here a file has one spelling only, so that no byte of it can be altered. A signature is checked
//! strictly: `S` is below the group's order, neither key nor `R` is of small order, and legacy
//! signatures over the bytes themselves are refused.

use crate::digest::Digest;
use crate::error::{PackError, Result, check_limit, shorten};
use crate::file::SIGNATURE_FILE;
use crate::limits;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use blake2::{Blake2b512, Digest as _};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The texts that the first line may have after `untrusted comment: `. No signature covers that
/// line, so nothing else is let in.
pub const COMMENTS: [&str; 2] = ["signature from minisign secret key", "signature from tailor"];

const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
/// The mark of an Ed25519 key.
const KEY: [u8; 2] = *b"Ed";
/// The mark of a signature over the BLAKE2b-512 of a file.
const PREHASHED: [u8; 2] = *b"ED";

/// A publisher's public key. Text and JSON have it as the line of base64 that `minisign -P` takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey {
    id: [u8; 8],
    key: [u8; 32],
}

impl PublicKey {
    /// Returns the key's id in `minisign`: 16 hexadecimal digits, chosen by whoever made the key.
    /// Two keys can have the same id, so it tells an owner's keys apart and proves nothing to
    /// anyone else.
    pub fn id(&self) -> String {
        format!("{:016X}", u64::from_le_bytes(self.id))
    }

    /// Returns what a visitor compares before trusting a key for the first time: six groups of four
    /// hexadecimal digits, which are the first 96 bits of the SHA-256 of id and key.
    pub fn fingerprint(&self) -> String {
        let digest = Digest::of(&[&self.id[..], &self.key].concat()).to_string();
        let groups: Vec<_> = (0..6).map(|i| &digest[4 * i..4 * i + 4]).collect();
        groups.join(" ")
    }

    /// Refuses a signature that is not by this key over `signed`. Returns its trusted comment.
    ///
    /// # Errors
    /// [`PackError::SignatureInvalid`]; [`PackError::WrongKey`] for a signature by another key.
    pub fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<String> {
        let Minisig { id, signature, comment, global } = Minisig::parse(signature)?;
        if id != self.id {
            let found = format!("{:016X}", u64::from_le_bytes(id));
            return Err(PackError::WrongKey { expected: self.id(), found });
        }
        let hash = Blake2b512::digest(signed);
        let global_signed = [&signature.to_bytes()[..], comment.as_bytes()].concat();
        let key = self.point()?;
        key.verify_strict(&hash, &signature).map_err(|_| invalid("its signature is of other bytes"))?;
        key.verify_strict(&global_signed, &global).map_err(|_| invalid("its trusted comment was altered"))?;
        Ok(comment)
    }

    /// Returns the key as a point of the curve. Refuses a second encoding of it, and a point of
    /// small order.
    fn point(&self) -> Result<VerifyingKey> {
        let point = VerifyingKey::from_bytes(&self.key).ok();
        let point = point.filter(|p| !p.is_weak() && p.to_edwards().compress().to_bytes() == self.key);
        point.ok_or_else(|| PackError::NotAKey { found: shorten(&self.to_string()) })
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&STANDARD.encode([&KEY[..], &self.id, &self.key].concat()))
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl std::str::FromStr for PublicKey {
    type Err = PackError;

    /// Parses the line of base64, or the two lines of a `.pub` file whose first is a comment.
    fn from_str(text: &str) -> Result<Self> {
        let refused = || PackError::NotAKey { found: shorten(text) };
        let line = match text.trim_end().split_once('\n') {
            Some((comment, line)) if comment.starts_with(UNTRUSTED) => line,
            Some(_) => return Err(refused()),
            None => text,
        };
        // The length first: nothing is decoded that cannot be a key.
        let line = Some(line.trim()).filter(|line| line.len() == 56).ok_or_else(refused)?;
        let bytes = STANDARD.decode(line).map_err(|_| refused())?;
        let rest = bytes.strip_prefix(&KEY).ok_or_else(refused)?;
        let (id, rest) = rest.split_first_chunk().ok_or_else(refused)?;
        let key = Self { id: *id, key: rest.try_into().map_err(|_| refused())? };
        key.point().map(|_| key)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let line = String::deserialize(deserializer)?;
        let key: Self = line.parse().map_err(serde::de::Error::custom)?;
        // One spelling in files: no comment, no blanks.
        if key.to_string() == line { Ok(key) } else { Err(serde::de::Error::custom("not a key's only line")) }
    }
}

/// The content of a signature file, not yet verified.
struct Minisig {
    id: [u8; 8],
    signature: Signature,
    comment: String,
    global: Signature,
}

impl Minisig {
    /// Reads a signature file, and refuses any but its one spelling.
    fn parse(bytes: &[u8]) -> Result<Self> {
        check_limit(SIGNATURE_FILE, bytes.len() as u64, limits::SIGNATURE)?;
        let text = std::str::from_utf8(bytes).map_err(|_| invalid("it is no text"))?;
        let lines: Vec<_> = text.split('\n').collect();
        let [untrusted, first, trusted, last, ""] = lines[..] else {
            return Err(invalid("it is not four lines, each with its end"));
        };
        if untrusted.strip_prefix(UNTRUSTED).is_none_or(|comment| !COMMENTS.contains(&comment)) {
            return Err(invalid(format!("its first line is not \"{UNTRUSTED}{}\"", COMMENTS[0])));
        }
        let comment = trusted.strip_prefix(TRUSTED).ok_or_else(|| invalid("it has no trusted comment"))?;
        // The programs trim before they verify, so blanks at the ends would be signed by nobody; and the
        // text is shown to people.
        if comment.trim() != comment || comment.chars().any(|c| c.is_control() && c != '\t') {
            return Err(invalid("its trusted comment has blanks at an end, or control characters"));
        }
        // Strict base64 has one spelling: full padding, no spare bits, no blanks.
        let decode = |line| STANDARD.decode(line).map_err(|_| invalid("it is not in base64"));
        let first: [u8; 74] = decode(first)?.try_into().map_err(|_| invalid("its signature is not whole"))?;
        let global: [u8; 64] = decode(last)?.try_into().map_err(|_| invalid("its last line is not whole"))?;
        let ([a, b], rest) = (first[..2].try_into().unwrap_or([0; 2]), &first[2..]);
        match [a, b] {
            PREHASHED => {}
            KEY => return Err(invalid("it is of the legacy kind; sign with a minisign of 2021 or later")),
            _ => return Err(invalid("it is of an unknown kind")),
        }
        let (id, signature) =
            rest.split_first_chunk().ok_or_else(|| invalid("its signature is not whole"))?;
        let signature =
            Signature::from_slice(signature).map_err(|_| invalid("its signature is not whole"))?;
        Ok(Self { id: *id, signature, comment: comment.to_owned(), global: Signature::from_bytes(&global) })
    }
}

/// Returns the id, as `minisign` shows it, of the key that a signature claims to be by. The claim
/// is not verified.
///
/// # Errors
/// [`PackError::SignatureInvalid`].
pub fn claimed_key_id(signature: &[u8]) -> Result<String> {
    Minisig::parse(signature).map(|s| format!("{:016X}", u64::from_le_bytes(s.id)))
}

fn invalid(reason: impl ToString) -> PackError {
    PackError::SignatureInvalid { reason: reason.to_string() }
}
