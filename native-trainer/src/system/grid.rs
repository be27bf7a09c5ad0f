//! Images out: a grid for people, an `.npy` array for programs.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use tailor_core::diffusion::images::Images;

use super::files::{WriteError, write_atomic};
use super::output::{self, shown};

/// Brightness of the lines between the images of a grid.
const LINE: u8 = 40;

/// Why images cannot become a picture.
#[derive(Debug, thiserror::Error)]
pub enum GridError {
    /// The array's length is not what its shape says, or an axis is empty.
    #[error("{found} values are no images of shape {shape:?}")]
    Shape {
        /// Number of values.
        found: usize,
        /// `[B, C, H, W]` as given.
        shape: [usize; 4],
    },
    /// Only grey and colour images can be drawn.
    #[error("an image of {0} channels cannot be drawn; 1 (grey) and 3 (RGB) can")]
    Channels(usize),
    /// The picture is larger than a file of a picture should be.
    #[error("a picture of {0} × {1} pixels is too large")]
    TooLarge(usize, usize),
    /// The name's ending is that of another kind of file.
    #[error("{}: pictures are not written as .{ending}", shown(path))]
    Ending {
        /// The file that was to be written.
        path: PathBuf,
        /// The ending of its name.
        ending: String,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl GridError {
    /// What the user can do about it, where the message does not say it already.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Ending { .. } => Some("end the name in .png, .jpg, .webp or .bmp"),
            Self::Write(error) => Some(error.help()),
            Self::Shape { .. } | Self::Channels(_) | Self::TooLarge(..) => None,
        }
    }
}

/// Longest side of a grid, in pixels: what every format can hold.
const MAX_SIDE: usize = (1 << 14) - 1;

/// Pixels of a grid.
const MAX_AREA: usize = 1 << 26;

/// The largest scale at which a grid is drawn.
const MAX_SCALE: usize = 4;

/// How the images of several classes and seeds are laid out, in one picture or in several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Images side by side.
    pub columns: usize,
    /// Images one below the other in one picture.
    pub rows: usize,
    /// Side of the square that is drawn for a pixel.
    pub scale: usize,
    /// Number of pictures.
    pub pictures: usize,
}

impl Layout {
    /// The layout for `classes` × `seeds` images, those of one seed side by side. One class, or more classes
    /// than a picture is wide, fill a square instead. Images are drawn as large as one picture allows.
    ///
    /// # Shapes
    /// `image`: `[C, H, W]`.
    ///
    /// # Errors
    /// [`GridError::Channels`], or [`GridError::TooLarge`] for an image that is no picture's size by itself.
    pub fn of(classes: usize, seeds: usize, image: [usize; 3]) -> Result<Self, GridError> {
        let [c, h, w] = image;
        if !matches!(c, 1 | 3) {
            return Err(GridError::Channels(c));
        }
        let fits = |columns: usize, rows: usize, scale: usize| {
            let (width, height) = (side(w, columns, scale), side(h, rows, scale));
            width.max(height) <= MAX_SIDE && width.saturating_mul(height) <= MAX_AREA
        };
        if !fits(1, 1, 1) {
            return Err(GridError::TooLarge(w, h));
        }
        let images = classes.saturating_mul(seeds).max(1);
        let root = images.isqrt();
        let square = root + usize::from(root * root < images);
        let wanted = if classes > 1 && fits(classes, 1, 1) { classes } else { square };
        let columns = (1..=wanted).rev().find(|columns| fits(*columns, 1, 1)).unwrap_or(1);
        let rows = images.div_ceil(columns);
        if let Some(scale) = (1..=MAX_SCALE).rev().find(|scale| fits(columns, rows, *scale)) {
            return Ok(Self { columns, rows, scale, pictures: 1 });
        }
        let rows = (1..=rows).rev().find(|rows| fits(columns, *rows, 1)).unwrap_or(1);
        Ok(Self { columns, rows, scale: 1, pictures: images.div_ceil(columns * rows) })
    }
}

/// Pixels of `count` images of `side` pixels with a line around each.
fn side(side: usize, count: usize, scale: usize) -> usize {
    side.saturating_mul(scale).saturating_add(1).saturating_mul(count).saturating_add(1)
}

/// The format of a picture's file, by the ending of its name: PNG unless it says otherwise.
///
/// # Errors
/// [`GridError::Ending`] for an ending of another kind of file.
pub fn format_of(path: &Path) -> Result<ImageFormat, GridError> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        None | Some("png") => Ok(ImageFormat::Png),
        Some("jpg" | "jpeg") => Ok(ImageFormat::Jpeg),
        Some("webp") => Ok(ImageFormat::WebP),
        Some("bmp") => Ok(ImageFormat::Bmp),
        Some(other) => Err(GridError::Ending { path: path.to_owned(), ending: other.to_owned() }),
    }
}

/// The file of picture number `number` of several: `grid.png`, `grid-2.png` and so on.
pub fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}", number + 1));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

/// A pixel from a value in [−1, 1]; values outside are clamped, and NaN becomes black.
pub fn to_pixel(value: f32) -> u8 {
    ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8
}

/// Draws `images` row by row with one line between them and returns a PNG.
///
/// `columns` images stand in a row, each pixel is drawn `scale` × `scale`.
///
/// # Shapes
/// `images`: `[B, C, H, W]` as `shape` says, values in [−1, 1], `C` 1 or 3.
///
/// # Errors
/// [`GridError`] when shape and values disagree, for other channel counts and for huge pictures.
pub fn grid_png(
    images: &[f32],
    shape: [usize; 4],
    columns: usize,
    scale: usize,
) -> Result<Vec<u8>, GridError> {
    grid(images, shape, columns, scale, ImageFormat::Png)
}

/// As [`grid_png`], in one of the formats of [`format_of`].
///
/// # Errors
/// As [`grid_png`].
pub fn grid(
    images: &[f32],
    shape: [usize; 4],
    columns: usize,
    scale: usize,
    format: ImageFormat,
) -> Result<Vec<u8>, GridError> {
    let [b, c, h, w] = shape;
    let values = shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
    if values != Some(images.len()) || images.is_empty() {
        return Err(GridError::Shape { found: images.len(), shape });
    }
    let columns = columns.clamp(1, b);
    let scale = scale.max(1);
    let (width, height) = (side(w, columns, scale), side(h, b.div_ceil(columns), scale));
    if width.max(height) > MAX_SIDE {
        return Err(GridError::TooLarge(width, height));
    }
    let (cell_w, cell_h) = (w * scale + 1, h * scale + 1);
    // The value under a pixel, or None on a line or in an empty last cell.
    let value = |x: u32, y: u32, channel: usize| -> u8 {
        let (x, y) = (x as usize, y as usize);
        let index = (y / cell_h) * columns + x / cell_w;
        if x % cell_w == 0 || y % cell_h == 0 || index >= b || x / cell_w >= columns {
            return LINE;
        }
        let (row, column) = ((y % cell_h - 1) / scale, (x % cell_w - 1) / scale);
        to_pixel(images[((index * c + channel) * h + row) * w + column])
    };
    encoded((width, height), c, format, value)
}

/// Whether a film of so many frames of so many images, each `[C, H, W]`, is no larger than a picture can be.
///
/// # Errors
/// [`GridError::TooLarge`] says how large it would be.
pub fn film_fits(frames: usize, images: usize, [_, h, w]: [usize; 3]) -> Result<(), GridError> {
    let (width, height) = (w.saturating_mul(frames), h.saturating_mul(images));
    match width.max(height) <= MAX_SIDE && width.saturating_mul(height) <= MAX_AREA {
        true => Ok(()),
        false => Err(GridError::TooLarge(width, height)),
    }
}

/// Draws the steps of a batch as one strip without lines: a row for each image, and a column for each
/// step. Values are rounded to 16 levels, which makes the file a fraction of its size.
///
/// # Shapes
/// `frames`: one `[B, C, H, W]` for each step, values in [−1, 1].
///
/// # Errors
/// As [`grid_png`].
pub fn film(frames: &[Images], format: ImageFormat) -> Result<Vec<u8>, GridError> {
    let [b, c, h, w] = frames.first().map_or([0; 4], |frame| frame.shape);
    if frames.is_empty() || frames.iter().any(|f| f.shape != [b, c, h, w] || f.values.len() != b * c * h * w)
    {
        return Err(GridError::Shape { found: frames.len(), shape: [b, c, h, w] });
    }
    film_fits(frames.len(), b, [c, h, w])?;
    let (width, height) = (w * frames.len(), h * b);
    let value = |x: u32, y: u32, channel: usize| -> u8 {
        let (x, y) = (x as usize, y as usize);
        let pixel = ((y / h * c + channel) * h + y % h) * w + x % w;
        to_pixel(frames[x / w].values[pixel]).saturating_add(8) / 17 * 17
    };
    encoded((width, height), c, format, value)
}

/// Encodes a picture of `c` channels, of which `value` gives the byte at `(x, y)` and channel.
fn encoded(
    (width, height): (usize, usize),
    c: usize,
    format: ImageFormat,
    value: impl Fn(u32, u32, usize) -> u8,
) -> Result<Vec<u8>, GridError> {
    let size = (width as u32, height as u32);
    let picture = match c {
        1 => DynamicImage::from(GrayImage::from_fn(size.0, size.1, |x, y| Luma([value(x, y, 0)]))),
        3 => DynamicImage::from(RgbImage::from_fn(size.0, size.1, |x, y| {
            Rgb([value(x, y, 0), value(x, y, 1), value(x, y, 2)])
        })),
        _ => return Err(GridError::Channels(c)),
    };
    let mut file = Cursor::new(Vec::new());
    // Writing into memory fails only for sizes that the callers refuse.
    picture.write_to(&mut file, format).map_err(|_| GridError::TooLarge(width, height))?;
    Ok(file.into_inner())
}

/// Writes the picture of [`grid_png`] to `path`, atomically.
///
/// # Errors
/// As [`grid_png`], and [`GridError::Write`].
pub fn save_grid(
    path: &Path,
    images: &[f32],
    shape: [usize; 4],
    columns: usize,
    scale: usize,
) -> Result<(), GridError> {
    Ok(write_atomic(path, &grid_png(images, shape, columns, scale)?)?)
}

/// Writes `values` as a NumPy array file, format 1.0: little-endian `f32` in C order. `-` is standard output.
///
/// # Errors
/// [`WriteError`] names the file.
///
/// # Panics
/// When `values` is not as long as `shape` says: that is a mistake of the caller, not of input.
pub fn save_npy(path: &Path, shape: &[usize], values: &[f32]) -> Result<(), WriteError> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "shape {shape:?} does not fit the values");
    output::write_with(path, |file| {
        file.write_all(&npy_header("<f4", shape))?;
        values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
    })
}

/// The header of a NumPy array in C order, format 1.0, whose values have the type `kind`, as in `<f4`.
pub(crate) fn npy_header(kind: &str, shape: &[usize]) -> Vec<u8> {
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let mut words = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({axes}), }}");
    // NumPy wants magic (6), version (2), length (2) and header, ended by a newline, to fill 64-byte units.
    let padding = (64 - (10 + words.len() + 1) % 64) % 64;
    words.extend(std::iter::repeat_n(' ', padding));
    words.push('\n');
    [b"\x93NUMPY\x01\x00", &(words.len() as u16).to_le_bytes()[..], words.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_shows_each_image_in_its_place() {
        // Three grey 1×2 images in two columns: black-white, white-black, grey-grey.
        let images = [-1.0, 1.0, 1.0, -1.0, 0.0, 0.0];
        let png = grid_png(&images, [3, 1, 1, 2], 2, 2).unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_luma8();
        assert_eq!(picture.dimensions(), (11, 7));
        let at = |x, y| picture.get_pixel(x, y).0[0];
        assert_eq!((at(1, 1), at(2, 2), at(3, 1), at(6, 1), at(8, 1)), (0, 0, 255, 255, 0));
        assert_eq!((at(1, 4), at(6, 4), at(0, 0)), (128, LINE, LINE));
    }

    #[test]
    fn many_seeds_of_one_class_make_a_square_and_several_classes_a_column_each() {
        let layout = |classes, seeds, image| Layout::of(classes, seeds, image).unwrap();
        let of = |columns, rows, scale, pictures| Layout { columns, rows, scale, pictures };
        assert_eq!(layout(1, 1, [1, 32, 32]), of(1, 1, 4, 1));
        assert_eq!(layout(1, 8, [1, 32, 32]), of(3, 3, 4, 1));
        assert_eq!(layout(1, 9, [1, 32, 32]), of(3, 3, 4, 1));
        assert_eq!(layout(1, 130, [1, 32, 32]), of(12, 11, 4, 1));
        assert_eq!(layout(2, 3, [1, 32, 32]), of(2, 3, 4, 1));
        assert_eq!(layout(62, 1, [1, 32, 32]), of(62, 1, 4, 1));
        // Larger ones are drawn smaller, then in several pictures, and what is too wide is wrapped.
        assert_eq!(layout(2, 200, [1, 32, 32]), of(2, 200, 2, 1));
        assert_eq!(layout(2, 10_000, [3, 32, 32]), of(2, 496, 1, 21));
        assert_eq!(layout(1000, 1, [1, 32, 32]), of(32, 32, 4, 1));
    }

    #[test]
    fn every_layout_is_drawn() {
        for (classes, seeds, side) in [(1, 7, 2), (1, 10_000, 3), (400, 2, 40), (3, 5000, 4), (9, 1, 8000)] {
            let layout = Layout::of(classes, seeds, [1, side, side]).unwrap();
            assert!(layout.pictures * layout.columns * layout.rows >= classes * seeds, "{layout:?}");
            let images = (classes * seeds).min(layout.columns * layout.rows);
            if images * side * side < 1 << 24 {
                grid_png(
                    &vec![0.0; images * side * side],
                    [images, 1, side, side],
                    layout.columns,
                    layout.scale,
                )
                .unwrap();
            }
        }
        assert!(matches!(Layout::of(1, 1, [4, 8, 8]), Err(GridError::Channels(4))));
        assert!(matches!(Layout::of(1, 1, [1, 20_000, 20_000]), Err(GridError::TooLarge(..))));
    }

    #[test]
    fn a_picture_is_of_the_format_that_its_name_says() {
        for (name, format) in [
            ("a.jpg", ImageFormat::Jpeg),
            ("a.JPEG", ImageFormat::Jpeg),
            ("a.webp", ImageFormat::WebP),
            ("a.bmp", ImageFormat::Bmp),
            ("a", ImageFormat::Png),
            ("-", ImageFormat::Png),
        ] {
            let asked = format_of(Path::new(name)).unwrap();
            for channels in [1, 3] {
                let bytes = grid(&vec![0.0; channels * 4], [1, channels, 2, 2], 1, 1, asked).unwrap();
                assert_eq!((image::guess_format(&bytes).unwrap(), asked), (format, format), "{name}");
            }
        }
        assert!(format_of(Path::new("a.tiff")).is_err());
        assert_eq!(numbered(Path::new("b/a.x.png"), 1), Path::new("b/a.x-2.png"));
    }

    #[test]
    fn a_grid_of_four_channels_is_refused() {
        assert!(matches!(grid_png(&[0.0; 4], [1, 4, 1, 1], 1, 1), Err(GridError::Channels(4))));
    }

    #[test]
    fn values_that_do_not_fill_the_shape_are_refused() {
        assert!(matches!(grid_png(&[0.0; 3], [1, 1, 2, 2], 1, 1), Err(GridError::Shape { found: 3, .. })));
        assert!(matches!(grid_png(&[], [0, 1, 2, 2], 1, 1), Err(GridError::Shape { .. })));
    }

    #[test]
    fn values_outside_the_range_and_nan_still_make_a_pixel() {
        assert_eq!([to_pixel(-2.0), to_pixel(0.0), to_pixel(2.0), to_pixel(f32::NAN)], [0, 128, 255, 0]);
    }

    #[test]
    fn an_npy_file_has_an_aligned_header_and_every_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        save_npy(&path, &[1, 3], &[1.0, -2.0, 0.5]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + header) % 64, 0);
        assert!(String::from_utf8_lossy(&bytes[10..10 + header]).contains("'shape': (1, 3, )"));
        let values: Vec<f32> =
            bytes[10 + header..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(values, [1.0, -2.0, 0.5]);
    }
}
