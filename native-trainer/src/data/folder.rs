//! A data set from a folder of class folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};
use rayon::prelude::*;
use walkdir::WalkDir;

use super::{Class, DataError, Dataset, Options, PatientBar, fit, names, room_for};

/// Endings of the files that are read.
const READABLE: [&str; 6] = ["png", "jpg", "jpeg", "webp", "bmp", "gif"];

/// Endings of files that are images all the same: they are skipped, but never silently.
const OTHER_IMAGES: [&str; 9] = ["tif", "tiff", "avif", "heic", "heif", "jxl", "svg", "ppm", "tga"];

/// Longest side of a picture, in pixels: larger ones are refused before anything is allocated.
const MAX_SIDE: u32 = 1 << 15;

/// What one folder below the root holds.
#[derive(Default)]
struct Entries {
    images: Vec<PathBuf>,
    has_folders: bool,
}

/// Reads the class folders below `root`.
pub(super) fn read(root: &Path, options: &Options) -> Result<Dataset, DataError> {
    let mut skipped = Vec::new();
    let folders = list(root, &mut skipped)?;
    let classes = classes(root, &folders)?;

    let files: Vec<(u32, &PathBuf)> = (0..)
        .zip(&classes)
        .flat_map(|(label, (folder, _))| folders[*folder].images.iter().map(move |path| (label, path)))
        .collect();
    let (channels, size) = (options.channels, options.size);
    let bytes = channels * size * size;
    let mut images = room_for(files.len(), bytes)?;
    let bar = PatientBar::new(files.len());
    let broken: Vec<Option<String>> = images
        .par_chunks_mut(bytes)
        .zip(&files)
        .map(|(out, (_, path))| {
            let result = decode(path).map(|picture| fit(&picture, channels, size, out));
            bar.step();
            result.err().map(|error| error.to_string())
        })
        .collect();
    drop(bar);

    let mut data = Dataset {
        classes: classes.into_iter().map(|(_, class)| class).collect(),
        images,
        labels: Vec::new(),
        sources: Vec::new(),
        channels,
        size,
        skipped,
    };
    // Readable images move up over the gaps that broken ones leave.
    for (i, ((label, path), broken)) in files.iter().zip(broken).enumerate() {
        match broken {
            Some(reason) => data.skipped.push(((*path).clone(), reason)),
            None => {
                data.images.copy_within(i * bytes..(i + 1) * bytes, data.labels.len() * bytes);
                data.labels.push(*label);
                data.sources.push(stem(path));
                data.classes[*label as usize].count += 1;
            }
        }
    }
    data.images.truncate(data.labels.len() * bytes);
    if let Some(label) = data.classes.iter().position(|class| class.count == 0) {
        let path = files.iter().find(|(l, _)| *l as usize == label).and_then(|(_, path)| path.parent());
        return Err(DataError::EmptyClass {
            class: data.classes[label].name.clone(),
            path: path.unwrap_or(root).to_owned(),
            unreadable: files.iter().filter(|(l, _)| *l as usize == label).count(),
        });
    }
    Ok(data)
}

/// Every folder below `root` with its images, in the order of their names.
fn list(root: &Path, skipped: &mut Vec<(PathBuf, String)>) -> Result<BTreeMap<PathBuf, Entries>, DataError> {
    let mut folders = BTreeMap::<PathBuf, Entries>::new();
    let mut anything = false;
    let hidden = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        name.starts_with('.') || name == "__MACOSX"
    };
    let walk = WalkDir::new(root).min_depth(1).follow_links(true).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|e| e.depth() == 0 || !hidden(e.file_name())) {
        let entry = entry.map_err(|error| DataError::Read {
            path: error.path().unwrap_or(root).to_owned(),
            source: error.into(),
        })?;
        anything = true;
        let path = entry.path().to_owned();
        let parent = path.parent().unwrap_or(root).to_owned();
        if entry.file_type().is_dir() {
            folders.entry(parent).or_default().has_folders = true;
            folders.entry(path).or_default();
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if OTHER_IMAGES.contains(&ending.as_str()) {
            skipped.push((path, format!(".{ending} files are not read")));
        } else if READABLE.contains(&ending.as_str()) {
            if parent == root {
                skipped.push((path, "it lies in no class folder".to_owned()));
            } else {
                folders.entry(parent).or_default().images.push(path);
            }
        }
    }
    if !anything {
        return Err(DataError::EmptyFolder(root.to_owned()));
    }
    folders.remove(root);
    // A folder that only sorts other folders is no class.
    folders.retain(|_, entries| !entries.images.is_empty() || !entries.has_folders);
    if folders.is_empty() {
        return Err(DataError::NoClassFolders(root.to_owned()));
    }
    Ok(folders)
}

/// The classes that the folders stand for, sorted by name, each beside its folder.
fn classes<'a>(
    root: &Path,
    folders: &'a BTreeMap<PathBuf, Entries>,
) -> Result<Vec<(&'a PathBuf, Class)>, DataError> {
    let mut by_id = BTreeMap::<String, (&PathBuf, Class)>::new();
    for (folder, entries) in folders {
        let parts = folder.strip_prefix(root).unwrap_or(folder).iter().map(|part| part.to_string_lossy());
        let name = parts.collect::<Vec<_>>().join("/");
        let class = names::class_name(&name);
        if entries.images.is_empty() {
            return Err(DataError::EmptyClass { class, path: folder.clone(), unreadable: 0 });
        }
        let id = names::class_id(&name).ok_or_else(|| DataError::NoId(folder.clone()))?;
        if let Some((first, _)) = by_id.get(&id) {
            return Err(DataError::SameId { id, first: (*first).clone(), second: folder.clone() });
        }
        by_id.insert(id.clone(), (folder, Class { id, name: class, count: 0 }));
    }
    let mut classes: Vec<_> = by_id.into_values().collect();
    classes.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
    Ok(classes)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// One picture, upright. The format is told by the content: endings are often wrong.
fn decode(path: &Path) -> Result<DynamicImage, ImageError> {
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{ImageFormat, Rgb, RgbImage};

    use super::*;

    const OPTIONS: Options = Options { channels: 1, size: 4, strict: false };

    fn image(path: &Path, brightness: u8) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(4, 4, Rgb([brightness; 3])).save(path).unwrap();
    }

    fn open(root: &Path) -> Result<Dataset, DataError> {
        Dataset::open(root, &OPTIONS)
    }

    #[test]
    fn every_format_is_read_in_the_order_of_names() {
        let root = tempfile::tempdir().unwrap();
        for (i, ending) in ["png", "jpg", "webp", "bmp", "gif"].iter().enumerate() {
            image(&root.path().join(format!("b/{i}.{ending}")), 10 * i as u8);
        }
        image(&root.path().join("A/x.png"), 255);
        let data = open(root.path()).unwrap();
        assert_eq!(data.labels, [0, 1, 1, 1, 1, 1]);
        assert_eq!(data.sources, ["x", "0", "1", "2", "3", "4"]);
        assert_eq!(data.batch(&[0]), [1.0; 16]);
        let (ids, counts): (Vec<_>, Vec<_>) = data.classes.iter().map(|c| (c.id.as_str(), c.count)).unzip();
        assert_eq!((ids, counts), (vec!["latin-capital-a", "latin-small-b"], vec![1, 5]));
        for i in 1..6 {
            assert!(data.image(i).iter().all(|p| p.abs_diff(10 * (i - 1) as u8) <= 2), "image {i}");
        }
    }

    #[test]
    fn one_broken_image_among_many_is_skipped_and_named() {
        let root = tempfile::tempdir().unwrap();
        for i in 0..5 {
            image(&root.path().join(format!("a/{i}.png")), 50 * i as u8);
        }
        let broken = root.path().join("a/2.png");
        let whole = fs::read(&broken).unwrap();
        fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
        let data = open(root.path()).unwrap();
        assert_eq!(data.sources, ["0", "1", "3", "4"]);
        assert_eq!((data.image(2)[0], data.image(3)[0]), (150, 200));
        assert_eq!(data.images.len(), 4 * 16);
        assert_eq!(data.skipped.len(), 1);
        assert_eq!(data.skipped[0].0, broken);
    }

    #[test]
    fn strict_reading_refuses_a_broken_image_by_name() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("a/0.png"), 0);
        fs::write(root.path().join("a/1.png"), "no image").unwrap();
        let error = Dataset::open(root.path(), &Options { strict: true, ..OPTIONS }).unwrap_err();
        assert!(matches!(&error, DataError::BrokenImage { others: 0, .. }), "{error}");
        assert!(error.to_string().contains("1.png"), "{error}");
    }

    #[test]
    fn a_class_with_no_images_is_named() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("full/0.png"), 0);
        fs::create_dir(root.path().join("hollow")).unwrap();
        let error = open(root.path()).unwrap_err();
        assert!(
            matches!(&error, DataError::EmptyClass { class, unreadable: 0, .. } if class == "hollow"),
            "{error}"
        );
        fs::write(root.path().join("hollow/0.png"), "no image").unwrap();
        let error = open(root.path()).unwrap_err();
        assert!(matches!(&error, DataError::EmptyClass { unreadable: 1, .. }), "{error}");
        assert!(error.to_string().contains("no readable images"), "{error}");
    }

    #[test]
    fn an_empty_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(open(root.path()), Err(DataError::EmptyFolder(_))));
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        assert!(matches!(open(Path::new("no/such/folder")), Err(DataError::Missing(_))));
    }

    #[test]
    fn images_without_class_folders_are_refused() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("0.png"), 0);
        assert!(matches!(open(root.path()), Err(DataError::NoClassFolders(_))));
    }

    #[test]
    fn two_folders_with_one_id_are_refused() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("hot dog/0.png"), 0);
        image(&root.path().join("hot-dog/0.png"), 0);
        let error = open(root.path()).unwrap_err();
        assert!(matches!(&error, DataError::SameId { id, .. } if id == "hot-dog"), "{error}");
    }

    #[test]
    fn a_nested_folder_is_a_class_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("Greek/alpha/0.png"), 0);
        image(&root.path().join("Greek/beta/0.png"), 0);
        let data = open(root.path()).unwrap();
        assert_eq!(data.classes[1].name, "Greek/beta");
        assert_eq!(data.classes[1].id, "greek-beta");
    }

    #[test]
    fn a_wrong_ending_and_an_unread_format_do_no_harm() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("a/0.png"), 9);
        let jpeg = root.path().join("a/1.png");
        RgbImage::from_pixel(4, 4, Rgb([9; 3])).save_with_format(&jpeg, ImageFormat::Jpeg).unwrap();
        fs::write(root.path().join("a/2.tiff"), "").unwrap();
        fs::write(root.path().join("a/notes.txt"), "").unwrap();
        let data = open(root.path()).unwrap();
        assert_eq!((data.len(), data.skipped.len()), (2, 1));
    }

    #[test]
    fn four_channels_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let options = Options { channels: 4, ..OPTIONS };
        assert!(matches!(Dataset::open(root.path(), &options), Err(DataError::Channels(4))));
    }

    #[test]
    fn held_out_sources_are_split_off() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a/1", "a/2", "b/1", "b/2"] {
            image(&root.path().join(format!("{name}.png")), 0);
        }
        let (kept, held_out) = open(root.path()).unwrap().split(|source| source == "2");
        assert_eq!((kept, held_out), (vec![0, 2], vec![1, 3]));
    }
}
