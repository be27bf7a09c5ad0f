//! From images to a gallery and back to images with the binary `tailor`, and what a bad file or a full disk
//! does to each step.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{GrayImage, Luma};
use tailor_packs::{
    Card, Contents, Digest, FileEntry, Index, Sampling, Tensors, read_learngene, write_learngene,
};
use tailor_trainer::gallery::folder::Gallery;

/// A folder with data, a run and a gallery of two classes, made once per test.
struct Workshop(tempfile::TempDir);

const TRAIN: &str =
    "train --data data --preset tiny --steps 4 --batch-size 4 --checkpoint-every 2 --sample-every 0";
const SAMPLE: &str = "sample --gallery gallery --class stripes --class dots --steps 2 --device cpu";

impl Workshop {
    fn new() -> Self {
        let workshop = Self(tempfile::tempdir().unwrap());
        for i in 0..4u32 {
            let stripes = GrayImage::from_fn(32, 32, |x, _| Luma([if (x + i) % 8 < 4 { 255 } else { 0 }]));
            let dots =
                GrayImage::from_fn(32, 32, |x, y| Luma([if (x + i) % 8 + y % 8 < 4 { 255 } else { 0 }]));
            for (class, picture) in [("stripes", stripes), ("dots", dots)] {
                let path = workshop.at(&format!("data/{class}/{i}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                picture.save(path).unwrap();
            }
        }
        workshop
    }

    fn with_gallery() -> Self {
        let workshop = Self::new();
        workshop.done(&format!("{TRAIN} --device cpu --out run"));
        workshop.done("publish run --device cpu --out gallery");
        workshop
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tailor(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).output().unwrap()
    }

    fn done(&self, line: &str) {
        let output = self.tailor(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What `tailor LINE --json` says.
    fn json(&self, line: &str) -> serde_json::Value {
        let output = self.tailor(&format!("{line} --json"));
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, line: &str) -> String {
        refusal(line, self.tailor(line))
    }

    /// The gallery's file whose name begins with `start`.
    fn pack(&self, start: &str) -> PathBuf {
        names(&self.at("gallery"))
            .into_iter()
            .find(|p| p.starts_with(start))
            .map(|p| self.at("gallery").join(p))
            .unwrap()
    }

    fn name(&self, start: &str) -> String {
        self.pack(start).file_name().unwrap().to_str().unwrap().to_owned()
    }
}

fn refusal(line: &str, output: Output) -> String {
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}: {text}");
    assert!(text.contains("error: ") && !text.contains("panicked"), "{line}: {text}");
    text
}

/// Every file below `folder`.
fn walk(folder: &Path) -> Vec<String> {
    let files =
        walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().display().to_string()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn images_become_a_gallery_and_the_gallery_makes_images() {
    let workshop = Workshop::with_gallery();
    workshop.done("verify gallery");
    assert!(fs::metadata(workshop.at("gallery/film.webp")).unwrap().len() <= 30_000);
    let film = image::open(workshop.at("gallery/film.webp")).unwrap();
    // Noise, which is all that four steps of training have learned to draw, may need steps left out.
    assert_eq!((film.width() % 32, film.height()), (0, 6 * 32), "steps of six samples");
    workshop.done(&format!("{SAMPLE} --count 3 --out grid.png --raw grid.npy"));
    assert!(image::open(workshop.at("grid.png")).is_ok());
    let array = fs::read(workshop.at("grid.npy")).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([array[8], array[9]]));
    assert!(String::from_utf8_lossy(&array[..header]).contains("(6, 1, 32, 32, )"));
    let values: Vec<f32> =
        array[header..].chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(values.len(), 6 * 32 * 32);
    assert!(values.iter().all(|value| (-1.0..=1.0).contains(value)));

    workshop.done(&format!("{SAMPLE} --film film.png --out grid.png --raw grid.npy"));
    let film = image::open(workshop.at("film.png")).unwrap().into_luma8();
    assert_eq!(film.dimensions(), (2 * 32, 2 * 32), "a column for each step, a row for each class");
    let array = fs::read(workshop.at("grid.npy")).unwrap();
    for (n, bytes) in array[array.len() - 4 * 2 * 32 * 32..].chunks_exact(4).enumerate() {
        let value = f32::from_le_bytes(bytes.try_into().unwrap());
        let (x, y) = (n as u32 % 32, n as u32 / 32);
        let pixel = f32::from(film.get_pixel(32 + x, y).0[0]) / 127.5 - 1.0;
        assert!((value - pixel).abs() < 0.08, "the last step is the image, to a sixteenth of its range");
    }
}

/// The sizes of `tiny`, as a config file has them.
const TINY: &str = r#"
channels = 1
image_size = 32
patch_size = 8
width = 32
depth = 2
heads = 2
learngene_components = 8
tailor_components = 2
factored = ["qkv", "o", "in", "out", "adaln"]
"#;

#[test]
fn models_with_every_feature_train_resume_publish_and_sample() {
    let workshop = Workshop::new();
    for (features, said) in [
        ("objective = 'flow'\nnorm = 'rms'\nqk_norm = true\nrope = true\nswiglu = true", "qk-norm"),
        ("objective = 'ddpm'\ngelu = 'tanh'\nlearned_variance = true", "learned-variance"),
        ("objective = 'flow'\nclean_output = true\n[training]\ncosine = 0.5", "clean-output"),
        ("objective = 'flow'\nfew_steps = true\n[training]\nshortcut_share = 0.5", "few-steps"),
    ] {
        fs::write(workshop.at("model.toml"), format!("{TINY}{features}")).unwrap();
        let train = "train --data data --config model.toml --batch-size 4 --checkpoint-every 5 --sample-every 0 \
                     --device cpu";
        workshop.done(&format!("{train} --steps 10 --out whole"));
        workshop.done(&format!("{train} --steps 10 --max-minutes 0 --out parts"));
        workshop.done(&format!("{train} --steps 10 --resume --out parts"));
        let samples = ["whole", "parts"].map(|run| {
            workshop.done(&format!("publish {run} --device cpu --out gallery"));
            workshop.done("verify gallery");
            workshop.done(&format!("{SAMPLE} --out grid.png --raw grid.npy"));
            assert!(image::open(workshop.at("grid.png")).is_ok());
            fs::read(workshop.at("grid.npy")).unwrap()
        });
        assert!(samples[0] == samples[1], "a run that was interrupted learns something else");
        let output = workshop.tailor("inspect gallery");
        assert!(String::from_utf8_lossy(&output.stdout).contains(said));
        for folder in ["whole", "parts", "gallery"] {
            fs::remove_dir_all(workshop.at(folder)).unwrap();
        }
    }
    for (features, said) in [
        ("objective = 'flow'\nlearned_variance = true", "learned_variance is defined for the objective"),
        ("objective = 'flow'\nswiglu = true\ngelu = 'tanh'", "gelu is not used with swiglu"),
        ("objective = 'flow'\nnorm = 'batch'", "unknown variant `batch`"),
        ("objective = 'ddpm'\nclean_output = true", "clean_output is defined for the objective"),
        ("objective = 'ddpm'\nfew_steps = true", "few_steps is defined for the objective"),
        (
            "objective = 'flow'\n[training]\nshortcut_share = 0.5",
            "shortcut_share is for a model with few_steps",
        ),
        (
            "objective = 'ddpm'\nlearned_variance = true\n[training]\ncosine = 1",
            "cosine is 1, which is not defined",
        ),
    ] {
        fs::write(workshop.at("model.toml"), format!("{TINY}{features}")).unwrap();
        let text = workshop.refused("train --data data --config model.toml --out run");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn a_model_for_few_steps_is_published_taught_and_sampled_in_them() {
    let workshop = Workshop::new();
    fs::write(workshop.at("model.toml"), format!("{TINY}objective = 'flow'\nfew_steps = true")).unwrap();
    let brief = "--batch-size 4 --sample-every 0 --device cpu";
    workshop.done(&format!(
        "train --data data --config model.toml --steps 20 {brief} --shortcut-guidance 2 --out run"
    ));
    let text = workshop.refused("publish run --device cpu --steps 3 --out gallery");
    assert!(text.contains("1, 2, 4 or 8"), "{text}");
    workshop.done("publish run --device cpu --out gallery");
    let read = |file: &str| fs::read_to_string(workshop.at(file)).unwrap();
    let index: serde_json::Value = serde_json::from_str(&read("gallery/index.json")).unwrap();
    let advice = serde_json::json!({ "sampler": "shortcut", "steps": 4, "guidance": 1.0 });
    assert_eq!(index["sampling"], advice);
    let card =
        workshop.tailor(&format!("inspect gallery/{} --json", index["learngene"]["path"].as_str().unwrap()));
    let said = String::from_utf8_lossy(&card.stdout).into_owned();
    assert!(said.contains("shortcut_guidance"), "{said}");
    let sample = "sample --gallery gallery --class stripes --class dots --device cpu";
    let sampled = |flags: &str| {
        workshop.done(&format!("{sample} {flags} --out grid.png --raw grid.npy"));
        fs::read(workshop.at("grid.npy")).unwrap()
    };
    let usual = sampled("");
    assert!(usual == sampled("--sampler shortcut --steps 4 --guidance 1"));
    assert!(usual != sampled("--guidance 3") && usual != sampled("--steps 1"));
    // The gallery's four steps are not meant for another sampler.
    assert!(sampled("--sampler euler") == sampled("--sampler euler --steps 20 --guidance 1.5"));
    let text = workshop.refused(&format!("{sample} --steps 5 --out grid.png"));
    assert!(text.contains("1, 2, 4 or 8") && text.contains("--sampler"), "{text}");
    // Large steps have no guidance of their own, from which a guide could lead away.
    for guide in ["--guide 0.5", "--guide unnamed", "--guide-times 0.2..0.5"] {
        let text = workshop.refused(&format!("{sample} {guide} --out grid.png"));
        assert!(text.contains("a guide makes no difference") && text.contains("--guidance 2"), "{text}");
    }

    // A tailor learns the steps, too, and a run of it that was interrupted the same.
    let teach = format!("train-tailor data/dots --class Points --learngene gallery {brief}");
    workshop.done(&format!("{teach} --steps 8 --out whole.tailor"));
    workshop.done(&format!("{teach} --steps 8 --max-minutes 0 --out parts.tailor"));
    workshop.done(&format!("{teach} --steps 8 --out parts.tailor"));
    let packs = ["whole.tailor", "parts.tailor"].map(|pack| fs::read(workshop.at(pack)).unwrap());
    assert!(packs[0] == packs[1], "a run that was interrupted teaches something else");
    // It has made its steps, and would learn nothing of other images. A pack keeps its number format.
    let text =
        workshop.refused(&format!("{} --steps 8 --out whole.tailor", teach.replace("dots", "stripes")));
    assert!(text.contains("nothing would be learned"), "{text}");
    assert!(packs[0] == fs::read(workshop.at("whole.tailor")).unwrap());
    workshop.done(&format!("{teach} --steps 8 --tailor-dtype f32 --out whole.tailor"));
    let wide = fs::read(workshop.at("whole.tailor")).unwrap();
    workshop.done(&format!("{teach} --steps 8 --out whole.tailor"));
    assert!(wide.len() > packs[0].len() && wide == fs::read(workshop.at("whole.tailor")).unwrap());
    workshop.done(&format!("{teach} --steps 8 --shortcut-share 0 --out velocity.tailor"));
    assert!(packs[0] != fs::read(workshop.at("velocity.tailor")).unwrap());
    // Large steps learn as much guidance as the learngene's did, which its card says.
    for (guidance, same) in [(2, true), (3, false)] {
        workshop
            .done(&format!("{teach} --steps 8 --shortcut-guidance {guidance} --out led-{guidance}.tailor"));
        let led = fs::read(workshop.at(&format!("led-{guidance}.tailor"))).unwrap();
        assert_eq!(packs[0] == led, same, "with guidance {guidance}");
    }
}

#[test]
fn a_gallery_in_whole_numbers_is_smaller_draws_nearly_the_same_and_stays_so() {
    let workshop = Workshop::with_gallery();
    let bytes = |gallery: &str| {
        let index = fs::read(workshop.at(gallery).join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let size = |file: &serde_json::Value| file["size"].as_u64().unwrap();
        (
            size(&index["learngene"]),
            size(&index["classes"][0]["file"]),
            index["learngene"]["sha256"].to_string(),
        )
    };
    let drawn = |gallery: &str| {
        workshop.done(&format!(
            "sample --gallery {gallery} --class dots --count 4 --device cpu --out grid.png --raw grid.npy"
        ));
        let array = fs::read(workshop.at("grid.npy")).unwrap();
        let header = 10 + usize::from(u16::from_le_bytes([array[8], array[9]]));
        let values = array[header..].chunks_exact(4);
        values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect::<Vec<_>>()
    };
    workshop.done("publish run --device cpu --previews 0 --out usual");
    workshop
        .done("publish run --device cpu --previews 0 --out small --learngene-dtype int8 --tailor-dtype int8");
    workshop
        .done("publish run --device cpu --previews 0 --out exact --learngene-dtype f32 --tailor-dtype f32");
    let (usual, small, exact) = (bytes("usual"), bytes("small"), bytes("exact"));
    assert!(small.0 < usual.0 * 7 / 10 && usual.0 < exact.0 * 7 / 10, "{small:?} {usual:?} {exact:?}");
    assert!(small.1 < usual.1 && usual.1 < exact.1, "{small:?} {usual:?} {exact:?}");
    let reference = drawn("exact");
    for (gallery, most) in [("usual", 1e-3), ("small", 4.0 / 255.0)] {
        workshop.done(&format!("verify {gallery}"));
        let off: f32 = drawn(gallery).iter().zip(&reference).map(|(a, b)| (a - b).abs()).sum();
        let off = off / reference.len() as f32;
        assert!(off > 0.0 && off <= most, "{gallery} is {off} away");
    }
    // A class that is taught later is stored as the others are, unless a flag says otherwise.
    let taught = |more: &str| {
        let line =
            "train-tailor data/dots --class new --learngene small --out new.tailor --steps 1 --device cpu";
        workshop.done(&format!("{line} --sample-every 0 {more}"));
        fs::read(workshop.at("new.tailor")).unwrap()
    };
    let as_others = taught("");
    assert!(
        as_others == taught("--tailor-dtype int8") && as_others.len() < taught("--tailor-dtype f16").len()
    );
    // Published again it keeps what no flag changes, and so the learngene's file.
    workshop.done("publish run --device cpu --out small");
    assert_eq!(bytes("small"), small);
    workshop.done("publish run --device cpu --out small --learngene-dtype f16");
    assert_eq!((bytes("small").0, bytes("small").1), (usual.0, small.1));
}

#[test]
fn a_dropped_label_can_leave_its_tailor_on_and_guidance_then_leads_away_from_that() {
    let workshop = Workshop::with_gallery();
    workshop.done(&format!("{TRAIN} --device cpu --label-dropout 0.5 --null-gate --out gated"));
    workshop.done("publish gated --device cpu --previews 0 --out gated-gallery");
    let sampled = |gallery: &str, guide: &str| {
        let line = format!("{SAMPLE} {guide} --guidance 3 --out grid.png --raw grid.npy");
        workshop.done(&line.replace("--gallery gallery", &format!("--gallery {gallery}")));
        fs::read(workshop.at("grid.npy")).unwrap()
    };
    for gallery in ["gallery", "gated-gallery"] {
        let unnamed = sampled(gallery, "--guide unnamed");
        assert!(unnamed != sampled(gallery, "") && unnamed != sampled(gallery, "--guide 1"), "{gallery}");
    }
    let output = workshop.tailor(&format!("{SAMPLE} --guide no --out grid.png"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("“unnamed”") && output.status.code() == Some(2));
    // It learns something else than without, and says how it wants to be sampled.
    workshop.done(&format!("{TRAIN} --device cpu --label-dropout 0.5 --out usual"));
    let checkpoint =
        |run: &str| fs::read(workshop.at(run).join("checkpoints/000000004.safetensors")).unwrap();
    assert!(checkpoint("gated") != checkpoint("usual"));
    let index = fs::read_to_string(workshop.at("gated-gallery/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["sampling"]["guidance"], 1.0);
    fs::write(workshop.at("few.toml"), format!("{TINY}objective = 'flow'\nfew_steps = true")).unwrap();
    let line = TRAIN.replace("--preset tiny", "--config few.toml");
    let text = workshop.refused(&format!("{line} --null-gate --out no"));
    assert!(text.contains("null_gate is true, which is not defined for a model with few_steps"), "{text}");
}

#[test]
fn the_mean_of_several_checkpoints_is_published_when_asked_for() {
    let workshop = Workshop::with_gallery();
    let published = |run: &str, out: &str, more: &str| {
        let exact = "--learngene-dtype f32 --tailor-dtype f32 --previews 0 --device cpu";
        workshop.done(&format!("publish {run} --out {out} {exact} {more}"));
        let gallery = Gallery::open(&workshop.at(out)).unwrap();
        let (learngene, tailor) =
            (gallery.learngene().unwrap(), gallery.tailor(gallery.class("dots").unwrap()));
        let config = &learngene.manifest.config;
        let mut values = learngene.tensors.to_flat(&config.learngene_tensors()).unwrap();
        values.extend(tailor.unwrap().tensors.to_flat(&config.tailor_tensors()).unwrap());
        values
    };
    let newest = published("run", "newest", "");
    let mean = published("run", "mean", "--average-steps 2");
    let refused = workshop.refused("publish run --out no --average-steps 1 --device cpu");
    assert!(
        refused.contains("no other checkpoint of its last 1 step") && refused.contains("--keep"),
        "{refused}"
    );
    fs::remove_file(workshop.at("run/checkpoints/000000004.safetensors")).unwrap();
    let older = published("run", "older", "");
    assert!(older != newest);
    for ((mean, newest), older) in mean.into_iter().zip(newest).zip(older) {
        assert_eq!(mean, ((f64::from(newest) + f64::from(older)) / 2.0) as f32);
    }
}

#[test]
fn images_go_where_they_are_wanted_and_what_cannot_be_written_is_refused_before_the_work() {
    let workshop = Workshop::with_gallery();
    let one = "sample --gallery gallery --class dots --steps 1 --device cpu";
    // One class and many seeds make a square; the folder is made.
    workshop.done(&format!("{one} --count 130 --out new/folder/grid.jpg --raw new/grid.npy"));
    let picture = fs::read(workshop.at("new/folder/grid.jpg")).unwrap();
    assert_eq!(image::guess_format(&picture).unwrap(), image::ImageFormat::Jpeg);
    assert_eq!(image::load_from_memory(&picture).unwrap().width(), 12 * 129 + 1);
    assert!(workshop.at("new/grid.npy").exists());
    let output = workshop.tailor(&format!("{one} --out -"));
    assert_eq!(image::guess_format(&output.stdout).unwrap(), image::ImageFormat::Png);
    fs::write(workshop.at("file"), "in the way").unwrap();
    for (out, said) in [
        ("--out grid.tiff", "not written as .tiff"),
        ("--out file/grid.png", "file"),
        ("--out gallery", "is a folder"),
        ("--out - --raw -", "standard output takes one file"),
        ("--out same.png --raw same.png", "both name"),
    ] {
        let text = workshop.refused(&format!("{one} {out}"));
        assert!(text.contains(said) && !text.contains(".tailor-"), "{text}");
    }
}

#[test]
fn several_files_and_an_index_are_verified_together() {
    let workshop = Workshop::with_gallery();
    let packs = format!("gallery/{} gallery/{}", workshop.name("dots"), workshop.name("stripes"));
    let output = workshop.tailor(&format!("verify {packs} gallery/index.json"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), text.lines().count(), text.matches("sound: ").count()),
        (Some(0), 3, 3)
    );
    fs::write(workshop.pack("dots"), "damaged").unwrap();
    let output = workshop.tailor(&format!("verify {packs}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), text.matches("sound: ").count()), (Some(1), 1), "{text}");
    let secret = workshop.at("mine.key");
    workshop.done("keygen --no-password mine");
    let text = workshop.refused("verify gallery --public-key mine.key");
    let key = fs::read_to_string(secret).unwrap();
    assert!(
        text.contains("mine.key is a secret key") && !text.contains(&key.lines().nth(1).unwrap()[..8]),
        "{text}"
    );
}

#[test]
fn a_resumed_run_goes_on_and_a_second_publication_is_newer() {
    let workshop = Workshop::with_gallery();
    let trained = workshop.json("train --data data --steps 6 --log-every 1 --device cpu --out run --resume");
    assert_eq!((&trained["step"], &trained["report"]), (&6.into(), &"run/report.html".into()));
    let published = workshop.json("publish run --device cpu --out gallery");
    assert_eq!((&published["version"], &published["classes"]), (&2.into(), &2.into()));
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(workshop.at("gallery/index.json")).unwrap()).unwrap();
    assert_eq!(index["version"], 2);
    workshop.done("verify gallery");
    let last =
        fs::read_to_string(workshop.at("run/metrics.jsonl")).unwrap().lines().last().unwrap().to_owned();
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["step"], 6);
    assert!(last["loss"].is_f64() && last["images_per_second"].is_f64(), "{last}");
}

/// The gallery's index.
fn index(workshop: &Workshop) -> Index {
    Index::parse(&fs::read(workshop.at("gallery/index.json")).unwrap()).unwrap()
}

#[test]
fn a_gallery_that_is_published_again_keeps_what_was_said_of_it() {
    let workshop = Workshop::new();
    workshop.done(&format!("{TRAIN} --device cpu --out run"));
    workshop.done(
        "publish run --device cpu --out gallery --id mine --title Mine --licence CC0-1.0 --data-note Stripes \
         --author Ada --author Bob --sampler ddim --steps 3 --guidance 1 --previews 2",
    );
    let before = index(&workshop);
    workshop.done("publish run --device cpu --out gallery");
    let again = index(&workshop);
    assert_eq!(again.version, 2);
    assert_eq!(Index { version: 1, ..again }, before, "every file has the same digest");

    workshop.done("publish run --device cpu --out gallery --licence MIT --steps 4");
    let other = index(&workshop);
    assert_ne!(other.learngene, before.learngene);
    assert_eq!((other.id.as_str(), other.title.as_str()), ("mine", "Mine"));
    assert_eq!(other.sampling, Sampling { steps: 4, ..before.sampling.clone() });
    for file in [&other.learngene, &other.classes[1].file] {
        let card = &workshop.json(&format!("inspect gallery/{}", file.path))["card"];
        let said = ["licence", "data", "authors"].map(|name| card[name].clone());
        assert_eq!(said, ["MIT".into(), "Stripes".into(), serde_json::json!(["Ada", "Bob"])]);
    }
}

#[test]
fn the_same_weights_stay_one_learngene_whatever_version_and_device_publish_them() {
    let workshop = Workshop::with_gallery();
    let before = index(&workshop);
    let file = fs::read(workshop.at("gallery").join(&before.learngene.path)).unwrap();
    let learngene = read_learngene(&file).unwrap();
    let manifest = &learngene.manifest;
    let write = |tensors: &Tensors| {
        let card = Card { tool: "tailor 0.0.1".to_owned(), ..learngene.card.clone() };
        // Other pixels, as another device rounds them.
        let mut preview = std::io::Cursor::new(Vec::new());
        GrayImage::new(8 * 33 + 1, 34).write_to(&mut preview, image::ImageFormat::Png).unwrap();
        let contents = Contents {
            steps: manifest.steps,
            preview: Some(preview.get_ref()),
            ..Contents::new(&manifest.model, &manifest.config, tensors, &card)
        };
        let bytes = write_learngene(&contents).unwrap();
        let entry = FileEntry::of("there.learngene".to_owned(), &bytes);
        fs::write(workshop.at("gallery/there.learngene"), &bytes).unwrap();
        let index = Index { learngene: entry.clone(), ..before.clone() };
        fs::write(workshop.at("gallery/index.json"), index.to_json().unwrap()).unwrap();
        entry.sha256
    };
    let there = write(&learngene.tensors);
    workshop.done("publish run --device cpu --out gallery");
    assert_eq!(index(&workshop).learngene.sha256, there);
    workshop.done("verify gallery");

    let specs = manifest.config.learngene_tensors();
    let mut values = learngene.tensors.to_flat(&specs).unwrap();
    values[0] += 1.0;
    write(&Tensors::from_flat(&specs, &values).unwrap());
    workshop.done("publish run --device cpu --out gallery");
    assert_eq!(
        index(&workshop).learngene.sha256,
        before.learngene.sha256,
        "other weights are another learngene"
    );
}

#[test]
fn a_damaged_learngene_is_published_again() {
    let workshop = Workshop::with_gallery();
    let before = index(&workshop);
    fs::write(workshop.at("gallery").join(&before.learngene.path), "damaged").unwrap();
    let text = workshop.tailor("publish run --device cpu --out gallery").stderr;
    assert!(String::from_utf8_lossy(&text).contains("what its card said is not kept"));
    workshop.done("verify gallery");
    assert_eq!(index(&workshop).learngene, before.learngene);
}

#[test]
fn a_gallery_with_classes_that_the_run_lacks_is_not_published_over() {
    let workshop = Workshop::with_gallery();
    fs::remove_dir_all(workshop.at("data/dots")).unwrap();
    workshop.done(&format!("{TRAIN} --device cpu --out fewer"));
    let before = names(&workshop.at("gallery"));
    let publish = "publish fewer --device cpu --out gallery";
    let said = workshop.refused(publish);
    assert!(said.contains("would lose them: dots\n") && said.contains("another --out"), "{said}");
    assert_eq!((names(&workshop.at("gallery")), index(&workshop).version), (before, 1));
    let remedy = said.split("tailor gallery remove ").nth(1).unwrap();
    workshop.done(&format!("gallery remove {remedy}"));
    workshop.done(publish);
    workshop.done("verify gallery");
    assert_eq!(index(&workshop).classes.len(), 1);
}

/// Makes a checkpoint one of those from before they named their engine.
fn forget_the_engine(checkpoint: &Path) {
    let bytes = fs::read(checkpoint).unwrap();
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    let older = header.replace(r#"\"engine\":\"processor\","#, "");
    assert!(older.len() < length, "{header}");
    let end = bytes.len() - 32;
    let mut file = [&bytes[..8], format!("{older:length$}").as_bytes(), &bytes[8 + length..end]].concat();
    file.extend(Digest::of(&file).0);
    fs::write(checkpoint, file).unwrap();
}

#[test]
fn a_run_says_which_engine_trained_it_and_one_from_before_goes_on_and_says_nothing() {
    let workshop = Workshop::new();
    let report = || fs::read_to_string(workshop.at("run/report.html")).unwrap();
    let engine = "<dt>engine</dt><dd>processor</dd>";
    let trained = workshop.json(&format!("{TRAIN} --device cpu --out run"));
    assert_eq!(trained["engine"], "processor");
    assert!(report().contains(engine));
    forget_the_engine(&workshop.at("run/checkpoints/000000004.safetensors"));
    workshop.done("report run --device cpu");
    assert!(!report().contains("<dt>engine</dt>"));
    let text = workshop.tailor("train --data data --steps 6 --device cpu --out run --resume").stderr;
    assert!(String::from_utf8_lossy(&text).contains("going on from run/checkpoints/000000004.safetensors"));
    assert!(report().contains(engine));
}

#[test]
fn a_class_of_ones_own_joins_a_gallery_and_leaves_it() {
    let workshop = Workshop::with_gallery();
    let files = names(&workshop.at("gallery"));
    let learngene = format!("gallery/{}", files.iter().find(|name| name.ends_with(".learngene")).unwrap());
    let path = "own";
    let before = fs::read(workshop.at(&learngene)).unwrap();
    fs::create_dir(workshop.at(path)).unwrap();
    for i in 0..3u32 {
        let checks =
            GrayImage::from_fn(40, 32, |x, y| Luma([if (x / 8 + y / 8 + i) % 2 == 0 { 255 } else { 0 }]));
        checks.save(workshop.at(&format!("{path}/{i}.png"))).unwrap();
    }
    let train = format!(
        "train-tailor --learngene {learngene} --class checks {path} --out checks.tailor --from dots \
         --steps 4 --batch-size 2 --sample-every 0 --device cpu"
    );
    let output = workshop.tailor(&train);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("3 images are few"), "{text}");
    let text = workshop.refused(&train.replace("--class checks", "--class other"));
    assert!(text.contains("checks") && text.contains("--run"), "{text}");
    let learned = workshop.json(&train);
    assert_eq!(learned["class"], "checks");
    workshop.done("gallery add gallery checks.tailor");
    workshop.done("verify gallery");
    workshop.done("sample --gallery gallery --class checks --steps 2 --device cpu --out checks.png");
    assert!(before == fs::read(workshop.at(&learngene)).unwrap());
    let index = fs::read(workshop.at("gallery/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    assert_eq!((index["version"].as_u64(), index["classes"].as_array().unwrap().len()), (Some(2), 3));
    assert!(
        workshop.refused("publish run --device cpu --out gallery").contains("gallery remove gallery checks")
    );

    // Another gallery's learngene has another digest.
    workshop.done(&format!("{TRAIN} --seed 9 --device cpu --out other"));
    workshop.done("publish other --device cpu --previews 0 --out foreign");
    let text = workshop.refused("gallery add foreign checks.tailor");
    assert!(text.contains("checks.tailor") && text.contains("learngene"), "{text}");

    assert_eq!(workshop.json("gallery remove gallery checks")["classes"], 2);
    assert!(workshop.refused("sample --gallery gallery --class checks --out no.png").contains("checks"));
}

#[test]
fn a_folder_of_classes_becomes_a_pack_for_each_and_all_join_the_gallery() {
    let workshop = Workshop::with_gallery();
    let draw = |class: &str, i: u32, wide: u32| {
        let path = workshop.at(&format!("novel/{class}/{i}.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let shade = |x: u32, y: u32| Luma([if (x + y * wide + i) % wide < 2 { 255 } else { 0 }]);
        GrayImage::from_fn(32, 32, shade).save(path).unwrap();
    };
    for (class, wide) in [("bars", 5), ("greek-small-alpha", 7), ("waves", 9)] {
        (0..4).for_each(|i| draw(class, i, wide));
    }
    let short = "--steps 6 --batch-size 4 --sample-every 0 --checkpoint-every 2 --device cpu";
    let train = |out: &str| format!("train-tailor novel --learngene gallery --out {out} {short}");
    let output = workshop.tailor(&format!("{} --json", train("packs")));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("3 classes: a pack for each will be in packs"), "{said}");
    assert!(said.contains("tailor gallery add GALLERY packs/*.tailor"), "{said}");
    let written: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let classes: Vec<&str> =
        written.as_array().unwrap().iter().map(|pack| pack["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["bars", "waves", "greek-small-alpha"], "in the order of their names: α comes last");
    let files = ["bars.tailor", "greek-small-alpha.tailor", "waves.tailor"];
    assert_eq!(names(&workshop.at("packs")), files);

    // The run that was stopped learns the same, and so does the same folder in an archive with a split of its classes.
    workshop.done(&format!("{} --max-minutes 0", train("parts")));
    assert!(names(&workshop.at("parts")).is_empty(), "a run that was stopped writes no pack");
    workshop.done(&train("parts"));
    let mut tar = Command::new("tar");
    let packed = tar.args(["-cf", "novel.tar", "novel"]).current_dir(workshop.0.path()).status();
    assert!(packed.unwrap().success());
    fs::write(workshop.at("all.toml"), "classes = ['waves', 'α', 'bars']").unwrap();
    workshop.done(&train("split").replace("novel", "novel.tar --split all.toml"));
    for file in files {
        let read = |folder: &str| fs::read(workshop.at(folder).join(file)).unwrap();
        assert!(read("packs") == read("parts") && read("packs") == read("split"), "{file}");
    }
    let noted: serde_json::Value =
        serde_json::from_slice(&fs::read(workshop.at("split.run/data.json")).unwrap()).unwrap();
    assert_eq!((&noted["split"], &noted["inverted"]), (&"all.toml".into(), &false.into()));

    workshop.done("gallery add gallery packs/bars.tailor packs/greek-small-alpha.tailor packs/waves.tailor");
    workshop.done("verify gallery");
    workshop.done("sample --gallery gallery --class waves --class α --steps 2 --device cpu --out new.png");

    // Classes that the gallery has by now; another layout than was asked for.
    let text = workshop.refused(&train("again"));
    assert!(text.contains("bars") && text.contains("already") && text.contains("--split"), "{text}");
    let text = workshop.refused(&train("again.tailor"));
    assert!(text.contains("again.tailor is one pack") && text.contains("--class"), "{text}");
    let text = workshop.refused(&format!("{} --class mine", train("packs")));
    assert!(text.contains("packs is a folder"), "{text}");
    let text = workshop.refused(&train("again").replace("novel", "novel/bars"));
    assert!(text.contains("no class folders") && text.contains("--class"), "{text}");
    let text = workshop.refused(&train("novel/packs"));
    assert!(text.contains("novel"), "{text}");
    fs::remove_dir_all(workshop.at("novel/bars")).unwrap();
    let text = workshop.refused(&train("packs"));
    assert!(text.contains("for the classes bars, waves, α (greek-small-alpha)"), "{text}");
    assert!(!workshop.at("again").exists(), "no folder is left of what was refused");
}

#[test]
fn a_run_goes_on_with_images_as_they_were_and_says_which_split_it_was_begun_with() {
    let workshop = Workshop::new();
    fs::write(workshop.at("dark.toml"), "classes = ['dots', 'stripes']").unwrap();
    fs::write(workshop.at("light.toml"), "classes = ['dots', 'stripes']\ninvert = true").unwrap();
    fs::write(workshop.at("one.toml"), "classes = ['dots']").unwrap();
    let train = |steps: u32, more: &str| {
        format!("{TRAIN} --device cpu --out run {more}").replace("--steps 4", &format!("--steps {steps}"))
    };
    workshop.done(&train(4, "--split light.toml"));
    let noted = || -> serde_json::Value {
        serde_json::from_slice(&fs::read(workshop.at("run/data.json")).unwrap()).unwrap()
    };
    assert_eq!((&noted()["split"], &noted()["inverted"]), (&"light.toml".into(), &true.into()));
    let before = noted();
    for more in ["--split dark.toml", ""] {
        let text = workshop.refused(&train(6, &format!("--resume {more}")));
        assert!(text.contains("inverted") && text.contains("--split light.toml"), "{text}");
    }
    let text = workshop.refused(&train(6, "--resume --split one.toml"));
    assert!(text.contains("other classes") && text.contains("--split light.toml"), "{text}");
    assert_eq!(noted(), before, "what was refused notes nothing");
    workshop.done(&train(6, "--resume --split light.toml"));
    // A note from before either was kept says nothing against it.
    let mut older = noted();
    older.as_object_mut().unwrap().retain(|key, _| key != "split" && key != "inverted");
    fs::write(workshop.at("run/data.json"), older.to_string()).unwrap();
    workshop.done(&train(8, "--resume"));
    assert_eq!(noted()["inverted"], false);
}

#[test]
fn an_unknown_class_and_damaged_packs_are_refused_and_no_image_is_written() {
    let workshop = Workshop::with_gallery();
    let sample = format!("{SAMPLE} --out grid.png");
    assert!(workshop.refused(&format!("{sample} --class zigzags")).contains("zigzags"));
    let pack = workshop.pack("dots");
    let whole = fs::read(&pack).unwrap();
    fs::write(&pack, &whole[..whole.len() / 2]).unwrap();
    assert!(workshop.refused(&sample).contains("dots"));
    assert!(workshop.refused("verify gallery").contains("1 of 4 files"));
    fs::remove_file(&pack).unwrap();
    assert!(workshop.refused(&sample).contains("dots"));
    assert!(!workshop.at("grid.png").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_nothing_half_written_is_left() {
    let workshop = Workshop::with_gallery();
    // A file may grow to 1 kB only: the same path through the program as a disk without room.
    for (line, out) in [
        (format!("{TRAIN} --device cpu --out full/run"), "full/run"),
        ("publish run --device cpu --out full/gallery".to_owned(), "full/gallery"),
        (format!("{SAMPLE} --out full/grid.png"), "full"),
    ] {
        fs::create_dir_all(workshop.at("full")).unwrap();
        let script = format!("trap '' XFSZ; ulimit -f 2; exec {} {line}", env!("CARGO_BIN_EXE_tailor"));
        let output =
            Command::new("sh").args(["-c", &script]).current_dir(workshop.0.path()).output().unwrap();
        let text = refusal(&line, output);
        assert!(text.contains("full/") && text.contains("free some space"), "{line}: {text}");
        let left = walk(&workshop.at(out));
        let whole = |name: &String| {
            [".lock", "data.json", "metrics.jsonl", ".tailor"].iter().any(|end| name.ends_with(end))
        };
        assert!(left.iter().all(whole), "{line}: {left:?}");
        fs::remove_dir_all(workshop.at("full")).unwrap();
    }
}
