//! The tree of files in a folder.

use std::io::ErrorKind;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::listing::{Node, Tree, is_dotted, is_hidden};
use super::picture::Ending;
use super::{DataError, Options};
use crate::system::output::one_line;

/// Everything below `root` that is not hidden. Links are followed; what cannot be opened is left out with the
/// reason.
pub(super) fn list(root: &Path, options: &Options) -> Result<Tree, DataError> {
    let mut tree = Tree::default();
    let dotted = &mut tree.dotted;
    let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_owned();
    let mut wanted = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        if entry.depth() == 0 || !is_hidden(&name) {
            return true;
        }
        if entry.file_type().is_dir() && is_dotted(&name) && holds_images(entry.path(), options) {
            dotted.insert(below(entry.path()));
        }
        false
    };
    let walk = WalkDir::new(root).min_depth(1).follow_links(true).into_iter();
    for entry in walk.filter_entry(|entry| wanted(entry)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                if error.depth() == 0 {
                    return Err(DataError::Read { path, source: error.into() });
                }
                tree.listing.insert(below(&path), Node::Left(reason(&error)));
                continue;
            }
        };
        let path = below(entry.path());
        let node = match entry.file_type() {
            kind if kind.is_dir() => Node::Folder,
            kind if kind.is_file() => Node::File(0),
            // Opening a pipe would wait for somebody to write to it.
            _ if options.ending(&path) != Ending::Never => Node::Left("it is no plain file".to_owned()),
            _ => continue,
        };
        tree.listing.insert(path, node);
    }
    Ok(tree)
}

fn holds_images(folder: &Path, options: &Options) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| options.ending(Path::new(&entry.file_name())) == Ending::Readable)
}

/// Why a part of the tree cannot be walked, in words.
fn reason(error: &walkdir::Error) -> String {
    if error.loop_ancestor().is_some() {
        return "it is a link to a folder that it lies in".to_owned();
    }
    let is_link = error.path().is_some_and(|path| path.is_symlink());
    match error.io_error() {
        Some(error) if is_link && error.kind() == ErrorKind::NotFound => {
            "it is a link that leads nowhere".to_owned()
        }
        Some(error) if is_link => format!("its link cannot be followed: {error}"),
        Some(error) => format!("it cannot be opened: {error}"),
        None => one_line(&error.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{ImageFormat, Rgb, RgbImage};

    use super::*;
    use crate::data::Dataset;

    const OPTIONS: Options = Options::of(1, 4);

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
    fn all_images_are_of_one_class_when_one_is_named() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("0.png"), 1);
        image(&root.path().join("deep/down/1.png"), 2);
        let data = Dataset::open(root.path(), &OPTIONS.of_class("greek-small-alpha")).unwrap();
        let class = &data.classes[0];
        assert_eq!((class.id.as_str(), class.name.as_str(), class.count), ("greek-small-alpha", "α", 2));
        assert_eq!((data.len(), data.skipped.len()), (2, 0));
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
        assert!(matches!(open(root.path()), Err(DataError::NoClassFolders { .. })));
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
        image(&root.path().join("Roman/a/0.png"), 0);
        let data = open(root.path()).unwrap();
        assert_eq!(data.classes[1].name, "Greek/beta");
        assert_eq!(data.classes[1].id, "greek-beta");
    }

    #[test]
    fn a_folder_around_all_classes_is_no_part_of_their_names() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("data/set/cat/0.png"), 0);
        image(&root.path().join("data/set/dog/0.png"), 0);
        let names = |data: &Dataset| data.classes.iter().map(|class| class.name.clone()).collect::<Vec<_>>();
        let data = open(root.path()).unwrap();
        assert_eq!((names(&data), data.wrapped), (vec!["cat".to_owned(), "dog".to_owned()], true));
        // As a run that was begun by an earlier version knows them.
        let data = Dataset::open(root.path(), &OPTIONS.with_whole_names()).unwrap();
        assert_eq!(
            (names(&data), data.wrapped),
            (vec!["data/set/cat".to_owned(), "data/set/dog".to_owned()], false)
        );
    }

    #[test]
    fn the_parts_of_a_data_set_are_noted() {
        let root = tempfile::tempdir().unwrap();
        for name in ["train/cat", "train/dog", "val/cat", "val/dog"] {
            image(&root.path().join(name).join("0.png"), 0);
        }
        let data = open(root.path()).unwrap();
        assert_eq!(data.len(), 4);
        assert!(
            data.notes[0].starts_with("train and val became a part of the classes' names"),
            "{:?}",
            data.notes
        );
        assert!(open(&root.path().join("train")).unwrap().notes.is_empty());
    }

    #[test]
    fn images_are_told_by_their_content_and_what_is_none_is_counted() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("a/0.png"), 9);
        let mut jpeg = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(4, 4, Rgb([9; 3])).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        for name in ["1.jfif", "2.jpe", "3.pjpeg", "4.HEIC", "5"] {
            fs::write(root.path().join("a").join(name), jpeg.get_ref()).unwrap();
        }
        fs::write(root.path().join("a/6.pgm"), "P5 1 1 255 x").unwrap();
        fs::write(root.path().join("a/notes.txt"), "read me").unwrap();
        fs::write(root.path().join("a/README"), "read me").unwrap();
        let data = open(root.path()).unwrap();
        assert_eq!((data.len(), data.skipped.len()), (6, 1));
        assert_eq!(data.skipped[0].1, "PNM files are not read");
        assert!(data.notes[0].starts_with("2 files are no images, the first is "), "{:?}", data.notes);
    }

    #[test]
    fn every_class_without_images_is_named_at_once() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("full/0.png"), 0);
        for name in ["hollow", "void"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let error = open(root.path()).unwrap_err().to_string();
        assert_eq!(error, "2 classes have no images: hollow, void");
        fs::write(root.path().join("hollow/0.tif"), "").unwrap();
        let error = open(root.path()).unwrap_err().to_string();
        assert!(error.contains("hollow/0.tif: .tif files are not read"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_nowhere_or_back_are_left_out_with_the_reason() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("a/0.png"), 0);
        symlink("/nowhere", root.path().join("a/notes")).unwrap();
        symlink("..", root.path().join("a/up")).unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        let data = open(root.path()).unwrap();
        let reasons: Vec<&str> = data.skipped.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(data.len(), 1);
        assert_eq!(
            reasons[..2],
            ["it is a link that leads nowhere", "it is a link to a folder that it lies in"]
        );
        assert!(reasons[2].starts_with("its link cannot be followed"), "{reasons:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_whose_name_is_not_utf8_is_a_class() {
        use std::os::unix::ffi::OsStrExt;
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join(std::ffi::OsStr::from_bytes(b"donn\xe9es"));
        image(&data.join(std::ffi::OsStr::from_bytes(b"caf\xe9")).join("0.png"), 0);
        let cache = Some(root.path().join("cache"));
        for _ in 0..2 {
            let data = Dataset::open(&data, &Options { cache: cache.clone(), ..OPTIONS }).unwrap();
            assert_eq!((data.classes[0].id.as_str(), data.notes.len()), ("caf", 0));
        }
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
    fn held_out_sources_are_split_off() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a/1", "a/2", "b/1", "b/2"] {
            image(&root.path().join(format!("{name}.png")), 0);
        }
        let (kept, held_out) = open(root.path()).unwrap().split(|source| source == "2");
        assert_eq!((kept, held_out), (vec![0, 2], vec![1, 3]));
    }

    #[test]
    fn images_whose_names_agree_up_to_the_first_dot_are_held_out_together() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a/ink.one", "a/ink.two", "a/inkling", "b/ink.one", "b/pen.one"] {
            image(&root.path().join(format!("{name}.png")), 0);
        }
        let (kept, held_out) = open(root.path()).unwrap().split(|source| source == "ink");
        assert_eq!((kept, held_out), (vec![2, 4], vec![0, 1, 3]));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_left_out_by_name() {
        let root = tempfile::tempdir().unwrap();
        image(&root.path().join("a/0.png"), 0);
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("a/1.png")).unwrap();
        let data = open(root.path()).unwrap();
        assert_eq!((data.len(), data.skipped.len()), (1, 1));
        assert!(data.skipped[0].1.contains("no plain file"), "{:?}", data.skipped);
    }
}
