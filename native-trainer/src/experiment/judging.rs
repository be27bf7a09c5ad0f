//! How an experiment judges its galleries.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tailor_core::{Guide, Sampler};
use tailor_packs::ModelConfig;

use crate::settings::device::DeviceChoice;
use crate::settings::evaluate::{EvaluateSettings, FigureSettings};
use crate::settings::sampling::SamplingSettings;
use crate::settings::training::Training;

/// How a gallery is judged: [`EvaluateSettings`] without the places, as an experiment's file writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Judging {
    /// Other real images to judge with, relative to the file; none for those of the training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Weights of Inception-v3 or DINOv2, relative to the file, in whose features figures are found instead of
    /// the classifier's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<PathBuf>,
    /// The autoencoder of a model of latents, relative to the file, with which these networks see images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoencoder: Option<PathBuf>,
    /// Samples of each class.
    pub per_class: usize,
    /// One source in so many is held out from the classifier's training.
    pub hold_out: usize,
    /// Passes of the classifier over its training images.
    pub epochs: usize,
    /// Seed of the classifier and of the first sample.
    pub seed: u64,
    /// Sampling steps; none for those that suit the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Guidance scale, 1 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f32>,
    /// The way from noise to an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Part of each tailor that guidance's weaker model keeps; none for the learngene alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guide: Option<f32>,
    /// Whether guidance leads away from the whole tailor without its label instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub guide_unnamed: bool,
    /// Times at which guidance takes effect; none for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guide_times: Option<[f64; 2]>,
    /// The mean of the checkpoints kept of so many last steps is judged; none for the newest alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_steps: Option<u64>,
}

impl Default for Judging {
    fn default() -> Self {
        let EvaluateSettings { per_class, hold_out, seed, .. } = EvaluateSettings::default();
        Self {
            data: None,
            features: Vec::new(),
            autoencoder: None,
            per_class,
            hold_out,
            epochs: EvaluateSettings::EPOCHS,
            seed,
            steps: None,
            guidance: None,
            sampler: None,
            guide: None,
            guide_unnamed: false,
            guide_times: None,
            average_steps: None,
        }
    }
}

impl Judging {
    /// Refuses what cannot be measured, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |field: &str, found: String, allowed: &str| {
            Err(format!("evaluate.{field} is {found}, must be {allowed}"))
        };
        match self {
            Self { per_class: n, .. } if !(1..=100_000).contains(n) => {
                wrong("per_class", n.to_string(), "1 to 100000")
            }
            Self { hold_out: n, .. } if *n < 2 => wrong("hold_out", n.to_string(), "2 or more"),
            Self { epochs: n, .. } if !(1..=1000).contains(n) => wrong("epochs", n.to_string(), "1 to 1000"),
            Self { guidance: Some(w), .. } if !(0.0..=100.0).contains(w) => {
                wrong("guidance", w.to_string(), "0 to 100")
            }
            Self { sampler: Some(name), .. } if name.parse::<Sampler>().is_err() => {
                let known = Sampler::ALL.map(Sampler::name).join(", ");
                wrong("sampler", format!("{name:?}"), &format!("one of {known}"))
            }
            Self { guide: Some(part), .. } if !self.sampling().guide.part_fits() => {
                wrong("guide", part.to_string(), "0 to 1")
            }
            Self { guide: Some(part), guide_unnamed: true, .. } => {
                wrong("guide", part.to_string(), "left out beside guide_unnamed")
            }
            Self { guide_times: Some([from, until]), .. } if !self.sampling().guide.times_fit() => {
                wrong("guide_times", format!("[{from}, {until}]"), "two numbers of 0 to 1, ascending")
            }
            _ => Ok(()),
        }
    }

    /// Refuses a mean of checkpoints that the training does not keep.
    pub(super) fn averages(&self, training: &Training) -> Result<(), String> {
        let Training { keep, checkpoint_every: every, steps: all, .. } = *training;
        let Some(steps) = self.average_steps else { return Ok(()) };
        let before = all.saturating_sub(1) / every * every;
        if keep >= 2 && before > 0 && all - before <= steps {
            return Ok(());
        }
        Err(format!(
            "evaluate.average_steps is {steps}, and of so many last steps the training keeps one checkpoint: set \
             training.keep to 2 or more, and training.checkpoint_every to {steps} or less"
        ))
    }

    /// The folder in that of a training that holds the gallery judged.
    pub(super) fn folder(judging: Option<&Self>) -> String {
        match judging.and_then(|judging| judging.average_steps) {
            Some(steps) => format!("gallery-mean-{steps}"),
            None => "gallery".to_owned(),
        }
    }

    /// Refuses networks and an autoencoder that are not there, and whatever does not suit the model, before a training
    /// is spent on it.
    pub(super) fn sees(&self, model: &ModelConfig) -> Result<(), String> {
        let sampling = self.sampling().over(&SamplingSettings::default().advice(model));
        if let Ok(sampler) = sampling.sampler.parse::<Sampler>() {
            sampler.check(model, sampling.steps as usize).map_err(|error| format!("evaluate: {error}"))?;
        }
        if self.sampling().guide.in_vain(f64::from(sampling.guidance)) {
            return Err(
                "evaluate.guide and evaluate.guide_times make no difference where guidance is 1: leave them \
                        out, or set evaluate.guidance"
                    .to_owned(),
            );
        }
        let files = self.features.iter().map(|path| ("features", path));
        let files = files.chain(self.autoencoder.iter().map(|path| ("autoencoder", path)));
        for (key, path) in files.chain(self.data.iter().map(|path| ("data", path))) {
            if !path.exists() {
                return Err(format!("evaluate.{key}: there is no {}", path.display()));
            }
        }
        match (&self.autoencoder, model.makes_latents()) {
            (None, true) if !self.features.is_empty() => {
                Err("evaluate.features see images, and the model makes latents: name evaluate.autoencoder"
                    .to_owned())
            }
            (Some(_), true) if self.features.is_empty() => {
                Err("evaluate.autoencoder makes images that nothing looks at: name evaluate.features"
                    .to_owned())
            }
            (Some(_), false) => {
                Err("evaluate.autoencoder is for models of latents, and this one makes images".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The settings with which the gallery in `gallery` is judged, trained on `data` with the classes of
    /// `split`.
    pub fn settings(
        &self,
        gallery: &Path,
        data: &Path,
        split: Option<OsString>,
        device: DeviceChoice,
    ) -> EvaluateSettings {
        EvaluateSettings {
            gallery: gallery.to_owned(),
            data: self.data.clone().unwrap_or_else(|| data.to_owned()),
            split,
            per_class: self.per_class,
            hold_out: self.hold_out,
            epochs: Some(self.epochs),
            seed: self.seed,
            sampling: self.sampling(),
            figures: FigureSettings {
                features: self.features.clone(),
                autoencoder: self.autoencoder.clone(),
                ..FigureSettings::default()
            },
            device,
            ..EvaluateSettings::default()
        }
    }

    /// How to sample.
    pub fn sampling(&self) -> SamplingSettings {
        SamplingSettings {
            steps: self.steps,
            guidance: self.guidance,
            sampler: self.sampler.as_deref().and_then(|name| name.parse().ok()),
            guide: Guide {
                tailor: self.guide.unwrap_or_default(),
                unnamed: self.guide_unnamed,
                times: self.guide_times.map_or(Guide::default().times, |[from, until]| (from, until)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_checkpoints_that_no_training_keeps_is_refused_before_it() {
        let averages = |average_steps, steps, checkpoint_every, keep| {
            let training = Training { steps, checkpoint_every, keep, ..Training::default() };
            Judging { average_steps, ..Judging::default() }.averages(&training).is_ok()
        };
        assert!(averages(None, 100, 500, 1));
        assert!(averages(Some(40), 100, 40, 2), "80 and 100");
        assert!(averages(Some(20), 100, 40, 2), "80 and 100");
        assert!(!averages(Some(19), 100, 40, 2), "100 alone");
        assert!(!averages(Some(20), 100, 40, 1), "100 alone");
        assert!(!averages(Some(400), 100, 100, 5), "100 alone");
    }

    #[test]
    fn networks_and_autoencoders_that_are_missing_or_useless_are_named_before_any_training() {
        let images = ModelConfig::preset("tiny").unwrap();
        let latents = ModelConfig { channels: 4, ..images.clone() };
        let here = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let sees = |features: &[PathBuf], autoencoder: Option<PathBuf>, model: &ModelConfig| {
            Judging { features: features.to_vec(), autoencoder, ..Judging::default() }.sees(model)
        };
        assert_eq!(sees(&[], None, &images), Ok(()));
        assert_eq!(sees(&[], None, &latents), Ok(()));
        assert_eq!(sees(&[here()], None, &images), Ok(()));
        assert_eq!(sees(&[here()], Some(here()), &latents), Ok(()));
        let absent = || PathBuf::from("absent");
        let asked = |sampler: &str, steps| {
            let sampler = Some(sampler.to_owned());
            Judging { sampler, steps, ..Judging::default() }.sees(&images)
        };
        assert_eq!(asked("heun", Some(12)), Ok(()));
        let refused = [
            (asked("shortcut", Some(4)), "evaluate: sampler is shortcut, must be another"),
            (asked("heun", Some(1001)), "evaluate: steps is 1001, must be 1 to 1000"),
            (sees(&[absent()], None, &images), "evaluate.features: there is no absent"),
            (sees(&[here()], Some(absent()), &latents), "evaluate.autoencoder: there is no absent"),
            (sees(&[here()], None, &latents), "evaluate.features see images"),
            (sees(&[], Some(here()), &latents), "evaluate.autoencoder makes images that nothing looks at"),
            (sees(&[here()], Some(here()), &images), "evaluate.autoencoder is for models of latents"),
        ];
        for (found, said) in refused {
            assert!(found.as_ref().is_err_and(|words| words.starts_with(said)), "{found:?}");
        }
    }
}
