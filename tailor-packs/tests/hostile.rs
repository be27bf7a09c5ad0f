//! Every way in which a pack can be wrong has its own error, and none is a panic.

use crate::support::{self, *};
use tailor_packs::PackError::*;
use tailor_packs::archive::{CARD, MANIFEST, PREVIEW, TENSORS};
use tailor_packs::*;

/// Asserts the variant of an error, and that its message says something.
macro_rules! refused {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err(error) => {
                assert!(matches!(&error, $pattern $(if $guard)?), "{error:?}");
                assert!(error.to_string().len() > 20, "{error}");
            }
            Ok(_) => panic!("accepted"),
        }
    };
}

/// A safetensors body made by the safetensors library, f32 vectors and f16 matrices.
fn body(tensors: &[(&str, &[usize])], matrices: safetensors::Dtype) -> Vec<u8> {
    let data = vec![0u8; 1 << 16];
    let views = tensors.iter().map(|(name, shape)| {
        let dtype = if shape.len() < 2 { safetensors::Dtype::F32 } else { matrices };
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        (*name, safetensors::tensor::TensorView::new(dtype, shape.to_vec(), &data[..bytes]).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// The tailor with a body of these tensors.
fn with_body(change: impl FnOnce(&mut Vec<(&str, &[usize])>), matrices: safetensors::Dtype) -> Vec<u8> {
    let specs = config().tailor_tensors();
    let mut list = specs.iter().map(|s| (s.name.as_str(), s.shape.as_slice())).collect();
    change(&mut list);
    let mut forge = Forge::of(&tailor());
    forge.tensors = body(&list, matrices);
    forge.bytes()
}

const F16: safetensors::Dtype = safetensors::Dtype::F16;

#[test]
fn a_body_by_the_safetensors_library_is_accepted() {
    read_tailor(&with_body(|_| (), F16), None).unwrap();
}

#[test]
fn a_file_of_another_sort_is_not_a_pack() {
    refused!(read_any(b"\x89PNG\r\n\x1a\n, this time as a whole file"), NotAPack);
    refused!(read_any(b"PK\x05\x06 is how an empty archive begins"), NotAPack);
    let foreign = archive::write(&[("readme.txt", b"hello".as_slice())]).unwrap();
    refused!(read_any(&foreign), NotAPack);
}

#[test]
fn the_other_kind_is_refused_by_its_kind() {
    refused!(read_learngene(&tailor()), WrongKind { expected: "learngene", found: "tailor" });
    refused!(read_tailor(&learngene(), None), WrongKind { expected: "tailor", found: "learngene" });
}

#[test]
fn a_newer_version_is_refused_by_its_number_even_when_its_manifest_is_another() {
    let forge = Forge::of(&tailor());
    let newer = forge.with_manifest(b"\x03and then whatever version 3 has");
    refused!(read_any(&newer), VersionTooNew { found: 3, supported: 2, .. });
    let mut json = serde_json::to_value(index()).unwrap();
    json["format"] = 7.into();
    json["novelty"] = 1.into();
    refused!(Index::parse(json.to_string().as_bytes()), VersionTooNew { found: 7, supported: 3, .. });
}

#[test]
fn every_truncation_is_refused_as_such() {
    for pack in [learngene(), tailor(), grown_tailor()] {
        for length in 0..pack.len() {
            refused!(read_any(&pack[..length]), Truncated { found, needed, .. }
                if *found == length as u64 && (found < needed && *needed <= pack.len() as u64));
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let pack = [tailor(), vec![0]].concat();
    refused!(read_any(&pack), TrailingBytes { extra: 1, .. });
}

#[test]
fn an_altered_header_is_refused_where_it_begins() {
    let pack = tailor();
    let mut compressed = pack.clone();
    compressed[8] = 8;
    refused!(read_any(&compressed), HeaderMismatch { header: "local header", offset: 0 });
    let directory = pack.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let mut linked = pack.clone();
    linked[directory + 41] = 0xa1;
    refused!(read_any(&linked), HeaderMismatch { header: "central directory", .. });
    // A gap before the directory, and a comment.
    let gap = [&pack[..directory], b"gap!", &pack[directory..]].concat();
    refused!(read_any(&gap), HeaderMismatch { header: "central directory", .. });
    let mut comment = [pack.as_slice(), b"x"].concat();
    comment[pack.len() - 2] = 1;
    refused!(read_any(&comment), HeaderMismatch { header: "central directory", .. });
}

#[test]
fn entries_that_are_foreign_double_or_out_of_order_are_refused() {
    let forge = Forge::of(&tailor());
    let manifest = forge.manifest.to_bytes().unwrap();
    let of = |names: &[&str]| {
        let entries: Vec<_> = names
            .iter()
            .map(|name| match *name {
                MANIFEST => (*name, manifest.as_slice()),
                TENSORS => (*name, forge.tensors.as_slice()),
                PREVIEW => (*name, PNG),
                _ => (*name, forge.card.as_slice()),
            })
            .collect();
        read_any(&archive::write(&entries).unwrap())
    };
    of(&[MANIFEST, TENSORS, CARD, PREVIEW]).unwrap();
    refused!(of(&[MANIFEST, TENSORS, CARD, PREVIEW, "../evil"]), EntryUnexpected { found } if found == "../evil");
    refused!(of(&[MANIFEST, TENSORS, TENSORS]), EntryUnexpected { .. });
    refused!(of(&[MANIFEST, CARD, TENSORS]), EntryUnexpected { .. });
    refused!(of(&[MANIFEST, TENSORS, CARD]), EntryMissing { entry } if entry == PREVIEW);
    refused!(of(&[MANIFEST, CARD]), EntryMissing { entry } if entry == TENSORS);
    // A preview that the manifest does not name.
    let mut smuggled = Forge::of(&learngene());
    smuggled.preview = Some(PNG.to_vec());
    refused!(read_any(&smuggled.bytes()), EntryUnexpected { found } if found == PREVIEW);
}

#[test]
fn a_flipped_bit_in_an_entry_is_refused_by_its_checksum() {
    let mut pack = tailor();
    let card = pack.windows(5).position(|w| w == b"title").unwrap();
    pack[card] ^= 1;
    refused!(read_any(&pack), ChecksumMismatch { entry, .. } if entry == CARD);
}

#[test]
fn an_entry_that_was_replaced_is_refused_by_its_digest() {
    let mut forge = Forge::of(&tailor());
    forge.card.push(b' ');
    let manifest = forge.manifest.to_bytes().unwrap();
    refused!(read_any(&forge.with_manifest(&manifest)), DigestMismatch { entry, .. } if entry == CARD);
}

#[test]
fn a_manifest_that_lies_about_a_length_is_invalid() {
    let mut forge = Forge::of(&tailor());
    forge.manifest.entries[1].len += 1;
    let manifest = forge.manifest.to_bytes().unwrap();
    refused!(read_any(&forge.with_manifest(&manifest)), ManifestInvalid { .. });
}

#[test]
fn a_manifest_in_another_form_than_the_writer_s_is_invalid() {
    let forge = Forge::of(&tailor());
    let bare = postcard::to_allocvec(&forge.manifest).unwrap();
    let align = (8 - (bare.len() + 1) % 8) % 8;
    let encode = |align: &[u8]| postcard::to_allocvec(&(&forge.manifest, align)).unwrap();
    read_any(&forge.with_manifest(&encode(&vec![0; align]))).unwrap();
    let mut nonzero = vec![0; align + 8];
    refused!(read_any(&forge.with_manifest(&encode(&nonzero))), ManifestInvalid { .. });
    nonzero.truncate(align.max(1));
    nonzero[0] = 1;
    refused!(read_any(&forge.with_manifest(&encode(&nonzero))), ManifestInvalid { .. });
    let trailing = [encode(&vec![0; align]), vec![0; 8]].concat();
    refused!(read_any(&forge.with_manifest(&trailing)), ManifestInvalid { .. });
    // The version 1 as a varint of two bytes.
    let long = [b"\x81\x00", &encode(&[])[1..]].concat();
    refused!(read_any(&forge.with_manifest(&long)), ManifestInvalid { .. });
    refused!(read_any(&forge.with_manifest(b"")), ManifestInvalid { .. });
}

#[test]
fn ids_names_and_configs_out_of_range_are_refused_when_written_and_when_read() {
    let good = Forge::of(&tailor());
    let refuse = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = good.manifest.clone();
        change(&mut manifest);
        let written = manifest.to_bytes().unwrap_err();
        let bytes = postcard::to_allocvec(&(&manifest, Vec::<u8>::new())).unwrap();
        assert_eq!(read_any(&good.with_manifest(&bytes)).unwrap_err(), written);
        written
    };
    for id in ["", "A", "a/b", "..", "é", &"a".repeat(65)] {
        assert!(matches!(refuse(&|m| m.model = id.to_owned()), ManifestInvalid { .. }), "{id}");
    }
    let class = |change: &dyn Fn(&mut Class)| {
        refuse(&|m| {
            let Kind::Tailor { class, .. } = &mut m.kind else { panic!("no tailor") };
            change(class);
        })
    };
    assert!(matches!(class(&|c| c.id = "Ä".into()), ManifestInvalid { .. }));
    assert!(matches!(class(&|c| c.name = " ".into()), ManifestInvalid { .. }));
    assert!(matches!(class(&|c| c.name = "a\nb".into()), ManifestInvalid { .. }));
    assert!(matches!(class(&|c| c.wordnet = Some("n1".into())), ManifestInvalid { .. }));
    assert!(matches!(refuse(&|m| m.format = 0), ManifestInvalid { .. }));
    assert!(matches!(refuse(&|m| drop(m.entries.remove(0))), ManifestInvalid { .. }));
}

#[test]
fn a_config_that_is_no_model_or_too_large_a_one_is_refused_before_anything_is_allocated() {
    let mut forge = Forge::of(&tailor());
    forge.manifest.config.heads = 0;
    let bytes = postcard::to_allocvec(&(&forge.manifest, Vec::<u8>::new())).unwrap();
    refused!(read_any(&forge.with_manifest(&bytes)), Config(ConfigError::OutOfRange { field: "heads", .. }));

    let mut forge = Forge::of(&learngene());
    let config = &mut forge.manifest.config;
    (config.channels, config.image_size, config.patch_size) = (16, 256, 256);
    (config.width, config.heads, config.depth) = (4096, 1, 64);
    refused!(read_any(&forge.bytes()), LimitExceeded { .. });
}

#[test]
fn what_is_larger_than_its_limit_is_refused() {
    let config = config();
    let (tensors, mut card) = (tensors(&config.learngene_tensors()), card());
    card.data = "x".repeat(limits::CARD as usize);
    let large = contents(&config, &tensors, &card);
    refused!(write_learngene(&large), LimitExceeded { which: CARD, .. });
    let preview = [PNG, &vec![0; limits::PREVIEW as usize]].concat();
    let large = Contents { card: &support::card(), preview: Some(&preview), ..large };
    refused!(write_learngene(&large), LimitExceeded { which: PREVIEW, .. });

    let mut forge = Forge::of(&tailor());
    forge.preview = Some(preview);
    refused!(read_any(&forge.bytes()), LimitExceeded { which: PREVIEW, .. });
    let manifest = vec![1; limits::MANIFEST as usize + 1];
    refused!(read_any(&Forge::of(&tailor()).with_manifest(&manifest)), LimitExceeded { which: MANIFEST, .. });
    refused!(Index::parse(&vec![b' '; limits::INDEX as usize + 1]), LimitExceeded { .. });
}

#[test]
fn a_card_or_preview_that_cannot_be_read_is_refused() {
    let mut forge = Forge::of(&tailor());
    forge.card = b"{\"title\": 1}".to_vec();
    refused!(read_any(&forge.bytes()), EntryInvalid { entry: CARD, .. });
    let mut forge = Forge::of(&tailor());
    forge.preview = Some(b"GIF89a".to_vec());
    refused!(read_any(&forge.bytes()), EntryInvalid { entry: PREVIEW, .. });
}

#[test]
fn a_card_that_json_cannot_carry_is_not_written() {
    let config = config();
    let tensors = tensors(&config.learngene_tensors());
    let write = |card: &Card| write_learngene(&contents(&config, &tensors, card));
    let mut nan = card();
    nan.metrics.insert("fid".into(), f64::NAN.into());
    refused!(write(&nan), EntryInvalid { entry: CARD, .. });
    let mut double = card();
    double.extra.insert("title".into(), "again".into());
    refused!(write(&double), EntryInvalid { entry: CARD, .. });
}

#[test]
fn tensors_other_than_the_config_s_are_refused_by_name() {
    let extra = with_body(|list| list.push(("stowaway", &[3])), F16);
    refused!(read_any(&extra), TensorUnexpected { name } if name == "stowaway");
    let fewer = with_body(|list| list.truncate(list.len() - 1), F16);
    refused!(read_any(&fewer), TensorMissing { name } if name == "blocks.0.adaln.v");
    let reshaped = with_body(|list| list[0].1 = &[5], F16);
    refused!(read_any(&reshaped), TensorShape { name, expected, found }
        if name == "label" && expected == &[4] && found == &[5]);
    let wider = with_body(|_| (), safetensors::Dtype::BF16);
    refused!(read_any(&wider), TensorDtype { expected, found, .. } if expected == "F16" && found == "BF16");
}

#[test]
fn a_body_that_is_no_safetensors_or_another_spelling_of_it_is_refused() {
    let good = Forge::of(&tailor());
    let with = |tensors: Vec<u8>| read_any(&Forge { tensors, ..good.clone() }.bytes());
    refused!(with(Vec::new()), Truncated { what, needed: 8, .. } if what == TENSORS);
    refused!(with(u64::MAX.to_le_bytes().to_vec()), LimitExceeded { .. });
    refused!(with(good.tensors[..good.tensors.len() - 1].to_vec()), Truncated { what, .. } if what == TENSORS);
    refused!(with([&good.tensors[..], &[0]].concat()), TrailingBytes { what, extra: 1 } if what == TENSORS);
    refused!(with([&8u64.to_le_bytes()[..], b"no json!"].concat()), EntryInvalid { entry: TENSORS, .. });
    // The same JSON with a space more.
    let length = u64::from_le_bytes(good.tensors[..8].try_into().unwrap()) + 8;
    let spaced = [&length.to_le_bytes()[..], b"        ", &good.tensors[8..]].concat();
    refused!(with(spaced), EntryInvalid { entry: TENSORS, .. });
}

#[test]
fn values_that_are_not_finite_are_refused_when_written_and_when_read() {
    let config = config();
    let card = card();
    let (vector, matrix) = ("label.null", "patch.weight");
    let cases = [
        (vector, f32::NAN),
        (vector, f32::INFINITY),
        (matrix, f32::NEG_INFINITY),
        (matrix, f32::NAN),
        (matrix, 65520.0),
    ];
    for (name, bad) in cases {
        let mut tensors = tensors(&config.learngene_tensors());
        let (shape, mut values) = tensors.remove(name).unwrap();
        values[2] = bad;
        tensors.insert(name, &shape, values).unwrap();
        let contents = contents(&config, &tensors, &card);
        refused!(write_learngene(&contents), TensorNotFinite { name: found, position: 2, .. } if found == name);
    }
    let good = Forge::of(&tailor());
    let end = good.tensors.len();
    for bad in [[0x00, 0x7c], [0x01, 0x7e]] {
        let mut forge = good.clone();
        forge.tensors[end - 2..].copy_from_slice(&bad);
        refused!(read_any(&forge.bytes()), TensorNotFinite { .. });
    }
}

#[test]
fn the_writer_refuses_tensors_other_than_the_config_s() {
    let config = config();
    let card = card();
    let write = |tensors: &Tensors| write_learngene(&contents(&config, tensors, &card));
    let mut more = tensors(&config.learngene_tensors());
    more.insert("stowaway", &[1], vec![0.0]).unwrap();
    refused!(write(&more), TensorUnexpected { .. });
    let mut fewer = tensors(&config.learngene_tensors());
    fewer.remove("patch.bias").unwrap();
    refused!(write(&fewer), TensorMissing { .. });
    let mut other = tensors(&config.learngene_tensors());
    other.insert("patch.bias", &[2, 2], vec![0.0; 4]).unwrap();
    refused!(write(&other), TensorShape { .. });
    refused!(other.insert("patch.bias", &[2, 2], vec![0.0; 3]), TensorShape { .. });
    refused!(other.insert("patch.bias", &[usize::MAX, 2], vec![]), TensorShape { .. });
}

#[test]
fn a_tailor_fits_only_the_learngene_that_it_names() {
    let (named, other) = (Digest::of(&learngene()), Digest::of(b"another"));
    refused!(read_tailor(&tailor(), Some((&other, &config()))), WrongLearngene { expected, found }
        if *expected == named && *found == other);
    let larger = ModelConfig { learngene_components: 3, ..config() };
    refused!(read_tailor(&tailor(), Some((&named, &larger))), ManifestInvalid { .. });
}

#[test]
fn a_file_of_the_gallery_is_refused_unless_every_byte_is_the_index_s() {
    let bytes: Vec<u8> = (0..limits::CHUNK * 2 + 5).map(|i| i as u8).collect();
    let entry = FileEntry::of("a.tailor", &bytes);
    assert_eq!(entry.chunks.len(), 3);
    entry.verify(&bytes).unwrap();
    refused!(entry.verify(&bytes[1..]), Truncated { what, .. } if what == "a.tailor");
    refused!(entry.verify(&[&bytes[..], &[0]].concat()), TrailingBytes { extra: 1, .. });
    let mut altered = bytes.clone();
    altered[limits::CHUNK] ^= 1;
    refused!(entry.verify(&altered), DigestMismatch { entry, .. } if entry == "a.tailor, chunk 1");
    refused!(entry.verify_chunk(3, &[]), TrailingBytes { .. });
    let liar = FileEntry { sha256: Digest::of(b""), ..entry };
    refused!(liar.verify(&bytes), DigestMismatch { entry, .. } if entry == "a.tailor");
}

#[test]
fn an_index_that_contradicts_itself_is_invalid() {
    let refuse = |change: &dyn Fn(&mut Index)| {
        let mut index = index();
        change(&mut index);
        let written = index.to_json().unwrap_err();
        let read = Index::parse(&serde_json::to_vec(&index).unwrap()).unwrap_err();
        assert!(
            matches!((&written, &read), (IndexInvalid { .. }, IndexInvalid { .. })),
            "{written:?} {read:?}"
        );
    };
    let long = "a".repeat(200);
    for path in ["", "..", ".hidden", "a/b", "/etc/passwd", "a\\b", "a b", "é", "index.json", &long] {
        refuse(&|i| i.learngene.path = path.to_owned());
    }
    refuse(&|i| i.learngene.path = i.classes[0].file.path.clone());
    refuse(&|i| i.learngene.size = 0);
    refuse(&|i| i.learngene.size = limits::FILE + 1);
    refuse(&|i| i.classes[0].file.chunks.push(Digest::of(b"")));
    refuse(&|i| i.classes[0].file.chunks = vec![Digest::of(b"")]);
    refuse(&|i| i.classes[0].id = "A".into());
    refuse(&|i| i.classes.push(i.classes[0].clone()));
    refuse(&|i| i.parameters.learngene += 1);
    refuse(&|i| i.sampling.steps = 0);
    refuse(&|i| i.sampling.steps = 1001);
    refuse(&|i| i.version = limits::VERSION + 1);
    refuse(&|i| i.version = u64::MAX);
    refuse(&|i| i.sampling.guidance = f32::NAN);
    refuse(&|i| i.id = "the gallery".into());
    refuse(&|i| i.title = String::new());
    refuse(&|i| i.format = 0);

    let mut json = serde_json::to_value(index()).unwrap();
    json["learngene"]["sha256"] = "abc".into();
    refused!(Index::parse(json.to_string().as_bytes()), IndexInvalid { .. });
    let mut json = serde_json::to_value(index()).unwrap();
    json["surprise"] = 1.into();
    refused!(Index::parse(json.to_string().as_bytes()), IndexInvalid { .. });
    refused!(Index::parse(b"[]"), IndexInvalid { .. });
    refused!(Index::parse(b"{\"format\": -1}"), IndexInvalid { .. });
    let impossible = Index { config: ModelConfig { depth: 0, ..config() }, ..index() };
    refused!(impossible.to_json(), Config(_));
}

#[test]
fn a_gallery_whose_files_are_not_what_its_index_says_is_refused() {
    let (good, file, pack) = (index(), learngene(), tailor());
    good.read_learngene(&file).unwrap();
    good.read_tailor("a", &pack).unwrap();
    refused!(good.read_tailor("b", &pack), ClassUnknown { found } if found == "b");
    refused!(good.read_tailor("a", &file), TrailingBytes { .. });

    let mut renamed = index();
    renamed.classes[0].id = "b".into();
    refused!(renamed.read_tailor("b", &pack), IndexInvalid { .. });
    let mut swapped = index();
    swapped.learngene = FileEntry::of("other.learngene", &write_learngene_of(&config(), Some(PNG)));
    refused!(swapped.read_tailor("a", &pack), WrongLearngene { .. });
    let mut resized = index();
    resized.config.learngene_components += 1;
    refused!(resized.read_learngene(&file), IndexInvalid { .. });
    refused!(resized.read_tailor("a", &pack), ManifestInvalid { .. });
}

#[test]
fn an_index_that_is_expired_or_older_than_one_seen_is_refused() {
    let index = index();
    index.check_fresh(2_000_000_000, Some(3)).unwrap();
    index.check_fresh(0, None).unwrap();
    refused!(index.check_fresh(2_000_000_001, None), IndexExpired { expires: 2_000_000_000, .. });
    refused!(index.check_fresh(0, Some(4)), IndexRolledBack { seen: 4, found: 3 });
    Index { expires: None, ..index }.check_fresh(u64::MAX, None).unwrap();
}

#[test]
fn every_altered_byte_of_a_pack_is_refused() {
    for pack in [learngene(), tailor(), grown_tailor()] {
        let mut altered = pack.clone();
        for at in 0..pack.len() {
            for flip in [0x01, 0x80, 0xff] {
                altered[at] = pack[at] ^ flip;
                assert!(read_any(&altered).is_err(), "byte {at} with {flip:#x} flipped was accepted");
            }
            altered[at] = pack[at];
        }
    }
}

/// A small generator (SplitMix64), so that the same bytes are tried each time.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `bytes` with a few bytes changed, cut out or put in.
fn mutate(bytes: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random(state) % 3 {
        let at = random(state) as usize % (bytes.len() + 1);
        let value = [0, 1, 0x7f, 0x80, 0xff, random(state) as u8][random(state) as usize % 6];
        match random(state) % 4 {
            0 => bytes.insert(at, value),
            1 if at < bytes.len() => _ = bytes.remove(at),
            _ if at < bytes.len() => bytes[at] = value,
            _ => bytes.truncate(at / 2),
        }
    }
    bytes
}

#[test]
fn mutations_under_right_checksums_and_digests_never_panic_and_only_canonical_ones_are_read() {
    let state = &mut 1;
    let good = Forge::of(&tailor());
    let manifest = good.manifest.to_bytes().unwrap();
    let header = good.tensors.len() / 2;
    let index = index().to_json().unwrap();
    for _ in 0..20_000 {
        let bad = mutate(&manifest, state);
        if let Ok(read) = Manifest::from_bytes(&bad) {
            assert_eq!(read.to_bytes().unwrap(), bad);
        }
        let _ = read_any(&good.with_manifest(&bad));
        let tensors = [&mutate(&good.tensors[..header], state), &good.tensors[header..]].concat();
        if let Ok(Pack::Tailor(read)) = read_any(&Forge { tensors: tensors.clone(), ..good.clone() }.bytes())
        {
            assert_eq!(read.tensors.to_safetensors(&config().tailor_tensors()).unwrap(), tensors);
        }
        let _ = archive::read(&mutate(&good.with_manifest(&manifest), state));
        let _ = Index::parse(&mutate(&index, state));
    }
}
