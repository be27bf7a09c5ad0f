//! From a plain model of another program to a gallery.
//!
//! The learngene is the whole network and nothing is factored, so that all a class adds is its row of
//! the label table.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tailor_packs::publish::Draft;
use tailor_packs::{Card, Class, Contents, Gelu, ModelConfig, NewFile, Objective, Tensors, limits};

use super::pack::told;
use super::publish::{check_names, id_of};
use super::sign::Signing;
use crate::data::names;
use crate::error::Error;
use crate::say;
use crate::settings::sampling::SamplingSettings;
use crate::settings::weights::ImportSettings;
use crate::system::files::{create_folder, leave, read_limited, remove_leftovers, write_atomic};
use crate::system::output::shown;
use crate::weights::dit::{self, LABELS, LayoutError, POSITIONS, Told};
use crate::weights::{WeightsError, WeightsFile};

/// Bytes of a list of class names.
const MAX_NAMES: u64 = 1 << 20;

/// What `tailor export` writes into a file beside DiT's tensors, which say neither.
#[derive(Debug, Serialize, serde::Deserialize)]
pub(crate) struct Beside {
    /// The model's config.
    pub(crate) config: ModelConfig,
    /// Its classes, in the order of the label table.
    pub(crate) classes: Vec<Class>,
}

impl Beside {
    /// The key in the metadata of safetensors.
    pub(crate) const KEY: &str = "tailor";
}

/// A plain model that was taken over.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its sizes.
    pub config: ModelConfig,
    /// How many classes it has.
    pub classes: usize,
    /// Bytes of the learngene file.
    pub bytes: u64,
}

/// A plain model with its classes, read from a checkpoint of DiT.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// Its sizes; nothing is factored.
    pub config: ModelConfig,
    /// The tensors of its learngene.
    pub learngene: Tensors,
    /// Its classes, each with its label row.
    pub classes: Vec<(Class, Vec<f32>)>,
}

/// Makes a gallery of a checkpoint of DiT. The index is written last.
///
/// # Errors
/// [`Error::Weights`] for a file that is none, [`Error::Refused`] for a folder that holds anything, and anything
/// wrong with names, settings or disk.
pub fn import(settings: &ImportSettings) -> Result<Imported, Error> {
    let out = &settings.out;
    refuse_full(out)?;
    let id = settings.id.clone().or_else(|| id_of(out)).unwrap_or_else(|| "model".to_owned());
    let title = settings.title.clone().unwrap_or_else(|| id.clone());
    check_names(&id, &title)?;
    let plain = read(settings)?;
    let fresh = !out.exists();
    create_folder(out)?;
    let mut written = Vec::new();
    let bytes = write(settings, &plain, (&id, &title), &mut written).inspect_err(|_| {
        // Half a gallery is none.
        for file in &written {
            let _ = std::fs::remove_file(file);
        }
        leave(out, fresh);
    })?;
    if bytes > limits::BROWSER_FILE {
        say!(
            "note: the learngene has {bytes} bytes, and a browser takes files of up to {}: this gallery is for \
             machines with a disk",
            limits::BROWSER_FILE
        );
    }
    Ok(Imported { config: plain.config, classes: plain.classes.len(), bytes })
}

/// Writes the files of the gallery, each into `written` first, and returns the bytes of the learngene's.
fn write(
    settings: &ImportSettings,
    plain: &Plain,
    (id, title): (&str, &str),
    written: &mut Vec<PathBuf>,
) -> Result<u64, Error> {
    let out = &settings.out;
    let signing = Signing::new(&settings.signing, out)?;
    // It keeps other programs out, whose unfinished files these would be.
    remove_leftovers(out);
    let card = told(&settings.card, title, None);
    let config = &plain.config;
    let storage = settings.storage.into();
    let packed = |reason| Error::Pack { path: settings.weights.clone(), source: reason };
    let mut save = |file: NewFile| {
        let path = out.join(&file.entry.path);
        written.push(path.clone());
        write_atomic(&path, &file.bytes)
    };
    let contents = Contents { storage, ..Contents::new(id, config, &plain.learngene, &card) };
    let sampling = SamplingSettings::default().advice(config);
    let (mut draft, file) = Draft::new(&contents, title, sampling).map_err(packed)?;
    let bytes = file.entry.size;
    save(file)?;
    for (class, row) in &plain.classes {
        let mut tensors = Tensors::new();
        tensors.insert("label", &[row.len()], row.clone()).map_err(packed)?;
        let card = Card { title: format!("{title}: {}", class.name), ..card.clone() };
        let contents = Contents { tensors: &tensors, card: &card, ..contents };
        save(draft.add(&contents, class).map_err(packed)?)?;
    }
    signing.write(out, &mut draft.finish())?;
    Ok(bytes)
}

/// Refuses a folder that holds anything but what an import that was interrupted has left: the gallery would lie between
/// other files, or take their place.
fn refuse_full(out: &Path) -> Result<(), Error> {
    let mut entries = match std::fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::read(out)(error)),
    };
    let interrupted = |name: &OsStr| {
        let name = name.to_string_lossy();
        [".lock", ".part", ".learngene", ".tailor"].iter().any(|ending| name.ends_with(ending))
    };
    match entries.any(|entry| entry.is_ok_and(|entry| !interrupted(&entry.file_name()))) {
        true => Err(Error::Refused {
            what: format!("{} is not empty", shown(out)),
            help: "choose another --out, or remove that folder".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Reads the model of a checkpoint.
///
/// # Errors
/// [`Error::Weights`], or what is wrong with the names of the classes.
pub fn read(settings: &ImportSettings) -> Result<Plain, Error> {
    let path = &settings.weights;
    let layout = |source: LayoutError| WeightsError::Layout { path: path.clone(), source };
    let mut file = WeightsFile::open(path)?;
    let beside: Option<Beside> =
        file.metadata.get(Beside::KEY).and_then(|json| serde_json::from_str(json).ok());
    let told = Told {
        heads: settings.heads.or(beside.as_ref().map(|beside| beside.config.heads)),
        gelu: settings.gelu.or(beside.as_ref().map(|beside| beside.config.gelu)).unwrap_or(Gelu::Tanh),
    };
    let (mut config, labels) = dit::config(&file.shapes(), told).map_err(layout)?;
    config.objective = beside.as_ref().map_or(Objective::Ddpm, |beside| beside.config.objective);
    dit::check_positions(&config, &file.read(POSITIONS)?).map_err(layout)?;
    let names = match (&settings.classes, beside) {
        (Some(path), _) => named(path, labels)?,
        (None, Some(beside)) if beside.classes.len() == labels => beside.classes,
        _ => (0..labels).map(|n| names::class(&format!("class-{n}"))).collect::<Result<_, _>>()?,
    };
    check_classes(&names, settings.classes.as_ref().unwrap_or(path))?;

    let mut learngene = Tensors::new();
    let packed = |reason| Error::Pack { path: path.clone(), source: reason };
    let mut insert = |name: &str, values: Vec<f32>, shape: &[usize]| learngene.insert(name, shape, values);
    let width = config.width as usize;
    let table = file.read(LABELS)?;
    let (rows, null) = table.split_at(labels * width);
    insert("label.null", null.to_vec(), &[width]).map_err(packed)?;
    let own: std::collections::BTreeMap<_, _> =
        config.learngene_tensors().into_iter().map(|spec| (spec.name, spec.shape)).collect();
    for pair in dit::pairs(&config) {
        let values = pair.to_own(&file.read(&pair.name)?);
        insert(&pair.own, values, &own[&pair.own]).map_err(packed)?;
    }
    let classes = names.into_iter().zip(rows.chunks_exact(width)).map(|(class, row)| (class, row.to_vec()));
    Ok(Plain { config, learngene, classes: classes.collect() })
}

/// The classes that a text file names, one a line.
fn named(path: &Path, labels: usize) -> Result<Vec<Class>, Error> {
    let text = String::from_utf8_lossy(&read_limited(path, MAX_NAMES)?).into_owned();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() != labels {
        return Err(Error::Refused {
            what: format!("{} names {} classes, and the model has {labels}", shown(path), lines.len()),
            help: "write one name a line, in the order of the label table".to_owned(),
        });
    }
    Ok(lines.into_iter().map(names::class).collect::<Result<_, _>>()?)
}

/// Refuses two classes of one id, which would be one pack.
fn check_classes(classes: &[Class], path: &Path) -> Result<(), Error> {
    let mut ids = BTreeSet::new();
    for class in classes {
        names::check(&class.id, &class.name)?;
        if !ids.insert(&class.id) {
            return Err(Error::Refused {
                what: format!("{} names {:?} twice", shown(path), class.name),
                help: "give each class a name of its own, in a list with --classes".to_owned(),
            });
        }
    }
    Ok(())
}
