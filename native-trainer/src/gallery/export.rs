//! From a gallery to the files of other programs: the model folded dense, as safetensors in DiT's
//! layout or as ONNX.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::Dtype;
use tailor_core::embedding::sincos_positions;
use tailor_core::model::values;
use tailor_packs::{Class, ClassEntry, Feature, ModelConfig, TensorSpec, Tensors};

use super::folder::Gallery;
use super::import::Beside;
use crate::error::Error;
use crate::say;
use crate::settings::weights::ExportSettings;
use crate::system::output::{self, shown};
use crate::weights::dit::{self, LABELS, POSITIONS, Pair};
use crate::weights::fold::folded;
use crate::weights::onnx;

/// What a plain network of DiT can say.
const KNOWN: [Feature; 3] = [Feature::LearnedVariance, Feature::SeparateAttention, Feature::TanhGelu];

/// A model that was written.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The plain network's sizes.
    pub config: ModelConfig,
    /// Its classes, in the order of the label table.
    pub classes: Vec<Class>,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes a gallery's model as one plain network.
///
/// A model whose matrices are factored is another network for each class, so one class is chosen. Of a plain
/// model, whose classes are rows of a label table, all are written, or those that are chosen.
///
/// # Errors
/// [`Error::Refused`] for an ending that says no format, no or several classes of a factored model, and a model
/// that ONNX cannot hold; whatever is wrong with gallery or disk.
pub fn export(settings: &ExportSettings) -> Result<Exported, Error> {
    let out = &settings.out;
    let ending = out.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    if !["safetensors", "onnx"].contains(&&*ending) {
        return Err(Error::Refused {
            what: format!("{} does not say what to write", shown(out)),
            help: "let it end in .safetensors or .onnx".to_owned(),
        });
    }
    let gallery = Gallery::open(&settings.gallery)?;
    output::refuse_inputs(out, gallery.files())?;
    output::prepare(out)?;
    if ending != "onnx" {
        gallery.index.config.supported_by("the layout of DiT", &KNOWN).map_err(|error| Error::Refused {
            what: format!("{}: {error}", shown(&gallery.folder)),
            help: "programs for that layout know DiT as it was published: write .onnx, whose graph says what is \
                   computed, or train a model without that for them"
                .to_owned(),
        })?;
    }
    let classes = chosen(&gallery, &settings.classes)?;
    let (config, learngene) = (&gallery.index.config, gallery.learngene()?.tensors);
    let label = TensorSpec { name: "label".to_owned(), shape: vec![config.width as usize] };
    let (mut labels, mut tailor) = (Vec::new(), None);
    for class in &classes {
        let tensors = gallery.tailor(class)?.tensors;
        labels.extend_from_slice(values(&tensors, &label)?);
        tailor = Some(tensors);
    }
    let fold = |error: crate::weights::fold::FoldError| Error::Refused {
        what: format!("{}: {error}", shown(&gallery.folder)),
        help: "publish the gallery again, or fetch it again".to_owned(),
    };
    let (plain, tensors) = folded(config, &learngene, tailor.as_ref()).map_err(fold)?;
    drop(learngene);
    labels.extend_from_slice(values(&tensors, &TensorSpec { name: "label.null".to_owned(), ..label })?);
    let classes = classes.into_iter().map(|class| Class {
        id: class.id.clone(),
        name: class.name.clone(),
        wordnet: None,
    });
    let beside = Beside { config: plain.clone(), classes: classes.collect() };
    let about = serde_json::to_string(&beside).unwrap_or_default();
    let bytes = match ending.as_str() {
        "onnx" => {
            let bytes = 4 * plain.learngene_parameters() + 4 * labels.len() as u64;
            if bytes >= onnx::LARGEST {
                return Err(Error::Refused {
                    what: format!(
                        "the model takes {bytes} bytes, and a file of ONNX has at most {}",
                        onnx::LARGEST
                    ),
                    help: "write .safetensors instead".to_owned(),
                });
            }
            onnx::model(&plain, &tensors, &labels, &[(Beside::KEY.to_owned(), about)])?
        }
        _ => in_dit(&plain, &tensors, labels, about).map_err(|error| Error::Refused {
            what: format!("the model cannot be written: {error}"),
            help: String::new(),
        })?,
    };
    output::write(out, &bytes)?;
    if !config.factored.matrices().is_empty() {
        say!(
            "note: the null label of this file has the class's components too, which the gallery leaves off"
        );
    }
    Ok(Exported { config: plain, classes: beside.classes, bytes: bytes.len() as u64 })
}

/// The classes asked for.
fn chosen<'a>(gallery: &'a Gallery, asked: &[String]) -> Result<Vec<&'a ClassEntry>, Error> {
    let factored = !gallery.index.config.factored.matrices().is_empty();
    match (factored, asked) {
        (true, [] | [_, _, ..]) => Err(Error::Refused {
            what: format!("each class of {} is a network of its own", shown(&gallery.folder)),
            help: "choose one with --class".to_owned(),
        }),
        (false, []) => {
            gallery.require_all()?;
            Ok(gallery.index.classes.iter().collect())
        }
        (_, asked) => {
            let mut found: Vec<&ClassEntry> = Vec::new();
            for name in asked {
                let class = gallery.class(name)?;
                if found.iter().any(|other| other.id == class.id) {
                    return Err(Error::Refused {
                        what: format!("--class names {} twice", class.id),
                        help: "name each class once: it gets one row of the label table".to_owned(),
                    });
                }
                found.push(class);
            }
            Ok(found)
        }
    }
}

/// A tensor of the file, made when it is written.
enum View<'a> {
    Ready(Vec<usize>, Vec<f32>),
    Made(&'a Pair, &'a [f32]),
}

impl safetensors::View for View<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Ready(shape, _) => shape,
            Self::Made(pair, _) => &pair.shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Cow::Owned(match self {
            Self::Ready(_, values) => bytes(values),
            Self::Made(pair, values) => bytes(&pair.to_dit(values)),
        })
    }

    fn data_len(&self) -> usize {
        4 * self.shape().iter().product::<usize>()
    }
}

/// The network as safetensors with DiT's names and shapes.
fn in_dit(
    config: &ModelConfig,
    tensors: &Tensors,
    labels: Vec<f32>,
    about: String,
) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let d = config.width as usize;
    let pairs = dit::pairs(config);
    let made = pairs.iter().filter_map(|pair| {
        let (_, values) = tensors.get(&pair.own)?;
        Some((pair.name.as_str(), View::Made(pair, values)))
    });
    let table = View::Ready(vec![labels.len() / d, d], labels);
    let positions = View::Ready(vec![1, config.tokens(), d], sincos_positions(config));
    let views: Vec<_> = made.chain([(LABELS, table), (POSITIONS, positions)]).collect();
    // `format` is what PyTorch's readers look for.
    let about = HashMap::from([("format".to_owned(), "pt".to_owned()), (Beside::KEY.to_owned(), about)]);
    safetensors::serialize(views, Some(about))
}
