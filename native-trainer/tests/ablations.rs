//! The ablations of the paper's Table 4 begin with what they say: the learngene alone as a plain network, with fresh
//! components beside it or without.
#![cfg(feature = "graph")]

use std::collections::BTreeMap;

use tailor_core::diffusion::noise::{Stream, standard_normal};
use tailor_core::{Predict, engine};
use tailor_packs::{Card, Contents, FactoredSet, Learngene, Matrix, ModelConfig, Tensors};
use tailor_packs::{read_learngene, write_learngene};
use tailor_trainer::compute::device::Device;
use tailor_trainer::data::{Dataset, Options};
use tailor_trainer::settings::training::Training;
use tailor_trainer::train::method::{Adaption, Method, Starting, named};

/// Values of a config's tensors, none of which is zero.
fn values(number: u32, len: usize) -> Vec<f32> {
    standard_normal(3, Stream::Learngene(number), len).into_iter().map(|v| 0.2 * v).collect()
}

/// A network that comes apart into these matrices, as it was read from its file.
fn base(factored: &str) -> Learngene {
    let config = ModelConfig { factored: factored.parse().unwrap(), ..ModelConfig::preset("tiny").unwrap() };
    let specs = config.learngene_tensors();
    let flat = values(0, config.learngene_parameters() as usize);
    let (tensors, card) = (Tensors::from_flat(&specs, &flat).unwrap(), Card::default());
    let contents = Contents::new("base", &config, &tensors, &card);
    let contents = Contents { storage: tailor_packs::Storage::Single, ..contents };
    read_learngene(&write_learngene(&contents).unwrap()).unwrap()
}

/// What a run of this method starts from: the plain network's config and its flat values.
fn started(method: &dyn Method, base: &Learngene) -> (ModelConfig, Vec<f32>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dots/1.png");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::new(32, 32).save(&path).unwrap();
    let network = method.network(&base.manifest.config, None, None);
    let data = Dataset::open(folder.path(), &Options::for_model(&network, true)).unwrap();
    let starting = Starting {
        base,
        labels: &BTreeMap::new(),
        network: &network,
        rank: 4,
        training: &Training::default(),
        data: &data,
        train: &|_| unreachable!("nothing is trained in passing"),
    };
    let start = method.start(&starting).unwrap().unwrap();
    (network.clone(), start.values)
}

/// What a model predicts of an image of noise, with a label's row and what else stands in this tailor.
fn predicted(config: &ModelConfig, learngene: &Tensors, tailor: Tensors) -> Vec<f32> {
    let mut model = engine::Model::new(config, learngene).unwrap();
    model.insert("class", tailor).unwrap();
    let gate = model.gate(&[vec![("class".to_owned(), 1.0)]]).unwrap();
    let image = values(77, (config.channels * config.image_size * config.image_size) as usize);
    model.predict(&gate, &model.images(image), 0.4).values
}

fn flat(config: &ModelConfig, flat: &[f32]) -> Tensors {
    Tensors::from_flat(&config.learngene_tensors(), flat).unwrap()
}

fn labelled(config: &ModelConfig) -> Tensors {
    let mut tensors = Tensors::new();
    let width = config.width as usize;
    tensors.insert("label", &[width], values(55, width)).unwrap();
    tensors
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(b.iter().any(|v| v.abs() > 0.01), "nothing is predicted");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Sets in which matrices come apart: fused, separate, and some of them.
const SETS: [&str; 3] = ["qkv,o,in,out,adaln", "q,k,v,o,in,out", "k,out"];

#[test]
fn lora_beside_the_learngene_begins_with_the_learngene_alone() {
    let method = named("learngene-lora").unwrap();
    for set in SETS {
        let base = base(set);
        let config = &base.manifest.config;
        let (network, values) = started(method, &base);
        assert!(network.factored.matrices().is_empty());
        let adapted = method.matrices(config);
        let device = Device::Processor.for_graph();
        let adaption = Adaption::new(method, 4, &adapted, &network, values.clone(), 1, &device).unwrap();
        assert!(adaption.weights(&adaption.first()) == values, "A·B is zero");
        let found = predicted(&network, &flat(&network, &values), labelled(&network));
        // The learngene with a tailor whose components are zero, which is the label alone.
        let mut silent = labelled(config);
        for spec in config.tailor_tensors().iter().filter(|spec| spec.name != "label") {
            silent.insert(&spec.name, &spec.shape, vec![0.0; spec.len()]).unwrap();
        }
        let far = worst(&found, &predicted(config, &base.tensors, silent));
        assert!(far <= 1e-5, "{set}: {far}");
    }
}

#[test]
fn tailors_without_a_gate_begin_as_fresh_components_beside_the_learngene() {
    let method = named("no-gate").unwrap();
    for set in SETS {
        let base = base(set);
        let config = &base.manifest.config;
        let (network, values) = started(method, &base);
        let adapted = method.matrices(config);
        assert_eq!(adapted, config.factored);
        let rank = 6;
        let device = Device::Processor.for_graph();
        let adaption = Adaption::new(method, rank, &adapted, &network, values, 1, &device).unwrap();
        let first = adaption.first();
        // As many as a tailor with so many components has, in the same order.
        let wide = ModelConfig { tailor_components: rank as u32, ..config.clone() };
        let mut tailor = labelled(config);
        let (mut start, mut deviations) = (0, BTreeMap::<String, Vec<f32>>::new());
        for spec in wide.tailor_tensors().iter().filter(|spec| spec.name != "label") {
            let part = first[start..start + spec.len()].to_vec();
            start += spec.len();
            let (_, kind) = spec.name.split_once('.').unwrap().1.split_once('.').unwrap();
            deviations.entry(kind.to_owned()).or_default().extend(&part);
            tailor.insert(&spec.name, &spec.shape, part).unwrap();
        }
        assert_eq!(start, first.len(), "{set}");
        let plain = flat(&network, &adaption.weights(&first));
        let found = predicted(&network, &plain, labelled(&network));
        let far = worst(&found, &predicted(&wide, &base.tensors, tailor));
        assert!(far <= 1e-5, "{set}: {far}");
        // They are spread as the components of KIND's fresh tailors are.
        let fresh = (0..3).map(|class| tailor_core::init::tailor(config, 9, class));
        let fresh: Vec<Vec<Vec<f32>>> = fresh.collect();
        let specs = config.tailor_tensors();
        let spread = |values: &[f32]| {
            (values.iter().map(|v| f64::from(v * v)).sum::<f64>() / values.len() as f64).sqrt()
        };
        for (kind, found) in &deviations {
            let alike = |name: &str| name.split('.').skip(2).collect::<Vec<_>>().join(".") == *kind;
            let places = specs.iter().enumerate().filter(|(_, spec)| alike(&spec.name));
            let expected: Vec<f32> =
                places.flat_map(|(i, _)| fresh.iter().flat_map(move |tailor| tailor[i].clone())).collect();
            let (found, expected) = (spread(found), spread(&expected));
            assert!((found - expected).abs() <= 0.1 * expected, "{set}, {kind}: {found} for {expected}");
        }
    }
}

#[test]
fn what_stands_beside_separate_queries_keys_and_values_stays_where_only_some_come_apart() {
    let method = named("no-gate").unwrap();
    let base = base("k,out");
    let (network, values) = started(method, &base);
    let adapted: FactoredSet = method.matrices(&base.manifest.config);
    let device = Device::Processor.for_graph();
    let adaption = Adaption::new(method, 2, &adapted, &network, values.clone(), 1, &device).unwrap();
    let weights = adaption.weights(&adaption.first());
    let width = network.width as usize;
    let mut start = 0;
    for spec in network.learngene_tensors() {
        let (before, after) = (&values[start..][..spec.len()], &weights[start..][..spec.len()]);
        start += spec.len();
        let changed = |column: usize| {
            let column = |values: &[f32]| {
                values.iter().skip(column).step_by(spec.shape[1]).copied().collect::<Vec<f32>>()
            };
            column(before) != column(after)
        };
        match &spec.name {
            name if name.ends_with("qkv.weight") => {
                for column in 0..3 * width {
                    assert_eq!(changed(column), (width..2 * width).contains(&column), "{name}, {column}");
                }
            }
            name if name.ends_with("out.weight") => assert!((0..width).all(changed), "{name}"),
            name => assert!(before == after, "{name}"),
        }
    }
    assert!(!adapted.contains(Matrix::Qkv));
}
