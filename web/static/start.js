// Loads the page's program. When that does not come, says in words what is wrong: the program itself cannot.
// A script of its own, so that a page whose policy forbids inline scripts runs it, and no module, so that it
// runs from a file and in a sandboxed frame, where modules do not.

(() => {
  "use strict";

  // A module that holds nothing but one instruction of 128-bit SIMD.
  const SIMD = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
  ];
  const PATIENCE = 20000;
  // In a page without an origin, names relative to this script mean nothing unless they are made whole here.
  const here = document.currentScript.src;

  // Each language has a file in the folder “locales”. English is here as well, since it must need nothing.
  const LANGUAGES = ["de", "en", "es"];
  const ENGLISH = {
    "loading": "Loading…",
    "slow": "Still loading: the page’s program has not arrived yet. If it does not, load the page again.",
    "sandbox":
      "This page is in a frame that is cut off from its own site (“sandbox” without “allow-same-origin”), so the "
      + "browser keeps its files from it. Open it in a tab of its own: { $address }",
    "not-arrived": "The file { $file } did not arrive. Check the connection, then load the page again.",
    "not-there":
      "The file { $file } is not to be had from this server (status { $status }). Whoever runs the site should put "
      + "all files of the studio’s folder there.",
    "type":
      "This server sends the file { $file } as “{ $type }”, and browsers run it only as “text/javascript”. Whoever "
      + "runs the site can set that type for files that end in .js.",
    "opened-as-file":
      "This page was opened as a file, and browsers load programs from web servers only. Start a server in the "
      + "page’s folder, with “tailor serve galleries/letters2 --site .” or “python3 -m http.server”, and open the "
      + "address that it prints.",
    "no-wasm": "This browser has no WebAssembly, or it is switched off. The page makes its images with it.",
    "policy":
      "This site’s security policy forbids WebAssembly, with which the page makes its images. Whoever runs the site "
      + "can allow it: “script-src” needs “'wasm-unsafe-eval'”.",
    "no-simd":
      "This browser has no WebAssembly SIMD, which the page is made of. Chrome and Edge have it from version 91 on, "
      + "Firefox from 89, Safari from 16.4.",
    "not-started": "The page’s program did not start. Load the page again. ({ $error })",
  };

  // The galleries that this page lists, the first of which a visitor sees who asks for nothing. From then on the address
  // names it: a link that names none was made when another gallery was the first, and the program opens that one.
  const galleryOf = ({ search }) => new URLSearchParams(search).get("gallery")?.replace(/\/*$/, "/");
  const listed = [...document.querySelectorAll("#galleries a")].filter(galleryOf);
  let asked = galleryOf(location);
  if (!asked && listed[0] && location.hash.length < 2) {
    asked = galleryOf(listed[0]);
    const named = `gallery=${encodeURIComponent(asked).replace(/%(2F|3A)/g, decodeURIComponent)}`;
    try {
      history.replaceState(null, "", `${location.search ? `${location.search}&` : "?"}${named}`);
    } catch {
      // A page that was opened as a file, or in a sandbox, says so below.
    }
  }
  const link = listed.find((link) => galleryOf(link) === asked);
  link?.setAttribute("aria-current", "page");
  // What a visitor keeps for the letters that came first, such as classes of their own, stays within reach.
  const reveal = async (first) => {
    // In a sandbox the mere name of the caches is an error.
    first.hidden = link !== first && !(await caches.match(new URL("galleries/letters/index.json", here)));
  };
  for (const first of document.querySelectorAll("#galleries [hidden]")) reveal(first).catch(() => {});

  // Where the picture will be, before the program knows better.
  const view = location.hash.match(/[#&]view=(\w+)/)?.[1];
  document.body.dataset.view = view ?? (location.hash.length < 2 && link?.dataset.view || "make");

  // The film of the gallery: a row for each of six samples, and a column for each step. Of galleries that are not listed
  // nothing is shown before it was checked. The style sheet has that of the gallery that the document names, so that it
  // waits for nothing.
  const styled = document.body.dataset.film === asked;
  document.body.dataset.film = styled ? asked : "none";
  if (link && !styled) {
    const film = new Image();
    film.onload = () => {
      const { style, dataset } = document.body;
      style.setProperty("--film", `url("${film.src}")`);
      style.setProperty("--frames", Math.max(2, Math.round((6 * film.naturalWidth) / film.naturalHeight)));
      dataset.film = "other";
    };
    film.src = `${asked}film.webp`;
  }

  // After the first image, the browser is asked to keep the page for visits without a network.
  const offline = async () => {
    const needed = document.body.dataset.needs;
    if (!needed) return;
    watch.disconnect();
    try {
      await navigator.serviceWorker.register(new URL("sw.js", here));
      const { active } = await navigator.serviceWorker.ready;
      const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
      active.postMessage([...loaded, location.href, ...needed.split(" ").map((file) => new URL(file, here).href)]);
    } catch {
      // A page without HTTPS or in a sandbox has no such worker. It then needs the network.
    }
  };
  const watch = new MutationObserver(offline);
  watch.observe(document.body, { attributeFilter: ["data-needs"] });

  // What was said last, and the words of the language that the page speaks.
  let said = ["loading", {}];
  let words = ENGLISH;

  // The words stand where the program will put its own, so they go when it comes after all.
  const say = (name, values = {}) => {
    said = [name, values];
    const status = document.querySelector("#studio > #status");
    if (status) {
      status.textContent = (words[name] ?? ENGLISH[name]).replace(/\{ \$(\w+) \}/g, (_, value) => values[value]);
      status.className = "";
    }
  };

  // Puts the words of the page's language into the text around the program, and into what was said.
  const root = document.documentElement;
  let spoken = root.lang;
  const speak = async () => {
    if (root.lang === spoken) return;
    const lang = spoken = root.lang;
    const file = lang === "en" ? "" : await fetch(new URL(`locales/${lang}.ftl`, here)).then((a) => a.text(), () => "");
    if (lang !== spoken) return;
    const lines = [...file.matchAll(/^static-([\w-]+) = (.+)$/gm)].map(([, name, text]) => [name, text]);
    words = { ...ENGLISH, ...Object.fromEntries(lines) };
    for (const place of document.querySelectorAll("[data-words]")) {
      place.innerHTML = words[place.dataset.words] ?? place.innerHTML;
    }
    for (const place of document.querySelectorAll("[data-label]")) {
      place.ariaLabel = words[place.dataset.label] ?? place.ariaLabel;
    }
    say(...said);
  };
  for (const place of document.querySelectorAll("[data-words]")) ENGLISH[place.dataset.words] = place.innerHTML;
  for (const place of document.querySelectorAll("[data-label]")) ENGLISH[place.dataset.label] = place.ariaLabel;
  // The program decides in the same way, and sets the language when the visitor chooses another one.
  new MutationObserver(speak).observe(root, { attributeFilter: ["lang"] });
  let kept;
  try {
    kept = localStorage.getItem("tailor language");
  } catch {
    // A page in a sandbox has no storage.
  }
  const wanted = [kept ?? "", ...navigator.languages].map((tag) => tag.split(/[-_]/)[0].toLowerCase());
  root.lang = wanted.find((tag) => LANGUAGES.includes(tag)) ?? "en";

  // What is wrong with one of the page's files, if anything is: what to say, and the values in it.
  const fault = async (file, types) => {
    let answer;
    try {
      answer = await fetch(new URL(file, here), { cache: "no-cache" });
    } catch {
      return self.origin === "null" ? ["sandbox", { address: location.href }] : ["not-arrived", { file }];
    }
    const type = answer.headers.get("content-type") || "nothing in particular";
    if (answer.body) answer.body.cancel();
    if (!answer.ok) return ["not-there", { file, status: answer.status }];
    if (types && !types.test(type)) return ["type", { file, type }];
    return undefined;
  };

  const explain = async (error) => {
    if (location.protocol === "file:") return ["opened-as-file"];
    const missing = await fault("page.js", /javascript|ecmascript/i) || await fault("page_bg.wasm");
    if (missing) return missing;
    if (typeof WebAssembly !== "object") return ["no-wasm"];
    if (/content.security.policy|unsafe-eval/i.test(error)) return ["policy"];
    if (!WebAssembly.validate(new Uint8Array(SIMD))) return ["no-simd"];
    return ["not-started", { error }];
  };

  const fail = async (error) => {
    clearTimeout(slow);
    const why = await explain(String(error));
    document.body.dataset.state = "failed";
    say(...why);
  };

  say("loading");
  const slow = setTimeout(() => say("slow"), PATIENCE);
  import(new URL("page.js", here).href).then((page) => page.default()).then(() => clearTimeout(slow), fail);
})();
