//! Altered packs and galleries by the thousand. The same code runs as a test and, by `examples/torture.rs`,
//! in a browser, so it panics where something is wrong and needs nothing but this crate.
#![allow(dead_code, unreachable_pub)]

use crate::support::*;
use tailor_packs::archive::TENSORS;
use tailor_packs::*;

/// A small generator (SplitMix64), so that the same mutants are tried each time.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// `bytes` with one to four changes: bits flipped, bytes and integers replaced, pieces cut out, put in,
    /// doubled and swapped.
    pub fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(out.len());
            let end = at + self.below(9).min(out.len() - at);
            match self.below(8) {
                0 if at < out.len() => out[at] ^= 1 << self.below(8),
                1 if at < out.len() => out[at] = self.next() as u8,
                2 | 3 => {
                    let values = [0, 1, u64::MAX - 1, u64::MAX, 1 << 31, self.next()];
                    let value = values[self.below(values.len())].to_le_bytes();
                    let width = end - at;
                    out[at..end].copy_from_slice(&value[..width]);
                }
                4 => drop(out.drain(at..end)),
                5 => {
                    let piece = out[at..end].to_vec();
                    out.splice(at..at, piece);
                }
                6 => {
                    let from = self.below(bytes.len());
                    let piece = bytes[from..(from + 16).min(bytes.len())].to_vec();
                    out.splice(at..end, piece);
                }
                _ => out.truncate(at.max(out.len() / 2)),
            }
        }
        out
    }
}

/// Whether a pack is refused; one that is the original is read.
fn pack_is_refused(bytes: &[u8], original: &[u8]) -> bool {
    let refused = read_any(bytes).is_err();
    assert_eq!(refused, bytes != original, "an altered pack was read, or the original was not");
    refused
}

/// What was tried, and how much of it was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub tried: u64,
    pub refused: u64,
}

impl Tally {
    pub fn count(&mut self, refused: bool) {
        self.tried += 1;
        self.refused += u64::from(refused);
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { tried: self.tried + other.tried, refused: self.refused + other.refused }
    }
}

/// Everything systematic of tiny packs and a tiny gallery.
pub fn systematic() -> Tally {
    let packs = [tailor(), learngene(), grown_tailor()];
    packs.iter().fold(every_extreme_inside(), |tally, pack| tally + every_change_of_a_pack(pack, 1))
}

/// Random mutants of the same, outside and inside in equal parts.
pub fn random(seed: u64, count: u64) -> Tally {
    let half = count / 2;
    random_packs(&tailor(), seed, half) + random_insides(seed + 1, count - half)
}

/// Random mutants of this pack as it lies on a server: all are refused.
pub fn random_packs(pack: &[u8], seed: u64, count: u64) -> Tally {
    let (mut random, mut tally) = (Random(seed), Tally::default());
    for _ in 0..count {
        tally.count(pack_is_refused(&random.mutate(pack), pack));
    }
    tally
}

/// Random mutants of manifest, tensors' header, card and index under right checksums, digests and
/// signatures, and of signatures: whatever is read is in its one spelling.
pub fn random_insides(seed: u64, count: u64) -> Tally {
    let (mut random, mut tally) = (Random(seed), Tally::default());
    let both = [tailor(), grown_tailor()].map(|pack| Forge::of(&pack));
    let (json, publisher) = (index().to_json().unwrap(), publisher());
    let (key, minisig) = (publisher.public(), publisher.sign(&json));
    for n in 0..count {
        let good = &both[(n / 5 % 2) as usize];
        match n % 5 {
            0 => tally.count(manifest_is_refused(good, &random.mutate(&good.manifest.to_bytes().unwrap()))),
            1 => tally.count(tensors_are_refused(good, random.mutate(&good.tensors))),
            2 => {
                let card = random.mutate(&good.card);
                tally.count(read_any(&Forge { card, ..good.clone() }.bytes()).is_err());
            }
            3 => tally.count(index_is_refused(&random.mutate(&json))),
            _ => {
                let altered = random.mutate(&minisig);
                let refused = key.verify(&json, &altered).is_err();
                assert_eq!(refused, altered != minisig, "an altered signature was taken");
                tally.count(refused);
            }
        }
    }
    tally
}

/// Whether the pack is refused with this manifest, under right checksums.
pub fn manifest_is_refused(good: &Forge, manifest: &[u8]) -> bool {
    if let Ok(read) = Manifest::from_bytes(manifest) {
        assert_eq!(read.to_bytes().unwrap(), manifest, "a manifest in a second spelling was read");
    }
    manifest.len() as u64 > limits::MANIFEST || read_any(&good.with_manifest(manifest)).is_err()
}

/// Whether the pack is refused with these tensors, under right checksums and digests.
pub fn tensors_are_refused(good: &Forge, tensors: Vec<u8>) -> bool {
    let specs = good.manifest.config.tailor_tensors();
    match read_any(&Forge { tensors: tensors.clone(), ..good.clone() }.bytes()) {
        Ok(Pack::Tailor(read)) => {
            let written = read.tensors.to_safetensors_as(&specs, good.manifest.storage()).unwrap();
            assert_eq!(written, tensors, "tensors in a second spelling were read");
            false
        }
        Ok(Pack::Learngene(_)) => panic!("a tailor became a learngene"),
        Err(_) => true,
    }
}

/// Whether the index is refused; one that is read can be written and read again.
pub fn index_is_refused(json: &[u8]) -> bool {
    match Index::parse(json) {
        Ok(read) => {
            let again = Index::parse(&read.to_json().unwrap()).unwrap();
            assert_eq!(Index { format: read.format, ..again }, read, "an index changed when written");
            false
        }
        Err(_) => true,
    }
}

/// Every truncation of a pack, every bit of every byte before and after its tensors, a sample of the
/// tensors' bits, and every integer that a header could have, at 0, 1, the last but one and the last.
pub fn every_change_of_a_pack(pack: &[u8], sample: usize) -> Tally {
    let mut tally = Tally::default();
    for length in 0..pack.len() {
        tally.count(pack_is_refused(&pack[..length], pack));
    }
    let body = archive::read(pack).unwrap().get(TENSORS).unwrap();
    let header = u64::from_le_bytes(body[..8].try_into().unwrap()) as usize;
    // Where the values are, found again by their address.
    let start = body.as_ptr() as usize - pack.as_ptr() as usize + 8 + header;
    let values = start..start + body.len() - 8 - header;
    let mut altered = pack.to_vec();
    let places = (0..pack.len()).filter(|at| !values.contains(at) || (at - start).is_multiple_of(sample));
    for at in places {
        for bit in 0..8 {
            altered[at] ^= 1 << bit;
            tally.count(pack_is_refused(&altered, pack));
            altered[at] = pack[at];
        }
        if values.contains(&at) {
            continue;
        }
        for width in [1, 2, 4, 8] {
            let Some(old) = pack.get(at..at + width) else { continue };
            for value in [0, 1, u64::MAX - 1, u64::MAX] {
                altered[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
                tally.count(pack_is_refused(&altered, pack));
            }
            altered[at..at + width].copy_from_slice(old);
        }
    }
    tally
}

/// Each number of the manifest, the tensors' header and the index at its extremes, under right checksums.
pub fn every_extreme_inside() -> Tally {
    let mut tally = Tally::default();
    for pack in [tailor(), grown_tailor()] {
        every_extreme_of(&Forge::of(&pack), &mut tally);
    }
    for json in numbers(&index().to_json().unwrap(), &EXTREMES) {
        tally.count(index_is_refused(&json));
    }
    tally
}

const EXTREMES: [&str; 8] =
    ["0", "1", "-1", "4294967295", "4294967296", "18446744073709551614", "18446744073709551615", "1e999"];

fn every_extreme_of(good: &Forge, tally: &mut Tally) {
    let manifest = good.manifest.to_bytes().unwrap();
    let mut varints = Vec::new();
    for value in
        [0, 1, 0x7f, 0xfffe, 0xffff, u64::from(u32::MAX) - 1, u32::MAX.into(), u64::MAX - 1, u64::MAX]
    {
        varints.push(postcard_varint(value));
    }
    for at in 0..manifest.len() {
        for varint in &varints {
            let altered = [&manifest[..at], varint, &manifest[at + 1..]].concat();
            tally.count(manifest_is_refused(good, &altered));
        }
    }
    let header = u64::from_le_bytes(good.tensors[..8].try_into().unwrap()) as usize;
    for json in numbers(&good.tensors[8..8 + header], &EXTREMES) {
        let length = (json.len() as u64).to_le_bytes();
        let tensors = [&length[..], &json, &good.tensors[8 + header..]].concat();
        tally.count(tensors_are_refused(good, tensors));
    }
    for value in [0, 1, u64::MAX - 1, u64::MAX] {
        let tensors = [&value.to_le_bytes()[..], &good.tensors[8..]].concat();
        tally.count(tensors_are_refused(good, tensors));
    }
}

fn postcard_varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The JSON with each run of digits replaced in turn by each of `values`.
fn numbers(json: &[u8], values: &[&str]) -> Vec<Vec<u8>> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < json.len() {
        let end = at + json[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if end > at {
            out.extend(values.iter().map(|v| [&json[..at], v.as_bytes(), &json[end..]].concat()));
        }
        at = end.max(at) + 1;
    }
    out
}
