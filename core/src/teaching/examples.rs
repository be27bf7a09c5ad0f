//! The pictures of a class that is being taught, and how they are moved a little each time.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tailor_packs::ModelConfig;

use super::TeachingError;
use crate::diffusion::noise::uniform;

/// The pictures of one class, as bytes, which any program can give and keep exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examples {
    shape: [usize; 3],
    /// `[N, C, H, W]`, 0 to 255.
    bytes: Vec<u8>,
}

/// How far a picture is moved at most each time it is shown. Each movement is drawn evenly between
/// both ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moves {
    /// To every side, as a part of the picture's side.
    pub shift: f32,
    /// Larger or smaller by this part, across and down each by its own.
    pub scale: f32,
    /// To the left or to the right, in degrees.
    pub turn: f32,
    /// Slanted sideways by this part of the height.
    pub slant: f32,
    /// Whether every second picture is mirrored left to right.
    pub mirror: bool,
}

impl Moves {
    /// Pictures as they are.
    pub const NONE: Self = Self { shift: 0.0, scale: 0.0, turn: 0.0, slant: 0.0, mirror: false };
}

impl Examples {
    /// The most examples in one lesson.
    pub const MOST: usize = 1000;

    /// Takes the pictures `[N, C, H, W]` of one class, in bytes from 0 for the value -1 to 255 for 1.
    ///
    /// # Errors
    /// [`TeachingError`] for bytes of another shape, and for pictures that are too few, too many or
    /// all the same.
    pub fn new(config: &ModelConfig, bytes: Vec<u8>) -> Result<Self, TeachingError> {
        let side = config.image_size as usize;
        let shape = [config.channels as usize, side, side];
        let image: usize = shape.iter().product();
        if !bytes.len().is_multiple_of(image) {
            return Err(TeachingError::Shape { found: bytes.len(), image });
        }
        let found = bytes.len() / image;
        match found {
            0 | 1 => return Err(TeachingError::TooFew { found }),
            _ if found > Self::MOST => return Err(TeachingError::TooMany { found }),
            _ => {}
        }
        let mut images = bytes.chunks_exact(image);
        let first = images.next();
        if images.all(|other| Some(other) == first) {
            return Err(TeachingError::AllEqual);
        }
        Ok(Self { shape, bytes })
    }

    /// Returns the number of pictures.
    #[allow(clippy::len_without_is_empty, reason = "there are always two or more")]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.image_len()
    }

    /// Returns the number of values of one picture, `C·H·W`.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns all pictures as bytes `[N, C, H, W]`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns picture number `i` as values `[C, H, W]` in `[-1, 1]`.
    pub fn values(&self, i: usize) -> Vec<f32> {
        let n = self.image_len();
        self.bytes[i * n..][..n].iter().map(|&byte| value(byte)).collect()
    }

    /// Returns picture number `i`, moved as `rng` draws within `moves`, as values `[C, H, W]`.
    ///
    /// Between pixels a value is interpolated in both directions. Beyond the picture's edge goes on
    /// what is on the edge, so a drawing's background stays what it is.
    pub fn moved(&self, i: usize, moves: &Moves, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut draw = |most: f32| (2.0 * uniform(rng) - 1.0) * f64::from(most);
        let (right, down) = (draw(moves.shift), draw(moves.shift));
        let (wider, higher) = (1.0 + draw(moves.scale), 1.0 + draw(moves.scale));
        let (turn, slant) = (draw(moves.turn).to_radians(), draw(moves.slant));
        let mirrored = uniform(rng) < 0.5 && moves.mirror;
        let (sin, cos) = (libm::sin(turn), libm::cos(turn));
        let flip = if mirrored { -1.0 } else { 1.0 };
        let [channels, height, width] = self.shape;
        let plane = height * width;
        let pixels = &self.bytes[i * self.image_len()..][..self.image_len()];
        let (middle_y, middle_x) = ((height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0);
        let mut out = vec![0.0; pixels.len()];
        for y in 0..height {
            for x in 0..width {
                // Where the pixel comes from: the movement backwards, about the picture's middle.
                let (dx, dy) =
                    (x as f64 - middle_x - right * width as f64, y as f64 - middle_y - down * height as f64);
                let (dx, dy) = (cos * dx + sin * dy, cos * dy - sin * dx);
                let (dx, dy) = (flip * (dx + slant * dy) / wider, dy / higher);
                let from_x = (middle_x + dx).clamp(0.0, width as f64 - 1.0);
                let from_y = (middle_y + dy).clamp(0.0, height as f64 - 1.0);
                let (left, top) = (from_x as usize, from_y as usize);
                let (part_x, part_y) = ((from_x - left as f64) as f32, (from_y - top as f64) as f32);
                let (beside, below) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
                for c in 0..channels {
                    let at = |y: usize, x: usize| value(pixels[c * plane + y * width + x]);
                    let upper = at(top, left) + (at(top, beside) - at(top, left)) * part_x;
                    let lower = at(below, left) + (at(below, beside) - at(below, left)) * part_x;
                    out[c * plane + y * width + x] = upper + (lower - upper) * part_y;
                }
            }
        }
        out
    }
}

fn value(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::noise::{Stream, generator};

    fn config() -> ModelConfig {
        ModelConfig { channels: 3, ..ModelConfig::preset("tiny").unwrap() }
    }

    fn noise(config: &ModelConfig, count: usize) -> Vec<u8> {
        let n = (config.channels * config.image_size * config.image_size) as usize;
        let mut rng = generator(1, Stream::Start);
        (0..count * n).map(|_| (uniform(&mut rng) * 256.0) as u8).collect()
    }

    #[test]
    fn pictures_that_cannot_teach_are_refused_in_words() {
        let config = config();
        let all = noise(&config, 2);
        let one = &all[..all.len() / 2];
        let refused = |bytes: &[u8]| Examples::new(&config, bytes.to_vec()).unwrap_err();
        assert_eq!(refused(&[]), TeachingError::TooFew { found: 0 });
        assert_eq!(refused(one), TeachingError::TooFew { found: 1 });
        assert_eq!(refused(&[one, one, one].concat()), TeachingError::AllEqual);
        assert!(matches!(refused(&all[1..]), TeachingError::Shape { .. }));
        assert_eq!(refused(&one.repeat(1001)), TeachingError::TooMany { found: 1001 });
        assert_eq!(Examples::new(&config, all.clone()).unwrap().len(), 2);
    }

    #[test]
    fn pictures_that_are_not_moved_stay_as_they_are() {
        let config = config();
        let examples = Examples::new(&config, noise(&config, 3)).unwrap();
        let moved = examples.moved(2, &Moves::NONE, &mut generator(3, Stream::Start));
        assert_eq!(moved, examples.values(2));
    }

    #[test]
    fn a_shift_goes_to_every_side_and_the_background_comes_in_from_the_edge() {
        let config = ModelConfig { channels: 1, ..config() };
        let side = config.image_size as usize;
        // A bright dot in the middle of a grey picture, and one that differs.
        let mut bytes = vec![51; 2 * side * side];
        bytes[side * side / 2 + side / 2] = 255;
        let examples = Examples::new(&config, bytes).unwrap();
        let moves = Moves { shift: 0.25, ..Moves::NONE };
        let mut rng = generator(1, Stream::Start);
        let (mut least, mut most) = (side, 0);
        for _ in 0..200 {
            let moved = examples.moved(0, &moves, &mut rng);
            assert!(moved.iter().all(|v| *v >= value(51) - 1e-6), "nothing darker than the picture comes in");
            let brightest = (0..moved.len()).max_by(|a, b| moved[*a].total_cmp(&moved[*b])).unwrap();
            (least, most) = (least.min(brightest % side), most.max(brightest % side));
        }
        let (quarter, middle) = (side / 4, side / 2);
        assert!(least <= middle - quarter + 1 && least + 1 >= middle - quarter, "{least}");
        assert!(most + 1 >= middle + quarter && most <= middle + quarter + 1, "{most}");
    }

    #[test]
    fn about_half_of_the_pictures_are_mirrored_where_that_is_allowed() {
        let config = ModelConfig { channels: 1, ..config() };
        let examples = Examples::new(&config, noise(&config, 2)).unwrap();
        let side = config.image_size as usize;
        let mut mirror = examples.values(0);
        mirror.chunks_exact_mut(side).for_each(<[f32]>::reverse);
        let count = |allowed| {
            let mut rng = generator(2, Stream::Start);
            let moves = Moves { mirror: allowed, ..Moves::NONE };
            let is_mirrored = |_: &u32| {
                let moved = examples.moved(0, &moves, &mut rng);
                moved.iter().zip(&mirror).all(|(a, b)| (a - b).abs() < 1e-5)
            };
            (0..200).filter(is_mirrored).count()
        };
        assert_eq!(count(false), 0);
        assert!((70..130).contains(&count(true)), "{}", count(true));
    }
}
