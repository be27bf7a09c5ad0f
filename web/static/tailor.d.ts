/**
 * Makes images with a gallery of `tailor`, and teaches a class of one's own, in any web page.
 *
 * A gallery is a folder on a web server that holds one learngene, which all classes share, and for each
 * class a pack with its tailor. Only what is asked for is downloaded; it is verified, and kept in the
 * browser for the next visit. Everything is computed on the visitor's device, in workers.
 *
 * ```js
 * import { createEngine } from "./tailor.js";
 * const engine = await createEngine({ gallery: "https://example.org/galleries/letters2/" });
 * for await (const { images, done } of engine.sample({ classes: ["latin-capital-a"], seed: 7 })) {
 *   context.putImageData(images.imageData(), 0, 0);
 * }
 * engine.dispose();
 * ```
 */

/** Which program computes: WebAssembly (the default), the same without relaxed SIMD, or WebGPU. */
export type Backend = "cpu" | "cpu-simd" | "gpu";

export interface EngineOptions {
  /** The gallery's folder; relative to the page. */
  gallery: string | URL;
  backend?: Backend;
  /** The publisher's key. A signed gallery is then accepted from nobody else. */
  key?: string;
  /** The folder of the engine's files; relative to the page. Default: beside this module. */
  files?: string | URL;
  /** Told of each download. */
  onProgress?: (progress: Progress) => void;
}

export type Progress =
  /** Bytes of a file have come. `file` is `"learngene"`, `"list"` or `"tailor:<class>"`. */
  | { type: "fetching"; file: string; received: number; total: number }
  /** A file is verified and in use. `network` bytes came over the network, 0 from this device. */
  | { type: "loaded"; file: string; network: number; kept: boolean };

export interface ClassInfo {
  /** Stable id, by which images are asked for. */
  id: string;
  /** Name for people. */
  name: string;
  /** Exact size of its pack. */
  bytes: number;
  /** Whether the pack is on this device. */
  stored: boolean;
  /** Whether the class was taught on this device. */
  own: boolean;
}

export interface Gallery {
  title: string;
  /** The classes; of a large gallery those to show first. */
  classes: ClassInfo[];
  /** Whether the gallery has more classes than those; they can be asked for by id. */
  more: boolean;
  /** Image height and width in pixels. */
  side: number;
  /** 1 (grey) or 3 (RGB). */
  channels: number;
  /** Default number of steps. */
  steps: number;
  /** Default scale of guidance. */
  guidance: number;
  /** Fingerprint of the trusted key that signed it, or null. */
  signed: string | null;
}

/** One image: a class, its own seed, or a mixture of classes. */
export interface Wanted {
  /** The class's id; null is the learngene alone. */
  class?: string | null;
  /** Whole number from 0 to 2⁶⁴ − 1. */
  seed?: number | bigint;
  /** Classes and how much of each one's tailor is used, 0 to 1. */
  gate?: [id: string, weight: number][];
}

export interface SampleRequest {
  /** An image for each, all in one batch. Default: one of the learngene alone. */
  classes?: (string | null | Wanted)[];
  /** The seed of all images that have none of their own. Default: 0. */
  seed?: number | bigint;
  /** Default: the gallery's. */
  steps?: number;
  /** Scale of classifier-free guidance, 1 for none. Default: the gallery's. */
  guidance?: number;
  /** How much is used of parts of the tailors, 0 to 1: layers by their number from 1, kinds of matrix, and `label`. */
  parts?: Record<string, number>;
  /** Whether images come while they are made. Default: true. */
  previews?: boolean;
  /** The most workers on the processor. Default: as many as there are cores for. */
  workers?: number;
  /** Stops the run between two steps; then an `AbortError` is thrown. */
  signal?: AbortSignal;
}

/** Images `[B, C, H, W]`. */
export class Images {
  /** All values, row-major, in [-1, 1]. */
  readonly values: Float32Array;
  readonly channels: number;
  readonly side: number;
  /** Number of images. */
  readonly count: number;
  /** Image number `index` as pixels for `putImageData`. */
  imageData(index?: number): ImageData;
}

export interface Step {
  /** Steps done. */
  step: number;
  /** Steps in all. */
  of: number;
  /** The images as estimated at this step; the finished ones in the last. */
  images: Images;
  done: boolean;
  /** In the last: milliseconds from the first step to the finished images. */
  ms?: number;
  /** In the last: milliseconds of what came before the first step. */
  before?: { download: number; verify: number; prepare: number };
}

/** A run: to be read once, by `for await`, or by {@link Sampling.images}. Leaving the loop stops the run. */
export interface Sampling extends AsyncIterable<Step> {
  /** Waits for the finished images. */
  images(): Promise<Images>;
}

export interface TeachRequest {
  /** The name of the class. */
  name: string;
  /** At least two; eight or more are better. Each is scaled into the gallery's square. */
  pictures: ImageBitmapSource[];
  /** Steps of training. Default: 300. */
  steps?: number;
  /** Steps between two looks at samples. Default: 25. */
  every?: number;
  /** Whether pictures may be mirrored. Default: false. */
  mirror?: boolean;
  /** Whether pictures are inverted, such as ink on paper for a gallery of white on black. Default: false. */
  invert?: boolean;
  /** The gallery's class to start from. Default: none. */
  from?: string;
  /** The most workers. Default: as many as there are cores for. */
  workers?: number;
  /** What the pack's card says. */
  author?: string;
  licence?: string;
  /** Ends the lesson, without a pack; then an `AbortError` is thrown. */
  signal?: AbortSignal;
}

export type TeachEvent =
  | { type: "begun"; step: number; of: number; workers: number }
  /** A step: the mean squared error of its images, and the milliseconds that it took. */
  | { type: "step"; step: number; of: number; loss: number; ms: number }
  /** Images of four seeds as the class looks after so many steps. */
  | { type: "samples"; step: number; images: Images }
  /** The end: the class, by whose id this device's engines draw it, and the bytes of its `.tailor` file. */
  | { type: "pack"; class: ClassInfo; kept: boolean; pack: Uint8Array };

export interface Engine {
  readonly gallery: Gallery;
  /** Makes images. Several runs wait for each other. */
  sample(request: SampleRequest): Sampling;
  /** Downloads and prepares what these classes need, so that their first image comes at once. */
  load(classes: string[], options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Teaches a class from a handful of pictures, in about a minute. The learngene stays as it is. Nothing
   * leaves the device. Leaving the loop ends the lesson.
   */
  teach(request: TeachRequest): AsyncIterable<TeachEvent>;
  /** Ends the engine's workers. What still runs is thrown out of. */
  dispose(): void;
}

/**
 * Starts an engine and opens a gallery with it.
 *
 * @throws {TailorError} when gallery or engine cannot be loaded, or the gallery is not to be trusted.
 */
export function createEngine(options: EngineOptions): Promise<Engine>;

/** What went wrong: `message` is a sentence for people. */
export class TailorError extends Error {
  /** The error's name for programs, as in web/src/failure.rs. */
  readonly code: string;
  /** The cause in the words of library or browser; may be empty. */
  readonly detail: string;
  /** What may help: `"Retry"`, `"Reload"`, `"UseCpu"` and others. */
  readonly remedy: unknown;
}
