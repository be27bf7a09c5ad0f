//! The addresses under which people know a gallery.

use std::path::PathBuf;

use tailor_packs::index::INDEX_FILE;
use ureq::http::Uri;
use url::{ParseError, Url};

use crate::error::Error;
use crate::system::output::without_password;

/// The gallery's address with its last slash. The address of a page that shows it names it as `?gallery=…`.
pub(super) fn address(asked: &str) -> Result<String, Error> {
    let of_page = gallery_of_page(asked);
    let asked = of_page.as_deref().unwrap_or(asked);
    let folder = asked.strip_suffix(INDEX_FILE).unwrap_or(asked);
    let web = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    let parsed = Url::parse(folder);
    if asked.contains(['?', '#']) || parsed.is_err() || !folder.parse().is_ok_and(|uri| web(&uri)) {
        let port = parsed.is_err_and(|error| error == ParseError::InvalidPort);
        return Err(Error::Refused {
            what: format!(
                "{:?} is no address of a gallery{}",
                without_password(asked),
                if port { ": a port is a number up to 65535" } else { "" }
            ),
            help: "name the folder of its index.json, such as https://example.org/galleries/letters/"
                .to_owned(),
        });
    }
    Ok(if folder.ends_with('/') { folder.to_owned() } else { format!("{folder}/") })
}

/// The gallery that a page of this address shows.
fn gallery_of_page(page: &str) -> Option<String> {
    let page = Url::parse(page).ok()?;
    let (_, gallery) = page.query_pairs().find(|(name, _)| name == "gallery")?;
    Some(page.join(&gallery).ok()?.into())
}

/// The last part of the address, as of what `git clone` takes.
pub(super) fn default_folder(url: &str) -> Result<PathBuf, Error> {
    let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(plain) {
        true => Ok(name.into()),
        false => Err(Error::Refused {
            what: format!("{} does not end in a name for a folder", without_password(url)),
            help: "name one with --out".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        for (url, shown) in [
            ("https://me:secret@example.org/g/", "https://me:…@example.org/g/"),
            ("https://me:se:c@ret@example.org", "https://me:…@example.org"),
            ("https://me@example.org/a:b@c", "https://me@example.org/a:b@c"),
            ("https://example.org/a:b@c", "https://example.org/a:b@c"),
            ("no address", "no address"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        let refused = address("https://me:secret@example.org:70000/g/").unwrap_err().to_string();
        assert!(!refused.contains("secret") && refused.contains("65535"), "{refused}");
    }
}
