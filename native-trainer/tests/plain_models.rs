//! Plain models of other programs, taken over and handed back: what PyTorch computed with a small DiT, our engine
//! computes with what was imported of it, and ONNX Runtime with what is exported.

use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tailor_core::diffusion::shortcut::Moment;
use tailor_core::{Predict, engine};
use tailor_packs::{Gelu, ModelConfig, Norm, Objective, TensorSpec, Tensors};
use tailor_trainer::gallery::export::export;
use tailor_trainer::gallery::folder::Gallery;
use tailor_trainer::gallery::import::{Plain, import, read};
use tailor_trainer::settings::gallery::{CardSettings, SigningSettings};
use tailor_trainer::settings::storage::StorageChoice;
use tailor_trainer::settings::weights::{ExportSettings, ImportSettings};

use crate::gallery::Draft;
use crate::support::repository;

fn fixture(name: &str) -> PathBuf {
    repository().join("tests/reference/fixtures").join(name)
}

fn settings(weights: &Path, out: &Path) -> ImportSettings {
    ImportSettings {
        weights: weights.to_owned(),
        out: out.to_owned(),
        classes: None,
        heads: Some(2),
        gelu: None,
        storage: StorageChoice::F32,
        id: None,
        title: None,
        card: CardSettings { licence: None, data_note: None, authors: Vec::new() },
        signing: SigningSettings::default(),
    }
}

fn exact(out: &Path) -> ImportSettings {
    ImportSettings { gelu: Some(Gelu::Exact), ..settings(&fixture("dit-exact.safetensors"), out) }
}

/// A tensor of f32, or of i32, of a file.
fn values(bytes: &[u8], name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    let words = tensor.data().as_chunks::<4>().0.iter();
    match tensor.dtype() {
        Dtype::I32 => words.map(|word| i32::from_le_bytes(*word) as f32).collect(),
        _ => words.map(|word| f32::from_le_bytes(*word)).collect(),
    }
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Values from −1 to 1 that look like noise.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

/// The model of a gallery on the processor, with every tailor.
fn model(gallery: &Gallery) -> engine::Model {
    let learngene = gallery.learngene().unwrap().tensors;
    dressed(gallery, engine::Model::new(&gallery.index.config, &learngene).unwrap())
}

/// A model with every tailor of its gallery put on.
fn dressed<M: Predict>(gallery: &Gallery, mut model: M) -> M {
    for class in &gallery.index.classes {
        model.insert(&class.id, gallery.tailor(class).unwrap().tensors).unwrap();
    }
    model
}

/// The largest difference between what a model predicts and what PyTorch computed of the same weights.
fn from_pytorch<M: Predict>(model: &M, read: impl Fn(M::Images) -> Vec<f32>, expected: &str) -> f32 {
    let out = std::fs::read(fixture("dit-out.safetensors")).unwrap();
    let (x, t, y) = (values(&out, "x"), values(&out, "t"), values(&out, "y"));
    let expected = values(&out, expected);
    // A network with learned variance says the variance behind the noise, which alone a sampler takes here.
    let (image, said) = (x.len() / t.len(), expected.len() / t.len());
    let mut worst = 0.0f32;
    for (i, t) in t.iter().enumerate() {
        let gate = match y[i] as usize {
            3 => vec![],
            class => vec![(format!("class-{class}"), 1.0)],
        };
        let gated = model.gate(&[gate]).unwrap();
        let found = model.predict(&gated, &model.images(x[i * image..][..image].to_vec()), *t);
        worst = worst.max(difference(&read(found), &expected[i * said..][..image]));
    }
    worst
}

#[test]
fn an_imported_dit_predicts_what_it_predicted_in_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    for (storage, tolerance) in [(StorageChoice::F32, 1e-4), (StorageChoice::F16, 2e-2)] {
        let at = folder.path().join(format!("{storage:?}").to_lowercase());
        import(&ImportSettings { storage, ..exact(&at) }).unwrap();
        let gallery = Gallery::open(&at).unwrap();
        assert_eq!(gallery.index.classes.len(), 3);
        let worst = from_pytorch(&model(&gallery), |images| images.values, "dit-exact.out");
        println!("imported as {storage:?}, on the processor: {worst:.1e} from PyTorch");
        assert!(worst <= tolerance, "{storage:?}: {worst}");
        #[cfg(feature = "graph")]
        {
            let (config, learngene) = (&gallery.index.config, gallery.learngene().unwrap().tensors);
            let graph =
                tailor_core::graph::Model::new(config, &learngene, &burn::tensor::Device::flex()).unwrap();
            let graph = dressed(&gallery, graph);
            let worst =
                from_pytorch(&graph, |images| images.into_data().try_into_vec().unwrap(), "dit-exact.out");
            println!("imported as {storage:?}, as Burn's graph: {worst:.1e} from PyTorch");
            assert!(worst <= tolerance, "{storage:?}: {worst}");
        }
    }
}

#[test]
fn a_checkpoint_with_learned_variance_becomes_a_gallery_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["dit.pt", "dit.safetensors"] {
        let out = folder.path().join(name.replace('.', "-"));
        import(&settings(&fixture(name), &out)).unwrap();
        let gallery = Gallery::open(&out).unwrap();
        let config = &gallery.index.config;
        assert!(config.learned_variance && config.factored.matrices().is_empty());
        assert_eq!((config.gelu, config.objective), (Gelu::Tanh, Objective::Ddpm));
        let worst = from_pytorch(&model(&gallery), |images| images.values, "dit.out");
        println!("{name}, tanh GELU and learned variance, on the processor: {worst:.1e} from PyTorch");
        assert!(worst <= 1e-4, "{worst}");
    }
    let tensors = |name: &str| Gallery::open(&folder.path().join(name)).unwrap().learngene().unwrap().tensors;
    assert_eq!(tensors("dit-pt"), tensors("dit-safetensors"));
}

fn exported(gallery: &Path, classes: &[&str], out: &Path) {
    let classes = classes.iter().map(|class| (*class).to_owned()).collect();
    export(&ExportSettings { gallery: gallery.to_owned(), classes, out: out.to_owned() }).unwrap();
}

#[test]
fn import_of_export_gives_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let first = exact(&at("first"));
    import(&first).unwrap();
    exported(&at("first"), &[], &at("again.safetensors"));
    // The file itself says how many heads and which activation.
    let second = ImportSettings { heads: None, ..settings(&at("again.safetensors"), &at("second")) };
    let (one, two): (Plain, Plain) = (read(&first).unwrap(), read(&second).unwrap());
    assert_eq!(one, two);
    let before = std::fs::read(fixture("dit-exact.safetensors")).unwrap();
    let after = std::fs::read(at("again.safetensors")).unwrap();
    let (before, after) =
        (SafeTensors::deserialize(&before).unwrap(), SafeTensors::deserialize(&after).unwrap());
    assert_eq!(before.len(), after.len());
    for (name, tensor) in before.tensors() {
        let again = after.tensor(&name).unwrap();
        assert_eq!(again.shape(), tensor.shape(), "{name}");
        let same = again.data() == tensor.data();
        assert!(same || name == "pos_embed", "{name}");
    }
}

#[test]
fn a_model_that_comes_apart_is_one_plain_network_for_each_class() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let letters = repository().join("web/galleries/letters");
    exported(&letters, &["A"], &at("a.safetensors"));
    let plain = ImportSettings { heads: None, ..settings(&at("a.safetensors"), &at("plain")) };
    import(&plain).unwrap();
    let (plain, letters) = (Gallery::open(&at("plain")).unwrap(), Gallery::open(&letters).unwrap());
    assert_eq!(plain.index.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["A"]);
    assert_eq!(plain.index.config.objective, letters.index.config.objective);
    let id = letters.class("A").unwrap().id.clone();
    let predicted = |gallery: &Gallery, tailor: Tensors| {
        let mut model =
            engine::Model::new(&gallery.index.config, &gallery.learngene().unwrap().tensors).unwrap();
        model.insert(&id, tailor).unwrap();
        let gated = model.gate(&[vec![(id.clone(), 1.0)]]).unwrap();
        model.predict(&gated, &model.images(noise(32 * 32)), 600.0).values
    };
    let tailor = |gallery: &Gallery| gallery.tailor(gallery.class("A").unwrap()).unwrap().tensors;
    let worst = difference(&predicted(&plain, tailor(&plain)), &predicted(&letters, tailor(&letters)));
    println!("folded dense: {worst:.1e} from learngene and tailor");
    assert!(worst <= 1e-4, "{worst}");
}

#[test]
fn onnx_runtime_computes_what_the_engine_and_pytorch_compute() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import numpy, onnx, onnxruntime, safetensors"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: {python} has no onnx, onnxruntime and safetensors; name one that has with PYTHON"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    import(&exact(&at("exact"))).unwrap();
    import(&settings(&fixture("dit.pt"), &at("learned"))).unwrap();
    exported(&at("exact"), &[], &at("exact.onnx"));
    exported(&at("learned"), &[], &at("learned.onnx"));
    exported(&repository().join("web/galleries/letters"), &["A"], &at("letter.onnx"));
    let check = |model: &str, file: &Path, name: &str| {
        let script = repository().join("tests/reference/check_onnx.py");
        let output = Command::new(&python).arg(script).arg(at(model)).arg(file).arg(name).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        println!("{model}: {}", said.trim());
    };
    check("exact.onnx", &fixture("dit-out.safetensors"), "dit-exact.out");
    // Learned variance and tanh GELU, both outputs.
    check("learned.onnx", &fixture("dit-out.safetensors"), "dit.out");

    // What our engine computes with learngene and tailor apart: as it was first, with SwiGLU, RoPE and few steps, and
    // with every other layer.
    predictions(&repository().join("web/galleries/letters"), "A", &at("letter.safetensors"));
    check("letter.onnx", &at("letter.safetensors"), "out");
    for (name, gallery, class) in [
        ("steps", repository().join("web/galleries/letters2"), "A"),
        ("layers", layers(&at("layers")), "One"),
    ] {
        let (graph, file) = (format!("{name}.onnx"), at(&format!("{name}.safetensors")));
        exported(&gallery, &[class], &at(&graph));
        predictions(&gallery, class, &file);
        check(&graph, &file, "out");
    }
}

/// A gallery of one class, `One`, with the layers that no gallery that ships has.
fn layers(folder: &Path) -> PathBuf {
    let config = ModelConfig {
        norm: Norm::Rms,
        qk_norm: true,
        rope: true,
        clean_output: true,
        few_steps: true,
        ..ModelConfig::preset("tiny").unwrap()
    };
    let small = |spec: &TensorSpec| noise(spec.len()).iter().map(|value| 0.2 * value).collect();
    Draft::with(folder, &config, small, &[("one".to_owned(), "One".to_owned())]).publish(None);
    folder.to_owned()
}

/// Writes images, times, labels and strides, and what the engine predicts of them for a class of a gallery, to `file`.
fn predictions(gallery: &Path, class: &str, file: &Path) {
    let gallery = Gallery::open(gallery).unwrap();
    let model = model(&gallery);
    let id = gallery.class(class).unwrap().id.clone();
    let (x, t, s) = (noise(2 * 32 * 32), [600.0, 30.0], [0, 3]);
    let predicted = |((x, t), s): ((&[f32], f32), i32)| {
        let gated = model.gate(&[vec![(id.clone(), 1.0)]]).unwrap();
        model.predict(&gated, &model.images(x.to_vec()), Moment { t, stride: s as usize }).values
    };
    let out: Vec<f32> = x.chunks(32 * 32).zip(t).zip(s).flat_map(predicted).collect();
    assert!(out.iter().any(|value| value.abs() > 0.1), "something is predicted");
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let (x, t, out) = (bytes(&x), bytes(&t), bytes(&out));
    let s: Vec<u8> = s.iter().flat_map(|stride| stride.to_le_bytes()).collect();
    let image = vec![2, 1, 32, 32];
    let view = |kind, shape: &[usize], bytes| TensorView::new(kind, shape.to_vec(), bytes).unwrap();
    let mut views = vec![
        ("x", view(Dtype::F32, &image, &x)),
        ("t", view(Dtype::F32, &[2], &t)),
        ("y", view(Dtype::I32, &[2], &[0; 8])),
        ("out", view(Dtype::F32, &image, &out)),
    ];
    if gallery.index.config.few_steps {
        views.push(("s", view(Dtype::I32, &[2], &s)));
    }
    std::fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Standard error of `tailor LINE`, which must be refused.
fn refusal(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tailor")).args(words).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
    assert!(said.starts_with("error: ") && said.contains("help: "), "{said}");
    said
}

#[test]
fn what_cannot_be_imported_or_exported_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (dit, out) = (fixture("dit.pt").display().to_string(), at("out"));
    let letters = repository().join("web/galleries/letters").display().to_string();
    let said = refusal(&["import", "dit", &dit, "--out", &out]);
    assert!(said.contains("dit.pt: the number of attention heads") && said.contains("--heads"), "{said}");
    let said = refusal(&["import", "dit", &dit, "--out", &out, "--heads", "3"]);
    assert!(said.contains("3 attention heads do not divide the width 8"), "{said}");
    let parity = fixture("parity-fused.safetensors").display().to_string();
    let said = refusal(&["import", "dit", &parity, "--out", &out]);
    assert!(said.contains("there is no tensor x_embedder.proj.weight"), "{said}");
    let said = refusal(&["import", "dit", &format!("{letters}/index.json"), "--out", &out]);
    assert!(said.contains("neither safetensors nor a file of PyTorch"), "{said}");
    std::fs::write(at("names.txt"), "cat\ndog\n").unwrap();
    let names = at("names.txt");
    let said = refusal(&["import", "dit", &dit, "--out", &out, "--heads", "2", "--classes", &names]);
    assert!(said.contains("names 2 classes, and the model has 3"), "{said}");
    assert!(!Path::new(&out).exists(), "nothing was begun");
    let said = refusal(&["import", "dit", &dit, "--out", &letters, "--heads", "2"]);
    assert!(said.contains("is not empty"), "{said}");
    std::fs::create_dir(at("full")).unwrap();
    std::fs::write(at("full/mine"), "x").unwrap();
    let said = refusal(&["import", "dit", &dit, "--out", &at("full"), "--heads", "2"]);
    assert!(said.contains("is not empty"), "{said}");
    std::fs::write(at("twice.txt"), "cat\ndog\nCat\n").unwrap();
    let twice = at("twice.txt");
    let said = refusal(&["import", "dit", &dit, "--out", &out, "--heads", "2", "--classes", &twice]);
    assert!(said.contains("names \"Cat\" twice"), "{said}");
    // Its key is read when the folder is there already.
    let no_key = ["--heads", "2", "--key", "absent.key"];
    refusal(&[&["import", "dit", &dit, "--out", &out], &no_key[..]].concat());
    assert!(!Path::new(&out).exists(), "half a gallery is none");
    // What a killed import has left is completed.
    std::fs::create_dir(&out).unwrap();
    std::fs::write(at("out/class-0-0123.tailor"), "half").unwrap();
    std::fs::write(at("out/.tailor-0123.part"), "half").unwrap();
    import(&settings(&fixture("dit.pt"), Path::new(&out))).unwrap();
    assert!(Path::new(&at("out/index.json")).exists() && !Path::new(&at("out/.tailor-0123.part")).exists());

    let (file, other) = (at("a.onnx"), at("a.bin"));
    let said = refusal(&["export", &letters, "--out", &file]);
    assert!(said.contains("each class of") && said.contains("--class"), "{said}");
    let said = refusal(&["export", &letters, "--class", "A", "--class", "B", "--out", &file]);
    assert!(said.contains("--class"), "{said}");
    let plain = at("My Gallery!");
    let named = import(&settings(&fixture("dit.pt"), Path::new(&plain)));
    named.unwrap();
    assert_eq!(Gallery::open(Path::new(&plain)).unwrap().index.id, "my-gallery");
    let said = refusal(&["export", &plain, "--class", "class-1", "--class", "class-1", "--out", &file]);
    assert!(said.contains("names class-1 twice"), "{said}");
    let said = refusal(&["export", &letters, "--class", "A", "--out", &other]);
    assert!(said.contains(".safetensors or .onnx"), "{said}");
    let steps = repository().join("web/galleries/letters2").display().to_string();
    let said = refusal(&["export", &steps, "--class", "A", "--out", &at("a.safetensors")]);
    assert!(said.contains("few-steps") && said.contains("write .onnx"), "{said}");
    let said = refusal(&["export", &letters, "--class", "Ω", "--out", &file]);
    assert!(said.contains("no class"), "{said}");
}
