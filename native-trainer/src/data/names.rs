//! Class ids and names from folder names, with letters named as Unicode names them.

/// The longest class id.
const MAX_ID: usize = 64;

/// The id of a class whose folder is called `folder`: lower case, `[a-z0-9_-]{1,64}`.
///
/// A single letter or digit gets its Unicode name, so that `A` and `a` stay apart. `None` when
/// nothing of the name can be kept.
pub fn class_id(folder: &str) -> Option<String> {
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
    id.truncate(MAX_ID);
    (!id.is_empty()).then_some(id)
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

/// The letter or digit that `folder` names, for example `A` for `latin-capital-a`,
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
        .filter(|c| c.is_alphanumeric())
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
}
