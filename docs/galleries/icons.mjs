// Draws the images of the gallery "icons": a hundred and more concepts, white on black, one class for each.

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { getIconData, iconToSVG } from '@iconify/utils';
import { Resvg } from '@resvg/resvg-js';
import {
    openFolder,
    pictures,
    Progress,
    readArguments,
    Refusal,
    run,
    wholeNumber,
    writeSheet,
} from './common.mjs';
import { CONCEPTS } from './concepts.mjs';

const HELP = `Draws icons, one folder for each concept, for tailor train.

Usage: node icons.mjs [OPTIONS] FOLDER

Options:
  --size PIXELS     width and height of an image [default: 32]
  --least N         leave a concept out that has fewer drawings [default: 60]
  --concept NAME    only this concept; repeat for several [default: all]
  --sheet FILE.png  also one picture of 20 drawings of each concept
  --credits         print the icon sets with author and licence as a table, and draw nothing
  -h, --help        print this

A stopped run goes on with the same command.

Example:
  node icons.mjs ../../runs/icons-data --sheet ../../runs/icons.png`;

const LICENCES = ['MIT', 'Apache-2.0', 'ISC', 'CC0-1.0', 'BSD-2-Clause', 'BSD-3-Clause', 'Unlicense'];

/** Sets left out: brands, programming languages, currencies and spinners, which are no things. */
const NO_THINGS = [
    'bitcoin-icons',
    'bxl',
    'cib',
    'cryptocurrency',
    'devicon-line',
    'devicon-plain',
    'file-icons',
    'geo',
    'ginetex',
    'nonicons',
    'simple-icons',
    'svg-spinners',
    'thesvg',
    'token',
];

/** Sets left out because many of their drawings do not look like the thing that they are named after. */
const UNLIKE = ['iconmind'];

/** Sets of one family: one designer's, or drawn after another. They are held out together. */
const FAMILIES = [
    ['boxicons', /^(boxicons|bx|bxs)$/],
    ['feather', /^(feather|lucide|lucide-lab|vadivam)$/],
    ['google', /^(ic|material-symbols|material-symbols-light)$/],
    ['fluent', /^fluent$/],
    ['heroicons', /^heroicons(-outline|-solid)?$/],
    ['icon-park', /^icon-park-/],
    ['ionicons', /^(ion|famicons)$/],
    ['unicons', /^(uil|uim|uis|uit)$/],
    ['maki', /^(maki|temaki|pinhead)$/],
    ['eui', /^(oui|eui)$/],
];
const family = (set) => FAMILIES.find(([, sets]) => sets.test(set))?.[0] ?? set;

// How a set names the ways in which it draws one thing: before its name, as in baseline-home, and after it, as
// in home-24-filled.
const BEFORE = /^(baseline|outline|round|sharp|twotone)-/;
const AFTER = new RegExp(
    '-(fill|filled|outline|outlined|line|linear|bold|duotone|duo|light|thin|regular|medium|solid|sharp|rounded|' +
        'round|alt|twotone|two-tone|bulk|stroke|o|s|variant|basic|rounded-corner|sm|lg|small|large|big|\\d+px|\\d+)$',
);

/** What an icon shows, by its name without the words for how it is drawn. */
function subject(icon) {
    let name = icon.replace(BEFORE, '');
    for (;;) {
        const shorter = name.replace(AFTER, '');
        if (shorter === name) return name;
        name = shorter;
    }
}

/** Which concept each name stands for. */
function concepts() {
    const table = new Map();
    for (const [concept, names] of Object.entries(CONCEPTS)) {
        for (const name of names.split(' ')) {
            const taken = table.get(subject(name));
            if (taken && taken !== concept) throw new Error(`${name} is both ${taken} and ${concept}`);
            table.set(subject(name), concept);
        }
    }
    return table;
}

/**
 * Reads the sets that may be used, one by one in the order of their names. Gives concept → its icons as
 * `{name, body, viewBox}`, the name being that of the file to write, and the sets that they came from.
 */
function readSets() {
    const folder = fileURLToPath(new URL('./node_modules/@iconify/json/json', import.meta.url));
    if (!fs.existsSync(folder))
        throw new Refusal('the icon sets are missing: run npm ci in the folder of this script');
    const table = concepts();
    const found = new Map(Object.keys(CONCEPTS).map((concept) => [concept, []]));
    const used = [];
    for (const file of fs.readdirSync(folder).sort()) {
        const set = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
        const { prefix, info, icons } = set;
        if (
            !LICENCES.includes(info?.license?.spdx) ||
            info.palette ||
            NO_THINGS.includes(prefix) ||
            UNLIKE.includes(prefix)
        ) {
            continue;
        }
        const known = Object.keys(icons).filter((icon) => !icons[icon].hidden && table.has(subject(icon)));
        for (const icon of known) {
            const { body, viewBox } = iconToSVG(getIconData(set, icon), { height: 'none' });
            // The part before the first dot is the image's source, by which the trainer holds images out.
            const name = `${family(prefix)}.${prefix}-${icon}.png`;
            found.get(table.get(subject(icon))).push({ name, body, viewBox });
        }
        if (known.length > 0) used.push({ prefix, info });
    }
    return { found, used };
}

/** How much of the picture's side the icon's longer side takes. */
const FILLED = 0.86;

/** An icon in white on black, scaled to fill the picture and centred; nothing if it is a blot or a hairline. */
function draw({ body, viewBox }, size) {
    const white = body.replaceAll('currentColor', '#fff');
    const render = (box, pixels) =>
        new Resvg(
            `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="${box.join(' ')}" ` +
                `width="${pixels}" height="${pixels}">${white}</svg>`,
            { background: '#000', font: { loadSystemFonts: false } },
        ).render();
    // Sets leave different margins: where is ink in a first, large drawing?
    const [left, top, width, height] = viewBox;
    const [side, fine] = [Math.max(width, height), 128];
    const { pixels } = render([left, top, side, side], fine);
    let [x0, y0, x1, y1] = [fine, fine, -1, -1];
    for (let i = 0; i < fine * fine; i++) {
        if (pixels[4 * i] < 64) continue;
        const [x, y] = [i % fine, Math.floor(i / fine)];
        [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
    }
    if (x1 < 0) return undefined;
    const [unit, wide, high] = [side / fine, x1 + 1 - x0, y1 + 1 - y0];
    const whole = (Math.max(wide, high) / FILLED) * unit;
    const box = [
        left + (x0 + wide / 2) * unit - whole / 2,
        top + (y0 + high / 2) * unit - whole / 2,
        whole,
        whole,
    ];
    const image = render(box, size);
    const grey = Float64Array.from({ length: size * size }, (_, i) => image.pixels[4 * i] / 255);
    const ink = grey.reduce((sum, value) => sum + value, 0) / grey.length;
    // Hairlines are so dim at this size that the model would learn to draw dim ones.
    const inked = grey.filter((value) => value > 0.1).length;
    const bright = grey.filter((value) => value > 0.6).length / inked;
    return ink > 0.03 && ink < 0.7 && bright > 0.25
        ? { png: image.asPng(), look: look(grey, size) }
        : undefined;
}

/** What two pictures are compared by: 16 × 16 means, less their own mean, at length 1. */
function look(grey, size) {
    const side = 16;
    const sums = new Float64Array(side * side);
    for (let i = 0; i < size * size; i++) {
        const [x, y] = [i % size, Math.floor(i / size)];
        sums[Math.floor((y * side) / size) * side + Math.floor((x * side) / size)] += grey[i];
    }
    const mean = sums.reduce((a, b) => a + b) / sums.length;
    const length = Math.hypot(...sums.map((value) => value - mean));
    return sums.map((value) => (value - mean) / length);
}

/** From this correlation on, two drawings of a concept count as one: sets copy each other, and come in weights. */
const SAME = 0.985;

function correlation(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
}

/** The drawings of one concept that differ, by file name. */
async function drawings(icons, size) {
    const kept = [];
    for (const { name, ...icon } of icons) {
        const drawn = draw(icon, size);
        // Without a pause the memory of pictures that are done with would not be given back.
        await setImmediate();
        if (!drawn || kept.some(({ look }) => correlation(look, drawn.look) > SAME)) continue;
        kept.push({ name, ...drawn });
    }
    return kept;
}

/** The table of icon sets for a page or a card, as the sets themselves name author and licence. */
function credits() {
    const rows = readSets().used.map(({ prefix, info }) => {
        const { name, author, license } = info;
        return `| \`${prefix}\` | ${name} | [${author.name}](${author.url}) | ${license.spdx} |`;
    });
    return ['| set | name | author | licence |', '|---|---|---|---|', ...rows].join('\n');
}

run(async () => {
    const args = readArguments(
        {
            size: { type: 'string', default: '32' },
            least: { type: 'string', default: '60' },
            concept: { type: 'string', multiple: true },
            sheet: { type: 'string' },
            credits: { type: 'boolean' },
        },
        HELP,
    );
    if (args.credits) return console.log(credits());
    const [size, least] = [
        wholeNumber('size', args.size, 16, 1024),
        wholeNumber('least', args.least, 1, 1_000_000),
    ];
    const concepts = args.concept ?? Object.keys(CONCEPTS);
    for (const concept of concepts) {
        if (!CONCEPTS[concept])
            throw new Refusal(`--concept ${concept}: there is ${Object.keys(CONCEPTS).join(', ')}`);
    }
    openFolder(args.out, { gallery: 'icons', size, least });
    const { found } = readSets();
    const progress = new Progress(concepts.reduce((sum, concept) => sum + found.get(concept).length, 0));
    const counts = [];
    for (const concept of concepts) {
        const folder = path.join(args.out, concept);
        // A class is written as a whole, so a folder that is there is done.
        let count = pictures(folder).length;
        if (count === 0) {
            const kept = await drawings(found.get(concept), size);
            count = kept.length;
            if (count >= least) {
                const part = path.join(args.out, `.${concept}.part`);
                fs.rmSync(part, { recursive: true, force: true });
                fs.mkdirSync(part);
                for (const { name, png } of kept) fs.writeFileSync(path.join(part, name), png);
                fs.renameSync(part, folder);
            }
        }
        counts.push([concept, count]);
        progress.step(concept, found.get(concept).length);
    }
    const [classes, few] = [counts.filter(([, n]) => n >= least), counts.filter(([, n]) => n < least)];
    const images = classes.reduce((sum, [, n]) => sum + n, 0);
    console.log(`${classes.length} concepts with ${images} drawings in ${args.out}`);
    if (few.length > 0) console.log(`left out: ${few.map(([concept, n]) => `${concept} ${n}`).join(', ')}`);
    if (args.sheet) writeSheet(args.sheet, args.out, size, 20);
});
