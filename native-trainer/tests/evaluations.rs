//! `tailor evaluate` on a gallery that ships: what a report says, what repeats, and what is refused.

#![cfg(feature = "graph")]
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use tailor_core::Sampler;
use tailor_trainer::Error;
use tailor_trainer::evaluate::evaluate;
use tailor_trainer::settings::device::DeviceChoice;
use tailor_trainer::settings::evaluate::{EvaluateSettings, FigureSettings, Metric};
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
        epochs: 1,
        seed: 7,
        sampling: SamplingSettings { steps: Some(2), guidance: Some(1.0), sampler: Some(Sampler::Euler) },
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
    let again = EvaluateSettings { epochs: 9, ..first };
    assert_eq!(serde_json::to_value(evaluate(&again).unwrap()).unwrap(), found);

    // The same file for other data.
    pictures(&at("other"), &CLASSES[..2]);
    let words = refused(&EvaluateSettings { data: at("other"), ..again });
    assert!(words.contains("trained for 3 classes") && words.contains("not for 2 classes"), "{words}");
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
    assert_eq!(fs::read_to_string(&notes).unwrap(), "no weights");
}

#[test]
fn unknown_figures_are_refused_with_the_known_ones() {
    let error = "fod".parse::<Metric>().err().unwrap().to_string();
    assert_eq!(error, "there is no figure \"fod\"; there are fid, sfid, is, precision-recall, fdd, entropy");
}
