//! Makes a data set of letters from a folder of fonts: `<unicode-name>/<font-id>.png`, 32×32 grey, white on
//! black, every capital H 18 pixels high on one baseline, and `fonts.tsv` with the fonts' names.
//!
//! ```sh
//! cargo run -p tailor-trainer --example glyphs -- /usr/share/fonts --out letters
//! ```
//!
//! Left out are fonts without an H to measure, glyphs that a font does not have, that are blank or that do
//! not fit into the frame, and pictures that the same font has for an earlier character (small letters that
//! are drawn as capitals) or an earlier font for the same one (copies of a font).

#![allow(clippy::disallowed_macros, reason = "a script for one machine")]

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ab_glyph::{Font, FontVec, PxScale, point};
use clap::Parser;
use image::{GrayImage, ImageError, Luma};
use tailor_trainer::data::names::character_id;
use walkdir::WalkDir;

/// Side of a picture, height of a capital H, and the row on which letters stand, in pixels.
const SIZE: u32 = 32;
const CAP_HEIGHT: f32 = 18.0;
const BASELINE: f32 = 23.0;

/// A picture without one pixel as bright as this shows nothing.
const VISIBLE: u8 = 96;

/// Makes a data set of letters from a folder of fonts.
#[derive(Parser)]
struct Args {
    /// Folder with TrueType and OpenType fonts, searched to any depth
    fonts: PathBuf,
    /// Folder to make
    #[arg(long)]
    out: PathBuf,
    /// The characters, each a class
    #[arg(long, default_value = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")]
    characters: String,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{} is there already; name a folder that is not", .0.display())]
    Exists(PathBuf),
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Image { path: PathBuf, source: ImageError },
    #[error("no font in {} has any of the characters", .0.display())]
    NoFonts(PathBuf),
    #[error("{0:?} has no Unicode name; leave it out of --characters")]
    NoName(char),
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { what, path, source }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<String, Error> {
    if args.out.exists() {
        return Err(Error::Exists(args.out.clone()));
    }
    let mut classes = Vec::new();
    for c in args.characters.chars() {
        classes.push((c, character_id(c).ok_or(Error::NoName(c))?, HashSet::<Vec<u8>>::new()));
    }
    // Everything is made under another name first, so a half-made set is never taken for a whole one.
    let parent = args.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io_error("cannot make", parent))?;
    let making = tempfile::Builder::new().prefix(".glyphs-").tempdir_in(parent);
    let making = making.map_err(io_error("cannot write into", parent))?;

    let mut table = String::from("id\tfamily\tstyle\tfile\n");
    let (mut fonts, mut pictures) = (0, 0);
    for file in font_files(&args.fonts)? {
        let bytes = fs::read(&file).map_err(io_error("cannot read", &file))?;
        for face in 0..ttf_parser::fonts_in_collection(&bytes).unwrap_or(1) {
            let Some(sheet) = Sheet::open(&bytes, face) else { continue };
            let id = format!("{:04}", fonts + 1);
            let (before, mut of_this_font) = (pictures, HashSet::new());
            for (c, class, of_this_class) in &mut classes {
                let Some(picture) = sheet.draw(*c) else { continue };
                let (new_here, new_there) =
                    (of_this_font.insert(picture.to_vec()), of_this_class.insert(picture.to_vec()));
                if !(new_here && new_there) {
                    continue;
                }
                let folder = making.path().join(class);
                fs::create_dir_all(&folder).map_err(io_error("cannot make", &folder))?;
                let path = folder.join(format!("{id}.png"));
                picture.save(&path).map_err(|source| Error::Image { path, source })?;
                pictures += 1;
            }
            if pictures > before {
                fonts += 1;
                let (family, style) = names(&bytes, face);
                let file = file.strip_prefix(&args.fonts).unwrap_or(&file).display();
                table += &format!("{id}\t{family}\t{style}\t{file}\n");
            }
        }
    }
    if fonts == 0 {
        return Err(Error::NoFonts(args.fonts.clone()));
    }
    let list = making.path().join("fonts.tsv");
    fs::write(&list, table).map_err(io_error("cannot write", &list))?;
    fs::rename(making.path(), &args.out).map_err(io_error("cannot make", &args.out))?;
    // What was renamed is no longer there to be removed.
    let _ = making.keep();
    let filled = classes.iter().filter(|(_, _, pictures)| !pictures.is_empty()).count();
    Ok(format!("{pictures} pictures of {filled} characters in {fonts} fonts: {}", args.out.display()))
}

/// Every font file below `root`, in the order of their paths.
fn font_files(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(root).to_owned();
            Error::Io { what: "cannot read", path, source: e.into() }
        })?;
        let ending = entry.path().extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if entry.file_type().is_file() && ["ttf", "otf", "ttc", "otc"].contains(&ending.as_str()) {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// One font at the size at which its H is as high as every other's.
struct Sheet {
    font: FontVec,
    /// Pixels per font unit.
    pixels: f32,
}

impl Sheet {
    fn open(bytes: &[u8], face: u32) -> Option<Self> {
        let font = FontVec::try_from_vec_and_index(bytes.to_vec(), face).ok()?;
        let cap = font.outline(font.glyph_id('H'))?.bounds;
        let height = (cap.max.y - cap.min.y).abs();
        (height > 0.0).then(|| Self { pixels: CAP_HEIGHT / height, font })
    }

    /// The character, centred by its ink, or `None` if the font has none that can be seen whole.
    fn draw(&self, c: char) -> Option<GrayImage> {
        let id = self.font.glyph_id(c);
        let bounds = self.font.outline(id).filter(|_| id.0 != 0)?.bounds;
        let centre = (bounds.min.x + bounds.max.x) / 2.0 * self.pixels;
        let scale = PxScale::from(self.font.height_unscaled() * self.pixels);
        let at = point(SIZE as f32 / 2.0 - centre, BASELINE);
        let glyph = self.font.outline_glyph(id.with_scale_and_position(scale, at))?;
        let frame = glyph.px_bounds();
        let inside = |v: f32| (0.0..=SIZE as f32).contains(&v);
        if ![frame.min.x, frame.min.y, frame.max.x, frame.max.y].into_iter().all(inside) {
            return None;
        }
        let mut picture = GrayImage::new(SIZE, SIZE);
        glyph.draw(|x, y, coverage| {
            let (x, y) = (x + frame.min.x as u32, y + frame.min.y as u32);
            if x < SIZE && y < SIZE {
                picture.put_pixel(x, y, Luma([(coverage.clamp(0.0, 1.0) * 255.0).round() as u8]));
            }
        });
        picture.pixels().any(|p| p.0[0] >= VISIBLE).then_some(picture)
    }
}

/// Family and style as the font names itself, empty where it does not.
fn names(bytes: &[u8], face: u32) -> (String, String) {
    use ttf_parser::name_id::{FAMILY, SUBFAMILY, TYPOGRAPHIC_FAMILY, TYPOGRAPHIC_SUBFAMILY};
    let Ok(face) = ttf_parser::Face::parse(bytes, face) else { return Default::default() };
    let name = |ids: [u16; 2]| {
        let named = |id| face.names().into_iter().filter(|n| n.name_id == id).find_map(|n| n.to_string());
        // A tab or a line break would split the table's row.
        ids.into_iter().find_map(named).unwrap_or_default().replace(char::is_control, " ")
    };
    (name([TYPOGRAPHIC_FAMILY, FAMILY]), name([TYPOGRAPHIC_SUBFAMILY, SUBFAMILY]))
}
