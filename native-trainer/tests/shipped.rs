//! The galleries that ship are sound.

use std::path::Path;

use tailor_trainer::gallery::folder::Gallery;
use tailor_trainer::gallery::verify::verify_gallery;

#[test]
fn every_file_of_every_shipped_gallery_is_what_its_index_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries");
    let page = std::fs::read_to_string(folder.join("../index.html")).unwrap();
    // The first letters stay for links that mean them, and for what visitors keep for them.
    for (name, classes) in
        [("letters2", 118), ("fashion", 10), ("avatars", 15), ("icons", 140), ("letters", 62)]
    {
        let gallery = Gallery::open(&folder.join(name)).unwrap();
        assert_eq!((gallery.index.id.as_str(), gallery.index.classes.len()), (name, classes));
        let verdict = verify_gallery(&gallery);
        assert!(verdict.problems.is_empty(), "{:?}", verdict.problems);
        // What lies there and no index names would be published for nothing, but for the film.
        assert_eq!(std::fs::read_dir(folder.join(name)).unwrap().count(), verdict.files + 1, "{name}");
        // Colours triple it.
        let most = if gallery.index.config.channels == 3 { 90_000 } else { 30_000 };
        assert!(folder.join(name).join("film.webp").metadata().unwrap().len() <= most);
        assert!(page.contains(&format!("?gallery=galleries/{name}/")), "the page does not link to {name}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 5, "a gallery without a test");
}
