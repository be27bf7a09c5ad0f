//! Samples and statistics in files of NumPy (`.npz`), in the layout of ADM's evaluation suite.

use std::io::{self, Write};
use std::path::Path;

use tailor_core::diffusion::images::Images;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::frechet::Gaussian;
use crate::system::files::WriteError;
use crate::system::grid::{npy_header, to_pixel};
use crate::system::output;

/// Images as bytes, a quarter of what their values take.
#[derive(Clone, Debug, Default)]
pub struct Pixels {
    /// `[N, C, H, W]`
    shape: [usize; 4],
    bytes: Vec<u8>,
}

impl Pixels {
    /// Adds images of the same size, with values in `[-1, 1]`.
    pub fn extend(&mut self, images: &Images) {
        let [b, c, h, w] = images.shape;
        self.shape = [self.shape[0] + b, c, h, w];
        self.bytes.extend(images.values.iter().map(|value| to_pixel(*value)));
    }
}

/// Writes `images` as the suite reads them: one array `arr_0`, `[N, H, W, 3]` of bytes. A grey image has three
/// equal channels there. `statistics` come beside them under the names that the suite and `pytorch-fid` look
/// for: mean and covariance of the features as `mu` and `sigma`, of the spatial features as `mu_s` and
/// `sigma_s`. The suite takes these for its own network's: give it those of Inception-v3 only.
///
/// # Errors
/// [`WriteError`] names the file.
pub fn write(
    path: &Path,
    images: &Pixels,
    statistics: Option<(&Gaussian, &Gaussian)>,
) -> Result<(), WriteError> {
    let [n, c, h, w] = images.shape;
    output::write_with(path, |file| {
        let mut zip = ZipWriter::new_stream(file);
        let pixel = |at: usize| {
            let (i, y, x, channel) = (at / (h * w * 3), at / (w * 3) % h, at / 3 % w, at % 3);
            images.bytes[((i * c + channel.min(c - 1)) * h + y) * w + x]
        };
        array(&mut zip, "arr_0", "|u1", &[n, h, w, 3], (0..n * h * w * 3).map(|at| [pixel(at)]))?;
        if let Some((features, spatial)) = statistics {
            for (gaussian, ending) in [(features, ""), (spatial, "_s")] {
                let d = gaussian.mean().len();
                let mean = gaussian.mean().iter().map(|value| value.to_le_bytes());
                let cells = (0..d * d).map(|at| gaussian.covariance(at / d, at % d).to_le_bytes());
                array(&mut zip, &format!("mu{ending}"), "<f8", &[d], mean)?;
                array(&mut zip, &format!("sigma{ending}"), "<f8", &[d, d], cells)?;
            }
        }
        zip.finish().map_err(io::Error::from)?.flush()
    })
}

/// Adds one array in C order, of values of the type `kind`.
fn array<W: Write + io::Seek, const BYTES: usize>(
    zip: &mut ZipWriter<W>,
    name: &str,
    kind: &str,
    shape: &[usize],
    mut values: impl Iterator<Item = [u8; BYTES]>,
) -> io::Result<()> {
    // An array of 50,000 images of 256 × 256 is larger than the four gigabytes of a plain entry.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    zip.start_file(format!("{name}.npy"), options)?;
    // The zip is slow at single bytes.
    let mut buffered = io::BufWriter::new(zip);
    buffered.write_all(&npy_header(kind, shape))?;
    values.try_for_each(|value| buffered.write_all(&value))?;
    buffered.flush()
}
