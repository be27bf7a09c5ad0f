//! Reads the page's words, checks one language against another, and writes Rust for them.
//!
//! The words lie in `locales/`, one Fluent file for each language, with English as the original. Of
//! Fluent they use what they need: text, `{ $argument }`, `{ "text" }` where spaces or a dot would
//! mean something else, and a plural that is the whole message. Every pattern is one line, spelled in
//! one way, so that a few lines of the page and of `start.js` can read the same files.

use fluent_syntax::ast::{Entry, Expression, InlineExpression, PatternElement, Variant, VariantKey};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The language that the others are translated from.
pub(crate) const ORIGINAL: &str = "en";
/// What begins the name of a message that only translations have: English is in the engine's own words.
const FAILURE: &str = "failure-";

/// What is wrong with a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The file.
    pub(crate) file: String,
    /// The message's name; empty if the file as a whole is meant.
    pub(crate) message: String,
    /// What is wrong, and what to do.
    pub(crate) problem: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "locales/{}: {}: {}", self.file, self.message, self.problem)
    }
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text.
    Text(String),
    /// The value of the argument with this name.
    Argument(String),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// How it is spelled, without a line end behind it.
    pub(crate) spelling: String,
    /// The argument that decides between one and more, if one does.
    pub(crate) counts: Option<String>,
    /// The line; of a plural, that for one and that for more.
    pub(crate) lines: Vec<Vec<Piece>>,
}

impl Message {
    /// Returns the names of its arguments.
    pub(crate) fn arguments(&self) -> BTreeSet<&str> {
        let used = self.lines.iter().flatten().filter_map(|piece| match piece {
            Piece::Argument(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        });
        used.chain(self.counts.as_deref()).collect()
    }
}

/// The messages of a language by their names.
pub(crate) type Messages = BTreeMap<String, Message>;

/// Reads a file of messages.
///
/// # Errors
/// What is no Fluent, what is not in the part of it that the page understands, and what is said twice.
pub(crate) fn read(file: &str, source: &str) -> Result<Messages, Fault> {
    let fault = |message: &str, problem: String| Fault {
        file: file.to_owned(),
        message: message.to_owned(),
        problem,
    };
    let resource = fluent_syntax::parser::parse(source).map_err(|(_, errors)| {
        let error = errors.first().map(|error| format!("{error} at byte {}", error.pos.start));
        fault("", error.unwrap_or_else(|| "this is no Fluent".to_owned()))
    })?;
    let mut messages = Messages::new();
    for entry in &resource.body {
        let message = match entry {
            Entry::Message(message) => message,
            Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => continue,
            Entry::Term(term) => return Err(fault(term.id.name, "the page knows no terms".to_owned())),
            Entry::Junk { content } => return Err(fault("", format!("this is no Fluent: {content}"))),
        };
        let id = message.id.name;
        let wrong = |problem: &str| fault(id, problem.to_owned());
        let value = message.value.as_ref().ok_or_else(|| wrong("it says nothing"))?;
        if !message.attributes.is_empty() {
            return Err(wrong("the page knows no attributes"));
        }
        let (counts, lines) = pattern(&value.elements).map_err(wrong)?;
        let spelling = spell(id, counts.as_deref(), &lines);
        if !source.contains(&format!("{spelling}\n")) {
            return Err(fault(id, format!("write it as:\n{spelling}")));
        }
        if messages.insert(id.to_owned(), Message { spelling, counts, lines }).is_some() {
            return Err(wrong("it is there twice"));
        }
    }
    Ok(messages)
}

type Pattern = (Option<String>, Vec<Vec<Piece>>);

fn pattern(elements: &[PatternElement<&str>]) -> Result<Pattern, &'static str> {
    let [PatternElement::Placeable { expression: Expression::Select { selector, variants } }] = elements
    else {
        return Ok((None, vec![line(elements)?]));
    };
    let InlineExpression::VariableReference { id } = selector else {
        return Err("only an argument can decide between one and more");
    };
    // The three languages tell one from more, in whole numbers. What CLDR calls “many” in Spanish begins
    // at a million, which nothing here counts to.
    let is = |variant: &Variant<&str>, key: &str| matches!(variant.key, VariantKey::Identifier { name } if name == key);
    match &variants[..] {
        [one, other] if is(one, "one") && is(other, "other") => {
            Ok((Some(id.name.to_owned()), vec![line(&one.value.elements)?, line(&other.value.elements)?]))
        }
        _ => Err("a plural has the cases [one] and *[other], in this order"),
    }
}

fn line(elements: &[PatternElement<&str>]) -> Result<Vec<Piece>, &'static str> {
    let piece = |element: &PatternElement<&str>| match element {
        PatternElement::TextElement { value } if value.contains('\n') => Err("write it in one line"),
        PatternElement::TextElement { value } => Ok(Piece::Text((*value).to_owned())),
        PatternElement::Placeable { expression: Expression::Inline(inline) } => match inline {
            InlineExpression::StringLiteral { value } if value.contains(['\\', '}']) => {
                Err("write the sign itself")
            }
            InlineExpression::StringLiteral { value } => Ok(Piece::Text((*value).to_owned())),
            InlineExpression::VariableReference { id } => Ok(Piece::Argument(id.name.to_owned())),
            _ => Err("the page knows only arguments and quoted text in braces"),
        },
        PatternElement::Placeable { .. } => Err("a plural must be the whole message"),
    };
    elements.iter().map(piece).collect()
}

/// Writes a message in its one spelling.
fn spell(id: &str, counts: Option<&str>, lines: &[Vec<Piece>]) -> String {
    let text = |line: &[Piece]| {
        let quoted = |text: &str| text.trim() != text || text.is_empty();
        let piece = |piece: &Piece| match piece {
            Piece::Argument(name) => format!("{{ ${name} }}"),
            Piece::Text(text) if line.len() == 1 && quoted(text) => format!("{{ \"{text}\" }}"),
            Piece::Text(text) => text.clone(),
        };
        line.iter().map(piece).collect::<String>()
    };
    match (counts, lines) {
        (Some(name), [one, other]) => {
            format!("{id} = {{ ${name} ->\n    [one] {}\n   *[other] {}\n}}", text(one), text(other))
        }
        _ => format!("{id} = {}", lines.iter().map(|line| text(line)).collect::<String>()),
    }
}

/// Checks a translation against the original.
///
/// # Errors
/// The first message that is missing, that the original lacks, or whose arguments are others.
pub(crate) fn check(original: &Messages, file: &str, translation: &Messages) -> Result<(), Fault> {
    let fault = |message: &str, problem: String| Fault {
        file: file.to_owned(),
        message: message.to_owned(),
        problem,
    };
    for (id, message) in original {
        let Some(translated) = translation.get(id) else {
            return Err(fault(id, format!("it is missing; {ORIGINAL}.ftl says: {}", message.spelling)));
        };
        if translated.arguments() != message.arguments() {
            let (has, wants) = (translated.arguments(), message.arguments());
            return Err(fault(id, format!("it has the arguments {has:?}, and must have {wants:?}")));
        }
    }
    for (id, message) in translation {
        let of_engine = id.starts_with(FAILURE);
        if of_engine && !message.arguments().is_subset(&BTreeSet::from(["subject"])) {
            return Err(fault(id, "a failure has no other argument than $subject".to_owned()));
        }
        if !of_engine && !original.contains_key(id) {
            return Err(fault(id, format!("{ORIGINAL}.ftl has no such message; remove it or add it there")));
        }
    }
    Ok(())
}

/// Where a message is used, by the beginning of its name.
fn part(id: &str) -> &'static str {
    let parts = [("teach-", "TeachWords"), ("shared-", "Table"), ("static-", ""), ("language-name", "")];
    parts.iter().find(|(start, _)| id.starts_with(start)).map_or("Words", |(_, part)| part)
}

/// Writes the Rust that `src/page/language.rs` includes: the languages, the English texts of each
/// program, and a function for each message. `languages` are the codes and their messages.
pub(crate) fn generate(languages: &BTreeMap<String, Messages>) -> String {
    let mut rust = String::from("/// The languages of the page: code, and name in that language.\n");
    let name = |messages: &Messages| match messages.get("language-name").map(|name| &name.lines[0][..]) {
        Some([Piece::Text(name)]) => name.clone(),
        _ => String::new(),
    };
    let list: Vec<(&String, String)> = languages.iter().map(|(code, all)| (code, name(all))).collect();
    let _ = writeln!(rust, "pub const LANGUAGES: &[(&str, &str)] = &{list:?};");
    let Some(original) = languages.get(ORIGINAL) else { return rust };
    for (constant, of) in [("PAGE", "Words"), ("TEACH", "TeachWords")] {
        let used = original.iter().filter(|(id, _)| part(id) == of || part(id) == "Table");
        let text: Vec<&str> = used.map(|(_, message)| message.spelling.as_str()).collect();
        let _ = writeln!(rust, "const {constant}: &str = {:?};", text.join("\n"));
    }
    for of in ["Table", "Words", "TeachWords"] {
        let _ = writeln!(rust, "impl {of} {{");
        for (id, message) in original.iter().filter(|(id, _)| part(id) == of) {
            let names = message.arguments();
            let parameters: String =
                names.iter().map(|name| format!(", {name}: &dyn std::fmt::Display")).collect();
            let pairs: String = names.iter().map(|name| format!("({name:?}, {name}), ")).collect();
            let text = format!("`{}`", message.spelling.replace('\n', " "));
            let function = id.replace('-', "_");
            let _ = writeln!(rust, "#[doc = {text:?}]");
            if names.len() > 6 {
                // A sentence says as many figures as it says.
                let _ = writeln!(rust, "#[allow(clippy::too_many_arguments)]");
            }
            let _ = writeln!(rust, "pub fn {function}(&self{parameters}) -> String {{");
            let _ = writeln!(rust, "    self.say({id:?}, &[{pairs}])\n}}");
        }
        let _ = writeln!(rust, "}}");
    }
    rust
}
