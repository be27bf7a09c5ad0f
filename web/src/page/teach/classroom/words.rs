//! Every word of the part of the view in which a whole class comes together.

use super::Classroom;
use crate::page::numbers::{kilobytes, megabytes};
use crate::page::settings::MOST_IMAGES;
use crate::teaching::{Joined, Member, Why};

/// The heading.
pub const HEADING: &str = "A whole class together";
/// What it is for.
pub const IDEA: &str = "Open the packs that all pupils saved, from this gallery: each class comes from another \
                        hand, and all of them share one learngene. Draw them all from one seed, and save them as a \
                        gallery for any web server.";
/// The label of the field for files.
pub const FILES: &str = "Packs (.tailor), several at once; or drop them here";
/// The label of the field for a folder.
pub const FOLDER: &str = "Or choose a folder of packs";
/// What the table shows.
pub const TABLE: &str = "The packs that were opened, and the classes of your own";
/// The table's first column.
pub const NAME: &str = "Name";
/// The table's second column.
pub const AUTHOR: &str = "Made by";
/// The table's third column.
pub const SIZE: &str = "Size";
/// The table's fourth column.
pub const NOTE: &str = "Note";
/// What unfolds the reader's own words about a file.
pub const DETAILS: &str = "Details";
/// Where a class is removed.
pub const REMOVE: &str = "A class that does not belong here is removed under “On this device”.";
/// The button that draws all classes.
pub const DRAW: &str = "Draw all of them";
/// The label of the field for the gallery's name.
pub const TITLE_LABEL: &str = "Name of the gallery";
/// The gallery's name, unless the visitor types another.
pub const TITLE: &str = "Our class";
/// The button that saves the gallery.
pub const SAVE: &str = "Save as a gallery";
/// The same while it is being made.
pub const SAVING: &str = "Making the gallery…";

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
pub fn lines(room: &Classroom) -> Vec<Line> {
    let refused = room.opened.iter().filter_map(|(file, joined)| {
        let Joined::Refused { why: reason, detail } = joined else { return None };
        let (name, note, detail) = (file.clone(), why(*reason).to_owned(), detail.clone());
        Some(Line { name, note, detail, ..Line::default() })
    });
    let fine = room.members.iter().map(|member| Line {
        name: member.class.name.clone(),
        author: member.author.clone(),
        size: kilobytes(member.class.bytes),
        note: note(room, &member.class.id),
        detail: String::new(),
        fine: true,
    });
    refused.chain(fine).collect()
}

/// Says what is to be known of a class.
fn note(room: &Classroom, id: &str) -> String {
    let of = room.opened.iter().rev().find_map(|(file, joined)| match joined {
        Joined::New { member, was } if member.class.id == id => Some(match was {
            None => "Fine".to_owned(),
            Some(was) => format!("Fine. {file} calls it “{was}”, and there is one already."),
        }),
        Joined::Known(known) if known == id => {
            Some(format!("Fine. It was here already; {file} is the same."))
        }
        _ => None,
    });
    of.unwrap_or_else(|| "On this device".to_owned())
}

/// Says why a file is not used, and what to do.
fn why(why: Why) -> &'static str {
    match why {
        Why::NoPack => "Not used: this is no pack. Packs are files that end in .tailor.",
        Why::TooLarge => "Not used: it is larger than a pack can be. Ask for the file once more.",
        Why::Unreadable => {
            "Not used: the browser cannot read it. Copy it to this device, then open it again."
        }
        Why::Damaged => "Not used: the file is damaged. Ask for it once more.",
        Why::Learngene => {
            "Not used: it was taught on another learngene. Open it in the gallery it was taught in."
        }
        Why::TooNew => "Not used: a newer version wrote it. Load this page again, then open it again.",
        Why::NoRoom => "Not used: this browser has no room to keep it. Make room under “On this device”.",
    }
}

/// Says how far reading is, or what came of it.
pub fn status(room: &Classroom) -> String {
    if let Some((files, at)) = &room.reading {
        let name = files.get(*at).map_or("", |file| &file.name);
        return format!("Reading {} of {}: {name}", (at + 1).min(files.len()), files.len());
    }
    if room.opened.is_empty() {
        return match room.members.len() {
            0 => "No class of your own yet.".to_owned(),
            n => format!("{} of your own on this device.", count(n, "class", "classes")),
        };
    }
    let number = |test: fn(&Joined) -> bool| room.opened.iter().filter(|(_, joined)| test(joined)).count();
    let new = number(|joined| matches!(joined, Joined::New { .. }));
    let known = number(|joined| matches!(joined, Joined::Known(_)));
    let refused = room.opened.len() - new - known;
    let mut said = format!("{}: {new} joined", count(room.opened.len(), "file", "files"));
    if known > 0 {
        said += &format!(", {known} here already");
    }
    if refused > 0 {
        said += &format!(", {refused} not used");
    }
    let left = match room.left {
        0 => String::new(),
        left => format!(" {} more were too many at once.", count(left, "file", "files")),
    };
    format!("{said}. {} together.{left}", count(room.members.len(), "class", "classes"))
}

/// Says how many of the classes are drawn, where it is not all of them.
pub fn most(room: &Classroom) -> Option<String> {
    let all = room.members.len();
    (all > MOST_IMAGES).then(|| format!("The first {MOST_IMAGES} of {all} are drawn at once."))
}

/// Says what was saved, and what to do with it.
pub fn saved(room: &Classroom) -> Option<String> {
    let (file, classes, bytes) = room.saved.as_ref()?;
    let classes = count(*classes as usize, "class", "classes");
    Some(format!(
        "{file} has {classes}, {}. Unzip it into a folder of a web server, then open it with ?gallery= and the \
         folder's address. Nobody has signed it.",
        megabytes(*bytes)
    ))
}

/// The note that lies in the gallery.
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
