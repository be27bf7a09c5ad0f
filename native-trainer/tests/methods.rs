//! Methods that adapt a plain network: they train, resume bit for bit, publish and sample with the binary `tailor`,
//! and what does not fit is refused.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use image::{GrayImage, Luma};
use serde_json::Value;
use tailor_packs::{Learngene, read_learngene};
use tailor_trainer::train::checkpoint;
#[cfg(feature = "graph")]
use tailor_trainer::train::method::{METHODS, Trains};
use tailor_trainer::train::method::{Wants, named};

/// A folder with images of two classes in `data` and of two others in `novel`, and a plain gallery and one that comes
/// apart.
struct Place(tempfile::TempDir);

const SHORT: &str = "--device cpu --batch-size 4 --sample-every 0 --checkpoint-every 2";

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (folder, classes) in [("data", ["stripes", "bars"]), ("novel", ["dots", "waves"])] {
            for (number, class) in classes.into_iter().enumerate() {
                let path = place.at(folder).join(class);
                fs::create_dir_all(&path).unwrap();
                for i in 0..6u32 {
                    let wide = 3 + 4 * number as u32 + folder.len() as u32;
                    let shade = |x: u32, y: u32| Luma([if (x + y * i) % wide < 2 { 255 } else { 0 }]);
                    GrayImage::from_fn(32, 32, shade).save(path.join(format!("{i}.png"))).unwrap();
                }
            }
        }
        for method in ["kind", "plain"] {
            place.done(&format!(
                "train --method {method} --preset tiny --data data --steps 4 --out runs/{method} {SHORT}"
            ));
            place.done(&format!("publish runs/{method} --device cpu --previews 0 --out {method}"));
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tailor(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        // Another number of threads adds up in another order.
        command.env("RAYON_NUM_THREADS", "2").stdin(Stdio::null());
        command.args(line.split_whitespace()).current_dir(self.0.path()).output().unwrap()
    }

    /// The learngene of a gallery.
    fn learngene(&self, gallery: &str) -> Learngene {
        let index: Value =
            serde_json::from_slice(&fs::read(self.at(gallery).join("index.json")).unwrap()).unwrap();
        let file = self.at(gallery).join(index["learngene"]["path"].as_str().unwrap());
        read_learngene(&fs::read(file).unwrap()).unwrap()
    }

    fn done(&self, line: &str) -> String {
        let output = self.tailor(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn refused(&self, line: &str) -> String {
        let output = self.tailor(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(said.contains("error: ") && said.contains("help: ") && !said.contains("panicked"), "{said}");
        said
    }

    /// The bytes of the last checkpoint of a run.
    fn last(&self, run: &str) -> Vec<u8> {
        fs::read(&checkpoint::list(&self.at(run)).unwrap()[0]).unwrap()
    }

    /// Adapts in one go and in two, and makes images of what came of it.
    fn whole_way(&self, method: &str, more: &str) {
        self.whole_way_on("novel", ["dots", "waves"], method, more);
    }

    /// The same with the images of `data`, of these classes.
    fn whole_way_on(&self, data: &str, [one, other]: [&str; 2], method: &str, more: &str) {
        let base = match named(method).unwrap().wants() {
            Wants::Apart => "kind",
            Wants::Plain => "plain",
        };
        let line = format!("finetune --method {method} --base {base} --data {data} {more} {SHORT}");
        self.done(&format!("{line} --steps 6 --out one-{method}"));
        // Stopped by the last of its steps, as they were told first.
        self.done(&format!("{line} --steps 6 --max-minutes 0 --out two-{method}"));
        self.done(&format!("{line} --steps 6 --out two-{method} --resume"));
        assert!(self.last(&format!("one-{method}")) == self.last(&format!("two-{method}")), "{method}");
        self.done(&format!("publish one-{method} --device cpu --previews 0 --out gallery-{method}"));
        self.done(&format!("verify gallery-{method}"));
        self.done(&format!(
            "sample --gallery gallery-{method} --class {one} --class {other} --steps 2 --device cpu --out {method}.png"
        ));
        assert!(image::open(self.at(&format!("{method}.png"))).is_ok());
    }
}

#[test]
fn kind_and_full_fine_tuning_need_no_burn_and_leave_the_base_as_it_is() {
    let place = Place::new();
    let learngene = |gallery: &str| {
        let index: Value =
            serde_json::from_slice(&fs::read(place.at(gallery).join("index.json")).unwrap()).unwrap();
        fs::read(place.at(gallery).join(index["learngene"]["path"].as_str().unwrap())).unwrap()
    };
    let before = [learngene("kind"), learngene("plain")];
    place.whole_way("kind", "");
    place.whole_way("full", "");
    assert!(before == [learngene("kind"), learngene("plain")]);
    let tensors = |bytes: &[u8]| tailor_packs::read_learngene(bytes).unwrap().tensors;
    assert!(tensors(&learngene("gallery-kind")) == tensors(&before[0]), "KIND's learngene stays");
    assert!(tensors(&learngene("gallery-full")) != tensors(&before[1]), "all of the network trains");
}

#[cfg(feature = "graph")]
#[test]
fn every_other_method_trains_resumes_publishes_and_samples() {
    let place = Place::new();
    for method in METHODS.iter().filter(|method| method.trains() == Trains::Matrices) {
        let rank = match method.name() {
            "svdiff" => "",
            "oft" => "--rank 8",
            _ => "--rank 3",
        };
        place.whole_way(method.name(), rank);
    }
    // What some of them leave as it is was drawn from the seed.
    let line = format!("finetune --method svd-lora --base plain --data novel --rank 3 {SHORT} --steps 8");
    let said = place.refused(&format!("{line} --out one-svd-lora --resume --seed 5"));
    assert!(said.contains("begun with the seed 0"), "{said}");
}

#[cfg(feature = "graph")]
#[test]
fn an_ablation_of_kind_trains_beside_the_learngene_and_leaves_it_as_it_is() {
    let place = Place::new();
    let network = |path: &str| {
        let bytes = fs::read(place.at(path)).unwrap();
        let learngene = tailor_packs::read_learngene(&bytes).unwrap();
        (learngene.manifest.config, learngene.tensors)
    };
    for method in ["learngene-lora", "no-gate"] {
        place.done(&format!(
            "finetune --method {method} --base kind --data novel --steps 4 --learning-rate 0.1 \
             --warmup 0 --ema 0.1 --out {method} {SHORT}"
        ));
        let (config, start) = network(&format!("{method}/base.learngene"));
        assert!(config.factored.matrices().is_empty());
        place.done(&format!("publish {method} --device cpu --previews 0 --out gallery-{method}"));
        let index: Value =
            serde_json::from_slice(&fs::read(place.at(&format!("gallery-{method}/index.json"))).unwrap())
                .unwrap();
        let (_, after) =
            network(&format!("gallery-{method}/{}", index["learngene"]["path"].as_str().unwrap()));
        for spec in config.learngene_tensors() {
            let (_, before) = start.get(&spec.name).unwrap();
            let (_, after) = after.get(&spec.name).unwrap();
            // A gallery keeps half precision.
            let moved = before.iter().zip(after).any(|(a, b)| (a - b).abs() > 2e-3 * a.abs().max(1e-2));
            let adapted = ["qkv.weight", "o.weight", "in.weight", "out.weight"];
            let adapted = adapted.iter().any(|end| spec.name.ends_with(&format!(".{end}")))
                // The preset's adaLN comes apart.
                || method == "no-gate" && spec.name.ends_with(".adaln.weight") && spec.name.starts_with("blocks");
            assert_eq!(moved, adapted, "{method}: {}", spec.name);
        }
    }
}

#[test]
fn a_network_of_anothers_blocks_trains_resumes_publishes_and_samples() {
    let place = Place::new();
    let base = place.learngene("plain");
    let block = |learngene: &Learngene, number: usize| {
        learngene.tensors.get(&format!("blocks.{number}.o.weight")).map(|(_, values)| values.to_vec())
    };
    place.whole_way("heur-lg", "--rank 1");
    let start = read_learngene(&fs::read(place.at("one-heur-lg/base.learngene")).unwrap()).unwrap();
    assert_eq!(start.manifest.config.depth, 2);
    assert_eq!(block(&start, 1), block(&base, 1), "the last block stays the last");
    assert_ne!(block(&start, 0), block(&base, 0), "a random one stands before it");
    let card = place.learngene("gallery-heur-lg").card.training;
    assert_eq!(serde_json::to_value(&card["kept_blocks"]).unwrap(), "2 of 2");

    place.whole_way("auto-lg", "--depth 1");
    assert_eq!(place.learngene("gallery-auto-lg").manifest.config.depth, 1);

    // The base teaches its own classes, by its own labels.
    place.whole_way_on("data", ["stripes", "bars"], "laptop-diff", "");
    assert_eq!(place.learngene("gallery-laptop-diff").manifest.config.depth, 1);
    let line = format!("finetune --method laptop-diff --base plain --data data {SHORT} --steps 8");
    fs::write(place.at("one-laptop-diff/teacher.safetensors"), b"other").unwrap();
    let said = place.refused(&format!("{line} --out one-laptop-diff --resume"));
    assert!(said.contains("teacher.safetensors") && said.contains("SHA-256"), "{said}");
    place.done("publish one-laptop-diff --device cpu --previews 0 --out untaught");
}

#[test]
fn kind_of_a_model_that_comes_apart_nowhere_is_refused() {
    let place = Place::new();
    let printed = place.done("inspect --preset tiny --toml");
    let plain = printed.lines().map(|line| match line.starts_with("factored") {
        true => "factored = []",
        false => line,
    });
    fs::write(place.at("plain.toml"), plain.collect::<Vec<_>>().join("\n")).unwrap();
    let line = format!("train --config plain.toml --data data --out plain-run --steps 2 {SHORT}");
    let said = place.refused(&format!("{line} --method kind"));
    assert!(said.contains("plain.toml: its factored names no matrix"), "{said}");
    assert!(!place.at("plain-run").exists());
    place.done(&line);
    let line = line.replace("--config plain.toml ", "");
    let said = place.refused(&format!("{line} --resume --method kind"));
    assert!(said.contains("begun with another model") && said.contains("--method"), "{said}");
    place.done(&format!("{line} --resume --method plain"));
}

#[test]
fn what_does_not_fit_is_refused_with_file_value_and_remedy() {
    let place = Place::new();
    let line = |method: &str, base: &str| {
        format!("finetune --method {method} --base {base} --data novel --out out --steps 2 {SHORT}")
    };
    let said = place.refused(&line("full", "kind"));
    assert!(said.contains("comes apart: only --method kind, learngene-lora or no-gate adapts it"), "{said}");
    assert!(place.refused(&line("svd-lora", "kind")).contains("comes apart"));
    for method in ["kind", "learngene-lora", "no-gate"] {
        assert!(place.refused(&line(method, "plain")).contains("plain network"));
    }
    assert!(place.refused(&line("full", "absent")).contains("absent"));
    assert!(place.refused(&format!("{} --rank 3", line("full", "plain"))).contains("no rank"));
    assert!(place.refused(&format!("{} --depth 3", line("full", "plain"))).contains("a depth of 3"));
    let said = place.refused(&format!("{} --rank 3", line("heur-lg", "plain")));
    assert!(said.contains("--rank 3") && said.contains("1 to 2"), "{said}");
    let said = place.refused(&format!("{} --rank 2 --depth 1", line("auto-lg", "plain")));
    assert!(said.contains("--depth 1") && said.contains("it must be 2"), "{said}");
    assert!(place.refused(&format!("{} --depth 1", line("laptop-diff", "plain"))).contains("--depth 1"));
    assert!(place.refused(&line("heur-lg", "kind")).contains("comes apart"));
    assert!(!place.at("out").exists(), "nothing was begun");
    if cfg!(feature = "graph") {
        let said = place.refused(&format!("{} --rank 1000000000000000000", line("no-gate", "kind")));
        assert!(said.contains("1 to 4096"), "{said}");
        let said = place.refused(&format!("{} --rank 33", line("lora", "plain")));
        assert!(said.contains("--rank 33") && said.contains("1 to 32"), "{said}");
        let said = place.refused(&format!("{} --rank 5", line("oft", "plain")));
        assert!(said.contains("blocks"), "{said}");
    } else {
        assert!(place.refused(&line("lora", "plain")).contains("--features graph"));
    }
    assert!(!place.at("out").exists(), "nothing is left of what was refused");
    // Which classes there are is only known from the images, of which the decoded ones are worth keeping.
    let said = place.refused(&line("laptop-diff", "plain").replace("--out out", "--out untaught"));
    assert!(said.contains("does not know the class") && said.contains("--split"), "{said}");
    assert!(!place.at("untaught/checkpoints").exists() && !place.at("untaught/base.learngene").exists());

    place.done(&line("full", "plain"));
    let again = |line: String| place.refused(&format!("{line} --resume"));
    assert!(again(line("full", "plain").replace("--data novel", "--data data")).contains("other classes"));
    assert!(again(line("kind", "kind")).contains("by full"));
    assert!(
        place
            .refused(&format!("train --preset tiny --data novel --out out --resume {SHORT}"))
            .contains("tailor finetune")
    );
    // A base that is no longer the same is noticed, and so is one that is gone.
    fs::write(place.at("out/base.learngene"), b"other").unwrap();
    let said = place.refused("publish out --device cpu --out gallery");
    assert!(said.contains("base.learngene"), "{said}");
}

#[test]
fn the_list_of_methods_counts_what_the_papers_table_does() {
    let place = Place(tempfile::tempdir().unwrap());
    let list: Value = serde_json::from_str(&place.done("finetune --list --preset dit-b-2 --json")).unwrap();
    let lora = list.as_array().unwrap().iter().find(|line| line["method"] == "lora").unwrap();
    assert!((lora["trainable_parameters"].as_f64().unwrap() / 12.8e6 - 1.0).abs() < 0.02, "{lora}");
    assert!((lora["flops_per_image"].as_f64().unwrap() / 50.1e9 - 1.0).abs() < 0.05, "{lora}");
}
