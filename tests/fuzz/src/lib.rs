//! What must hold for any bytes at all. Each function panics where it does not, and nowhere else; the fuzzer
//! calls one of them per target, and `tailor-packs/tests/corpus.rs` all of them with the corpus.
#![allow(missing_docs, unreachable_pub, reason = "included by a test, too, of which this is a module")]

use tailor_packs::{Index, Manifest, PublicKey, archive, read_any, trust};

const SIGNED: &[u8] = include_bytes!("../../attacks/control-next-version.json");
const SIGNATURE: &[u8] = include_bytes!("../../attacks/control-next-version.minisig");
const KEY: &str = include_str!("../../attacks/control-key.pub");

/// A manifest is refused, or is in its one spelling; in a pack whose checksums are right it never panics.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::from_bytes(bytes) {
        assert_eq!(manifest.to_bytes().as_deref(), Ok(bytes));
    }
    let entries = [(archive::MANIFEST, bytes), (archive::TENSORS, bytes), (archive::CARD, b"{}")];
    if let Ok(pack) = archive::write(&entries) {
        let _ = read_any(&pack);
    }
}

/// An archive is refused, or is byte for byte what the writer writes.
pub fn archive(bytes: &[u8]) {
    if let Ok(read) = archive::read(bytes) {
        assert_eq!(archive::write(read.entries()).as_deref(), Ok(bytes));
    }
    let _ = read_any(bytes);
}

/// An index is refused, or is the same once written and read again; so is what can be made of it.
pub fn index(bytes: &[u8]) {
    let Ok(index) = Index::parse(bytes) else { return };
    let again = Index::parse(&index.to_json().expect("what was read can be written")).expect("and read");
    assert_eq!(Index { format: index.format, ..again }, index);
    let _ = trust::check(None, None, bytes, None, 1_900_000_000);
    let _ = index.read_shard(0, bytes);
    let _ = index.read_names(bytes);
    let _ = index.clone().sharded(1);
    for class in &index.classes {
        let _ = index.read_pack(class, bytes);
    }
}

/// Only the publisher's one signature file is taken, whatever else is in place of it; keys have one spelling.
pub fn signature(bytes: &[u8]) {
    let key: PublicKey = KEY.parse().expect("the control's key");
    assert_eq!(key.verify(SIGNED, bytes).is_ok(), bytes == SIGNATURE);
    assert_eq!(key.verify(bytes, SIGNATURE).is_ok(), bytes == SIGNED);
    if let Some(other) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<PublicKey>().ok()) {
        assert_eq!(other.to_string().parse(), Ok(other));
    }
}
