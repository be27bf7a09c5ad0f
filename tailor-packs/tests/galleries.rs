//! Signed galleries, the keys of their publishers, and galleries of thousands of classes.

use crate::support::*;
use tailor_packs::PackError::*;
use tailor_packs::shards::shard_of;
use tailor_packs::trust::{self, Checked};
use tailor_packs::*;

const NOW: u64 = 1_900_000_000;

/// An index with this version that names this key, and its signature by `signer`.
fn publish(
    version: u64,
    names: Option<&Publisher>,
    next: Option<&Publisher>,
    signer: &Publisher,
) -> (Vec<u8>, Vec<u8>) {
    let index = Index {
        version,
        key: names.map(Publisher::public),
        next_key: next.map(Publisher::public),
        ..index()
    };
    let json = index.to_json().unwrap();
    let minisig = signer.sign(&json);
    (json, minisig)
}

fn signed(verdict: Result<Verdict>) -> Checked {
    match verdict.unwrap() {
        Verdict::Signed(checked) => checked,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_and_signatures_of_the_minisign_library_are_accepted() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let file = pair.pk.to_box().unwrap().to_string();
    let (key, line) = (file.parse::<PublicKey>().unwrap(), pair.pk.to_base64());
    assert_eq!(key.to_string(), line);
    assert_eq!(line.parse(), Ok(key));
    assert_eq!(serde_json::to_string(&key).unwrap(), format!("\"{line}\""));
    assert_eq!(serde_json::from_str::<PublicKey>(&format!("\"{line}\"")).unwrap(), key);
    assert!(file.contains(&format!("public key: {}\n", key.id())), "{file} {}", key.id());
    assert_eq!(key.fingerprint().len(), 6 * 4 + 5);

    let json = index().to_json().unwrap();
    let comment = Some(signature::COMMENTS[1]);
    let signature = minisign::sign(Some(&pair.pk), &pair.sk, &json[..], Some("version 3"), comment).unwrap();
    assert_eq!(key.verify(&json, signature.into_string().as_bytes()).unwrap(), "version 3");
}

#[test]
fn text_that_is_no_key_is_refused() {
    let line = publisher().public().to_string();
    for text in ["", "RW", &line[1..], &format!("{line}="), &format!("x\n{line}"), &line.replace("RW", "RU")]
    {
        assert!(matches!(text.parse::<PublicKey>(), Err(NotAKey { .. })), "{text}");
    }
    for order in [[0u8; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let weak = key_line(b"Ed", b"smallone", &order);
        assert!(matches!(weak.parse::<PublicKey>(), Err(NotAKey { .. })), "{weak}");
    }
}

#[test]
fn a_stranger_s_gallery_is_asked_about_once_and_then_remembered() {
    let pair = publisher();
    let (json, minisig) = publish(3, Some(&pair), None, &pair);
    let Ok(Verdict::FirstUse { key, checked }) = trust::check(None, None, &json, Some(&minisig), NOW) else {
        panic!("not asked");
    };
    assert_eq!(key, pair.public());
    assert_eq!(checked.index, Index::parse(&json).unwrap());
    // What is kept survives a restart.
    let kept: Trust = serde_json::from_str(&serde_json::to_string(&checked.trust).unwrap()).unwrap();
    assert_eq!(kept, checked.trust);
    signed(trust::check(None, Some(&kept), &json, Some(&minisig), NOW));
    // The key that the visitor agreed to is the one that counts from here on.
    let (json, minisig) = publish(4, Some(&pair), None, &pair);
    let kept = signed(trust::check(None, Some(&kept), &json, Some(&minisig), NOW)).trust;
    assert_eq!((kept.version, kept.root, kept.key), (4, Some(key), Some(key)));
}

#[test]
fn a_pinned_key_needs_no_question_and_no_name_in_the_index() {
    let (pair, other) = (publisher(), another_publisher());
    for names in [Some(&pair), None] {
        let (json, minisig) = publish(3, names, None, &pair);
        signed(trust::check(Some(&pair.public()), None, &json, Some(&minisig), NOW));
        let refused = trust::check(Some(&other.public()), None, &json, Some(&minisig), NOW);
        assert!(matches!(refused, Err(WrongKey { .. })), "{refused:?}");
        let refused = trust::check(Some(&pair.public()), None, &json, None, NOW);
        assert!(matches!(refused, Err(SignatureMissing { .. })), "{refused:?}");
    }
    let (json, minisig) = publish(3, None, None, &pair);
    let refused = trust::check(None, None, &json, Some(&minisig), NOW);
    assert!(matches!(refused, Err(KeyUnknown { .. })), "{refused:?}");
    // Signed by one key and naming another.
    let (json, minisig) = publish(3, Some(&other), None, &pair);
    let refused = trust::check(Some(&pair.public()), None, &json, Some(&minisig), NOW);
    assert!(matches!(refused, Err(IndexInvalid { .. })), "{refused:?}");
    let refused = trust::check(None, None, &json, Some(&minisig), NOW);
    assert!(matches!(refused, Err(WrongKey { .. })), "{refused:?}");
}

#[test]
fn a_key_follows_the_one_that_named_it_and_the_old_one_is_then_refused() {
    let (old, new) = (publisher(), another_publisher());
    for pinned in [None, Some(old.public())] {
        let check = |kept: Option<&Trust>, (json, minisig): &(Vec<u8>, Vec<u8>)| {
            trust::check(pinned.as_ref(), kept, json, Some(minisig), NOW)
        };
        let start = match check(None, &publish(3, Some(&old), None, &old)).unwrap() {
            Verdict::FirstUse { checked, .. } | Verdict::Signed(checked) => checked.trust,
            Verdict::Unsigned(_) => panic!("signed"),
        };
        // Nobody named the new key.
        let early = check(Some(&start), &publish(4, Some(&new), None, &new));
        assert!(matches!(early, Err(WrongKey { .. })), "{early:?}");
        let named = signed(check(Some(&start), &publish(4, Some(&old), Some(&new), &old))).trust;
        assert_eq!(named.next_key, Some(new.public()));
        // The present key may go on, and take the name back.
        let back = signed(check(Some(&named), &publish(5, Some(&old), None, &old))).trust;
        let late = check(Some(&back), &publish(6, Some(&new), None, &new));
        assert!(matches!(late, Err(WrongKey { .. })), "{late:?}");
        // Or the new one signs, and then it alone.
        let moved = signed(check(Some(&named), &publish(5, Some(&new), None, &new))).trust;
        assert_eq!((moved.root, moved.key, moved.next_key), (Some(old.public()), Some(new.public()), None));
        let stale = check(Some(&moved), &publish(6, Some(&old), None, &old));
        assert!(matches!(stale, Err(WrongKey { .. })), "{stale:?}");
    }
}

#[test]
fn an_older_index_and_another_one_of_the_same_version_are_refused() {
    let pair = publisher();
    let pin = Some(pair.public());
    let (json, minisig) = publish(3, Some(&pair), None, &pair);
    let kept = signed(trust::check(pin.as_ref(), None, &json, Some(&minisig), NOW)).trust;
    let (older, by) = publish(2, Some(&pair), None, &pair);
    for pinned in [None, pin.as_ref()] {
        let refused = trust::check(pinned, Some(&kept), &older, Some(&by), NOW);
        assert_eq!(refused, Err(IndexRolledBack { seen: 3, found: 2 }));
    }
    let twin = Index { title: "Twin".into(), key: pin, ..index() }.to_json().unwrap();
    let refused = trust::check(None, Some(&kept), &twin, Some(&pair.sign(&twin)), NOW);
    assert!(matches!(refused, Err(IndexReplaced { version: 3, .. })), "{refused:?}");
    let sibling = Index { id: "sibling".into(), version: 9, ..index() }.to_json().unwrap();
    let refused = trust::check(None, Some(&kept), &sibling, Some(&pair.sign(&sibling)), NOW);
    assert!(matches!(refused, Err(OtherGallery { .. })), "{refused:?}");
    let refused = trust::check(None, Some(&kept), &json, None, NOW);
    assert!(matches!(refused, Err(SignatureMissing { .. })), "{refused:?}");
    // The signature of another version.
    let refused = trust::check(None, Some(&kept), &json, Some(&by), NOW);
    assert!(matches!(refused, Err(SignatureInvalid { .. })), "{refused:?}");
}

#[test]
fn an_expired_index_is_refused_with_its_date() {
    let pair = publisher();
    let (json, minisig) = publish(3, Some(&pair), None, &pair);
    let refused = trust::check(Some(&pair.public()), None, &json, Some(&minisig), 2_000_000_001).unwrap_err();
    assert!(refused.to_string().contains("expired on 2033-05-18"), "{refused}");
    let refused = trust::check(None, None, &json, None, 2_000_000_001).unwrap_err();
    assert!(matches!(refused, IndexExpired { .. }), "{refused}");
}

#[test]
fn an_unsigned_gallery_is_labelled_so_and_can_become_a_signed_one() {
    let json = index().to_json().unwrap();
    let Ok(Verdict::Unsigned(first)) = trust::check(None, None, &json, None, NOW) else { panic!("labelled") };
    // Published again from nothing: the version is the same, the content is not.
    let again = Index { title: "Again".into(), ..index() }.to_json().unwrap();
    let verdict = trust::check(None, Some(&first.trust), &again, None, NOW);
    assert!(matches!(verdict, Ok(Verdict::Unsigned(_))), "{verdict:?}");
    let older = Index { version: 2, ..index() }.to_json().unwrap();
    let refused = trust::check(None, Some(&first.trust), &older, None, NOW);
    assert!(matches!(refused, Err(IndexRolledBack { .. })), "{refused:?}");
    // Another gallery at the same address, as when one serves first this and then that.
    let other = Index { id: "other".into(), version: 1, ..index() }.to_json().unwrap();
    let verdict = trust::check(None, Some(&first.trust), &other, None, NOW);
    assert!(matches!(verdict, Ok(Verdict::Unsigned(_))), "{verdict:?}");
    let pair = publisher();
    let (json, minisig) = publish(4, Some(&pair), None, &pair);
    let verdict = trust::check(None, Some(&first.trust), &json, Some(&minisig), NOW);
    assert!(matches!(verdict, Ok(Verdict::FirstUse { .. })), "{verdict:?}");
}

#[test]
fn a_pinned_key_that_had_no_part_in_what_was_kept_begins_anew() {
    let (old, new) = (publisher(), another_publisher());
    let (json, minisig) = publish(3, Some(&old), None, &old);
    let kept = signed(trust::check(Some(&old.public()), None, &json, Some(&minisig), NOW)).trust;
    let pin = new.public();
    let (json, minisig) = publish(4, Some(&new), None, &new);
    signed(trust::check(Some(&pin), Some(&kept), &json, Some(&minisig), NOW));
    // Also then no version comes back.
    let (json, minisig) = publish(2, Some(&new), None, &new);
    let refused = trust::check(Some(&pin), Some(&kept), &json, Some(&minisig), NOW);
    assert!(matches!(refused, Err(IndexRolledBack { .. })), "{refused:?}");
}

#[test]
fn a_pinned_key_that_was_named_as_the_next_one_ends_the_old_one() {
    let (old, new) = (publisher(), another_publisher());
    let (json, minisig) = publish(3, Some(&old), Some(&new), &old);
    let kept = signed(trust::check(Some(&old.public()), None, &json, Some(&minisig), NOW)).trust;
    let pin = new.public();
    let (json, minisig) = publish(4, Some(&old), Some(&new), &old);
    let refused = trust::check(Some(&pin), Some(&kept), &json, Some(&minisig), NOW);
    assert!(matches!(refused, Err(WrongKey { .. })), "{refused:?}");
    let (json, minisig) = publish(4, Some(&new), None, &new);
    let moved = signed(trust::check(Some(&pin), Some(&kept), &json, Some(&minisig), NOW)).trust;
    assert_eq!((moved.root, moved.key, moved.next_key), (Some(pin), Some(pin), None));
}

#[test]
fn the_comments_of_both_programs_are_accepted_and_no_other() {
    let pair = publisher();
    let json = index().to_json().unwrap();
    for comment in signature::COMMENTS {
        pair.public().verify(&json, &pair.sign_as(&json, comment, "any text\tat all")).unwrap();
    }
    let other = pair.sign_as(&json, "signature from somebody", "");
    assert!(matches!(pair.public().verify(&json, &other), Err(SignatureInvalid { .. })));
    assert_eq!(pair.public().verify(&json, &pair.sign(&json)).unwrap(), "version 3");
}

#[test]
fn every_one_of_the_signature_s_512_bits_counts() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let pair = publisher();
    let json = index().to_json().unwrap();
    let text = String::from_utf8(pair.sign(&json)).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let mut refused = 0;
    for (line, start) in [(1, 10), (3, 0)] {
        let bytes = STANDARD.decode(lines[line]).unwrap();
        for bit in 0..512 {
            let mut bytes = bytes.clone();
            bytes[start + bit / 8] ^= 1 << (bit % 8);
            let mut lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
            lines[line] = STANDARD.encode(bytes);
            let altered = lines.join("\n") + "\n";
            assert!(pair.public().verify(&json, altered.as_bytes()).is_err(), "line {line}, bit {bit}");
            refused += 1;
        }
    }
    assert_eq!(refused, 1024);
    pair.public().verify(&json, text.as_bytes()).unwrap();
}

/// 100 % of the altered bytes, each with all 255 other values: of a whole gallery as one would serve it.
#[test]
fn every_altered_byte_of_a_signed_gallery_is_refused() {
    let pair = publisher();
    let (json, minisig) = publish(3, Some(&pair), None, &pair);
    let files = [json, minisig, learngene(), tailor()];
    let open = |files: &[Vec<u8>; 4]| -> Result<()> {
        let verdict = trust::check(Some(&pair.public()), None, &files[0], Some(&files[1]), NOW)?;
        let index = signed(Ok(verdict)).index;
        index.read_learngene(&files[2])?;
        index.read_tailor("a", &files[3]).map(|_| ())
    };
    open(&files).unwrap();
    let every_value = std::env::var_os("TAILOR_EVERY_VALUE").is_some();
    let (index, mut tried) = (index(), 0);
    for file in 0..files.len() {
        let mut altered = files.clone();
        for at in 0..files[file].len() {
            // Each bit, and all of them; every value of every byte where somebody has minutes to spare.
            let flips =
                if every_value { (1..=255).collect() } else { vec![1, 2, 4, 8, 16, 32, 64, 128, 255u8] };
            for flip in flips {
                altered[file][at] = files[file][at] ^ flip;
                assert!(open_one(&open, &index, &altered, file).is_err(), "file {file}, byte {at}, ^{flip}");
                tried += 1;
            }
            altered[file][at] = files[file][at];
        }
        for at in 0..files[file].len() {
            altered[file].truncate(files[file].len() - 1 - at);
            assert!(open_one(&open, &index, &altered, file).is_err(), "file {file} without its last {at}");
        }
        altered[file] = [&files[file][..], b"\n"].concat();
        assert!(open_one(&open, &index, &altered, file).is_err(), "file {file} with a byte more");
    }
    assert_eq!(tried, files.iter().map(Vec::len).sum::<usize>() * if every_value { 255 } else { 9 });
}

/// Opens the gallery, of which only this file is not the original.
fn open_one(
    open: &impl Fn(&[Vec<u8>; 4]) -> Result<()>,
    index: &Index,
    files: &[Vec<u8>; 4],
    altered: usize,
) -> Result<()> {
    // The signature need not be checked again for each byte of a pack.
    match altered {
        2 => index.read_learngene(&files[2]).map(|_| ()),
        3 => index.read_tailor("a", &files[3]).map(|_| ()),
        _ => open(files),
    }
}

fn large(count: usize) -> Index {
    let pack = vec![7; 1_300_000];
    let file = FileEntry::of("p.tailor", &pack);
    let class = |i: usize| {
        let digest = Digest::of(&i.to_le_bytes());
        let id = format!("n{:08}-some-kind-of-bird", 1_500_000 + i * 977);
        ClassEntry {
            name: format!("some kind of bird, number {i}"),
            wordnet: Some(format!("n{:08}", 1_500_000 + i)),
            file: FileEntry {
                path: index::tailor_file_name(&id, &digest),
                sha256: digest,
                chunks: vec![digest, Digest::of(&digest.0)],
                ..file.clone()
            },
            id,
        }
    };
    Index { classes: (0..count).map(class).collect(), key: Some(publisher().public()), ..index() }
}

#[test]
fn a_gallery_of_ten_thousand_classes_costs_less_than_100_kb_before_the_first_image() {
    let all = large(10_000);
    let (index, files) = all.clone().sharded(48).unwrap();
    let json = index.to_json().unwrap();
    let read = Index::parse(&json).unwrap();
    assert_eq!((&read, read.classes.len(), read.shards.len()), (&index, 48, 128));
    let bytes = |entry: &FileEntry| &files.iter().find(|f| f.entry == *entry).unwrap().bytes;
    let shard = index.shards.iter().map(|s| s.size).max().unwrap();
    let names = bytes(index.names.as_ref().unwrap());
    println!("index {} + largest shard {shard} bytes; names, for search, {}", json.len(), names.len());
    assert!(json.len() as u64 + shard + limits::SIGNATURE < 100_000, "{} + {shard}", json.len());
    // Every class is found, in the one place where a reader looks.
    for class in &all.classes {
        let found = match read.class(&class.id) {
            Some(found) => found.clone(),
            None => {
                let (number, file) = read.shard(&class.id).unwrap();
                assert_eq!(number, shard_of(&class.id, 128));
                let at = read.read_shard(number, bytes(file)).unwrap();
                at.into_iter().find(|c| c.id == class.id).unwrap()
            }
        };
        assert_eq!(found, *class);
    }
    let names = read.read_names(names).unwrap();
    assert_eq!(names.len(), 10_000);
    assert!(all.classes.iter().all(|c| names.binary_search(&(c.id.clone(), c.name.clone())).is_ok()));
}

#[test]
fn a_small_gallery_has_no_shards_and_a_shard_that_lies_is_refused() {
    let (index, files) = large(48).sharded(48).unwrap();
    assert!(files.is_empty() && index.shards.is_empty() && index.names.is_none());
    assert_eq!(index.shard("a"), None);

    let (index, files) = large(400).sharded(48).unwrap();
    let bytes = |entry: &FileEntry| files.iter().find(|f| f.entry == *entry).unwrap().bytes.clone();
    let good = bytes(&index.shards[0]);
    index.read_shard(0, &good).unwrap();
    assert!(matches!(
        index.read_shard(1, &good),
        Err(Truncated { .. } | TrailingBytes { .. } | DigestMismatch { .. })
    ));
    assert!(matches!(index.read_shard(99, &good), Err(IndexInvalid { .. })));
    // As a publisher could sign it.
    let lie = |classes: &dyn Fn(&mut Vec<ClassEntry>)| {
        let mut list: Vec<ClassEntry> = serde_json::from_slice(&good).unwrap();
        classes(&mut list);
        let json = serde_json::to_vec(&list).unwrap();
        let mut index = index.clone();
        index.shards[0] = FileEntry::of("classes-x.json", &json);
        index.read_shard(0, &json)
    };
    lie(&|_| ()).unwrap();
    let elsewhere: Vec<ClassEntry> = serde_json::from_slice(&bytes(&index.shards[1])).unwrap();
    for bad in [
        lie(&|list| list.push(list[0].clone())),
        lie(&|list| list.swap(0, 1)),
        lie(&|list| list[0] = elsewhere[0].clone()),
        lie(&|list| list[0] = index.classes[0].clone()),
        lie(&|list| list[0].file.path = "../x".into()),
    ] {
        assert!(matches!(bad, Err(IndexInvalid { .. })), "{bad:?}");
    }
    let half = Index { names: None, ..index.clone() };
    assert!(matches!(half.to_json(), Err(IndexInvalid { .. })));
    let old = serde_json::to_vec(&Index { format: 1, ..index }).unwrap();
    assert!(matches!(Index::parse(&old), Err(IndexInvalid { .. })));
}

#[test]
fn an_index_of_format_1_is_still_read() {
    let json = serde_json::json!({
        "format": 1, "id": "test", "title": "Test", "version": 3, "expires": 2_000_000_000u64,
        "config": config(), "parameters": ParameterCounts::of(&config()).unwrap(),
        "sampling": { "sampler": "euler", "steps": 20, "guidance": 1.5 },
        "learngene": { "path": "l.learngene", "size": 3, "sha256": Digest::of(b"abc"), "chunks": [Digest::of(b"abc")] },
        "classes": [],
    });
    let index = Index::parse(json.to_string().as_bytes()).unwrap();
    assert_eq!((index.format, index.learngene), (1, FileEntry::of("l.learngene", b"abc")));
}
