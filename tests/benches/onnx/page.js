// What bench.rs calls: milliseconds of one step with guidance of one letter, by either program.
//
// Both compute in workers, theirs on one thread and ours on as many as is asked for. Both begin each step's network
// from an image in JavaScript's or WebAssembly's own memory, and neither draws anything.

import init, { Tailor } from "/page.js";

const worker = new Worker("theirs.js", { type: "module" });

/** Asks the worker with onnxruntime-web; its answer, or its failure as an exception. */
function ask(question) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.failed ? reject(new Error(data.failed)) : resolve(data.answer));
    worker.onerror = (event) => reject(new Error(event.message || "the worker did not load"));
    worker.postMessage(question);
  });
}

/** The largest difference of onnxruntime-web's output from PyTorch's. */
globalThis.check = () => ask({ check: true });

/** Milliseconds per step over `steps` steps of onnxruntime-web. */
globalThis.theirs = (steps) => ask({ steps });

// `cpu` with relaxed SIMD where this browser has it, `cpu-simd` without.
const asked = new URLSearchParams(location.search);
const engine = asked.get("engine");
const workers = Number(asked.get("workers"));
let tailor;

/** Milliseconds per step over `steps` steps of our engine: the whole call, from the order to the pixels. */
globalThis.ours = async (steps) => {
  if (!tailor) {
    await init();
    tailor = await Tailor.open(new URL("/galleries/letters/", location.href).href, engine);
  }
  const started = performance.now();
  await tailor.sample(["latin-capital-a"], 7n, steps, 2.0, workers);
  return (performance.now() - started) / steps;
};

globalThis.ready = true;
