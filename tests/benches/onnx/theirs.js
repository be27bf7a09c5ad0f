// onnxruntime-web in a worker: the net of tests/reference/make_onnx.py, on WebAssembly with one thread.

import * as ort from "/ort/ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = "/ort/";

const GUIDANCE = 2;

// Not awaited here: a question that comes before the handler is there would be lost.
const loading = Promise.all([
  fetch("/model/letters.json").then((answer) => answer.json()),
  ort.InferenceSession.create("/model/letters.onnx", {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  }),
]);
let example, session;

/** The net's output for `x` [2,C,H,W] at the times `t` [2]. */
async function run(x, t) {
  const inputs = { x: new ort.Tensor("float32", x, example.shape), t: new ort.Tensor("float32", t, [2]) };
  return (await session.run(inputs))[example.output].data;
}

async function check() {
  const out = await run(Float32Array.from(example.x), Float32Array.from(example.t));
  return out.reduce((worst, value, i) => Math.max(worst, Math.abs(value - example.out[i])), 0);
}

/** Euler's method from noise, with guidance: milliseconds per step. */
async function sample(steps) {
  const image = example.x.length / 2;
  const x = Float32Array.from(example.x);
  x.copyWithin(image, 0, image);
  const started = performance.now();
  for (let step = 0; step < steps; step++) {
    const time = 1000 * (1 - step / steps);
    const out = await run(x, Float32Array.of(time, time));
    for (let i = 0; i < image; i++) {
      const guided = out[i] + GUIDANCE * (out[image + i] - out[i]);
      x[i] -= guided / steps;
      x[image + i] = x[i];
    }
  }
  return (performance.now() - started) / steps;
}

onmessage = async ({ data }) => {
  try {
    [example, session] = await loading;
    postMessage({ answer: data.check ? await check() : await sample(data.steps) });
  } catch (error) {
    postMessage({ failed: String(error) });
  }
};
