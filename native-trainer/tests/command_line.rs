//! The binary `tailor` as a shell sees it: exit status, standard output, standard error.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn tailor(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tailor")).args(line.split_whitespace()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error of a command that must be refused with status 1 and say what to do.
fn refusal(line: &str) -> String {
    let output = tailor(line);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}: {text}");
    assert!(text.starts_with("error: ") && !text.contains("panicked"), "{line}: {text}");
    text
}

fn parameters(line: &str) -> serde_json::Value {
    let output = tailor(line);
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["parameters"].clone()
}

fn within(found: f64, published: f64, tolerance: f64) {
    assert!((found / published - 1.0).abs() <= tolerance, "{found} against {published}");
}

#[test]
fn inspect_counts_the_parameters_that_the_paper_prints() {
    for (preset, total, tailors) in [("dit-b-2", 70.2e6, 12.8e6), ("dit-l-2", 245.9e6, 45.4e6)] {
        let table_1 = parameters(&format!(
            "inspect --preset {preset} --tailors 1 --factored qkv,o,in,out,adaln --json"
        ));
        within(table_1["total"].as_f64().unwrap(), total, 0.001);
        let table_2 = parameters(&format!("inspect --preset {preset} --factored q,k,v,o,in,out --json"));
        within(table_2["per_tailor"].as_f64().unwrap() * 461.0 / 18.0, tailors, 0.005);
    }
}

#[test]
fn a_preset_printed_as_toml_is_a_config_file() {
    let config: toml::Table = stdout(&tailor("inspect --preset letters --toml")).parse().unwrap();
    assert_eq!(config["image_size"].as_integer(), Some(32));
}

#[test]
fn wrong_usage_is_status_two_and_help_is_status_zero() {
    assert_eq!(tailor("").status.code(), Some(2));
    assert_eq!(tailor("sample --gallery g --out o.png").status.code(), Some(2));
    assert_eq!(tailor("train --data d --out o --device quantum").status.code(), Some(2));
    // What `finetune --list` counts does not depend on it.
    assert_eq!(tailor("finetune --list --rank 3").status.code(), Some(2));
    assert_eq!(tailor("finetune --list --learning-rate 0.5").status.code(), Some(2));
    for command in ["train", "publish", "sample", "inspect", "verify", "serve", "evaluate"] {
        let help = tailor(&format!("{command} --help"));
        assert_eq!(help.status.code(), Some(0));
        assert!(stdout(&help).contains("Example"), "{command}");
    }
}

#[test]
fn a_refusal_names_the_file_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = refusal(&format!("inspect {}", at("absent.tailor")));
    assert!(text.contains("absent.tailor") && text.contains("help: "), "{text}");
    fs::write(at("noise.tailor"), "no pack").unwrap();
    assert!(
        refusal(&format!("verify {}", at("noise.tailor"))).contains("no learngene file and no tailor pack")
    );
    assert!(refusal(&format!("verify {}", folder.path().display())).contains("is no gallery"));
    assert!(refusal(&format!("serve {}", folder.path().display())).contains("is no gallery"));
    assert!(refusal("inspect --preset huge").contains("dit-xl-2"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_refused_and_a_closed_one_is_the_end() {
    let shell = |line: &str| {
        let line = line.replace("tailor", env!("CARGO_BIN_EXE_tailor"));
        Command::new("sh").args(["-c", &line]).output().unwrap()
    };
    let full = shell("tailor inspect --preset letters > /dev/full");
    assert_eq!(full.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&full.stderr).contains("free some space"), "{full:?}");
    let closed = shell("{ tailor inspect --preset letters; echo $? >&2; } | true");
    assert_eq!(String::from_utf8_lossy(&closed.stderr).trim(), "0");
}

#[test]
fn training_on_nothing_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let out = folder.path().join("run");
    let train = || refusal(&format!("train --data {} --preset tiny --out {}", data.display(), out.display()));
    assert!(train().contains("there is no data at"));
    fs::create_dir(&data).unwrap();
    assert!(train().contains("is empty"));
    fs::create_dir(data.join("a")).unwrap();
    assert!(train().contains("has no images"));
    assert!(!Path::new(&out).exists());
}
