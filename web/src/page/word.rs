//! Turns a typed text into letters of the gallery, line by line.

use crate::protocol::Gallery;

/// The most letters in a line. Longer lines are wrapped.
const LINE: usize = 10;

/// What stands at one place of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The letter of the class with this id.
    Letter(String),
    /// A space.
    Gap,
    /// A sign of which the gallery has no class.
    Missing(String),
}

/// Tells whether words can be typed in the gallery: the names of most of its classes are single
/// characters, and all of them are known.
pub fn spells(gallery: &Gallery) -> bool {
    let single = gallery.classes.iter().filter(|class| class.name.chars().count() == 1).count();
    !gallery.more && single > gallery.classes.len() / 2
}

/// Reads a text.
pub fn signs(gallery: &Gallery, text: &str) -> Vec<Sign> {
    let sign = |cluster: String| {
        if cluster.trim().is_empty() {
            return Sign::Gap;
        }
        match gallery.named(&cluster) {
            Some(class) => Sign::Letter(class.id.clone()),
            None => Sign::Missing(cluster),
        }
    };
    clusters(&composed(text)).into_iter().map(sign).collect()
}

/// Lays signs out in lines of at most [`LINE`]. Wraps between words where it can.
pub fn lines(signs: &[Sign]) -> Vec<Vec<Sign>> {
    let mut lines: Vec<Vec<Sign>> = vec![Vec::new()];
    for word in signs.split(|sign| *sign == Sign::Gap).filter(|word| !word.is_empty()) {
        for (n, part) in word.chunks(LINE).enumerate() {
            let line = lines.len() - 1;
            let gap = usize::from(!lines[line].is_empty());
            if n > 0 || lines[line].len() + gap + part.len() > LINE && gap > 0 {
                lines.push(part.to_vec());
            } else {
                lines[line].extend((0..gap).map(|_| Sign::Gap));
                lines[line].extend(part.iter().cloned());
            }
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// Lists the different signs of a text that the gallery has no class for.
pub fn missing(gallery: &Gallery, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for sign in signs(gallery, text) {
        if let Sign::Missing(sign) = sign
            && !found.contains(&sign)
        {
            found.push(sign);
        }
    }
    found
}

/// Splits a text into what people see as one sign: a character with the marks that belong to it,
/// and the emoji that are joined of several.
fn clusters(text: &str) -> Vec<String> {
    const JOINER: char = '\u{200d}';
    let is_flag = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    let mut clusters: Vec<String> = Vec::new();
    for c in text.chars() {
        let belongs = |last: &String| {
            belongs_to_the_last(c)
                || last.ends_with(JOINER)
                || (is_flag(c) && last.chars().count() == 1 && last.chars().all(is_flag))
        };
        match clusters.last_mut() {
            Some(last) if belongs(last) => last.push(c),
            _ => clusters.push(c.to_string()),
        }
    }
    clusters
}

/// Tells whether a character is a mark on the one before it.
fn belongs_to_the_last(c: char) -> bool {
    matches!(u32::from(c),
        0x300..=0x36f | 0x1ab0..=0x1aff | 0x200d | 0x20d0..=0x20ff | 0xfe00..=0xfe0f
        | 0x1f3fb..=0x1f3ff | 0xe0020..=0xe007f)
}

/// Writes letters and their marks as one character where there is one.
fn composed(text: &str) -> String {
    // The browser has the table, so the page need not bring its own.
    #[cfg(target_arch = "wasm32")]
    return js_sys::JsString::from(text).normalize("NFC").into();
    #[cfg(not(target_arch = "wasm32"))]
    text.to_owned()
}
