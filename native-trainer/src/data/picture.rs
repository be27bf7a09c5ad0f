//! One picture: what kind of file it is in, whether the file is whole, and what becomes of it.
//!
//! The kind is told by the content, since endings are often wrong. A file that ends early, or whose end was
//! never written, is refused: decoders fill what is missing with grey, and a model would learn that.

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, imageops::FilterType};

use super::Options;
use crate::system::output::one_line;

/// Endings of files that are read whatever they hold: one that cannot be read is named.
const READABLE: [&str; 13] =
    ["png", "apng", "jpg", "jpeg", "jpe", "jif", "jfif", "pjpeg", "pjp", "webp", "bmp", "dib", "gif"];

/// Endings of files that are images all the same: they are skipped, but never silently.
const OTHER_IMAGES: [&str; 21] = [
    "tif", "tiff", "avif", "heic", "heif", "jxl", "svg", "ppm", "pgm", "pbm", "pnm", "pam", "tga", "ico",
    "jp2", "hdr", "exr", "psd", "dng", "cr2", "nef",
];

/// Endings of what lies beside images and is none; its content is not looked at.
const NEVER: [&str; 28] = [
    "txt", "md", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "html", "htm", "pdf", "py",
    "ipynb", "npy", "npz", "pt", "pth", "db", "ini", "log", "zip", "tar", "gz", "mp4", "mov", "caption",
];

/// What an ending says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A format that is read.
    Readable,
    /// Another image, or nothing that is known: the content tells.
    Unsure,
    /// No image.
    Never,
}

impl Ending {
    pub(super) fn of(path: &Path) -> Self {
        match ending(path).as_str() {
            ending if READABLE.contains(&ending) => Self::Readable,
            ending if NEVER.contains(&ending) => Self::Never,
            _ => Self::Unsure,
        }
    }
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// What the beginning of a file says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A picture of a format that is read.
    Picture,
    /// A picture that is not read, with the reason.
    Left(String),
    /// No picture.
    Nothing,
}

/// Bytes at a file's beginning that tell what it is.
pub(super) const HEAD: u64 = 32;

/// What the file at `path`, which begins with `head`, holds.
pub(super) fn look(path: &Path, head: &[u8]) -> Found {
    let ending = ending(path);
    match kind(head) {
        Some(Kind::Read(_)) => Found::Picture,
        Some(Kind::Other(name)) => Found::Left(format!("{name} files are not read")),
        None if OTHER_IMAGES.contains(&ending.as_str()) => {
            Found::Left(format!(".{ending} files are not read"))
        }
        None => Found::Nothing,
    }
}

/// What a file begins like.
enum Kind {
    /// An image that is read.
    Read(ImageFormat),
    /// An image that is not read, by its format's name.
    Other(&'static str),
}

fn kind(head: &[u8]) -> Option<Kind> {
    let brand = head.get(4..12).unwrap_or_default();
    if let Some(brand) = brand.strip_prefix(b"ftyp")
        && [b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"].iter().any(|known| *known == brand)
    {
        return Some(Kind::Other("HEIC"));
    }
    if head.starts_with(b"\xff\x0a") || head.starts_with(b"\0\0\0\x0cJXL ") {
        return Some(Kind::Other("JPEG XL"));
    }
    if head.starts_with(b"\0\0\0\x0cjP  ") {
        return Some(Kind::Other("JPEG 2000"));
    }
    if head.starts_with(b"8BPS") {
        return Some(Kind::Other("PSD"));
    }
    Some(match image::guess_format(head).ok()? {
        format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::WebP) => {
            Kind::Read(format)
        }
        // Two letters are too few to tell: the length of the second header is one of a few numbers.
        ImageFormat::Bmp
            if matches!(head.get(14..18), Some(&[12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])) =>
        {
            Kind::Read(ImageFormat::Bmp)
        }
        ImageFormat::Bmp => return None,
        ImageFormat::Pnm if head.get(2).is_none_or(|byte| !byte.is_ascii_whitespace()) => return None,
        ImageFormat::Pnm => Kind::Other("PNM"),
        ImageFormat::Tiff => Kind::Other("TIFF"),
        ImageFormat::Avif => Kind::Other("AVIF"),
        ImageFormat::Ico => Kind::Other("ICO"),
        ImageFormat::Dds => Kind::Other("DDS"),
        ImageFormat::Hdr => Kind::Other("Radiance HDR"),
        ImageFormat::OpenExr => Kind::Other("OpenEXR"),
        ImageFormat::Qoi => Kind::Other("QOI"),
        _ => return None,
    })
}

/// Bytes of one image file: of a larger one no more than these are read.
pub(super) const MAX_FILE: u64 = 64 << 20;

/// All bytes of an image file, if they are not too many.
pub(super) fn whole(reader: &mut dyn Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| one_line(&error.to_string()).into_owned())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
    }
    Ok(bytes)
}

/// Longest side of a picture, in pixels: larger ones are refused before anything is allocated.
const MAX_SIDE: u32 = 1 << 15;

/// Bytes of the pixels of one picture, in whatever form its file has them, and of all pictures that are being
/// decoded at a time: large ones wait for each other. Decoding takes about three times as much for a moment.
const MAX_PIXELS: u64 = 512 << 20;

/// What the pictures that are being decoded take, in bytes.
static HELD: Mutex<u64> = Mutex::new(0);
static LESS_HELD: Condvar = Condvar::new();

/// A part of [`MAX_PIXELS`], given back when it is dropped.
struct Held(u64);

impl Held {
    /// Waits until there is room for `bytes`, at most [`MAX_PIXELS`].
    fn take(bytes: u64) -> Self {
        let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |held: &mut u64| *held > 0 && *held + bytes > MAX_PIXELS;
        let mut held = LESS_HELD.wait_while(held, full).unwrap_or_else(PoisonError::into_inner);
        *held += bytes;
        Self(bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *HELD.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        LESS_HELD.notify_all();
    }
}

/// The picture in a file's `bytes` as an image of a data set, or why there is none.
///
/// # Shapes
/// `[C, S, S]`.
pub(super) fn read(bytes: &[u8], options: &Options) -> Result<Vec<u8>, String> {
    let format = match kind(bytes) {
        Some(Kind::Read(format)) => format,
        Some(Kind::Other(name)) => return Err(format!("{name} files are not read")),
        None if bytes.is_empty() => return Err("it is empty".to_owned()),
        None if bytes.iter().all(|byte| *byte == 0) => return Err("it holds nothing but zeros".to_owned()),
        None => return Err("it is no PNG, JPEG, WebP, BMP or GIF file".to_owned()),
    };
    if !is_whole(bytes, format) {
        return Err("it ends early: a part of the picture is missing".to_owned());
    }
    let words = |error: ImageError| one_line(&error.to_string()).into_owned();
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(2 * MAX_PIXELS);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(words)?;
    let ((width, height), pixels) = (decoder.dimensions(), decoder.total_bytes());
    if pixels > MAX_PIXELS {
        let (found, allowed) = (pixels >> 20, MAX_PIXELS >> 20);
        return Err(format!("its {width} × {height} pixels take {found} MiB, more than {allowed} MiB"));
    }
    let _held = Held::take(pixels);
    let orientation = decoder.orientation().map_err(words)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(words)?;
    picture.apply_orientation(orientation);
    let mut image = vec![0; options.image_len()];
    fit(&picture, options.channels, options.size, &mut image);
    Ok(image)
}

/// Whether a file goes on to its end, where its decoder would not notice.
fn is_whole(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Jpeg => jpeg_is_whole(bytes),
        ImageFormat::WebP => webp_is_whole(bytes),
        // The others' decoders miss what is missing.
        _ => true,
    }
}

/// Whether the mark at the end of a JPEG picture is there. It is looked for marker by marker, since a
/// thumbnail in the headers has such a mark of its own. What follows it, as in some cameras' files, is no part
/// of the picture. A file that was filled up with zeros has no mark either.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const SCAN: u8 = 0xda;
    const END: u8 = 0xd9;
    let mut seen_scan = false;
    let mut rest = bytes;
    // In a scan, 0xff is followed by zero, or by one of the marks that divide it.
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 1 | 0xff | 0xd0..=0xd8);
    while let Some(at) = rest.windows(2).position(is_marker) {
        let marker = rest[at + 1];
        if marker == END {
            return seen_scan;
        }
        seen_scan |= marker == SCAN;
        rest = &rest[at + 2..];
        let length = rest.first_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// Whether a WebP file is as long as it says, and made of chunks up to there; the rest of one that was filled
/// up with zeros is none. A chunk of pixels does not end in many zeros.
fn webp_is_whole(bytes: &[u8]) -> bool {
    /// More than any encoder leaves.
    const ZEROS: usize = 64;
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let Some(said) = number(4) else { return false };
    let end = (said as usize).saturating_add(8);
    let mut at = 12;
    while at < end {
        let (Some(name), Some(length)) = (bytes.get(at..at + 4), number(at + 4)) else { return false };
        let after = (at + 8).saturating_add(length as usize);
        let Some(content) = bytes.get(at + 8..after) else { return false };
        let pixels = matches!(name, b"VP8 " | b"VP8L" | b"ANMF");
        let zeros = content.iter().rev().take_while(|byte| **byte == 0).count();
        if !name.iter().all(|byte| matches!(byte, b' '..=b'~')) || pixels && zeros >= ZEROS {
            return false;
        }
        // The byte that makes a length even is counted by all writers, but not written by all of them.
        at = after.next_multiple_of(2);
    }
    true
}

/// Cuts, resizes and converts a picture into one image of a data set; see the module's head.
///
/// # Shapes
/// `out`: `[C, S, S]`.
pub(super) fn fit(picture: &DynamicImage, channels: usize, size: usize, out: &mut [u8]) {
    let side = picture.width().min(picture.height());
    let (left, top) = ((picture.width() - side) / 2, (picture.height() - side) / 2);
    let mut square = picture.crop_imm(left, top, side, side);
    if square.color().has_alpha() {
        let mut over_white = square.to_rgba8();
        for pixel in over_white.pixels_mut() {
            let alpha = u32::from(pixel.0[3]);
            for value in &mut pixel.0[..3] {
                *value = ((u32::from(*value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
            }
            pixel.0[3] = 255;
        }
        square = over_white.into();
    }
    if side as usize != size {
        square = square.resize_exact(size as u32, size as u32, FilterType::Triangle);
    }
    if channels == 1 {
        out.copy_from_slice(square.to_luma8().as_raw());
    } else {
        let plane = size * size;
        for (i, pixel) in square.to_rgb8().pixels().enumerate() {
            for (channel, &value) in pixel.0.iter().enumerate() {
                out[channel * plane + i] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
    use image::{ExtendedColorType, GrayImage, ImageEncoder, Luma, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    const OPTIONS: Options = Options::of(3, 48);

    fn fitted(picture: impl Into<DynamicImage>, channels: usize, size: usize) -> Vec<u8> {
        let mut out = vec![0; channels * size * size];
        fit(&picture.into(), channels, size, &mut out);
        out
    }

    #[test]
    fn an_image_of_the_right_size_is_kept_byte_for_byte() {
        let picture = GrayImage::from_fn(4, 4, |x, y| Luma([(x * 16 + y) as u8]));
        assert_eq!(fitted(picture.clone(), 1, 4), picture.into_raw());
    }

    #[test]
    fn a_wide_image_gives_its_centre() {
        let picture = GrayImage::from_fn(9, 3, |x, _| Luma([if (3..6).contains(&x) { 200 } else { 0 }]));
        assert_eq!(fitted(picture.clone(), 1, 3), [200; 9]);
        assert_eq!(fitted(picture, 1, 2), [200; 4]);
    }

    #[test]
    fn a_colour_image_becomes_three_planes() {
        let picture = RgbaImage::from_pixel(2, 2, Rgba([10, 20, 30, 255]));
        assert_eq!(fitted(picture, 3, 2), [10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30]);
    }

    #[test]
    fn transparent_parts_become_white() {
        let picture = RgbaImage::from_pixel(2, 2, Rgba([0, 0, 0, 0]));
        assert_eq!(fitted(picture, 1, 2), [255; 4]);
    }

    /// A picture that no encoder makes small, without a dark or a flat part.
    fn noisy() -> RgbImage {
        RgbImage::from_fn(48, 48, |x, y| {
            let noise = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 8;
            Rgb([(noise % 128 + 64) as u8, (noise / 128 % 128 + 64) as u8, (noise / 16_384 % 128 + 64) as u8])
        })
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        noisy().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A file of each format and kind, two of them made by `fixtures/make.py`: the image crate writes neither.
    fn files() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("png", encoded(ImageFormat::Png)),
            ("gif", encoded(ImageFormat::Gif)),
            ("bmp", encoded(ImageFormat::Bmp)),
            ("lossless webp", encoded(ImageFormat::WebP)),
            ("lossy webp", include_bytes!("fixtures/lossy.webp").to_vec()),
            ("baseline jpeg", encoded(ImageFormat::Jpeg)),
            ("progressive jpeg", include_bytes!("fixtures/progressive.jpg").to_vec()),
        ]
    }

    #[test]
    fn a_file_that_ends_early_is_left_out_wherever_it_ends() {
        for (name, whole) in files() {
            let image = read(&whole, &OPTIONS).unwrap_or_else(|reason| panic!("{name}: {reason}"));
            for length in (0..whole.len()).step_by(7).chain(whole.len().saturating_sub(20)..whole.len()) {
                // What only lacks an end mark is all there, and may be read.
                if let Ok(cut) = read(&whole[..length], &OPTIONS) {
                    assert!(cut == image, "{name} cut to {length} of {} bytes", whole.len());
                }
            }
        }
    }

    #[test]
    fn a_file_that_was_filled_up_with_zeros_is_left_out() {
        // A BMP file has neither an end mark nor a digest: zeros in it are black.
        for (name, whole) in files().into_iter().filter(|(name, _)| *name != "bmp") {
            let image = read(&whole, &OPTIONS).unwrap();
            for length in (0..whole.len() - 64).step_by(7) {
                let mut filled = whole[..length].to_vec();
                filled.resize(whole.len(), 0);
                if let Ok(filled) = read(&filled, &OPTIONS) {
                    assert!(filled == image, "{name} zeroed from {length} of {} bytes", whole.len());
                }
            }
        }
    }

    #[test]
    fn no_altered_byte_makes_reading_panic() {
        for (_, whole) in files() {
            for at in 0..whole.len().min(1500) {
                let mut bytes = whole.clone();
                bytes[at] ^= 0xff;
                let _ = read(&bytes, &OPTIONS);
            }
        }
    }

    #[test]
    fn what_follows_a_picture_and_a_thumbnail_in_it_do_no_harm() {
        let mut thumbnail = Vec::new();
        JpegEncoder::new(&mut thumbnail).encode_image(&RgbImage::new(8, 8)).unwrap();
        let mut whole = encoded(ImageFormat::Jpeg);
        let segment = [&b"\xff\xe1"[..], &(thumbnail.len() as u16 + 2).to_be_bytes(), &thumbnail].concat();
        whole.splice(2..2, segment);
        let image = read(&whole, &OPTIONS).unwrap();
        assert!(read(&whole[..whole.len() / 2], &OPTIONS).unwrap_err().contains("ends early"));
        whole.extend(b"what a camera writes behind its picture");
        assert!(read(&whole, &OPTIONS).unwrap() == image);
    }

    #[test]
    fn a_picture_too_large_for_memory_is_left_out_whatever_its_format() {
        // Each claims 16 000 × 16 000 pixels or more, in a file of a few bytes or kilobytes.
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(&[0; 8], 1, 1, ExtendedColorType::Rgba16).unwrap();
        png[16..24].copy_from_slice(&[0, 0, 0x3e, 0x80, 0, 0, 0x3e, 0x80]);
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        let mut bmp = encoded(ImageFormat::Bmp);
        bmp[18..26].copy_from_slice(&[0x80, 0x3e, 0, 0, 0x80, 0x3e, 0, 0]);
        let mut gif = encoded(ImageFormat::Gif);
        gif[6..10].copy_from_slice(&[0x80, 0x3e, 0x80, 0x3e]);
        let mut jpeg = encoded(ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0x3e, 0x80, 0x3e, 0x80]);
        let mut webp = Vec::new();
        WebPEncoder::new_lossless(&mut webp).encode(&[0; 4], 1, 1, ExtendedColorType::Rgba8).unwrap();
        // 14 bits each of width and height, less one, after the signature of the lossless form.
        let (side, at) = (15_999_u32, 21);
        let bits = u32::from_le_bytes(webp[at..at + 4].try_into().unwrap()) & !0xfff_ffff | side | side << 14;
        webp[at..at + 4].copy_from_slice(&bits.to_le_bytes());
        for (name, bytes) in [("png", png), ("bmp", bmp), ("gif", gif), ("jpeg", jpeg), ("webp", webp)] {
            let reason = read(&bytes, &OPTIONS).unwrap_err();
            assert!(reason.contains("16000 × 16000 pixels take"), "{name}: {reason}");
        }
    }

    /// As PNG has it; slow and short.
    fn crc32(bytes: &[u8]) -> u32 {
        let step = |crc: u32, byte: &u8| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
        };
        !bytes.iter().fold(!0, step)
    }

    #[test]
    fn pictures_that_are_decoded_at_a_time_share_one_bound() {
        let half = Held::take(MAX_PIXELS / 2);
        let waiting = std::thread::spawn(|| drop(Held::take(MAX_PIXELS)));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(half);
        waiting.join().unwrap();
    }

    #[test]
    fn a_format_is_told_by_the_content() {
        assert_eq!(look(Path::new("a.HEIC"), &encoded(ImageFormat::Jpeg)[..32]), Found::Picture);
        assert_eq!(look(Path::new("a"), &encoded(ImageFormat::Bmp)[..32]), Found::Picture);
        for (name, head, said) in [
            ("a.tiff", &b""[..], ".tiff files"),
            ("a.dat", b"II*\0", "TIFF files"),
            ("a", b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC files"),
            ("a.pgm", b"P5 4 4 255 ", "PNM files"),
        ] {
            assert!(
                matches!(look(Path::new(name), head), Found::Left(reason) if reason.starts_with(said)),
                "{name}"
            );
        }
        for (name, head) in
            [("BMW", &b"BM is no header"[..]), ("Makefile", b"all:"), ("P1", b"P100 is a name")]
        {
            assert_eq!(look(Path::new(name), head), Found::Nothing, "{name}");
        }
    }
}
