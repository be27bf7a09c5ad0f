//! The languages agree, and the views take all of their words from them.

use super::*;
use crate::protocol::{Code, Remedy};
use std::collections::BTreeSet;
use std::path::Path;

#[path = "../../../build/messages.rs"]
mod messages;

use messages::{Messages, Piece, check};

fn source(code: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("locales/{code}.ftl"));
    std::fs::read_to_string(path).unwrap()
}

fn read_all(code: &str) -> Messages {
    messages::read(&format!("{code}.ftl"), &source(code)).unwrap()
}

fn words(code: &str) -> Words {
    Words::read(Language::find(code).unwrap(), &source(code)).unwrap()
}

#[test]
fn every_message_is_there_in_every_language_with_the_same_arguments() {
    let original = read_all("en");
    let languages: Vec<&str> = Language::all().map(|(language, _)| language.code()).collect();
    assert_eq!(languages, ["de", "en", "es"]);
    for code in languages.into_iter().filter(|code| *code != "en") {
        check(&original, code, &read_all(code)).unwrap();
    }
}

#[test]
fn the_build_stops_at_a_message_that_is_missing_and_at_arguments_that_differ() {
    let read = |source: &str| messages::read("xx.ftl", source);
    let original = read("hello = Hello { $name }\nbye = Bye\n").unwrap();
    let stops = |translation: &str| check(&original, "xx.ftl", &read(translation).unwrap()).unwrap_err();
    let fault = stops("hello = Hallo { $name }\n");
    assert_eq!((&*fault.file, &*fault.message), ("xx.ftl", "bye"));
    assert_eq!(stops("hello = Hallo\nbye = Ade\n").message, "hello");
    assert_eq!(stops("hello = Hallo { $nam }\nbye = Ade\n").message, "hello");
    assert_eq!(stops("hello = Hallo { $name } { $more }\nbye = Ade\n").message, "hello");
    assert_eq!(stops("hello = Hallo { $name }\nbye = Ade\nmore = Mehr\n").message, "more");
    assert_eq!(stops("hello = Hallo { $name }\nbye = Ade\nfailure-x = { $file }\n").message, "failure-x");
    let all = read("bye = Ade\nhello = Hallo { $name }\nfailure-x = Ach, { $subject }\n").unwrap();
    assert_eq!(check(&original, "xx.ftl", &all), Ok(()));
}

#[test]
fn a_message_becomes_a_function_with_its_arguments() {
    let read = |source: &str| messages::read("en.ftl", source).unwrap();
    let source =
        "language-name = English\nhello = Hello { $name } of { $land }\nteach-bye = Bye\nstatic-a = A\n";
    let rust = messages::generate(&[("en".to_owned(), read(source))].into());
    assert!(rust.contains(r#"LANGUAGES: &[(&str, &str)] = &[("en", "English")];"#), "{rust}");
    let hello = "pub fn hello(&self, land: &dyn std::fmt::Display, name: &dyn std::fmt::Display) -> String";
    assert!(rust.contains(hello), "{rust}");
    let page = rust.split("impl TeachWords").next().unwrap();
    assert!(!page.contains("fn teach_bye") && rust.contains("fn teach_bye"), "each program has its own");
    assert!(!rust.contains("static_a"), "these are read by start.js");
}

#[test]
fn what_the_page_would_not_understand_is_refused_where_the_words_are_read() {
    let refused = [
        "a = { $n }{\n",
        "a = one\n    two\n",
        "a = {$n}\n",
        "a = { NUMBER($n) }\n",
        "a = { b }\n",
        "-a = A\n",
        "a = A\n    .title = T\n",
        "a = A\na = B\n",
        "a = { $n ->\n    [one] one\n   *[many] many\n}\n",
        "a = { $n ->\n    [one] one\n    [two] two\n   *[other] more\n}\n",
        "a = All { $n ->\n    [one] one\n   *[other] more\n}\n",
    ];
    for source in refused {
        assert!(messages::read("xx.ftl", source).is_err(), "{source}");
    }
    assert_eq!(messages::read("xx.ftl", "# Words\n\na = { \" \" }\n").unwrap().len(), 1);
}

#[test]
fn the_page_reads_the_files_as_a_parser_of_fluent_does() {
    for (language, _) in Language::all() {
        let code = language.code();
        // The number in the place of each argument is one, or more than one.
        let table = Table::english("").translated(language, &source(code)).unwrap();
        for (id, message) in read_all(code) {
            for (case, number) in [1, 2].into_iter().enumerate() {
                let line = if message.counts.is_some() { case } else { 0 };
                let piece = |piece: &Piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Argument(_) => number.to_string(),
                };
                let expected: String = message.lines[line].iter().map(piece).collect();
                let names: Vec<&str> = message.arguments().into_iter().collect();
                let arguments: Vec<(&str, &dyn Display)> =
                    names.iter().map(|name| (*name, &number as &dyn Display)).collect();
                assert_eq!(table.say(&id, &arguments), expected, "{code}: {id}");
            }
        }
    }
}

#[test]
fn the_first_language_of_the_browser_that_the_page_speaks_is_taken() {
    let choose = |kept, wanted: &[&'static str]| Language::choose(kept, wanted.iter().copied()).code();
    assert_eq!(choose(None, &["fr", "de-AT"]), "de");
    assert_eq!(choose(None, &["ES_mx", "de"]), "es");
    assert_eq!(choose(None, &["en-GB", "de"]), "en");
    assert_eq!(choose(None, &["fr", "tlh"]), "en");
    assert_eq!(choose(None, &[]), "en");
    assert_eq!(choose(Some("es"), &["de"]), "es", "the visitor's choice comes first");
    assert_eq!(choose(Some("klingon"), &["de"]), "de", "what is kept may be anything");
    assert_eq!(choose(None, &["", "-", "de"]), "de");
}

#[test]
fn each_language_writes_numbers_and_plurals_its_own_way() {
    let (english, german, spanish) = (Words::english(), words("de"), words("es"));
    assert_eq!(english.kilobytes(143_212_000), "143,212 kB");
    assert_eq!(german.kilobytes(143_212_000), "143.212 kB");
    assert_eq!(
        (spanish.megabytes(2_400_000), german.amount(10_741_550_000)),
        ("2,40 MB".into(), "10,7 GB".into())
    );
    assert_eq!(english.total(&"1 MB", &1), "One file, 1 MB.");
    assert_eq!(german.total(&"1 MB", &1), "Eine Datei, 1 MB.");
    assert_eq!(german.total(&"3 MB", &21), "21 Dateien, 3 MB.");
    assert_eq!(spanish.total(&"3 MB", &2), "2 archivos, 3 MB.");
}

#[test]
fn a_file_that_is_none_is_refused_and_an_older_one_is_filled_up_with_english() {
    let german = Language::find("de").unwrap();
    for text in ["", "<!doctype html>\n<title>A = B</title>", "\u{0} = {", "} ->\n= =\n = \n"] {
        assert_eq!(Words::read(german, text), None, "{text}");
    }
    let older = Words::read(german, "language-name = Deutsch\nseed = Startwert\nsteps = {").unwrap();
    assert_eq!((older.seed(), older.images()), ("Startwert".into(), "Images".into()));
    assert_eq!((older.steps(), older.language()), ("{".into(), german));
}

#[test]
fn a_failure_of_the_engine_is_worded_by_its_kind_and_keeps_the_engines_words() {
    let failure = Failure {
        subject: "a.tailor".into(),
        detail: "cause".into(),
        ..Failure::new(Code::Missing, "a.tailor could not be downloaded.", Remedy::Retry)
    };
    assert_eq!(Words::english().translate(failure.clone()), failure);
    let german = words("de").translate(failure);
    assert!(german.sentence.starts_with("a.tailor wurde nicht heruntergeladen"), "{german:?}");
    assert_eq!(german.detail, "a.tailor could not be downloaded. cause");
    let bare = Failure::new(Code::Missing, "It could not be downloaded.", Remedy::Retry);
    assert_eq!(words("de").translate(bare.clone()), bare, "no sentence with a hole in it");
    let unknown = Failure::new(Code::Other("new".into()), "New.", Remedy::Retry);
    assert_eq!(words("es").translate(unknown.clone()), unknown);
    let codes: BTreeSet<String> = Code::KNOWN.iter().map(|code| format!("failure-{code}")).collect();
    for code in ["de", "es"] {
        let said = read_all(code).into_keys().filter(|id| id.starts_with("failure-"));
        assert_eq!(said.collect::<BTreeSet<_>>(), codes, "{code}");
    }
}

#[test]
fn the_page_without_its_program_speaks_the_same_languages() {
    let read = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        std::fs::read_to_string(path).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let (page, script) = (read("index.html"), read("static/start.js").replace("\" + \"", ""));
    let codes: Vec<&str> = Language::all().map(|(language, _)| language.code()).collect();
    assert!(script.contains(&format!("LANGUAGES = {codes:?};")), "the list in start.js is another");
    let original = read_all("en");
    for (id, message) in original.iter().filter(|(id, _)| id.starts_with("static-")) {
        let (name, text) = (&id["static-".len()..], message.spelling.split_once(" = ").unwrap().1);
        let stands = [
            format!("data-words=\"{name}\">{text}<"),
            format!("aria-label=\"{text}\" data-label=\"{name}\""),
        ];
        let said = format!("\"{name}\": \"{text}\",");
        assert!(stands.iter().any(|text| page.contains(text)) || script.contains(&said), "{id}");
    }
    for attribute in ["data-words=\"", "data-label=\""] {
        for name in page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(original.contains_key(&format!("static-{name}")), "{name}");
        }
    }
}

#[test]
fn no_view_says_anything_of_its_own() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
    let mut found = Vec::new();
    let files =
        [pages.clone(), pages.join("teach")].into_iter().flat_map(|folder| folder.read_dir().unwrap());
    for path in files.map(|file| file.unwrap().path()) {
        let name = path.strip_prefix(&pages).unwrap().display().to_string();
        // What breaks down in the page's side of an engine is worded where it arrives, by its kind.
        if !name.ends_with(".rs") || ["engine.rs", "tests.rs"].contains(&&*name) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (before, literal) in literals(line) {
                let letters = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count() > 1;
                let words = literal.split_whitespace().filter(|word| letters(word)).count();
                let is_word = literal.starts_with(char::is_uppercase) && letters(literal);
                if (words > 1 || is_word) && !is_technical(before, literal) {
                    found.push(format!("{name}: “{literal}”"));
                }
            }
        }
    }
    assert_eq!(found, [""; 0], "words belong in locales/en.ftl");
}

/// The text literals of a line, each with what stands before it.
fn literals(line: &str) -> Vec<(&str, &str)> {
    let quotes: Vec<usize> = line.match_indices('"').map(|(at, _)| at).collect();
    quotes.chunks_exact(2).map(|pair| (&line[..pair[0]], &line[pair[0] + 1..pair[1]])).collect()
}

/// Tells whether a literal is for the browser and not for people.
fn is_technical(before: &str, literal: &str) -> bool {
    let attributes = ["class=", "viewBox=", "preserveAspectRatio=", "d="];
    // What is drawn, kept under a name, or said to programmers.
    let others = [
        "M{} {}h1v1h-1z",
        "-2 -2 {} {}",
        "{name}.js {name}_bg.wasm {folder}index.json{signature}",
        "used {gallery} ",
        "tailor language",
        "the view has no place",
        "WebGPU",
        "Hi",
    ];
    attributes.iter().any(|attribute| before.ends_with(attribute))
        || others.contains(&literal)
        || literal.ends_with("Error")
        || !literal.contains(char::is_lowercase)
        || before.contains("import(")
}
