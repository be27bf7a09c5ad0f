//! Malicious files, each with what it tries and the error that it must give. `examples/attacks.rs` writes
//! them, `refusals.rs` among the tests reads them.
#![allow(dead_code, unreachable_pub)]

use crate::support::*;
use crate::zip::{Entry, Zip};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use blake2::{Blake2b512, Digest as _};
use curve25519_dalek::{EdwardsPoint, Scalar, traits::Identity};
use ed25519_dalek::Signer as _;
use sha2::Sha512;
use tailor_packs::trust;
use tailor_packs::*;

/// When the reader of these files lives: before the index expires.
pub const NOW: u64 = 1_900_000_000;

/// Who reads an attack's files, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// `.pack`: anybody who is given a pack.
    Pack,
    /// `.pack`: somebody who has the learngene of the control and adds a tailor.
    Tailor,
    /// `.json`: anybody who opens a gallery.
    Index,
    /// `.json`, `.pack`: somebody who opens the gallery and loads its class `a`.
    Class,
    /// `.json`, `.shard`: somebody who opens a large gallery and looks for a class.
    Shard,
    /// `.json`, `.minisig` if it is signed: somebody who saw version 3 of the gallery and trusts its key.
    Visitor,
    /// `.json`, `.minisig`: somebody who was never here.
    Stranger,
    /// `.pub`: somebody who is given a publisher's key.
    Key,
}

/// One attack, or a control: a file of the same kind in which nothing is wrong.
pub struct Attack {
    pub name: &'static str,
    pub reader: Reader,
    /// What it tries, in a line.
    pub tries: &'static str,
    /// The error's variant; empty for a control.
    pub error: &'static str,
    pub files: Vec<Vec<u8>>,
}

impl Reader {
    pub const ALL: [Self; 8] = [
        Self::Pack,
        Self::Tailor,
        Self::Index,
        Self::Class,
        Self::Shard,
        Self::Visitor,
        Self::Stranger,
        Self::Key,
    ];

    /// The extensions of the files, in order.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Pack | Self::Tailor => &["pack"],
            Self::Index => &["json"],
            Self::Class => &["json", "pack"],
            Self::Shard => &["json", "shard"],
            Self::Visitor | Self::Stranger => &["json", "minisig"],
            Self::Key => &["pub"],
        }
    }

    /// What this reader makes of the files.
    pub fn read(self, files: &[Vec<u8>]) -> Result<()> {
        match self {
            Self::Pack => read_any(&files[0]).map(drop),
            Self::Tailor => read_tailor(&files[0], Some((&Digest::of(&learngene()), &config()))).map(drop),
            Self::Index => tailor_packs::Index::parse(&files[0]).map(drop),
            Self::Class => tailor_packs::Index::parse(&files[0])?.read_tailor("a", &files[1]).map(drop),
            Self::Shard => tailor_packs::Index::parse(&files[0])?.read_shard(0, &files[1]).map(drop),
            Self::Visitor => {
                let kept = kept();
                trust::check(None, Some(&kept), &files[0], files.get(1).map(Vec::as_slice), NOW).map(drop)
            }
            Self::Stranger => {
                trust::check(None, None, &files[0], files.get(1).map(Vec::as_slice), NOW).map(drop)
            }
            Self::Key => {
                let text = std::str::from_utf8(&files[0]).unwrap();
                text.parse::<PublicKey>().map(drop)
            }
        }
    }
}

/// A model of which only one matrix is factored, so that its packs are small.
fn config() -> ModelConfig {
    ModelConfig { factored: "o".parse().unwrap(), ..crate::support::config() }
}

fn learngene() -> Vec<u8> {
    write_learngene_of(&config(), None)
}

fn tailor_for(learngene: Digest) -> Vec<u8> {
    tailor_of(&config(), learngene, &class())
}

fn tailor_of(config: &ModelConfig, learngene: Digest, class: &tailor_packs::Class) -> Vec<u8> {
    let (tensors, card) = (tensors(&config.tailor_tensors()), card());
    write_tailor(&Contents { preview: Some(PNG), ..contents(config, &tensors, &card) }, learngene, class)
        .unwrap()
}

fn tailor() -> Vec<u8> {
    tailor_for(Digest::of(&learngene()))
}

fn index() -> tailor_packs::Index {
    tailor_packs::Index {
        config: config(),
        parameters: ParameterCounts::of(&config()).unwrap(),
        learngene: FileEntry::of("test-1.learngene", &learngene()),
        classes: vec![ClassEntry::new(&class(), FileEntry::of("a-1.tailor", &tailor()))],
        ..crate::support::index()
    }
}

/// What the visitor kept of version 3.
pub fn kept() -> Trust {
    let json = signed_index(3).to_json().unwrap();
    let minisig = publisher().sign(&json);
    match trust::check(Some(&publisher().public()), None, &json, Some(&minisig), NOW).unwrap() {
        Verdict::Signed(checked) => checked.trust,
        other => panic!("{other:?}"),
    }
}

fn signed_index(version: u64) -> tailor_packs::Index {
    tailor_packs::Index { version, key: Some(publisher().public()), ..index() }
}

/// Name of the variant.
pub fn variant(error: &PackError) -> String {
    format!("{error:?}").split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()
}

/// The tailor's entries, to be written wrongly.
fn zip() -> Zip {
    let pack = tailor();
    let archive = archive::read(&pack).unwrap();
    Zip { entries: archive.entries().iter().map(|(n, b)| Entry::new(n, b)).collect(), ..Zip::default() }
}

fn rezip(change: impl FnOnce(&mut Zip)) -> Vec<u8> {
    let mut zip = zip();
    change(&mut zip);
    zip.bytes()
}

fn forge(change: impl FnOnce(&mut Forge)) -> Vec<u8> {
    let mut forge = Forge::of(&tailor());
    change(&mut forge);
    forge.bytes()
}

/// The tailor with a manifest that no writer would write.
fn manifest(change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let forge = Forge::of(&tailor());
    let mut manifest = forge.manifest.clone();
    change(&mut manifest);
    forge.with_manifest(&spell(&manifest))
}

/// A manifest's bytes, whatever it says.
fn spell(manifest: &Manifest) -> Vec<u8> {
    let bare = postcard::to_allocvec(manifest).unwrap();
    let align = vec![0u8; (8 - (bare.len() + 1) % 8) % 8];
    postcard::to_allocvec(&(manifest, align)).unwrap()
}

fn class_of(manifest: &mut Manifest) -> &mut Class {
    match &mut manifest.kind {
        Kind::Tailor { class, .. } => class,
        Kind::Learngene => panic!("a tailor"),
    }
}

/// The tailor whose safetensors header is changed as text.
fn header(change: impl FnOnce(String) -> String) -> Vec<u8> {
    forge(|f| {
        let length = u64::from_le_bytes(f.tensors[..8].try_into().unwrap()) as usize;
        let json = String::from_utf8(f.tensors[8..8 + length].to_vec()).unwrap();
        let mut json = change(json.trim_end().to_owned());
        assert_ne!(json.as_bytes(), f.tensors[8..8 + length].trim_ascii_end());
        while !json.len().is_multiple_of(8) {
            json.push(' ');
        }
        let head = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
        f.tensors.splice(..8 + length, head);
    })
}

/// The index's JSON, changed as a value.
fn json(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut value = serde_json::to_value(index()).unwrap();
    change(&mut value);
    value.to_string().into_bytes()
}

/// The index's JSON, changed as text.
fn text(from: &str, to: &str) -> Vec<u8> {
    let json = String::from_utf8(index().to_json().unwrap()).unwrap();
    assert!(json.contains(from), "{from}");
    json.replacen(from, to, 1).into_bytes()
}

/// An index and its signature by the publisher.
fn signed(change: impl FnOnce(&mut tailor_packs::Index)) -> Vec<Vec<u8>> {
    let mut index = signed_index(4);
    change(&mut index);
    let json = index.to_json().unwrap();
    let minisig = publisher().sign(&json);
    vec![json, minisig]
}

/// The good signature of version 4, changed as text.
fn minisig_text(change: impl FnOnce(String) -> String) -> Vec<Vec<u8>> {
    let mut files = signed(|_| ());
    let text = String::from_utf8(files.remove(1)).unwrap();
    files.push(change(text).into_bytes());
    files
}

/// Version 4 with a signature that is made of these parts.
fn minisig_parts(parts: impl FnOnce(&[u8]) -> ([u8; 2], [u8; 8], [u8; 64], [u8; 64])) -> Vec<Vec<u8>> {
    let json = signed_index(4).to_json().unwrap();
    let (kind, id, first, last) = parts(&json);
    let minisig = minisig(signature::COMMENTS[0], &kind, &id, &first, "version 4", &last);
    vec![json, minisig]
}

/// The publisher's signatures over `message`, and over that and the comment.
fn both(message: &[u8]) -> ([u8; 64], [u8; 64]) {
    let key = publisher().key;
    let first = key.sign(message).to_bytes();
    (first, key.sign(&[&first[..], b"version 4"].concat()).to_bytes())
}

/// The same signature with `S + L` for `S`: right by the equation, and not the one that was made.
fn add_order(mut signature: [u8; 64]) -> [u8; 64] {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0u16;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    signature
}

/// A signature whose `R` is the neutral element: right by the equation for whoever has the key.
fn small_order_r(message: &[u8]) -> [u8; 64] {
    let key = publisher().key;
    let r = EdwardsPoint::identity().compress().to_bytes();
    let hash =
        Sha512::new().chain_update(r).chain_update(key.verifying_key().as_bytes()).chain_update(message);
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let s = k * key.to_scalar();
    [r, s.to_bytes()].concat().try_into().unwrap()
}

/// A key of which every signature is right.
fn weak_key() -> String {
    key_line(b"Ed", b"smallone", &EdwardsPoint::identity().compress().to_bytes())
}

/// A large gallery with one shard, as `change` leaves it.
fn shard(change: impl FnOnce(&mut Vec<ClassEntry>)) -> Vec<Vec<u8>> {
    let entry = |id: &str| ClassEntry { id: id.into(), ..index().classes[0].clone() };
    let mut classes = vec![entry("b"), entry("c")];
    change(&mut classes);
    let shard = serde_json::to_vec(&classes).unwrap();
    let names = FileEntry::of("names-1.json", b"[]");
    let index = tailor_packs::Index {
        shards: vec![FileEntry::of("classes-1.json", &shard)],
        names: Some(names),
        ..index()
    };
    vec![index.to_json().unwrap(), shard]
}

/// The tailor in int8, its tensors' bytes as `change` leaves them; it is told where values begin: with one of σ and the
/// scale of `u`.
fn int8(change: impl FnOnce(&mut [u8], usize)) -> Vec<u8> {
    let mut forge = Forge::of(&grown_tailor());
    let start = 8 + u64::from_le_bytes(forge.tensors[..8].try_into().unwrap()) as usize;
    change(&mut forge.tensors, start);
    forge.bytes()
}

/// The learngene with these further entries, as the manifest and as the archive has them.
fn further(named: &[Named<'_>], there: &[Named<'_>]) -> Vec<u8> {
    let entry = |(name, required, bytes): &Named<'_>| (*required, describe(name, bytes));
    let named: Vec<_> = named.iter().map(entry).collect();
    grow_as(&Forge::of(&learngene()), &named, &[], there)
}

/// Index and pack of class `a`.
fn class_files(change: impl FnOnce(&mut tailor_packs::Index, &mut Vec<u8>)) -> Vec<Vec<u8>> {
    let (mut index, mut pack) = (index(), tailor());
    change(&mut index, &mut pack);
    vec![index.to_json().unwrap(), pack]
}

/// Every attack and every control.
#[rustfmt::skip]
pub fn all() -> Vec<Attack> {
    let mut all = Vec::new();
    let mut add = |name, reader, error, tries, files: Vec<Vec<u8>>| {
        all.push(Attack { name, reader, tries, error, files });
    };
    use Reader::*;

    for (name, reader, files) in [
        ("control-learngene", Pack, vec![learngene()]),
        ("control-pack", Pack, vec![rezip(|_| ())]),
        ("control-tailor", Tailor, vec![tailor()]),
        ("control-index", Index, vec![index().to_json().unwrap()]),
        ("control-class", Class, class_files(|_, _| ())),
        ("control-shard", Shard, shard(|_| ())),
        ("control-same-version", Visitor, { let j = signed_index(3).to_json().unwrap(); let s = publisher().sign(&j); vec![j, s] }),
        ("control-next-version", Visitor, signed(|_| ())),
        ("control-stranger", Stranger, signed(|_| ())),
        ("control-unsigned", Stranger, vec![index().to_json().unwrap()]),
        ("control-key", Key, vec![format!("untrusted comment: the publisher's\n{}\n", publisher().public()).into_bytes()]),
    ] {
        add(name, reader, "", "nothing: it must be accepted", files);
    }

    // The archive.
    add("zip-double-name", Pack, "EntryUnexpected", "two entries of one name, of which programs read different ones",
        vec![rezip(|z| z.entries.insert(2, z.entries[1].clone()))]);
    add("zip-double-manifest", Pack, "EntryUnexpected", "a second manifest after the first",
        vec![rezip(|z| z.entries.insert(1, z.entries[0].clone()))]);
    add("zip-overlap", Pack, "HeaderMismatch", "a card whose entry lies inside the tensors' entry",
        vec![rezip(|z| z.entries[2].offset = Some(60))]);
    add("zip-other-name", Pack, "HeaderMismatch", "another name in the central directory than in the local header",
        vec![rezip(|z| z.entries[2].central_name = Some(b"evil.json".to_vec()))]);
    add("zip-other-length", Pack, "HeaderMismatch", "another length in the central directory than in the local header",
        vec![rezip(|z| { let e = &mut z.entries[2]; e.central = Some((e.crc, e.stored - 1, e.original - 1)); })]);
    add("zip-other-checksum", Pack, "HeaderMismatch", "another checksum in the central directory than in the local header",
        vec![rezip(|z| { let e = &mut z.entries[2]; e.central = Some((!e.crc, e.stored, e.original)); })]);
    add("zip-wrong-checksum", Pack, "ChecksumMismatch", "a checksum that is not the bytes'",
        vec![rezip(|z| z.entries[2].crc ^= 1)]);
    add("zip-parent-path", Pack, "EntryUnexpected", "a path out of the folder into which one might unpack",
        vec![rezip(|z| z.entries.push(Entry::new("../../.bashrc", b"evil")))]);
    add("zip-absolute-path", Pack, "EntryUnexpected", "a path from the root",
        vec![rezip(|z| z.entries.push(Entry::new("/etc/passwd", b"evil")))]);
    add("zip-backslash-path", Pack, "EntryUnexpected", "a path out of the folder as Windows spells it",
        vec![rezip(|z| z.entries.push(Entry::new("..\\evil.exe", b"evil")))]);
    add("zip-folder", Pack, "EntryUnexpected", "a folder",
        vec![rezip(|z| z.entries.push(Entry::new("folder/", b"")))]);
    add("zip-look-alike-name", Pack, "EntryUnexpected", "a Cyrillic o in tensors.safetensors",
        vec![rezip(|z| z.entries[1].name = "tensors.safetens\u{43e}rs".into())]);
    add("zip-upper-case-name", Pack, "NotAPack", "a name in capitals, which some file systems take for the same",
        vec![rezip(|z| z.entries[0].name = b"MANIFEST.POSTCARD".to_vec())]);
    add("zip-nul-in-name", Pack, "EntryUnexpected", "a name that ends early for programs in C",
        vec![rezip(|z| z.entries[2].name = b"card.json\0.exe".to_vec())]);
    add("zip-unicode-path", Pack, "HeaderMismatch", "another name in an extra field for Unicode paths",
        vec![rezip(|z| z.entries[2].central_extra = [&b"up\x09\x00\x01"[..], &crc32fast::hash(b"card.json").to_le_bytes(), b"evil"].concat())]);
    add("zip-local-extra", Pack, "HeaderMismatch", "an extra field in a local header, to hide bytes in",
        vec![rezip(|z| z.entries[1].extra = b"xx\x04\x00evil".to_vec())]);
    add("zip-64", Pack, "HeaderMismatch", "lengths of 64 bits in an extra field",
        vec![rezip(|z| { let e = &mut z.entries[1]; let n = u64::from(e.stored).to_le_bytes();
            e.extra = [&b"\x01\x00\x10\x00"[..], &n, &n].concat(); e.central_extra = e.extra.clone();
            (e.stored, e.original) = (u32::MAX, u32::MAX); })]);
    add("zip-64-end", Pack, "HeaderMismatch", "an end record of 64 bits that tells of another directory",
        vec![rezip(|z| z.before_end = [&b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0"[..], &[0; 40], b"PK\x06\x07", &[0; 16]].concat())]);
    add("zip-data-descriptor", Pack, "HeaderMismatch", "lengths that come only after the bytes",
        vec![rezip(|z| { let e = &mut z.entries[2]; e.flags = 8; e.central = Some((e.crc, e.stored, e.original));
            e.after = [&b"PK\x07\x08"[..], &e.crc.to_le_bytes(), &e.stored.to_le_bytes(), &e.original.to_le_bytes()].concat();
            (e.crc, e.stored, e.original) = (0, 0, 0); })]);
    add("zip-deflate-bomb", Pack, "HeaderMismatch", "a few compressed bytes that claim to be 4 GiB",
        vec![rezip(|z| { let e = &mut z.entries[1]; e.method = 8; e.data = vec![0xec, 0xc1, 0x01, 0x01, 0, 0, 0, 0x80];
            e.stored = 8; e.original = u32::MAX; })]);
    add("zip-stored-bomb", Pack, "LimitExceeded", "an entry that claims to be 4 GiB",
        vec![rezip(|z| { let e = &mut z.entries[1]; (e.stored, e.original) = (u32::MAX, u32::MAX); })]);
    add("zip-long-manifest", Pack, "LimitExceeded", "a manifest that claims to be 16 MiB",
        vec![rezip(|z| { let e = &mut z.entries[0]; (e.stored, e.original) = (1 << 24, 1 << 24); })]);
    add("zip-long-name", Pack, "Truncated", "a name that claims to be longer than the file",
        vec![rezip(|z| z.entries[1].name_len = Some(u16::MAX))]);
    add("zip-encrypted", Pack, "HeaderMismatch", "the flag for encryption",
        vec![rezip(|z| z.entries[2].flags = 1)]);
    add("zip-utf8-flag", Pack, "HeaderMismatch", "the flag that says how a name is to be read",
        vec![rezip(|z| z.entries[2].flags = 1 << 11)]);
    add("zip-entry-comment", Pack, "HeaderMismatch", "a comment on an entry, to hide bytes in",
        vec![rezip(|z| z.entries[2].comment = b"evil".to_vec())]);
    add("zip-comment", Pack, "HeaderMismatch", "a comment on the archive, to hide bytes in",
        vec![rezip(|z| z.comment = b"evil".to_vec())]);
    add("zip-comment-archive", Pack, "HeaderMismatch", "a second archive in the comment on the first",
        vec![rezip(|z| z.comment = Zip::default().bytes())]);
    add("zip-symbolic-link", Pack, "HeaderMismatch", "attributes that make a symbolic link of an entry",
        vec![rezip(|z| z.entries[2].attributes = 0o120_777 << 16)]);
    add("zip-other-disk", Pack, "HeaderMismatch", "an entry on another disk",
        vec![rezip(|z| z.entries[2].disk = 1)]);
    add("zip-prefix", Pack, "NotAPack", "a program before the archive, which unzip skips",
        vec![rezip(|z| z.prefix = b"#!/bin/sh\necho evil\nexit\n".to_vec())]);
    add("zip-png-prefix", Pack, "NotAPack", "a file that is a picture and an archive",
        vec![rezip(|z| z.prefix = PNG.to_vec())]);
    add("zip-trailing", Pack, "TrailingBytes", "bytes after the archive",
        vec![[tailor(), b"evil".to_vec()].concat()]);
    add("zip-two-archives", Pack, "TrailingBytes", "two archives in one file: unzip reads the last, others the first",
        vec![[tailor(), tailor()].concat()]);
    add("zip-gap", Pack, "HeaderMismatch", "bytes between two entries that belong to neither",
        vec![rezip(|z| z.entries[1].after = b"evil".to_vec())]);
    add("zip-gap-before-end", Pack, "HeaderMismatch", "bytes between the directory and the end record",
        vec![rezip(|z| z.before_end = b"evil".to_vec())]);
    add("zip-count", Pack, "HeaderMismatch", "an end record that counts one entry less than there are",
        vec![rezip(|z| z.count = Some(3))]);
    add("zip-no-directory", Pack, "Truncated", "local headers alone, which repairing programs read",
        vec![rezip(|z| z.headless = true)]);
    add("zip-truncated", Pack, "Truncated", "the first half of a pack",
        vec![tailor()[..tailor().len() / 2].to_vec()]);
    add("zip-empty", Pack, "NotAPack", "an archive of nothing", vec![Zip::default().bytes()]);
    add("zip-order", Pack, "EntryUnexpected", "the entries in another order",
        vec![rezip(|z| z.entries.swap(1, 2))]);
    add("zip-no-tensors", Pack, "EntryMissing", "a pack without tensors",
        vec![rezip(|z| drop(z.entries.drain(1..)))]);
    add("zip-smuggled-preview", Pack, "EntryUnexpected", "a preview that the manifest does not name", vec![{
        let mut forge = Forge::of(&learngene());
        forge.preview = Some(PNG.to_vec());
        forge.bytes()
    }]);

    // The manifest.
    let small = Forge::of(&tailor());
    let good = small.manifest.to_bytes().unwrap();
    let model = good.windows(5).position(|w| w == b"\x04test").unwrap();
    add("manifest-text-bomb", Pack, "ManifestInvalid", "a text that claims to be 4 GiB",
        vec![small.with_manifest(&[&good[..model], b"\xff\xff\xff\xff\x0f", &good[model + 1..]].concat())]);
    let list = good.windows(20).position(|w| w.starts_with(b"\x03\x13tensors.safetensor")).unwrap();
    add("manifest-list-bomb", Pack, "ManifestInvalid", "a list that claims 4 billion entries",
        vec![small.with_manifest(&[&good[..list], b"\xff\xff\xff\xff\x0f", &good[list + 1..]].concat())]);
    add("manifest-long-number", Pack, "ManifestInvalid", "the version in two bytes where one is enough",
        vec![small.with_manifest(&[b"\x81\x00", &good[1..]].concat())]);
    add("manifest-endless-number", Pack, "ManifestInvalid", "a number that does not end",
        vec![small.with_manifest(&[0xff; 64])]);
    add("manifest-trailing", Pack, "ManifestInvalid", "bytes after the manifest's end",
        vec![small.with_manifest(&[&good[..], b"evil"].concat())]);
    add("manifest-empty", Pack, "ManifestInvalid", "a manifest of no bytes", vec![small.with_manifest(b"")]);
    add("manifest-newer", Pack, "VersionTooNew", "a version that is still to come",
        vec![small.with_manifest(&[b"\x09", &good[1..]].concat())]);
    add("manifest-version-0", Pack, "ManifestInvalid", "a version that never was", vec![manifest(|m| m.format = 0)]);
    add("manifest-wrong-digest", Pack, "DigestMismatch", "a card that was exchanged, with its checksum", vec![{
        let mut forge = small.clone();
        forge.card = String::from_utf8(forge.card).unwrap().replace("CC0-1.0", "MIT-0.1").into_bytes();
        forge.with_manifest(&good)
    }]);
    add("manifest-wrong-length", Pack, "ManifestInvalid", "a length of the card that is not the card's",
        vec![{ let mut m = small.manifest.clone(); m.entries[1].len += 1; small.with_manifest(&spell(&m)) }]);
    add("manifest-foreign-entry", Pack, "ManifestInvalid", "an entry of another name",
        vec![manifest(|m| m.entries[2].name = "../evil".into())]);
    add("manifest-no-heads", Pack, "Config", "a model without heads, to divide by", vec![manifest(|m| m.config.heads = 0)]);
    add("manifest-huge-model", Pack, "LimitExceeded", "a config of billions of parameters in a small file", vec![manifest(|m| {
        let c = &mut m.config;
        (c.width, c.heads, c.depth, c.tailor_components) = (4096, 1, 64, 1024);
        c.factored = FactoredSet::all_fused();
    })]);
    add("manifest-look-alike-id", Pack, "ManifestInvalid", "a Cyrillic a for the class id",
        vec![manifest(|m| class_of(m).id = "\u{430}".into())]);
    add("manifest-path-id", Pack, "ManifestInvalid", "a class id that is a path",
        vec![manifest(|m| class_of(m).id = "../a".into())]);
    add("manifest-turned-name", Pack, "ManifestInvalid", "a class name that is shown from right to left",
        vec![manifest(|m| class_of(m).name = "\u{202e}evil".into())]);
    add("manifest-invisible-name", Pack, "ManifestInvalid", "a class name with an invisible character, to look like another",
        vec![manifest(|m| class_of(m).name = "A\u{200b}".into())]);
    add("manifest-control-name", Pack, "ManifestInvalid", "a class name that clears a terminal",
        vec![manifest(|m| class_of(m).name = "A\u{1b}[2J".into())]);

    // Extensions and further entries, of format 2.
    let base = learngene();
    let extended = |extensions: &[Named<'_>]| vec![grow(&base, extensions, &[])];
    add("control-format-2", Pack, "", "nothing: it must be accepted", vec![grown_tailor()]);
    add("extension-required", Pack, "RequiredUnknown", "a codec without which the images cannot be shown", extended(&[("codec", true, &[7; 32])]));
    add("extension-none", Pack, "ManifestInvalid", "format 2 for what can be said in format 1", extended(&[]));
    add("extension-order", Pack, "ManifestInvalid", "extensions in another order", extended(&[("b", false, b""), ("a", false, b"")]));
    add("extension-twice", Pack, "ManifestInvalid", "two extensions of one name, of which programs read different ones", extended(&[("a", false, b"1"), ("a", false, b"2")]));
    add("extension-known-twice", Pack, "ManifestInvalid", "an activation that is said twice", extended(&[("tanh-gelu", true, b""), ("tanh-gelu", true, b"")]));
    add("extension-known-optional", Pack, "ManifestInvalid", "an activation that others may pass over, and so make other images", extended(&[("tanh-gelu", false, b"")]));
    add("extension-known-value", Pack, "ManifestInvalid", "bytes hidden in an extension that has none", extended(&[("tanh-gelu", true, b"evil")]));
    add("extension-contradiction", Pack, "Config", "separate attention in a model whose attention is factored", vec![grow(&write_learngene_of(&crate::support::config(), None), &[("separate-attention", true, b"")], &[])]);
    let many: Vec<String> = (0..33).map(|n| format!("a{n:02}")).collect();
    add("extension-many", Pack, "ManifestInvalid", "more extensions than there may be", extended(&many.iter().map(|name| (name.as_str(), false, &b""[..])).collect::<Vec<_>>()));
    add("extension-long", Pack, "LimitExceeded", "an extension longer than it may be", extended(&[("a", false, &[0; 4097])]));
    add("extension-path", Pack, "ManifestInvalid", "an extension whose name is a path", extended(&[("../a", false, b"")]));
    add("extension-look-alike", Pack, "ManifestInvalid", "a Cyrillic a in tanh-gelu", extended(&[("t\u{430}nh-gelu", false, b"")]));
    add("extension-long-name", Pack, "ManifestInvalid", "a name of a kilobyte", extended(&[(&"a".repeat(1024), false, b"")]));
    let one = spell_2(&Forge::of(&base).manifest, &[], &[("a", false, b"value")]);
    let value = one.windows(6).position(|w| w == b"\x05value").unwrap();
    let cut = |at: usize, bytes: &[u8]| vec![Forge::of(&base).with_manifest(&[&one[..at], bytes, &one[at + 1..]].concat())];
    add("extension-bomb", Pack, "ManifestInvalid", "an extension that claims to be 4 GiB", cut(value, b"\xff\xff\xff\xff\x0f"));
    add("extension-shorter", Pack, "ManifestInvalid", "an extension one byte shorter than it is", cut(value, b"\x04"));
    add("extension-list-bomb", Pack, "ManifestInvalid", "a list that claims 4 billion extensions", cut(value - 4, b"\xff\xff\xff\xff\x0f"));
    add("extension-flag", Pack, "ManifestInvalid", "an extension that is neither required nor optional", cut(value - 1, b"\x02"));
    let tensors = config().learngene_tensors();
    let usual: Vec<u8> = std::iter::once(tensors.len() as u8).chain(tensors.iter().map(|t| u8::from(t.shape.len() > 1))).collect();
    let types = |change: &dyn Fn(&mut Vec<u8>)| { let mut t = usual.clone(); change(&mut t); extended(&[("tensor-types", true, &t)]) };
    add("types-usual", Pack, "ManifestInvalid", "number formats that are as usual", types(&|_| ()));
    add("types-fewer", Pack, "ManifestInvalid", "a number format less than there are tensors", types(&|t| { t[0] -= 1; t.pop(); }));
    add("types-vector", Pack, "ManifestInvalid", "a vector in int8", types(&|t| t[2] = 2));
    add("types-unknown", Pack, "ManifestInvalid", "a number format that there is not", types(&|t| t[1] = 3));
    add("types-other", Pack, "TensorDtype", "other number formats than the tensors have", types(&|t| t[1] = 0));
    add("types-trailing", Pack, "ManifestInvalid", "bytes after the number formats", types(&|t| t.push(0)));
    let (a, b): (Named<'_>, Named<'_>) = (("a.bin", false, b"a"), ("b.bin", false, b"b"));
    add("entry-required", Pack, "RequiredUnknown", "an entry without which the pack is of no use", vec![further(&[("codec.bin", true, b"")], &[("codec.bin", true, b"")])]);
    add("entry-order", Pack, "EntryUnexpected", "further entries in another order", vec![further(&[b, a], &[b, a])]);
    add("entry-other-order", Pack, "ManifestInvalid", "further entries in another order in the manifest", vec![further(&[b, a], &[a, b])]);
    add("entry-twice", Pack, "EntryUnexpected", "two further entries of one name", vec![further(&[a, a], &[a, a])]);
    add("entry-missing", Pack, "EntryMissing", "a further entry that is not there", vec![further(&[a, b], &[a])]);
    add("entry-smuggled", Pack, "EntryUnexpected", "a further entry that the manifest does not name", vec![further(&[a], &[a, b])]);
    add("entry-old-manifest", Pack, "EntryUnexpected", "a further entry beside a manifest of format 1", vec![rezip(|z| z.entries.push(Entry::new("a.bin", b"a")))]);
    add("entry-before-card", Pack, "EntryUnexpected", "a further entry before the card", vec![rezip(|z| z.entries.insert(2, Entry::new("a.bin", b"a")))]);
    let many: Vec<Named<'_>> = many[..17].iter().map(|name| (name.as_str(), false, &b""[..])).collect();
    add("entry-many", Pack, "LimitExceeded", "more further entries than there may be", vec![further(&many, &many)]);
    add("entry-long", Pack, "LimitExceeded", "a further entry that claims to be 17 MiB", vec![rezip(|z| { let mut e = Entry::new("a.bin", b"a"); (e.stored, e.original) = (17 << 20, 17 << 20); z.entries.push(e); })]);
    add("entry-long-manifest", Pack, "LimitExceeded", "a manifest that names a further entry of exabytes", vec![grow_as(&Forge::of(&base), &[(false, tailor_packs::Entry { len: u64::MAX, ..describe("a.bin", b"a") })], &[], &[a])]);
    add("entry-wrong-length", Pack, "ManifestInvalid", "a length that is not the further entry's", vec![grow_as(&Forge::of(&base), &[(false, tailor_packs::Entry { len: 2, ..describe("a.bin", b"a") })], &[], &[a])]);
    add("entry-wrong-digest", Pack, "DigestMismatch", "a further entry that was exchanged, with its checksum", vec![further(&[a], &[("a.bin", false, b"x")])]);
    add("entry-parent-path", Pack, "EntryUnexpected", "a further entry outside the folder into which one might unpack", vec![further(&[("../evil", false, b"")], &[("../evil", false, b"")])]);
    add("entry-hidden", Pack, "EntryUnexpected", "a further entry that folders do not show", vec![further(&[(".bashrc", false, b"")], &[(".bashrc", false, b"")])]);
    add("entry-upper-case", Pack, "EntryUnexpected", "a name that some file systems take for the card's", vec![further(&[("Card.json", false, b"{}")], &[("Card.json", false, b"{}")])]);
    add("entry-fixed-name", Pack, "EntryUnexpected", "a second card among the further entries", vec![further(&[("card.json", false, b"{}")], &[("card.json", false, b"{}")])]);
    add("entry-named-card", Pack, "ManifestInvalid", "a manifest that names the card among the further entries", vec![further(&[("card.json", false, b"{}")], &[])]);
    let scale = |value: f32| vec![int8(|t, at| t[at + 4..at + 8].copy_from_slice(&value.to_le_bytes()))];
    add("int8-nan-scale", Pack, "TensorNotFinite", "one NaN among the scales", scale(f32::NAN));
    add("int8-infinite-scale", Pack, "TensorNotFinite", "one infinity among the scales", scale(f32::INFINITY));
    add("int8-negative-scale", Pack, "EntryInvalid", "a scale below zero, a second spelling", scale(-0.5));
    add("int8-negative-zero", Pack, "EntryInvalid", "a scale of minus zero, a second spelling", scale(-0.0));
    add("int8-zero-scale", Pack, "EntryInvalid", "numbers under a scale of zero", scale(0.0));
    add("int8-huge-scale", Pack, "EntryInvalid", "a scale whose products are infinite", scale(f32::from_bits(0x7f7f_ff80)));
    add("int8-fine-scale", Pack, "EntryInvalid", "a scale of 24 bits, whose products are rounded", scale(f32::from_bits(0.5f32.to_bits() + 1)));
    add("int8-minus-128", Pack, "EntryInvalid", "a number that no writer writes", vec![int8(|t, _| *t.last_mut().unwrap() = 0x80)]);
    add("int8-not-full", Pack, "EntryInvalid", "numbers that could be larger under a smaller scale", vec![int8(|t, _| { let end = t.len(); for b in &mut t[end - 8..] { *b = 1; } })]);

    // Tensors, card, preview.
    add("tensors-overlap", Pack, "EntryInvalid", "two tensors in the same bytes",
        vec![header(|h| h.replacen("[4,20]", "[0,16]", 1))]);
    add("tensors-hole", Pack, "EntryInvalid", "bytes between two tensors that belong to neither",
        vec![header(|h| h.replacen("[4,20]", "[8,24]", 1))]);
    add("tensors-dtype", Pack, "TensorDtype", "vectors in another number format of the same size",
        vec![header(|h| h.replacen("F32", "I32", 1))]);
    add("tensors-shape", Pack, "TensorShape", "a shape that is not the config's", vec![header(|h| h.replacen("[4]", "[2,2]", 1))]);
    add("tensors-huge-shape", Pack, "TensorShape", "a shape whose product does not fit a number",
        vec![header(|h| h.replacen("[4]", "[4294967295,4294967295,4294967295]", 1))]);
    add("tensors-missing", Pack, "TensorMissing", "one tensor less than the config's",
        vec![header(|h| { let at = h.rfind(",\"blocks").unwrap(); format!("{}}}", &h[..at]) })]);
    add("tensors-more", Pack, "TensorUnexpected", "one tensor more than the config's",
        vec![header(|h| h.replacen('{', "{\"evil\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},", 1))]);
    add("tensors-double", Pack, "TensorUnexpected", "one tensor twice, of which libraries take different ones",
        vec![header(|h| { let end = h.find('}').unwrap(); format!("{},{}", &h[..=end], &h[1..]) })]);
    add("tensors-metadata", Pack, "TensorUnexpected", "metadata, to hide bytes in",
        vec![header(|h| h.replacen('{', "{\"__metadata__\":{\"evil\":\"x\"},", 1))]);
    add("tensors-header-bomb", Pack, "LimitExceeded", "a header that claims more bytes than there are numbers",
        vec![forge(|f| f.tensors[..8].fill(0xff))]);
    add("tensors-header-beyond", Pack, "Truncated", "a header longer than the entry",
        vec![forge(|f| f.tensors[..8].copy_from_slice(&200_000u64.to_le_bytes()))]);
    add("tensors-nested", Pack, "EntryInvalid", "a header of ten thousand brackets, to exhaust the stack",
        vec![header(|h| h.replacen("[4]", &"[".repeat(10_000), 1))]);
    add("tensors-spelling", Pack, "EntryInvalid", "the same header in another spelling",
        vec![header(|h| h.replacen("\"label\"", "\"\\u006cabel\"", 1))]);
    add("tensors-trailing", Pack, "TrailingBytes", "bytes after the last tensor", vec![forge(|f| f.tensors.extend(b"evil"))]);
    add("tensors-truncated", Pack, "Truncated", "less bytes than the tensors have", vec![forge(|f| f.tensors.truncate(f.tensors.len() - 1))]);
    add("tensors-nan", Pack, "TensorNotFinite", "one NaN, which turns every image black",
        vec![forge(|f| { let end = f.tensors.len(); f.tensors[end - 2..].copy_from_slice(&[1, 0x7e]); })]);
    add("tensors-infinity", Pack, "TensorNotFinite", "one infinity among the vectors",
        vec![forge(|f| { let at = 8 + u64::from_le_bytes(f.tensors[..8].try_into().unwrap()) as usize;
            f.tensors[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes()); })]);
    add("card-values", Pack, "LimitExceeded", "a card of thousands of values, each of which takes memory",
        vec![forge(|f| f.card = format!("{{\"x\":[{}0]}}", "0,".repeat(2048)).into_bytes())]);
    add("card-nested", Pack, "EntryInvalid", "a card of thousands of brackets, to exhaust the stack",
        vec![forge(|f| f.card = "[".repeat(5000).into_bytes())]);
    add("card-double-key", Pack, "EntryInvalid", "a licence that stands there twice",
        vec![forge(|f| { let card = String::from_utf8(f.card.clone()).unwrap();
            f.card = card.replacen('{', "{\"licence\": \"MIT\",", 1).into_bytes(); })]);
    add("preview-script", Pack, "EntryInvalid", "a web page in place of the picture",
        vec![forge(|f| f.preview = Some(b"<script>evil()</script>".to_vec()))]);

    // A pack in the wrong place.
    add("tailor-other-learngene", Tailor, "WrongLearngene", "a tailor of another learngene of the same sizes",
        vec![tailor_for(Digest::of(b"another"))]);
    add("tailor-is-learngene", Tailor, "WrongKind", "a learngene in place of a tailor", vec![learngene()]);
    add("tailor-other-config", Tailor, "ManifestInvalid", "a tailor with the right learngene and other sizes",
        vec![tailor_of(&ModelConfig { learngene_components: 3, ..config() }, Digest::of(&learngene()), &class())]);
    add("class-other-pack", Class, "IndexInvalid", "the pack of another class under this one's id", class_files(|index, pack| {
        *pack = tailor_of(&config(), Digest::of(&learngene()), &tailor_packs::Class { id: "b".into(), ..class() });
        index.classes[0].file = FileEntry::of("a-1.tailor", pack);
    }));
    add("class-old-pack", Class, "DigestMismatch", "the index of one version with a pack of another", class_files(|_, pack| {
        let mut forge = Forge::of(pack);
        forge.manifest.steps = 7;
        *pack = forge.bytes();
    }));
    add("class-new-learngene", Class, "WrongLearngene", "the learngene of one version with packs of another, all vouched for",
        class_files(|index, _| index.learngene = FileEntry::of("l-2.learngene", &write_learngene_of(&config(), Some(PNG)))));
    add("class-longer-pack", Class, "TrailingBytes", "a pack with bytes after it", class_files(|_, pack| pack.push(0)));
    add("class-wrong-size", Class, "Truncated", "an index that counts on a byte more", class_files(|index, _| index.classes[0].file.size += 1));

    // The index.
    add("index-double-key", Index, "IndexInvalid", "a version that stands there twice", vec![text("\"version\": 3", "\"version\": 3, \"version\": 2")]);
    add("index-double-class", Index, "IndexInvalid", "one class twice", vec![json(|j| { let c = j["classes"][0].clone(); j["classes"].as_array_mut().unwrap().push(c); })]);
    add("index-double-file", Index, "IndexInvalid", "one file name for two files", vec![json(|j| j["classes"][0]["file"]["path"] = j["learngene"]["path"].clone())]);
    add("index-unknown-key", Index, "IndexInvalid", "a key that nobody knows", vec![json(|j| j["evil"] = 1.into())]);
    add("index-newer", Index, "VersionTooNew", "a format that is still to come", vec![json(|j| j["format"] = 9.into())]);
    add("index-format-0", Index, "IndexInvalid", "a format that never was", vec![json(|j| j["format"] = 0.into())]);
    add("index-format-1-keys", Index, "IndexInvalid", "keys in a format that has none", vec![json(|j| { j["format"] = 1.into(); j["next_key"] = publisher().public().to_string().into(); })]);
    add("index-parent-path", Index, "IndexInvalid", "a file outside the gallery", vec![json(|j| j["learngene"]["path"] = "../evil.learngene".into())]);
    add("index-url-path", Index, "IndexInvalid", "a file on another server", vec![json(|j| j["learngene"]["path"] = "https://example.org/evil".into())]);
    add("index-encoded-path", Index, "IndexInvalid", "a path out of the gallery in percent signs", vec![json(|j| j["learngene"]["path"] = "..%2fevil".into())]);
    add("index-own-path", Index, "IndexInvalid", "the index itself as a pack", vec![json(|j| j["learngene"]["path"] = "index.json".into())]);
    add("index-look-alike-id", Index, "IndexInvalid", "a Cyrillic a for a class id", vec![json(|j| j["classes"][0]["id"] = "\u{430}".into())]);
    add("index-turned-name", Index, "IndexInvalid", "a class name that is shown from right to left", vec![json(|j| j["classes"][0]["name"] = "A\u{202e}".into())]);
    add("index-invisible-title", Index, "IndexInvalid", "a title with an invisible character", vec![json(|j| j["title"] = "Te\u{2060}st".into())]);
    add("index-huge-size", Index, "IndexInvalid", "a file of exabytes", vec![json(|j| j["learngene"]["size"] = u64::MAX.into())]);
    add("index-size-0", Index, "IndexInvalid", "a file of no bytes", vec![json(|j| j["learngene"]["size"] = 0.into())]);
    add("index-negative-size", Index, "IndexInvalid", "a file of less than no bytes", vec![json(|j| j["learngene"]["size"] = (-1).into())]);
    add("index-chunks", Index, "IndexInvalid", "more chunk digests than chunks", vec![json(|j| j["learngene"]["chunks"] = serde_json::json!([Digest::of(b"a"), Digest::of(b"b")]))]);
    add("index-other-chunk", Index, "IndexInvalid", "a file's only chunk with another digest than the file", vec![json(|j| j["learngene"]["chunks"] = serde_json::json!([Digest::of(b"a")]))]);
    add("index-upper-digest", Index, "IndexInvalid", "a digest in capitals, a second spelling", vec![json(|j| { let d = j["learngene"]["sha256"].as_str().unwrap().to_uppercase(); j["learngene"]["sha256"] = d.into(); })]);
    add("index-counts", Index, "IndexInvalid", "parameter counts that are not the config's", vec![json(|j| j["parameters"]["learngene"] = 1.into())]);
    add("index-huge-model", Index, "Config", "a config that no device could hold", vec![json(|j| j["config"]["width"] = 4_000_000_000u32.into())]);
    add("index-infinite-guidance", Index, "IndexInvalid", "a number larger than any", vec![text("\"guidance\": 1.5", "\"guidance\": 1e999")]);
    add("index-nested", Index, "IndexInvalid", "thousands of brackets, to exhaust the stack", vec!["[".repeat(5000).into_bytes()]);
    add("index-mark", Index, "IndexInvalid", "a byte order mark before the text", vec![[b"\xef\xbb\xbf", &index().to_json().unwrap()[..]].concat()]);
    add("index-trailing", Index, "IndexInvalid", "a second index after the first", vec![[index().to_json().unwrap(), index().to_json().unwrap()].concat()]);
    add("index-not-utf8", Index, "IndexInvalid", "bytes that are no text", vec![text("\"Test\"", "\"T?st\"").iter().map(|b| if *b == b'?' { 0xff } else { *b }).collect()]);
    add("index-format-2-gelu", Index, "IndexInvalid", "an activation in a format that cannot say it", vec![json(|j| j["config"]["gelu"] = "tanh".into())]);
    add("index-usual-gelu", Index, "IndexInvalid", "an activation that is as usual, a second spelling", vec![json(|j| { j["format"] = 3.into(); j["config"]["gelu"] = "exact".into(); })]);
    add("index-unknown-gelu", Index, "IndexInvalid", "an activation that there is not", vec![json(|j| { j["format"] = 3.into(); j["config"]["gelu"] = "swish".into(); })]);
    add("index-weak-key", Index, "IndexInvalid", "a key under which any signature is right", vec![json(|j| j["key"] = weak_key().into())]);
    add("index-shards-alone", Index, "IndexInvalid", "shards without the file of names", vec![json(|j| j["shards"] = serde_json::json!([index().learngene]))]);
    add("shard-double-class", Shard, "IndexInvalid", "one class twice in a shard", shard(|c| c.push(c[1].clone())));
    add("shard-shadow", Shard, "IndexInvalid", "a class in a shard that the index has already", shard(|c| c[0].id = "a".into()));
    add("shard-path", Shard, "IndexInvalid", "a file outside the gallery, by way of a shard", shard(|c| c[0].file.path = "../evil".into()));
    add("shard-exchanged", Shard, "DigestMismatch", "another shard than the index names", { let mut f = shard(|_| ()); let at = f[1].len() / 2; f[1][at] ^= 1; f });

    // Signatures and trust.
    let (json4, id) = (signed_index(4).to_json().unwrap(), publisher().id);
    let hash = |json: &[u8]| -> [u8; 64] { Blake2b512::digest(json).into() };
    add("signature-missing", Visitor, "SignatureMissing", "a signed gallery without its signature", vec![json4.clone()]);
    add("signature-other-index", Visitor, "SignatureInvalid", "the right signature of another version", { let mut f = signed(|i| i.version = 5); f[0] = json4.clone(); f });
    add("signature-other-key", Visitor, "WrongKey", "a stranger's signature", vec![json4.clone(), another_publisher().sign(&json4)]);
    add("signature-same-id", Visitor, "SignatureInvalid", "a stranger's key that has the publisher's id",
        vec![json4.clone(), Publisher { id, ..another_publisher() }.sign(&json4)]);
    add("signature-order", Visitor, "SignatureInvalid", "S + L in place of S, with a comment signed for it", minisig_parts(|json| {
        let first = add_order(both(&hash(json)).0);
        (*b"ED", id, first, publisher().key.sign(&[&first[..], b"version 4"].concat()).to_bytes())
    }));
    add("signature-order-comment", Visitor, "SignatureInvalid", "S + L in place of S in the second signature", minisig_parts(|json| {
        let (first, last) = both(&hash(json));
        (*b"ED", id, first, add_order(last))
    }));
    add("signature-small-r", Visitor, "SignatureInvalid", "a point R of small order, right by the equation", minisig_parts(|json| {
        let first = small_order_r(&hash(json));
        (*b"ED", id, first, publisher().key.sign(&[&first[..], b"version 4"].concat()).to_bytes())
    }));
    add("signature-legacy", Visitor, "SignatureInvalid", "the older kind, over the bytes themselves", minisig_parts(|json| {
        let (first, last) = both(json);
        (*b"Ed", id, first, last)
    }));
    add("signature-legacy-as-new", Visitor, "SignatureInvalid", "the older kind under the name of the newer", minisig_parts(|json| {
        let (first, last) = both(json);
        (*b"ED", id, first, last)
    }));
    add("signature-new-as-legacy", Visitor, "SignatureInvalid", "the newer kind under the name of the older", minisig_parts(|json| {
        let (first, last) = both(&hash(json));
        (*b"Ed", id, first, last)
    }));
    add("signature-zero", Visitor, "SignatureInvalid", "zeros", minisig_parts(|_| (*b"ED", id, [0; 64], [0; 64])));
    add("signature-untrusted-comment", Visitor, "SignatureInvalid", "another first line, which nobody signed",
        minisig_text(|t| t.replacen(signature::COMMENTS[0], "call this number to renew your key", 1)));
    add("signature-trusted-comment", Visitor, "SignatureInvalid", "another trusted comment",
        minisig_text(|t| t.replacen("version 3", "version 9", 1)));
    add("signature-blank-comment", Visitor, "SignatureInvalid", "a blank after the trusted comment, which programs cut off",
        minisig_text(|t| t.replacen("version 3", "version 3 ", 1)));
    add("signature-crlf", Visitor, "SignatureInvalid", "line ends as Windows writes them", minisig_text(|t| t.replace('\n', "\r\n")));
    add("signature-no-end", Visitor, "SignatureInvalid", "the last line without its end", minisig_text(|t| t.trim_end().to_owned()));
    add("signature-more", Visitor, "SignatureInvalid", "a line more", minisig_text(|t| t + "evil\n"));
    add("signature-spare-bits", Visitor, "SignatureInvalid", "base64 in a second spelling of the same bytes",
        minisig_text(|t| { let at = t.find("=\n").unwrap() - 1; let mut t = t.into_bytes(); t[at] += 1; String::from_utf8(t).unwrap() }));
    add("signature-no-padding", Visitor, "SignatureInvalid", "base64 without its padding", minisig_text(|t| t.replacen("=\n", "\n", 1)));
    add("signature-long", Visitor, "LimitExceeded", "a trusted comment of many kilobytes",
        { let json = json4.clone(); let s = publisher().sign_as(&json, signature::COMMENTS[0], &"x".repeat(5000)); vec![json, s] });
    add("trust-rollback", Visitor, "IndexRolledBack", "an older version with its right signature", signed(|i| i.version = 2));
    add("trust-expired", Visitor, "IndexExpired", "a version that its publisher no longer vouches for", signed(|i| i.expires = Some(1_800_000_000)));
    add("trust-replaced", Visitor, "IndexReplaced", "two indexes of one version, both signed", signed(|i| { i.version = 3; i.title = "Twin".into(); }));
    add("trust-other-gallery", Visitor, "OtherGallery", "another gallery of the same publisher", signed(|i| i.id = "other".into()));
    add("trust-unnamed-key", Visitor, "WrongKey", "a new key that the present one never named",
        { let json = tailor_packs::Index { version: 4, key: Some(another_publisher().public()), ..index() }.to_json().unwrap();
          let s = another_publisher().sign(&json); vec![json, s] });
    add("trust-unsigned", Visitor, "SignatureMissing", "an unsigned gallery in place of the signed one",
        vec![tailor_packs::Index { version: 9, ..index() }.to_json().unwrap()]);
    add("trust-named-another", Visitor, "IndexInvalid", "an index that names another key than the one that signs it", signed(|i| i.key = Some(another_publisher().public())));
    add("stranger-unnamed-key", Stranger, "KeyUnknown", "a signed gallery that does not say by whom", signed(|i| i.key = None));
    add("stranger-other-key", Stranger, "WrongKey", "somebody else's key in the index, to borrow a good name", {
        let json = json4.clone(); let s = another_publisher().sign(&json); vec![json, s] });
    add("stranger-same-id", Stranger, "SignatureInvalid", "somebody else's key in the index, and their id in the signature", {
        let json = json4.clone(); let s = Publisher { id, ..another_publisher() }.sign(&json); vec![json, s] });
    add("key-small-order", Key, "NotAKey", "a key under which any signature is right", vec![weak_key().into_bytes()]);
    add("key-zero", Key, "NotAKey", "zeros, a point of small order", vec![key_line(b"Ed", b"zerozero", &[0; 32]).into_bytes()]);
    add("key-second-spelling", Key, "NotAKey", "a point in a second spelling, y + p", vec![key_line(b"Ed", b"spelling", &{
        let mut y = [0xff; 32]; (y[0], y[31]) = (0xf0, 0x7f); y }).into_bytes()]);
    add("key-spare-bits", Key, "NotAKey", "a secret key's beginning in place of a public key", vec![STANDARD.encode([b"EdScB2".as_slice(), &[7; 36]].concat()).into_bytes()]);
    add("key-other-kind", Key, "NotAKey", "a key of another kind", vec![key_line(b"RS", b"otherone", another_publisher().key.verifying_key().as_bytes()).into_bytes()]);
    all
}
