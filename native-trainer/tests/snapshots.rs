//! What the command line says, word for word. After a wanted change: `UPDATE_EXPECT=1 just check trainer snapshots`.

use std::process::{Command, Stdio};

use expect_test::expect_file;

/// Standard output and error of `tailor LINE`, below the line and its exit status.
fn tailor(line: &str) -> String {
    let words = line.split_whitespace();
    // Without a terminal its width is always the same.
    let output =
        Command::new(env!("CARGO_BIN_EXE_tailor")).args(words).stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap().replace("\r\n", "\n");
    // Whatever system it is, its words for a missing file are not ours.
    let text = text.replace("No such file or directory (os error 2)", "…");
    format!("$ tailor {line}\n{text}[status {}]\n\n", output.status.code().unwrap())
}

#[test]
fn the_help_of_every_command() {
    let commands = [
        "",
        "train",
        "finetune",
        "train-tailor",
        "publish",
        "sample",
        "inspect",
        "import",
        "import dit",
        "export",
        "gallery",
        "gallery add",
        "gallery remove",
        "gallery sign",
        "keygen",
        "verify",
        "fetch",
        "serve",
        "bench",
        "evaluate",
        "leakage",
        "experiment",
        "experiment report",
        "report",
        "completions",
        "man",
    ];
    let all: String = commands.iter().map(|command| tailor(&format!("{command} --help"))).collect();
    let listed = tailor("--help");
    let listed = listed.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        assert!(name == "help" || commands.contains(&name), "{name} has no snapshot");
    }
    expect_file!["snapshots/help.txt"].assert_eq(&all);
}

#[test]
fn what_inspect_says_of_presets() {
    let lines = [
        "inspect --preset letters",
        "inspect --preset letters --json",
        "inspect --preset dit-b-2 --tailors 1",
        "inspect --preset letters --toml",
        "inspect --splits",
        "inspect --split letters-task-1",
        "inspect --split cifar10-novel-1 --toml",
    ];
    expect_file!["snapshots/inspect.txt"].assert_eq(&lines.map(tailor).concat());
}

#[test]
fn refusals_name_what_is_wrong_and_what_to_do() {
    let lines = [
        "",
        "train",
        "train --data nowhere --out elsewhere",
        "train --data . --out out --device quantum",
        "train --data . --out out --steps many",
        "train --data . --out out --ema nan",
        "inspect --preset huge",
        "inspect --split imagenet",
        "train --data src --out elsewhere --split imagenet-task-1",
        "inspect absent.tailor",
        "verify absent.tailor",
        "verify absent",
        "sample --gallery absent --class A --out a.png",
        "sample --gallery absent --out a.png",
        "gallery remove absent A",
        "import dit absent.pt --out gallery",
        "import dit ../LICENSE-MIT --out gallery",
        "import dit ../tests/reference/fixtures/dit.pt --out gallery",
        "export absent --class A --out a.onnx",
        "export ../web/galleries/letters --out a.onnx",
        "export ../web/galleries/letters --class A --out a.bin",
        "gallery sign absent",
        "serve ../web/galleries/letters --site absent",
        "publish absent --out gallery",
        "keygen key",
        "verify ../web/galleries/letters --public-key RWabc",
        "verify ../web/galleries/letters --public-key RWTx5Zr1tiHQLFNaYIHMjjPjTfWQpyBqI5l1d5F3TvIXg5ySfh7sy1Nv",
        "report absent",
        "fetch example.org/letters --all-classes",
        "fetch https://example.org/letters",
        "bench --preset letters --device cpu --precision bf16",
    ];
    expect_file!["snapshots/refusals.txt"].assert_eq(&lines.map(tailor).concat());
}
