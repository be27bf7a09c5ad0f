//! The part of the page's address after `#`. It holds everything that an image depends on, so that
//! a link reproduces the image.

/// The content of a link. Fields that a link leaves out have the gallery's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// Ids or names of the classes, `class=A,b`; each may come again as a further `class=`.
    pub classes: Vec<String>,
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
}

impl Link {
    /// Reads a link, with or without its `#`. Leaves out every part that it does not understand, or
    /// whose value is out of range.
    pub fn parse(hash: &str) -> Self {
        let mut link = Self::default();
        for pair in hash.trim_start_matches('#').split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                // Class ids and the names of a letters gallery need no percent-encoding.
                "class" => {
                    let names = value.split(',').filter(|name| !name.is_empty());
                    link.classes.extend(names.map(str::to_owned));
                }
                "seed" => link.seed = value.parse().ok(),
                "steps" => link.steps = value.parse().ok().filter(|n| (1..=1000).contains(n)),
                "guidance" => link.guidance = value.parse().ok().filter(|g| (0.0..=100.0).contains(g)),
                "count" => link.count = value.parse().ok().filter(|n| (1..=16).contains(n)),
                "learngene-only" => link.learngene_only = value != "0",
                _ => {}
            }
        }
        link
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut pairs = vec![format!("class={}", self.classes.join(","))];
        pairs.extend(self.seed.map(|v| format!("seed={v}")));
        pairs.extend(self.steps.map(|v| format!("steps={v}")));
        pairs.extend(self.guidance.map(|v| format!("guidance={v}")));
        pairs.extend(self.count.filter(|v| *v != 1).map(|v| format!("count={v}")));
        pairs.extend(self.learngene_only.then(|| "learngene-only".to_owned()));
        write!(f, "#{}", pairs.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_reads_back_as_it_was_written() {
        let link = Link {
            classes: vec!["uppercase-a".into(), "digit-7".into()],
            seed: Some(u64::MAX),
            steps: Some(20),
            guidance: Some(1.5),
            count: Some(4),
            learngene_only: true,
        };
        assert_eq!(Link::parse(&link.to_string()), link);
    }

    #[test]
    fn what_a_link_says_wrongly_is_left_to_the_defaults() {
        assert_eq!(Link::parse(""), Link::default());
        assert_eq!(Link::parse("#seed=-1&steps=0&guidance=NaN&count=99&x=y&class="), Link::default());
    }
}
