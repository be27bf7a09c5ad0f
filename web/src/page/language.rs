//! The language of the page, and its words.
//!
//! All words lie in `web/locales/`, one Fluent file for each language. The build checks that the
//! languages agree, and makes a function for each message, such as [`Words::generate`]. English is
//! part of the program; another language is the file itself, which is fetched when it is wanted.
//! `web/build/messages.rs` says which part of Fluent the files use, and [`Table`] reads that part.

use crate::protocol::Failure;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Deref;
use std::sync::Arc;

/// A language that the page speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Language {
    code: &'static str,
}

impl Language {
    /// The language that is always there.
    pub const ENGLISH: Self = Self { code: "en" };

    /// Returns the language of a code or tag, such as `de` or `de-AT`.
    pub fn find(tag: &str) -> Option<Self> {
        let main = tag.split(['-', '_']).next().unwrap_or_default();
        Self::all().map(|(language, _)| language).find(|known| known.code.eq_ignore_ascii_case(main))
    }

    /// Lists the languages, each with its name in that language.
    pub fn all() -> impl Iterator<Item = (Self, &'static str)> {
        LANGUAGES.iter().map(|(code, name)| (Self { code }, *name))
    }

    /// Chooses the language that the visitor chose before, else the first of the browser's languages
    /// that the page speaks, else English.
    pub fn choose<'a>(kept: Option<&'a str>, wanted: impl IntoIterator<Item = &'a str>) -> Self {
        kept.into_iter().chain(wanted).find_map(Self::find).unwrap_or(Self::ENGLISH)
    }

    /// Returns the language's code, such as `de`.
    pub fn code(self) -> &'static str {
        self.code
    }
}

/// The words of one language, and how it writes numbers. Clones share the words.
#[derive(Clone, Debug)]
pub struct Table {
    language: Language,
    messages: Arc<BTreeMap<String, String>>,
}

/// Two tables of one program and one language say the same.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.language == other.language
    }
}

impl Table {
    fn english(text: &str) -> Self {
        let mut messages = BTreeMap::new();
        read(text, &mut messages);
        Self { language: Language::ENGLISH, messages: Arc::new(messages) }
    }

    /// Reads the file of a language. What it lacks, being of another version, is said in English.
    /// Returns `None` for what is no such file, as a server may send in its place.
    fn translated(&self, language: Language, text: &str) -> Option<Self> {
        let mut messages = (*self.messages).clone();
        read(text, &mut messages);
        messages.contains_key("language-name").then(|| Self { language, messages: Arc::new(messages) })
    }

    /// Returns the language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Says a message. One that is not there says nothing.
    fn say(&self, id: &str, arguments: &[(&str, &dyn Display)]) -> String {
        let value = |name: &str| {
            let found = arguments.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.to_string()).unwrap_or_default()
        };
        let text = self.messages.get(id).map_or("", String::as_str);
        let line = match text.strip_prefix("{ $").and_then(|plural| plural.split_once(" ->\n")) {
            Some((name, cases)) => {
                let case = if value(name) == "1" { "[one] " } else { "*[other] " };
                cases.lines().find_map(|line| line.trim_start().strip_prefix(case)).unwrap_or_default()
            }
            None => text,
        };
        let (mut said, mut rest) = (String::new(), line);
        while let Some((before, after)) = rest.split_once("{ ") {
            let Some((inside, behind)) = after.split_once(" }") else { break };
            said.push_str(before);
            match inside.strip_prefix('$') {
                Some(name) => said.push_str(&value(name)),
                None => said.push_str(inside.trim_matches('"')),
            }
            rest = behind;
        }
        said + rest
    }

    /// Words a failure of the engine in this language, by its kind. The engine's own words, with their
    /// figures, then come first in its details. English is the engine's language.
    pub fn translate(&self, failure: Failure) -> Failure {
        let id = format!("failure-{}", failure.code);
        // An engine of an older version does not say what the failure is about.
        let tells = |text: &&String| !failure.subject.is_empty() || !text.contains("$subject");
        if self.messages.get(&id).filter(tells).is_none() {
            return failure;
        }
        let sentence = self.say(&id, &[("subject", &failure.subject)]);
        let detail = [&*failure.sentence, &*failure.detail].join(" ").trim().to_owned();
        Failure { sentence, detail, ..failure }
    }

    /// Writes a number with this many digits behind the decimal mark.
    pub fn decimal(&self, number: f64, digits: usize) -> String {
        format!("{number:.digits$}").replace('.', &self.shared_decimal_mark())
    }
}

/// Reads messages into `messages`: each begins at the start of a line, and a plural goes on in lines
/// that do not. Everything else is a comment.
fn read(text: &str, messages: &mut BTreeMap<String, String>) {
    let mut last = None;
    for line in text.lines() {
        if line.starts_with([' ', '}']) {
            if let Some(message) = last.as_ref().and_then(|id| messages.get_mut(id)) {
                message.push('\n');
                message.push_str(line);
            }
            continue;
        }
        last = line.split_once(" = ").filter(|_| !line.starts_with('#')).map(|(id, value)| {
            messages.insert(id.to_owned(), value.to_owned());
            id.to_owned()
        });
    }
}

/// The words of a program: a table, with a function for each message.
macro_rules! words {
    ($(#[$doc:meta])* $words:ident, $english:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $words(Table);

        impl $words {
            /// Returns the English words, which are part of the program.
            pub fn english() -> Self {
                Self(Table::english($english))
            }

            /// Reads the file of a language; `None` if it is none.
            pub fn read(language: Language, text: &str) -> Option<Self> {
                Self::english().translated(language, text).map(Self)
            }
        }

        impl Deref for $words {
            type Target = Table;

            fn deref(&self) -> &Table {
                &self.0
            }
        }
    };
}

words! {
    /// The words of the page.
    Words, PAGE
}
words! {
    /// The words of "Teach it", which is a program of its own.
    TeachWords, TEACH
}

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

#[cfg(test)]
mod tests;
