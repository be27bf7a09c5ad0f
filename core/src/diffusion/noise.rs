//! Counter-based Gaussian noise, so that one seed gives one image on every backend.
//!
//! The bits come from ChaCha with 8 rounds (`rand_chacha`), keyed by seed and stream; the Box–Muller
//! transform runs in `f64` through `libm`, so no platform's own `ln` or `cos` takes part. The test
//! vectors below are part of the format: a change of any value changes every published seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The purpose of a series of random numbers. The streams of one seed never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The noise an image starts from.
    Start,
    /// The noise that a stochastic sampler adds after the step with this number.
    Step(u32),
    /// The diffusion times of the training step with this number.
    Times(u32),
    /// The noise that is added to the images of the training step with this number.
    Noise(u32),
    /// The choice of images that lose their class in the training step with this number.
    Dropout(u32),
    /// The choice of images that the training step with this number mirrors.
    Flip(u32),
    /// The choice of images that learn a step in the training step with this number, of how far it goes
    /// and where it begins.
    Shortcuts(u32),
    /// The order of all images in the epoch with this number.
    Images(u32),
    /// The order in which classes take turns in the round with this number.
    Classes(u32),
    /// The order of one class's images in the epoch with this number.
    ClassImages {
        /// The class's number.
        class: u32,
        /// The epoch's number, which counts passes over the class's images.
        epoch: u32,
    },
    /// The initial values of the learngene's tensor with this number.
    Learngene(u32),
    /// The initial values of the tensor with this number, where the tensors of all tailors are
    /// numbered one after the other.
    Tailor(u32),
    /// The initial values of the tensor with this number of those that a method trains beside a
    /// network's own.
    Adapter(u32),
    /// The choice of images that an evaluation holds out from its classifier.
    HeldOut,
    /// The order of images in the epoch with this number, in training an evaluation's classifier.
    ClassifierImages(u32),
    /// The initial values of the tensor with this number of an evaluation's classifier.
    Classifier(u32),
    /// The images of the resample with this number, where a figure's interval is found by the bootstrap.
    Resample(u32),
    /// The order of samples before they are split for an Inception Score.
    Splits,
    /// What is drawn for the image with this number, counted over all steps, where a class is taught:
    /// in part 0 how it is moved, in part 1 its time, in part 2 its noise, in part 3 whether it learns a
    /// step, and which.
    Taught {
        /// What is drawn.
        part: u8,
        /// The image's number.
        image: u64,
    },
}

impl Stream {
    fn words(self) -> [u32; 3] {
        match self {
            Stream::Start => [0, 0, 0],
            Stream::Step(step) => [1, step, 0],
            Stream::Times(step) => [2, 0, step],
            Stream::Noise(step) => [2, 1, step],
            Stream::Dropout(step) => [2, 2, step],
            Stream::Images(epoch) => [2, 3, epoch],
            Stream::Flip(step) => [2, 4, step],
            Stream::Classes(round) => [2, 5, round],
            Stream::ClassImages { class, epoch } => [2, 6 + class, epoch],
            Stream::Learngene(tensor) => [3, tensor, 0],
            // A learngene has fewer tensors than that.
            Stream::Tailor(tensor) => [3, 1_000_000 + tensor, 0],
            Stream::Adapter(tensor) => [5, tensor, 0],
            Stream::Shortcuts(step) => [7, 0, step],
            Stream::HeldOut => [4, 0, 0],
            Stream::ClassifierImages(epoch) => [4, 1, epoch],
            Stream::Classifier(tensor) => [4, 2, tensor],
            Stream::Resample(number) => [4, 3, number],
            Stream::Splits => [4, 4, 0],
            // A lesson has fewer than 2^40 images.
            Stream::Taught { part, image } => {
                [6 + (u32::from(part) << 8), image as u32, (image >> 32) as u32]
            }
        }
    }
}

/// Makes a generator whose values depend on `seed` and `stream` alone.
pub fn generator(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    for (slot, word) in key[8..20].chunks_exact_mut(4).zip(stream.words()) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    key[20..32].copy_from_slice(b"tailor-noise");
    ChaCha8Rng::from_seed(key)
}

/// Draws a uniform value in `[0, 1)` with 53 random bits.
pub fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Draws `n` independent standard normal values of one seed and stream.
pub fn standard_normal(seed: u64, stream: Stream, n: usize) -> Vec<f32> {
    let mut rng = generator(seed, stream);
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        // 1 − u lies in (0, 1], where the logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - uniform(&mut rng)));
        let angle = std::f64::consts::TAU * uniform(&mut rng);
        values.push((radius * libm::cos(angle)) as f32);
        values.push((radius * libm::sin(angle)) as f32);
    }
    values.truncate(n);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_streams_are_the_same() {
        let of = |number: u32| {
            let numbered = [
                Stream::Step,
                Stream::Times,
                Stream::Noise,
                Stream::Dropout,
                Stream::Flip,
                Stream::Shortcuts,
                Stream::Images,
                Stream::Classes,
                Stream::Learngene,
                Stream::Tailor,
                Stream::Adapter,
                Stream::ClassifierImages,
                Stream::Classifier,
                Stream::Resample,
            ];
            let classes = (0..200).map(move |class| Stream::ClassImages { class, epoch: number });
            numbered.into_iter().map(move |stream| stream(number)).chain(classes)
        };
        let taught = |part| (0..200).map(move |image| Stream::Taught { part, image });
        let streams = (0..200).flat_map(of).chain([Stream::Start, Stream::HeldOut, Stream::Splits]);
        let streams = streams.chain((0..4).flat_map(taught));
        let words: Vec<_> = streams.map(Stream::words).collect();
        let different: std::collections::BTreeSet<_> = words.iter().collect();
        assert_eq!(different.len(), words.len());
    }

    #[test]
    fn noise_is_standard_normal() {
        let values = standard_normal(1, Stream::Start, 200_000);
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let variance = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 0.01, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.01, "variance {variance}");
    }

    #[test]
    fn streams_of_one_seed_differ_and_prefixes_agree() {
        let long = standard_normal(7, Stream::Start, 9);
        assert_eq!(long[..4], standard_normal(7, Stream::Start, 4));
        assert_ne!(long, standard_normal(7, Stream::Step(0), 9));
        assert_ne!(long, standard_normal(8, Stream::Start, 9));
    }

    /// Bit patterns, computed by another program from the definitions of ChaCha and Box–Muller.
    #[test]
    fn published_seeds_keep_their_noise_bit_for_bit() {
        let vectors: [(u64, Stream, [u32; 8]); 3] = [
            (
                0,
                Stream::Start,
                [
                    0xbf11e132, 0xbf4d537f, 0xbfa3fbfb, 0x3e9499cf, 0x3ebcdbcf, 0xbf007446, 0xbf3c4909,
                    0xbe82682b,
                ],
            ),
            (
                7,
                Stream::Start,
                [
                    0xbf83b343, 0xbf616efb, 0x3e4b8c3c, 0xbe26727e, 0xbf74442b, 0x3fa60b70, 0xbf305722,
                    0xbe250fc2,
                ],
            ),
            (
                u64::MAX,
                Stream::Step(3),
                [
                    0xbf5f2774, 0x3f960972, 0x3f9503a1, 0x3e3382e9, 0x3ec80645, 0x3f47572b, 0x3f11aa86,
                    0xbf264d05,
                ],
            ),
        ];
        for (seed, stream, expected) in vectors {
            let found = standard_normal(seed, stream, 8);
            assert_eq!(found.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), expected, "{seed} {stream:?}");
        }
    }
}
