//! What the browser keeps: nothing that was whole is fetched twice, whatever becomes of the tab, and nothing that changed
//! meanwhile is used.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::*;
use tailor_packs::limits::CHUNK;
use tailor_packs::{Digest, FileEntry};
use tailor_tests::chromium::{Browser, Gpu, Page};
use tailor_tests::server::{Fault, Sent, Server};

/// The letters, one of them, in one step: the shortest way to an image through files of several chunks.
struct Letters {
    server: Server,
    learngene: FileEntry,
    pack: FileEntry,
    url: String,
}

impl Letters {
    fn new() -> Self {
        let index = index_of(&letters());
        let server = site(None);
        // The plain engine, whose files have one name in every browser.
        let url = server.url("/?backend=cpu-simd#class=latin-capital-a&seed=7&steps=1");
        let pack = index.class("latin-capital-a").unwrap().file.clone();
        Self { server, learngene: index.learngene, pack, url }
    }

    fn path(file: &FileEntry) -> String {
        format!("/galleries/letters/{}", file.path)
    }

    /// The answers that bore this file.
    fn sent(&self, file: &FileEntry) -> Vec<Sent> {
        self.server.sent().into_iter().filter(|sent| sent.path == Self::path(file)).collect()
    }

    fn visit(&self, browser: &Browser) -> Page {
        let page = browser.page().unwrap();
        page.navigate(&self.url).unwrap();
        page
    }
}

/// Names and sizes of what the page's site keeps in OPFS.
fn kept(page: &Page) -> BTreeMap<String, u64> {
    let script = "(async () => {
        const found = {};
        try {
            const root = await navigator.storage.getDirectory();
            for await (const [name, file] of (await root.getDirectoryHandle('tailor-packs-1')).entries())
                found[name] = (await file.getFile()).size;
        } catch {}
        return found;
    })()";
    let found = page.eval(script).unwrap();
    found.as_object().unwrap().iter().map(|(name, size)| (name.clone(), size.as_u64().unwrap())).collect()
}

#[test]
fn a_tab_killed_anywhere_goes_on_from_what_was_whole() {
    let at = Letters::new();
    let (learngene, pack) = (at.learngene.clone(), at.pack.clone());
    let (all, of_pack) = (learngene.size as usize, pack.size as usize);
    assert!(
        all > 2 * CHUNK && of_pack < CHUNK,
        "the letters have a learngene of three chunks and packs of one"
    );
    let dist = |name: &str| std::fs::metadata(root().join("web/dist").join(name)).unwrap().len() as usize;
    let index = std::fs::metadata(letters().join("index.json")).unwrap().len() as usize;
    let (of_learngene, of_a) = (Letters::path(&learngene), Letters::path(&pack));
    let of_index = "/galleries/letters/index.json".to_owned();
    // Where the server stops sending; `None` is later: once everything is stored.
    let mut points = vec![
        (Some("/page_bg.wasm".to_owned()), 1),
        (Some("/engine-cpu_bg.wasm".to_owned()), dist("engine-cpu_bg.wasm.br") / 2),
        (Some(of_index.clone()), 0),
        (Some(of_index.clone()), index / 2),
        (Some(of_index), index - 1),
        (None, 0),
        (None, 1),
    ];
    let in_learngene = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, all - 1];
    points.extend(in_learngene.map(|n| (Some(of_learngene.clone()), n)));
    points.extend([0, 1, of_pack / 2, of_pack - 2, of_pack - 1].map(|n| (Some(of_a.clone()), n)));
    assert_eq!(points.len(), 21);

    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let expected = {
        let page = at.visit(&browser);
        wait_for_image(&page);
        let image = shown(&page);
        page.close().unwrap();
        image
    };
    for (path, offset) in points {
        let what = format!("killed at byte {offset} of {}", path.as_deref().unwrap_or("the image"));
        forget_everything(&browser, &at.server);
        at.server.clear_log();
        if let Some(path) = &path {
            at.server.set_fault(path, Fault::StallAt(offset));
        }
        let page = browser.page().unwrap();
        let asked = page.call("Page.navigate", serde_json::json!({ "url": at.url }));
        assert!(asked.is_ok(), "{what}");

        // What must have been whole by then, and is therefore not to come again.
        let here = |path: &Option<String>, file: &FileEntry| match path {
            None => true,
            Some(path) => *path != Letters::path(file) && [&of_learngene, &of_a].contains(&path),
        };
        let (whole_learngene, whole_pack) = (here(&path, &learngene), here(&path, &pack));
        let chunks = if path.as_ref() == Some(&of_learngene) { offset / CHUNK } else { 0 };
        let stalled = || path.as_ref().is_none_or(|p| at.server.sent().iter().any(|s| s.path == *p));
        wait_until(&what, || {
            let kept = kept(&page);
            let part = kept.get(&format!("{}.part", learngene.content())).copied().unwrap_or(0);
            stalled()
                && (!whole_learngene || kept.contains_key(&learngene.content().to_string()))
                && (!whole_pack || kept.contains_key(&pack.content().to_string()))
                && part >= (chunks * CHUNK) as u64
        });
        if path.is_none() && offset == 1 {
            wait_for_image(&page);
        }
        page.kill().unwrap();
        path.iter().for_each(|path| at.server.set_fault(path, None));
        at.server.clear_log();

        let page = at.visit(&browser);
        wait_for_image(&page);
        assert_eq!(shown(&page), expected, "{what}");
        let brought = |file| at.sent(file).iter().map(|s| s.body_bytes).sum::<usize>();
        let (learngene_again, pack_again) = (brought(&learngene), brought(&pack));
        println!("{what}: again {learngene_again} of the learngene's bytes and {pack_again} of the pack's");
        assert_eq!(learngene_again, if whole_learngene { 0 } else { all - chunks * CHUNK }, "{what}");
        assert_eq!(pack_again, if whole_pack { 0 } else { of_pack }, "{what}");
        let range = at.sent(&learngene).first().and_then(|s| s.range.clone());
        assert_eq!(range, (chunks > 0).then(|| format!("bytes={}-{}", chunks * CHUNK, all - 1)), "{what}");
        let names: Vec<String> = kept(&page).into_keys().collect();
        assert!(names.iter().all(|name| !name.ends_with(".part")), "{what}: {names:?}");
        page.close().unwrap();
    }
}

#[test]
fn a_byte_that_changed_on_this_device_costs_one_refetch_of_its_chunk() {
    let at = Letters::new();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = at.visit(&browser);
    wait_for_image(&page);
    let expected = shown(&page);
    page.close().unwrap();

    for (file, offset) in [(&at.learngene, CHUNK + 77), (&at.learngene, 0), (&at.pack, 1000)] {
        let page = browser.page().unwrap();
        page.navigate(&at.server.url("/galleries/letters/index.json")).unwrap();
        let flip = format!(
            "(async () => {{
                const root = await navigator.storage.getDirectory();
                const file = await (await root.getDirectoryHandle('tailor-packs-1')).getFileHandle('{}');
                const byte = new Uint8Array(await (await file.getFile()).slice({offset}, {offset} + 1).arrayBuffer());
                const writing = await file.createWritable({{ keepExistingData: true }});
                await writing.write({{ type: 'write', position: {offset}, data: byte.map(b => b ^ 1) }});
                await writing.close();
            }})()",
            file.content()
        );
        page.eval(&flip).unwrap();
        page.close().unwrap();
        at.server.clear_log();
        let page = at.visit(&browser);
        wait_for_image(&page);
        assert_eq!(shown(&page), expected);
        page.close().unwrap();
        let chunk = file.chunk_range(offset / CHUNK);
        let sent = [at.sent(&at.learngene), at.sent(&at.pack)].concat();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!(
            (&sent[0].path, sent[0].body_bytes as u64),
            (&Letters::path(file), chunk.end - chunk.start)
        );
    }
    at.server.clear_log();
    let page = at.visit(&browser);
    wait_for_image(&page);
    assert_eq!([at.sent(&at.learngene), at.sent(&at.pack)].concat(), [], "all is well again");
}

#[test]
fn two_tabs_at_once_share_one_download() {
    let at = Letters::new();
    at.server.set_fault(&Letters::path(&at.learngene), Fault::Delay(Duration::from_secs(3)));
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let (one, two) = (at.visit(&browser), at.visit(&browser));
    wait_for_image(&one);
    wait_for_image(&two);
    assert_eq!(shown(&one), shown(&two));
    assert_eq!((at.sent(&at.learngene).len(), at.sent(&at.pack).len()), (1, 1));
}

#[test]
fn without_opfs_the_same_holds_by_the_cache() {
    let at = Letters::new();
    let without =
        ["--disable-blink-features=FileSystemAccess,FileSystemAccessLocal,FileSystemAccessOriginPrivate"];
    let browser = Browser::launch_with(Gpu::NoAdapter, None, &without).unwrap();
    at.server.set_fault(&Letters::path(&at.learngene), Fault::StallAt(2 * CHUNK + 5));
    let page = at.visit(&browser);
    assert_eq!(page.eval("typeof navigator.storage.getDirectory").unwrap(), "undefined");
    let cached = "caches.open('tailor-packs-1').then(c => c.keys())
        .then(keys => keys.filter(key => key.url.includes('/files/')).length)";
    page.wait_for(&format!("{cached}.then(n => n === 3)"), PATIENCE).unwrap();
    page.kill().unwrap();
    at.server.set_fault(&Letters::path(&at.learngene), None);
    at.server.clear_log();
    let page = at.visit(&browser);
    wait_for_image(&page);
    let again: Vec<_> = at.sent(&at.learngene).into_iter().map(|sent| sent.body_bytes).collect();
    assert_eq!((again, at.sent(&at.pack).len()), (vec![at.learngene.size as usize - 2 * CHUNK], 0));
    at.server.clear_log();
    page.navigate(&at.server.url("/galleries/letters/index.json")).unwrap();
    page.navigate(&at.url).unwrap();
    wait_for_image(&page);
    assert_eq!([at.sent(&at.learngene), at.sent(&at.pack)].concat(), []);
}

#[test]
fn a_full_disk_costs_the_keeping_and_not_the_image() {
    let at = Letters::new();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    let quota = |page: &Page, bytes: u64| {
        let origin = at.server.url("");
        page.call(
            "Storage.overrideQuotaForOrigin",
            serde_json::json!({ "origin": origin, "quotaSize": bytes }),
        )
        .unwrap();
    };
    quota(&page, 500_000);
    page.navigate(&at.url).unwrap();
    wait_for_image(&page);
    page.click("#tab-device").unwrap();
    page.wait_for("document.querySelector('.files')", PATIENCE).unwrap();
    let files = page.eval("document.querySelector('.files').innerText").unwrap();
    assert!(files.as_str().unwrap().contains("not kept"), "{files}");
    assert!(!kept(&page).contains_key(&at.learngene.content().to_string()));

    // What another gallery left makes room.
    let other = Digest::of(b"another gallery's file").to_string();
    quota(&page, 1 << 30);
    page.navigate(&at.server.url("/galleries/letters/index.json")).unwrap();
    let leave = format!(
        "(async () => {{
            const root = await navigator.storage.getDirectory();
            const folder = await root.getDirectoryHandle('tailor-packs-1', {{ create: true }});
            const writing = await (await folder.getFileHandle('{other}', {{ create: true }})).createWritable();
            await writing.write(new Uint8Array(14_000_000));
            await writing.close();
        }})()"
    );
    page.eval(&leave).unwrap();
    // A browser reserves more for a file than it holds yet, and keeps the page's own files, too.
    quota(&page, 17_500_000);
    // It also counts a file that is gone for a moment longer, so that the next visit may have to keep the rest.
    let learngene = at.learngene.content().to_string();
    for _ in 0..3 {
        page.navigate(&at.url).unwrap();
        wait_for_image(&page);
        if kept(&page).contains_key(&learngene) {
            break;
        }
        // Another address first: the same one would be no visit, but a link within the page.
        page.navigate(&at.server.url("/galleries/letters/index.json")).unwrap();
    }
    let kept = kept(&page);
    assert!(kept.contains_key(&learngene), "{kept:?}");
    assert!(!kept.contains_key(&other), "{kept:?}");

    // Cleared under a page that is open, it is fetched again.
    quota(&page, 1 << 30);
    page.call(
        "Storage.clearDataForOrigin",
        serde_json::json!({ "origin": at.server.url(""), "storageTypes": "all" }),
    )
    .unwrap();
    page.click(".class[data-class='latin-capital-b']").unwrap();
    page.wait_for("document.querySelector('#status').innerText.startsWith('B')", PATIENCE).unwrap();
    wait_for_image(&page);
}

#[test]
fn a_part_that_comes_whole_is_taken_as_what_it_is() {
    let at = Letters::new();
    let path = Letters::path(&at.learngene);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    at.server.set_fault_times(&path, Fault::Truncate(CHUNK + 9), 1);
    // Asked to go on, this server starts anew.
    let page = browser.page().unwrap();
    at.server.set_fault(&path, Fault::StallAt(CHUNK + 9));
    page.navigate(&at.url).unwrap();
    wait_until("the first chunk is kept", || {
        kept(&page).get(&format!("{}.part", at.learngene.content())).is_some_and(|size| *size >= CHUNK as u64)
    });
    page.kill().unwrap();
    at.server.set_fault(&path, Fault::Whole);
    at.server.clear_log();
    let page = at.visit(&browser);
    wait_for_image(&page);
    let sent = at.sent(&at.learngene);
    assert_eq!((sent.len(), sent[0].status, sent[0].range.is_some()), (1, 200, true));
}

#[test]
fn a_gallery_that_claims_another_ones_file_gets_none_of_it_and_spoils_none_of_it() {
    let at = Letters::new();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = at.visit(&browser);
    wait_for_image(&page);
    page.close().unwrap();

    // The learngene's digest with other chunks.
    let folder = tempfile::tempdir().unwrap();
    let mut index = index_of(&letters());
    let other = vec![b'A'; at.learngene.size as usize];
    index.learngene = FileEntry { sha256: at.learngene.sha256, ..FileEntry::of("a.learngene", &other) };
    std::fs::write(folder.path().join("a.learngene"), &other).unwrap();
    std::fs::copy(letters().join(&at.pack.path), folder.path().join(&at.pack.path)).unwrap();
    std::fs::write(folder.path().join("index.json"), index.to_json().unwrap()).unwrap();
    let evil = site(Some(folder.path()));
    evil.share();
    let page = browser.page().unwrap();
    let gallery = evil.url("/galleries/tiny/");
    page.navigate(&at.server.url(&format!("/?gallery={gallery}&backend=cpu#class=latin-capital-a&steps=1")))
        .unwrap();
    refusal(&page);
    let code = page.eval("document.querySelector('#error').dataset.code").unwrap();
    assert_eq!(code, "digest-mismatch");
    page.close().unwrap();

    at.server.clear_log();
    let page = at.visit(&browser);
    wait_for_image(&page);
    assert_eq!([at.sent(&at.learngene), at.sent(&at.pack)].concat(), []);
}

#[test]
fn an_order_cancelled_again_and_again_loses_nothing_that_came() {
    let at = Letters::new();
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    at.server.set_fault(&Letters::path(&at.learngene), Fault::StallAt(CHUNK + 9));
    let page = at.visit(&browser);
    // From then on these are whole; what is under way when it is cancelled may well come again.
    let first = format!("{}.part", at.learngene.content());
    wait_until("the pack and the first chunk are kept", || {
        let kept = kept(&page);
        kept.contains_key(&at.pack.content().to_string())
            && kept.get(&first).is_some_and(|n| *n >= CHUNK as u64)
    });
    at.server.clear_log();
    let restless = "(async () => {
        for (let i = 0; i < 40; i++) {
            document.querySelector('#cancel').click();
            document.querySelector('#generate').click();
            await new Promise(r => setTimeout(r, 5 + i % 30));
        }
    })()";
    page.eval(restless).unwrap();
    at.server.set_fault(&Letters::path(&at.learngene), None);
    page.click("#cancel").unwrap();
    page.click("#generate").unwrap();
    wait_for_image(&page);
    assert_eq!(at.sent(&at.pack), []);
    let rest = format!("bytes={CHUNK}-");
    let asked = at.sent(&at.learngene);
    assert!(asked.iter().all(|sent| sent.range.as_ref().is_some_and(|r| r.starts_with(&rest))), "{asked:?}");
    let names: Vec<String> = kept(&page).into_keys().collect();
    assert!(names.len() == 2 && names.iter().all(|name| !name.ends_with(".part")), "{names:?}");
}
