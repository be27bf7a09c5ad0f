//! What is written is read back, the same each time.

use crate::support::*;
use tailor_packs::archive::{MANIFEST, TENSORS};
use tailor_packs::index::{learngene_file_name, tailor_file_name};
use tailor_packs::*;

#[test]
fn a_learngene_and_its_tailor_survive_a_round_trip() {
    let config = config();
    let file = write_learngene_of(&config, Some(PNG));
    let learngene = read_learngene(&file).unwrap();
    assert_eq!(learngene.tensors, tensors(&config.learngene_tensors()));
    assert_eq!(learngene.card, card());
    assert_eq!(learngene.preview.as_deref(), Some(PNG));
    assert_eq!(learngene.digest, Digest::of(&file));
    assert_eq!((learngene.manifest.kind.clone(), learngene.manifest.steps), (Kind::Learngene, 9));
    assert_eq!(learngene.manifest.config, config);

    let pack = tailor_for(learngene.digest);
    let tailor = read_tailor(&pack, Some((&learngene.digest, &config))).unwrap();
    assert_eq!(tailor.tensors, tensors(&config.tailor_tensors()));
    assert_eq!((tailor.class.clone(), tailor.learngene), (class(), learngene.digest));
    assert_eq!(tailor.manifest.weights, Weights::Raw);
    assert_eq!(read_tailor(&pack, None).as_ref(), Ok(&tailor));
    assert_eq!(read_any(&pack), Ok(Pack::Tailor(tailor)));
    assert_eq!(read_any(&file), Ok(Pack::Learngene(learngene)));
}

#[test]
fn the_same_contents_give_the_same_bytes() {
    assert_eq!(learngene(), learngene());
    assert_eq!(tailor(), tailor());
    // A change of the bytes is a change of the format, of every file name and of every stored gallery.
    assert_eq!(Digest::of(&learngene()).short(), "8fa7126de6cf297c");
    assert_eq!(Digest::of(&tailor()).short(), "3651a5a2789d0928");
}

#[test]
fn every_preset_survives_a_round_trip_of_its_tailor_and_is_rounded_to_half_precision() {
    for name in ["tiny", "letters", "fashion", "cifar", "dit-s-2"] {
        let config = ModelConfig::preset(name).unwrap();
        let mut exact = Tensors::new();
        for spec in config.tailor_tensors() {
            let values = (0..spec.len()).map(|i| (i as f32 * 0.37).sin() * 0.02).collect();
            exact.insert(&spec.name, &spec.shape, values).unwrap();
        }
        let card = card();
        let contents = Contents::new(name, &config, &exact, &card);
        let pack = write_tailor(&contents, Digest::of(b""), &class()).unwrap();
        let read = read_tailor(&pack, None).unwrap();
        assert_eq!(read.tensors.parameters(), config.tailor_parameters());
        for (name, shape, values) in read.tensors.iter() {
            let (_, exact) = exact.get(name).unwrap();
            for (value, exact) in values.iter().zip(exact) {
                let tolerance = if shape.len() < 2 { 0.0 } else { exact.abs() / 2048.0 + 6e-8 };
                assert!((value - exact).abs() <= tolerance, "{name}: {value} for {exact}");
            }
        }
    }
}

#[test]
fn tensors_begin_at_a_multiple_of_eight_whatever_the_manifest_s_length() {
    let mut forge = Forge::of(&tailor());
    for length in 1..=16 {
        forge.manifest.model = "m".repeat(length);
        let bytes = forge.clone().bytes();
        read_any(&bytes).unwrap();
        let body = archive::read(&bytes).unwrap().get(TENSORS).unwrap();
        let offset = body.as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(offset % 8, 0);
        let header = u64::from_le_bytes(body[..8].try_into().unwrap());
        assert_eq!(header % 8, 0);
    }
}

#[test]
fn the_body_opens_in_the_safetensors_library() {
    let bytes = learngene();
    let archive = archive::read(&bytes).unwrap();
    let body = safetensors::SafeTensors::deserialize(archive.get(TENSORS).unwrap()).unwrap();
    let specs = config().learngene_tensors();
    assert_eq!(body.len(), specs.len());
    for spec in specs {
        let view = body.tensor(&spec.name).unwrap();
        assert_eq!(view.shape(), spec.shape);
        assert_eq!(view.dtype(), tensors::stored_dtype(&spec));
    }
}

#[test]
fn the_manifest_survives_json_for_inspection() {
    let pack = tailor();
    let manifest = read_any(&pack).unwrap().manifest().clone();
    let json = serde_json::to_string(&manifest).unwrap();
    assert!(json.contains(r#""kind":{"tailor":{"learngene":""#), "{json}");
    assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
    let stored = archive::read(&pack).unwrap().get(MANIFEST).unwrap();
    assert_eq!(Manifest::from_bytes(stored), Ok(manifest));
}

#[test]
fn an_index_survives_json_and_finds_its_classes_and_files() {
    let index = index();
    let json = index.to_json().unwrap();
    let read = Index::parse(&json).unwrap();
    assert_eq!(read, index);
    assert_eq!(read.to_json(), Ok(json));
    assert_eq!(read.class("a"), Some(&index.classes[0]));
    assert_eq!(read.class("b"), None);
    assert_eq!(read.files().count(), 2);
}

#[test]
fn a_file_s_name_changes_with_its_content() {
    let digest = Digest::of(b"abc");
    assert_eq!(learngene_file_name("letters", &digest), "letters-ba7816bf8f01cfea.learngene");
    assert_eq!(tailor_file_name("upper_a", &digest), "upper_a-ba7816bf8f01cfea.tailor");
}
