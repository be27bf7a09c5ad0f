//! What a pack can come to say without another format: extensions, further entries, number formats, features.

use crate::support::*;
use tailor_packs::PackError::*;
use tailor_packs::*;

/// What later versions are certain to add: name, whether a reader must know it, and a value as it might be.
const TO_COME: [(&str, bool, &[u8]); 9] = [
    // A decoder from latents to pixels, by the digest of its file; and the scale of latents.
    ("codec", true, &[7; 36]),
    ("norm", true, b"\x02"),
    ("activation", true, b"\x03"),
    ("positions", true, b"\x01learned"),
    // A second time, as of flow maps and consistency models.
    ("second-time", true, b""),
    ("text-condition", true, &[1; 40]),
    ("guidance-schedule", false, b"\x03\x01\x02\x03"),
    ("seed-of-previews", false, b"\x07"),
    ("x-somebody-s-own", false, b"anything"),
];

/// A run that was recorded while it sampled: a file for each of a few steps.
const RUN: [u8; 5000] = [42; 5000];

#[test]
fn what_is_certain_to_come_is_refused_by_its_name_where_it_is_required_and_passed_over_where_not() {
    for (name, required, value) in TO_COME {
        for pack in [learngene(), tailor()] {
            let refused = read_any(&grow(&pack, &[(name, true, value)], &[])).unwrap_err();
            assert_eq!(refused, RequiredUnknown { what: "extension", name: name.into() });
            assert!(
                refused.to_string().contains(name) && refused.to_string().contains("update"),
                "{refused}"
            );
            if required {
                continue;
            }
            let grown = grow(&pack, &[(name, false, value)], &[]);
            let read = read_any(&grown).unwrap();
            assert_eq!(read.manifest().format, 2);
            assert_eq!(read.manifest().extensions, [Extension { name: name.into(), value: value.into() }]);
            assert_eq!(rewrite(&grown), grown);
        }
    }
}

#[test]
fn a_recorded_run_of_previews_is_an_entry_that_older_readers_pass_over() {
    let grown = grow(&tailor(), &[], &[("preview-run.bin", false, &RUN)]);
    let Pack::Tailor(read) = read_any(&grown).unwrap() else { panic!("a tailor") };
    let Pack::Tailor(plain) = read_any(&tailor()).unwrap() else { panic!("a tailor") };
    assert_eq!((read.tensors, read.card, read.preview), (plain.tensors, plain.card, plain.preview));
    assert_eq!(pack::further(&grown).unwrap(), [Further { name: "preview-run.bin", bytes: &RUN }]);
    assert_eq!(rewrite(&grown), grown);
    let refused = read_any(&grow(&tailor(), &[], &[("preview-run.bin", true, &RUN)])).unwrap_err();
    assert_eq!(refused, RequiredUnknown { what: "entry", name: "preview-run.bin".into() });
}

#[test]
fn what_was_passed_over_is_kept_so_that_writing_it_again_gives_the_same_bytes() {
    let all: Vec<_> = {
        let mut all: Vec<_> = TO_COME.iter().filter(|(_, required, _)| !required).copied().collect();
        all.push(("tanh-gelu", true, b""));
        all.sort_unstable();
        all
    };
    let grown = grow(&learngene(), &all, &[("a.bin", false, b""), ("b.bin", false, &RUN)]);
    assert_eq!(read_any(&grown).unwrap().manifest().config.gelu, Gelu::Tanh);
    assert_eq!(rewrite(&grown), grown);
    assert_eq!(rewrite(&grown_tailor()), grown_tailor());
    // And a pack of format 1 stays one.
    assert_eq!(rewrite(&tailor()), tailor());
    assert_eq!(pack::further(&tailor()), Ok(Vec::new()));
}

#[test]
fn a_pack_through_an_index_may_have_what_its_reader_does_not_know() {
    let pack = grow(&tailor(), &[("x-note", false, b"hello")], &[("a.bin", false, &RUN)]);
    let index =
        Index { classes: vec![ClassEntry::new(&class(), FileEntry::of("a-2.tailor", &pack))], ..index() };
    let index = Index::parse(&index.to_json().unwrap()).unwrap();
    assert_eq!(index.format, index::INDEX_VERSION, "the index itself has nothing new");
    assert_eq!(index.read_tailor("a", &pack).unwrap().manifest.extensions.len(), 1);
}

/// Each combination of features.
fn featured() -> Vec<ModelConfig> {
    let factored = "o,in".parse().unwrap();
    // Heads of 4 values, for the turns of RoPE.
    let plain = ModelConfig { factored, objective: Objective::Ddpm, heads: 1, ..config() };
    let all = (0..512).map(|bits| ModelConfig {
        gelu: if bits & 1 > 0 { Gelu::Tanh } else { Gelu::Exact },
        learned_variance: bits & 2 > 0,
        separate_attention: bits & 4 > 0,
        norm: if bits & 8 > 0 { Norm::Rms } else { Norm::Layer },
        qk_norm: bits & 16 > 0,
        rope: bits & 32 > 0,
        swiglu: bits & 64 > 0,
        clean_output: bits & 128 > 0,
        few_steps: bits & 256 > 0,
        objective: if bits & 384 > 0 { Objective::Flow } else { Objective::Ddpm },
        ..plain.clone()
    });
    all.filter(|config| config.validate().is_ok()).collect()
}

#[test]
fn what_engines_must_not_guess_survives_a_round_trip_in_packs_and_in_the_index() {
    let card = card();
    for config in featured() {
        let shared = tensors(&config.learngene_tensors());
        let file = write_learngene(&contents(&config, &shared, &card)).unwrap();
        let learngene = read_learngene(&file).unwrap();
        assert_eq!((&learngene.manifest.config, &learngene.tensors), (&config, &shared));
        let format = if config.needs().is_empty() { 1 } else { 2 };
        assert_eq!(learngene.manifest.format, format);
        assert_eq!(rewrite(&file), file);

        let own = tensors(&config.tailor_tensors());
        let pack = write_tailor(&contents(&config, &own, &card), learngene.digest, &class()).unwrap();
        let index = Index {
            parameters: ParameterCounts::of(&config).unwrap(),
            config: config.clone(),
            learngene: FileEntry::of("l.learngene", &file),
            classes: vec![ClassEntry::new(&class(), FileEntry::of("a.tailor", &pack))],
            ..index()
        };
        let json = index.to_json().unwrap();
        let read = Index::parse(&json).unwrap();
        assert_eq!(read.format, format + 1);
        assert_eq!(Index { format: index.format, ..read.clone() }, index);
        assert_eq!(read.to_json(), Ok(json.clone()));
        assert_eq!(read.read_tailor("a", &pack).unwrap().tensors, own);
        read.read_learngene(&file).unwrap();
        // A tailor of the plain model does not fit, even where its tensors do.
        if format == 2 {
            let plain = featured().remove(0);
            let own = tensors(&plain.tailor_tensors());
            let other = write_tailor(&contents(&plain, &own, &card), learngene.digest, &class()).unwrap();
            let refused = read_tailor(&other, Some((&learngene.digest, &config)));
            assert!(matches!(refused, Err(ManifestInvalid { .. })), "{refused:?}");
            let old = String::from_utf8(json).unwrap().replacen("\"format\": 3", "\"format\": 2", 1);
            let refused = Index::parse(old.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(config.needs()[0].name()), "{refused}");
        }
    }
}

#[test]
fn the_tensors_of_a_plain_published_network_are_those_that_it_has() {
    // DiT-XL/2 as published: nothing factored, tanh, learned variance.
    let plain = ModelConfig {
        factored: "".parse().unwrap(),
        gelu: Gelu::Tanh,
        learned_variance: true,
        ..ModelConfig::preset("dit-xl-2").unwrap()
    };
    plain.validate().unwrap();
    assert_eq!(plain.needs(), [Feature::LearnedVariance, Feature::TanhGelu]);
    // The authors' program counts 675,129,632 parameters: 1001 rows are labels, and 256 rows of positions are none of
    // ours.
    let ours = plain.learngene_parameters() + 1000 * plain.tailor_parameters();
    assert_eq!(ours, 675_129_632 - 256 * 1152);
}

/// Values of any size, deterministic.
fn rough(specs: &[TensorSpec]) -> Tensors {
    let mut tensors = Tensors::new();
    for (number, spec) in specs.iter().enumerate() {
        let value = |i: usize| ((i * 31 + number * 7) as f32 * 0.61).sin() * 0.05 * (1 + number % 3) as f32;
        tensors.insert(&spec.name, &spec.shape, (0..spec.len()).map(value).collect()).unwrap();
    }
    tensors
}

#[test]
fn each_number_format_survives_a_round_trip_of_learngene_and_tailor() {
    let (config, card) = (ModelConfig::preset("tiny").unwrap(), card());
    let mut sizes = Vec::new();
    for storage in [Storage::Usual, Storage::Single, Storage::Int8] {
        for tailor in [false, true] {
            let specs = if tailor { config.tailor_tensors() } else { config.learngene_tensors() };
            let exact = rough(&specs);
            let contents = Contents { storage, ..contents(&config, &exact, &card) };
            let file = match tailor {
                true => write_tailor(&contents, Digest::of(b""), &class()),
                false => write_learngene(&contents),
            };
            let file = file.unwrap();
            sizes.push(file.len());
            let read = match read_any(&file).unwrap() {
                Pack::Learngene(read) => read.tensors,
                Pack::Tailor(read) => read.tensors,
            };
            for (name, _, values) in exact.iter() {
                let largest = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                let allowed = match storage {
                    Storage::Single => 0.0,
                    Storage::Int8 => largest / 250.0,
                    _ => largest / 2048.0,
                };
                let (_, found) = read.get(name).unwrap();
                let worst = values.iter().zip(found).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(worst <= allowed, "{name}: {worst} of {allowed} in {storage:?}");
            }
            assert_eq!(rewrite(&file), file, "{storage:?}");
        }
    }
    println!("learngene and tailor as usual, in f32, in int8: {sizes:?} bytes");
    assert!(2 * sizes[4] < sizes[0] + 20_000 && sizes[0] < sizes[2]);
}

#[test]
fn each_tensor_can_have_its_own_number_format() {
    let config = wide();
    let specs = config.learngene_tensors();
    let mut types: Vec<DataType> = specs.iter().map(DataType::usual).collect();
    for (number, (dtype, spec)) in types.iter_mut().zip(&specs).enumerate() {
        *dtype = match (spec.shape.len(), number % 3) {
            (_, 0) => DataType::F32,
            (1, _) | (_, 1) => DataType::F16,
            _ => DataType::I8,
        };
    }
    let (exact, card) = (rough(&specs), card());
    let contents = Contents { storage: Storage::Each(&types), ..contents(&config, &exact, &card) };
    let file = write_learngene(&contents).unwrap();
    assert_eq!(read_learngene(&file).unwrap().manifest.types, types);
    assert_eq!(rewrite(&file), file);
    for wrong in [&types[1..], &vec![DataType::I8; types.len()]] {
        let refused = write_learngene(&Contents { storage: Storage::Each(wrong), ..contents });
        assert!(matches!(refused, Err(ManifestInvalid { .. })), "{refused:?}");
    }
    // The usual ones, spelled out, are no news.
    let usual: Vec<DataType> = specs.iter().map(DataType::usual).collect();
    let plain = write_learngene(&Contents { storage: Storage::Each(&usual), ..contents }).unwrap();
    assert_eq!(plain, write_learngene(&Contents { storage: Storage::Usual, ..contents }).unwrap());
}

#[test]
fn int8_holds_zeros_the_smallest_and_the_largest_and_refuses_what_it_cannot_hold() {
    let spec = TensorSpec { name: "blocks.0.o.weight".into(), shape: vec![2, 6] };
    let specs = [spec.clone()];
    let storage = Storage::Each(&[DataType::I8]);
    let store = |values: Vec<f32>| {
        let mut tensors = Tensors::new();
        tensors.insert(&spec.name, &spec.shape, values).unwrap();
        tensors.to_safetensors_as(&specs, storage)
    };
    let values = vec![0.0, 1e-44, 1e-30, 3e38, -1.0, 127.0, -0.0, 0.0, -1e-32, 1.0, 0.25, -64.0];
    let body = store(values).unwrap();
    let read = Tensors::from_safetensors_as(&body, &specs, storage).unwrap();
    let (_, found) = read.get(&spec.name).unwrap();
    assert_eq!([found[0], found[1], found[6], found[7]], [0.0; 4], "zeros, and what is too small to scale");
    assert_eq!((found[5], found[11]), (127.0, -64.0), "what 17 bits hold is exact");
    for (at, exact) in [(2, 1e-30), (3, 3e38), (4, -1.0)] {
        assert!((found[at] / exact - 1.0f32).abs() < 2e-5, "{} for {exact}", found[at]);
    }
    assert_eq!(read.to_safetensors_as(&specs, storage), Ok(body));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut values = vec![0.5; 12];
        values[7] = bad;
        let refused = store(values);
        assert!(matches!(&refused, Err(TensorNotFinite { position: 7, .. })), "{refused:?}");
    }
}

#[test]
fn the_safetensors_library_opens_int8_with_its_scales() {
    let bytes = grown_tailor();
    let archive = archive::read(&bytes).unwrap();
    let body = safetensors::SafeTensors::deserialize(archive.get(archive::TENSORS).unwrap()).unwrap();
    let (u, scale) = (body.tensor("blocks.0.o.u").unwrap(), body.tensor("blocks.0.o.u.scale").unwrap());
    assert_eq!((u.dtype(), u.shape()), (safetensors::Dtype::I8, &[8, 1][..]));
    assert_eq!((scale.dtype(), scale.shape()), (safetensors::Dtype::F32, &[1][..]), "one for each component");
    assert_eq!(body.tensor("blocks.0.o.v.scale").unwrap().shape(), [1], "of v too, whose rows they are");
}

#[test]
fn the_writer_refuses_what_no_reader_would_take() {
    let (config, card) = (config(), card());
    let tensors = tensors(&config.learngene_tensors());
    let plain = contents(&config, &tensors, &card);
    let extension = |name: &str, length| Extension { name: name.into(), value: vec![0; length] };
    let long = limits::EXTENSION as usize + 1;
    for (wrong, exceeded) in [
        (vec![extension("b", 0), extension("a", 0)], false),
        (vec![extension("a", 0), extension("a", 0)], false),
        (vec![extension("", 0)], false),
        (vec![extension("A", 0)], false),
        (vec![extension("tanh-gelu", 0)], false),
        (vec![extension("tensor-types", 0)], false),
        (vec![extension("a", long)], true),
        ((0..33).map(|n| extension(&format!("a{n:02}"), 0)).collect(), true),
    ] {
        let refused = write_learngene(&Contents { extensions: &wrong, ..plain }).unwrap_err();
        assert_eq!(matches!(refused, LimitExceeded { .. }), exceeded, "{wrong:?}: {refused:?}");
    }
    let large = vec![0; limits::FURTHER as usize + 1];
    let further = |name, bytes| Further { name, bytes };
    for wrong in [
        vec![further("b", b""), further("a", b"")],
        vec![further("a", b""), further("a", b"")],
        vec![further("card.json", b"")],
        vec![further("../a", b"")],
        vec![further("a", &large)],
        vec![further("a", b""); 17],
    ] {
        assert!(write_learngene(&Contents { further: &wrong, ..plain }).is_err(), "{:?}", wrong[0].name);
    }
}
