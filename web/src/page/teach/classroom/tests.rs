//! A whole class comes together, without a browser.

use super::*;
use crate::page::language::TeachWords;
use crate::protocol::{Code, Failure, Remedy};

fn room() -> Classroom {
    let mut room = Classroom::new("https://example.org/letters/");
    let effects = room.update(Message::Heard(Event::Open { kept: None }));
    assert_eq!(effects, [Effect::Post(Request::Members, Vec::new())]);
    assert!(room.update(Message::Heard(Event::Members(Vec::new()))).is_empty());
    room
}

fn file(name: &str) -> Chosen {
    Chosen { name: name.to_owned(), bytes: 40_000 }
}

fn member(id: &str, name: &str, author: &str) -> Member {
    let class = ClassInfo { id: id.into(), name: name.into(), bytes: 40_000, stored: true, own: true };
    Member { class, author: author.into() }
}

/// What the teacher says of a file that is asked for, and what follows.
fn answer(room: &mut Classroom, number: usize, joined: Joined) -> Vec<Effect> {
    let effects = room.update(Message::Read(Some(vec![number as u8])));
    assert_eq!(effects, [Effect::Post(Request::Join, vec![number as u8])]);
    room.update(Message::Heard(Event::Joined(joined)))
}

fn new(member: Member, was: Option<&str>) -> Joined {
    Joined::New { member, was: was.map(str::to_owned) }
}

fn lines(room: &Classroom) -> Vec<(String, String, bool)> {
    words::lines(&TeachWords::english(), room)
        .into_iter()
        .map(|line| (line.name, line.note, line.fine))
        .collect()
}

#[test]
fn thirty_files_are_read_one_after_another_and_drawn_from_one_seed() {
    let mut room = room();
    let files = (0..30).map(|n| file(&format!("p{n}.tailor"))).collect();
    let mut effects = room.update(Message::Choose(files));
    for n in 0..30 {
        assert_eq!(effects.last(), Some(&Effect::Read(n)), "one at a time");
        assert_eq!(
            words::status(&TeachWords::english(), &room),
            format!("Reading {} of 30: p{n}.tailor", n + 1)
        );
        let one = member(&format!("p{n}"), &format!("P {n}"), "");
        effects = answer(&mut room, n, new(one.clone(), None));
        assert_eq!(effects[0], Effect::Tell(vec![one.class]), "other views can use it at once");
    }
    assert_eq!(effects.len(), 1);
    assert_eq!(words::status(&TeachWords::english(), &room), "30 files: 30 joined. 30 classes together.");
    assert_eq!(words::most(&TeachWords::english(), &room), None);
    let effects = room.update(Message::Draw);
    let [Effect::Tell(all), Effect::Follow(link)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(all.len(), 30);
    let link = Link::parse(link);
    assert!(link.wrong.is_empty() && link.view == Some(View::Make));
    assert_eq!(link.classes, (0..30).map(|n| format!("p{n}")).collect::<Vec<_>>());
}

#[test]
fn what_is_wrong_with_a_file_is_said_of_it_alone() {
    let mut room = room();
    let large = Chosen { name: "large.tailor".into(), bytes: 1 << 40 };
    let mut files: Vec<_> =
        ["cat.tailor", "cat (1).TAILOR", "foreign.tailor", "torn.tailor"].map(file).into();
    files.extend([file(".DS_Store"), file("notes.txt"), large, file("gone.tailor"), file("again.tailor")]);
    room.update(Message::Choose(files));
    answer(&mut room, 0, new(member("cat", "cat", "Mia"), None));
    answer(&mut room, 1, new(member("cat-2", "cat (2), Ben", "Ben"), Some("cat")));
    let refused = |why, detail: &str| Joined::Refused { why, detail: detail.into() };
    answer(&mut room, 2, refused(Why::Learngene, "for another"));
    let effects = answer(&mut room, 3, refused(Why::Damaged, "cut short"));
    assert_eq!(effects, [Effect::Read(7)], "what is no pack is not even read");
    assert_eq!(room.update(Message::Read(None)), [Effect::Read(8)]);
    assert!(answer(&mut room, 8, Joined::Known("cat".into())).is_empty());

    assert_eq!(
        words::status(&TeachWords::english(), &room),
        "8 files: 2 joined, 1 here already, 5 not used. 2 classes together."
    );
    let lines = lines(&room);
    let starts = [
        ("foreign.tailor", "Not used: it was taught on another learngene.", false),
        ("torn.tailor", "Not used: the file is damaged.", false),
        ("notes.txt", "Not used: this is no pack.", false),
        ("large.tailor", "Not used: it is larger", false),
        ("gone.tailor", "Not used: the browser cannot read it.", false),
        ("cat", "Fine. It was here already; again.tailor is the same.", true),
        ("cat (2), Ben", "Fine. cat (1).TAILOR calls it “cat”, and there is one already.", true),
    ];
    assert_eq!(lines.len(), starts.len());
    for ((name, note, fine), (expected, start, well)) in lines.iter().zip(starts) {
        assert!(name == expected && note.starts_with(start) && *fine == well, "{name}: {note}");
    }
    assert_eq!(words::lines(&TeachWords::english(), &room)[0].detail, "for another");
}

#[test]
fn files_that_come_before_the_teacher_is_ready_wait_and_a_failure_ends_the_wait() {
    let mut room = Classroom::new("");
    assert!(room.update(Message::Choose(vec![file("a.tailor")])).is_empty());
    assert!(room.update(Message::Shown).is_empty());
    let effects = room.update(Message::Heard(Event::Open { kept: None }));
    assert_eq!(effects, [Effect::Post(Request::Members, Vec::new()), Effect::Read(0)]);
    assert!(room.update(Message::Choose(vec![file("b.tailor")])).is_empty(), "one pile at a time");
    let failure = Failure::new(Code::Engine, "It broke down.", Remedy::Retry);
    room.update(Message::Heard(Event::Failed(failure)));
    assert_eq!(room.reading, None);
    assert_eq!(room.update(Message::Choose(vec![file("b.tailor")])), [Effect::Read(0)]);
    // A whole disk is not read by mistake.
    let mut room = self::room();
    room.update(Message::Choose((0..600).map(|n| file(&format!("{n}.jpg"))).collect()));
    let said = "500 files: 0 joined, 500 not used. 0 classes together. 100 files more were too many at once.";
    assert_eq!(words::status(&TeachWords::english(), &room), said);
}

#[test]
fn a_gallery_is_saved_under_its_name_with_a_note_of_who_made_what() {
    let mut room = room();
    assert!(
        room.update(Message::Save("Our class".into())).is_empty() && room.update(Message::Draw).is_empty(),
        "nothing is there"
    );
    let all = vec![member("cat", "cat", "Mia"), member("dog", "dog", "")];
    let effects = room.update(Message::Heard(Event::Members(all)));
    assert!(matches!(&effects[..], [Effect::Tell(classes)] if classes.len() == 2));
    assert_eq!(words::status(&TeachWords::english(), &room), "2 classes of your own on this device.");
    room.update(Message::Title("  ".into()));
    let effects = room.update(Message::Save("Our class".into()));
    let [Effect::Post(Request::Gallery { title, readme }, _)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(title, "Our class");
    for part in ["Our class\n", "https://example.org/letters/", "Nobody has signed it", "cat, by Mia\ndog\n"]
    {
        assert!(readme.contains(part), "{readme}");
    }
    assert!(room.update(Message::Save("Our class".into())).is_empty(), "once is enough");
    room.update(Message::Heard(Event::Gallery {
        file: "our-class.zip".into(),
        classes: 2,
        bytes: 5_300_000,
    }));
    assert!(!room.saving);
    let saved = words::saved(&TeachWords::english(), &room).unwrap();
    assert!(saved.starts_with("our-class.zip has 2 classes, 5.30 MB."), "{saved}");
    assert_eq!(room.update(Message::Shown), [Effect::Post(Request::Members, Vec::new())]);
}
