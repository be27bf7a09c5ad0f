//! Reads the golden images; README.md beside this file says what they are.

use std::path::Path;

use serde_json::Value;

/// How far a pixel may be from its golden value, in levels of 255: what the eye cannot tell apart.
pub(crate) const LEVELS: f32 = 2.0;

/// One run of a sampler and the images that it made.
pub(crate) struct Run {
    /// The sampler's name.
    pub sampler: String,
    /// Steps.
    pub steps: usize,
    /// Guidance.
    pub guidance: f64,
    /// Ids of the classes; none for the learngene alone.
    pub classes: Vec<String>,
    /// The seed of each row of images.
    pub seeds: Vec<u64>,
    /// For each seed an image of each class (or of the learngene), `[S, K, C, H, W]`, values in `[-1, 1]`.
    pub values: Vec<f32>,
}

impl Run {
    /// The golden images of the seed of this number, `[K, C, H, W]`.
    pub(crate) fn row(&self, number: usize) -> &[f32] {
        let length = self.values.len() / self.seeds.len();
        &self.values[number * length..][..length]
    }

    /// The run in a few words.
    pub(crate) fn name(&self) -> String {
        let what = if self.classes.is_empty() { "the learngene".to_owned() } else { self.classes.join(", ") };
        format!("{}, guidance {}: {what}", self.sampler, self.guidance)
    }
}

/// The largest distance of a pixel in `found` from the one that is expected, in levels of 255.
pub(crate) fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "as many pixels as the golden images have");
    assert!(found.iter().all(|v| v.is_finite()), "pixels that are not numbers");
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() * 127.5).fold(0.0, f32::max)
}

/// The galleries that have golden images, those of four large steps last.
pub(crate) const GALLERIES: [&str; 5] = ["letters", "fashion", "letters2", "icons", "avatars"];

/// Every run of a gallery with its golden images.
pub(crate) fn runs(gallery: &str) -> Vec<Run> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let plan: Value = serde_json::from_slice(&std::fs::read(folder.join("runs.json")).unwrap()).unwrap();
    let plan = &plan[gallery];
    let picture = image::open(folder.join(format!("{gallery}.png"))).unwrap();
    let channels = usize::from(picture.color().channel_count());
    let picture = picture.into_rgb16(); // a grey picture gets the same value in all three
    let names: Vec<String> = serde_json::from_value(plan["classes"].clone()).unwrap();
    let samplers: Vec<(String, usize)> = serde_json::from_value(plan["samplers"].clone()).unwrap();
    let side = picture.height() as usize / samplers.len();
    let image = |row: usize, column: usize| {
        let picture = &picture;
        (0..channels).flat_map(move |channel| {
            (row * side..(row + 1) * side).flat_map(move |y| {
                (column * side..(column + 1) * side)
                    .map(move |x| f32::from(picture.get_pixel(x as u32, y as u32).0[channel]) / 32767.5 - 1.0)
            })
        })
    };
    let mut found = Vec::new();
    for (row, (sampler, steps)) in samplers.iter().enumerate() {
        let mut column = 0;
        for run in plan["runs"].as_array().unwrap() {
            let number = |key: &str| run[key].as_u64().unwrap();
            let classes = names[..number("classes") as usize].to_vec();
            let seeds: Vec<u64> = (0..number("count")).map(|i| number("seed") + i).collect();
            let images = seeds.len() * classes.len().max(1);
            found.push(Run {
                sampler: sampler.clone(),
                steps: *steps,
                guidance: run["guidance"].as_f64().unwrap(),
                classes,
                seeds,
                values: (column..column + images).flat_map(|column| image(row, column)).collect(),
            });
            column += images;
        }
        assert_eq!(column * side, picture.width() as usize, "{gallery}.png is not what runs.json says");
    }
    found
}
