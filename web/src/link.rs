//! The part of the page's address after `#`. It holds everything that an image depends on, so that
//! a link reproduces the image.
//!
//! A link is a list of `key=value` pairs with `&` between them. `v=1` is its version; links from
//! before there were versions have none, and mean the same.

/// The version of the links that are written.
const VERSION: u32 = 1;
/// The most characters of a word.
pub const LONGEST: usize = 200;

/// A view of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// `make`: images of chosen classes.
    #[default]
    Make,
    /// `word`: a word, each letter by its own tailor.
    Word,
    /// `apart`: what the learngene does, and what the tailor.
    Apart,
    /// `teach`: a class of the visitor's own.
    Teach,
    /// `device`: what is stored here.
    Device,
}

impl View {
    /// Every view, in the order of their tabs.
    pub const ALL: [Self; 5] = [Self::Make, Self::Word, Self::Apart, Self::Teach, Self::Device];

    /// Returns the name that links use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Word => "word",
            Self::Apart => "apart",
            Self::Teach => "teach",
            Self::Device => "device",
        }
    }
}

/// What "Take apart" shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Show {
    /// `dial`: one image, as the dials say.
    #[default]
    Dial,
    /// `beside`: the learngene alone beside the dialled image, from one seed.
    Beside,
    /// `classes`: every class from one seed.
    Classes,
}

impl Show {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Dial, Self::Beside, Self::Classes];

    /// Returns the name that links use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::Beside => "beside",
            Self::Classes => "classes",
        }
    }
}

/// The content of a link. Fields that a link leaves out have the gallery's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The view, `view=word`. A link that says nothing at all leaves the choice to the page.
    pub view: Option<View>,
    /// Ids or names of the classes, `class=A,b`; each may come again as a further `class=`.
    pub classes: Vec<String>,
    /// The word, `word=Hello`.
    pub word: Option<String>,
    /// How much of a class's tailor is used, 0 to 1: `dial=A:0.5,b:0`. Others are used whole.
    pub dials: Vec<(String, f32)>,
    /// The parts of the tailors that are turned down, 0 to 1: layers by their number from 1, kinds
    /// of matrix, and the label, `part=2:0.5,qkv:0,label:0`.
    pub parts: Vec<(String, f32)>,
    /// What "Take apart" shows, `show=beside`.
    pub show: Show,
    /// The first image's seed, `seed=7`; further variations count up from it.
    pub seed: Option<u64>,
    /// Sampling steps, 1 to 1000: `steps=20`.
    pub steps: Option<u32>,
    /// Guidance scale, 0 to 100: `guidance=1.5`.
    pub guidance: Option<f64>,
    /// Images of each class, 1 to 16: `count=4`.
    pub count: Option<u32>,
    /// Whether the learngene works alone: `learngene-only`.
    pub learngene_only: bool,
    /// Controls that are not to be shown, `hide=seed,tabs`.
    pub hide: Vec<String>,
    /// The parts that were not understood, or whose values are out of range. They are never written.
    pub wrong: Vec<String>,
}

impl Link {
    /// Reads a link, with or without its `#`. Every part that it does not understand, or whose
    /// value is out of range, is left out and listed in [`Link::wrong`].
    pub fn parse(hash: &str) -> Self {
        let mut link = Self::default();
        for pair in hash.trim_start_matches('#').split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            let understood = value.as_ref().and_then(|value| link.take(key, value));
            if understood.is_none() {
                link.wrong.push(pair.chars().take(60).collect());
            }
        }
        link
    }

    /// Takes over one pair; `None` if it is not understood.
    fn take(&mut self, key: &str, value: &str) -> Option<()> {
        let items = || value.split(',').filter(|item| !item.is_empty());
        match key {
            "v" => return value.parse().ok().filter(|v| (1..=VERSION).contains(v)).map(|_: u32| ()),
            "view" => self.view = Some(*View::ALL.iter().find(|view| view.name() == value)?),
            "class" => self.classes.extend(items().map(str::to_owned)),
            "word" => self.word = Some(value.chars().take(LONGEST).collect()),
            "dial" | "part" => {
                for item in items() {
                    let (of, weight) = item.rsplit_once(':')?;
                    let weight = weight.parse().ok().filter(|w| (0.0..=1.0).contains(w))?;
                    let list = if key == "dial" { &mut self.dials } else { &mut self.parts };
                    list.push((of.to_owned(), weight));
                }
            }
            "show" => self.show = *Show::ALL.iter().find(|show| show.name() == value)?,
            "seed" => self.seed = Some(value.parse().ok()?),
            "steps" => self.steps = Some(value.parse().ok().filter(|n| (1..=1000).contains(n))?),
            "guidance" => {
                self.guidance = Some(value.parse().ok().filter(|g| (0.0..=100.0).contains(g))?);
            }
            "count" => self.count = Some(value.parse().ok().filter(|n| (1..=16).contains(n))?),
            "learngene-only" => self.learngene_only = value != "0",
            "hide" => self.hide.extend(items().map(str::to_owned)),
            _ => return None,
        }
        Some(())
    }

    /// Tells whether the link says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self { wrong: self.wrong.clone(), hide: self.hide.clone(), ..Self::default() }
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |items: &[String]| items.iter().map(|item| encode(item)).collect::<Vec<_>>().join(",");
        let mut pairs = vec![format!("v={VERSION}")];
        pairs.extend(self.view.map(|view| format!("view={}", view.name())));
        pairs.extend((!self.classes.is_empty()).then(|| format!("class={}", list(&self.classes))));
        pairs.extend(self.word.as_ref().map(|word| format!("word={}", encode(word))));
        for (key, weights) in [("dial", &self.dials), ("part", &self.parts)] {
            let each = weights.iter().map(|(of, weight)| format!("{}:{weight}", encode(of)));
            let each: Vec<String> = each.collect();
            pairs.extend((!each.is_empty()).then(|| format!("{key}={}", each.join(","))));
        }
        pairs.extend((self.show != Show::Dial).then(|| format!("show={}", self.show.name())));
        pairs.extend(self.seed.map(|v| format!("seed={v}")));
        pairs.extend(self.steps.map(|v| format!("steps={v}")));
        pairs.extend(self.guidance.map(|v| format!("guidance={v}")));
        pairs.extend(self.count.filter(|v| *v != 1).map(|v| format!("count={v}")));
        pairs.extend(self.learngene_only.then(|| "learngene-only".to_owned()));
        pairs.extend((!self.hide.is_empty()).then(|| format!("hide={}", list(&self.hide))));
        write!(f, "#{}", pairs.join("&"))
    }
}

/// Writes everything but letters, digits and `-._~` as escapes of its UTF-8 bytes.
pub fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Undoes the escapes; `None` if they are no escapes, or not of a text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        bytes.push(match byte {
            b'%' => {
                let code = std::str::from_utf8(after.get(..2)?).ok()?;
                rest = &after[2..];
                u8::from_str_radix(code, 16).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_reads_back_as_it_was_written() {
        let link = Link {
            view: Some(View::Apart),
            classes: vec!["uppercase-a".into(), "digit-7".into()],
            word: Some("é & 100 %, “#”".into()),
            dials: vec![("a".into(), 0.3), ("b:c".into(), 0.0)],
            parts: vec![("2".into(), 0.5), ("qkv".into(), 0.0)],
            show: Show::Beside,
            seed: Some(u64::MAX),
            steps: Some(20),
            guidance: Some(1.5),
            count: Some(4),
            learngene_only: true,
            hide: vec!["tabs".into(), "seed".into()],
            wrong: Vec::new(),
        };
        assert_eq!(Link::parse(&link.to_string()), link);
    }

    #[test]
    fn links_from_before_there_were_versions_still_open() {
        let old = Link::parse("#class=A,latin-capital-b&seed=3&steps=5&guidance=1.5&count=4&learngene-only");
        assert_eq!(old.classes, ["A", "latin-capital-b"]);
        assert_eq!((old.seed, old.steps, old.guidance, old.count), (Some(3), Some(5), Some(1.5), Some(4)));
        assert!(old.learngene_only && old.wrong.is_empty() && old.view.is_none());
    }

    #[test]
    fn what_a_link_says_wrongly_is_left_to_the_defaults_and_listed() {
        assert_eq!(Link::parse(""), Link::default());
        let parts = [
            "v=2",
            "seed=-1",
            "steps=0",
            "guidance=NaN",
            "count=99",
            "x=y",
            "view=moon",
            "dial=a",
            "dial=a:2",
            "part=qkv",
            "part=qkv:-1",
            "show=all",
            "word=%zz",
            "word=%ff",
            "word=%",
        ];
        let link = Link::parse(&format!("#{}&class=", parts.join("&")));
        assert_eq!(link.wrong, parts);
        assert_eq!(Link { wrong: Vec::new(), ..link }, Link::default());
    }
}
