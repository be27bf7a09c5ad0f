//! Latents: what an autoencoder makes of an image, which a model of other than one or three channels learns from.
//!
//! A latent is the one tensor of a `.safetensors` file, `[C, S, S]` or `[1, C, S, S]`, of f16, bf16 or f32, scaled
//! as the model is to see it: for Stable Diffusion's autoencoder, times 0.18215 (and before that less the shift, for
//! autoencoders that have one). It is kept as it is, in f32.

use std::path::Path;

use safetensors::SafeTensors;

use super::Options;
use super::picture::Ending;
use crate::system::float::Float;
use crate::system::output::one_line;

/// Bytes of one value, as a data set holds it.
pub(super) const VALUE: usize = size_of::<f32>();

/// The largest value of a latent: those of trained autoencoders are hardly beyond 10.
const LARGEST: f32 = 1e4;

/// Whether images of so many channels are latents, and no grey or RGB.
pub(super) fn are(channels: usize) -> bool {
    !matches!(channels, 1 | 3)
}

/// What an ending says of a file where latents are wanted.
pub(super) fn ending(path: &Path) -> Ending {
    let is_safetensors = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors"));
    if is_safetensors { Ending::Readable } else { Ending::Never }
}

/// The latent in a file's `bytes`, or why there is none.
///
/// # Shapes
/// `[C, S, S]`, each value as the four bytes of an f32, little-endian.
pub(super) fn read(bytes: &[u8], options: &Options) -> Result<Vec<u8>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("it is no safetensors file: {}", one_line(&error.to_string())))?;
    let tensors = file.tensors();
    let [(_, tensor)] = &tensors[..] else {
        return Err(format!("it holds {} tensors, and a latent is one", tensors.len()));
    };
    let wanted = [options.channels, options.size, options.size];
    let shape = tensor.shape();
    if shape != wanted && shape.split_first() != Some((&1, &wanted[..])) {
        return Err(format!("its shape is {shape:?}, and the model's images are {wanted:?}"));
    }
    let values = match Float::of(tensor.dtype()) {
        Some(float @ (Float::F16 | Float::Bf16 | Float::F32)) => float.decode(tensor.data()),
        _ => return Err(format!("its values are {:?}, and F16, BF16 and F32 are read", tensor.dtype())),
    };
    match values.iter().find(|value| !(-LARGEST..=LARGEST).contains(*value)) {
        None => Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Some(value) => Err(format!("it holds the value {value}, and latents are within ±{LARGEST}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use half::{bf16, f16};
    use image::RgbaImage;
    use safetensors::Dtype;
    use safetensors::tensor::{TensorView, serialize};

    use super::*;
    use crate::data::{DataError, Dataset};

    const OPTIONS: Options = Options::of(4, 2);

    fn file(kind: Dtype, shape: &[usize], values: &[u8]) -> Vec<u8> {
        let view = TensorView::new(kind, shape.to_vec(), values).unwrap();
        serialize([("latent", view)], None).unwrap()
    }

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Values that f16 and bf16 have, too, beyond what an image has.
    fn ramp(from: f32) -> Vec<f32> {
        (0..16).map(|i| from + i as f32 / 4.0).collect()
    }

    #[test]
    fn every_type_and_both_shapes_are_read_as_they_are() {
        let values = ramp(-2.0);
        let half: Vec<u8> = values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
        let brain: Vec<u8> = values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect();
        for (kind, found) in [(Dtype::F32, &bytes(&values)), (Dtype::F16, &half), (Dtype::BF16, &brain)] {
            for shape in [&[4, 2, 2][..], &[1, 4, 2, 2]] {
                assert_eq!(
                    read(&file(kind, shape, found), &OPTIONS),
                    Ok(bytes(&values)),
                    "{kind:?} {shape:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_latent_of_the_model_is_refused_in_words() {
        let values = bytes(&ramp(0.0));
        let two = {
            let view = || TensorView::new(Dtype::F32, vec![4, 2, 2], &values).unwrap();
            serialize([("a", view()), ("b", view())], None).unwrap()
        };
        let cases = [
            (b"no file of tensors".to_vec(), "it is no safetensors file"),
            (two, "it holds 2 tensors, and a latent is one"),
            (file(Dtype::F32, &[4, 4], &values), "its shape is [4, 4], and the model's images are [4, 2, 2]"),
            (
                file(Dtype::F32, &[2, 4, 2, 1], &values),
                "its shape is [2, 4, 2, 1], and the model's images are [4, 2, 2]",
            ),
            (file(Dtype::I32, &[4, 2, 2], &values), "its values are I32, and F16, BF16 and F32 are read"),
            (file(Dtype::F32, &[4, 2, 2], &bytes(&[f32::NAN; 16])), "it holds the value NaN"),
        ];
        for (content, said) in cases {
            let reason = read(&content, &OPTIONS).unwrap_err();
            assert!(reason.starts_with(said), "{reason}");
        }
    }

    #[test]
    fn folders_of_latents_are_classes_and_the_cache_keeps_them() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        for (class, number, from) in [("cat", 0, -2.0), ("cat", 1, 3.0), ("dog", 0, 0.5)] {
            fs::create_dir_all(data.join(class)).unwrap();
            let latent = file(Dtype::F32, &[4, 2, 2], &bytes(&ramp(from)));
            fs::write(data.join(format!("{class}/{number}.safetensors")), latent).unwrap();
        }
        // What lies beside them is none.
        RgbaImage::new(2, 2).save(data.join("cat/0.png")).unwrap();
        fs::write(data.join("dog/1.safetensors"), "cut short").unwrap();
        let options = OPTIONS.with_cache(root.path().join("cache"));
        for _ in 0..2 {
            let data = Dataset::open(&data, &options).unwrap();
            assert_eq!((data.len(), &data.labels[..], data.image_len()), (3, &[0, 0, 1][..], 64));
            assert_eq!(data.batch(&[1, 2]), [ramp(3.0), ramp(0.5)].concat());
            assert_eq!(data.skipped.len(), 1);
            assert!(data.notes[0].ends_with("0.png is no latent"), "{:?}", data.notes);
        }
        assert_eq!(fs::read_dir(root.path().join("cache")).unwrap().count(), 1);
    }

    #[test]
    fn images_where_latents_are_wanted_are_refused_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("cat")).unwrap();
        RgbaImage::new(2, 2).save(root.path().join("cat/0.png")).unwrap();
        let error = Dataset::open(root.path(), &OPTIONS).unwrap_err();
        assert!(matches!(&error, DataError::NoLatents { channels: 4, .. }), "{error}");
        assert!(error.help().contains("channels"), "{}", error.help());
    }
}
