//! What an experiment holds on to: the images that it was begun with, networks that others have made, its data's folder
//! as it is, one line for each run, and no program that outlives it.
#![cfg(unix)]

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::experiment::{FILE, Place, text};

const LINE: &str = "experiment arms.toml --device cpu --jobs 1 --out there";

/// What is said of an experiment that is refused.
fn refused(place: &Place, line: &str) -> String {
    let output = place.tailor(line);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}: {said}");
    said
}

#[test]
fn results_of_other_images_are_not_taken_for_those_of_these() {
    let place = Place::new(FILE);
    place.done(LINE);
    let before = place.results("there");
    // The same images elsewhere are the same.
    fs::rename(place.at("data"), place.at("moved")).unwrap();
    fs::write(place.at("arms.toml"), FILE.replace("\"data\"", "\"moved\"")).unwrap();
    place.done(LINE);
    assert_eq!(place.results("there"), before);
    // One more arm needs the images again.
    let more = format!(
        "{}\n[[arms]]\nname = \"more\"\ntraining.batch_size = 1\n",
        FILE.replace("\"data\"", "\"moved\"")
    );
    let image = place.at("moved/bars/3.png");
    let kept = fs::read(&image).unwrap();
    fs::copy(place.at("moved/stripes/5.png"), &image).unwrap();
    place.done(LINE);
    fs::write(place.at("arms.toml"), &more).unwrap();
    let said = refused(&place, LINE);
    assert!(said.contains("begun with other training images") && said.contains("another --out"), "{said}");
    fs::write(&image, kept).unwrap();
    fs::write(place.at("bars.toml"), "classes = [\"bars\"]").unwrap();
    let said = refused(&place, &format!("{LINE} --split bars.toml"));
    assert!(said.contains("another split"), "{said}");
    fs::write(place.at("moved/LICENSE"), "no image").unwrap();
    let note = place.at("there/images.json");
    let noted = fs::read(&note).unwrap();
    fs::write(&note, "{").unwrap();
    assert!(refused(&place, LINE).contains("images.json is damaged"));
    fs::write(&note, noted).unwrap();
    place.done(LINE);
    assert_eq!(place.results("there")[..4], before[..]);
    // What has ended needs no images.
    fs::rename(place.at("moved"), place.at("gone")).unwrap();
    place.done(LINE);
    assert_eq!(place.results("there").len(), 6);
    // A folder from before says nothing of its images.
    fs::rename(place.at("gone"), place.at("moved")).unwrap();
    fs::remove_file(&note).unwrap();
    fs::write(place.at("arms.toml"), more.replace("batch_size = 1", "batch_size = 3")).unwrap();
    let output = place.tailor(LINE);
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("does not say which images"), "{said}");
}

#[test]
fn a_network_that_the_experiment_makes_itself_is_no_base_of_it() {
    let place = Place::new(FILE);
    let short = "--preset tiny --data data --steps 2 --batch-size 2 --sample-every 0 --device cpu";
    place.done(&format!("train --method plain {short} --out run"));
    place.done("publish run --device cpu --previews 0 --out there/galleries/plain");
    let file = FILE.replace("preset = \"tiny\"", "method = \"full\"\nbase = \"there/galleries/plain\"");
    fs::write(place.at("arms.toml"), file).unwrap();
    let said = refused(&place, LINE);
    assert!(
        said.contains("arm \"usual\" adapts") && said.contains("which this experiment makes itself"),
        "{said}"
    );
    place.done(&LINE.replace("there", "elsewhere"));
    // One that only lies there is as good as any.
    fs::rename(place.at("there/galleries/plain"), place.at("there/plain")).unwrap();
    fs::write(
        place.at("arms.toml"),
        FILE.replace("preset = \"tiny\"", "method = \"full\"\nbase = \"there/plain\""),
    )
    .unwrap();
    place.done(LINE);
}

#[test]
fn nothing_is_left_in_the_data_where_a_folder_there_is_refused() {
    let place = Place::new(FILE);
    let listed = || {
        let entries = walkdir::WalkDir::new(place.at(".")).sort_by_file_name();
        entries.into_iter().map(|entry| entry.unwrap().path().to_owned()).collect::<Vec<_>>()
    };
    let before = listed();
    let short = "--steps 2 --batch-size 2 --device cpu";
    for line in [
        "experiment arms.toml --device cpu --jobs 1 --out data/new/deep".to_owned(),
        "experiment arms.toml --device cpu --jobs 2 --out data/new/deep".to_owned(),
        format!("train --preset tiny --data data {short} --out data/new/deep"),
        format!("train --preset tiny --data absent {short} --out new/deep"),
        format!("train-tailor data --learngene absent {short} --out data/new/deep"),
    ] {
        refused(&place, &line);
        assert_eq!(listed(), before, "{line}");
    }
    fs::write(place.at("arms.toml"), FILE.replace("\"data\"", "\"absent\"")).unwrap();
    assert!(refused(&place, LINE).contains("absent"));
    assert_eq!(listed(), before);
}

#[test]
fn a_run_counts_once() {
    let place = Place::new(FILE);
    place.done(LINE);
    let lines = fs::read_to_string(place.at("there/results.jsonl")).unwrap();
    fs::write(place.at("twice.jsonl"), format!("{lines}\n{lines}")).unwrap();
    let said = refused(&place, "experiment report twice.jsonl");
    assert!(
        said.contains("twice.jsonl: line 6 is about arm \"usual\" with seed 0 once more, as line 1 is"),
        "{said}"
    );
}

#[test]
fn programs_that_an_experiment_has_started_end_with_it() {
    let place = Place::new(&FILE.replace("steps = 4", "steps = 400000"));
    let line = "experiment arms.toml --device cpu --jobs 2 --out there";
    let mut first = place.command(line).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    let waited = |what: &str| {
        assert!(began.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let saved = || {
        let entries = walkdir::WalkDir::new(place.at("there")).into_iter().flatten();
        entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "safetensors")).count()
    };
    while saved() < 2 {
        waited("no checkpoint comes");
    }
    // It has no time to tell them.
    first.kill().unwrap();
    first.wait().unwrap();
    // Whoever is at work in a run's folder holds its lock.
    let free = || {
        let runs = fs::read_dir(place.at("there/runs")).unwrap();
        let locks = runs.map(|run| run.unwrap().path().join(".lock")).filter(|lock| lock.exists());
        locks.into_iter().all(|lock| fs::File::open(lock).unwrap().try_lock().is_ok())
    };
    while !free() {
        waited("a program goes on alone");
    }
}
