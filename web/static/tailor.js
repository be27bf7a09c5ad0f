// The JavaScript API: makes images, and teaches a class, in any web page. It starts the same engines as the
// studio, which lie beside this file, and speaks with them in the messages of web/src/protocol.rs and
// web/src/teaching.rs. Types and words are in tailor.d.ts.

// Modules that hold nothing but one instruction of 128-bit SIMD, and of relaxed SIMD.
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15,
  65, 0, 253, 15, 253, 133, 2, 11,
];

/** What went wrong, in a sentence, with a code for programs. */
export class TailorError extends Error {
  constructor({ code, sentence, detail = "", remedy = "Retry" }) {
    super(sentence);
    this.name = "TailorError";
    this.code = code;
    this.detail = detail;
    this.remedy = remedy;
  }
}

const cancelled = () => new DOMException("The run was cancelled.", "AbortError");

/** The programs to try for a backend, the best first. */
const programs = (kind, backend) => {
  const takes = (module) => WebAssembly.validate(new Uint8Array(module));
  if (backend === "gpu") return [`${kind}-gpu`];
  if (!takes(SIMD)) {
    throw new TailorError({ code: "simd", sentence: "This browser has no WebAssembly SIMD, which the engine needs." });
  }
  const plain = kind === "engine" ? "engine-cpu" : kind;
  return takes(RELAXED) && backend !== "cpu-simd" ? [`${plain}-relaxed`, plain] : [plain];
};

/** A worker that runs one of the programs, and what it says. */
class Program {
  /** Starts the first of the programs that loads. */
  static async start(names, files, hear) {
    let last;
    for (const name of names) {
      const program = new Program(new URL(`${name}.js`, files).href, hear);
      try {
        await program.ready;
        return program;
      } catch (error) {
        program.end();
        last = error;
      }
    }
    throw last;
  }

  constructor(script, hear) {
    // A browser refuses a worker script of another origin but allows an import, so the worker's own script is one line.
    const source = `import(${JSON.stringify(script)}).then((program) => program.default())`
      + ".catch((error) => setTimeout(() => { throw error; }));";
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(url);
    URL.revokeObjectURL(url);
    let spoke = false;
    this.ready = new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data: [text, values] }) => {
        spoke = true;
        const event = JSON.parse(text);
        // An event without fields is its name alone.
        const [name, fields] = typeof event === "string" ? [event, {}] : Object.entries(event)[0];
        if (name === "Ready") resolve();
        if (name === "Lost") reject(new TailorError(fields.failure));
        hear(name, fields, values);
      };
      this.worker.onerror = ({ message }) => {
        const sentence = spoke
          ? "The engine broke down. This may be more than fits into the browser's memory: try fewer images."
          : `The engine did not load from ${script}.`;
        const failure = { code: "engine", sentence, detail: message ?? "", remedy: "Retry" };
        reject(new TailorError(failure));
        hear("Lost", { failure });
      };
    });
  }

  send(request, values) {
    this.worker.postMessage(values ? [request, values] : request);
  }

  end() {
    this.worker.onmessage = this.worker.onerror = null;
    this.worker.terminate();
  }
}

/** Values that come one after the other, for `for await`. */
class Channel {
  #values = [];
  #waiting = null;
  #end = null;

  push(value) {
    this.#values.push(value);
    this.#wake();
  }

  close(error = null) {
    this.#end ??= { error };
    this.#wake();
  }

  #wake() {
    this.#waiting?.();
    this.#waiting = null;
  }

  async next() {
    while (!this.#values.length && !this.#end) await new Promise((wake) => (this.#waiting = wake));
    if (this.#values.length) return { value: this.#values.shift(), done: false };
    if (this.#end.error) throw this.#end.error;
    return { value: undefined, done: true };
  }
}

/** Images `[B, C, H, W]` in [-1, 1]. */
export class Images {
  constructor(values, { channels, side }) {
    this.values = values;
    this.channels = channels;
    this.side = side;
    this.count = values.length / (channels * side * side);
  }

  /** Image number `index` as pixels for `putImageData`. */
  imageData(index = 0) {
    const plane = this.side * this.side;
    const image = this.values.subarray(index * this.channels * plane, (index + 1) * this.channels * plane);
    const pixels = new Uint8ClampedArray(4 * plane).fill(255);
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) pixels[4 * i + c] = (image[(this.channels < 3 ? 0 : c) * plane + i] + 1) * 127.5;
    }
    return new ImageData(pixels, this.side, this.side);
  }
}

/** Starts an engine and opens a gallery with it. */
export const createEngine = async (options) => {
  const engine = new Engine(options);
  try {
    await engine._open();
  } catch (error) {
    engine.dispose();
    throw error;
  }
  return engine;
};

class Engine {
  #program = null;
  #options;
  #orders = new Map();
  #opening = null;
  #lessons = new Set();
  #last = 0;
  #over = new TailorError({ code: "engine", sentence: "This engine was disposed of." });

  constructor({ gallery, backend = "cpu", key = null, files, onProgress = () => {} }) {
    const base = typeof document === "undefined" ? undefined : document.baseURI;
    const folder = (address) => new URL(address, base).href.replace(/\/?$/, "/");
    const beside = files ? folder(files) : import.meta.url;
    this.#options = { gallery: folder(gallery), backend, key, files: beside, onProgress };
    /** The open gallery. */
    this.gallery = null;
  }

  async _open() {
    const { gallery, backend, key, files } = this.#options;
    const opened = new Promise((resolve, reject) => (this.#opening = { resolve, reject }));
    // It may be refused before anyone waits for it.
    opened.catch(() => {});
    const hear = (name, fields, values) => this.#hear(name, fields, values);
    this.#program = await Program.start(programs("engine", backend), files, hear);
    this.#program.send(JSON.stringify({ Start: { gallery, key } }));
    await opened;
  }

  #hear(name, fields, values) {
    const order = this.#orders.get(fields.id);
    switch (name) {
      case "Index":
      case "Renewed": {
        const { title, classes, side, channels, steps, guidance, signed, more } = fields;
        this.gallery = { title, classes, side, channels, steps, guidance, signed, more };
        this.#opening?.resolve();
        break;
      }
      case "Fetching":
        this.#options.onProgress(progress("fetching", fields));
        break;
      case "Loaded":
        this.#options.onProgress(progress("loaded", fields));
        break;
      case "Preview":
        order?.push({ step: fields.step, of: fields.of, images: new Images(values, this.gallery), done: false });
        break;
      case "Done": {
        const { ms, before } = fields;
        const steps = order?.steps;
        order?.push({ step: steps, of: steps, images: new Images(values, this.gallery), done: true, ms, before });
        this.#finish(fields.id);
        break;
      }
      case "Cancelled":
        this.#finish(fields.id, cancelled());
        break;
      case "Failed":
      case "Lost": {
        const error = new TailorError(fields.failure);
        if (order) return this.#finish(fields.id, error);
        // It concerns the gallery or the engine as a whole.
        this.#opening?.reject(error);
        for (const id of [...this.#orders.keys()]) this.#finish(id, error);
        if (name === "Lost") {
          this.#over = error;
          this.dispose();
        }
      }
    }
  }

  #finish(id, error) {
    const order = this.#orders.get(id);
    this.#orders.delete(id);
    order?.close(error);
  }

  /** Makes images. */
  sample(request) {
    const { classes, seed = 0, steps = this.gallery.steps, guidance = this.gallery.guidance } = request;
    const { previews = true, workers = 0, parts = {}, signal } = request;
    const wanted = (classes ?? [null]).map((wish) => {
      const { class: name = null, seed: own = seed, gate = [] } =
        wish !== null && typeof wish === "object" ? wish : { class: wish };
      // A seed has 64 bits, of which a number of JavaScript holds 53.
      return { class: name, seed: `#${BigInt(own)}#`, ...(gate.length ? { gate } : {}) };
    });
    const id = ++this.#last;
    const order = new Channel();
    order.steps = steps;
    const cancel = () => this.#program?.send(JSON.stringify({ Cancel: { id } }));
    if (!this.#program) order.close(this.#over);
    else if (signal?.aborted) order.close(cancelled());
    else {
      this.#orders.set(id, order);
      const text = JSON.stringify({ Sample: { id, images: wanted, steps, guidance, previews, workers, parts } });
      this.#program.send(text.replace(/"#(\d+)#"/g, "$1"));
      signal?.addEventListener("abort", cancel, { once: true });
    }
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => order.next(),
        // `break` out of the loop stops the run.
        return: async () => {
          if (this.#orders.has(id)) cancel();
          return { value: undefined, done: true };
        },
      }),
      /** The finished images. */
      images: async () => {
        for (;;) {
          const { value, done } = await order.next();
          if (done) throw cancelled();
          if (value.done) return value.images;
        }
      },
    };
  }

  /** Downloads what these classes need. */
  async load(classes, { signal } = {}) {
    // One step of each: then everything is there, verified and ready.
    await this.sample({ classes, steps: 1, guidance: 1, previews: false, signal }).images();
  }

  /** Teaches a class of one's own. */
  teach(request) {
    const lesson = new Channel();
    let stop = () => {};
    const run = async () => {
      const { name, pictures, steps = 300, every = 25, mirror = false, from = null, workers = 0 } = request;
      const { author = "", licence = "", invert = false, signal } = request;
      const planes = await pixels(pictures, this.gallery, invert);
      const { gallery, key, files, backend } = this.#options;
      let program = null;
      const ended = new Promise((resolve, reject) => {
        const fail = (failure) => reject(new TailorError(failure));
        const hear = (event, fields, values) => {
          switch (event) {
            case "Open":
              program.send(JSON.stringify({ Begin: { name, from, mirror, steps, every, workers } }), planes);
              break;
            case "Begun":
              lesson.push({ type: "begun", step: fields.step, of: fields.of, workers: fields.workers });
              break;
            case "Step":
              lesson.push({ type: "step", ...fields });
              break;
            case "Samples":
              lesson.push({ type: "samples", step: fields.step, images: new Images(values, this.gallery) });
              break;
            case "Ended":
              program.send(JSON.stringify({ Save: { name, author, licence } }), new Uint8Array());
              break;
            case "Pack":
              lesson.push({ type: "pack", class: fields.class, kept: fields.kept, pack: values });
              resolve();
              break;
            case "Failed":
              // A failure of the teacher is one itself; that of an engine has its order beside it.
              fail(fields.failure ?? fields);
              break;
            case "Lost":
              fail(fields.failure);
          }
        };
        stop = () => reject(cancelled());
        this.#lessons.add(stop);
        signal?.addEventListener("abort", stop, { once: true });
        if (signal?.aborted) stop();
        Program.start(programs("teacher", backend === "gpu" ? "cpu" : backend), files, hear).then((started) => {
          program = started;
          program.send(JSON.stringify({ Open: { gallery, key } }), new Uint8Array());
        }, reject);
      });
      try {
        await ended;
      } finally {
        program?.end();
        this.#lessons.delete(stop);
      }
    };
    run().then(() => lesson.close(), (error) => lesson.close(error));
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => lesson.next(),
        return: async () => {
          stop();
          return { value: undefined, done: true };
        },
      }),
    };
  }

  /** Ends the engine, and everything that runs on it. */
  dispose() {
    this.#program?.end();
    this.#program = null;
    for (const stop of this.#lessons) stop();
    for (const id of [...this.#orders.keys()]) this.#finish(id, this.#over);
  }
}

const progress = (type, { file, received, total, network, kept }) => ({
  type,
  file: typeof file === "string" ? file.toLowerCase() : `tailor:${file.Tailor}`,
  ...(type === "fetching" ? { received, total } : { network, kept }),
});

/** Pictures as bytes `[N, C, H, W]`, scaled into a square whose rest is as the picture's first pixel. */
const pixels = async (pictures, { channels, side }, invert) => {
  const plane = side * side;
  const planes = new Uint8Array(pictures.length * channels * plane);
  for (const [n, picture] of pictures.entries()) {
    const bitmap = await createImageBitmap(picture);
    const context = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    const corner = new OffscreenCanvas(1, 1).getContext("2d");
    corner.drawImage(bitmap, 0, 0);
    const [r, g, b, a] = corner.getImageData(0, 0, 1, 1).data;
    context.fillStyle = a ? `rgb(${r} ${g} ${b})` : "white";
    context.fillRect(0, 0, side, side);
    const scale = side / Math.max(bitmap.width, bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    context.drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
    bitmap.close();
    const { data } = context.getImageData(0, 0, side, side);
    for (let i = 0; i < plane; i++) {
      const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
      // The brightness of a colour, as television weighs it.
      const grey = Math.floor((299 * red + 587 * green + 114 * blue + 500) / 1000);
      const values = channels === 1 ? [grey] : [red, green, blue];
      values.forEach((value, c) => (planes[(n * channels + c) * plane + i] = invert ? 255 - value : value));
    }
  }
  return planes;
};
