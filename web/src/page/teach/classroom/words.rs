//! The sentences of the part of the view in which a whole class comes together.

use super::Classroom;
use crate::page::language::TeachWords;
use crate::page::settings::MOST_IMAGES;
use crate::teaching::{Joined, Member, Why};

/// A line of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The class's name, or that of a file which is not used.
    pub name: String,
    /// Who made it.
    pub author: String,
    /// How large it is.
    pub size: String,
    /// What there is to say.
    pub note: String,
    /// More of it, in the reader's words.
    pub detail: String,
    /// Whether it can be drawn.
    pub fine: bool,
}

/// Returns the lines of the table: first what cannot be used, then the classes.
pub fn lines(words: &TeachWords, room: &Classroom) -> Vec<Line> {
    let refused = room.opened.iter().filter_map(|(file, joined)| {
        let Joined::Refused { why: reason, detail } = joined else { return None };
        let (name, note, detail) = (file.clone(), why(words, *reason), detail.clone());
        Some(Line { name, note, detail, ..Line::default() })
    });
    let fine = room.members.iter().map(|member| Line {
        name: member.class.name.clone(),
        author: member.author.clone(),
        size: words.kilobytes(member.class.bytes),
        note: note(words, room, &member.class.id),
        detail: String::new(),
        fine: true,
    });
    refused.chain(fine).collect()
}

/// Says what is to be known of a class.
fn note(words: &TeachWords, room: &Classroom, id: &str) -> String {
    let of = room.opened.iter().rev().find_map(|(file, joined)| match joined {
        Joined::New { member, was } if member.class.id == id => Some(match was {
            None => words.teach_class_fine(),
            Some(was) => words.teach_class_renamed(file, was),
        }),
        Joined::Known(known) if known == id => Some(words.teach_class_known(file)),
        _ => None,
    });
    of.unwrap_or_else(|| words.teach_class_here())
}

/// Says why a file is not used, and what to do.
fn why(words: &TeachWords, why: Why) -> String {
    match why {
        Why::NoPack => words.teach_class_no_pack(),
        Why::TooLarge => words.teach_class_too_large(),
        Why::Unreadable => words.teach_class_unreadable(),
        Why::Damaged => words.teach_class_damaged(),
        Why::Learngene => words.teach_class_foreign(),
        Why::TooNew => words.teach_class_too_new(),
        Why::NoRoom => words.teach_class_no_room(),
    }
}

/// Says how far reading is, or what came of it.
pub fn status(words: &TeachWords, room: &Classroom) -> String {
    if let Some((files, at)) = &room.reading {
        let name = files.get(*at).map_or("", |file| &file.name);
        return words.teach_class_reading(&files.len(), &name, &(at + 1).min(files.len()));
    }
    if room.opened.is_empty() {
        return match room.members.len() {
            0 => words.teach_class_none(),
            n => words.teach_class_own(&n),
        };
    }
    let number = |test: fn(&Joined) -> bool| room.opened.iter().filter(|(_, joined)| test(joined)).count();
    let new = number(|joined| matches!(joined, Joined::New { .. }));
    let known = number(|joined| matches!(joined, Joined::Known(_)));
    let refused = room.opened.len() - new - known;
    let mut said = words.teach_class_opened(&room.opened.len(), &new);
    if known > 0 {
        said += &words.teach_class_opened_known(&known);
    }
    if refused > 0 {
        said += &words.teach_class_opened_refused(&refused);
    }
    said += &format!(". {}", words.teach_class_together(&room.members.len()));
    if room.left > 0 {
        said += &format!(" {}", words.teach_class_left(&room.left));
    }
    said
}

/// Says how many of the classes are drawn, where it is not all of them.
pub fn most(words: &TeachWords, room: &Classroom) -> Option<String> {
    let all = room.members.len();
    (all > MOST_IMAGES).then(|| words.teach_class_most(&all, &MOST_IMAGES))
}

/// Says what was saved, and what to do with it.
pub fn saved(words: &TeachWords, room: &Classroom) -> Option<String> {
    let (file, classes, bytes) = room.saved.as_ref()?;
    Some(words.teach_class_saved(&words.megabytes(*bytes), classes, file))
}

/// The note that lies in the gallery, in English, for whoever meets the files.
pub fn readme(title: &str, source: &str, members: &[Member]) -> String {
    let mut text = format!(
        "{title}\n\nA gallery of {}, each taught by another hand, all on one learngene. It was put together in a \
         browser from packs\nfor the learngene of {source}\n\nNobody has signed it. `tailor verify` checks that its \
         files are whole and fit together; `tailor gallery sign` signs it.\nTo look at it, copy this folder to a web \
         server, then add ?gallery= and the folder's address to that of a studio.\n\n",
        count(members.len(), "class", "classes")
    );
    for Member { class, author } in members {
        let by = if author.is_empty() { String::new() } else { format!(", by {author}") };
        text += &format!("{}{by}\n", class.name);
    }
    text
}

fn count(n: usize, one: &str, several: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {several}") }
}
