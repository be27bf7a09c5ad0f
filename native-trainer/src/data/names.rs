//! Class ids and names from folder names, with letters named as Unicode names them.

use std::ops::RangeInclusive;

use tailor_packs::{Class, Digest, PackError};

use crate::system::output::one_line;

/// Why no class can have a name.
#[derive(Debug, thiserror::Error)]
#[error("{}", one_line(&format!("no class can be called {name:?}: {reason}")))]
pub struct NameError {
    /// The name.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl NameError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        "choose another name; a folder of data is renamed"
    }
}

/// Characters that make a black flag that of a region.
const TAGS: RangeInclusive<char> = '\u{e0020}'..='\u{e007e}';

/// The longest class id.
const MAX_ID: usize = 64;

/// The id of a class whose folder is called `folder`: lower case, `[a-z0-9_-]{1,64}`.
///
/// A single letter or digit gets its Unicode name, so that `A` and `a` stay apart, and so does any other
/// character of which nothing else could be kept. `None` when nothing of the name can be kept.
pub fn class_id(folder: &str) -> Option<String> {
    // The flags of England and of Wales differ by their tags alone.
    if folder.chars().any(|c| TAGS.contains(&c)) {
        return symbol_id(folder);
    }
    let mut letters = folder.chars();
    let id = match (letters.next(), letters.next()) {
        (Some(c), None) if c.is_alphanumeric() => character_id(c),
        _ => None,
    };
    // An id that is one already stays as it is, underscores included.
    let is_id = |s: &str| s.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    let mut id = match id {
        Some(id) => id,
        None if is_id(folder) => folder.to_owned(),
        None => slug::slugify(folder),
    };
    if id.is_empty() {
        return symbol_id(folder);
    }
    id.truncate(MAX_ID);
    Some(id)
}

/// The id of a sign or an emoji, which may consist of several characters: `+` is `plus-sign`.
fn symbol_id(name: &str) -> Option<String> {
    if name.chars().count() > 1 && name.is_ascii() {
        // `!!!` is no name of anything.
        return None;
    }
    let (mut id, mut region) = (String::new(), String::new());
    for c in name.chars() {
        match c {
            c if TAGS.contains(&c) => {
                // A tag is an ASCII character moved to another place.
                region.extend(u8::try_from(u32::from(c) & 0x7f).map(char::from));
            }
            // What only joins or chooses a form has no name of its own.
            '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{e007f}' => continue,
            c => id = format!("{id}-{}", slug::slugify(character_id(c)?)),
        }
    }
    let mut id = slug::slugify(format!("{id}-{region}"));
    if id.len() > MAX_ID {
        // Two long names that begin alike stay apart.
        let digest = Digest::of(name.as_bytes()).to_string();
        id.truncate(MAX_ID - 9);
        id = format!("{}-{}", id.trim_end_matches('-'), &digest[..8]);
    }
    (!id.is_empty()).then_some(id)
}

/// The class of this name, if a gallery can have it.
///
/// # Errors
/// [`NameError`] with what is wrong with the name.
pub fn class(name: &str) -> Result<Class, NameError> {
    let id = class_id(name).ok_or_else(|| refused(name, "no id can be made of it"))?;
    check(&id, &class_name(name))
}

/// The class of this id and name, if a gallery can have it. This one answer holds for `train` and `train-tailor`,
/// before their first step, and for `publish`.
///
/// # Errors
/// [`NameError`] with what is wrong with the name.
pub fn check(id: &str, name: &str) -> Result<Class, NameError> {
    let class = Class { id: id.to_owned(), name: name.to_owned(), wordnet: None };
    match class.check() {
        Ok(()) => Ok(class),
        // The rest of the error speaks of a pack, and there is none yet.
        Err(PackError::ManifestInvalid { reason }) => Err(refused(name, &reason)),
        Err(error) => Err(refused(name, &error.to_string())),
    }
}

fn refused(name: &str, reason: &str) -> NameError {
    NameError { name: name.to_owned(), reason: reason.to_owned() }
}

/// The name to show for a class whose folder is called `folder`.
pub fn class_name(folder: &str) -> String {
    named_character(folder).map_or_else(|| folder.to_owned(), String::from)
}

/// The id of a character's class: its Unicode name in lower case with hyphens and without the word
/// "letter", for example `latin-capital-a` or `digit-eight`.
pub fn character_id(c: char) -> Option<String> {
    let name = unicode_names2::name(c)?.to_string().to_ascii_lowercase();
    let words = name.split(' ').filter(|&word| word != "letter");
    Some(words.collect::<Vec<_>>().join("-"))
}

/// The letter, digit or sign that `folder` names, for example `A` for `latin-capital-a`,
/// `latin_capital_letter_a` or `LATIN CAPITAL LETTER A`.
pub fn named_character(folder: &str) -> Option<char> {
    let upper = folder.to_uppercase();
    let words: Vec<&str> = upper.split(['-', '_', ' ']).filter(|word| !word.is_empty()).collect();
    // One word alone may be an ordinary class ("SNAKE" is the name of a character too).
    let (&[script, case], rest) = words.split_first_chunk::<2>()?;
    let as_is = words.join(" ");
    let with_letter = format!("{script} {case} LETTER {}", rest.join(" "));
    let without_case = format!("{script} LETTER {}", words[1..].join(" "));
    [as_is, with_letter, without_case]
        .iter()
        .find_map(|name| unicode_names2::character(name))
        .filter(|c| c.is_alphanumeric() || c.is_ascii_punctuation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_keeps_its_case_in_its_id_and_comes_back_by_name() {
        for (c, id) in [
            ('A', "latin-capital-a"),
            ('a', "latin-small-a"),
            ('8', "digit-eight"),
            ('ς', "greek-small-final-sigma"),
            ('Ъ', "cyrillic-capital-hard-sign"),
            ('あ', "hiragana-a"),
        ] {
            assert_eq!(class_id(&c.to_string()).as_deref(), Some(id));
            assert_eq!(class_name(id), c.to_string());
        }
        assert_eq!(class_name("LATIN CAPITAL LETTER A"), "A");
    }

    #[test]
    fn an_ordinary_name_is_shown_as_it_is() {
        for name in ["cat", "snake", "roman numeral", "T-shirt/top", "n01440764", "hot dog"] {
            assert_eq!(class_name(name), name);
        }
    }

    #[test]
    fn every_id_is_short_plain_ascii() {
        for (name, id) in [
            ("Ankle boot", "ankle-boot"),
            ("T-shirt/top", "t-shirt-top"),
            ("already_an-id", "already_an-id"),
            ("Größe", "grosse"),
        ] {
            assert_eq!(class_id(name).as_deref(), Some(id));
        }
        assert_eq!(class_id(&"x".repeat(99)).map(|id| id.len()), Some(MAX_ID));
        assert_eq!(class_id("!!!"), None);
    }

    #[test]
    fn signs_emoji_and_flags_have_ids_and_names() {
        for (name, id) in [
            ("!", "exclamation-mark"),
            ("+", "plus-sign"),
            ("=", "equals-sign"),
            ("🇩🇪", "de"),
            ("🇩🇰", "dk"),
            ("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}", "waving-black-flag-gbeng"),
        ] {
            assert_eq!(class(name).unwrap().id, id);
        }
        assert_eq!(class_name("plus-sign"), "+");
        // A family of three joined by U+200D, a pilot with a skin tone, the flags of England and of Wales.
        for name in [
            "👨\u{200d}👩\u{200d}👧",
            "👩🏽\u{200d}✈\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
            "❤\u{fe0f}",
            "می\u{200c}خواهم",
        ] {
            let class = class(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((class.name.as_str(), tailor_packs::manifest::is_id(&class.id)), (name, true));
        }
    }

    #[test]
    fn a_name_that_shows_nothing_or_turns_the_text_is_refused() {
        for name in
            ["\u{200e}cat", "\u{200b}cat", "cat\u{202e}", "a\nb", "\u{1b}[2J", "cat\u{e0067}", "", " ", "!!!"]
        {
            let error = class(name).unwrap_err().to_string();
            assert!(
                error.starts_with("no class can be called") && !error.contains(['\n', '\u{202e}']),
                "{error}"
            );
        }
        assert!(class(&"x".repeat(201)).is_err());
    }
}
