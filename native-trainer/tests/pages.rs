//! Pages that give figures say what their logged results say: the replication, and the recipe.

use std::fs;
use std::process::Command;

use crate::support::repository;

/// The pages, each with the folder of its results and tables.
const PAGES: [(&str, &str); 2] =
    [("docs/replication.md", "docs/replication"), ("docs/recipe.md", "docs/recipe")];

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

/// The arguments of the command on a page that makes the tables, its pattern of files expanded.
fn documented(page: &str, folder: &str) -> Vec<String> {
    let page = read(page);
    let from = page.find(&format!("tailor experiment report {folder}/results/*.jsonl")).expect("the command");
    let command = page[from..].split("\n```").next().unwrap().replace("\\\n", " ");
    let line = command.lines().next().unwrap();
    let mut arguments = Vec::new();
    for word in line.split_whitespace().skip(1) {
        match word.strip_suffix("/*.jsonl") {
            Some(folder) => {
                let entries = fs::read_dir(repository().join(folder)).unwrap();
                let mut names: Vec<String> =
                    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
                names.sort();
                arguments.extend(names.iter().map(|name| format!("{folder}/{name}")));
            }
            None => arguments.push(word.to_owned()),
        }
    }
    arguments
}

#[test]
fn the_documented_commands_make_the_tables_from_the_logged_results() {
    for (page, folder) in PAGES {
        let mut arguments = documented(page, folder);
        let out = arguments.iter().position(|word| word == "--out").expect("--out FILE.md") + 1;
        let committed = read(&arguments[out]);
        let made = tempfile::tempdir().unwrap();
        let made = made.path().join("tables.md");
        arguments[out] = made.to_str().unwrap().to_owned();
        let done = Command::new(env!("CARGO_BIN_EXE_tailor"))
            .args(&arguments)
            .current_dir(repository())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(fs::read_to_string(made).unwrap(), committed, "make {folder}/tables.md anew");
    }
}

#[test]
fn every_interval_on_a_page_stands_in_its_tables() {
    for (page, folder) in PAGES {
        let tables = read(&format!("{folder}/tables.md"));
        let logged: Vec<&str> = tables.lines().flat_map(|line| line.split('|')).map(str::trim).collect();
        let mut seen = 0;
        for line in read(page).lines().filter(|line| line.starts_with('|')) {
            for cell in line.split('|').map(|cell| cell.trim().trim_matches('*').replace('\u{2212}', "-")) {
                if cell.contains('±') {
                    seen += 1;
                    assert!(
                        logged.contains(&cell.as_str()),
                        "{cell} is in no table of logged results: {page}: {line}"
                    );
                }
            }
        }
        let least = if folder == "docs/replication" { 100 } else { 30 };
        assert!(seen > least, "{seen} intervals on {page}");
    }
}
