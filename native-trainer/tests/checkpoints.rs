//! A run that is cut, killed or damaged goes on from a complete state, or says which file is bad.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{batch, settings, trainer};
use image::{GrayImage, Luma};
use rand::Rng;
use tailor_core::diffusion::noise::{Stream, generator};
use tailor_packs::ModelConfig;
use tailor_trainer::compute::device::Device;
use tailor_trainer::settings::recipe::Recipe;
use tailor_trainer::settings::training::Training;
use tailor_trainer::system::files::{Disk, OnDisk};
use tailor_trainer::train::checkpoint::{self, ClassName, Losses, RunHeader};
use tailor_trainer::train::trainer::Trainer;
use tempfile::NamedTempFile;

const CLASSES: usize = 3;
const KEEP: usize = 3;

fn advance(trainer: &mut Trainer, to: u64) {
    let config = trainer.config().clone();
    while trainer.step < to {
        // Class 1 comes by now and then: its average is brought up to date from afar.
        let classes: &[usize] = if trainer.step % 7 == 3 { &[0, 1, 2] } else { &[0, 2] };
        trainer.step(&batch(&config, trainer.step, classes, 0.1), &settings());
    }
}

fn about() -> RunHeader {
    let model = ModelConfig::preset("tiny").unwrap();
    let class = |i: usize| ClassName { id: format!("class-{i}"), name: format!("Class {i}"), count: 10 };
    let mut losses = Losses::default();
    for step in 1..=23 {
        let _ = losses.add(step, 0.1, step % 10 == 0);
    }
    RunHeader {
        recipe: Recipe { name: "tiny".to_owned(), model, training: Training::default() },
        classes: (0..CLASSES).map(class).collect(),
        frozen: None,
        method: None,
        losses,
        engine: None,
        step: 0,
        ema_clock: 0,
        clocks: Vec::new(),
    }
}

fn save(disk: &dyn Disk, folder: &Path, trainer: &Trainer) -> Result<(), tailor_trainer::Error> {
    checkpoint::save(disk, folder, trainer, &about(), KEEP).map(drop)
}

fn resume(folder: &Path) -> Trainer {
    checkpoint::latest(folder).unwrap().unwrap().restore(&Device::Processor).unwrap().with_shards(2)
}

fn newest(folder: &Path) -> Vec<u8> {
    fs::read(&checkpoint::list(folder).unwrap()[0]).unwrap()
}

#[test]
fn a_run_cut_at_ten_places_ends_bit_for_bit_like_the_run_that_was_not() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut uncut = trainer(CLASSES);
    advance(&mut uncut, 60);
    save(&OnDisk, whole.path(), &uncut).unwrap();
    save(&OnDisk, cut.path(), &trainer(CLASSES)).unwrap();
    for stop in [1, 2, 9, 14, 20, 29, 33, 41, 50, 59, 60] {
        let mut resumed = resume(cut.path());
        advance(&mut resumed, stop);
        save(&OnDisk, cut.path(), &resumed).unwrap();
    }
    assert!(newest(whole.path()) == newest(cut.path()), "the two runs differ");
    assert_eq!(fs::read_dir(checkpoint::folder(cut.path())).unwrap().count(), KEEP);
}

/// Fails the operation of one number.
struct Failing {
    at: usize,
    done: Cell<usize>,
}

impl Failing {
    fn turn(&self) -> io::Result<()> {
        let number = self.done.replace(self.done.get() + 1);
        if number == self.at { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for Failing {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        // A disk that runs full has taken a part.
        OnDisk.write(file, &bytes[..bytes.len() / 2])?;
        self.turn()?;
        OnDisk.write(file, &bytes[bytes.len() / 2..])
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        self.turn()?;
        OnDisk.sync(file)
    }
    fn rename(&self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        self.turn()?;
        OnDisk.rename(file, path)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.turn()?;
        OnDisk.sync_folder(folder)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.turn()?;
        OnDisk.remove(path)
    }
}

#[test]
fn whichever_operation_fails_a_complete_state_is_left() {
    // Five operations: write, sync, rename, sync of the folder, and the removal of the oldest.
    for at in 0..=5 {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(CLASSES);
        for step in 1..=4 {
            advance(&mut trainer, step);
            save(&OnDisk, folder.path(), &trainer).unwrap();
        }
        advance(&mut trainer, 5);
        let disk = Failing { at, done: Cell::new(0) };
        let saved = save(&disk, folder.path(), &trainer);
        assert_eq!(saved.is_ok(), at >= 4, "operation {at}");
        // Renamed but for the folder's sync it is there as long as the power is.
        assert_eq!(resume(folder.path()).step, if at >= 3 { 5 } else { 4 }, "operation {at}");
        save(&OnDisk, folder.path(), &trainer).unwrap();
        assert_eq!(fs::read_dir(checkpoint::folder(folder.path())).unwrap().count(), KEEP);
    }
}

/// A run with checkpoints of steps 2 and 4: its folder, and path and bytes of the newer one.
fn with_two_checkpoints() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(CLASSES);
    for step in [2, 4] {
        advance(&mut trainer, step);
        save(&OnDisk, folder.path(), &trainer).unwrap();
    }
    let path = checkpoint::list(folder.path()).unwrap()[0].clone();
    let sound = fs::read(&path).unwrap();
    (folder, path, sound)
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    let (folder, path, sound) = with_two_checkpoints();
    let mut rng = generator(1, Stream::Start);
    let header = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    for number in 0..500 {
        let mut bytes = sound.clone();
        let place = rng.random_range(0..if number % 2 == 0 { header } else { bytes.len() });
        match number % 5 {
            0 => bytes.truncate(place),
            1 => bytes[place..].fill(0),
            2 => bytes.extend_from_within(place..),
            _ => bytes[place] ^= 1 << rng.random_range(0..8),
        }
        if bytes == sound {
            continue;
        }
        fs::write(&path, &bytes).unwrap();
        let stored = checkpoint::latest(folder.path()).unwrap().unwrap();
        assert_eq!(stored.header.step, 2, "damage {number} at byte {place}");
        assert!(stored.passed_over[0].contains("000000004.safetensors"), "{:?}", stored.passed_over);
    }
    // What was passed over does not push out what is sound.
    let mut resumed = resume(folder.path());
    advance(&mut resumed, 3);
    save(&OnDisk, folder.path(), &resumed).unwrap();
    assert_eq!(resume(folder.path()).step, 3);
    fs::remove_file(&path).unwrap();
    for file in checkpoint::list(folder.path()).unwrap() {
        fs::write(file, b"nothing").unwrap();
    }
    let error = checkpoint::latest(folder.path()).unwrap_err().to_string();
    assert!(error.contains("000000003") && error.contains("000000002"), "{error}");
}

/// A header in which the number at `place` is `number`.
fn with_number(place: &str, number: u64) -> RunHeader {
    let mut header = serde_json::to_value(about()).unwrap();
    *header.pointer_mut(place).unwrap() = number.into();
    serde_json::from_value(header).unwrap()
}

#[test]
fn a_header_that_counts_further_than_any_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let infinite = f64::INFINITY.to_bits();
    for (place, number) in [
        ("/losses/count", u64::MAX),
        ("/losses/sum", infinite),
        ("/losses/means/0/0", u64::MAX),
        ("/losses/means/0/1", f64::NAN.to_bits()),
        ("/classes/1/count", u64::MAX),
    ] {
        let header = with_number(place, number);
        checkpoint::save(&OnDisk, folder.path(), &trainer(CLASSES), &header, KEEP).unwrap();
        let refused = checkpoint::latest(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("not a usable checkpoint"), "{place}: {refused}");
    }
    // What a trainer itself counts.
    for (step, clock) in [(u64::MAX, 0.0), (1 << 41, 0.0), (1, f64::NAN)] {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(CLASSES);
        (trainer.step, trainer.ema_clock) = (step, clock);
        save(&OnDisk, folder.path(), &trainer).unwrap();
        checkpoint::latest(folder.path()).unwrap_err();
    }
    let none = RunHeader { classes: Vec::new(), ..about() };
    checkpoint::save(&OnDisk, folder.path(), &trainer(0), &none, KEEP).unwrap();
    checkpoint::latest(folder.path()).unwrap_err();
}

#[test]
fn a_checkpoint_with_a_number_that_is_none_is_passed_over() {
    let (folder, path, sound) = with_two_checkpoints();
    let begin = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    let end = sound.len() - 32;
    for (place, value) in [(begin, f32::NAN), (end - 4, f32::INFINITY), ((begin + end) / 8 * 4, f32::NAN)] {
        let place = begin + (place - begin) / 4 * 4;
        let mut bytes = sound.clone();
        bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
        let digest = tailor_packs::Digest::of(&bytes[..end]).0;
        bytes[end..].copy_from_slice(&digest);
        fs::write(&path, &bytes).unwrap();
        let stored = checkpoint::latest(folder.path()).unwrap().unwrap();
        assert_eq!(stored.header.step, 2, "{value} at byte {place}");
        assert!(stored.passed_over[0].contains("no finite number"), "{:?}", stored.passed_over);
    }
}

/// Trains with the binary `tailor`, killed at random moments: `TAILOR_KILLS` of them, else 6.
#[cfg(unix)]
#[test]
fn a_trainer_killed_at_any_moment_goes_on_and_ends_like_one_that_was_not() {
    let kills = std::env::var("TAILOR_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let workshop = tempfile::tempdir().unwrap();
    let at = |name: &str| workshop.path().join(name);
    for (class, i) in [("a", 0u32), ("a", 1), ("b", 2), ("b", 3)] {
        fs::create_dir_all(at("data").join(class)).unwrap();
        let picture = GrayImage::from_fn(32, 32, |x, y| Luma([((x * i + y) % 9 * 28) as u8]));
        picture.save(at("data").join(class).join(format!("{i}.png"))).unwrap();
    }
    let train = |out: &str, steps: u64| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.current_dir(workshop.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let line = format!(
            "train --data data --preset tiny --device cpu --out {out} --resume --steps {steps} --flip \
             --batch-size 2 --checkpoint-every 1 --keep 2 --sample-every 0 --cooldown-fraction 0"
        );
        command.args(line.split_whitespace());
        command
    };
    let mut rng = generator(2, Stream::Start);
    // A run that ends where a line of metrics is due anyway and is then prolonged.
    assert!(train("killed", 20).output().unwrap().status.success());
    let mut at_kill = Vec::new();
    for kill in 0..kills {
        let mut child = train("killed", 1_000_000).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(rng.random_range(20..600)));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains("panicked") && !text.contains("error:"), "kill {kill}: {text}");
        let stored = checkpoint::latest(&at("killed")).unwrap().unwrap();
        assert!(stored.passed_over.is_empty(), "kill {kill}: {:?}", stored.passed_over);
        at_kill.push(stored.header.step);
    }
    assert!(at_kill.is_sorted() && at_kill[at_kill.len() - 1] > 20, "{at_kill:?}");
    let steps = at_kill[at_kill.len() - 1] + 2;
    println!("{kills} kills, the last after step {}", steps - 2);
    for out in ["killed", "whole"] {
        let output = train(out, steps).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(newest(&at("killed")) == newest(&at("whole")), "a killed run ended otherwise");
    let names = fs::read_dir(checkpoint::folder(&at("killed"))).unwrap();
    assert_eq!(names.count(), 2, "nothing half-written is left");
}
