//! The commands about plain models of other programs.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use tailor_packs::Gelu;

use super::{CardFlags, SigningFlags};
use crate::settings::storage::StorageChoice;
use crate::settings::weights::{ExportSettings, ImportSettings};

/// `tailor import`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor import dit small-dit.safetensors --heads 4 --out galleries/small-dit")]
pub struct ImportArgs {
    /// Which program's model it is.
    #[command(subcommand)]
    pub from: ImportFrom,
}

/// A kind of plain model.
#[derive(Clone, Debug, Subcommand)]
pub enum ImportFrom {
    /// A checkpoint with the names of facebookresearch/DiT, as torch.save wrote it or as safetensors
    Dit(Box<DitArgs>),
}

/// `tailor import dit`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor import dit small-dit.pt --heads 4 --out galleries/small-pt --title 'A small DiT'

The gallery's learngene is the whole network; each class is its row of the label table. Of a checkpoint of \
training the moving average is taken. A browser takes files of up to 512 MiB, which DiT-S and DiT-B keep to; \
a machine of one's own takes up to 4 GiB.")]
pub struct DitArgs {
    /// The checkpoint: .safetensors, or .pt of PyTorch 1.6 or later
    #[arg(value_name = "WEIGHTS")]
    pub weights: PathBuf,
    /// Folder of the gallery, which must be new
    #[arg(long, value_name = "GALLERY")]
    pub out: PathBuf,
    /// Text file with the name of each class, one a line [default: class-0, class-1, …]
    #[arg(long, value_name = "FILE.txt")]
    pub classes: Option<PathBuf>,
    /// Attention heads, which the weights do not tell [default: those of DiT-S, B, L and XL]
    #[arg(long, value_name = "N")]
    pub heads: Option<u32>,
    /// Activation of the feed-forward layers [default: tanh, which is DiT's]
    #[arg(long, value_enum)]
    pub gelu: Option<GeluChoice>,
    /// Number format of the matrices
    #[arg(long, value_enum, default_value_t)]
    pub storage: StorageChoice,
    /// Id of the model and gallery, a-z, 0-9, _ and - [default: its folder's name]
    #[arg(long)]
    pub id: Option<String>,
    /// Name for people [default: the id]
    #[arg(long)]
    pub title: Option<String>,
    /// What the cards say.
    #[command(flatten)]
    pub card: CardFlags,
    /// Who vouches for it.
    #[command(flatten)]
    pub signing: SigningFlags,
    /// One JSON object about the outcome on standard output
    #[arg(long)]
    pub json: bool,
}

/// An activation by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GeluChoice {
    /// With the error function
    Exact,
    /// The approximation by a hyperbolic tangent
    Tanh,
}

impl ValueEnum for StorageChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::F16, Self::F32, Self::Int8]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::F16 => ("f16", "16 bits"),
            Self::F32 => ("f32", "32 bits, which lose nothing"),
            Self::Int8 => ("int8", "8 bits, with a scale for each channel"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl DitArgs {
    /// The settings asked for.
    pub fn settings(&self) -> ImportSettings {
        ImportSettings {
            weights: self.weights.clone(),
            out: self.out.clone(),
            classes: self.classes.clone(),
            heads: self.heads,
            gelu: self.gelu.map(|gelu| match gelu {
                GeluChoice::Exact => Gelu::Exact,
                GeluChoice::Tanh => Gelu::Tanh,
            }),
            storage: self.storage,
            id: self.id.clone(),
            title: self.title.clone(),
            card: self.card.settings(),
            signing: self.signing.settings(),
        }
    }
}

/// `tailor export`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor export web/galleries/letters --class A --out A.safetensors
  tailor export web/galleries/letters --class A --out A.onnx

Learngene and tailor are multiplied out into the matrices of one plain network. Safetensors get the names of \
facebookresearch/DiT, and `tailor import dit` reads them back; a model with layers that DiT has not is refused. \
The graph of ONNX takes any model: images x, times t from 0 to 1000, labels y, of which the last is the null label, \
and for a model for few steps strides s, 0 for the velocity and 1 to 4 for a step of 1, 1/2, 1/4 or 1/8 of the way.")]
pub struct ExportArgs {
    /// Folder of a gallery
    #[arg(value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// Class by id or name, one of a factored model; repeat for several of a plain one [default: every class]
    #[arg(long = "class", value_name = "NAME")]
    pub classes: Vec<String>,
    /// The file, which its ending says how to write
    #[arg(long, value_name = "FILE.safetensors|FILE.onnx")]
    pub out: PathBuf,
    /// One JSON object about the outcome on standard output
    #[arg(long)]
    pub json: bool,
}

impl ExportArgs {
    /// The settings asked for.
    pub fn settings(&self) -> ExportSettings {
        let Self { gallery, classes, out, json: _ } = self.clone();
        ExportSettings { gallery, classes, out }
    }
}
