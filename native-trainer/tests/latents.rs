//! Models that learn from an autoencoder's latents: from the training to images, and what is said where a part
//! is missing. The decoder is held against diffusers' `AutoencoderKL`, with weights that both sides make by one formula.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use safetensors::tensor::{Dtype, TensorView, serialize};

/// Values on a side of a latent, and its channels.
const SIDE: usize = 8;
const CHANNELS: usize = 4;

/// A folder with latents of two classes, and a model of their size.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (class, sign) in [("bright", 1.0), ("dark", -1.0)] {
            fs::create_dir_all(place.at(&format!("latents/{class}"))).unwrap();
            for i in 0..12 {
                // Far beyond what the value of a pixel can be.
                let value = |at: usize| (sign * (2.0 + at as f32 / 64.0 + i as f32 / 12.0)).to_le_bytes();
                let values: Vec<u8> = (0..CHANNELS * SIDE * SIDE).flat_map(value).collect();
                let view = TensorView::new(Dtype::F32, vec![CHANNELS, SIDE, SIDE], &values).unwrap();
                let file = serialize([("latent", view)], None).unwrap();
                fs::write(place.at(&format!("latents/{class}/{i}.safetensors")), file).unwrap();
            }
        }
        let model = "channels = 4\nimage_size = 8\npatch_size = 2\nwidth = 32\ndepth = 2\nheads = 2\n\
                     learngene_components = 6\ntailor_components = 2\n\
                     factored = [\"qkv\", \"o\", \"in\", \"out\", \"adaln\"]\nobjective = \"flow\"\n\
                     [training]\nlearning_rate = 3e-3\nwarmup = 20\nbatch_size = 8\nema = 0.9\n";
        fs::write(place.at("model.toml"), model).unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tailor(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.current_dir(self.0.path()).args(line.split_whitespace()).output().unwrap()
    }

    fn done(&self, line: &str) -> String {
        let output = self.tailor(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn refused(&self, line: &str) -> String {
        let output = self.tailor(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Trains and publishes a gallery of latents.
    fn publish(&self, steps: usize) {
        let run = format!("--data latents --config model.toml --out run --steps {steps} --device cpu");
        self.done(&format!("train {run}"));
        self.done("publish run --out gallery --device cpu --learngene-dtype f32 --tailor-dtype f32");
    }
}

#[test]
fn a_model_learns_from_latents_and_a_build_without_burn_says_what_it_lacks() {
    let place = Place::new();
    place.publish(4);
    // No pictures of latents, neither in the gallery nor of the run.
    assert!(!place.at("gallery/film.webp").exists());
    let told = place.refused("sample --gallery gallery --class dark --out dark.png --device cpu");
    assert!(told.contains("makes latents") && told.contains("--autoencoder"), "{told}");
    let told = place.refused("train --data latents --preset tiny --out other --device cpu");
    assert!(told.contains("2 classes have no images"), "images are wanted here: {told}");
    if !cfg!(feature = "graph") {
        let told =
            place.refused("sample --gallery gallery --class dark --out d.png --autoencoder vae --device cpu");
        assert!(told.contains("--features graph"), "{told}");
    }
}

#[cfg(feature = "graph")]
mod decoded {
    use std::path::Path;

    use burn::tensor::Device;
    use serde_json::Value;
    use tailor_core::diffusion::images::Images;
    use tailor_trainer::compute::autoencoder::Autoencoder;

    use super::*;
    use crate::fixtures::{read, relative_error};
    use crate::formula::{listed, save, weights};

    /// The values of a file of NumPy that `tailor` wrote.
    fn values(path: &Path) -> Vec<f32> {
        let bytes = fs::read(path).unwrap();
        let head = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        bytes[head..].as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
    }

    type Weights = Vec<(String, Vec<usize>, Vec<f32>)>;

    fn decoder() -> Weights {
        weights(listed(&read("autoencoder").1, ""))
    }

    #[test]
    fn latents_are_decoded_as_diffusers_does_it() {
        let (_, fixture) = read("autoencoder");
        let folder = tempfile::tempdir().unwrap();
        let whole = decoder();
        // Files of 2022 have other names for attention's layers.
        let old = |name: &String| {
            let names =
                [("to_q.", "query."), ("to_k.", "key."), ("to_v.", "value."), ("to_out.0.", "proj_attn.")];
            names.iter().fold(name.clone(), |name, (now, before)| name.replace(now, before))
        };
        let older: Weights = whole.iter().map(|(name, s, v)| (old(name), s.clone(), v.clone())).collect();
        assert_ne!(
            whole.iter().map(|t| &t.0).collect::<Vec<_>>(),
            older.iter().map(|t| &t.0).collect::<Vec<_>>()
        );
        let (shape, latent) = &fixture["latent"];
        let latents = Images::new(shape[..].try_into().unwrap(), latent.clone());
        for (name, tensors) in [("new.safetensors", whole), ("diffusion_pytorch_model.safetensors", older)] {
            let path = save(folder.path(), name, &tensors);
            // The folder stands for the file with diffusers' own name.
            let path = if name.starts_with("diff") { folder.path().to_owned() } else { path };
            let decoder = Autoencoder::open(&path, &Device::flex()).unwrap();
            assert!(decoder.fits(16).is_err() && decoder.fits(4).is_ok());
            assert_eq!(decoder.factor(), 2);
            let images = decoder.decode(&latents).unwrap();
            let (shape, expected) = &fixture["image"];
            assert_eq!(images.shape, shape[..]);
            let error = relative_error(&images.values, expected);
            println!("{name}: {error:.1e}");
            assert!(error <= 1e-4, "{name}: {error:.2e}");
        }
        // A config beside the weights says how latents were scaled.
        fs::write(folder.path().join("config.json"), r#"{"scaling_factor": 0.3643, "shift_factor": 0.1}"#)
            .unwrap();
        let scaled = Autoencoder::open(folder.path(), &Device::flex()).unwrap();
        let latents =
            Images::new(latents.shape, latents.values.iter().map(|v| (v / 0.18215 - 0.1) * 0.3643).collect());
        let error = relative_error(&scaled.decode(&latents).unwrap().values, &fixture["image"].1);
        assert!(error <= 1e-4, "{error:.2e}");
    }

    #[test]
    fn what_is_no_decoder_is_refused_by_the_tensor_that_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |tensors: &Weights| {
            let path = save(folder.path(), "vae.safetensors", tensors);
            let error = Autoencoder::open(&path, &Device::flex()).err().unwrap();
            assert!(error.to_string().contains("vae.safetensors"), "{error}");
            error.to_string()
        };
        let change = |name: &str, change: &dyn Fn(&mut Vec<usize>, &mut Vec<f32>)| {
            let mut tensors = decoder();
            let (_, shape, values) = tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap();
            change(shape, values);
            refused(&tensors)
        };
        let without = |name: &str| refused(&decoder().into_iter().filter(|t| !t.0.contains(name)).collect());
        assert!(without("decoder.").contains("there is no decoder.conv_in.weight"));
        assert!(without("to_out").contains("to_out.0.weight"));
        assert!(without("up_blocks.").contains("up_blocks.0.resnets.0.conv1.weight"));
        assert!(without("conv_shortcut").contains("conv_shortcut.weight"));
        let told = change("decoder.conv_norm_out.bias", &|shape, values| {
            *shape = vec![16];
            values.truncate(16);
        });
        assert!(told.ends_with("decoder.conv_norm_out.bias is [16], must be [32]"), "{told}");
        assert!(change("post_quant_conv.bias", &|_, values| values[0] = f32::NAN).contains("not finite"));
        // A part that would be left out, and sizes beyond memory that nothing else bears out.
        let mut more = decoder();
        more.push(("decoder.up_blocks.0.attentions.0.to_q.weight".to_owned(), vec![1], vec![0.0]));
        assert!(refused(&more).ends_with("nothing here uses decoder.up_blocks.0.attentions.0.to_q.weight"));
        // A folder with nothing in it, settings that are none, and a file that is not there.
        let empty = tempfile::tempdir().unwrap();
        let open = |path: &Path| Autoencoder::open(path, &Device::flex()).err().unwrap().to_string();
        assert!(open(empty.path()).contains("diffusion_pytorch_model.safetensors"));
        save(empty.path(), "diffusion_pytorch_model.safetensors", &decoder());
        for config in [
            "{",
            r#"{"scaling_factor": 0}"#,
            r#"{"norm_num_groups": 7}"#,
            r#"{"_class_name": "VQModel"}"#,
            r#"{"latents_mean": [0, 0, 0, 0]}"#,
            r#"{"act_fn": "relu"}"#,
        ] {
            fs::write(empty.path().join("config.json"), config).unwrap();
            assert!(open(empty.path()).contains(empty.path().to_str().unwrap()));
        }
        assert!(open(Path::new("/absent")).contains("absent"));
    }

    #[test]
    fn samples_of_latents_become_images_and_figures() {
        let place = Place::new();
        place.publish(300);
        fs::create_dir(place.at("vae")).unwrap();
        save(&place.at("vae"), "diffusion_pytorch_model.safetensors", &decoder());
        let asked = "--gallery gallery --class bright --class dark --autoencoder vae --device cpu";
        place.done(&format!("sample {asked} --count 3 --out both.png --raw both.npy --film film.webp"));
        let grid = image::open(place.at("both.png")).unwrap();
        let film = image::open(place.at("film.webp")).unwrap();
        assert!(grid.width() >= 2 * 16 && film.height() == 2 * 16, "{} × {}", grid.width(), film.height());
        // Latents are not cut off where pixels end, and each class has its own.
        let raw = values(&place.at("both.npy"));
        let latents = raw.chunks_exact(CHANNELS * SIDE * SIDE).collect::<Vec<_>>();
        assert_eq!(latents.len(), 6);
        for (i, latent) in latents.iter().enumerate() {
            let mean = latent.iter().sum::<f32>() / latent.len() as f32;
            assert!(if i % 2 == 0 { mean > 1.5 } else { mean < -1.5 }, "latent {i} has the mean {mean}");
        }
        let told = place.refused(&format!(
            "sample {} --out a.png --autoencoder absent",
            "--gallery gallery --class dark"
        ));
        assert!(told.contains("absent"), "{told}");

        let judge = "evaluate --gallery gallery --data latents --per-class 4 --hold-out 4 --epochs 8 --steps 4 \
                     --resamples 0 --device cpu --json";
        let report: Value = serde_json::from_str(&place.done(judge)).unwrap();
        assert_eq!(report["agreement"], 1.0, "{report}");
        // What is written for other programs are images.
        place.done(&format!("{judge} --npz samples.npz --autoencoder vae"));
        let mut npz = zip::ZipArchive::new(fs::File::open(place.at("samples.npz")).unwrap()).unwrap();
        let mut header = String::new();
        let bytes = std::io::Read::bytes(npz.by_name("arr_0.npy").unwrap()).take(120);
        bytes.for_each(|byte| header.push(char::from(byte.unwrap())));
        assert!(header.contains("(8, 16, 16, 3, )"), "{header}");
        let told = place.refused(&format!("{judge} --npz samples.npz"));
        assert!(told.contains("--autoencoder"), "{told}");
        let told = place.refused(&format!("{judge} --autoencoder vae"));
        assert!(told.contains("leave out --autoencoder"), "{told}");
        place.done(
            "leakage --gallery gallery --data latents --remove dark --per-class 4 --hold-out 4 --device cpu",
        );
    }
}
