//! Signed galleries on the command line, and with the stock `minisign` where there is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{GrayImage, Luma};

struct Workshop(tempfile::TempDir);

impl Workshop {
    /// A run of two classes, and two keys.
    fn new() -> Self {
        let workshop = Self(tempfile::tempdir().unwrap());
        for class in ["a", "b"] {
            fs::create_dir_all(workshop.at(&format!("data/{class}"))).unwrap();
            let picture = GrayImage::from_fn(32, 32, |x, y| Luma([(x * y % 251) as u8]));
            picture.save(workshop.at(&format!("data/{class}/0.png"))).unwrap();
        }
        workshop.done("train --data data --preset tiny --steps 2 --batch-size 2 --sample-every 0 --device cpu --out run");
        workshop.done("keygen one --no-password");
        workshop.done("keygen two --no-password");
        workshop
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tailor(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).env_remove("TAILOR_KEY_PASSWORD");
        command.stdin(std::process::Stdio::null()).output().unwrap()
    }

    fn done(&self, line: &str) -> String {
        let output = self.tailor(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, line: &str) -> String {
        let output = self.tailor(line);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {text}");
        assert!(text.starts_with("error: ") && !text.contains("panicked"), "{line}: {text}");
        text
    }
}

const PUBLISH: &str = "publish run --out gallery --previews 0 --device cpu";

#[test]
fn a_gallery_is_signed_checked_and_stays_signed() {
    let workshop = Workshop::new();
    workshop.done(&format!("{PUBLISH} --key one.key"));
    assert!(workshop.done("verify gallery --public-key one.pub").contains("signed by key"));
    assert!(workshop.done("verify gallery").contains("nobody has vouched"));
    let key = fs::read_to_string(workshop.at("one.pub")).unwrap().lines().nth(1).unwrap().to_owned();
    workshop.done(&format!("verify gallery --public-key {key}"));
    assert!(workshop.done("inspect gallery").contains("by key "));
    assert!(workshop.refused("verify gallery --public-key two.pub").contains("trusted is"));

    // Without the key the signature would no longer fit.
    for line in [PUBLISH, "gallery remove gallery b"] {
        assert!(workshop.refused(line).contains("is signed"), "{line}");
    }
    workshop.done("verify gallery --public-key one.pub");
    workshop.done("gallery remove gallery b --key one.key");
    workshop.done("verify gallery --public-key one.pub");

    // An index that was touched is used by no command.
    let path = workshop.at("gallery/index.json");
    let index = fs::read_to_string(&path).unwrap();
    fs::write(&path, index.replace("\"version\": 2", "\"version\": 3")).unwrap();
    for line in ["verify gallery", "inspect gallery", "sample --gallery gallery --class a --out a.png"] {
        assert!(workshop.refused(line).contains("index.json.minisig does not sign"), "{line}");
    }
    fs::write(&path, index).unwrap();
    fs::remove_file(workshop.at("gallery/index.json.minisig")).unwrap();
    assert!(workshop.refused("verify gallery --public-key one.pub").contains("must be signed by key"));
}

#[test]
fn a_key_hands_over_to_the_next_and_an_old_index_expires() {
    let workshop = Workshop::new();
    workshop.done(&format!("{PUBLISH} --key one.key --next-key two.pub --expires-in 30"));
    let index = |name: &str| -> serde_json::Value {
        serde_json::from_slice::<serde_json::Value>(&fs::read(workshop.at("gallery/index.json")).unwrap())
            .unwrap()[name]
            .clone()
    };
    let two = fs::read_to_string(workshop.at("two.pub")).unwrap().lines().nth(1).unwrap().to_owned();
    assert_eq!(index("next_key"), two);
    let expires = index("expires");
    // Nothing that was promised is lost by a later change.
    workshop.done("gallery remove gallery b --key one.key");
    assert_eq!((index("next_key"), index("expires")), (two.into(), expires));
    workshop.done(&format!("{PUBLISH} --key two.key"));
    workshop.done("verify gallery --public-key two.pub");
    assert!(index("next_key").is_null());
}

#[test]
fn a_gallery_in_the_first_format_can_be_signed() {
    for sign in ["gallery remove gallery b --key one.key", "gallery sign gallery --key one.key"] {
        let workshop = Workshop::new();
        workshop.done(PUBLISH);
        let path = workshop.at("gallery/index.json");
        let index = fs::read_to_string(&path).unwrap();
        fs::write(&path, index.replace("\"format\": 2", "\"format\": 1")).unwrap();
        workshop.done(sign);
        workshop.done("verify gallery --public-key one.pub");
    }
}

#[test]
fn signing_changes_the_version_and_what_is_said_of_the_signature_and_nothing_else() {
    let workshop = Workshop::new();
    workshop.done(&format!("{PUBLISH} --title Mine --steps 3"));
    let read = || fs::read_to_string(workshop.at("gallery/index.json")).unwrap();
    let index = || serde_json::from_str::<serde_json::Map<_, _>>(&read()).unwrap();
    let names = || fs::read_dir(workshop.at("gallery")).unwrap().count();
    let (before, count) = (index(), names());
    assert!(workshop.refused("gallery sign gallery").contains("--key"));
    assert!(workshop.refused("gallery sign gallery --key absent.key").contains("absent.key"));
    assert_eq!((index(), names()), (before.clone(), count));

    let key = |name: &str| {
        let file = fs::read_to_string(workshop.at(&format!("{name}.pub"))).unwrap();
        serde_json::Value::from(file.lines().nth(1).unwrap())
    };
    workshop.done("gallery sign gallery --key one.key --next-key two.pub --expires-in 30");
    workshop.done("verify gallery --public-key one.pub");
    let mut after = index();
    assert_eq!(names(), count + 1, "the signature");
    assert_eq!((after.remove("key"), after.remove("next_key")), (Some(key("one")), Some(key("two"))));
    let expires = after.remove("expires").unwrap();
    assert_eq!(after.insert("version".to_owned(), 1.into()).unwrap(), 2);
    assert_eq!(after, before);

    // The next key signs, and what was promised stays.
    workshop.done("gallery sign gallery --key two.key");
    workshop.done("verify gallery --public-key two.pub");
    let last = index();
    assert_eq!((&last["version"], &last["key"], &last["expires"]), (&3.into(), &key("two"), &expires));
    assert!(!last.contains_key("next_key"));
}

#[test]
fn an_index_that_has_expired_is_not_written_anew_without_another_date() {
    let workshop = Workshop::new();
    workshop.done(PUBLISH);
    let path = workshop.at("gallery/index.json");
    let index = fs::read_to_string(&path).unwrap();
    fs::write(&path, index.replace("\"version\": 1,", "\"version\": 1, \"expires\": 1,")).unwrap();
    for line in ["gallery sign gallery --key one.key", "gallery remove gallery b", PUBLISH] {
        let said = workshop.refused(line);
        assert!(said.contains("has expired") && said.contains("--expires-in"), "{line}: {said}");
    }
    workshop.done("gallery sign gallery --key one.key --expires-in 30");
    workshop.done("verify gallery --public-key one.pub");
}

#[test]
fn a_key_that_readers_do_not_expect_signs_nothing() {
    let workshop = Workshop::new();
    workshop.done(&format!("{PUBLISH} --key one.key"));
    let index = fs::read(workshop.at("gallery/index.json")).unwrap();
    for line in ["gallery remove gallery b", "gallery sign gallery", PUBLISH] {
        let text = workshop.refused(&format!("{line} --key two.key"));
        assert!(text.contains("signed with another key") && text.contains("--next-key"), "{text}");
    }
    assert_eq!(fs::read(workshop.at("gallery/index.json")).unwrap(), index);
    workshop.done("gallery sign gallery --key one.key --next-key two.pub");
    workshop.done("gallery sign gallery --key two.key");
}

#[test]
fn of_two_programs_that_change_a_gallery_at_once_none_loses_what_the_other_did() {
    let workshop = Workshop::new();
    workshop.done(PUBLISH);
    let change = |class: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.args(["gallery", "remove", "gallery", class]).current_dir(workshop.0.path());
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let both = ["a", "b"].map(change).map(|child| child.wait_with_output().unwrap());
    let changed = both.iter().filter(|output| output.status.success()).count();
    for refused in both.iter().filter(|output| !output.status.success()) {
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(text.contains("another program") && text.contains("changing the gallery"), "{text}");
    }
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(workshop.at("gallery/index.json")).unwrap()).unwrap();
    assert!(changed > 0);
    assert_eq!(index["classes"].as_array().unwrap().len(), 2 - changed);
    assert_eq!(index["version"], 1 + changed);
}

#[test]
fn keys_are_never_overwritten_and_a_wrong_password_is_refused() {
    let workshop = Workshop::new();
    assert!(workshop.refused("keygen one --no-password").contains("is there already"));
    assert!(workshop.refused("keygen three").contains("nobody can be asked"));
    assert!(!workshop.at("three.key").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(workshop.at("one.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let with = |password: &str, line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.args(line.split_whitespace()).current_dir(workshop.0.path());
        command.env("TAILOR_KEY_PASSWORD", password).output().unwrap()
    };
    let empty = with("", "keygen locked");
    assert!(String::from_utf8_lossy(&empty.stderr).contains("the password is empty"));
    assert!(!workshop.at("locked.key").exists());
    assert!(with("right", "keygen locked").status.success());
    let wrong = with("wrong", &format!("{PUBLISH} --key locked.key"));
    assert_eq!(wrong.status.code(), Some(1));
    assert!(!workshop.at("gallery/index.json").exists(), "nothing is published with a wrong password");
    assert!(with("right", &format!("{PUBLISH} --key locked.key")).status.success());
}

#[test]
fn the_stock_program_checks_what_we_sign_and_signs_what_we_check() {
    if Command::new("minisign").arg("-v").output().is_err() {
        eprintln!("SKIPPED: there is no minisign on this machine (package minisign)");
        return;
    }
    let workshop = Workshop::new();
    workshop.done(&format!("{PUBLISH} --key one.key"));
    let stock = |words: &[&str], folder: &Path| {
        let output = Command::new("minisign").args(words).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let gallery = workshop.at("gallery");
    stock(&["-V", "-p", "../one.pub", "-m", "index.json"], &gallery);
    fs::remove_file(gallery.join("index.json.minisig")).unwrap();
    stock(&["-S", "-s", "../one.key", "-m", "index.json"], &gallery);
    workshop.done("verify gallery --public-key one.pub");
}
