//! A class of one's own, taught in a browser: from files to a pack, as this machine would teach it, and what goes wrong
//! on the way.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::*;
use base64::Engine as _;
use serde_json::json;
use tailor_core::teaching::{Examples, Lesson, Material, Settings};
use tailor_packs::{Card, Class, Contents, Index, read_tailor, write_tailor};
use tailor_tests::chromium::{Browser, Gpu, Page};
use tailor_tests::server::Server;

/// The seed of every lesson in the browser.
const SEED: u64 = 7;
/// The largest difference of a value after [`FEW`] steps from what this machine makes of it.
const CLOSE: f32 = 1e-5;
/// Steps of a short lesson.
const FEW: u32 = 3;
/// The gallery that a visitor sees first; links without a gallery mean an older one.
const FIRST_GALLERY: &str = "/?backend=cpu&gallery=galleries/letters2/#class=latin-capital-a&seed=7&steps=1";

/// Opens "Teach it" on a page that has made its first image.
fn open_view(browser: &Browser, url: &str) -> Page {
    let page = browser.page().unwrap();
    page.navigate(url).unwrap();
    wait_for_image(&page);
    page.click("#tab-teach").unwrap();
    wait_for_phase(&page, "gathering");
    page
}

/// Chooses files in the page's own input for pictures.
fn choose(page: &Page, files: &[PathBuf]) {
    choose_in(page, "#teach-files", files);
}

fn fill(page: &Page, name: &str, steps: u32) {
    page.eval("document.querySelector('details.more').open = true").unwrap();
    page.set_value("#teach-name", name).unwrap();
    page.set_value("#teach-steps", &steps.to_string()).unwrap();
}

/// Switches the camera on, and waits until the page says why that is not to be.
fn camera_says(page: &Page, words: &str) {
    page.click("#teach-camera").unwrap();
    let said = format!("document.querySelector('#teach-notice')?.innerText.includes('{words}')");
    page.wait_for(&said, PATIENCE).unwrap();
}

/// The bytes of a file of one's own in the browser, whose name ends so.
fn own_file(page: &Page, ending: &str) -> Option<Vec<u8>> {
    let script = format!(
        "(async () => {{
            const root = await navigator.storage.getDirectory();
            const folder = await root.getDirectoryHandle('tailor-own-1');
            for await (const [name, file] of folder.entries()) if (name.endsWith('{ending}')) {{
                const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
                let text = '';
                for (const byte of bytes) text += String.fromCharCode(byte);
                return btoa(text);
            }}
        }})()"
    );
    let found = page.eval(&script).unwrap();
    Some(base64::engine::general_purpose::STANDARD.decode(found.as_str()?).unwrap())
}

/// The lesson that this machine teaches with the same pictures.
fn taught_here(index: &Index, files: &[PathBuf], steps: u32) -> Lesson {
    let learngene = std::fs::read(letters().join(&index.learngene.path)).unwrap();
    let learngene = index.read_learngene(&learngene).unwrap().tensors;
    let learngene = learngene.to_flat(&index.config.learngene_tensors()).unwrap();
    let pictures = files.iter().flat_map(|file| image::open(file).unwrap().to_luma8().into_raw()).collect();
    let settings = Settings { steps, seed: SEED, ..Settings::default() };
    let examples = Examples::new(&index.config, pictures).unwrap();
    let material = Material::new(&index.config, learngene, examples, settings.clone()).unwrap();
    let mut lesson = Lesson::new(&index.config, settings, None).unwrap();
    while !lesson.is_over() {
        let all = material.shards(1).remove(0);
        let part = material.gradients(lesson.parameters(), lesson.step(), all);
        lesson.take(vec![part], material.examples().image_len()).unwrap();
    }
    lesson
}

#[test]
fn a_class_is_taught_from_files_as_this_machine_teaches_it_and_becomes_a_pack_and_a_class_to_choose() {
    let index = index_of(&letters());
    let server = site(None);
    let device = ["--use-fake-device-for-media-stream"];
    let browser = Browser::launch_with(Gpu::NoAdapter, None, &device).unwrap();
    let url = server.url("/?backend=cpu#class=latin-capital-a&seed=7&steps=1");
    let page = open_view(&browser, &url);

    // Without a camera, or where it is refused, files are still there.
    let refused =
        json!({ "permission": { "name": "camera" }, "setting": "denied", "origin": server.url("") });
    browser.call("Browser.setPermission", refused).unwrap();
    camera_says(&page, "may not use the camera");
    let none =
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError') }";
    page.eval(&format!("({none}, 0)")).unwrap();
    camera_says(&page, "No camera was found");

    let files = drawings("greek-small-xi");
    choose(&page, &files);
    count(&page, 20);
    fill(&page, "Xi of mine", FEW);
    page.click("#teach-begin").unwrap();
    wait_for_phase(&page, "ended");

    // What is kept of the lesson is what this machine makes of the same pictures.
    let kept = own_file(&page, ".lesson").unwrap();
    let head = kept.iter().position(|byte| *byte == b'\n').unwrap();
    let line: serde_json::Value = serde_json::from_slice(&kept[..head]).unwrap();
    let pictures = line["pictures"].as_u64().unwrap() as usize;
    let expected = taught_here(&index, &files, FEW);
    let found =
        Lesson::from_bytes(&index.config, expected.settings().clone(), &kept[head + 1 + pictures..]).unwrap();
    assert_eq!(found.step(), FEW);
    let differences = found.parameters().iter().zip(expected.parameters()).map(|(a, b)| (a - b).abs());
    let furthest = differences.fold(0.0, f32::max);
    println!("after {FEW} steps no value of the tailor is further than {furthest:.1e} from this machine's");
    assert!(furthest <= CLOSE, "{furthest}");

    // Whoever closes the tab before saving finds the lesson as it ended, and no step more.
    page.kill().unwrap();
    let page = browser.page().unwrap();
    page.navigate(&server.url("/?backend=cpu#view=teach")).unwrap();
    wait_for_phase(&page, "gathering");
    page.click("#teach-resume").unwrap();
    wait_for_phase(&page, "ended");
    assert_eq!(own_file(&page, ".lesson").unwrap(), kept);

    // The pack is one that any reader takes, and its class can be chosen at once and after a reload.
    page.set_value("#teach-card-author", "Somebody").unwrap();
    page.set_value("#teach-card-licence", "CC0-1.0").unwrap();
    page.click("#teach-save").unwrap();
    wait_for_phase(&page, "saved");
    let bytes = downloaded(&browser, &page, "#teach-download", "xi-of-mine.tailor");
    let pack = read_tailor(&bytes, Some((&index.learngene.sha256, &index.config))).unwrap();
    let class = pack.manifest.class().unwrap();
    assert_eq!((class.id.as_str(), class.name.as_str()), ("xi-of-mine", "Xi of mine"));
    assert_eq!(
        (pack.card.authors.join(""), pack.card.licence),
        ("Somebody".to_owned(), "CC0-1.0".to_owned())
    );
    assert_eq!(own_file(&page, ".tailor").unwrap(), bytes);
    // Also when the page is hidden, which keeps lessons that are under way.
    page.hide(true).unwrap();
    page.hide(false).unwrap();
    assert!(own_file(&page, ".lesson").is_none(), "the lesson is done with");
    page.click("#teach-make").unwrap();
    page.wait_for("document.querySelector('#status')?.innerText.startsWith('Xi of mine')", PATIENCE).unwrap();
    wait_for_image(&page);
    let image = shown(&page);
    let page = browser.page().unwrap();
    page.navigate(&server.url("/?backend=cpu#view=make&class=xi-of-mine")).unwrap();
    wait_for_image(&page);
    assert_eq!(shown(&page), image);
    let sent = server.sent();
    assert!(sent.iter().all(|sent| !sent.path.contains("xi-of-mine")), "nobody else has it");
}

#[test]
fn a_lesson_in_a_closed_tab_is_offered_again_and_bad_pictures_are_refused_in_words() {
    let server = site(None);
    let camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
    let browser = Browser::launch_with(Gpu::NoAdapter, None, &camera).unwrap();
    let url = server.url("/?backend=cpu#class=latin-capital-a&seed=7&steps=1");
    let page = open_view(&browser, &url);
    let disabled = "document.querySelector('#teach-begin').disabled";

    // No name, no picture, one picture, the same twice.
    assert_eq!(page.eval(disabled).unwrap(), true);
    assert!(text(&page, "#teach-status").contains("name"));
    fill(&page, "Omega", 200);
    page.wait_for("document.querySelector('#teach-status').innerText.includes('Add pictures')", PATIENCE)
        .unwrap();
    let files = drawings("greek-small-omega");
    choose(&page, &files[..1]);
    count(&page, 1);
    page.wait_for("document.querySelector('#teach-status').innerText.includes('One picture')", PATIENCE)
        .unwrap();
    choose(&page, &files[..1]);
    count(&page, 2);
    page.wait_for("document.querySelector('#teach-status').innerText.includes('the same')", PATIENCE)
        .unwrap();
    assert_eq!(page.eval(disabled).unwrap(), true);

    // Files that are no pictures, and one that is too large. The others stay.
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, words) in [
        ("notes.png", b"not a picture".to_vec(), "notes.png is no picture"),
        ("torn.png", std::fs::read(&files[0]).unwrap()[..33].to_vec(), "torn.png is no picture"),
        ("huge.png", huge(&files[0]), "100 million pixels"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        choose(&page, &[file]);
        let said = format!("document.querySelector('#teach-notice')?.innerText.includes('{words}')");
        page.wait_for(&said, PATIENCE).unwrap();
    }
    count(&page, 2);

    // The camera is asked for only now.
    page.click("#teach-camera").unwrap();
    page.wait_for("document.querySelector('#teach-video')?.videoWidth > 0", PATIENCE).unwrap();
    page.click("#teach-take").unwrap();
    count(&page, 3);
    // It goes off when the view is left, and the pictures stay.
    page.click("#tab-make").unwrap();
    page.wait_for("!document.querySelector('#teach-video')", PATIENCE).unwrap();
    page.click("#tab-teach").unwrap();
    page.wait_for("document.querySelector('#teach-camera')", PATIENCE).unwrap();
    assert_eq!(page.eval("document.querySelector('#teach-video')").unwrap(), serde_json::Value::Null);
    count(&page, 3);

    choose(&page, &files[1..8]);
    count(&page, 10);
    // A name that no pack can have is refused before the lesson, and not after it.
    fill(&page, "O\u{200b}mega", 200);
    page.click("#teach-begin").unwrap();
    page.wait_for("document.querySelector('#teach-error')?.innerText.includes('cannot be seen')", PATIENCE)
        .unwrap();
    page.click("#teach-again").unwrap();
    wait_for_phase(&page, "gathering");
    count(&page, 10);
    fill(&page, "Omega", 200);
    page.click("#teach-begin").unwrap();
    page.wait_for("document.querySelector('#teach-status').innerText.startsWith('Step 2 ')", PATIENCE)
        .unwrap();
    page.kill().unwrap();
    // A link leads to the view before the gallery is open.
    let page = browser.page().unwrap();
    page.navigate(&server.url("/?backend=cpu#view=teach")).unwrap();
    wait_for_phase(&page, "gathering");
    count(&page, 10);
    assert!(text(&page, ".kept").contains("“Omega” is kept"), "{}", text(&page, ".kept"));
    page.click("#teach-resume").unwrap();
    wait_for_phase(&page, "learning");
    page.click("#teach-pause").unwrap();
    wait_for_phase(&page, "paused");
    page.click("#teach-stop").unwrap();
    wait_for_phase(&page, "ended");
}

#[test]
fn another_page_draws_and_teaches_through_the_javascript_api() {
    let server = site(None);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    // Any document of the site that is not the studio.
    page.navigate(&server.url("/galleries/letters/index.json")).unwrap();
    let pictures = in_base64(&drawings("greek-small-omega")[..8]);
    let script = format!(
        "(async () => {{
            const {{ createEngine }} = await import('/tailor.js');
            const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const pictures = {}.map((text) => new Blob([bytes(text)], {{ type: 'image/png' }}));
            const refused = async (work) => {{ try {{ await work; return 'nothing'; }} catch (e) {{ return `${{e.name}} ${{e.code}}`; }} }};
            const engine = await createEngine({{ gallery: '/galleries/letters/' }});
            await engine.load(['latin-small-b']);
            const found = {{ steps: [], lesson: [], refused: [] }};
            const classes = ['latin-small-b', {{ class: null, seed: 18446744073709551615n }}];
            for await (const {{ step, of, images, done }} of engine.sample({{ classes, steps: 4 }})) {{
                found.steps.push([step, of, images.count, images.imageData(1).width, done]);
            }}
            for await (const step of engine.sample({{ classes, steps: 1000 }})) {{
                found.early = !step.done;
                break;
            }}
            const abort = new AbortController();
            const long = engine.sample({{ classes, steps: 1000, signal: abort.signal }}).images();
            abort.abort();
            found.refused.push(await refused(long));
            found.refused.push(await refused(engine.sample({{ classes: ['nobody'] }}).images()));
            found.refused.push(await refused(createEngine({{ gallery: '/nowhere/' }})));
            found.refused.push(await refused(createEngine({{ gallery: '/galleries/letters/', files: '/nowhere/' }})));
            for await (const event of engine.teach({{ name: 'Omega', pictures, steps: 3, licence: 'CC0-1.0' }})) {{
                found.lesson.push(event.type);
                for (const byte of event.pack ?? []) found.pack = (found.pack ?? '') + String.fromCharCode(byte);
                if (event.class) found.own = (await engine.sample({{ classes: [event.class.id] }}).images()).count;
            }}
            const left = engine.sample({{ classes, steps: 1000 }}).images();
            engine.dispose();
            found.refused.push(await refused(left), await refused(engine.sample({{ classes }}).images()));
            found.pack = btoa(found.pack);
            globalThis.found = found;
        }})().catch((error) => {{ globalThis.found = {{ error: String(error) }}; }}); undefined",
        json!(pictures)
    );
    page.eval(&script).unwrap();
    page.wait_for("globalThis.found", PATIENCE).unwrap();
    let found = page.eval("found").unwrap();
    // A step that ends sooner than a screen can show it has no preview; the images always come.
    let steps = found["steps"].as_array().unwrap();
    let numbers: Vec<u64> = steps.iter().map(|step| step[0].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.last() == Some(&4), "{numbers:?}");
    for (step, number) in steps.iter().zip(&numbers) {
        assert_eq!(step, &json!([number, 4, 2, 32, *number == 4]));
    }
    assert_eq!(found["early"], true, "a thousand steps take long enough for previews");
    let refused = json!([
        "AbortError 20",
        "TailorError unknown-class",
        "TailorError missing",
        "TailorError engine",
        "TailorError engine",
        "TailorError engine",
    ]);
    assert_eq!(found["refused"], refused);
    let lesson: Vec<&str> =
        found["lesson"].as_array().unwrap().iter().map(|event| event.as_str().unwrap()).collect();
    assert_eq!(lesson.iter().filter(|event| **event == "step").count(), 3, "{lesson:?}");
    assert_eq!((lesson[0], lesson[lesson.len() - 1]), ("begun", "pack"));
    assert_eq!(found["own"], 1);
    let pack = base64::engine::general_purpose::STANDARD.decode(found["pack"].as_str().unwrap()).unwrap();
    assert_eq!(read_tailor(&pack, None).unwrap().card.licence, "CC0-1.0");
}

/// A PNG whose head claims 100 million pixels.
fn huge(file: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[16..20].copy_from_slice(&10_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&10_000u32.to_be_bytes());
    assert!(image::load(Cursor::new(&bytes), image::ImageFormat::Png).is_err());
    bytes
}

/// Thirty packs as pupils would hand them in, with two of one name, one of another gallery, and a torn one.
fn pupils(folder: &Path) -> Vec<PathBuf> {
    let index = index_of(&letters());
    let mut files = Vec::new();
    let mut save = |name: String, bytes: &[u8]| {
        let file = folder.join(name);
        std::fs::write(&file, bytes).unwrap();
        files.push(file);
    };
    for (number, entry) in index.classes.iter().take(30).enumerate() {
        let tailor = read_tailor(&std::fs::read(letters().join(&entry.file.path)).unwrap(), None).unwrap();
        let name = if number < 2 { "cat".to_owned() } else { format!("thing {number}") };
        let class = Class { id: name.replace(' ', "-"), name, wordnet: None };
        let card = Card { authors: vec![format!("Pupil {number}")], ..tailor.card.clone() };
        let storage = tailor.manifest.storage();
        let contents = Contents::new(&tailor.manifest.model, &index.config, &tailor.tensors, &card);
        let bytes = write_tailor(&Contents { storage, ..contents }, tailor.learngene, &class).unwrap();
        if number == 29 {
            save("torn.tailor".into(), &bytes[..bytes.len() / 2]);
        }
        save(format!("{number}.tailor"), &bytes);
    }
    let fashion = root().join("web/galleries/fashion");
    let foreign = &index_of(&fashion).classes[0].file.path;
    save("foreign.tailor".into(), &std::fs::read(fashion.join(foreign)).unwrap());
    files
}

#[test]
fn the_packs_of_a_whole_class_are_drawn_in_one_batch_and_become_a_gallery_that_another_browser_draws_from() {
    let folder = tempfile::tempdir().unwrap();
    let files = pupils(folder.path());
    assert_eq!(files.len(), 32);
    let server = site(None);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = open_view(&browser, &server.url("/?backend=cpu#class=latin-capital-a&seed=7&steps=1"));
    choose_in(&page, "#class-files", &files);
    let read =
        "document.querySelector('#class-status').innerText.startsWith('32 files: 30 joined, 2 not used')";
    page.wait_for(read, PATIENCE).unwrap();
    let table = text(&page, "#class-table");
    for part in
        ["torn.tailor", "damaged", "foreign.tailor", "another learngene", "cat (2), Pupil 1", "Pupil 29"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert_eq!(ours(&browser, &page, 30, &folder.path().join("our-class")), "Our class");
}

/// Draws the thirty or so packs that were opened in one batch, and unpacks the gallery that the page makes of them
/// into a folder. Another browser must draw the same from there. Returns the gallery's title.
fn ours(browser: &Browser, page: &Page, classes: usize, gallery: &Path) -> String {
    page.click("#class-draw").unwrap();
    page.wait_for("document.body.dataset.view === 'make'", PATIENCE).unwrap();
    wait_for_image(page);
    let drawn = shown(page);
    assert_eq!(drawn.len(), classes * 32 * 32, "one batch of all");
    let link = page.eval("location.hash").unwrap().as_str().unwrap().to_owned();

    page.click("#tab-teach").unwrap();
    page.wait_for("document.querySelector('#class-save')", PATIENCE).unwrap();
    let archive = Cursor::new(downloaded(browser, page, "#class-save", "our-class.zip"));
    zip::ZipArchive::new(archive).unwrap().extract(gallery).unwrap();
    // What `tailor verify` checks; `native-trainer/tests/joined.rs` has the command itself check such a gallery.
    let index = index_of(gallery);
    assert_eq!(index.classes.len(), classes);
    let bytes = |path: &str| std::fs::read(gallery.join(path)).unwrap();
    index.read_learngene(&bytes(&index.learngene.path)).unwrap();
    for class in &index.classes {
        let pack = index.read_pack(class, &bytes(&class.file.path)).unwrap();
        assert_eq!((&pack.class.id, &pack.class.name), (&class.id, &class.name));
    }

    // Another browser, to which nobody has given a pack, draws the same from the folder on a server.
    let mounts = [("/galleries/ours/", gallery.to_owned()), ("/", root().join("web/dist"))];
    let server = Server::start(&mounts).unwrap();
    let link = format!("/?backend=cpu&gallery=galleries/ours/{link}");
    let (_other, page) = open(Gpu::NoAdapter, &server.url(&link));
    wait_for_image(&page);
    assert_eq!(shown(&page), drawn);
    index.title
}

/// Opens the packs of the folder TAILOR_CLASS, and leaves the gallery that becomes of them in the folder `gallery`
/// beside it.
#[test]
#[ignore = "`just class-browser` teaches the packs, runs this and verifies the gallery"]
fn packs_that_were_taught_elsewhere_become_a_gallery() {
    let folder = PathBuf::from(std::env::var_os("TAILOR_CLASS").expect("TAILOR_CLASS names a folder"));
    let mut files = entries(&folder);
    files.retain(|file| file.extension().is_some_and(|ending| ending == "tailor"));
    let server = site(None);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = open_view(&browser, &server.url(FIRST_GALLERY));
    let begun = Instant::now();
    choose_in(&page, "#class-files", &files);
    let n = files.len();
    let read =
        format!("document.querySelector('#class-status').innerText.startsWith('{n} files: {n} joined')");
    page.wait_for(&read, PATIENCE).unwrap();
    println!("{n} packs joined in {:.1} s", begun.elapsed().as_secs_f64());
    ours(&browser, &page, n, &folder.with_file_name("gallery"));
}

/// Teaches each class of a folder for 300 steps: the four letters, or those of TAILOR_TEACH, in the gallery TAILOR_GALLERY.
/// TAILOR_TAUGHT names a folder for their packs, which `just teach-browser` has read by a classifier.
#[test]
#[ignore = "takes minutes; `just teach-browser` runs it"]
fn classes_are_taught_whole() {
    let of = |name: &str, otherwise: &str| {
        std::env::var_os(name).map_or_else(|| root().join(otherwise), PathBuf::from)
    };
    let out = of("TAILOR_TAUGHT", "runs/taught-browser");
    std::fs::create_dir_all(&out).unwrap();
    let mut folders = entries(&of("TAILOR_TEACH", "tests/fixtures/teach"));
    folders.retain(|path| path.is_dir());
    let gallery = std::env::var("TAILOR_GALLERY").unwrap_or_else(|_| "letters2".to_owned());
    let server = site(None);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let url = server.url(&format!("/?gallery=galleries/{gallery}/&backend=cpu#view=make"));
    for folder in folders {
        let class = folder.file_name().unwrap().to_string_lossy().into_owned();
        let files = entries(&folder);
        let page = open_view(&browser, &url);
        choose(&page, &files);
        count(&page, files.len());
        let name = format!("my-{class}");
        fill(&page, &name, 300);
        let begun = Instant::now();
        page.click("#teach-begin").unwrap();
        let ended = "document.querySelector('.teach')?.dataset.phase === 'ended'";
        page.wait_for(ended, Duration::from_secs(1800)).unwrap();
        println!("{class}: {:.0} s for 300 steps of 16", begun.elapsed().as_secs_f64());
        page.click("#teach-save").unwrap();
        wait_for_phase(&page, "saved");
        std::fs::write(out.join(format!("{name}.tailor")), own_file(&page, ".tailor").unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        page.close().unwrap();
        forget_everything(&browser, &server);
    }
}
