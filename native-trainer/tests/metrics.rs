//! Every figure of an evaluation against its public implementation, on the same features.

#![cfg(feature = "graph")]

use crate::fixtures::{Tensors, read};
use tailor_core::diffusion::images::Images;
use tailor_trainer::metrics::frechet::Gaussian;
use tailor_trainer::metrics::neighbours::{NEIGHBOUR, covered};
use tailor_trainer::metrics::npz;
use tailor_trainer::metrics::predictions::{Predictions, SPLITS};
use tailor_trainer::metrics::table::Table;

/// Relative to the expected figure.
const TOLERANCE: f64 = 1e-6;

struct Fixture(Tensors);

impl Fixture {
    fn open() -> Self {
        Self(read("metrics").1)
    }

    fn table(&self, name: &str) -> Table {
        let (shape, values) = &self.0[name];
        Table::new(shape[1], values.clone())
    }

    fn check(&self, name: &str, found: f64) {
        let expected = f64::from(self.0[name].1[0]);
        let error = (found / expected - 1.0).abs();
        println!("{name}: {found} against {expected}, {error:.1e}");
        assert!(error <= TOLERANCE, "{name}: {found} against {expected}, {error:.1e}");
    }
}

fn distance(fixture: &Fixture, ending: &str) -> f64 {
    let fit = |name: &str| Gaussian::fit(&fixture.table(&format!("{name}{ending}"))).unwrap();
    fit("real").distance(&fit("samples")).unwrap()
}

#[test]
fn the_frechet_distance_is_pytorch_fids() {
    let fixture = Fixture::open();
    fixture.check("fid", distance(&fixture, ""));
}

#[test]
fn the_spatial_distance_is_the_one_of_its_definition_in_numpy() {
    let fixture = Fixture::open();
    fixture.check("sfid", distance(&fixture, ".spatial"));
}

#[test]
fn the_inception_score_is_torch_fidelitys() {
    let fixture = Fixture::open();
    let found = Predictions::new(&fixture.table("scores"));
    let order: Vec<usize> = (0..found.rows()).collect();
    fixture.check("is", found.inception_score(&order, SPLITS));
}

#[test]
fn precision_and_recall_are_prdcs() {
    let fixture = Fixture::open();
    let found = covered(&fixture.table("real"), &fixture.table("samples"), NEIGHBOUR);
    let share = |inside: &[bool]| inside.iter().filter(|i| **i).count() as f64 / inside.len() as f64;
    fixture.check("precision", share(&found.samples));
    fixture.check("recall", share(&found.real));
}

#[test]
fn entropy_variance_and_kurtosis_of_predictions_are_scipys() {
    let fixture = Fixture::open();
    let found = Predictions::new(&fixture.table("scores"));
    let each: Vec<_> = (0..found.rows()).map(|i| found.certainty(i)).collect();
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    fixture.check("entropy", mean(each.iter().map(|c| c.entropy).collect()));
    fixture.check("variance", mean(each.iter().map(|c| c.variance).collect()));
    fixture.check("kurtosis", mean(each.iter().map(|c| c.kurtosis).collect()));
}

fn pixels(images: &Images) -> npz::Pixels {
    let mut pixels = npz::Pixels::default();
    pixels.extend(images);
    pixels
}

/// What a `.npz` file holds: name, header and values of each array.
fn arrays(path: &std::path::Path) -> Vec<(String, String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let count = zip.len();
    let read = |i| {
        let mut file = zip.by_index(i).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
        let values = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = String::from_utf8(bytes[10..values].to_vec()).unwrap();
        (name, header, bytes[values..].to_vec())
    };
    (0..count).map(read).collect()
}

#[test]
fn samples_and_statistics_are_written_in_the_layout_of_adms_suite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.npz");
    let grey = Images::new([2, 1, 1, 2], vec![-1.0, 1.0, 0.0, 2.0]);
    let gaussian = Gaussian::fit(&Table::new(2, vec![0.0, 0.0, 2.0, 4.0])).unwrap();
    npz::write(&path, &pixels(&grey), Some((&gaussian, &gaussian))).unwrap();
    let found = arrays(&path);
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["arr_0.npy", "mu.npy", "sigma.npy", "mu_s.npy", "sigma_s.npy"]);
    assert!(found[0].1.starts_with("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2, 3, ), }"));
    assert_eq!(found[0].2, [0, 0, 0, 255, 255, 255, 128, 128, 128, 255, 255, 255]);
    let doubles = |bytes: &[u8]| -> Vec<f64> {
        bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    };
    assert!(found[4].1.starts_with("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2, ), }"));
    assert_eq!(doubles(&found[1].2), [1.0, 2.0]);
    assert_eq!(doubles(&found[4].2), [2.0, 4.0, 4.0, 8.0]);

    let colour = Images::new([1, 3, 2, 1], vec![-1.0, 1.0, 0.0, -1.0, 1.0, 1.0]);
    npz::write(&path, &pixels(&colour), None).unwrap();
    let found = arrays(&path);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].2, [0, 128, 255, 255, 0, 255]);
}
