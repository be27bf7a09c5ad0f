//! What a visit survives: a hidden tab, a worker without memory, a GPU that is taken away, and fifty galleries.

use std::time::Duration;

use crate::support::*;
use serde_json::json;
use tailor_tests::chromium::{Browser, Gpu, Page};

/// Long enough for a worker that works on to be caught at it.
const A_WHILE: Duration = Duration::from_millis(1500);

fn wait_for_words(page: &Page, selector: &str, words: &str) {
    let there = format!("document.querySelector('{selector}')?.innerText.includes({})", json!(words));
    let outcome = page.wait_for(&there, PATIENCE);
    assert!(outcome.is_ok(), "{words}: {}\n{}", text(page, "body"), page.console().join("\n"));
}

fn steps_done(page: &Page) -> f64 {
    page.eval("document.querySelector('progress').value").unwrap().as_f64().unwrap()
}

#[test]
fn a_hidden_page_waits_between_two_steps_and_makes_the_same_image_when_it_is_shown() {
    let server = site(None);
    let url = server.url("/?backend=cpu#class=latin-capital-a&seed=3&steps=400");
    let (_browser, page) = open(Gpu::NoAdapter, &url);
    wait_for_image(&page);
    let image = shown(&page);

    page.click("#generate").unwrap();
    page.wait_for("document.body.dataset.state === 'sampling'", PATIENCE).unwrap();
    page.hide(true).unwrap();
    wait_for_words(&page, "#status", "Paused while this page is hidden");
    // The step under way ends.
    std::thread::sleep(Duration::from_millis(300));
    let before = steps_done(&page);
    std::thread::sleep(A_WHILE);
    assert_eq!(steps_done(&page), before, "nothing is computed");
    assert_eq!(page.eval("document.body.dataset.state").unwrap(), "sampling");
    page.hide(false).unwrap();
    wait_for_words(&page, "#status", "This waited while the page was hidden");
    page.wait_for("document.body.dataset.state === 'done'", PATIENCE).unwrap();
    assert_eq!(shown(&page), image, "the same pixels");
}

/// Opens "Teach it" and begins a lesson with twenty drawings of xi.
fn begin_lesson(page: &Page) {
    page.click("#tab-teach").unwrap();
    wait_for_phase(page, "gathering");
    choose_in(page, "#teach-files", &drawings("greek-small-xi"));
    count(page, 20);
    page.set_value("#teach-name", "Xi").unwrap();
    page.click("#teach-begin").unwrap();
}

#[test]
fn a_lesson_waits_behind_a_hidden_page_and_goes_on_when_the_teacher_breaks_down() {
    let server = site(None);
    let (_browser, page) = open(Gpu::NoAdapter, &server.url("/?backend=cpu#class=latin-capital-a&steps=1"));
    wait_for_image(&page);
    page.before_next_worker(&out_of_memory("Begun"));
    begin_lesson(&page);
    wait_for_words(&page, "#teach-notice", "The teacher broke down and was started again.");
    wait_for_words(&page, "#teach-status", "Step 2 ");
    page.hide(true).unwrap();
    wait_for_words(&page, "#teach-status", "Paused while this page is hidden");
    page.hide(false).unwrap();
    wait_for_words(&page, "#teach-notice", "The lesson waited while the page was hidden");
    let step = "Number(document.querySelector('#teach-status').innerText.match(/Step (\\d+)/)?.[1])";
    let before = page.eval(step).unwrap().as_f64().unwrap();
    page.wait_for(&format!("{step} > {before}"), PATIENCE).unwrap();
}

#[test]
fn a_full_disk_costs_the_keeping_and_not_the_lesson_and_a_foreign_pack_dropped_on_the_page_is_named() {
    let server = site(None);
    let (browser, page) = open(Gpu::NoAdapter, &server.url("/?backend=cpu#class=latin-capital-a&steps=1"));
    wait_for_image(&page);

    // Another gallery's pack, dropped beside a file that is no pack at all.
    let fashion = root().join("web/galleries/fashion");
    let foreign = fashion.join(&index_of(&fashion).classes[0].file.path);
    let dropped = format!(
        "(() => {{
            const bytes = Uint8Array.from(atob({}[0]), (c) => c.charCodeAt(0));
            const files = new DataTransfer();
            files.items.add(new File([bytes], 'dress.tailor'));
            files.items.add(new File(['a poem'], 'poem.txt', {{ type: 'text/plain' }}));
            window.dispatchEvent(new DragEvent('drop', {{ dataTransfer: files, bubbles: true, cancelable: true }}));
        }})()",
        json!(in_base64(&[foreign]))
    );
    page.eval(&dropped).unwrap();
    wait_for_words(&page, "#class-table", "it was taught on another learngene. Open it in the gallery");
    assert!(text(&page, "#class-table").contains("poem.txt"), "{}", text(&page, "#class-table"));

    let full = json!({ "origin": server.url(""), "quotaSize": 1000 });
    page.call("Storage.overrideQuotaForOrigin", full).unwrap();
    page.eval("document.querySelector('details.more').open = true").unwrap();
    page.set_value("#teach-steps", "6").unwrap();
    begin_lesson(&page);
    wait_for_phase(&page, "ended");
    wait_for_words(&page, ".teach", "This browser has no room to keep the lesson.");
    page.click("#teach-save").unwrap();
    wait_for_words(&page, "#teach-saved", "This browser could not keep it: save it as a file now.");
    let pack = downloaded(&browser, &page, "#teach-download", "xi.tailor");
    assert!(tailor_packs::read_tailor(&pack, None).is_ok(), "nothing is lost");
}

/// A script for a worker that leaves its program no more memory, once it has sent this event. WebAssembly ends at 4 GiB;
/// the system gives a page of it only to who writes there.
fn out_of_memory(event: &str) -> String {
    format!(
        "for (const name of ['instantiate', 'instantiateStreaming']) {{
            const real = WebAssembly[name];
            WebAssembly[name] = async (...all) => {{
                const made = await real.apply(WebAssembly, all);
                self.memory = (made.instance ?? made).exports.memory;
                return made;
            }};
        }}
        const post = self.postMessage;
        self.postMessage = (message, ...more) => {{
            post.call(self, message, ...more);
            if (!String(message?.[0]).startsWith('{{\"{event}\"')) return;
            for (let pages = 65536; pages >= 1; pages /= 2) try {{ for (;;) self.memory.grow(pages); }} catch {{ }}
        }};"
    )
}

#[test]
fn an_engine_without_memory_is_started_again_once_and_what_helps_is_said_after_that() {
    let server = site(None);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let url = server.url("/?backend=cpu#class=latin-capital-a&seed=5&steps=4");
    let page = browser.page().unwrap();
    page.navigate(&url).unwrap();
    wait_for_image(&page);
    let image = shown(&page);
    page.close().unwrap();

    let page = browser.page().unwrap();
    page.before_next_worker(&out_of_memory("Index"));
    page.navigate(&url).unwrap();
    wait_for_image(&page);
    assert!(text(&page, "#notice").contains("started again"), "{}", text(&page, "body"));
    assert_eq!(shown(&page), image, "the same pixels");
    page.click("#tab-device").unwrap();
    wait_for_words(&page, "#memory", "Memory in use: ");
    println!("{}", text(&page, "#memory"));
    page.close().unwrap();

    let page = browser.page().unwrap();
    page.before_next_worker(&out_of_memory("Index"));
    page.before_next_worker(&out_of_memory("Index"));
    page.navigate(&url).unwrap();
    let words = refusal(&page);
    assert!(words.contains("broke down once more. Close other tabs or ask for fewer images"), "{words}");
    page.click("#error button").unwrap();
    wait_for_image(&page);
    assert_eq!(shown(&page), image);
}

/// A script for a worker that takes its GPU away at this point of its work, as `GPUDevice.destroy` does.
fn without_gpu(stage: &str) -> String {
    format!(
        "const stage = '{stage}';
        const lose = (at) => {{ if (at === stage) self.device?.destroy(); }};
        const before = (type, name, at) => {{
            const real = type.prototype[name];
            type.prototype[name] = function (...all) {{ lose(at); return real.apply(this, all); }};
        }};
        const compile = WebAssembly.instantiateStreaming;
        // Before its own script, a worker has no WebGPU yet.
        WebAssembly.instantiateStreaming = (...all) => {{
            const request = GPUAdapter.prototype.requestDevice;
            GPUAdapter.prototype.requestDevice = async function (...all) {{
                self.device = await request.apply(this, all);
                lose('load');
                return self.device;
            }};
            before(GPUQueue, 'writeBuffer', 'upload');
            before(GPUBuffer, 'getMappedRange', 'upload');
            before(GPUBuffer, 'mapAsync', 'readback');
            return compile.apply(WebAssembly, all);
        }};
        const post = self.postMessage;
        self.postMessage = (message, ...more) => {{
            post.call(self, message, ...more);
            if (String(message?.[0]).startsWith('{{\"Preview\"')) lose('step');
        }};"
    )
}

#[test]
fn a_gpu_that_is_lost_at_any_point_is_asked_for_again_and_makes_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    tiny_gallery(folder.path());
    let server = site(Some(folder.path()));
    let browser = Browser::launch(Gpu::Software).unwrap();
    let url = server.url("/?gallery=galleries/tiny/&backend=gpu#class=two&seed=11&steps=2");
    let page = browser.page().unwrap();
    page.navigate(&url).unwrap();
    wait_for_image(&page);
    let image = shown(&page);
    page.close().unwrap();
    for stage in ["load", "upload", "step", "readback"] {
        let page = browser.page().unwrap();
        page.before_next_worker(&without_gpu(stage));
        page.navigate(&url).unwrap();
        wait_for_image(&page);
        let (notice, backend) = (text(&page, "#notice"), text(&page, "#backend"));
        println!("{stage}: {notice} {backend}");
        assert!(notice.contains("started again"), "{stage}: {}", page.console().join("\n"));
        assert!(backend.contains("through WebGPU"), "{stage}: {backend}");
        assert_eq!(shown(&page), image, "{stage}: the same pixels");
        page.close().unwrap();
    }
}

#[test]
fn an_order_that_is_cancelled_ends_with_the_step_that_is_under_way() {
    let server = site(None);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    // Any document of the site that is not the studio, which would start an engine of its own.
    page.navigate(&server.url("/galleries/letters/index.json")).unwrap();
    let script = "(async () => {
        const program = new URL('/engine-cpu-relaxed.js', location.href).href;
        const source = `import('${program}').then((engine) => engine.default())`;
        const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
        const send = (request) => worker.postMessage(JSON.stringify(request));
        const images = Array.from({ length: 16 }, (_, seed) => ({ class: 'latin-capital-a', seed }));
        const order = { images, guidance: 2, previews: true, trace: true, workers: 1 };
        globalThis.found = await new Promise((resolve) => {
            let after = null, ended = 0;
            worker.onmessage = ({ data: [text] }) => {
                const event = JSON.parse(text);
                if (event.Ready) send({ Start: { gallery: new URL('/galleries/letters/', location.href).href, key: null } });
                if (event.Index) send({ Sample: { ...order, id: 1, steps: 1000 } });
                if (event.Preview?.id === 1 && after !== null) after += 1;
                if (event.Preview?.id === 1 && event.Preview.step === 3) {
                    send({ Cancel: { id: 1 } });
                    send({ Sample: { ...order, images: images.slice(0, 1), id: 2, steps: 1 } });
                    after = 0;
                }
                if (event.Cancelled) ended += 1;
                if (event.Done) resolve({ id: event.Done.id, after, ended });
            };
        });
    })(); undefined";
    page.eval(script).unwrap();
    page.wait_for("globalThis.found", PATIENCE).unwrap();
    let found = page.eval("found").unwrap();
    println!("{found}");
    assert_eq!((&found["id"], &found["ended"]), (&json!(2), &json!(1)), "it is idle, and makes the next one");
    assert!(found["after"].as_u64().unwrap() <= 1, "{found}: steps after the one in which it was cancelled");
}

/// Kilobytes that the largest renderer of the browser holds after a collection.
fn renderer(browser: &Browser, page: &Page) -> u64 {
    for _ in 0..2 {
        browser.tell_all(page, "HeapProfiler.collectGarbage");
        std::thread::sleep(Duration::from_millis(500));
    }
    let processes = browser.call("SystemInfo.getProcessInfo", json!({})).unwrap();
    let processes = processes["processInfo"].as_array().unwrap().clone();
    let renderers = processes.iter().filter(|process| process["type"] == "renderer");
    let resident = |process: &serde_json::Value| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process["id"])).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    renderers.map(resident).max().unwrap()
}

/// Goes through fifty cycles, and compares the memory after the fifth with that after the last.
fn fifty(what: &str, browser: &Browser, page: &Page, mut cycle: impl FnMut(usize)) {
    let mut figures = Vec::new();
    for number in 1..=50 {
        cycle(number);
        if number % 5 == 0 {
            figures.push(renderer(browser, page));
        }
    }
    let growth = 100.0 * (figures[9] as f64 / figures[0] as f64 - 1.0);
    println!(
        "{what}: {growth:.1} % more memory after 50 cycles than after 5; in kB after each 5: {figures:?}"
    );
    assert!(growth < 5.0, "{what}: {growth:.1} %");
}

#[test]
#[ignore = "takes minutes; `just torture` runs it"]
fn fifty_galleries_and_fifty_classes_come_and_go_and_leave_no_memory_behind() {
    let server = site(None);
    let browser = Browser::launch(Gpu::NoAdapter).unwrap();
    let page = browser.page().unwrap();
    // The browser's tools keep every answer of the server, unless they are told not to.
    browser.tell_all(&page, "Network.disable");
    // Any document of the site that is not the studio: to navigate takes memory even from a page without a program.
    page.navigate(&server.url("/galleries/letters/index.json")).unwrap();
    let open = "(async () => {
        const { createEngine } = await import('/tailor.js');
        globalThis.visit = async (gallery, name) => {
            const engine = await createEngine({ gallery: `/galleries/${gallery}/`, backend: 'cpu' });
            await engine.load([name]);
            const images = await engine.sample({ classes: [name, name], steps: 1 }).images();
            engine.dispose();
            return images.count;
        };
    })()";
    page.eval(open).unwrap();
    fifty("galleries", &browser, &page, |_| {
        for (gallery, class) in [("fashion", "dress"), ("letters", "latin-capital-a")] {
            assert_eq!(page.eval(&format!("visit('{gallery}', '{class}')")).unwrap(), 2);
        }
        page.clear_logs();
    });
    page.navigate(&server.url("/?backend=cpu#class=latin-capital-a&steps=1")).unwrap();
    wait_for_image(&page);
    browser.tell_all(&page, "Network.disable");
    let classes = index_of(&letters()).classes;
    fifty("classes", &browser, &page, |number| {
        let class = &classes[number];
        page.eval(&format!("location.hash = '#view=make&class={}&steps=1'; undefined", class.id)).unwrap();
        let made = format!(
            "document.body.dataset.state === 'done' &&
             document.querySelector('#status').innerText.startsWith({})",
            json!(format!("{}, seed", class.name))
        );
        page.wait_for(&made, PATIENCE).unwrap();
        page.click("#tab-device").unwrap();
        let rows =
            "[...document.querySelectorAll('.files tr')].filter((row) => row.querySelector('.remove'))";
        let row = format!("{rows}.find((row) => row.innerText.includes({}))", json!(class.name));
        page.wait_for(&row, PATIENCE).unwrap();
        page.eval(&format!("{rows}.forEach((row) => row.querySelector('.remove').click())")).unwrap();
        page.wait_for(&format!("{rows}.length === 0"), PATIENCE).unwrap();
        page.clear_logs();
    });
}
