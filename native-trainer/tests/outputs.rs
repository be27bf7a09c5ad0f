//! What a command writes takes the place of nothing but a file that it does not read.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::{GrayImage, Luma};

/// A folder with a gallery in `letters`, and images of two classes in `data`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let letters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries/letters");
        fs::create_dir(place.at("letters")).unwrap();
        for file in fs::read_dir(letters).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), place.at("letters").join(file.file_name())).unwrap();
        }
        for class in ["cat", "dog"] {
            fs::create_dir_all(place.at("data").join(class)).unwrap();
            GrayImage::from_pixel(32, 32, Luma([9]))
                .save(place.at("data").join(class).join("1.png"))
                .unwrap();
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// What is said of a command that must be refused.
    fn refused(&self, line: &str) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        said
    }

    fn done(&self, line: &str) {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Name and content of every regular file in a folder.
    fn content(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = walkdir::WalkDir::new(self.at(folder)).sort_by_file_name().into_iter().flatten();
        let files = entries.filter(|entry| entry.file_type().is_file());
        files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap())).collect()
    }
}

const SAMPLE: &str = "sample --gallery letters --class A --steps 1 --device cpu";
const TAILOR: &str = "train-tailor data/cat --learngene letters --class Cat --steps 2 --run run --device cpu";
const TRAIN: &str = "train --data data --preset tiny --steps 2 --batch-size 2 --out trained --device cpu";

#[test]
fn a_pipe_is_never_replaced_by_a_file() {
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(place.at("pipe")).status().unwrap().success());
    symlink("pipe", place.at("link")).unwrap();
    place.done(TRAIN);
    for name in ["pipe", "link"] {
        for line in [
            format!("{SAMPLE} --out {name}"),
            format!("{SAMPLE} --out grid.png --raw {name}"),
            format!("{TAILOR} --out {name}"),
            format!("report trained --device cpu --out {name}"),
        ] {
            let said = place.refused(&line);
            assert!(said.contains("it is no regular file") && said.contains("choose another name"), "{said}");
        }
        // Nor does anything wait for somebody to write into it.
        for line in [
            format!("inspect {name}"),
            format!("verify {name}"),
            format!("train --data {name} --out other"),
            format!("train --data data --config {name} --out other"),
            format!("{TAILOR} --from {name} --out new.tailor"),
        ] {
            place.refused(&line);
        }
    }
    assert!(place.at("pipe").symlink_metadata().unwrap().file_type().is_fifo());
    assert!(place.at("link").is_symlink() && !place.at("grid.png").exists());
}

#[test]
fn a_link_to_a_file_stays_one_and_the_file_is_written() {
    let place = Place::new();
    fs::write(place.at("old.png"), "old").unwrap();
    symlink("old.png", place.at("link.png")).unwrap();
    place.done(&format!("{SAMPLE} --out link.png"));
    assert!(place.at("link.png").is_symlink());
    assert!(fs::read(place.at("old.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn what_a_command_reads_is_not_written_over() {
    let place = Place::new();
    place.done(TRAIN);
    place.done(&format!("{TAILOR} --out cat.tailor"));
    let name = |ending: &str| {
        let mut names = fs::read_dir(place.at("letters")).unwrap().map(|entry| entry.unwrap().file_name());
        names.find_map(|name| name.into_string().ok().filter(|name| name.ends_with(ending))).unwrap()
    };
    let (learngene, pack) = (name(".learngene"), name(".tailor"));
    symlink(place.at("letters").join(&pack), place.at("pack.png")).unwrap();
    let checkpoint = fs::read_dir(place.at("trained/checkpoints")).unwrap().next().unwrap().unwrap();
    let checkpoint = checkpoint.file_name().into_string().unwrap();
    let folders = ["letters", "data", "trained"];
    let before = folders.map(|folder| place.content(folder));
    for line in [
        format!("{TAILOR} --out letters/{learngene}"),
        format!("{TAILOR} --out letters/index.json"),
        format!("{TAILOR} --out letters/../letters/{pack}"),
        format!("{TAILOR} --out data/cat/1.png"),
        format!("{TAILOR} --out cat.tailor --from cat.tailor"),
        format!("{SAMPLE} --out pack.png"),
        format!("{SAMPLE} --out grid.png --raw letters/index.json"),
        format!("{SAMPLE} --out grid.png --raw letters/{learngene}"),
        format!("report trained --device cpu --out trained/checkpoints/{checkpoint}"),
        "report trained --device cpu --out trained/metrics.jsonl".to_owned(),
    ] {
        let said = place.refused(&line);
        assert!(said.contains("would be written over what is read"), "{line}: {said}");
    }
    for twice in ["--raw ./grid.png", "--film ./grid.png", "--raw film.png --film ./film.png"] {
        let said = place.refused(&format!("{SAMPLE} --out grid.png {twice}"));
        assert!(said.contains("both name"), "{twice}: {said}");
    }
    assert!(before == folders.map(|folder| place.content(folder)), "something was written");
    // Beside what is read there is room.
    place.done(&format!("{SAMPLE} --out letters/grid.png"));
    place.done("report trained --device cpu");
    place.done(&format!("{TAILOR} --out letters/cat.tailor"));
}

#[test]
fn a_tailor_that_goes_on_with_other_images_of_the_same_number_says_so() {
    let place = Place::new();
    let go_on = |steps: u32| {
        let output = place
            .run(&format!("{TAILOR} --out cat.tailor").replace("--steps 2", &format!("--steps {steps}")));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said.contains("holds other images")
    };
    assert!(!go_on(1) && !go_on(2));
    GrayImage::from_pixel(32, 32, Luma([99])).save(place.at("data/cat/1.png")).unwrap();
    assert!(go_on(3) && !go_on(4));
}

#[test]
fn a_tailor_that_cannot_go_on_as_it_is_asked_to_says_so() {
    let place = Place::new();
    let line = format!("{TAILOR} --out cat.tailor");
    place.done(&line);
    let kept = fs::read(place.at("cat.tailor")).unwrap();
    for (change, part) in [
        ("--steps 1", "has made 2 steps already, more than the 1"),
        ("--seed 9", "begun with the seed 0"),
        ("--from a", "begun with another tailor, or with none"),
    ] {
        let line = match change.starts_with("--steps") {
            true => line.replace("--steps 2", change),
            false => format!("{line} {change}"),
        };
        let output = place.run(&line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(part), "{change}: {said}");
        assert!(
            said.contains("help: ") && fs::read(place.at("cat.tailor")).unwrap() == kept,
            "{change}: {said}"
        );
    }
    // A note from before this was kept: whatever it began with, it goes on.
    let note = place.at("run/data.json");
    let mut noted: serde_json::Value = serde_json::from_slice(&fs::read(&note).unwrap()).unwrap();
    assert_eq!(noted["begun"], "chance");
    noted.as_object_mut().unwrap().remove("begun");
    fs::write(&note, noted.to_string()).unwrap();
    let output = place.run(&format!("{line} --from a"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("note: --from counts where a run begins"), "{said}");
    place.done(&line);
    // Begun with a tailor, it goes on with that one and no other.
    let line = line.replace("cat.tailor", "like-a.tailor").replace("--run run", "--run other");
    place.done(&format!("{line} --from a"));
    place.done(&format!("{line} --from a"));
    assert_eq!(place.run(&line).status.code(), Some(1));
    // What it began with is not needed any more.
    let output = place.run(&format!("{line} --from gone.tailor").replace("--steps 2", "--steps 3"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("is not there any more"), "{said}");
}

#[test]
fn a_grid_that_cannot_be_written_costs_no_steps() {
    let place = Place::new();
    place.done(TRAIN);
    fs::remove_dir_all(place.at("trained")).unwrap();
    fs::create_dir(place.at("trained")).unwrap();
    fs::write(place.at("trained/samples"), "in the way").unwrap();
    let output = place.run(&format!("{TRAIN} --sample-every 1"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("note: no samples of step 2"), "{said}");
    assert_eq!(fs::read_dir(place.at("trained/checkpoints")).unwrap().count(), 1);
}
