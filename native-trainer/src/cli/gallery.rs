//! The commands about galleries and packs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Args, Subcommand};
use tailor_packs::FactoredSet;

use super::SamplingFlags;
use crate::settings::device::DeviceChoice;
use crate::settings::gallery::{CardSettings, FetchSettings, PublishSettings, SigningSettings};
use crate::settings::storage::StorageChoice;

/// `tailor gallery`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor gallery add galleries/mine alpha.tailor
  tailor gallery remove galleries/mine greek-small-alpha
  tailor gallery sign galleries/mine --key mine.key")]
pub struct GalleryArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub change: GalleryChange,
    /// Who vouches for it.
    #[command(flatten)]
    pub signing: SigningFlags,
    /// One JSON object about the outcome on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

/// A change to a gallery. Its index is written last and gets the next version.
#[derive(Clone, Debug, Subcommand)]
pub enum GalleryChange {
    /// Put packs for the gallery's learngene into it; a class that is there is replaced
    #[command(after_help = "Example:\n  tailor gallery add galleries/mine alpha.tailor beta.tailor")]
    Add {
        /// Folder of the gallery
        #[arg(value_name = "GALLERY")]
        gallery: PathBuf,
        /// Packs
        #[arg(value_name = "FILE.tailor", required = true)]
        packs: Vec<PathBuf>,
    },
    /// Take classes out of it; their files stay until nothing on the way still asks for them
    #[command(after_help = "Example:\n  tailor gallery remove galleries/mine greek-small-alpha")]
    Remove {
        /// Folder of the gallery
        #[arg(value_name = "GALLERY")]
        gallery: PathBuf,
        /// Classes by id or name
        #[arg(value_name = "CLASS", required = true)]
        classes: Vec<String>,
    },
    /// Sign its index with --key, and change nothing else
    #[command(after_help = "\
Examples:
  tailor gallery sign galleries/mine --key mine.key
  tailor gallery sign galleries/mine --key mine.key --expires-in 365")]
    Sign {
        /// Folder of the gallery
        #[arg(value_name = "GALLERY")]
        gallery: PathBuf,
    },
}

/// A flag about the card, of a gallery that may be there already.
fn again(arg: Arg, what: &str) -> Arg {
    arg.help(format!("{what} [default: the gallery's own, else not stated]"))
}

/// `tailor publish`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor publish runs/mine --out galleries/mine
  tailor publish runs/mine --out galleries/mine --title 'My letters' --licence CC0-1.0 \\
    --data-note 'A-Z in my own hand'
  tailor publish runs/mine --out galleries/small --learngene-dtype int8

A gallery that is there gets a newer index, and keeps what no flag changes. It is refused if it holds classes \
that the run does not have.")]
#[command(mut_arg("licence", |arg| again(arg, "Licence of the weights, as an SPDX expression")))]
#[command(mut_arg("data_note", |arg| again(arg, "One sentence on the data that the model was trained on")))]
#[command(mut_arg("authors", |arg| again(arg, "Who made it; repeat for several")))]
pub struct PublishArgs {
    /// Folder of a training run
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Folder of the gallery; published again, it keeps what no flag changes
    #[arg(long, value_name = "GALLERY")]
    pub out: PathBuf,
    /// Id of the model and gallery, a-z, 0-9, _ and - [default: the gallery's own, else its folder's name]
    #[arg(long)]
    pub id: Option<String>,
    /// Name for people [default: the gallery's own, else the id]
    #[arg(long)]
    pub title: Option<String>,
    /// What the cards say.
    #[command(flatten)]
    pub card: CardFlags,
    /// Who vouches for it.
    #[command(flatten)]
    pub signing: SigningFlags,
    /// The weights themselves instead of their moving average
    #[arg(long)]
    pub raw_weights: bool,
    /// Mean of the checkpoints that are kept of the last N steps [default: the newest alone]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub average_steps: Option<u64>,
    /// Number format of the learngene's matrices [default: the gallery's own, else f16]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub learngene_dtype: Option<StorageChoice>,
    /// Number format of the tailors' matrices [default: the gallery's own, else f16]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub tailor_dtype: Option<StorageChoice>,
    /// How the gallery says to sample.
    #[command(flatten)]
    pub sampling: SamplingFlags,
    /// Samples in each pack's preview, 0 for none [default: the gallery's own, else 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=64))]
    pub previews: Option<u32>,
    /// Where to compute the previews
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// One JSON object about the outcome on standard output
    #[arg(long)]
    pub json: bool,
}

/// Who vouches for a gallery, and how long.
#[derive(Clone, Debug, Default, Args)]
pub struct SigningFlags {
    /// Secret key that signs the index; its password is asked for, or taken from TAILOR_KEY_PASSWORD
    #[arg(long, value_name = "FILE.key", global = true)]
    pub key: Option<PathBuf>,
    /// Public key that will sign from some later version on: readers who trust the present one follow
    #[arg(long, value_name = "FILE.pub", requires = "key", global = true)]
    pub next_key: Option<OsString>,
    /// Days after which readers refuse the index, so that nobody can be kept on an old one [default: as
    /// before, else never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500), global = true)]
    pub expires_in: Option<u32>,
}

/// `tailor keygen`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor keygen mine

It asks for a password that encrypts the secret key, and so does each command that signs with it. A script \
can give it in TAILOR_KEY_PASSWORD, or do without one with --no-password.

Keys and signatures are those of minisign: `minisign -V -p mine.pub -m index.json` checks a gallery, too.")]
pub struct KeygenArgs {
    /// Where to: NAME.key is the secret key, NAME.pub the public one
    #[arg(value_name = "NAME")]
    pub name: PathBuf,
    /// Leave the secret key unencrypted, for a machine that signs by itself
    #[arg(long)]
    pub no_password: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// What a pack's card says.
#[derive(Clone, Debug, Default, Args)]
pub struct CardFlags {
    /// Licence of the weights, as an SPDX expression [default: not stated]
    #[arg(long, value_name = "SPDX")]
    pub licence: Option<String>,
    /// One sentence on the data that the model was trained on [default: not stated]
    #[arg(long, value_name = "TEXT")]
    pub data_note: Option<String>,
    /// Who made it; repeat for several [default: not stated]
    #[arg(long = "author", value_name = "NAME")]
    pub authors: Vec<String>,
}

/// `tailor inspect`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor inspect web/galleries/letters
  tailor inspect --preset dit-b-2 --tailors 1 --factored qkv,o,in,out,adaln --json
  tailor inspect --preset letters --toml > mine.toml
  tailor inspect --splits
  tailor inspect --split imagenet-task-7 --toml > task-7.toml")]
pub struct InspectArgs {
    /// A .learngene or .tailor file, or the folder of a gallery
    #[arg(value_name = "FILE|GALLERY", required_unless_present_any = ["preset", "splits", "split"])]
    pub path: Option<PathBuf>,
    /// A model by name instead
    #[arg(long, value_name = "NAME", conflicts_with = "path")]
    pub preset: Option<String>,
    /// The splits that data can be taken by, with the number of their classes
    #[arg(long, conflicts_with_all = ["path", "preset", "split"])]
    pub splits: bool,
    /// One of them, or the file of one
    #[arg(long, value_name = "NAME|FILE.toml", conflicts_with_all = ["path", "preset"])]
    pub split: Option<OsString>,
    /// Tailors to count in the total [default: every class of a gallery, else 1]
    #[arg(long, value_name = "N")]
    pub tailors: Option<u64>,
    /// The factored matrices, out of qkv,q,k,v,o,in,out,adaln
    #[arg(long, value_name = "LIST", requires = "preset")]
    pub factored: Option<FactoredSet>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// The preset as a config file for `tailor train`, with every training setting commented out; the split as a file
    #[arg(long, conflicts_with_all = ["json", "path", "splits"])]
    pub toml: bool,
}

/// `tailor verify`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor verify web/galleries/letters
  tailor verify web/galleries/letters/latin-capital-a-*.tailor
  tailor verify galleries/mine --public-key mine.pub")]
pub struct VerifyArgs {
    /// .learngene or .tailor files, or folders of galleries or their index.json
    #[arg(value_name = "FILE|GALLERY", required = true)]
    pub paths: Vec<PathBuf>,
    /// Key that must have signed the gallery: the line that begins with RW, or a .pub file
    #[arg(long, value_name = "KEY")]
    pub public_key: Option<OsString>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `tailor fetch`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tailor fetch https://example.org/galleries/letters --class A --class B --out fetched/letters
  tailor fetch https://example.org/galleries/mine --all-classes --public-key mine.pub

The folder is then a gallery of just these classes: the index and its signature are the published ones, byte for \
byte, `tailor verify` says which classes are not here, and to fetch more into it keeps those that are. It \
remembers whom it trusts: an older index, another key, or none, is refused from then on. What arrived \
before Ctrl-C is not fetched again.")]
#[command(override_usage = "tailor fetch [OPTIONS] <--class <NAME>|--all-classes> <URL>")]
pub struct FetchArgs {
    /// Address of the gallery, the folder of its index.json, or of a page that shows it (?gallery=...)
    #[arg(value_name = "URL")]
    pub url: String,
    /// Class by id or name; repeat for several
    #[arg(long = "class", value_name = "NAME", required_unless_present = "all_classes")]
    pub classes: Vec<String>,
    /// Every class of the gallery
    #[arg(long, conflicts_with = "classes")]
    pub all_classes: bool,
    /// Folder for the gallery [default: the last part of the address]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Key that must have signed the gallery: the line that begins with RW, or a .pub file
    #[arg(long, value_name = "KEY")]
    pub public_key: Option<OsString>,
    /// Trust the key that signs a gallery not fetched before: its fingerprint, or yes for any [default: ask]
    #[arg(long, value_name = "FINGERPRINT")]
    pub trust: Option<String>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `tailor serve`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  tailor serve web/galleries/letters --open

`just site` builds the studio in the clone of this project. Only this machine can reach what is served. \
Ctrl-C ends it, with status 0.")]
pub struct ServeArgs {
    /// Folder of a gallery
    #[arg(value_name = "GALLERY")]
    pub gallery: PathBuf,
    /// Folder of the studio that `just site` built in the clone
    #[arg(long, value_name = "DIR", default_value = "web/dist")]
    pub site: PathBuf,
    /// Port; 0 for any that is free
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// Open it in the browser
    #[arg(long)]
    pub open: bool,
}

impl CardFlags {
    /// The settings asked for.
    pub fn settings(&self) -> CardSettings {
        let Self { licence, data_note, authors } = self.clone();
        CardSettings { licence, data_note, authors }
    }
}

impl SigningFlags {
    /// The settings asked for.
    pub fn settings(&self) -> SigningSettings {
        let Self { key, next_key, expires_in } = self.clone();
        SigningSettings { key, next_key, expires_in }
    }
}

impl PublishArgs {
    /// The settings asked for.
    pub fn settings(&self) -> PublishSettings {
        PublishSettings {
            run: self.run.clone(),
            out: self.out.clone(),
            id: self.id.clone(),
            title: self.title.clone(),
            card: self.card.settings(),
            signing: self.signing.settings(),
            raw_weights: self.raw_weights,
            average_steps: self.average_steps,
            learngene_storage: self.learngene_dtype,
            tailor_storage: self.tailor_dtype,
            sampling: self.sampling.settings(),
            previews: self.previews,
            device: self.device,
        }
    }
}

impl FetchArgs {
    /// The settings asked for.
    pub fn settings(&self) -> FetchSettings {
        let Self { url, classes, all_classes, out, public_key, trust, json: _ } = self.clone();
        FetchSettings { url, classes, all_classes, out, public_key, trust }
    }
}
