//! `tailor evaluate` on a gallery that ships: what a report says, what repeats, and what is refused.

#![cfg(feature = "graph")]

use std::fs;
use std::path::{Path, PathBuf};

use tailor_core::Sampler;
use tailor_trainer::Error;
use tailor_trainer::evaluate::evaluate;
use tailor_trainer::evaluate::leakage::leakage;
use tailor_trainer::settings::device::DeviceChoice;
use tailor_trainer::settings::evaluate::{EvaluateSettings, FigureSettings, Metric};
use tailor_trainer::settings::leakage::LeakageSettings;
use tailor_trainer::settings::sampling::SamplingSettings;

const CLASSES: [&str; 3] = ["latin-capital-a", "latin-capital-b", "latin-capital-c"];

/// Bars, rings and gradients as pictures of three classes, with a little of each other's pattern.
fn pictures(folder: &Path, classes: &[&str]) {
    for (k, class) in classes.iter().enumerate() {
        fs::create_dir_all(folder.join(class)).unwrap();
        for n in 0..24u32 {
            let shade = |x: u32, y: u32| {
                let value = [x * 8, y * 8, (x * y) % 256][k] + n * 3;
                image::Luma([value.min(255) as u8])
            };
            image::GrayImage::from_fn(32, 32, shade)
                .save(folder.join(class).join(format!("{n}.png")))
                .unwrap();
        }
    }
}

fn settings(data: &Path) -> EvaluateSettings {
    EvaluateSettings {
        gallery: Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries/letters"),
        data: data.to_owned(),
        split: None,
        classes: Vec::new(),
        per_class: 8,
        hold_out: 4,
        epochs: Some(1),
        seed: 7,
        sampling: SamplingSettings {
            steps: Some(2),
            guidance: Some(1.0),
            sampler: Some(Sampler::Euler),
            ..Default::default()
        },
        figures: FigureSettings { resamples: 20, ..FigureSettings::default() },
        device: DeviceChoice::Cpu,
    }
}

fn with(data: &Path, change: impl FnOnce(&mut FigureSettings)) -> EvaluateSettings {
    let mut settings = settings(data);
    change(&mut settings.figures);
    settings
}

fn refused(settings: &EvaluateSettings) -> String {
    let error: Error = evaluate(settings).err().unwrap();
    assert!(error.help().is_some(), "{error}");
    error.to_string()
}

#[test]
fn figures_say_what_they_depend_on_and_a_kept_classifier_repeats_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    pictures(&at("data"), &CLASSES);
    let first = with(&at("data"), |figures| {
        figures.classifier = Some(at("classifier.safetensors"));
        figures.npz = Some(at("samples.npz"));
    });
    let found = serde_json::to_value(evaluate(&first).unwrap()).unwrap();
    assert_eq!(found["samples"], 24);
    assert_eq!(found["sampling"]["sampler"], "euler");
    let figures = found["figures"].as_array().unwrap();
    let names: Vec<&str> = figures.iter().map(|figure| figure["metric"].as_str().unwrap()).collect();
    // For distances there are too few samples, and nobody asked for any.
    assert_eq!(names[..3], ["is", "precision", "recall"]);
    assert_eq!(names[3..].len(), 9);
    let entropy = &figures[3];
    assert_eq!((&entropy["metric"], &entropy["of"]), (&"entropy".into(), &"samples".into()));
    assert_eq!((&entropy["images"], &entropy["seed"], &entropy["steps"]), (&24.into(), &7.into(), &2.into()));
    assert_eq!((&entropy["guidance"], &entropy["network"]), (&1.0.into(), &"the classifier".into()));
    let [low, value, high] = [&entropy["interval"]["low"], &entropy["value"], &entropy["interval"]["high"]]
        .map(|v| v.as_f64().unwrap());
    assert!(low < value && value < high && (0.0..=3f64.ln()).contains(&value), "{low} {value} {high}");
    assert!(fs::metadata(at("samples.npz")).unwrap().len() > 24 * 32 * 32 * 3);

    // Another seed for training would give another classifier, but none is trained.
    let again = EvaluateSettings { epochs: Some(9), ..first };
    assert_eq!(serde_json::to_value(evaluate(&again).unwrap()).unwrap(), found);

    // The same file for other data.
    pictures(&at("other"), &CLASSES[..2]);
    let words = refused(&EvaluateSettings { data: at("other"), ..again.clone() });
    assert!(words.contains("trained for 3 classes") && words.contains("not for 2 classes"), "{words}");

    // Another image before all others, so that others are held out: it has seen most of these.
    for class in CLASSES {
        fs::copy(at("data").join(class).join("0.png"), at("data").join(class).join("-0.png")).unwrap();
    }
    let words = refused(&EvaluateSettings { data: at("data"), ..again });
    assert!(words.contains("sources were held out"), "{words}");
}

#[test]
fn the_classifier_that_ships_reads_the_letters_that_ship() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let index = fs::read(root.join("web/galleries/letters/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    // Its data need a folder for each class, whatever is in it.
    for class in index["classes"].as_array().unwrap() {
        let folder = folder.path().join(class["id"].as_str().unwrap());
        fs::create_dir(&folder).unwrap();
        for n in 0..10u8 {
            let image = image::GrayImage::from_fn(32, 32, |x, y| image::Luma([(x * y) as u8 ^ n]));
            image.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
    let mut settings = settings(folder.path());
    settings.figures.classifier = Some(root.join("docs/classifiers/letters.safetensors"));
    settings.classes = ["A", "g", "7", "Q", "z"].map(str::to_owned).to_vec();
    (settings.hold_out, settings.per_class) = (10, 6);
    settings.sampling = SamplingSettings {
        steps: Some(8),
        guidance: Some(2.0),
        sampler: Some(Sampler::DpmPlusPlus),
        ..Default::default()
    };
    let found = evaluate(&settings).unwrap();
    assert!(found.agreement >= 0.8, "{}", found.agreement);
}

#[test]
fn figures_that_cannot_be_found_are_refused_before_anything_is_sampled() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    pictures(&data, &CLASSES);
    let words = refused(&with(&data, |figures| figures.metrics = vec![Metric::Fid]));
    assert_eq!(words, "fid in the features of the classifier needs 200 samples, and there are 24");
    let words = refused(&with(&data, |figures| figures.metrics = vec![Metric::Fdd]));
    assert_eq!(words, "fdd is found in the features of DINOv2, whose weights are not there");
    let words = refused(&EvaluateSettings {
        per_class: 2,
        ..with(&data, |f| f.metrics = vec![Metric::InceptionScore])
    });
    assert!(words.contains("needs 20 samples, and there are 6"), "{words}");

    let notes = folder.path().join("notes.txt");
    fs::write(&notes, "no weights").unwrap();
    let words = refused(&with(&data, |figures| figures.features = vec![notes.clone()]));
    assert!(words.contains("notes.txt is no safetensors file"), "{words}");
    let words = refused(&with(&data, |figures| figures.classifier = Some(notes.clone())));
    assert!(words.contains("notes.txt is no safetensors file"), "{words}");
    let error = evaluate(&with(&data, |figures| figures.classifier = Some(notes.clone()))).err().unwrap();
    assert!(error.help().unwrap().starts_with("remove it"), "what this program writes needs no torch");
    for (change, expected) in [
        (SamplingSettings { steps: Some(0), ..Default::default() }, "steps is 0"),
        (SamplingSettings { guidance: Some(101.0), ..Default::default() }, "guidance is 101"),
    ] {
        let kept = folder.path().join("kept");
        let settings = with(&data, |figures| figures.classifier = Some(kept.clone()));
        let words = refused(&EvaluateSettings { sampling: change, ..settings });
        assert!(words.contains(expected) && !kept.exists(), "{words}");
    }
    assert_eq!(fs::read_to_string(&notes).unwrap(), "no weights");
}

#[test]
fn unknown_figures_are_refused_with_the_known_ones() {
    let error = "fod".parse::<Metric>().err().unwrap().to_string();
    assert_eq!(error, "there is no figure \"fod\"; there are fid, sfid, is, precision-recall, fdd, entropy");
}

/// `A` removed, the tailors of `B` and `C` asked for it.
fn removal(data: &Path, reference: Option<&Path>) -> LeakageSettings {
    let classes = vec!["latin-capital-b".to_owned(), "C".to_owned()];
    LeakageSettings {
        evaluate: EvaluateSettings { classes, per_class: 4, ..settings(data) },
        removed: vec!["A".to_owned()],
        reference: reference.map(Path::to_owned),
    }
}

#[test]
fn a_removed_class_is_looked_for_in_all_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    pictures(&data, &CLASSES);
    // With the gallery as its own reference every figure comes twice.
    let same = settings(&data).gallery;
    let (found, sheet) = leakage(&removal(&data, Some(&same))).unwrap();
    assert_eq!((found.known_classes, found.removed.len()), (3, 1));
    let removed = &found.removed[0];
    assert_eq!((removed.id.as_str(), removed.name.as_str()), (CLASSES[0], "A"));
    let (real, made) = removed.entries.split_at(2);
    assert_eq!((real[0].of.as_str(), real[1].of.as_str()), ("real", "other_real"));
    assert!(real.iter().all(|entry| entry.sampling.is_none()));
    let (ours, reference) = made.split_at(made.len() / 2);
    let sets: Vec<(&str, usize)> = ours.iter().map(|entry| (entry.of.as_str(), entry.images)).collect();
    let expected = [("tailor", 4), ("learngene", 40), ("others", 8), ("nearest_tailor", 4), ("mixture", 4)];
    assert_eq!(sets, expected);
    for (ours, reference) in ours.iter().zip(reference) {
        assert_eq!(reference.of, format!("reference_{}", ours.of));
        assert_eq!((ours.agreement, ours.nearest), (reference.agreement, reference.nearest), "{}", ours.of);
    }
    for entry in &removed.entries {
        let (interval, nearest) = (entry.agreement_interval.unwrap(), entry.nearest.unwrap());
        let within = interval.low <= entry.agreement + 1e-9 && entry.agreement <= interval.high + 1e-9;
        assert!((0.0..=1.0).contains(&entry.agreement) && within && nearest >= 0.0, "{entry:?}");
    }
    // What was chosen on some seeds is measured on others.
    let seeds: Vec<u64> = ours.iter().map(|entry| entry.sampling.as_ref().unwrap().seed).collect();
    assert_eq!(seeds, [47, 7, 7, 47, 47]);
    assert!(ours[4].words == "mixture of B + C" || ours[4].words == "mixture of C + B", "{}", ours[4].words);
    let rows: Vec<&str> = sheet.blocks[0].rows.iter().map(|(words, _)| words.as_str()).collect();
    assert_eq!(rows.len(), 9, "{rows:?}");
    assert!(
        rows.contains(&"real A nearest to the row above") && rows.contains(&"learngene alone, most like it")
    );
    assert!(image::load_from_memory(&sheet.png().unwrap()).unwrap().height() > 9 * 64);
}

#[test]
fn a_plain_network_is_asked_by_its_labels_and_what_cannot_be_asked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    pictures(&at("data"), &CLASSES);
    pictures(&at("one"), &CLASSES[..1]);
    let tailor = |line: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tailor"));
        let output = command.args(line.split(' ')).current_dir(folder.path()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), output.stderr)
    };
    for (method, classes) in [("plain", "data"), ("kind", "one")] {
        let line = format!("train --method {method} --preset tiny --data {classes} --out runs/{method}");
        let begun = tailor(&format!("{line} --steps 2 --batch-size 2 --sample-every 0 --device cpu"));
        assert_eq!(begun.0, 0, "{}", String::from_utf8_lossy(&begun.2));
        let line = format!("publish runs/{method} --device cpu --previews 0 --out {method}");
        assert_eq!(tailor(&line).0, 0);
    }
    let few = "--remove A --per-class 2 --steps 2 --epochs 1 --hold-out 4 --device cpu";
    let (status, said, error) = tailor(&format!("leakage --gallery plain --data data {few} --picture a.png"));
    assert_eq!(status, 0, "{}", String::from_utf8_lossy(&error));
    for words in
        ["A removed (latin-capital-a)", "null label", "with its label", "the other labels (2)", "mixture of"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(at("a.png").exists());

    let (status, _, error) = tailor(&format!("leakage --gallery plain --data data {few} --picture a.jpg"));
    assert!(status == 1 && String::from_utf8_lossy(&error).contains("PNG alone"));
    let refused = |settings: &LeakageSettings| leakage(settings).err().unwrap().to_string();
    let all = LeakageSettings { removed: CLASSES.map(str::to_owned).to_vec(), ..removal(&at("data"), None) };
    assert!(refused(&all).contains("no other class than the removed ones"), "{}", refused(&all));
    let absent = LeakageSettings { removed: vec!["Q".to_owned()], ..removal(&at("data"), None) };
    assert!(
        refused(&absent).contains("no images of the removed class latin-capital-q"),
        "{}",
        refused(&absent)
    );
    let unknown = LeakageSettings { removed: vec!["xyz".to_owned()], ..removal(&at("data"), None) };
    assert!(refused(&unknown).contains("no class \"xyz\""), "{}", refused(&unknown));
    let poor = refused(&removal(&at("data"), Some(&at("kind"))));
    assert!(poor.contains("no class \"latin-capital-b\"") || poor.contains("no class \"C\""), "{poor}");
}
