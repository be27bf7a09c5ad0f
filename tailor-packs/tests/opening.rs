//! Every way in which opening and renewing a gallery can go.

use crate::support::*;
use std::time::Duration;
use tailor_packs::PackError::*;
use tailor_packs::download::{Answer, Problem, SmallDownload};
use tailor_packs::gallery::*;
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::*;

const NOW: u64 = 1_900_000_000;

/// What a server gives: the index, and the signature or the status in its place.
#[derive(Clone)]
struct Published {
    json: Vec<u8>,
    signature: std::result::Result<Vec<u8>, u16>,
}

/// An index that names `key` and is signed by it, if there is one.
fn publish(key: Option<&Publisher>, change: impl FnOnce(&mut Index)) -> Published {
    let mut index = Index { key: key.map(Publisher::public), ..index() };
    change(&mut index);
    let json = index.to_json().unwrap();
    let signature = key.map_or(Err(404), |key| Ok(key.sign(&json)));
    Published { json, signature }
}

/// What became of opening a gallery.
#[derive(Debug, PartialEq)]
enum Outcome {
    Opened(Box<Opened>),
    Asked(PublicKey),
    Refused(PackError),
    Download(Problem),
}

/// A reader: asks these answers of a server one after the other, the last one for ever.
struct Reader {
    opening: Opening,
    kept: Option<Trust>,
    asked: Vec<&'static str>,
    waited: Vec<Duration>,
}

impl Reader {
    fn new(pinned: Option<&Publisher>, kept: Option<&Trust>) -> Self {
        let opening = Opening::new(pinned.map(Publisher::public));
        Self { opening, kept: kept.cloned(), asked: Vec::new(), waited: Vec::new() }
    }

    fn go(&mut self, looks: &[Published]) -> Outcome {
        let mut look = 0;
        // Each look is at most two files and a decision.
        for _ in 0..12 {
            let next = match self.opening.next(self.kept.as_ref()) {
                Ok(next) => next,
                Err(error) => return Outcome::Refused(error),
            };
            if let Next::Ask { file, limit } = next {
                self.asked.push(file);
                let published = &looks[look.min(looks.len() - 1)];
                let answer =
                    if file == INDEX_FILE { Ok(published.json.clone()) } else { published.signature.clone() };
                assert!(limit >= 4096);
                match answer {
                    Ok(bytes) => self.opening.came(bytes),
                    Err(status) => {
                        let answer = Answer { status, ..Answer::default() };
                        let problem = SmallDownload::new(file, limit).answer(&answer).unwrap_err().problem;
                        if !self.opening.is_answer(&problem) {
                            return Outcome::Download(problem);
                        }
                    }
                }
                continue;
            }
            match self.opening.decide(self.kept.as_ref(), NOW) {
                Ok(Decision::Open(opened)) => {
                    self.kept = Some(opened.checked.trust.clone());
                    return Outcome::Opened(opened);
                }
                Ok(Decision::FirstUse(key)) => return Outcome::Asked(key),
                Ok(Decision::Again { wait }) => {
                    self.waited.push(wait);
                    look += 1;
                }
                Err(error) => return Outcome::Refused(error),
            }
        }
        panic!("it does not come to an end")
    }
}

fn open(pinned: Option<&Publisher>, kept: Option<&Trust>, looks: &[Published]) -> (Outcome, Reader) {
    let mut reader = Reader::new(pinned, kept);
    (reader.go(looks), reader)
}

fn opened(outcome: Outcome) -> Opened {
    match outcome {
        Outcome::Opened(opened) => *opened,
        other => panic!("{other:?}"),
    }
}

/// What a reader keeps that opened this with the key pinned.
fn keep(key: &Publisher, published: &Published) -> Trust {
    opened(open(Some(key), None, std::slice::from_ref(published)).0).checked.trust
}

#[test]
fn an_unsigned_gallery_is_opened_without_asking_for_a_signature() {
    let published = publish(None, |_| ());
    let (outcome, reader) = open(None, None, std::slice::from_ref(&published));
    let opened = opened(outcome);
    assert_eq!(reader.asked, [INDEX_FILE]);
    assert_eq!((opened.json, opened.minisig, opened.checked.trust.key), (published.json, None, None));
}

#[test]
fn a_signed_gallery_is_asked_about_once_and_opened_when_somebody_vouches_for_its_key() {
    let (key, other) = (publisher(), another_publisher());
    let published = publish(Some(&key), |_| ());
    let (outcome, mut reader) = open(None, None, std::slice::from_ref(&published));
    assert_eq!(outcome, Outcome::Asked(key.public()));
    assert_eq!(reader.asked, [INDEX_FILE, SIGNATURE_FILE]);
    // Vouching for another key is none for this one.
    reader.opening.vouch(other.public());
    assert_eq!(reader.go(&[]), Outcome::Asked(key.public()));
    reader.opening.vouch(key.public());
    let opened = opened(reader.go(&[]));
    assert_eq!(reader.asked.len(), 2, "nothing came twice");
    assert_eq!((opened.checked.trust.root, opened.minisig), (Some(key.public()), published.signature.ok()));
    // From now on without a question.
    let again = publish(Some(&key), |index| index.version += 1);
    assert!(matches!(open(None, reader.kept.as_ref(), &[again]).0, Outcome::Opened(_)));
}

#[test]
fn somebody_who_trusted_another_key_meanwhile_is_heard_when_it_is_decided() {
    let (key, other) = (publisher(), another_publisher());
    let (_, mut reader) = open(None, None, &[publish(Some(&key), |_| ())]);
    reader.opening.vouch(key.public());
    // Another tab, in between.
    reader.kept = Some(keep(&other, &publish(Some(&other), |_| ())));
    let half = [publish(Some(&key), |_| ())];
    assert!(matches!(reader.go(&half), Outcome::Refused(WrongKey { .. })));
}

#[test]
fn a_signature_that_is_wanted_only_when_it_is_decided_is_asked_for_then() {
    let key = publisher();
    let published = publish(Some(&key), |index| index.key = None);
    let mut opening = Opening::new(None);
    opening.came(published.json.clone());
    assert_eq!(opening.next(None), Ok(Next::Decide), "the index names no key");
    let trust = keep(&key, &publish(Some(&key), |index| index.version = 1));
    assert_eq!(opening.decide(Some(&trust), NOW), Ok(Decision::Again { wait: Duration::ZERO }));
    assert_eq!(
        opening.next(Some(&trust)).unwrap(),
        Next::Ask { file: SIGNATURE_FILE, limit: limits::SIGNATURE }
    );
    opening.came(published.signature.unwrap());
    assert!(matches!(opening.decide(Some(&trust), NOW), Ok(Decision::Open(_))));
}

#[test]
fn a_pinned_or_kept_key_wants_a_signature_and_no_question() {
    let (key, other) = (publisher(), another_publisher());
    for named in [true, false] {
        let published = publish(Some(&key), |index| index.key = index.key.filter(|_| named));
        let (outcome, reader) = open(Some(&key), None, std::slice::from_ref(&published));
        let trust = opened(outcome).checked.trust;
        assert_eq!(reader.asked, [INDEX_FILE, SIGNATURE_FILE]);
        assert!(matches!(open(None, Some(&trust), std::slice::from_ref(&published)).0, Outcome::Opened(_)));
        let (outcome, reader) = open(Some(&other), None, &[published]);
        assert!(matches!(outcome, Outcome::Refused(WrongKey { .. })), "{outcome:?}");
        assert_eq!(reader.waited, [PUBLISHING], "it was looked at a second time");
    }
}

#[test]
fn only_what_says_that_there_is_no_file_means_that_there_is_no_signature() {
    let key = publisher();
    let signed = publish(Some(&key), |_| ());
    let trust = keep(&key, &signed);
    for status in [404, 410, 403] {
        let bare = Published { signature: Err(status), ..signed.clone() };
        let (outcome, _) = open(None, None, std::slice::from_ref(&bare));
        assert_eq!(opened(outcome).checked.trust.key, None, "{status}: labelled unsigned");
        for (pinned, kept) in [(Some(&key), None), (None, Some(&trust))] {
            let (outcome, _) = open(pinned, kept, std::slice::from_ref(&bare));
            assert!(matches!(outcome, Outcome::Refused(SignatureMissing { .. })), "{status}: {outcome:?}");
        }
    }
    for status in [401, 407, 451, 300, 418] {
        let walled = Published { signature: Err(status), ..signed.clone() };
        let (outcome, _) = open(None, None, &[walled]);
        assert!(matches!(outcome, Outcome::Download(_)), "{status}: {outcome:?}");
    }
}

#[test]
fn an_index_that_is_not_there_is_no_gallery_whatever_the_status() {
    for status in [404, 403] {
        let answer = Answer { status, ..Answer::default() };
        let problem = SmallDownload::new(INDEX_FILE, 9).answer(&answer).unwrap_err().problem;
        assert!(!Opening::new(None).is_answer(&problem), "{problem}");
    }
}

#[test]
fn a_gallery_that_is_half_published_is_looked_at_a_second_time_and_then_refused() {
    let key = publisher();
    let (old, new) = (publish(Some(&key), |_| ()), publish(Some(&key), |index| index.version += 1));
    let half = Published { json: old.json.clone(), signature: new.signature.clone() };
    let trust = keep(&key, &old);
    for kept in [None, Some(&trust)] {
        let (outcome, reader) = open(Some(&key), kept, &[half.clone(), new.clone()]);
        assert_eq!(opened(outcome).checked.index.version, old_version() + 1);
        assert_eq!((reader.waited, reader.asked.len()), (vec![PUBLISHING], 4));
        let (outcome, reader) = open(Some(&key), kept, std::slice::from_ref(&half));
        assert!(matches!(outcome, Outcome::Refused(SignatureInvalid { .. })), "{outcome:?}");
        assert_eq!(reader.waited, [PUBLISHING], "once");
    }
}

fn old_version() -> u64 {
    index().version
}

#[test]
fn a_rotation_is_followed_when_it_was_announced_and_refused_when_not() {
    let (old, new) = (publisher(), another_publisher());
    let announced = publish(Some(&old), |index| index.next_key = Some(another_publisher().public()));
    let rotated = publish(Some(&new), |index| index.version += 1);
    let trust = keep(&old, &announced);
    let moved = opened(open(None, Some(&trust), std::slice::from_ref(&rotated)).0).checked.trust;
    assert_eq!((moved.root, moved.key), (Some(old.public()), Some(new.public())));
    let unannounced = keep(&old, &publish(Some(&old), |_| ()));
    let (outcome, _) = open(None, Some(&unannounced), &[rotated]);
    assert!(matches!(outcome, Outcome::Refused(WrongKey { .. })), "{outcome:?}");
    // On its way: the old index with the new key's signature, then both.
    let rotated = publish(Some(&new), |index| index.version += 1);
    let half = Published { json: announced.json.clone(), signature: rotated.signature.clone() };
    let (outcome, reader) = open(None, Some(&trust), &[half, rotated]);
    assert_eq!(opened(outcome).checked.trust.key, Some(new.public()));
    assert_eq!(reader.waited, [PUBLISHING]);
}

#[test]
fn a_gallery_that_was_opened_again_is_the_same_renewed_or_refused_as_older() {
    let key = publisher();
    let published = publish(Some(&key), |_| ());
    let first = opened(open(Some(&key), None, std::slice::from_ref(&published)).0);
    let Checked { index: before, trust } = &first.checked;
    let again = |published: Published| open(None, Some(trust), &[published]).0;
    let change = |published: Published| opened(again(published)).checked.since(before, trust);

    assert_eq!(change(published), Change::Nothing);
    assert_eq!(change(publish(Some(&key), |index| index.version += 1)), Change::Tailors);
    let other = publish(Some(&key), |index| {
        index.version += 1;
        index.learngene = FileEntry::of("other.learngene", b"another");
    });
    assert_eq!(change(other), Change::Learngene);
    let older = again(publish(Some(&key), |index| index.version -= 1));
    assert!(matches!(older, Outcome::Refused(IndexRolledBack { .. })), "{older:?}");
    let twin = again(publish(Some(&key), |index| index.title = "Twin".into()));
    assert!(matches!(twin, Outcome::Refused(IndexReplaced { .. })), "{twin:?}");
    let stranger = again(publish(Some(&key), |index| index.id = "other".into()));
    assert!(matches!(stranger, Outcome::Refused(OtherGallery { .. })), "{stranger:?}");
    let unsigned = again(publish(None, |index| index.version += 1));
    assert!(matches!(unsigned, Outcome::Refused(SignatureMissing { .. })), "{unsigned:?}");
}

#[test]
fn an_index_that_cannot_be_read_is_refused_before_anything_else_is_asked_for() {
    let (outcome, reader) = open(None, None, &[Published { json: b"{}".into(), signature: Err(404) }]);
    assert!(matches!(outcome, Outcome::Refused(IndexInvalid { .. })), "{outcome:?}");
    assert_eq!(reader.asked, [INDEX_FILE]);
}
