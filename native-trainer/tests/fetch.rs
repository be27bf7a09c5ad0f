//! Galleries fetched from a server that now and then, or always, does the wrong thing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tailor_packs::download::{ATTEMPTS, DAMAGED, PARALLEL, Problem};
use tailor_packs::limits::CHUNK;
use tailor_packs::{Index, PackError, PublicKey};
use tailor_trainer::Error;
use tailor_trainer::gallery::fetch::{Outcome, Pace, fetch};
use tailor_trainer::gallery::folder::Gallery;
use tailor_trainer::gallery::verify::verify_gallery;
use tailor_trainer::settings::gallery::FetchSettings;

use crate::gallery::{self, Draft};
use crate::host::{Asked, Host, Reply};

struct Workshop {
    folder: tempfile::TempDir,
    draft: Draft,
    host: Host,
}

impl Workshop {
    /// Three classes of the letters' model, whose learngene has three chunks.
    fn new() -> Self {
        Self::with("letters", 3)
    }

    fn with(preset: &str, classes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut draft = Draft::new(&folder.path().join("gallery"), preset, 0.5, classes);
        draft.publish(None);
        let host = Host::of(&draft.folder);
        Self { folder, draft, host }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, classes: &[&str]) -> FetchSettings {
        FetchSettings {
            url: self.host.url.clone(),
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            all_classes: classes.is_empty(),
            out: Some(self.at("here")),
            public_key: None,
            trust: None,
        }
    }

    /// Every class for none.
    fn fetch(&self, classes: &[&str]) -> Result<Outcome, Error> {
        quick(&self.settings(classes))
    }

    fn command(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null()).output().unwrap()
    }

    fn index(&self) -> Index {
        Index::parse(&fs::read(self.draft.folder.join("index.json")).unwrap()).unwrap()
    }

    fn here(&self) -> Gallery {
        Gallery::open(&self.at("here")).unwrap()
    }

    /// Names of everything in the folder, but for what the program remembers.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("here")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }
}

/// With waits that are next to nothing.
fn quick(settings: &FetchSettings) -> Result<Outcome, Error> {
    fetch(settings, Pace { waits: 0.001, stall: Duration::from_secs(2) })
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

fn is_learngene(asked: &Asked) -> bool {
    asked.file.ends_with(".learngene")
}

#[test]
fn a_whole_gallery_comes_byte_for_byte_and_is_sound() {
    let workshop = Workshop::new();
    let outcome = workshop.fetch(&[]).unwrap();
    assert_eq!((outcome.fetched, outcome.kept, outcome.classes.len()), (4, 0, 3));
    for name in workshop.names() {
        let there = fs::read(workshop.draft.folder.join(&name)).unwrap();
        assert!(there == fs::read(workshop.at("here").join(&name)).unwrap(), "{name}");
    }
    assert_eq!(workshop.names().len(), 5);
    let verified = workshop.command(&["verify", "here"]);
    assert_eq!(text(&verified.stdout), "sound: 5 files, unsigned\n");

    // What is here and right is not asked for again; what is not right any more is.
    workshop.host.asked("");
    assert_eq!(workshop.fetch(&[]).unwrap().kept, 4);
    assert_eq!(workshop.host.asked("").len(), 1, "the index");
    let pack = workshop.at("here").join(&workshop.index().classes[1].file.path);
    fs::write(&pack, "damaged").unwrap();
    assert_eq!(workshop.fetch(&[]).unwrap().fetched, 1);
    assert!(verify_gallery(&workshop.here()).problems.is_empty());
}

#[test]
fn of_a_part_of_a_gallery_every_command_knows_what_is_missing() {
    let workshop = Workshop::new();
    let outcome = workshop.fetch(&["c1"]).unwrap();
    assert_eq!((outcome.classes, outcome.fetched), (vec!["c1".to_owned()], 2));
    let verified = text(&workshop.command(&["verify", "here"]).stdout);
    assert_eq!(verified, "sound: 3 files, unsigned; not fetched: Class 0 (c0), Class 2 (c2)\n");
    let sample = ["sample", "--gallery", "here", "--steps", "1", "--device", "cpu", "--out", "a.png"];
    assert!(workshop.command(&[&sample[..], &["--all-classes"]].concat()).status.success());
    assert!(workshop.at("a.png").exists());
    let refused = workshop.command(&[&sample[..], &["--class", "Class 2"]].concat());
    let refused = text(&refused.stderr);
    let command = format!("help: tailor fetch {} --class 'Class 2' --out here", workshop.host.url);
    assert!(refused.contains("was not fetched") && refused.contains(&command), "{refused}");
    let change = text(&workshop.command(&["gallery", "remove", "here", "c1"]).stderr);
    assert!(change.contains("which the change would remove"), "{change}");

    // More classes join those that are here, by name as well.
    assert_eq!(workshop.fetch(&["Class 2"]).unwrap().classes, ["c2", "c1"]);
    let verified = text(&workshop.command(&["verify", "here"]).stdout);
    assert_eq!(verified, "sound: 4 files, unsigned; not fetched: Class 0 (c0)\n");
    let unknown = workshop.fetch(&["c9"]).unwrap_err();
    assert!(
        matches!(&unknown, Error::UnknownClass { known, .. } if known.contains("Class 0 (c0)")),
        "{unknown}"
    );
}

#[test]
fn what_arrived_before_the_program_was_killed_is_not_asked_for_again() {
    let workshop = Workshop::new();
    workshop.host.misbehave(|asked, _, reply| {
        if is_learngene(asked) {
            (reply.cut, reply.hold) = (Some(CHUNK + CHUNK / 2), true);
        }
    });
    let learngene = workshop.index().learngene;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
    command
        .args(["fetch", &workshop.host.url, "--all-classes", "--out", "here"])
        .current_dir(workshop.at(""));
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let part = workshop.at("here").join(format!("{}.part", learngene.path));
    let packs = || workshop.index().classes.iter().all(|c| workshop.at("here").join(&c.file.path).exists());
    let begun = Instant::now();
    while !(part.metadata().is_ok_and(|part| part.len() == CHUNK as u64) && packs()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came so far");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!workshop.at("here/index.json").exists() && !workshop.at("here").join(&learngene.path).exists());

    workshop.host.asked("");
    workshop.host.misbehave(|_, _, _| {});
    let outcome = workshop.fetch(&[]).unwrap();
    let asked = workshop.host.asked("");
    let files: Vec<_> = asked.iter().filter(|asked| asked.file != "index.json").collect();
    let range = format!("bytes={CHUNK}-{}", learngene.size - 1);
    assert!(matches!(&files[..], [only] if only.range.as_ref() == Some(&range)), "{files:?}");
    assert_eq!((outcome.fetched, outcome.kept), (1, 3));
    assert!(verify_gallery(&workshop.here()).problems.is_empty() && !part.exists());
}

/// A part of which the second of three chunks is damaged.
fn damaged_part(workshop: &Workshop) {
    workshop.fetch(&["c0"]).unwrap();
    workshop.host.asked("");
    let learngene = workshop.index().learngene;
    fs::remove_file(workshop.at("here").join(&learngene.path)).unwrap();
    let mut bytes = fs::read(workshop.draft.folder.join(&learngene.path)).unwrap();
    bytes[CHUNK + 5] ^= 1;
    fs::write(workshop.at("here").join(format!("{}.part", learngene.path)), bytes).unwrap();
}

#[test]
fn what_goes_wrong_once_goes_right_in_the_end() {
    type Case = (&'static str, fn(&Asked, usize, &mut Reply), usize);
    // With how many requests for the learngene.
    let cases: [Case; 8] = [
        (
            "500",
            |_, n, reply| {
                if n == 0 {
                    *reply = Reply::status(500)
                }
            },
            2,
        ),
        (
            "429 for a moment",
            |_, n, reply| {
                if n == 0 {
                    *reply = Reply::status(429);
                    reply.set("Retry-After", 1);
                }
            },
            2,
        ),
        (
            "truncated",
            |_, n, reply| {
                if n == 0 {
                    reply.cut = Some(reply.body.len() / 2)
                }
            },
            2,
        ),
        (
            "nothing at all",
            |_, n, reply| {
                if n == 0 {
                    reply.cut = Some(0)
                }
            },
            2,
        ),
        (
            "stalled",
            |_, n, reply| {
                if n == 0 {
                    (reply.cut, reply.hold) = (Some(CHUNK), true)
                }
            },
            2,
        ),
        (
            "one flipped bit",
            |_, n, reply| {
                if n == 0 {
                    reply.body[2 * CHUNK + 5] ^= 1
                }
            },
            2,
        ),
        (
            "two flipped bits",
            |_, n, reply| {
                if n < 2 {
                    let at = reply.body.len() - 1;
                    reply.body[at] ^= 1
                }
            },
            3,
        ),
        (
            "redirected on the same server",
            |_, n, reply| {
                if n == 0 {
                    *reply = Reply::status(302);
                    reply.set("Location", "again.learngene");
                }
            },
            1,
        ),
    ];
    let workshop = Workshop::new();
    let learngene = workshop.draft.folder.join(workshop.index().learngene.path);
    fs::copy(&learngene, workshop.draft.folder.join("again.learngene")).unwrap();
    for (what, mischief, requests) in cases {
        workshop.host.misbehave(move |asked, n, reply| {
            if is_learngene(asked) {
                mischief(asked, n, reply)
            }
        });
        workshop.fetch(&["c0"]).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(verify_gallery(&workshop.here()).problems.is_empty(), "{what}");
        let mut asked = workshop.host.asked(".learngene");
        asked.retain(|asked| asked.file != "again.learngene");
        assert_eq!(asked.len(), requests, "{what}: {asked:?}");
        if what == "one flipped bit" {
            // Past every cache, and only what was damaged.
            assert!(
                asked[1].fresh && asked[1].range.as_ref().unwrap().starts_with("bytes=2097152-"),
                "{asked:?}"
            );
        }
        fs::remove_dir_all(workshop.at("here")).unwrap();
    }
}

#[test]
fn ranges_that_a_server_does_not_understand_are_done_without() {
    type Case = (&'static str, fn(&mut Reply, &[u8]), usize);
    let cases: [Case; 3] = [
        (
            "200 instead of 206",
            |reply, whole| {
                *reply = Reply { status: 200, body: whole.to_vec(), ..Reply::default() };
                reply.set("Content-Length", whole.len());
            },
            1,
        ),
        ("416", |reply, _| *reply = Reply::status(416), 2),
        ("another range", |reply, all| reply.set("Content-Range", format!("bytes 0-9/{}", all.len())), 2),
    ];
    let workshop = Workshop::new();
    let learngene = workshop.index().learngene;
    let whole = fs::read(workshop.draft.folder.join(&learngene.path)).unwrap();
    for (what, mischief, requests) in cases {
        damaged_part(&workshop);
        let whole = whole.clone();
        workshop.host.misbehave(move |asked, _, reply| {
            if is_learngene(asked) && asked.range.is_some() {
                mischief(reply, &whole);
            }
        });
        workshop.fetch(&["c0"]).unwrap_or_else(|error| panic!("{what}: {error}"));
        let asked = workshop.host.asked(".learngene");
        assert_eq!(asked[0].range.as_deref(), Some("bytes=1048576-2097151"), "{what}");
        assert_eq!(asked.len(), requests, "{what}: {asked:?}");
        assert!(verify_gallery(&workshop.here()).problems.is_empty(), "{what}");
        fs::remove_dir_all(workshop.at("here")).unwrap();
    }
}

/// A way to misbehave, the problem that it is, and how often the file is asked for.
type Wrong = (&'static str, fn(&mut Reply), fn(&Problem) -> bool, usize);

const WRONG: [Wrong; 10] = [
    (
        "too long",
        |r| {
            r.body.push(0);
            r.set("Content-Length", r.body.len());
        },
        |p| matches!(p, Problem::WrongLength { .. }),
        1,
    ),
    (
        "too short",
        |r| {
            r.body.pop();
            r.set("Content-Length", r.body.len());
        },
        |p| matches!(p, Problem::WrongLength { .. }),
        1,
    ),
    ("cut off", |r| r.cut = Some(10), |p| *p == Problem::Broken, ATTEMPTS as usize),
    ("a web page", |r| r.set("Content-Type", "text/html; charset=utf-8"), |p| *p == Problem::WebPage, 1),
    ("404", |r| *r = Reply::status(404), |p| *p == Problem::Missing, 1),
    ("403", |r| *r = Reply::status(403), |p| *p == Problem::Forbidden(403), 1),
    ("500", |r| *r = Reply::status(500), |p| *p == Problem::Busy(500), ATTEMPTS as usize),
    (
        "an hour's wait",
        |r| {
            *r = Reply::status(503);
            r.set("Retry-After", 3600);
        },
        |p| *p == Problem::Later(3600),
        1,
    ),
    (
        "gzip",
        |r| {
            r.set("Content-Encoding", "gzip");
            r.body[0] ^= 1;
        },
        |p| *p == Problem::Encoded("gzip".into()),
        1,
    ),
    ("a flipped bit", |r| r.body[0] ^= 1, |p| *p == Problem::Damaged { chunk: 0 }, DAMAGED as usize),
];

#[test]
fn what_stays_wrong_is_refused_by_name_and_nothing_of_it_is_kept_as_a_file() {
    let workshop = Workshop::with("tiny", 1);
    let pack = workshop.index().classes[0].file.path.clone();
    for (what, mischief, expected, requests) in WRONG {
        workshop.host.misbehave(move |asked, _, reply| {
            if asked.file.ends_with(".tailor") {
                mischief(reply);
            }
        });
        let error = workshop.fetch(&["c0"]).unwrap_err();
        let Error::Download { url, problem, .. } = &error else { panic!("{what}: {error}") };
        assert!(url.ends_with(&pack) && expected(problem), "{what}: {error}");
        assert!(error.help().unwrap().contains("the same command"), "{what}");
        assert_eq!(workshop.host.asked(".tailor").len(), requests, "{what}");
        let names = workshop.names();
        assert!(matches!(&names[..], [learngene] if learngene.ends_with(".learngene")), "{what}: {names:?}");
    }
    workshop.host.misbehave(|_, _, _| {});
    workshop.fetch(&["c0"]).unwrap();
}

#[test]
fn a_server_that_compresses_whatever_it_is_asked_for_is_understood() {
    use std::io::Write;
    let workshop = Workshop::with("tiny", 1);
    workshop.host.misbehave(|_, _, reply| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&reply.body).unwrap();
        reply.body = gzip.finish().unwrap();
        reply.set("Content-Encoding", "gzip");
        reply.set("Content-Length", reply.body.len());
    });
    workshop.fetch(&["c0"]).unwrap();
    assert!(verify_gallery(&workshop.here()).problems.is_empty());
    // What cannot be undone is named.
    workshop.host.misbehave(|_, _, reply| reply.set("Content-Encoding", "br"));
    let error = workshop.fetch(&[]).unwrap_err();
    assert!(
        matches!(&error, Error::Download { problem: Problem::Encoded(name), .. } if name == "br"),
        "{error}"
    );
}

#[test]
fn files_known_by_their_digest_may_lie_on_another_host() {
    let workshop = Workshop::with("tiny", 1);
    let store = Host::of(&workshop.draft.folder);
    let there = store.url.clone();
    workshop.host.misbehave(move |asked, _, reply| {
        if !asked.file.starts_with("index.json") {
            *reply = Reply::status(302);
            reply.set("Location", format!("{there}{}?signature=abc", asked.file));
        }
    });
    workshop.fetch(&["c0"]).unwrap();
    assert!(verify_gallery(&workshop.here()).problems.is_empty());
}

#[test]
fn an_address_without_a_gallery_is_said_to_be_one() {
    let workshop = Workshop::with("tiny", 1);
    workshop.host.misbehave(|_, _, reply| *reply = Reply::status(404));
    let url = format!("{}typo/", workshop.host.url);
    let error = quick(&FetchSettings { url: url.clone(), ..workshop.settings(&[]) }).unwrap_err();
    assert!(error.to_string().contains(&format!("there is no gallery at {url}")), "{error}");
    assert!(!workshop.at("here").exists());
}

#[test]
fn the_address_of_a_page_that_shows_a_gallery_will_do() {
    let workshop = Workshop::with("tiny", 1);
    let (site, gallery) = workshop.host.url.trim_end_matches('/').rsplit_once('/').unwrap();
    for url in [
        format!("{site}/?gallery={gallery}/#class=c0"),
        format!("{site}/index.html?gallery=%2F{gallery}%2F&backend=cpu"),
        format!("https://example.org/studio/?gallery={site}/{gallery}"),
    ] {
        let _ = fs::remove_dir_all(workshop.at("here"));
        quick(&FetchSettings { url, ..workshop.settings(&[]) }).unwrap();
    }
}

#[test]
fn another_server_that_a_redirect_leads_to_is_named_and_not_believed() {
    let (workshop, other) = (Workshop::with("tiny", 1), Workshop::with("tiny", 1));
    let there = other.host.url.clone();
    workshop.host.misbehave(move |asked, _, reply| {
        *reply = Reply::status(307);
        reply.set("Location", format!("{there}{}", asked.file));
    });
    let error = workshop.fetch(&["c0"]).unwrap_err();
    let there = &other.host.url;
    assert!(
        matches!(&error, Error::Download { problem: Problem::Elsewhere(to), .. } if to.starts_with(there)),
        "{error}"
    );
    assert!(error.help().unwrap().ends_with(&format!("tailor fetch {there}")), "which address to use");
    assert!(!workshop.at("here").exists(), "nothing came, and nothing is left");
}

#[test]
fn an_index_that_does_not_come_whole_is_refused_and_leaves_nothing() {
    let workshop = Workshop::with("tiny", 1);
    type Case = (&'static str, fn(&mut Reply));
    let cases: [Case; 5] = [
        ("404", |r| *r = Reply::status(404)),
        ("a web page", |r| r.set("Content-Type", "text/html")),
        ("cut off", |r| r.cut = Some(10)),
        ("cut off, unannounced", |r| {
            r.body.truncate(100);
            r.headers.clear();
        }),
        ("endless", |r| {
            r.body = vec![b' '; 5 << 20];
            r.headers.clear();
        }),
    ];
    for (what, mischief) in cases {
        workshop.host.misbehave(move |asked, _, reply| {
            if asked.file == "index.json" {
                mischief(reply);
            }
        });
        let error = workshop.fetch(&["c0"]).unwrap_err();
        let typed = matches!(error, Error::Download { .. } | Error::Pack { .. });
        assert!(
            typed || what == "404" && error.to_string().contains("there is no gallery at"),
            "{what}: {error}"
        );
        assert!(error.to_string().contains("index.json") && !workshop.at("here").exists(), "{what}: {error}");
        if matches!(error, Error::Download { .. }) {
            let help = error.help().unwrap();
            assert!(help.contains("address") && !help.contains("kept"), "{what}: {help}");
        }
    }
}

#[test]
fn no_more_files_come_at_once_than_the_server_can_be_asked_for() {
    let workshop = Workshop::with("tiny", 20);
    let at_once = Arc::new(Mutex::new((0, 0)));
    let seen = Arc::clone(&at_once);
    *workshop.host.around.lock().unwrap() = Box::new(move |begins| {
        let (now, most) = &mut *seen.lock().unwrap();
        *now = if begins { *now + 1 } else { *now - 1 };
        *most = (*most).max(*now);
    });
    workshop.fetch(&[]).unwrap();
    let most = at_once.lock().unwrap().1;
    assert!((2..=PARALLEL).contains(&most), "{most} at once");
}

#[test]
fn a_gallery_published_anew_while_it_is_fetched_is_fetched_as_it_is_now() {
    let mut workshop = Workshop::with("tiny", 2);
    let old = fs::read(workshop.draft.folder.join("index.json")).unwrap();
    workshop.fetch(&["c0"]).unwrap();
    fs::remove_file(workshop.draft.folder.join(&workshop.draft.index.learngene.path)).unwrap();
    workshop.draft = Draft { ..Draft::new(&workshop.draft.folder, "tiny", 0.25, 2) };
    workshop.draft.index.version = 2;
    workshop.draft.publish(None);
    fs::remove_dir_all(workshop.at("here")).unwrap();
    workshop.host.asked("");
    workshop.host.misbehave(move |asked, n, reply| {
        if asked.file == "index.json" && n == 0 {
            reply.body = old.clone();
            reply.set("Content-Length", old.len());
        }
    });
    assert_eq!(workshop.fetch(&["c1"]).unwrap().version, 2);
    assert!(verify_gallery(&workshop.here()).problems.is_empty());
    // A class that is here is brought up to date with the others.
    workshop.draft = Draft::new(&workshop.draft.folder, "tiny", 0.125, 2);
    workshop.draft.index.version = 3;
    workshop.draft.publish(None);
    assert_eq!(workshop.fetch(&["c0"]).unwrap().classes, ["c0", "c1"]);
    assert!(verify_gallery(&workshop.here()).problems.is_empty());
    assert_eq!(workshop.names().len(), 4, "what was replaced is gone");
}

/// The error of the index, and what was here before is here still.
fn distrusted(workshop: &Workshop, args: &FetchSettings) -> PackError {
    let before = fs::read(workshop.at("here/index.json")).unwrap();
    let error = quick(args).unwrap_err();
    let Error::Pack { path, source } = error else { panic!("{error}") };
    assert!(path.ends_with("index.json"), "{}", path.display());
    assert!(before == fs::read(workshop.at("here/index.json")).unwrap());
    assert!(verify_gallery(&workshop.here()).problems.is_empty());
    source
}

#[test]
fn a_key_is_trusted_once_and_nobody_else_from_then_on() {
    let mut workshop = Workshop::with("tiny", 2);
    let (one, one_public) = gallery::key(workshop.folder.path(), "one");
    let (two, two_public) = gallery::key(workshop.folder.path(), "two");
    let fingerprint = {
        let text = fs::read_to_string(&one_public).unwrap();
        text.parse::<PublicKey>().unwrap().fingerprint()
    };
    workshop.draft.index.version = 5;
    workshop.draft.publish(Some(&one));

    // Nobody can be asked: refused, with what to pass.
    let url = workshop.host.url.clone();
    let asked = workshop.command(&["fetch", &url, "--all-classes", "--out", "here"]);
    let said = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1));
    assert!(said.contains(&format!("--trust '{fingerprint}'")) && said.contains("--public-key"), "{said}");
    assert!(!workshop.at("here").exists());
    let wrong = FetchSettings { trust: Some("0000 1111".into()), ..workshop.settings(&[]) };
    assert!(quick(&wrong).unwrap_err().to_string().contains("not 0000 1111"));
    let other = FetchSettings { public_key: Some(two_public.clone().into()), ..workshop.settings(&[]) };
    assert!(matches!(quick(&other), Err(Error::Pack { source: PackError::WrongKey { .. }, .. })));

    // Trusted by its fingerprint, by its file, or as it comes.
    let pinned = Some(one_public.clone().into());
    for (trust, public_key) in [(Some("yes".into()), None), (None, pinned), (Some(fingerprint), None)] {
        let _ = fs::remove_dir_all(workshop.at("here"));
        let outcome = quick(&FetchSettings { trust, public_key, ..workshop.settings(&[]) }).unwrap();
        assert!(outcome.key.is_some());
    }
    let verified = text(&workshop.command(&["verify", "here"]).stdout);
    assert!(verified.contains("trusted when it was fetched"), "{verified}");
    let pinned = ["verify", "here", "--public-key", "one.pub"];
    assert!(workshop.command(&pinned).status.success(), "the signature came byte for byte");
    // From then on nobody is asked.
    let again = workshop.settings(&[]);
    quick(&again).unwrap();

    let reset = |workshop: &mut Workshop, version: u64, key: Option<&Path>| {
        let _ = fs::remove_file(workshop.draft.folder.join("index.json.minisig"));
        workshop.draft.index.version = version;
        workshop.draft.publish(key);
    };
    reset(&mut workshop, 4, Some(&one));
    let rolled = distrusted(&workshop, &again);
    assert!(matches!(rolled, PackError::IndexRolledBack { seen: 5, found: 4 }), "{rolled}");
    reset(&mut workshop, 6, Some(&two));
    let other = distrusted(&workshop, &again);
    assert!(matches!(other, PackError::WrongKey { .. }), "{other}");
    reset(&mut workshop, 6, None);
    let unsigned = distrusted(&workshop, &again);
    assert!(matches!(unsigned, PackError::SignatureMissing { .. }), "{unsigned}");
    workshop.draft.index.expires = Some(1_000_000_000);
    reset(&mut workshop, 6, Some(&one));
    let expired = distrusted(&workshop, &again);
    assert!(matches!(expired, PackError::IndexExpired { .. }), "{expired}");
    workshop.draft.index.expires = None;
    reset(&mut workshop, 6, Some(&one));
    workshop.host.misbehave(|asked, n, reply| {
        if asked.file == "index.json" && n % 2 == 0 {
            reply.body[40] ^= 1;
        }
    });
    workshop.host.asked("");
    assert_eq!(quick(&again).unwrap().version, 6, "one flipped bit, and it is asked for again");
    workshop.host.misbehave(|asked, _, reply| {
        if asked.file == "index.json" {
            reply.body[40] ^= 1
        }
    });
    let flipped = distrusted(&workshop, &again);
    assert!(matches!(flipped, PackError::SignatureInvalid { .. }), "{flipped}");
}

#[test]
fn of_a_gallery_in_shards_only_those_that_it_takes_come() {
    let workshop = Workshop::with("tiny", 260);
    let index = workshop.index();
    assert!(index.classes.len() == 48 && index.shards.len() > 1);
    // One that is in a shard, by its id.
    workshop.fetch(&["c200"]).unwrap();
    let json: Vec<_> = workshop.host.asked(".json").into_iter().map(|asked| asked.file).collect();
    assert_eq!(json, ["index.json".to_owned(), index.shard("c200").unwrap().1.path.clone()]);
    let verified = text(&workshop.command(&["verify", "here"]).stdout);
    assert!(verified.starts_with("sound: 4 files") && verified.contains("of 4 shards"), "{verified}");
    let sample =
        ["sample", "--gallery", "here", "--steps", "1", "--device", "cpu", "--out", "a.png", "--class"];
    assert!(workshop.command(&[&sample[..], &["c200"]].concat()).status.success());
    // One of the index's own, by its name.
    workshop.fetch(&["Class 7"]).unwrap();
    assert_eq!(workshop.host.asked(".json").len(), 1);
    // By its name, which the file of names has.
    let outcome = workshop.fetch(&["Class 201"]).unwrap();
    assert_eq!(outcome.classes.len(), 3);
    let json: Vec<_> = workshop.host.asked(".json").into_iter().map(|asked| asked.file).collect();
    assert!(json.iter().any(|file| file.starts_with("names-")), "{json:?}");
    let unknown = workshop.fetch(&["Class 2591"]).unwrap_err();
    assert!(
        matches!(&unknown, Error::UnknownClass { known, .. } if known.contains("Class 259")),
        "{unknown:?}"
    );
    // And everything.
    assert_eq!(workshop.fetch(&[]).unwrap().classes.len(), 260);
    let here = workshop.here();
    assert!(here.missing().is_none() && verify_gallery(&here).problems.is_empty());
    let verified = text(&workshop.command(&["verify", "here"]).stdout);
    assert_eq!(verified, "sound: 267 files, unsigned\n");
}

#[test]
fn addresses_and_folders_that_are_none_are_refused() {
    let workshop = Workshop::with("tiny", 1);
    for url in
        ["gallery", "ftp://example.org/gallery", "https://", "https://example.org/?class=a", "file:///x"]
    {
        let error = quick(&FetchSettings { url: url.into(), ..workshop.settings(&[]) }).unwrap_err();
        assert!(error.to_string().contains("is no address of a gallery"), "{url}: {error}");
    }
    let error = quick(&FetchSettings { out: None, url: "http://[::1]/".into(), ..workshop.settings(&[]) })
        .unwrap_err();
    assert!(error.help().unwrap().contains("--out"), "{error}");
    // One's own gallery is not overwritten.
    let own = FetchSettings { out: Some(workshop.draft.folder.clone()), ..workshop.settings(&[]) };
    assert!(quick(&own).unwrap_err().to_string().contains("is not empty"));
    // The folder is called as the address is.
    for url in
        [workshop.host.url.trim_end_matches('/').to_owned(), format!("{}index.json", workshop.host.url)]
    {
        fs::create_dir(workshop.at("elsewhere")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.args(["fetch", &url, "--all-classes", "--json"]).current_dir(workshop.at("elsewhere"));
        let output = command.output().unwrap();
        let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&outcome["folder"], &outcome["fetched"]), (&"gallery".into(), &2.into()));
        assert!(workshop.at("elsewhere/gallery/index.json").exists());
        fs::remove_dir_all(workshop.at("elsewhere")).unwrap();
    }
}
