use std::collections::HashMap;

use image::{GrayImage, Luma};

use super::*;
use crate::data::{DataError, Options};

const OPTIONS: Options =
    Options { channels: 1, size: 2, strict: true, cache: None, class: None, whole_names: false, split: None };

fn split(name: &str) -> Split {
    Split::open(OsStr::new(name)).unwrap()
}

/// A folder with one image of this brightness for each class.
fn tree(classes: &[(&str, u8)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (class, brightness) in classes {
        let folder = root.path().join(class);
        std::fs::create_dir_all(&folder).unwrap();
        GrayImage::from_pixel(2, 2, Luma([*brightness])).save(folder.join("0.png")).unwrap();
    }
    root
}

fn open(root: &Path, split: &Split) -> Result<Dataset, DataError> {
    Dataset::open(root, &OPTIONS.with_split(Some(split.clone())))
}

fn written(text: &str) -> Result<Split, SplitError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, text).unwrap();
    Split::open(file.as_os_str())
}

#[test]
fn every_table_of_every_file_is_a_split() {
    let tables: usize = FILES.iter().map(|text| text.parse::<toml::Table>().unwrap().len()).sum();
    let all = Split::all();
    assert_eq!(all.len(), tables);
    let names: BTreeSet<_> = all.iter().map(|split| &split.name).collect();
    assert_eq!(names.len(), all.len());
    for split in &all {
        assert!(!split.about.is_empty() && split.classes.len() > 3, "{}", split.name);
        let again = written(&split.to_toml().unwrap()).unwrap();
        assert_eq!(Split { name: split.name.clone(), ..again }, *split);
    }
}

#[test]
fn imagenet_has_the_counts_of_the_paper() {
    let pretrain = split("imagenet-pretrain");
    let tasks: Vec<_> = (1..=18).map(|n| split(&format!("imagenet-task-{n}"))).collect();
    assert_eq!(pretrain.classes.len(), 150);
    assert_eq!(
        tasks.iter().map(|task| task.classes.len()).collect::<Vec<_>>(),
        [7, 13, 18, 20, 23, 24, 26, 26, 26, 28, 28, 29, 30, 30, 31, 33, 34, 35]
    );
    let all: Vec<&Split> = tasks.iter().chain([&pretrain]).collect();
    let novel: BTreeSet<_> = tasks.iter().flat_map(|task| &task.classes).collect();
    let classes: BTreeSet<_> = all.iter().flat_map(|split| &split.classes).collect();
    assert_eq!((novel.len(), classes.len()), (461, 611));
    let merged: HashMap<_, _> = all.iter().flat_map(|split| &split.merge).collect();
    assert_eq!(merged.len(), 76);
    let members: BTreeSet<_> = merged.values().copied().flatten().collect();
    assert_eq!((members.len(), merged.values().map(|of| of.len()).sum::<usize>()), (465, 465));
    // What is not merged stands for itself: 535 and 465 are all thousand classes.
    assert_eq!(classes.iter().filter(|class| !merged.contains_key(*class)).count() + members.len(), 1000);
}

#[test]
fn the_tasks_of_the_letters_are_disjoint_and_of_the_sizes_of_the_papers() {
    let tasks: Vec<_> = (1..=5).map(|n| split(&format!("letters-task-{n}"))).collect();
    let all: BTreeSet<_> = tasks.iter().flat_map(|task| &task.wanted).collect();
    assert_eq!(all.len(), tasks.iter().map(|task| task.classes.len()).sum::<usize>());
    assert!(tasks.iter().all(|task| (7..=35).contains(&task.classes.len())));
    assert_eq!(split("letters-pretrain").classes.len(), 52);
    for draw in 1..=3 {
        let both = [split(&format!("cifar10-pretrain-{draw}")), split(&format!("cifar10-novel-{draw}"))];
        assert_eq!(both.each_ref().map(|split| split.classes.len()), [6, 4]);
        assert_eq!(both.iter().flat_map(|split| &split.wanted).collect::<BTreeSet<_>>().len(), 10);
    }
}

/// A tree like ImageNet's, with a folder for each of its thousand classes that the splits name.
fn imagenet() -> tempfile::TempDir {
    let all: Vec<Split> = Split::all().into_iter().filter(|s| s.name.starts_with("imagenet")).collect();
    let plain = all.iter().flat_map(|s| s.classes.iter().filter(|class| !s.merge.contains_key(*class)));
    let members = all.iter().flat_map(|s| s.merge.values().flatten());
    let classes: Vec<(&str, u8)> = plain.chain(members).map(|class| (class.as_str(), 9)).collect();
    assert_eq!(classes.len(), 1000);
    tree(&classes)
}

#[test]
fn superclasses_are_merged_over_a_folder_of_imagenet() {
    let root = imagenet();
    for name in ["imagenet-pretrain", "imagenet-task-1", "imagenet-task-18"] {
        let split = split(name);
        let data = open(root.path(), &split).unwrap();
        assert_eq!(data.classes.len(), split.classes.len());
        let merged: usize = split.merge.values().map(Vec::len).sum();
        assert_eq!(data.len(), split.classes.len() - split.merge.len() + merged);
        for class in &data.classes {
            assert_eq!(class.count, split.merge.get(&class.name).map_or(1, Vec::len), "{}", class.name);
        }
    }
    // Not one folder was added or moved.
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1000);

    for class in ["n01514859", "n01518878"] {
        std::fs::remove_dir_all(root.path().join(class)).unwrap();
    }
    let error = open(root.path(), &split("imagenet-pretrain")).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("n01514859, n01518878: 2 of the "), "{said}");
    assert!(error.help().contains("--split"));
    let empty = tree(&[("cat", 0), ("dog", 0)]);
    let said = open(empty.path(), &split("imagenet-pretrain")).unwrap_err().to_string();
    assert!(said.contains(", …: ") && said.len() < 300, "{said}");
}

#[test]
fn a_split_chooses_merges_and_inverts_and_finds_a_letter_under_any_of_its_names() {
    let root = tree(&[("LATIN CAPITAL LETTER A", 10), ("latin-small-b", 20), ("c", 30), ("dog", 40)]);
    let split = written("classes = [\"A\", \"pets\"]\nmerge.pets = [\"b\", \"dog\"]\ninvert = true").unwrap();
    let data = open(root.path(), &split).unwrap();
    let classes: Vec<_> = data.classes.iter().map(|c| (c.id.as_str(), c.name.as_str(), c.count)).collect();
    assert_eq!(classes, [("latin-capital-letter-a", "A", 1), ("pets", "pets", 2)]);
    let shown: BTreeSet<_> = (0..3).map(|i| (data.labels[i], data.image(i)[0])).collect();
    assert_eq!(shown, BTreeSet::from([(0, 245), (1, 215), (1, 235)]));

    let all = written("merge.pets = [\"b\", \"dog\"]").unwrap();
    let data = open(root.path(), &all).unwrap();
    let names: Vec<_> = data.classes.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["A", "c", "pets"]);
}

#[test]
fn a_split_takes_classes_of_idx_files_too() {
    let root = tempfile::tempdir().unwrap();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let file = |name: &str, bytes: Vec<u8>| std::fs::write(root.path().join(name), bytes).unwrap();
    file("train-images-idx3-ubyte", [words(&[0x803, 4, 1, 1]), vec![1, 2, 3, 4]].concat());
    file("train-labels-idx1-ubyte", [words(&[0x801, 4]), vec![2, 0, 1, 2]].concat());
    let options = Options { size: 1, ..OPTIONS };
    let split = written("classes = [\"0\", \"2\"]").unwrap();
    let data = Dataset::open(root.path(), &options.with_split(Some(split))).unwrap();
    assert_eq!((&data.labels[..], data.len()), (&[1, 0, 1][..], 3));
    assert_eq!([0, 1, 2].map(|i| data.image(i)[0]), [1, 2, 4]);
    assert_eq!(data.sources, ["0", "1", "3"]);
}

#[test]
fn the_drawings_of_omniglot_turn_white_on_black_when_asked() {
    let (plain, inverted) = (split("omniglot-tagalog"), split("omniglot-tagalog-inverted"));
    assert_eq!((&plain.classes, plain.invert, inverted.invert), (&inverted.classes, false, true));
    let classes: Vec<(&str, u8)> = plain.classes.iter().map(|class| (class.as_str(), 255)).collect();
    let root = tree(&[&classes[..], &[("Latin/character01", 0)]].concat());
    let brightness = |split: &Split| open(root.path(), split).unwrap().image(3)[0];
    assert_eq!((brightness(&plain), brightness(&inverted)), (255, 0));
}

#[test]
fn decoded_images_are_kept_for_each_split_apart() {
    let root = tree(&[("a", 10), ("b", 20), ("c", 30)]);
    let cache = tempfile::tempdir().unwrap();
    let splits = [
        None,
        Some(written("classes = [\"a\", \"b\"]").unwrap()),
        Some(written("classes = [\"a\", \"b\"]\ninvert = true").unwrap()),
        Some(written("merge.x = [\"a\", \"b\"]").unwrap()),
        Some(written("merge.x = [\"a\", \"c\"]").unwrap()),
    ];
    let read = |split: &Option<Split>| {
        let options = OPTIONS.with_cache(cache.path().to_owned()).with_split(split.clone());
        let data = Dataset::open(root.path(), &options).unwrap();
        let kept = matches!(data.images, Pixels::File { .. });
        (kept, (data.classes.clone(), data.labels.clone(), data.images.to_vec()))
    };
    let first: Vec<_> = splits.iter().map(read).collect();
    let second: Vec<_> = splits.iter().map(read).collect();
    assert!(first.iter().all(|(kept, _)| !kept) && second.iter().all(|(kept, _)| *kept));
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first.1, second.1);
    }
    let others: Vec<_> = first.iter().map(|(_, data)| format!("{data:?}")).collect();
    assert_eq!(others.iter().collect::<BTreeSet<_>>().len(), splits.len());
}

#[test]
fn a_file_that_is_no_split_is_refused_with_what_is_wrong() {
    for (text, part) in [
        ("clases = [\"a\"]", "clases"),
        ("classes = [\"a\", \"A\", \"a\"]", "\"a\" twice"),
        ("classes = [\"a\"]\nmerge.b = [\"c\"]", "merge.b is not among the classes"),
        ("classes = [\"a\", \"b\"]\nmerge.b = [\"a\"]", "both a class and a member of b"),
        ("merge.b = [\"c\"]\nmerge.d = [\"c\"]", "a member of b and of d"),
        ("merge.b = []", "merge.b has no members"),
        ("classes = [\"!!!\"]", "no class id"),
        ("like = \"nothing\"", "no split \"nothing\""),
        ("classes = 3", "invalid type"),
    ] {
        let error = written(text).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, SplitError::File { .. }) && said.contains("mine.toml"), "{text}: {said}");
        assert!(said.contains(part), "{text}: {said}");
    }
    assert!(matches!(Split::open(OsStr::new("imagenet")), Err(SplitError::Unknown(_))));
    assert!(matches!(Split::open(OsStr::new("absent.toml")), Err(SplitError::Read(_))));
    let like = written("like = \"cifar10-novel-1\"\ninvert = true").unwrap();
    assert_eq!((like.classes, like.invert), (split("cifar10-novel-1").classes, true));
}
