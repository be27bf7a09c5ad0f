//! Reads the page's address and document.

use super::engine::simd;
use super::locale;
use super::program::Wish;
use super::state::Site;
use crate::address::canonical;
use crate::link::View;
use leptos::prelude::{document, window};
use web_sys::{Url, UrlSearchParams};

/// Reads `?gallery=`, `?backend=` and the part after `#`.
pub fn read() -> Site {
    let query = window().location().search().unwrap_or_default();
    let query = UrlSearchParams::new_with_str(&query).ok();
    let parameter = |name: &str| query.as_ref().and_then(|query| query.get(name));
    // The start script names the gallery in every new address. Links from before it did mean the first one there was.
    let gallery = parameter("gallery").unwrap_or_else(|| "galleries/letters/".to_owned());
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    let absolute = Url::new_with_base(&gallery, &base).map(|url| url.href());
    // A text that is no address is passed on, and the engine refuses it in words.
    let absolute = absolute.map(|url| canonical(&url).unwrap_or(url)).unwrap_or(gallery);
    let own = Url::new_with_base(".", &base).ok().and_then(|url| canonical(&url.href()));
    let own = own.is_some_and(|site| absolute.starts_with(&site));
    Site {
        key: own.then(publisher).flatten(),
        gallery: absolute,
        own,
        wish: Wish::parse(parameter("backend").as_deref()),
        simd: simd(),
        hash: hash(),
        front: front(),
        language: locale::wanted(),
    }
}

/// Reads the view that the start script has made room for.
fn front() -> View {
    let name = document().body().and_then(|body| body.get_attribute("data-view"));
    let known = View::ALL.into_iter().find(|view| Some(view.name()) == name.as_deref());
    known.unwrap_or_default()
}

/// Tells whether the page is part of another one, `?embed`.
pub fn is_embedded() -> bool {
    let query = window().location().search().unwrap_or_default();
    UrlSearchParams::new_with_str(&query).is_ok_and(|query| query.has("embed"))
}

/// Returns the page's whole address with this part after `#`. The browser's own may be behind: it limits how often a page
/// writes it.
pub fn address(hash: &str) -> String {
    let href = window().location().href().unwrap_or_default();
    let page = href.split_once('#').map_or(&*href, |(page, _)| page);
    format!("{page}{hash}")
}

/// Reads the part of the address after `#`.
pub fn hash() -> String {
    window().location().hash().unwrap_or_default()
}

/// Reads the key in `<meta name="tailor-key">`, which signs the galleries of the page's own site.
fn publisher() -> Option<String> {
    let meta = document().query_selector("meta[name='tailor-key']").ok().flatten()?;
    meta.get_attribute("content").filter(|key| !key.is_empty())
}
