//! Rules for ids and names, which become file names, addresses and words on a page.

use crate::error::shorten;
use crate::limits;

/// Returns whether `id` is a stable id, `[a-z0-9_-]{1,64}`.
pub fn is_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    !id.is_empty() && id.len() as u64 <= limits::ID && id.bytes().all(allowed)
}

/// Returns whether `name` can be the name of a class or the title of a gallery: 1 to 200 bytes of
/// UTF-8 text that can be printed.
pub fn is_name(name: &str) -> bool {
    check_name("name", name).is_ok()
}

pub(crate) fn check_id(what: &str, id: &str) -> std::result::Result<(), String> {
    if is_id(id) {
        return Ok(());
    }
    Err(format!("{what} {:?} is not 1 to {} characters out of a-z, 0-9, _ and -", shorten(id), limits::ID))
}

pub(crate) fn check_name(what: &str, name: &str) -> std::result::Result<(), String> {
    let printable =
        !name.trim().is_empty() && !without_flags(name).any(|c| c.is_control() || is_invisible(c));
    if printable && name.len() as u64 <= limits::NAME {
        return Ok(());
    }
    Err(format!("{what} {:?} is not 1 to {} printable bytes", shorten(name), limits::NAME))
}

/// Returns the characters of `name` without the tags that make a black flag that of a region, such
/// as England's. Such tags show nothing themselves, but they tell one flag from another.
fn without_flags(name: &str) -> impl Iterator<Item = char> {
    let mut rest = name.chars();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        if c == '\u{1f3f4}' {
            let mut after = rest.clone();
            let tags = after
                .by_ref()
                .take_while(|c| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}'));
            // The take ends with the tag that ends the sequence, or there is none.
            let count = tags.count();
            if (3..=6).contains(&count) && rest.clone().nth(count) == Some('\u{e007f}') {
                rest = after;
            }
        }
        Some(c)
    })
}

/// Returns whether a character shows nothing, or turns the direction of the text beside it, so that
/// two names would look alike. The joiners U+200C and U+200D are not among these, since scripts and
/// emoji need them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}
