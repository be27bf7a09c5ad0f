//! Other programs read what this crate writes, and refuse nothing that it accepts.
//!
//! `TAILOR_PYTHON` names a Python with numpy and safetensors, if `python3` is none. Without it, or without
//! `unzip` and `minisign`, these tests say so and pass.

use crate::attacks::{self, Reader};
use crate::mutants::Random;
use crate::support::*;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use tailor_packs::*;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/check.py");

/// Says so on the process's own output: a passing test's is not shown.
fn skipped(missing: &str) {
    let mut output = std::io::stderr();
    writeln!(output, "SKIPPED: interop tests need {missing}").unwrap();
}

/// Runs the script; `None`, loudly, where a program is not there.
fn python(arguments: &[&str]) -> Option<std::process::Output> {
    let python = std::env::var("TAILOR_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = |command: &mut Command| command.output().is_ok_and(|o| o.status.success());
    let missing = if !there(Command::new(&python).args(["-c", "import numpy, safetensors.numpy"])) {
        Some("Python with numpy and safetensors (TAILOR_PYTHON)")
    } else if !there(Command::new("unzip").arg("-v")) {
        Some("unzip")
    } else if !there(Command::new("minisign").arg("-v")) {
        Some("minisign")
    } else {
        None
    };
    if let Some(missing) = missing {
        skipped(missing);
        return None;
    }
    Some(Command::new(python).arg(SCRIPT).args(arguments).output().unwrap())
}

/// The tensors as the script prints them.
fn rows(bytes: &[u8]) -> String {
    let tensors = match read_any(bytes).unwrap() {
        Pack::Learngene(learngene) => learngene.tensors,
        Pack::Tailor(tailor) => tailor.tensors,
    };
    let row = |(name, shape, values): (&str, &[usize], &[f32])| {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let shape: Vec<_> = shape.iter().map(ToString::to_string).collect();
        format!("{name} {} {}\n", shape.join(","), Digest::of(&bytes))
    };
    tensors.iter().map(row).collect()
}

#[test]
fn python_reads_the_same_values_of_every_shipped_and_every_accepted_pack() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../web/galleries/letters"));
    let index = Index::parse(&std::fs::read(gallery.join("index.json")).unwrap()).unwrap();
    let shipped = index.files().take(4).map(|file| std::fs::read(gallery.join(&file.path)).unwrap());
    let mut packs: Vec<_> = shipped.chain([tailor(), learngene()]).collect();
    // Mutants that are read: of tensors, under right checksums and digests.
    let (good, mut random) = (Forge::of(&tailor()), Random(6));
    while packs.len() < 20 {
        let pack = Forge { tensors: random.mutate(&good.tensors), ..good.clone() }.bytes();
        packs.extend(Some(pack).filter(|pack| read_any(pack).is_ok()));
    }
    for (number, pack) in packs.iter().enumerate() {
        let path = folder.path().join(format!("{number}.zip"));
        std::fs::write(&path, pack).unwrap();
        let Some(output) = python(&["pack", path.to_str().unwrap()]) else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), rows(pack), "pack {number}");
    }
}

#[test]
fn what_python_refuses_is_refused() {
    let Some(output) = python(&["attacks"]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verdicts = String::from_utf8(output.stdout).unwrap();
    let (mut refused, mut controls) = (0, 0);
    for line in verdicts.lines() {
        let (name, verdict) = line.split_once(' ').unwrap();
        let all = attacks::all();
        let attack = all.iter().find(|a| a.name == name).unwrap();
        let pack = attack.files.last().unwrap();
        let ours = if attack.reader == Reader::Class {
            read_any(pack).is_err()
        } else {
            attack.reader.read(&attack.files).is_err()
        };
        if verdict.starts_with("refused") {
            assert!(ours, "{name}: Python refuses it, and this crate does not");
            refused += 1;
        } else if attack.error.is_empty() {
            controls += 1;
        }
    }
    // Python is more lenient, so some attacks are refused here alone; but it must be able to refuse.
    println!("Python refuses {refused} of {} packs", verdicts.lines().count());
    assert!(refused >= 15 && controls >= 3, "{verdicts}");
}

/// The reader of `second_reader.py` knows nothing but `docs/pack-format.md`.
#[test]
fn a_second_reader_that_follows_the_document_takes_the_same_packs() {
    let folder = tempfile::tempdir().unwrap();
    let (good, mut random) = (Forge::of(&tailor()), Random(7));
    let manifest = good.manifest.to_bytes().unwrap();
    let grown = Forge::of(&grown_tailor());
    let grown_manifest = grown.manifest.to_bytes().unwrap();
    let mut packs = vec![tailor(), learngene(), grown_tailor()];
    packs.extend(attacks::all().iter().flat_map(|a| a.files.clone()).filter(|f| f.starts_with(b"PK")));
    for _ in 0..300 {
        packs.push(random.mutate(&tailor()));
        packs.push(grown.with_manifest(&random.mutate(&grown_manifest)));
        packs.push(Forge { tensors: random.mutate(&grown.tensors), ..grown.clone() }.bytes());
        packs.push(good.with_manifest(&random.mutate(&manifest)));
        packs.push(Forge { tensors: random.mutate(&good.tensors), ..good.clone() }.bytes());
    }
    let mut command = Command::new(std::env::var("TAILOR_PYTHON").unwrap_or_else(|_| "python3".into()));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/second_reader.py"));
    for (number, pack) in packs.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        std::fs::write(&path, pack).unwrap();
        command.arg(path);
    }
    let Ok(output) = command.output() else {
        skipped("python3 (TAILOR_PYTHON)");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts.lines().count(), packs.len());
    let mut accepted = 0;
    for (line, pack) in verdicts.lines().zip(&packs) {
        let ours = read_any(pack);
        assert_eq!(line.contains(" accepted"), ours.is_ok(), "{line}, and here {:?}", ours.err());
        accepted += usize::from(line.contains(" accepted"));
    }
    println!("both take {accepted} of {} packs", packs.len());
    assert!(accepted > 10 && accepted < packs.len() / 2);
}

#[test]
fn unzip_and_minisign_read_a_signed_gallery() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let index = Index { key: Some(publisher().public()), ..index() };
    let json = index.to_json().unwrap();
    save("index.json", &json);
    save("index.json.minisig", &publisher().sign(&json));
    save(&index.learngene.path, &learngene());
    save(&index.classes[0].file.path, &tailor());
    let check = || python(&["gallery", folder.path().to_str().unwrap()]);
    let Some(output) = check() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "signed, 2 files\n");
    // That it can fail.
    save("index.json", &[&json[..], b"\n"].concat());
    assert!(!check().unwrap().status.success());
}

#[test]
fn what_stock_minisign_writes_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let json = index().to_json().unwrap();
    std::fs::write(path("index.json"), &json).unwrap();
    let minisign =
        |arguments: &[&str]| Command::new("minisign").args(arguments).current_dir(folder.path()).output();
    // -W: the key without a password, so that nobody is asked for one.
    let Ok(made) = minisign(&["-G", "-W", "-p", "k.pub", "-s", "k.key"]) else {
        skipped("minisign");
        return;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let key: PublicKey = std::fs::read_to_string(path("k.pub")).unwrap().parse().unwrap();
    for extra in [&[][..], &["-t", "version 3, by hand"], &["-c", signature::COMMENTS[1]]] {
        let signed = minisign(&[&["-S", "-s", "k.key", "-m", "index.json"][..], extra].concat()).unwrap();
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        key.verify(&json, &std::fs::read(path("index.json.minisig")).unwrap()).unwrap();
    }
}
