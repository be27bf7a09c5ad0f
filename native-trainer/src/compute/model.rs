//! A model on whichever engine suits the device, and the images it makes.

use tailor_core::diffusion::images::Images;
use tailor_core::{ModelError, Predict, SampleRun, SampleSettings, engine};
use tailor_packs::{ModelConfig, Tensors};

use super::device::{Device, cores};
use crate::error::Error;

/// A learngene on a device with the tailors that have been put onto it.
#[derive(Debug)]
pub enum Model {
    /// On the processor's engine.
    Processor(Box<engine::Model>),
    /// As Burn's graph.
    #[cfg(feature = "graph")]
    Graph(Box<tailor_core::graph::Model>),
}

impl Model {
    /// Puts a learngene's tensors on `device`.
    ///
    /// Where the processor's engine does not know the config, Burn's graph takes over if this build has it,
    /// and says so.
    ///
    /// # Errors
    /// [`Error::Model`] for tensors that do not fit the config, or a config that no engine here knows.
    pub fn new(config: &ModelConfig, learngene: &Tensors, device: &Device) -> Result<Self, Error> {
        match device {
            Device::Processor => match engine::Model::new(config, learngene) {
                Ok(model) => Ok(Self::Processor(Box::new(model.with_threads(cores())))),
                #[cfg(feature = "graph")]
                Err(ModelError::Unsupported(reason)) => {
                    crate::say!("note: {reason}: sampling with it");
                    let device = burn::tensor::Device::flex();
                    graph(config, learngene, &device)
                }
                Err(error) => Err(error.into()),
            },
            #[cfg(feature = "graph")]
            Device::Graph(device) => graph(config, learngene, device),
        }
    }

    /// Adds the tailor of `class`, or replaces it.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when the tailor is not one of this model's shape.
    pub fn insert(&mut self, class: &str, tailor: Tensors) -> Result<(), ModelError> {
        match self {
            Self::Processor(model) => model.insert(class, tailor),
            #[cfg(feature = "graph")]
            Self::Graph(model) => model.insert(class, tailor),
        }
    }

    /// The model's sizes.
    pub fn config(&self) -> &ModelConfig {
        match self {
            Self::Processor(model) => model.config(),
            #[cfg(feature = "graph")]
            Self::Graph(model) => model.config(),
        }
    }

    /// Samples a whole batch; `progress` is told the steps done.
    ///
    /// # Errors
    /// [`Error::Model`] for a class that is not loaded or a setting out of range; [`Error::Refused`] when the
    /// device fails, or what it makes are no numbers.
    pub fn generate(
        &self,
        settings: SampleSettings,
        mut progress: impl FnMut(usize),
    ) -> Result<Images, Error> {
        let images = match self {
            Self::Processor(model) => run(&**model, settings, |at| progress(at.steps_done()))?.images(),
            #[cfg(feature = "graph")]
            Self::Graph(model) => read(&run(&**model, settings, |at| progress(at.steps_done()))?.images())?,
        };
        numbers(images)
    }

    /// Samples a whole batch, and returns the clean images as each step estimated them. The last
    /// ones are the finished images.
    ///
    /// # Errors
    /// As [`Model::generate`].
    pub fn film(&self, settings: SampleSettings) -> Result<Vec<Images>, Error> {
        let frames = match self {
            Self::Processor(model) => film(&**model, settings)?,
            #[cfg(feature = "graph")]
            Self::Graph(model) => film(&**model, settings)?.iter().map(read).collect::<Result<_, _>>()?,
        };
        frames.into_iter().map(numbers).collect()
    }
}

/// Refuses images of values that are no numbers: drawn they would be black, and measured they would get figures.
fn numbers(images: Images) -> Result<Images, Error> {
    match images.values.iter().all(|value| value.is_finite()) {
        true => Ok(images),
        false => Err(Error::Refused {
            what: "the model's samples are no finite numbers".to_owned(),
            help: "its training has diverged, or the guidance is too large for it: try --guidance 1, or train it \
                   again with a smaller --learning-rate"
                .to_owned(),
        }),
    }
}

/// Reads images back from the device.
#[cfg(feature = "graph")]
pub(super) fn read(images: &burn::tensor::Tensor<4>) -> Result<Images, Error> {
    tailor_core::graph::sampling::read(images).map_err(|reason| Error::Refused {
        what: format!("the images cannot be read back from the device: {reason}"),
        help: "try --device cpu".to_owned(),
    })
}

#[cfg(feature = "graph")]
fn graph(config: &ModelConfig, learngene: &Tensors, device: &burn::tensor::Device) -> Result<Model, Error> {
    Ok(Model::Graph(Box::new(tailor_core::graph::Model::new(config, learngene, device)?)))
}

/// Makes all steps of a run, and passes it to `each` after every one.
fn run<M: Predict>(
    model: &M,
    settings: SampleSettings,
    mut each: impl FnMut(&SampleRun<'_, M>),
) -> Result<SampleRun<'_, M>, ModelError> {
    let mut sampling = SampleRun::new(model, settings)?;
    while sampling.step() {
        each(&sampling);
    }
    Ok(sampling)
}

/// Makes all steps of a run, and returns the clean images as each of them estimated them.
fn film<M: Predict>(model: &M, settings: SampleSettings) -> Result<Vec<M::Images>, ModelError> {
    let mut frames = Vec::new();
    let done = run(model, settings, |at| frames.push(at.preview()))?.images();
    frames.pop();
    frames.push(done);
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use tailor_core::{Guide, Item, Sampler};

    use super::*;

    #[test]
    fn samples_that_are_no_numbers_are_refused() {
        let config = ModelConfig::preset("tiny").unwrap();
        let model = |value: f32| {
            let mut tensors = Tensors::new();
            for spec in config.learngene_tensors() {
                let count = spec.shape.iter().product();
                tensors.insert(&spec.name, &spec.shape, vec![value; count]).unwrap();
            }
            Model::new(&config, &tensors, &Device::Processor).unwrap()
        };
        let settings = || SampleSettings {
            sampler: Sampler::Euler,
            steps: 2,
            guidance: 1.0,
            guide: Guide::default(),
            items: vec![Item { gate: Vec::new(), seed: 1 }],
        };
        assert!(model(0.01).generate(settings(), |_| ()).is_ok());
        let diverged = model(f32::MAX);
        for said in [
            diverged.generate(settings(), |_| ()).err().unwrap().to_string(),
            diverged.film(settings()).err().unwrap().to_string(),
        ] {
            assert!(said.contains("no finite numbers"), "{said}");
        }
    }
}
