//! A run that was cut and resumed is the run that was not, and a damaged checkpoint is refused.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod support;

use std::path::Path;

use burn::tensor::Device;
use support::{batch, settings, trainer};
use tailor_packs::ModelConfig;
use tailor_trainer::Error;
use tailor_trainer::checkpoint::{self, ClassName};
use tailor_trainer::cli::{Recipe, Training};
use tailor_trainer::train::trainer::Trainer;

const CLASSES: usize = 3;

fn advance(trainer: &mut Trainer, to: u64) {
    let config = trainer.config().clone();
    while trainer.step < to {
        let (images, labels) = batch(&config, trainer.step, &[0, 2]);
        trainer.step(images, &labels, &settings(0.1));
    }
}

fn save(folder: &Path, trainer: &Trainer) {
    let model = ModelConfig::preset("tiny").unwrap();
    let recipe = Recipe { name: "tiny".to_owned(), model, training: Training::default() };
    let class = |i: usize| ClassName { id: format!("class-{i}"), name: format!("Class {i}"), count: 10 };
    let classes: Vec<_> = (0..CLASSES).map(class).collect();
    checkpoint::save(folder, trainer, &recipe, &classes).unwrap();
}

fn restore(folder: &Path) -> Result<Trainer, Error> {
    let (header, bytes) = checkpoint::read(folder)?;
    Ok(checkpoint::restore(folder, &header, &bytes, &Device::flex())?.with_shards(2))
}

#[test]
fn a_run_cut_three_times_ends_bit_for_bit_like_the_run_that_was_not() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut uncut = trainer(CLASSES);
    advance(&mut uncut, 40);
    save(whole.path(), &uncut);

    save(cut.path(), &trainer(CLASSES));
    for stop in [1, 14, 29, 40] {
        let mut resumed = restore(cut.path()).unwrap();
        advance(&mut resumed, stop);
        save(cut.path(), &resumed);
    }
    let bytes = |folder: &Path| std::fs::read(checkpoint::path(folder)).unwrap();
    assert!(bytes(whole.path()) == bytes(cut.path()), "the two runs differ");
    assert_eq!(std::fs::read_dir(cut.path()).unwrap().count(), 1, "nothing half-written is left");
}

#[test]
fn a_checkpoint_with_a_flipped_byte_or_an_end_cut_off_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(CLASSES);
    advance(&mut trainer, 2);
    save(folder.path(), &trainer);
    let file = checkpoint::path(folder.path());
    let sound = std::fs::read(&file).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        std::fs::write(&file, bytes).unwrap();
        match restore(folder.path()) {
            Err(error @ (Error::Refused { .. } | Error::Config(_))) => {
                assert!(
                    error.to_string().contains("checkpoint") || matches!(error, Error::Config(_)),
                    "{error}"
                );
            }
            Err(other) => panic!("{what}: {other}"),
            Ok(_) => panic!("{what} was taken for sound"),
        }
    };
    // Every byte of the safetensors header would take minutes; these hit names, numbers, text and padding.
    let header = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    let in_header = (0..8).chain((8..header).step_by(61)).chain(header - 4..header);
    let in_values = (header..sound.len()).step_by(sound.len() / 60);
    let in_digest = sound.len() - 32..sound.len();
    let mut flips = 0;
    for place in in_header.chain(in_values).chain(in_digest) {
        let mut bytes = sound.clone();
        bytes[place] ^= 1 << (place % 8);
        refused(&bytes, &format!("a flip in byte {place}"));
        flips += 1;
    }
    for len in [0, 1, 7, 8, 31, 32, header - 1, header, sound.len() / 2, sound.len() - 32, sound.len() - 1] {
        refused(&sound[..len], &format!("the first {len} bytes"));
    }
    let mut long = sound.clone();
    long.push(0);
    refused(&long, "one byte more");
    println!("{flips} flipped bytes of {} refused, {header} of them in the header", sound.len());
    std::fs::write(&file, &sound).unwrap();
    assert_eq!(restore(folder.path()).unwrap().step, 2);
}
