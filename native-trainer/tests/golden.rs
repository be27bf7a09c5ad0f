//! One seed, class and settings are one image: the golden images come out of this version too.

use std::path::Path;
use std::process::Command;

#[path = "../../tests/golden/golden.rs"]
mod images;

/// The images of a run as the program makes them now, `[S, K, C, H, W]`.
fn sample(gallery: &str, run: &images::Run) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw.npy");
    let mut tailor = Command::new(env!("CARGO_BIN_EXE_tailor"));
    tailor.args(["sample", "--device", "cpu", "--gallery"]);
    tailor.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries").join(gallery));
    tailor.args(["--sampler", &run.sampler, "--steps", &run.steps.to_string()]);
    tailor.args(["--guidance", &run.guidance.to_string()]);
    tailor.args(["--seed", &run.seeds[0].to_string(), "--count", &run.seeds.len().to_string()]);
    for class in &run.classes {
        tailor.args(["--class", class]);
    }
    if run.classes.is_empty() {
        tailor.arg("--learngene-only");
    }
    let output =
        tailor.arg("--out").arg(folder.path().join("grid.png")).arg("--raw").arg(&raw).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(raw).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[header..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn compare(gallery: &str) {
    let runs = images::runs(gallery);
    let mut worst = 0.0f32;
    for run in &runs {
        let distance = images::distance(&sample(gallery, run), &run.values);
        assert!(distance <= images::LEVELS, "{gallery}, {}: {distance} of 255 levels apart", run.name());
        worst = worst.max(distance);
    }
    println!("{gallery}: {} runs, at most {worst:.4} of 255 levels apart", runs.len());
}

#[test]
fn every_gallery_comes_out_as_it_always_did() {
    images::GALLERIES.into_iter().for_each(compare);
}

#[test]
fn another_class_seed_sampler_or_guidance_is_another_image() {
    // Where these were alike, the tests above would pass for a program that ignores one of them.
    for gallery in ["letters", "fashion"] {
        let runs = images::runs(gallery);
        let of = |sampler: &str, classes: usize, guidance: f64| {
            let wanted = |r: &&images::Run| {
                (r.sampler.as_str(), r.classes.len(), r.guidance) == (sampler, classes, guidance)
            };
            runs.iter().find(wanted).unwrap()
        };
        let run = of("heun", 3, 2.0);
        let (first, second) = (run.row(0), run.row(1));
        let (class, other) = (&first[..first.len() / 3], &first[first.len() / 3..][..first.len() / 3]);
        let apart = 10.0 * images::LEVELS;
        assert!(images::distance(class, other) > apart, "{gallery}: two classes");
        assert!(images::distance(first, second) > apart, "{gallery}: two seeds");
        assert!(
            images::distance(&run.values, &of("heun", 3, 1.0).values) > apart,
            "{gallery}: guidance 1 and 2"
        );
        for other in ["ddpm", "ddim", "dpm++", "euler"] {
            let distance = images::distance(&run.values, &of(other, 3, 2.0).values);
            assert!(distance > images::LEVELS, "{gallery}: heun and {other}");
        }
    }
}
