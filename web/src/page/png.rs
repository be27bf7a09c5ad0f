//! The settings inside a saved picture: a `tEXt` chunk of PNG.

/// The chunk's keyword.
const KEYWORD: &[u8] = b"tailor\0";
/// The signature of a PNG, and the length of its first chunk, which must come first.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const HEADER: usize = 8 + 25;

/// Writes what a picture was made with as one text: the gallery's address, and the link.
pub fn settings(gallery: &str, hash: &str) -> String {
    format!("{gallery}{hash}")
}

/// Reads the address and the link of [`settings`].
pub fn parse(text: &str) -> Option<(String, String)> {
    let (gallery, hash) = text.split_once('#')?;
    Some((gallery.to_owned(), format!("#{hash}")))
}

/// Puts a text into a PNG. A file that is no PNG stays as it is.
pub fn write(file: &[u8], text: &str) -> Vec<u8> {
    let mut out = file.to_vec();
    if file.starts_with(SIGNATURE) && file.len() >= HEADER {
        let content = [b"tEXt", KEYWORD, text.as_bytes()].concat();
        let length = (content.len() - 4) as u32;
        let chunk = [&length.to_be_bytes()[..], &content, &crc(&content).to_be_bytes()].concat();
        out.splice(HEADER..HEADER, chunk);
    }
    out
}

/// Returns the text that [`write`] put into a PNG.
pub fn read(file: &[u8]) -> Option<String> {
    let mut rest = file.strip_prefix(SIGNATURE)?;
    loop {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let kind = rest.get(4..8)?;
        let content = rest.get(8..)?.get(..length)?;
        if kind == b"tEXt"
            && let Some(text) = content.strip_prefix(KEYWORD)
        {
            return String::from_utf8(text.to_vec()).ok();
        }
        rest = rest.get(length.checked_add(12)?..)?;
    }
}

/// The checksum of PNG's chunks (ISO 3309, Annex D of the PNG specification).
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest picture: one black pixel.
    const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\
        \0\0\0\x0aIDAT\x78\x9c\x63\x60\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xae\x42\x60\x82";

    #[test]
    fn a_text_that_was_put_into_a_picture_is_found_there_again() {
        let text = settings("https://example.org/letters/", "#v=1&word=%C3%A9");
        let file = write(PIXEL, &text);
        assert_eq!(read(&file).as_deref(), Some(&*text));
        let expected = ("https://example.org/letters/".to_owned(), "#v=1&word=%C3%A9".to_owned());
        assert_eq!(parse(&text), Some(expected));
        assert_eq!(file.len(), PIXEL.len() + 12 + KEYWORD.len() + text.len());
        assert_eq!(read(PIXEL), None);
    }

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(crc(b"IEND"), 0xae42_6082);
    }

    #[test]
    fn a_file_that_is_cut_or_no_picture_is_read_without_harm() {
        let file = write(PIXEL, "text#x");
        for length in 0..file.len() {
            read(&file[..length]);
        }
        assert_eq!(write(b"GIF89a", "text"), b"GIF89a");
        assert_eq!(read(&[SIGNATURE, &[255; 40]].concat()), None);
    }
}
