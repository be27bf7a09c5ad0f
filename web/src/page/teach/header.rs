//! Width and height of a picture file, by its first bytes, so that one that is too large is refused
//! before the browser decodes it.

/// How many of a file's first bytes to look at. A JPEG's size stands behind its metadata.
pub const LOOK: usize = 1 << 18;

/// Returns width and height of a PNG, JPEG, GIF, WebP or BMP; `None` for anything else.
pub fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let little = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let short = |at: usize| Some(u32::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some((big(16)?, big(20)?));
    }
    if bytes.starts_with(b"GIF8") {
        return Some((short(6)?, short(8)?));
    }
    if bytes.starts_with(b"BM") {
        return Some((little(18)?, (little(22)? as i32).unsigned_abs()));
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12)? == b"WEBP" {
        return match bytes.get(12..16)? {
            b"VP8X" => Some(((little(24)? & 0xff_ffff) + 1, (little(27)? & 0xff_ffff) + 1)),
            b"VP8L" => {
                let both = little(21)?;
                Some(((both & 0x3fff) + 1, (both >> 14 & 0x3fff) + 1))
            }
            _ => Some((short(26)? & 0x3fff, short(28)? & 0x3fff)),
        };
    }
    if bytes.starts_with(b"\xff\xd8") {
        return jpeg(bytes);
    }
    None
}

/// Walks through the segments of a JPEG to the one that has its size.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let short = |at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let mut at = 2;
    while *bytes.get(at)? == 0xff {
        match *bytes.get(at + 1)? {
            0xff => at += 1,
            0xc4 | 0xc8 | 0xcc => at += 2 + usize::from(short(at + 2)?),
            0xc0..=0xcf => return Some((u32::from(short(at + 7)?), u32::from(short(at + 5)?))),
            0x01 | 0xd0..=0xd9 => at += 2,
            _ => at += 2 + usize::from(short(at + 2)?),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_each_kind_of_file_is_read_from_its_head() {
        let png =
            [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &10_000u32.to_be_bytes(), &9u32.to_be_bytes()].concat();
        assert_eq!(size(&png), Some((10_000, 9)));
        assert_eq!(size(b"GIF89a\x05\0\x06\0"), Some((5, 6)));
        let mut bmp = b"BM".to_vec();
        bmp.extend([0; 16]);
        bmp.extend(7i32.to_le_bytes());
        bmp.extend((-8i32).to_le_bytes());
        assert_eq!(size(&bmp), Some((7, 8)));
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc4\0\x03x\xff\xc2\0\x11\x08\0\x20\0\x40";
        assert_eq!(size(jpeg), Some((64, 32)));
        let extended = b"RIFF....WEBPVP8X........\x1f\0\0\x0f\0\0\0";
        assert_eq!(size(extended), Some((32, 16)));
        let lossless = b"RIFF....WEBPVP8L....\x2f\x1f\xc0\x03\x00";
        assert_eq!(size(lossless), Some((32, 16)));
        let lossy = b"RIFF....WEBPVP8 ....\0\0\0\x9d\x01\x2a\x20\0\x10\0";
        assert_eq!(size(lossy), Some((32, 16)));
    }

    #[test]
    fn what_is_no_picture_and_what_ends_early_has_no_size() {
        let all: [&[u8]; 6] =
            [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\x04", b"RIFF....WEBP", b"BM"];
        assert!(all.iter().all(|bytes| size(bytes).is_none()));
        // A segment of no length does not lead in a circle.
        assert_eq!(size(b"\xff\xd8\xff\xe0\0\0\xff\xe0\0\0"), None);
    }
}
