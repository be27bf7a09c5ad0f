//! Finds the classes to choose from: all that are known, or those that a search finds.

use super::state::NameList;
use crate::protocol::{ClassInfo, Gallery};

/// A gallery with more classes than this can be searched.
pub const MANY: usize = 24;
/// The most classes that are shown without a search.
pub const SHOWN: usize = 500;
/// The most classes that are shown of those that a search finds.
pub const FOUND: usize = 60;

/// Lists the classes whose name or id holds the searched text; without a search, those known so
/// far.
pub fn tiles(gallery: Option<&Gallery>, names: &NameList, search: &str) -> Vec<ClassInfo> {
    let search = lower_case(search.trim());
    let known = gallery.map(|gallery| &*gallery.classes).unwrap_or_default();
    if search.is_empty() {
        return known.iter().take(SHOWN).cloned().collect();
    }
    let fits = |id: &str, name: &str| id.contains(&search) || lower_case(name).contains(&search);
    let mut found: Vec<ClassInfo> =
        known.iter().filter(|c| fits(&c.id, &c.name)).take(FOUND).cloned().collect();
    if let NameList::Here(names) = names {
        let others = names.iter().filter(|(id, name)| fits(id, name) && known.iter().all(|c| c.id != *id));
        // The size of its pack is known once the class is looked up.
        let class = |(id, name): &(String, String)| ClassInfo {
            id: id.clone(),
            name: name.clone(),
            bytes: 0,
            stored: false,
        };
        found.extend(others.map(class).take(FOUND - found.len()));
    }
    found
}

/// Writes a text in lower case.
fn lower_case(text: &str) -> String {
    // The browser has a table of all letters, so the page need not bring its own.
    #[cfg(target_arch = "wasm32")]
    return js_sys::JsString::from(text).to_lower_case().into();
    #[cfg(not(target_arch = "wasm32"))]
    text.to_lowercase()
}
