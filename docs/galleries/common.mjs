// What both scripts share: arguments, progress, files that are whole or absent, pictures of pictures.

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Resvg } from '@resvg/resvg-js';

/** A mistake of whoever runs the script: told in one line, without a stack. */
export class Refusal extends Error {}

/** Runs `main`. A refusal ends with status 2, Ctrl-C with 130, anything unforeseen with its stack. */
export async function run(main) {
    process.on('SIGINT', () => {
        console.error('\nStopped. The same command goes on from here.');
        process.exit(130);
    });
    try {
        await main();
    } catch (error) {
        // What the system refuses (no room, no permission) comes with the file's name in its message.
        if (!(error instanceof Refusal) && !error.syscall) throw error;
        console.error(`error: ${error.message}`);
        process.exitCode = 2;
    }
}

/**
 * The arguments as named in `options`, a table of `{type, default, ...}` as `parseArgs` of Node takes it.
 * Prints `help` and ends when asked to.
 */
export function readArguments(options, help) {
    const table = { ...options, help: { type: 'boolean', short: 'h' } };
    let parsed;
    try {
        parsed = parseArgs({ options: table, allowPositionals: true });
    } catch (error) {
        throw new Refusal(`${error.message} (--help lists the options)`);
    }
    if (parsed.values.help) {
        console.log(help);
        process.exit(0);
    }
    const [out, ...more] = parsed.positionals;
    if (more.length > 0) throw new Refusal(`one folder is expected, and ${more.join(' ')} came after it`);
    return { ...parsed.values, out };
}

/** `text` as a whole number from `least` to `most`. */
export function wholeNumber(name, text, least, most) {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
        throw new Refusal(`--${name} ${text}: give a whole number from ${least} to ${most}`);
    }
    return value;
}

/**
 * Opens the folder of a data set. What made it stands in a hidden file, which the trainer does not read; a folder
 * made otherwise is refused, so that no data set is half of one kind and half of another.
 */
export function openFolder(out, recipe) {
    if (!out) throw new Refusal('name the folder that the images go to (--help shows examples)');
    fs.mkdirSync(out, { recursive: true });
    const note = path.join(out, '.recipe.json');
    const wanted = JSON.stringify(recipe, null, 2) + '\n';
    if (!fs.existsSync(note)) {
        if (fs.readdirSync(out).length > 0) {
            throw new Refusal(`${out} holds other files: name a new or empty folder`);
        }
        writeWhole(note, wanted);
    } else if (fs.readFileSync(note, 'utf8') !== wanted) {
        throw new Refusal(`${out} was made with other settings (${note}): name another folder or delete it`);
    }
}

/** Writes a file under another name first, so that a script that is killed leaves no part of one. */
export function writeWhole(file, bytes) {
    const part = path.join(path.dirname(file), `.${path.basename(file)}.part`);
    fs.writeFileSync(part, bytes);
    fs.renameSync(part, file);
}

/** The pictures in a folder, without what is hidden or half written. */
export function pictures(folder) {
    if (!fs.existsSync(folder)) return [];
    return fs
        .readdirSync(folder)
        .filter((name) => !name.startsWith('.') && name.endsWith('.png'))
        .sort();
}

/** A line with the share that is done and the time left; on a terminal it overwrites itself. */
export class Progress {
    constructor(total, done = 0) {
        Object.assign(this, { total, done, before: done, begun: Date.now(), shown: 0 });
    }

    step(what, count = 1) {
        this.done += count;
        const now = Date.now();
        const last = this.done >= this.total;
        if (!last && now - this.shown < (process.stderr.isTTY ? 200 : 10_000)) return;
        this.shown = now;
        const rate = (now - this.begun) / (this.done - this.before);
        const left = Math.ceil(((this.total - this.done) * rate) / 1000);
        const time = left >= 60 ? `${Math.floor(left / 60)} min ${left % 60} s` : `${left} s`;
        const line = `${this.done} of ${this.total}, ${time} left (${what})`;
        process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}${last ? '\n' : ''}` : `${line}\n`);
    }
}

/** One picture of the first `columns` of each class, a row for each class with its name. */
export function writeSheet(file, out, size, columns) {
    const folders = fs.readdirSync(out, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const classes = folders
        .map((entry) => entry.name)
        .filter((name) => !name.startsWith('.'))
        .sort();
    const [cell, margin] = [size + 2, 110];
    const rows = classes.map((name, row) => {
        const files = pictures(path.join(out, name));
        // Every so many, so that a sheet shows all sources and not the first of the alphabet.
        const every = Math.max(1, Math.floor(files.length / columns));
        const shown = files.filter((_, i) => i % every === 0).slice(0, columns);
        const images = shown.map((picture, column) => {
            const data = fs.readFileSync(path.join(out, name, picture)).toString('base64');
            const place = `x="${margin + column * cell}" y="${row * cell + 1}" width="${size}" height="${size}"`;
            return `<image ${place} href="data:image/png;base64,${data}"/>`;
        });
        const label = `<text x="4" y="${row * cell + cell / 2 + 5}" font-size="13" fill="#fff">${name}</text>`;
        return label + images.join('');
    });
    const [width, height] = [margin + columns * cell, classes.length * cell];
    const svg =
        `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
        `<rect width="100%" height="100%" fill="#444"/>${rows.join('')}</svg>`;
    const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' };
    writeWhole(file, new Resvg(svg, { font }).render().asPng());
}
