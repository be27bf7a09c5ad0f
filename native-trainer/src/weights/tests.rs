use std::io::Write as _;
use std::path::PathBuf;

use tailor_packs::{Gelu, ModelConfig};
use zip::write::SimpleFileOptions;

use super::dit::{LABELS, LayoutError, POSITIONS, Told};
use super::*;

/// Tensors by name, with their shapes.
type Shapes = BTreeMap<String, Vec<usize>>;

const DIT: Told = Told { heads: Some(2), gelu: Gelu::Tanh };

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/reference/fixtures").join(name)
}

fn opened(bytes: &[u8]) -> Result<WeightsFile, WeightsError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    WeightsFile::open(file.path())
}

/// Opens and reads everything, which must never panic.
fn tried(bytes: &[u8]) -> Result<(), WeightsError> {
    let mut file = opened(bytes)?;
    let names: Vec<String> = file.shapes().keys().map(|name| (*name).to_owned()).collect();
    names.iter().try_for_each(|name| file.read(name).map(|_| ()))
}

/// A checkpoint of PyTorch with this pickle.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("a/data.pkl", pickle), ("a/byteorder", b"little"), ("a/data/0", &[0; 16])] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_checkpoint_of_training_holds_the_moving_average_that_safetensors_hold() {
    let (mut pt, mut safe) = (
        WeightsFile::open(&fixture("dit.pt")).unwrap(),
        WeightsFile::open(&fixture("dit.safetensors")).unwrap(),
    );
    assert_eq!(pt.shapes(), safe.shapes());
    let names: Vec<String> = pt.shapes().keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(names.len(), 6 + 2 + 2 * 10 + 4);
    for name in names {
        let (a, b) = (pt.read(&name).unwrap(), safe.read(&name).unwrap());
        assert!(a == b && !a.is_empty(), "{name}");
    }
}

#[test]
fn the_sizes_are_found_from_the_shapes() {
    for (name, learned_variance) in [("dit.pt", true), ("dit-exact.safetensors", false)] {
        let file = WeightsFile::open(&fixture(name)).unwrap();
        let (config, classes) = dit::config(&file.shapes(), DIT).unwrap();
        let sizes =
            [config.channels, config.image_size, config.patch_size, config.width, config.depth, config.heads];
        assert_eq!((sizes, classes), ([4, 8, 2, 8, 2, 2], 3));
        assert_eq!((config.learned_variance, config.gelu), (learned_variance, Gelu::Tanh));
        assert!(config.factored.matrices().is_empty());
    }
}

#[test]
fn every_tensor_has_its_place_and_goes_back_to_it() {
    let mut file = WeightsFile::open(&fixture("dit.safetensors")).unwrap();
    let (config, _) = dit::config(&file.shapes(), DIT).unwrap();
    let pairs = dit::pairs(&config);
    let own: Vec<String> = config.learngene_tensors().into_iter().map(|spec| spec.name).collect();
    let ours: std::collections::BTreeSet<&str> = pairs.iter().map(|pair| pair.own.as_str()).collect();
    assert!(own.iter().filter(|name| *name != "label.null").all(|name| ours.contains(name.as_str())));
    assert_eq!(ours.len(), own.len() - 1);
    for pair in &pairs {
        let values = file.read(&pair.name).unwrap();
        assert_eq!(pair.to_dit(&pair.to_own(&values)), values, "{}", pair.name);
    }
    let pair = |name: &str| pairs.iter().find(|pair| pair.name == name).unwrap();
    // A matrix [out, in] is ours as [in, out].
    let (theirs, fc1) = (file.read("blocks.1.mlp.fc1.weight").unwrap(), pair("blocks.1.mlp.fc1.weight"));
    assert_eq!((&fc1.shape[..], fc1.own.as_str()), (&[32, 8][..], "blocks.1.in.weight"));
    assert_eq!(fc1.to_own(&theirs)[5 * 32 + 30], theirs[30 * 8 + 5]);
    // A convolution [D, C, row, column] is ours as [row, column, C, D].
    let (theirs, conv) = (file.read("x_embedder.proj.weight").unwrap(), pair("x_embedder.proj.weight"));
    let (d, c, row, column) = (6, 3, 1, 0);
    assert_eq!(
        conv.to_own(&theirs)[((row * 2 + column) * 4 + c) * 8 + d],
        theirs[((d * 4 + c) * 2 + row) * 2 + column]
    );
}

#[test]
fn positions_are_dits_own() {
    let mut file = WeightsFile::open(&fixture("dit.pt")).unwrap();
    let (config, _) = dit::config(&file.shapes(), DIT).unwrap();
    let mut table = file.read(POSITIONS).unwrap();
    dit::check_positions(&config, &table).unwrap();
    // As a file in bfloat16 holds them.
    let rounded: Vec<f32> = table.iter().map(|value| half::bf16::from_f32(*value).to_f32()).collect();
    dit::check_positions(&config, &rounded).unwrap();
    table[9] += 0.25;
    let refused = dit::check_positions(&config, &table).unwrap_err();
    assert_eq!(refused.to_string(), "pos_embed differs from DiT's table of sines and cosines by up to 0.250");
    table[9] = f32::NAN;
    assert!(dit::check_positions(&config, &table).is_err());
}

/// The config of a DiT of this width with a thousand classes.
fn of_width(d: usize, heads: Option<u32>) -> Result<(ModelConfig, usize), LayoutError> {
    let file = WeightsFile::open(&fixture("dit.safetensors")).unwrap();
    let config = dit::config(&file.shapes(), DIT).unwrap().0;
    let config = ModelConfig { width: d as u32, ..config };
    let mut shapes: Shapes = dit::pairs(&config).into_iter().map(|pair| (pair.name, pair.shape)).collect();
    shapes.insert(LABELS.to_owned(), vec![1001, d]);
    shapes.insert(POSITIONS.to_owned(), vec![1, 16, d]);
    let shapes = shapes.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
    dit::config(&shapes, Told { heads, gelu: Gelu::Tanh })
}

#[test]
fn methods_find_the_papers_numbers_of_components_in_an_imported_network() {
    for (width, heads, learngene, tailor) in
        [(768, None, 318, 3), (1024, None, 424, 4), (384, None, 159, 2), (8, Some(2), 3, 1)]
    {
        let config = of_width(width, heads).unwrap().0;
        assert_eq!((config.learngene_components, config.tailor_components), (learngene, tailor), "{width}");
    }
}

#[test]
fn the_heads_of_the_public_sizes_are_known_and_others_must_be_told() {
    let heads = |d: usize, heads| of_width(d, heads).map(|(config, classes)| (config.heads, classes));
    for (width, expected) in [(384, 6), (768, 12), (1024, 16), (1152, 16)] {
        assert_eq!(heads(width, None), Ok((expected, 1000)));
    }
    assert_eq!(heads(8, None), Err(LayoutError::Heads(8)));
    assert_eq!(heads(8, Some(4)), Ok((4, 1000)));
    for wrong in [0, 3] {
        assert_eq!(heads(8, Some(wrong)), Err(LayoutError::HeadsDivide { heads: wrong, width: 8 }));
    }
}

#[test]
fn another_layout_is_refused_by_the_tensor_that_is_missing_too_many_or_of_another_shape() {
    let file = WeightsFile::open(&fixture("dit.safetensors")).unwrap();
    let with = |change: &dyn Fn(&mut Shapes)| {
        let mut shapes: Shapes =
            file.shapes().into_iter().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect();
        change(&mut shapes);
        let shapes = shapes.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
        dit::config(&shapes, DIT).unwrap_err().to_string()
    };
    for name in file.shapes().keys() {
        let said = with(&|shapes| drop(shapes.remove(*name)));
        assert!(said.contains(&format!("no tensor {name}")), "{said}");
        let said = with(&|shapes| shapes.get_mut(*name).unwrap().push(3));
        assert!(said.contains(*name) && said.contains("must be ["), "{said}");
        with(&|shapes| shapes.get_mut(*name).unwrap()[0] = 0);
        with(&|shapes| shapes.get_mut(*name).unwrap()[0] = usize::MAX);
        with(&|shapes| shapes.get_mut(*name).unwrap().clear());
    }
    let said = with(&|shapes| drop(shapes.insert("blocks.0.attn.q_norm.weight".to_owned(), vec![4])));
    assert!(said.contains("a tensor blocks.0.attn.q_norm.weight, which no DiT has"), "{said}");
    let said = with(&|shapes| drop(shapes.insert("blocks.7.mlp.fc1.bias".to_owned(), vec![32])));
    assert!(said.contains("blocks.2.") && said.contains("no tensor"), "{said}");
}

#[test]
fn what_is_no_file_of_weights_is_called_that() {
    assert!(matches!(opened(b""), Err(WeightsError::Unknown(_))));
    assert!(matches!(opened(b"PNG or whatever else it is"), Err(WeightsError::Unknown(_))));
    let old = opened(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.").err().unwrap();
    assert!(matches!(old, WeightsError::TooOld(_)) && old.help().contains("torch.save"));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a.png", SimpleFileOptions::default()).unwrap();
    let other = opened(&zip.finish().unwrap().into_inner()).err().unwrap();
    assert!(other.to_string().contains("without the data.pkl of PyTorch"), "{other}");
    assert!(matches!(WeightsFile::open(Path::new("absent.pt")), Err(WeightsError::Read(_))));
}

#[test]
fn a_damaged_file_is_refused_or_read_and_never_a_panic() {
    for name in ["dit.pt", "dit-exact.safetensors"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        tried(&whole).unwrap();
        for cut in (0..whole.len()).step_by(whole.len() / 200) {
            assert!(tried(&whole[..cut]).is_err(), "{name} cut to {cut}");
        }
        // Where names, shapes and the pickle lie; values have no wrong bytes.
        for at in (0..whole.len().min(12_000)).step_by(23) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            let _ = tried(&bytes);
        }
    }
}

#[test]
fn values_that_changed_on_the_way_are_not_taken() {
    let path = fixture("dit.pt");
    let whole = std::fs::read(&path).unwrap();
    let values = WeightsFile::open(&path).unwrap().read("y_embedder.embedding_table.weight").unwrap();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let start = whole.windows(bytes.len()).position(|window| window == bytes).unwrap();
    for at in [start, start + bytes.len() / 2, start + bytes.len() - 1] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        let said = tried(&altered).unwrap_err().to_string();
        assert!(said.contains("y_embedder.embedding_table.weight: Invalid checksum"), "{said}");
    }
}

#[test]
fn a_file_whose_checksums_were_not_computed_is_read() {
    let mut file = std::fs::read(fixture("dit.pt")).unwrap();
    // Zeros where the local headers and the central directory have them, as PyTorch writes on demand.
    for (head, at) in [(b"PK\x03\x04", 14), (b"PK\x01\x02", 16)] {
        let starts: Vec<usize> = (0..file.len() - 4).filter(|i| file[*i..*i + 4] == head[..]).collect();
        assert!(starts.len() > 3, "entries");
        starts.into_iter().for_each(|start| file[start + at..start + at + 4].fill(0));
    }
    tried(&file).unwrap();
}

#[test]
fn a_folder_with_an_endless_name_in_an_archive_is_refused() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(format!("{}/data.pkl", "a".repeat(60_000)), SimpleFileOptions::default()).unwrap();
    zip.write_all(b"}.").unwrap();
    let said = opened(&zip.finish().unwrap().into_inner()).err().unwrap().to_string();
    assert!(said.contains("a name of more than 256 bytes"), "{said}");
}

#[test]
fn a_hostile_pickle_is_refused_and_calls_nothing() {
    let refused = |pickle: &[u8]| opened(&archive(pickle)).err().unwrap().to_string();
    // os.system("…"): known as a call, and not made.
    assert!(refused(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.").contains("no tensors by name"));
    assert!(refused(b"\x80\x02i").contains("0x69"));
    for endless in [&b"\x80\x02X\xff\xff\xff\xffabc"[..], b"\x80\x02", b"", b"\x80\x02c", b"\x80\x02\x8a\xff"]
    {
        assert!(refused(endless).contains("ends early"));
    }
    for empty in [&b"t."[..], b"h\0.", b"R.", b"Q.", b"q\0.", b"(R.", b"}(s.", b"u.", b"\x87.", b"."] {
        refused(empty);
    }
    // A million tuples one in the other.
    let deep = [&b")"[..], &b"\x85".repeat(1_000_000), b"."].concat();
    assert!(refused(&deep).contains("no tensors by name"));
    // A dictionary in itself.
    refused(b"}q\0X\x03\0\0\0emah\0s.");
    // A name of a megabyte that is repeated.
    let name = [&b"X\0\0\x10\0"[..], &[b'a'; 1 << 20], b"q\0", &b"h\0h\0\x93".repeat(1000), b"."].concat();
    assert!(refused(&name).contains("no short text"));
    // Two names of 256 letters that are to be joined a million times.
    let long = [&b"\x8c\xff"[..], &[b'a'; 255], b"q\0"].concat();
    assert!(
        refused(&[&long[..], &b"h\0h\0\x93".repeat(900_000), b"."].concat()).contains("no tensors by name")
    );
    // A text of a megabyte that is to be copied sixty thousand times, and more values than there is room for.
    let text =
        [&b"ctorch._utils\n_rebuild_parameter\nq\x01X\0\0\x10\0"[..], &[b'a'; 1 << 20], b"q\0"].concat();
    let copies = [&text[..], &b"h\x01h\0\x85R".repeat(60_000), b"."].concat();
    assert!(refused(&copies).contains("no tensors by name"));
    assert!(refused(&b")".repeat(1 << 21)).contains("more than 1048576 values"));
    // More axes than tensors have, and negative ones.
    let tensor = |shape: &[u8], strides: &[u8]| {
        let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ";
        [
            &b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n("[..],
            storage,
            b"K\0",
            shape,
            strides,
            b"\x89NtRs.",
        ]
        .concat()
    };
    let mut file = opened(&archive(&tensor(b"K\x04\x85", b"K\x01\x85"))).unwrap();
    assert_eq!(file.read("w").unwrap(), [0.0; 4]);
    assert!(refused(&tensor(b"J\xff\xff\xff\xff\x85", b"K\x01\x85")).contains("negative size"));
    assert!(refused(&tensor(b"K\x02K\x02\x86", b"K\x01K\x02\x86")).contains(".contiguous()"));
    assert!(tried(&archive(&tensor(b"J\xff\xff\xff\x7f\x85", b"K\x01\x85"))).is_err());
    let many = [&b"("[..], &b"K\x01".repeat(99), b"t"].concat();
    assert!(refused(&tensor(&many, &many)).contains("no tensors by name"));
}
