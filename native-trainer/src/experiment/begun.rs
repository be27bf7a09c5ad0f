//! The folder of an experiment, and what it was begun with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tailor_packs::Digest;

use super::plan::Experiment;
use crate::data::splits::Split;
use crate::data::{Dataset, Options};
use crate::error::Error;
use crate::say;
use crate::system::files::{create_folder, leave, read_limited, write_atomic};
use crate::system::output::{self, shown};
use crate::train::begin::outside;

/// Makes the experiment's folder. Refuses, before that, a build that cannot judge, a folder that lies in the data, a base
/// that this experiment makes itself, and one that was begun with other images.
pub(super) fn begin(out: &Path, experiment: &Experiment) -> Result<(), Error> {
    if !cfg!(feature = "graph") && experiment.runs.iter().any(|run| run.evaluate.is_some()) {
        return Err(Error::Refused {
            what: "this build has no classifier to judge with: it is made of Burn".to_owned(),
            help: "build with `--features graph`, or leave [evaluate] out to train only".to_owned(),
        });
    }
    Dataset::there(&experiment.data)?;
    outside(&experiment.data, out)?;
    let made: Vec<PathBuf> =
        ["runs", "galleries"].iter().filter_map(|part| output::place(&out.join(part))).collect();
    let own = |base: &PathBuf| {
        output::place(base).is_some_and(|base| made.iter().any(|made| base.starts_with(made)))
    };
    if let Some((run, base)) =
        experiment.runs.iter().find_map(|run| Some((run, run.base.as_ref().filter(|base| own(base))?)))
    {
        return Err(Error::Refused {
            what: format!(
                "arm {:?} adapts {}, which this experiment makes itself, in {}",
                run.arm,
                shown(base),
                shown(out)
            ),
            help: "train the network in an experiment of its own, with another --out".to_owned(),
        });
    }
    let noted = noted(&out.join(IMAGES))?;
    let kinds = kinds(out, experiment)?;
    let (fresh, runs) = (!out.exists(), out.join("results").exists());
    create_folder(out)?;
    let images = kinds.into_iter().map(|kind| kind.images(noted.as_ref())).collect::<Result<_, _>>();
    let images = images.inspect_err(|_| leave(out, fresh))?;
    if noted.is_none() && runs {
        say!("note: {} does not say which images it was begun with; from now on it does", shown(out));
    }
    same_images(out, noted.unwrap_or_default(), images)
}

/// What the folder of an experiment notes of its images.
const IMAGES: &str = "images.json";

/// Images as they were looked at last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Images {
    /// [`Dataset::state`] of the files.
    state: Option<String>,
    /// [`Dataset::contents`].
    sha256: Digest,
}

/// Images by what they are for.
type Noted = BTreeMap<String, Images>;

/// What the file at `path` notes; none where there is none.
fn noted(path: &Path) -> Result<Option<Noted>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let damaged = |reason: serde_json::Error| Error::Refused {
        what: format!("{} is damaged: {reason}", shown(path)),
        help: "choose another --out; or remove the file, if the images are those of the runs there"
            .to_owned(),
    };
    serde_json::from_slice(&read_limited(path, 1 << 20)?).map_err(damaged).map(Some)
}

/// Images that an experiment needs.
struct Kind<'a> {
    /// What they are for.
    what: String,
    path: &'a Path,
    options: Options,
    state: Option<String>,
}

impl Kind<'_> {
    /// What they are now. Those that have not been touched since they were `noted` are not read.
    fn images(self, noted: Option<&Noted>) -> Result<(String, Images), Error> {
        let Self { what, path, options, state } = self;
        let known =
            noted.and_then(|noted| noted.get(&what)).filter(|noted| state.is_some() && noted.state == state);
        let images = match known {
            Some(known) => known.clone(),
            None => Images { state, sha256: Dataset::open(path, &options)?.contents() },
        };
        Ok((what, images))
    }
}

/// The images of the training, and others that arms are judged by, by their paths.
fn kinds<'a>(out: &Path, experiment: &'a Experiment) -> Result<Vec<Kind<'a>>, Error> {
    let split = experiment.split.as_deref().map(Split::open).transpose()?;
    let mut kinds: Vec<Kind<'a>> = Vec::new();
    for run in &experiment.runs {
        let others = run.evaluate.as_ref().and_then(|judging| judging.data.as_ref());
        // The path of the training's own may change, where the images do not.
        let others = others.map(|path| (format!("judging {}", shown(path)), path));
        for (what, path) in [("training".to_owned(), &experiment.data)].into_iter().chain(others) {
            if kinds.iter().any(|kind| kind.what == what) {
                continue;
            }
            let options = Options::for_model(&run.recipe.model, false).with_split(split.clone());
            let state = Dataset::state(path, &options)?;
            kinds.push(Kind { what, path, options: options.with_cache(out.join("cache")), state });
        }
    }
    Ok(kinds)
}

/// Refuses other images than those that the experiment in `out` has noted, and notes them.
fn same_images(out: &Path, noted: Noted, images: Noted) -> Result<(), Error> {
    let other =
        |(what, was): &(&String, &Images)| images.get(*what).is_some_and(|now| now.sha256 != was.sha256);
    if let Some((what, _)) = noted.iter().find(other) {
        return Err(Error::Refused {
            what: format!(
                "the experiment in {} was begun with other {what} images, or with another split of them",
                shown(out)
            ),
            help: "choose another --out, or bring the images back".to_owned(),
        });
    }
    let all: Noted = noted.clone().into_iter().chain(images).collect();
    match all == noted {
        true => Ok(()),
        false => Ok(write_atomic(&out.join(IMAGES), output::json(&all).as_bytes())?),
    }
}
