//! An experiment from its file to its tables with the binary `tailor`: it goes on after a kill, several programs share
//! it, and what is wrong in its file is named.
#![cfg(unix)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use image::{GrayImage, Luma};
use serde_json::Value;

/// A folder with images of two classes in `data`, and an experiment of two arms with two seeds.
pub(crate) struct Place(tempfile::TempDir);

pub(crate) const FILE: &str = r#"
name = "two rates"
data = "data"
seeds = [0, 1]
preset = "tiny"
training = { steps = 4, batch_size = 2, sample_every = 0, checkpoint_every = 2 }

[[arms]]
name = "usual"

[[arms]]
name = "Slow one"
training.learning_rate = 1e-4
"#;

impl Place {
    pub(crate) fn new(file: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (class, wide) in [("stripes", 4), ("bars", 9)] {
            fs::create_dir_all(place.at("data").join(class)).unwrap();
            for i in 0..24u32 {
                let shade = |x: u32, y: u32| Luma([if (x + i) % wide < 2 { 255 } else { (y * 3) as u8 }]);
                let path = place.at("data").join(class).join(format!("{i}.png"));
                GrayImage::from_fn(32, 32, shade).save(path).unwrap();
            }
        }
        fs::write(place.at("arms.toml"), file).unwrap();
        place
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn tailor(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    pub(crate) fn done(&self, line: &str) -> String {
        let output = self.tailor(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The lines of `results.jsonl` in `out`, without what depends on the clock.
    pub(crate) fn results(&self, out: &str) -> Vec<Value> {
        let lines = fs::read_to_string(self.at(out).join("results.jsonl")).unwrap();
        let parse = |line: &str| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            value.as_object_mut().unwrap().remove("training_seconds");
            value
        };
        lines.lines().map(parse).collect()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_arm_is_trained_with_every_seed_and_the_tables_compare_them() {
    let place = Place::new(FILE);
    place.done("experiment arms.toml --device cpu --jobs 1");
    let results = place.results("experiments/arms");
    let runs: Vec<(&str, u64)> =
        results.iter().map(|r| (r["arm"].as_str().unwrap(), r["seed"].as_u64().unwrap())).collect();
    assert_eq!(runs, [("usual", 0), ("usual", 1), ("Slow one", 0), ("Slow one", 1)]);
    assert!(results.iter().all(|r| r["steps"] == 4 && r["loss"].as_f64().unwrap() > 0.0));
    assert_ne!(results[0]["loss"], results[1]["loss"], "seeds differ");
    assert_ne!(results[0]["loss"], results[2]["loss"], "arms differ");

    #[cfg(unix)]
    place.done("verify experiments/arms/galleries/slow-one-1");
    let page = place.done("experiment report experiments/arms");
    assert!(page.starts_with("# two rates\n") && page.contains("| Slow one | 2 | "), "{page}");
    assert!(page.contains("Distance from usual"), "{page}");
    place.done("experiment report experiments/arms/results.jsonl --figure loss --out page.md");
    assert!(fs::read_to_string(place.at("page.md")).unwrap().contains("| arm | seeds | loss |"));

    // Several on one page, each with those of the figures that it has.
    let changed = fs::read_to_string(place.at("experiments/arms/results.jsonl")).unwrap();
    fs::write(place.at("other.jsonl"), changed.replace("two rates", "other").replace("\"loss\"", "\"was\""))
        .unwrap();
    let all = "experiment report experiments/arms other.jsonl --figure loss --figure tailor_parameters";
    place.done(&format!("{all} --out all.md"));
    let page = fs::read_to_string(place.at("all.md")).unwrap();
    assert!(page.starts_with("# 2 experiments\n\n## two rates\n"), "{page}");
    let other = page.split("## other").nth(1).expect("the second experiment");
    assert!(other.contains("| arm | seeds | tailor_parameters |"), "{other}");
    assert!(!place.at("all-pictures").exists());
    let said = text(&place.tailor(&format!("{all} --seed 1 --out x.md")).stderr);
    assert!(said.contains("name one experiment alone") && !place.at("x.md").exists(), "{said}");

    // What has ended is left alone: its runs may even be gone.
    fs::remove_dir_all(place.at("experiments/arms/runs")).unwrap();
    place.done("experiment arms.toml --device cpu --jobs 1");
    assert_eq!(place.results("experiments/arms"), results);
    assert!(!place.at("experiments/arms/runs").exists(), "no run was begun again");

    // An arm that changes is run again, the others are not.
    fs::write(place.at("arms.toml"), FILE.replace("1e-4", "2e-4")).unwrap();
    place.done("experiment arms.toml --device cpu --jobs 1");
    let again = place.results("experiments/arms");
    assert_eq!(again[..2], results[..2]);
    assert_ne!(again[2]["loss"], results[2]["loss"]);
}

#[test]
fn programs_side_by_side_and_parts_of_an_array_find_what_one_program_finds() {
    let place = Place::new(FILE);
    // With as many threads for each as the jobs below have.
    let one = place
        .command("experiment arms.toml --device cpu --jobs 1 --out one")
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    assert!(one.status.success(), "{}", text(&one.stderr));
    for (out, lines) in [
        ("jobs", &["experiment arms.toml --device cpu --jobs 2 --out jobs"][..]),
        (
            "array",
            &[
                "experiment arms.toml --device cpu --jobs 1 --out array --array 1/2",
                "experiment arms.toml --device cpu --jobs 1 --out array --array 0/2",
            ],
        ),
    ] {
        for line in lines {
            let ended = place.command(line).env("RAYON_NUM_THREADS", "1").output().unwrap();
            assert!(ended.status.success(), "{line}: {}", text(&ended.stderr));
        }
        assert_eq!(place.results(out), place.results("one"), "{out}");
    }
}

#[test]
fn an_experiment_goes_on_after_ctrl_c_as_if_nothing_had_been() {
    let long = FILE.replace("steps = 4", "steps = 400");
    let place = Place::new(&long);
    let line = "experiment arms.toml --device cpu --out broken --jobs";
    for jobs in [1, 2] {
        let mut child = place.command(&format!("{line} {jobs}")).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        // The second program begins where the first was stopped, so it waits for more than that left.
        let checkpoints = || {
            walkdir::WalkDir::new(place.at("broken"))
                .into_iter()
                .flatten()
                .filter(|entry| entry.path().extension().is_some_and(|e| e == "safetensors"))
                .map(|entry| entry.path().to_owned())
                .collect::<Vec<_>>()
        };
        let before = checkpoints();
        while checkpoints() == before {
            assert!(began.elapsed() < Duration::from_secs(60), "no checkpoint comes");
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{jobs} jobs");
    }
    place.done(&format!("{line} 1"));
    place.done("experiment arms.toml --device cpu --out whole --jobs 1");
    assert_eq!(place.results("broken").len(), 4);
    // The second stop was of programs with another number of threads, which add up in another order.
    let close = |a: &Value, b: &Value| {
        let (a, b) = (a["loss"].as_f64().unwrap(), b["loss"].as_f64().unwrap());
        (a - b).abs() < 1e-3 * b
    };
    assert!(place.results("broken").iter().zip(&place.results("whole")).all(|(a, b)| close(a, b)));
}

#[test]
fn the_hours_are_told_beforehand_and_nothing_is_begun() {
    let place = Place::new(FILE);
    let told: Value =
        serde_json::from_str(&place.done("experiment arms.toml --device cpu --estimate --json")).unwrap();
    assert_eq!(told["arms"][0]["arm"], "usual");
    assert!(told["hours"].as_f64().unwrap() > 0.0 && told["hours"] == told["hours_left"]);
    // Two parts are the whole: each run is counted once.
    let runs = |part: &str| {
        let told = place.done(&format!("experiment arms.toml --device cpu --estimate --json --array {part}"));
        let told: Value = serde_json::from_str(&told).unwrap();
        let runs = |arm: &Value| arm["runs"][0].as_u64().unwrap();
        told["arms"].as_array().unwrap().iter().map(runs).sum::<u64>()
    };
    assert_eq!((runs("0/2"), runs("1/2")), (2, 2));
    assert!(!place.at("experiments").exists());
}

#[test]
fn what_is_wrong_in_the_file_is_named_with_its_arm_and_key() {
    let place = Place::new(FILE);
    for (from, to, words) in [
        ("name = \"usual\"", "name = \"usual\"\ncolour = 3", "colour"),
        ("seeds = [0, 1]", "seeds = []", "seeds"),
        ("seeds = [0, 1]", "seeds = [1, 1]", "twice"),
        ("learning_rate = 1e-4", "learning_rat = 1e-4", "arm \"Slow one\": training"),
        ("learning_rate = 1e-4", "learning_rate = 7", "learning_rate is 7"),
        ("learning_rate = 1e-4", "seed = 7", "seeds says"),
        ("training.learning_rate", "model.learning_rate", "arm \"Slow one\": model"),
        ("training.learning_rate = 1e-4", "model.heads = 5", "heads"),
        // What is switched off is read, too.
        ("training.learning_rate = 1e-4", "model.ropes = false", "model.ropes: unknown field"),
        ("name = \"two rates\"", "evaluate.colour = false", "evaluate.colour: unknown field"),
        ("training.learning_rate = 1e-4", "model.depth = -1", "arm \"Slow one\": model.depth: invalid value"),
        ("training.learning_rate = 1e-4", "training.shortcut_share = 0.5", "a model with few_steps"),
        ("training.learning_rate = 1e-4", "training.label_dropout = 1.0", "label_dropout is 1"),
        ("name = \"two rates\"", "evaluate.per_class = 2.5", "evaluate.per_class: invalid type"),
        ("name = \"two rates\"", "evaluate.data = \"absent\"", "evaluate.data: there is no absent"),
        (
            "name = \"two rates\"",
            "evaluate = { guide = 0.5, guidance = 1.0 }",
            "make no difference where guidance is 1",
        ),
        ("training.learning_rate = 1e-4", "evaluate.per_class = 5", "no [evaluate]"),
        ("name = \"Slow one\"", "name = \"USUAL\"", "USUAL"),
        ("name = \"Slow one\"", "name = \"--\"", "--"),
        ("preset = \"tiny\"", "preset = \"huge\"", "huge"),
        ("name = \"two rates\"", "evaluate.per_class = 0", "evaluate.per_class is 0"),
        ("name = \"two rates\"", "evaluate.sampler = \"magic\"", "magic"),
        ("name = \"two rates\"", "config = \"a.toml\"", "exclude each other"),
        ("name = \"two rates\"", "evaluate.guidance = 101", "evaluate.guidance is 101, must be 0 to 100"),
        ("name = \"two rates\"", "evaluate.guidance = inf", "evaluate.guidance is inf or nan"),
        (
            "name = \"two rates\"",
            "evaluate.sampler = \"shortcut\"",
            "arm \"usual\": evaluate: sampler is shortcut",
        ),
        (
            "learning_rate = 1e-4",
            "learning_rate = inf",
            "arm \"Slow one\": training.learning_rate is inf or nan",
        ),
        ("training.learning_rate = 1e-4", "method = \"lora\"\nbase = \"absent\"", "arm \"Slow one\": "),
        ("training.learning_rate = 1e-4", "method = \"kind\"\nmodel.factored = []", "comes apart nowhere"),
        (
            "training.learning_rate = 1e-4",
            "method = \"kind\"\npreset = \"tiny\"\nbase = \"absent\"",
            "arm \"Slow one\": preset is set",
        ),
    ] {
        assert!(FILE.contains(from));
        fs::write(place.at("arms.toml"), FILE.replace(from, to)).unwrap();
        let output = place.tailor("experiment arms.toml --device cpu --jobs 1");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{to}: {said}");
        assert!(said.contains("arms.toml") && said.contains(words), "{to}: {said}");
        assert!(!place.at("experiments").exists(), "{to}");
    }
    for name in ["x".repeat(250), "\u{4f60}".repeat(90)] {
        fs::write(place.at("arms.toml"), FILE.replace("Slow one", &name)).unwrap();
        let said = text(&place.tailor("experiment arms.toml --device cpu --jobs 1").stderr);
        assert!(said.contains("bytes, more than 255: shorten its name"), "{said}");
    }
    let output = place.tailor("experiment report data");
    assert!(text(&output.stderr).contains("results.jsonl"), "{}", text(&output.stderr));
    fs::write(place.at("lines"), "{}\n").unwrap();
    let said = text(&place.tailor("experiment report lines").stderr);
    assert!(said.contains("line 1 is no result"), "{said}");
    assert_eq!(place.tailor("experiment arms.toml --array 2/2").status.code(), Some(2));
}

#[test]
fn an_arm_turns_off_a_layer_that_its_preset_has() {
    let arms =
        "preset = \"letters\"\n\n[[arms]]\nname = \"plain\"\nmodel = { rope = false, norm = \"layer\" }\n";
    let place = Place::new(&format!("data = \"data\"\nseeds = [1]\ntraining.steps = 1\n{arms}"));
    let told = place.tailor("experiment arms.toml --device cpu --out out");
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let model = &place.results("out")[0]["recipe"]["model"];
    assert!(model["rope"].is_null() && model["swiglu"] == true, "{model}");
}

#[test]
fn arms_adapt_networks_by_methods_and_one_that_does_not_fit_is_named() {
    let place = Place::new(FILE);
    let short = "--preset tiny --data data --steps 2 --batch-size 2 --sample-every 0 --device cpu";
    for method in ["kind", "plain"] {
        place.done(&format!("train --method {method} {short} --out runs/{method}"));
        place.done(&format!("publish runs/{method} --device cpu --previews 0 --out {method}"));
    }
    let file = FILE
        .replace("preset = \"tiny\"", "method = \"full\"\nbase = \"plain\"")
        .replace("training.learning_rate = 1e-4", "method = \"kind\"\nbase = \"kind\"");
    fs::write(place.at("arms.toml"), &file).unwrap();
    place.done("experiment arms.toml --device cpu --jobs 1");
    let results = place.results("experiments/arms");
    let methods: Vec<&str> = results.iter().map(|r| r["adapt"]["name"].as_str().unwrap()).collect();
    assert_eq!(methods, ["full", "full", "kind", "kind"]);
    assert_eq!(results[0]["recipe"]["training"]["learning_rate"], 1e-4, "the paper's for full fine-tuning");
    assert_eq!(results[2]["recipe"]["training"]["learning_rate"], 1e-3, "the paper's for KIND");
    assert_eq!(results[0]["recipe"]["model"]["factored"].as_array().unwrap().len(), 0);

    for (from, to, words) in [
        ("base = \"kind\"", "base = \"plain\"", "plain network"),
        ("base = \"kind\"", "base = \"absent\"", "absent"),
        ("method = \"kind\"", "method = \"magic\"", "magic"),
        ("method = \"kind\"", "rank = 3\nmethod = \"kind\"", "no rank"),
        ("method = \"kind\"", "model.heads = 4\nmethod = \"kind\"", "that of the base"),
        ("method = \"full\"\nbase = \"plain\"", "base = \"plain\"", "no method"),
        ("method = \"full\"\nbase = \"plain\"", "method = \"full\"", "give its gallery as base"),
    ] {
        assert!(file.contains(from));
        fs::write(place.at("arms.toml"), file.replacen(from, to, 1)).unwrap();
        let output = place.tailor("experiment arms.toml --device cpu --jobs 1");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{to}: {said}");
        assert!(said.contains(words), "{to}: {said}");
    }
}

#[test]
fn a_page_with_a_name_comes_with_the_pictures_of_its_arms() {
    let file = FILE.replace("sample_every = 0", "sample_every = 2, log_every = 2");
    let place = Place::new(&file);
    place.done("experiment arms.toml --device cpu --jobs 1");
    place.done("experiment report experiments/arms --out pages/two.md");
    let page = fs::read_to_string(place.at("pages/two.md")).unwrap();
    let pictures = ["steps.png", "loss.svg", "apart-usual.png", "apart-slow-one.png"];
    for name in pictures {
        assert!(page.contains(&format!("](<two-pictures/{name}>)")), "{name}: {page}");
    }
    let size = |name: &str| {
        let picture = image::open(place.at("pages/two-pictures").join(name)).unwrap();
        (picture.width(), picture.height())
    };
    // Two columns, one for each moment, and a row for each of two classes and two arms.
    let (wide, high) = size("steps.png");
    assert!(
        (2 * 64..4 * 64 + 200).contains(&wide) && (4 * 64..6 * 64 + 100).contains(&high),
        "{wide} × {high}"
    );
    let loss = fs::read_to_string(place.at("pages/two-pictures/loss.svg")).unwrap();
    assert!(loss.contains("usual (2 seeds)") && loss.contains("Slow one (2 seeds)"), "{loss}");

    // One class and another seed; a column less of classes.
    place.done("experiment report experiments/arms --class bars --seed 1 --out one.md");
    let page = fs::read_to_string(place.at("one.md")).unwrap();
    assert!(page.contains("Runs of seed 1.") && page.contains("samples of bars with"), "{page}");
    assert!(!page.contains("stripes"), "{page}");
    for (line, words) in [
        ("--seed 9 --out x.md", "choose one of --seed 0, 1"),
        ("--class bar --out x.md", "no class \"bar\""),
        ("--class bars", "--out FILE.md"),
    ] {
        let output = place.tailor(&format!("experiment report experiments/arms {line}"));
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(words), "{line}: {said}");
        assert!(!place.at("x.md").exists(), "{line}");
    }

    // Runs that are gone leave tables, and words about what is not there.
    fs::remove_dir_all(place.at("experiments/arms/runs")).unwrap();
    place.done("experiment report experiments/arms --out bare.md");
    let page = fs::read_to_string(place.at("bare.md")).unwrap();
    assert!(page.contains("have left no samples") && page.contains("no losses"), "{page}");
    assert!(page.contains("The gallery of usual is gone.") && !page.contains("!["), "{page}");
}

#[test]
fn an_experiment_takes_a_split_of_the_command_line_instead_of_its_own() {
    let place = Place::new(&FILE.replace("seeds = [0, 1]", "seeds = [0]\nsplit = \"bars.toml\""));
    fs::write(place.at("bars.toml"), "classes = [\"bars\"]").unwrap();
    fs::write(place.at("stripes.toml"), "classes = [\"stripes\"]").unwrap();
    for jobs in [1, 2] {
        let out = format!("out-{jobs}");
        let line =
            format!("experiment arms.toml --split stripes.toml --out {out} --device cpu --jobs {jobs}");
        place.done(&line);
        let result = &place.results(&out)[0];
        let run = place.at(&out).join(result["folder"].as_str().unwrap()).join("run/data.json");
        let data: Value = serde_json::from_str(&fs::read_to_string(run).unwrap()).unwrap();
        assert_eq!(data["classes"], serde_json::json!([["stripes", 24]]));
        assert_eq!(result["experiment"], "two rates, stripes.toml");
    }
    let output = place.tailor("experiment arms.toml --split absent.toml --device cpu");
    assert!(text(&output.stderr).contains("absent.toml"), "{}", text(&output.stderr));
}

#[test]
fn the_papers_recipes_are_read_and_say_what_is_missing() {
    let place = Place::new(FILE);
    let recipes = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/paper");
    for entry in fs::read_dir(recipes).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "toml") {
            fs::copy(&entry, place.at(entry.file_name().unwrap().to_str().unwrap())).unwrap();
        }
    }
    let said = |line: &str| {
        let output = place.tailor(line);
        assert_eq!(output.status.code(), Some(1), "{line}: {}", text(&output.stderr));
        text(&output.stderr)
    };
    for size in ["b", "l"] {
        let told = said(&format!("experiment pretrain-{size}.toml --estimate --device cpu"));
        assert!(
            told.contains("there is no data at") && told.contains("imagenet-latents"),
            "nothing but the latents is missing: {told}"
        );
        let told = said(&format!("experiment novel-{size}.toml --estimate --device cpu"));
        assert!(told.contains(&format!("base-{size}/kind")), "the base is missing first: {told}");
    }
    // With the networks that they begin with, the recipes of the novel classes are sound to their last arm.
    let short = "--preset tiny --data data --steps 2 --batch-size 2 --sample-every 0 --device cpu";
    for method in ["kind", "plain"] {
        place.done(&format!("train --method {method} {short} --out runs/{method}"));
        for size in ["b", "l"] {
            place
                .done(&format!("publish runs/{method} --device cpu --previews 0 --out base-{size}/{method}"));
        }
    }
    for size in ["b", "l"] {
        let file = place.at(&format!("novel-{size}.toml"));
        let changed = fs::read_to_string(&file).unwrap().replace("imagenet-latents", "absent");
        fs::write(&file, changed).unwrap();
        for task in ["imagenet-task-1", "imagenet-task-18"] {
            let told = said(&format!("experiment novel-{size}.toml --estimate --device cpu --split {task}"));
            // Without Burn no method adapts matrices, which is said of the first that does.
            let missing = if cfg!(feature = "graph") { "absent" } else { "cannot train by svdiff" };
            assert!(told.contains(missing), "nothing but the images is missing: {told}");
        }
        // A small network does not have the paper's number of blocks.
        let file = place.at(&format!("blocks-{size}.toml"));
        let text = fs::read_to_string(&file).unwrap().replace("imagenet-latents", "absent");
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("depth = ")).collect();
        assert!(lines.len() + 2 == text.lines().count());
        fs::write(&file, lines.join("\n")).unwrap();
        let told = said(&format!("experiment blocks-{size}.toml --estimate --device cpu"));
        assert!(told.contains("absent"), "nothing but the images is missing: {told}");
    }
}

#[cfg(feature = "graph")]
#[test]
fn galleries_are_judged_and_arms_that_train_the_same_are_trained_once() {
    let judged = FILE.replace("[[arms]]\nname = \"Slow one\"\ntraining.learning_rate = 1e-4", "");
    let file = format!(
        "{judged}\n[[arms]]\nname = \"guided\"\nevaluate.guidance = 3.0\n\n[evaluate]\nper_class = 4\nsteps = 2\n\
         epochs = 1\n"
    );
    let place = Place::new(&file.replace("seeds = [0, 1]", "seeds = [0]"));
    let estimated = || -> Value {
        serde_json::from_str(&place.done("experiment arms.toml --device cpu --estimate --json")).unwrap()
    };
    let told = estimated();
    let hours = |arm: usize, of: &str| told["arms"][arm][of].as_f64().unwrap();
    assert_eq!((hours(0, "trainings"), hours(1, "trainings")), (1.0, 0.0), "the second arm's is the first's");
    let all = hours(0, "training_hours") + hours(0, "sampling_hours") + hours(1, "sampling_hours");
    assert!((told["hours"].as_f64().unwrap() / all - 1.0).abs() < 1e-9);
    assert_eq!(told["hours"], told["hours_left"]);
    place.done("experiment arms.toml --device cpu --jobs 1");
    assert_eq!(estimated()["hours_left"], 0.0);
    let results = place.results("experiments/arms");
    assert!(results.iter().all(|r| (0.0..=1.0).contains(&r["evaluation"]["agreement"].as_f64().unwrap())));
    assert_eq!(results[0]["folder"], results[1]["folder"]);
    assert_eq!(fs::read_dir(place.at("experiments/arms/runs")).unwrap().count(), 1);
    assert!(place.done("experiment report experiments/arms").contains("agreement"));
}

#[cfg(feature = "graph")]
#[test]
fn the_mean_of_the_last_checkpoints_is_judged_beside_the_newest_of_one_training() {
    let arm = "name = \"mean\"\nevaluate.average_steps = 2";
    let other = FILE.replace("name = \"Slow one\"\ntraining.learning_rate = 1e-4", arm);
    let file = format!("{other}\n[evaluate]\nper_class = 4\nsteps = 2\nepochs = 1\n");
    let place = Place::new(&file.replace("seeds = [0, 1]", "seeds = [0]"));
    let refused = place.tailor("experiment arms.toml --device cpu");
    let said = text(&refused.stderr);
    assert!(said.contains("arm \"mean\": evaluate.average_steps is 2"), "{said}");
    assert!(!place.at("experiments").exists());

    let kept = fs::read_to_string(place.at("arms.toml")).unwrap().replace("every = 2", "every = 2, keep = 2");
    fs::write(place.at("arms.toml"), kept).unwrap();
    place.done("experiment arms.toml --device cpu --jobs 1");
    let results = place.results("experiments/arms");
    assert_eq!(results[0]["folder"], results[1]["folder"], "one training");
    let run = place.at("experiments/arms").join(results[0]["folder"].as_str().unwrap());
    let index = |gallery: &str| -> Value {
        serde_json::from_slice(&fs::read(run.join(gallery).join("index.json")).unwrap()).unwrap()
    };
    assert_ne!(index("gallery")["learngene"]["sha256"], index("gallery-mean-2")["learngene"]["sha256"]);
    assert_ne!(results[0]["evaluation"], results[1]["evaluation"]);
    let named = |arm: &str| fs::read_link(place.at("experiments/arms/galleries").join(arm)).unwrap();
    assert!(named("mean-0").ends_with("gallery-mean-2") && named("usual-0").ends_with("gallery"));
    place.done("experiment report experiments/arms --out page.md");
    let page = fs::read_to_string(place.at("page.md")).unwrap();
    assert!(page.contains("Arm usual: ") && page.contains("Arm mean: "), "{page}");
}

#[test]
fn an_experiment_takes_the_classes_of_a_split() {
    let place = Place::new(&FILE.replace("seeds = [0, 1]", "seeds = [0]\nsplit = \"bars.toml\""));
    fs::write(place.at("bars.toml"), "classes = [\"bars\"]").unwrap();
    place.done("experiment arms.toml --device cpu --jobs 1");
    let run = place.results("experiments/arms")[0]["folder"].as_str().unwrap().to_owned();
    let data = fs::read_to_string(place.at("experiments/arms").join(run).join("run/data.json")).unwrap();
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["classes"], serde_json::json!([["bars", 24]]));

    for (split, part) in [("absent.toml", "absent.toml"), ("letters-task-9", "no split \"letters-task-9\"")] {
        let place = Place::new(&FILE.replace("seeds", &format!("split = \"{split}\"\nseeds")));
        let output = place.tailor("experiment arms.toml --device cpu --jobs 1");
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(part), "{said}");
        assert!(!place.at("experiments").exists(), "nothing was begun");
    }
}
