//! The house: no two files of a crate need each other, `clap` and arguments stay in their rooms, long files say
//! why, every file of tests is compiled, and the Justfile names tests that are there.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Crates whose modules are looked at.
const CRATES: [&str; 4] = ["tailor-packs", "core", "native-trainer", "web"];

/// Lines from which on a file says in its first lines why it is long.
const LONG: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
    found
}

/// The path of the module in `file`, as in `a::b`; empty for the crate itself.
fn module(file: &Path, src: &Path) -> String {
    let relative = file.strip_prefix(src).unwrap().with_extension("");
    let mut parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
    if matches!(parts.last(), Some(&("mod" | "lib" | "main"))) {
        parts.pop();
    }
    parts.join("::")
}

/// The code of a file without its comments and tests.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    product.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Names and signs, in order.
fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = if name > 0 {
            name
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        if !c.is_whitespace() {
            found.push(&rest[..len]);
        }
        rest = &rest[len..];
    }
    found
}

/// Every path that begins at `at`, with the parts of a group `{…}` each on its own; where the paths end.
fn paths(tokens: &[&str], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = paths(tokens, at, &path, found);
                    // Whatever stands between two parts, such as `as` and a name.
                    while tokens.get(at).is_some_and(|token| *token != "," && *token != "}") {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                return at + 1;
            }
            Some(name) => path.push((*name).to_owned()),
            None => break,
        }
        at += 1;
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    found.push(path);
    at
}

/// For each module of a crate those that it names. What a folder's files name of the folder's own module does not
/// count: they are one room.
fn names(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeMap<String, PathBuf> =
        files(src).into_iter().map(|file| (module(&file, src), file)).collect();
    let mut named = BTreeMap::new();
    for (module, file) in &modules {
        let own: Vec<String> =
            module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let code = code(file);
        let tokens = tokens(&code);
        let mut targets = BTreeSet::new();
        for at in 0..tokens.len() {
            if !matches!(tokens[at], "crate" | "super" | "self") || tokens.get(at + 1) != Some(&"::") {
                continue;
            }
            let mut found = Vec::new();
            paths(&tokens, at, &[], &mut found);
            for path in found {
                let mut full = own.clone();
                for part in path {
                    match part.as_str() {
                        "crate" => full.clear(),
                        "super" => drop(full.pop()),
                        "self" => {}
                        _ => full.push(part),
                    }
                }
                while !full.is_empty() && !modules.contains_key(&full.join("::")) {
                    full.pop();
                }
                let target = full.join("::");
                let room = module == &target || module.starts_with(&format!("{target}::"));
                if !target.is_empty() && !room {
                    targets.insert(target);
                }
            }
        }
        named.insert(module.clone(), targets);
    }
    named
}

/// Everything that can be reached from `from`.
fn reached<'a>(named: &'a BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = named[from].iter().map(String::as_str).collect();
    while let Some(module) = next.pop() {
        if seen.insert(module) {
            next.extend(named[module].iter().map(String::as_str));
        }
    }
    seen
}

/// A filter that matches no test passes in silence.
#[test]
fn every_test_that_the_justfile_names_is_there() {
    let mut tests = Vec::new();
    for krate in ["tailor-packs", "core", "native-trainer", "tests"] {
        for file in files(&root().join(krate).join("tests")) {
            let text = std::fs::read_to_string(&file).unwrap();
            let subject = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("fn ")?.split_once('('));
            tests.extend(names.map(|(name, _)| format!("{subject}::{name}")));
        }
    }
    let justfile = std::fs::read_to_string(root().join("Justfile")).unwrap();
    let runs = justfile
        .lines()
        .filter(|line| line.contains("cargo test"))
        .filter_map(|line| line.split_once(" -- "));
    // What somebody types is not known here; flags and their numbers are no names.
    let filters: Vec<&str> = runs
        .filter(|(_, words)| !words.contains("{{"))
        .flat_map(|(_, words)| words.split(' ').filter(|word| word.starts_with(char::is_alphabetic)))
        .collect();
    assert!(filters.len() >= 9, "{filters:?}");
    for filter in filters {
        assert!(tests.iter().any(|test| test.contains(filter)), "no test has {filter} in its name");
    }
}

/// A crate's tests are one program, which has a line for each file. Without it, nobody would miss them.
#[test]
fn every_file_of_tests_is_part_of_a_program() {
    for krate in ["tailor-packs", "core", "native-trainer", "tests"] {
        let folder = root().join(krate);
        let main = std::fs::read_to_string(folder.join("tests/main.rs")).unwrap();
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for entry in std::fs::read_dir(folder.join("tests")).unwrap().map(|entry| entry.unwrap().path()) {
            let Some(name) = entry.file_name().unwrap().to_str().unwrap().strip_suffix(".rs") else {
                continue;
            };
            let there = main.lines().any(|line| line == format!("mod {name};"))
                || manifest.contains(&format!("path = \"tests/{name}.rs\""));
            assert!(there, "{} is in no program: add `mod {name};` to main.rs beside it", entry.display());
        }
    }
}

#[test]
fn no_two_files_of_a_crate_need_each_other() {
    for name in CRATES {
        let named = names(&root().join(name).join("src"));
        assert!(named.values().flatten().count() > 10, "{name}: hardly any path was found");
        let mut circles = Vec::new();
        for module in named.keys() {
            let back = reached(&named, module)
                .into_iter()
                .filter(|other| reached(&named, other).contains(&**module));
            circles.extend(back.map(|other| (module, other)));
        }
        assert!(circles.is_empty(), "{name}: these need each other: {circles:?}");
    }
}

/// The folder or file of `src` in which a module lies.
fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

#[test]
fn no_two_folders_of_the_command_line_tool_need_each_other() {
    let named = names(&root().join("native-trainer/src"));
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, targets) in &named {
        let others = targets.iter().map(|target| room(target)).filter(|other| *other != room(module));
        rooms.entry(room(module).to_owned()).or_default().extend(others.map(str::to_owned));
    }
    let circles: Vec<_> = rooms.keys().filter(|room| reached(&rooms, room).contains(&***room)).collect();
    assert!(circles.is_empty(), "these need each other: {circles:?}");
}

#[test]
fn only_the_command_line_knows_clap() {
    let src = root().join("native-trainer/src");
    for file in files(&src) {
        let module = module(&file, &src);
        let code = code(&file);
        let names_clap = tokens(&code).iter().any(|token| token.starts_with("clap"));
        assert!(!names_clap || room(&module) == "cli", "{} names clap", file.display());
    }
}

#[test]
fn only_the_commands_read_arguments() {
    let src = root().join("native-trainer/src");
    for (module, targets) in names(&src) {
        let names_cli = targets.iter().any(|target| room(target) == "cli");
        assert!(!names_cli || room(&module) == "commands", "{module} names cli");
    }
    // The program itself, which names the library from outside, only hands them on.
    let main = code(&src.join("main.rs"));
    assert!(tokens(&main).windows(3).any(|path| path == ["cli", "::", "Cli"]), "{main}");
}

#[test]
fn a_long_file_says_why_in_its_head() {
    for file in CRATES.iter().flat_map(|name| files(&root().join(name).join("src"))) {
        let text = std::fs::read_to_string(&file).unwrap();
        let head =
            text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("Long because"));
        assert!(text.lines().count() <= LONG || head, "{} has more than {LONG} lines", file.display());
    }
}

#[test]
fn paths_are_found_in_groups_too() {
    let found = |code: &str| {
        let (tokens, mut found) = (tokens(code), Vec::new());
        paths(&tokens, 0, &[], &mut found);
        found.into_iter().map(|path| path.join("::")).collect::<Vec<_>>()
    };
    assert_eq!(
        found("crate::a::{b::C, d as e, f::{g, h}}; x"),
        ["crate::a::b::C", "crate::a::d", "crate::a::f::g", "crate::a::f::h"]
    );
    assert_eq!(found("super::x::Y.z"), ["super::x::Y"]);
}
