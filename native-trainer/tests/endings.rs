//! How commands end, and what they do while nobody reads what they say.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use image::{GrayImage, Luma};

const TAILOR: &str = env!("CARGO_BIN_EXE_tailor");

const LONG: &str = "--preset tiny --steps 1000000 --batch-size 2 --sample-every 0 --checkpoint-every 1000000 \
                    --device cpu";

/// A folder with images of two classes in `data`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.images("data");
        place
    }

    fn images(&self, data: impl AsRef<Path>) {
        for (class, shade) in [("cat", 9), ("dog", 99)] {
            let folder = self.at(&data).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..3 {
                GrayImage::from_pixel(32, 32, Luma([shade + 40 * i]))
                    .save(folder.join(format!("{i}.png")))
                    .unwrap();
            }
        }
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(TAILOR);
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    fn shell(&self, script: &str) -> Output {
        let script = script.replace("tailor ", &format!("{TAILOR} "));
        Command::new("bash").args(["-c", &script]).current_dir(self.0.path()).output().unwrap()
    }

    /// Waits until the run in `out` is under way.
    fn begun(&self, out: &str) {
        let began = Instant::now();
        let lines = || fs::read_to_string(self.at(out).join("metrics.jsonl")).unwrap_or_default();
        while lines().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(60), "the run does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn checkpoints(&self, out: &str) -> usize {
        fs::read_dir(self.at(out).join("checkpoints")).map_or(0, Iterator::count)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_run_that_a_signal_stops_is_saved_and_ends_with_the_signals_status() {
    let place = Place::new();
    for (name, status) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        // Whoever runs the tests may ignore some signals, which a program inherits.
        let mut command = Command::new("env");
        let line =
            format!("--default-signal=INT,TERM,HUP {TAILOR} train --data data --out run{status} {LONG}");
        command.args(line.split_whitespace()).current_dir(place.0.path()).stdin(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        place.begun(&format!("run{status}"));
        signal(&child, name);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status), "{name}: {said}");
        assert!(
            said.contains("saved at step") && said.contains("--resume") && !said.contains("0s left"),
            "{said}"
        );
        assert_eq!(place.checkpoints(&format!("run{status}")), 1);
    }
}

#[test]
fn a_script_that_stops_at_errors_does_not_publish_a_run_that_was_cut() {
    let place = Place::new();
    let script = format!(
        "set -e; tailor train --data data --out run {LONG} & \
         until [ -s run/metrics.jsonl ]; do sleep 0.05; done; kill -TERM $!; wait $!; echo PUBLISHED"
    );
    let output = place.shell(&script);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(143), String::new()));
}

#[test]
fn the_end_of_a_terminal_that_was_ignored_from_the_start_stays_ignored() {
    let place = Place::new();
    // As nohup starts a program.
    let script = format!(
        "trap '' HUP; tailor train --data data --out run {LONG} & \
         until [ -s run/metrics.jsonl ]; do sleep 0.05; done; kill -HUP $!; sleep 0.5; kill -TERM $!; wait $!"
    );
    assert_eq!(place.shell(&script).status.code(), Some(143));
}

#[test]
fn the_help_lists_every_exit_status() {
    let help = text(&Place::new().run("--help").stdout);
    let list = help.split("Exit status: ").nth(1).unwrap();
    for said in ["0 done", "1 refused", "2 wrong usage", "129 ", "130 ", "143 "] {
        assert!(list.contains(said), "{said} in {list}");
    }
}

#[test]
fn a_run_whose_log_nobody_reads_goes_on_and_is_saved() {
    let place = Place::new();
    let train =
        "tailor train --data data --preset tiny --steps 30 --batch-size 2 --sample-every 0 --device cpu";
    for (i, log) in ["2>/dev/full", "2>&-", "2> >(exit)", ">/dev/full 2>&1"].iter().enumerate() {
        let output = place.shell(&format!("{train} --out run{i} {log}"));
        assert_eq!(output.status.code(), Some(0), "{log}: {}", text(&output.stderr));
        assert_eq!(place.checkpoints(&format!("run{i}")), 1, "{log}");
    }
}

#[test]
fn no_command_panics_when_nobody_reads_what_it_says() {
    let place = Place::new();
    let gallery = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries/letters");
    fs::write(place.at("index.html"), "page").unwrap();
    for line in [
        "tailor --help".to_owned(),
        "tailor frain".to_owned(),
        "tailor completions bash".to_owned(),
        "tailor inspect --preset letters --toml".to_owned(),
        format!("tailor inspect {}", gallery.display()),
        format!("tailor verify {} --json", gallery.display()),
        "tailor verify absent".to_owned(),
        "tailor keygen --no-password mine".to_owned(),
        format!("timeout 1 tailor serve {} --site . --port 0", gallery.display()),
    ] {
        for ends in
            [">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", ">&- 2>&-", "> >(exit)", "2> >(exit)"]
        {
            let output = place.shell(&format!("{line} {ends}"));
            // 101 is how a panic ends, 134 an abort.
            let status = output.status.code();
            assert!(
                matches!(status, Some(0..=2 | 124)),
                "{line} {ends}: {status:?} {}",
                text(&output.stderr)
            );
            let _ = fs::remove_file(place.at("mine.key"));
            let _ = fs::remove_file(place.at("mine.pub"));
        }
    }
}

#[test]
fn a_server_that_can_take_no_more_connections_ends_and_says_so() {
    let place = Place::new();
    let gallery = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries/letters");
    fs::write(place.at("index.html"), "page").unwrap();
    // One connection more or less: the last number is wanted by the accepting or by what comes after it.
    for limit in [64, 65] {
        let script =
            format!("ulimit -n {limit}; exec {TAILOR} serve {} --site . --port 0", gallery.display());
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(place.0.path()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        let host = url.split('/').nth(2).unwrap();
        // Nothing is ever asked over them.
        let held: Vec<_> = (0..80).map_while(|_| TcpStream::connect(host).ok()).collect();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it neither serves nor ends");
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("takes no more connections") && said.contains("ulimit -n"), "{said}");
        assert!(held.len() > 20, "{}", held.len());
    }
}

#[test]
fn paths_that_are_not_utf8_work_and_are_hinted_at_as_they_are() {
    let place = Place::new();
    let data = OsStr::from_bytes(b"donn\xe9es");
    let run = OsStr::from_bytes(b"r\xe9 1");
    place.images(data);
    let mut train =
        place.command("train --preset tiny --steps 2 --batch-size 2 --sample-every 0 --device cpu --json");
    let output = train.arg("--data").arg(data).arg("--out").arg(run).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("tailor publish $'r\\xe9 1' --out GALLERY"), "{said}");
    assert!(place.at(run).join("cache").exists() && text(&output.stdout).contains("\"step\": 2"));
    let mut publish = place.command("publish --previews 0 --device cpu --json");
    let output = publish.arg(run).arg("--out").arg(OsStr::from_bytes(b"g\xe9")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(place.at(OsStr::from_bytes(b"g\xe9/index.json"))).unwrap()).unwrap();
    assert_eq!(index["id"], "g", "as much of the name as an id can say");
    // What is no path is refused in words.
    let mut refused = place.command("sample --gallery g --out o.png --class");
    let output = refused.arg(OsStr::from_bytes(b"\xe9")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("invalid UTF-8"), "{}", text(&output.stderr));
}

#[test]
fn a_name_that_no_gallery_can_have_is_refused_before_the_first_step() {
    let place = Place::new();
    fs::rename(place.at("data/cat"), place.at("data/\u{200e}cat")).unwrap();
    let output = place.run(&format!("train --data data --out run {LONG}"));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no class can be called \"\\u{200e}cat\""), "{said}");
    assert!(!place.at("run/checkpoints").exists());
    let letters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries/letters");
    let mut train = place.command("train-tailor data/dog --out x.tailor --steps 2 --device cpu");
    let output = train.args(["--class", "\u{200b}cat", "--learngene"]).arg(letters).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no class can be called") && !place.at("x.run").exists());
}

#[test]
fn resuming_nothing_and_fewer_steps_than_were_made_are_said() {
    let place = Place::new();
    let train = "train --data data --out run --resume --batch-size 2 --sample-every 0 --device cpu";
    let output = place.run(&format!("{train} --preset tiny --steps 2"));
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("note: run holds no run yet, so a new one begins"));
    let output = place.run(&format!("{train} --steps 1"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("has made 2 steps already, more than the 1"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(place.run(&format!("{train} --steps 2")).status.code(), Some(0), "all of them are made");
}
