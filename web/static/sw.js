// Opens the page without a network after the first visit. It keeps the site's own files and the last index of each
// gallery, asks the network first, and answers with what it kept only where no answer comes. What an index may be used
// for is decided by the engine, as ever. Learngenes and packs are left to the engine, which keeps them itself.

"use strict";

const CACHE = "tailor-site-1";
const KEPT = /(\/|\.html|\.js|\.css|\.wasm|\.ftl|\.png|\.webp|\/index\.json|\/index\.json\.minisig)$/;

// A page is one file, whatever its address asks of it.
const name = (url) => {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
};

const keep = async (urls) => {
  const cache = await caches.open(CACHE);
  const one = async (url) => {
    if (await cache.match(url)) return;
    // What the browser still has from a moment ago need not come again.
    const answer = await fetch(url, { cache: "force-cache" });
    if (answer.ok) await cache.put(url, answer);
  };
  await Promise.allSettled([...new Set(urls.map(name))].filter((url) => KEPT.test(url)).map(one));
};

const answer = async (event) => {
  const { request } = event;
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request);
    // The page need not wait for what is kept. Half a file, or one for which there is no room, is not.
    if (fresh.ok) event.waitUntil(cache.put(name(request.url), fresh.clone()).catch(() => {}));
    return fresh;
  } catch (error) {
    const kept = await cache.match(name(request.url));
    if (kept) return kept;
    throw error;
  }
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((other) => other.startsWith("tailor-site-") && other !== CACHE);
  event.waitUntil(caches.keys().then((names) => Promise.all(old(names).map((other) => caches.delete(other)))));
});
self.addEventListener("message", (event) => event.waitUntil(keep(event.data)));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const whole = request.method === "GET" && !request.headers.has("range");
  if (whole && KEPT.test(name(request.url))) event.respondWith(answer(event));
});
