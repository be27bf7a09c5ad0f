//! `tailor sample`: images from a gallery, on this machine.

use std::path::PathBuf;

use image::ImageFormat;
use tailor_core::Item;
use tailor_core::diffusion::images::Images;
use tailor_packs::ModelConfig;

use crate::cli::SampleArgs;
#[cfg(feature = "graph")]
use crate::compute::autoencoder::Autoencoder;
use crate::compute::device::{self, Device};
use crate::error::Error;
use crate::gallery::folder::Gallery;
use crate::gallery::sample::{assemble, settings};
use crate::say;
use crate::system::grid::{Layout, film, film_fits, format_of, grid, numbered, save_npy};
use crate::system::output::{self, shown};

/// Runs `tailor sample`.
///
/// # Errors
/// Anything wrong with gallery, classes, settings, device or disk; what is wrong with the output is said before
/// anything is sampled.
pub fn run(args: &SampleArgs) -> Result<(), Error> {
    let gallery = Gallery::open(&args.gallery)?;
    let classes: Vec<String> = if args.all_classes {
        gallery.index.classes.iter().map(|c| c.id.clone()).collect()
    } else {
        args.classes.iter().map(|c| Ok(gallery.class(c)?.id.clone())).collect::<Result<_, Error>>()?
    };
    let gates: Vec<Vec<(String, f32)>> = match args.learngene_only {
        true => vec![Vec::new()],
        false => classes.iter().map(|c| vec![(c.clone(), 1.0)]).collect(),
    };
    let config = &gallery.index.config;
    let device = device::open(args.device)?;
    let pictures = Pictures::open(args, config, &device)?;
    let read: Vec<PathBuf> = gallery.files().chain(args.autoencoder.clone()).collect();
    let layout = Layout::of(gates.len(), args.count as usize, pictures.shape)?;
    let output = Output::prepare(args, layout, &read)?;
    let image = [config.channels, config.image_size, config.image_size].map(|axis| axis as usize);
    let values = image.iter().product::<usize>().checked_mul(gates.len() * args.count as usize);
    let mut all = Images { shape: [0; 4], values: Vec::new() };
    values.and_then(|values| all.values.try_reserve_exact(values).ok()).ok_or_else(|| Error::Refused {
        what: format!("{} × {} images do not fit into memory", gates.len(), args.count),
        help: "ask for fewer at a time, with another --seed".to_owned(),
    })?;
    let sampling = args.guide.over(args.sampling.settings());
    let model = assemble(&gallery, &classes, &sampling.guide, &device)?;
    if let Some(path) = &args.film {
        let items = gates.iter().map(|gate| Item { gate: gate.clone(), seed: args.seed }).collect();
        let settings = settings(&gallery, &sampling, items)?;
        film_fits(settings.steps, gates.len(), pictures.shape)?;
        let frames = model.film(settings)?;
        let frames = frames.into_iter().map(|frame| pictures.of(frame)).collect::<Result<Vec<_>, _>>()?;
        output::write(path, &film(&frames, format_of(path)?)?)?;
    }
    let bar = indicatif::ProgressBar::new(u64::from(args.count));
    for row in 0..u64::from(args.count) {
        let seed = args.seed.wrapping_add(row);
        let items = gates.iter().map(|gate| Item { gate: gate.clone(), seed }).collect();
        let images = model.generate(settings(&gallery, &sampling, items)?, |_| ())?;
        let [b, c, h, w] = images.shape;
        all.shape = [all.shape[0] + b, c, h, w];
        all.values.extend(images.values);
        bar.inc(1);
    }
    bar.finish_and_clear();
    output.write(&all, &pictures)
}

/// Makes pictures of what a model makes: images as they are, or what an autoencoder makes of latents.
struct Pictures {
    /// `[C, H, W]` of a picture.
    shape: [usize; 3],
    #[cfg(feature = "graph")]
    decoder: Option<Autoencoder>,
}

impl Pictures {
    /// Reads the autoencoder, where the model needs one.
    #[cfg_attr(not(feature = "graph"), expect(unused_variables, reason = "autoencoders are made of Burn"))]
    fn open(args: &SampleArgs, config: &ModelConfig, device: &Device) -> Result<Self, Error> {
        let [channels, side] = [config.channels, config.image_size].map(|axis| axis as usize);
        match (&args.autoencoder, config.makes_latents()) {
            (None, false) => Ok(Self {
                shape: [channels, side, side],
                #[cfg(feature = "graph")]
                decoder: None,
            }),
            (None, true) => Err(Error::Refused {
                what: format!("{} makes latents, which are no images yet", shown(&args.gallery)),
                help: "name with --autoencoder the folder of the autoencoder that the latents are of"
                    .to_owned(),
            }),
            (Some(_), false) => Err(Error::Refused {
                what: format!("{} makes images, which need no autoencoder", shown(&args.gallery)),
                help: "leave out --autoencoder".to_owned(),
            }),
            #[cfg(feature = "graph")]
            (Some(path), true) => {
                let decoder = Autoencoder::open(path, &device.for_graph())?;
                decoder.fits(channels)?;
                let side = side * decoder.factor();
                Ok(Self { shape: [3, side, side], decoder: Some(decoder) })
            }
            #[cfg(not(feature = "graph"))]
            (Some(_), true) => Err(Error::Refused {
                what: "this build has no autoencoders: they are made of Burn".to_owned(),
                help: "build one that has them with: cargo install --path native-trainer --features graph"
                    .to_owned(),
            }),
        }
    }

    /// The pictures of what the model made.
    fn of(&self, made: Images) -> Result<Images, Error> {
        #[cfg(feature = "graph")]
        if let Some(decoder) = &self.decoder {
            return decoder.decode(&made);
        }
        Ok(made)
    }
}

/// Where images go, and how they are laid out.
struct Output<'a> {
    args: &'a SampleArgs,
    layout: Layout,
    format: ImageFormat,
}

impl<'a> Output<'a> {
    /// Refuses what could not be written, or would be written over what is `read`.
    fn prepare(args: &'a SampleArgs, layout: Layout, read: &[PathBuf]) -> Result<Self, Error> {
        let format = format_of(&args.out)?;
        Self::check_names(args, layout)?;
        let pictures = (0..layout.pictures).map(|number| numbered(&args.out, number));
        if let Some(film) = &args.film {
            format_of(film)?;
        }
        for path in pictures.chain(args.raw.clone()).chain(args.film.clone()) {
            output::refuse_inputs(&path, read)?;
            output::prepare(&path)?;
        }
        Ok(Self { args, layout, format })
    }

    /// Refuses names under which one file would take another's place.
    fn check_names(args: &SampleArgs, layout: Layout) -> Result<(), Error> {
        let streams = [Some(&args.out), args.raw.as_ref(), args.film.as_ref()];
        let streams = streams.into_iter().flatten().filter(|path| output::is_standard_output(path)).count();
        if streams > 1 || (output::is_standard_output(&args.out) && layout.pictures > 1) {
            return Err(Error::Refused {
                what: format!("standard output takes one file, not {}", layout.pictures.max(streams)),
                help: "name files instead of -".to_owned(),
            });
        }
        let others = [("--raw", &args.raw), ("--film", &args.film)];
        let mut named: Vec<(&str, PathBuf)> =
            (0..layout.pictures).map(|number| ("--out", numbered(&args.out, number))).collect();
        for (name, path) in others {
            let Some(path) = path else { continue };
            if let Some((other, _)) = named.iter().find(|(_, there)| output::same(path, there)) {
                return Err(Error::Refused {
                    what: format!("{name} and {other} both name {}", shown(path)),
                    help: "name two files".to_owned(),
                });
            }
            named.push((name, path.clone()));
        }
        Ok(())
    }

    /// Writes the array first, of which the pictures are only a view.
    fn write(&self, made: &Images, pictures: &Pictures) -> Result<(), Error> {
        if let Some(raw) = &self.args.raw {
            save_npy(raw, &made.shape, &made.values)?;
        }
        let b = made.shape[0];
        let each = self.layout.columns * self.layout.rows;
        for (number, start) in (0..b).step_by(each).enumerate() {
            let Images { shape, values } = pictures.of(made.part(start..b.min(start + each)))?;
            let picture = grid(&values, shape, self.layout.columns, self.layout.scale, self.format)?;
            output::write(&numbered(&self.args.out, number), &picture)?;
        }
        if self.layout.pictures > 1 {
            let last = numbered(&self.args.out, self.layout.pictures - 1);
            say!("{b} images in {} pictures, the last is {}", self.layout.pictures, shown(&last));
        }
        Ok(())
    }
}
