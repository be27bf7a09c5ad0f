//! The page of the replication says what its logged results say.

use std::fs;
use std::process::Command;

use crate::support::repository;

fn page() -> String {
    fs::read_to_string(repository().join("docs/replication.md")).unwrap()
}

/// The arguments of the command on the page that makes the tables, its pattern of files expanded.
fn documented() -> Vec<String> {
    let page = page();
    let from = page.find("tailor experiment report docs/replication/results/*.jsonl").expect("the command");
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
fn the_documented_command_makes_the_tables_from_the_logged_results() {
    let mut arguments = documented();
    let out = arguments.iter().position(|word| word == "--out").expect("--out FILE.md") + 1;
    let committed = fs::read_to_string(repository().join(&arguments[out])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("tables.md");
    arguments[out] = made.to_str().unwrap().to_owned();
    let done = Command::new(env!("CARGO_BIN_EXE_tailor"))
        .args(&arguments)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(fs::read_to_string(made).unwrap(), committed, "make docs/replication/tables.md anew");
}

#[test]
fn every_interval_on_the_page_stands_in_the_tables() {
    let tables = fs::read_to_string(repository().join("docs/replication/tables.md")).unwrap();
    let logged: Vec<&str> = tables.lines().flat_map(|line| line.split('|')).map(str::trim).collect();
    let mut seen = 0;
    for line in page().lines().filter(|line| line.starts_with('|')) {
        for cell in line.split('|').map(|cell| cell.trim().trim_matches('*').replace('\u{2212}', "-")) {
            if cell.contains('±') {
                seen += 1;
                assert!(logged.contains(&cell.as_str()), "{cell} is in no table of logged results: {line}");
            }
        }
    }
    assert!(seen > 100, "{seen} intervals on the page");
}
