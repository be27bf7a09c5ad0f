//! Images out: a PNG grid for people, an `.npy` array for programs.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};

use crate::files::{WriteError, write_atomic, write_atomic_with};

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
    /// The picture is larger than a PNG should be.
    #[error("a picture of {0} × {1} pixels is too large; ask for fewer images or a smaller scale")]
    TooLarge(usize, usize),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Longest side of a grid, in pixels.
const MAX_SIDE: usize = 1 << 14;

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
    let [b, c, h, w] = shape;
    let values = shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
    if values != Some(images.len()) || images.is_empty() {
        return Err(GridError::Shape { found: images.len(), shape });
    }
    let columns = columns.clamp(1, b);
    let scale = scale.max(1);
    let (cell_w, cell_h) = (w.saturating_mul(scale) + 1, h.saturating_mul(scale) + 1);
    let width = columns.saturating_mul(cell_w) + 1;
    let height = b.div_ceil(columns).saturating_mul(cell_h) + 1;
    if width.max(height) > MAX_SIDE {
        return Err(GridError::TooLarge(width, height));
    }
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
    let (width, height) = (width as u32, height as u32);
    let picture = match c {
        1 => DynamicImage::from(GrayImage::from_fn(width, height, |x, y| Luma([value(x, y, 0)]))),
        3 => DynamicImage::from(RgbImage::from_fn(width, height, |x, y| {
            Rgb([value(x, y, 0), value(x, y, 1), value(x, y, 2)])
        })),
        _ => return Err(GridError::Channels(c)),
    };
    let mut png = Cursor::new(Vec::new());
    // Writing PNG into memory fails only for sizes refused above.
    picture
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|_| GridError::TooLarge(width as usize, height as usize))?;
    Ok(png.into_inner())
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

/// Writes `values` as a NumPy array file, format 1.0: little-endian `f32` in C order.
///
/// # Errors
/// [`WriteError`] names the file.
///
/// # Panics
/// When `values` is not as long as `shape` says: that is a mistake of the caller, not of input.
pub fn save_npy(path: &Path, shape: &[usize], values: &[f32]) -> Result<(), WriteError> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "shape {shape:?} does not fit the values");
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({axes}), }}");
    // NumPy wants magic (6), version (2), length (2) and header, ended by a newline, to fill 64-byte units.
    let padding = (64 - (10 + header.len() + 1) % 64) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    write_atomic_with(path, |file| {
        use std::io::Write;
        file.write_all(b"\x93NUMPY\x01\x00")?;
        file.write_all(&(header.len() as u16).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
    })
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
