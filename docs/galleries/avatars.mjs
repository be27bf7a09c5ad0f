// Draws the images of the gallery "avatars": cartoon faces in colour, one class for each drawing style.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as collection from '@dicebear/collection';
import { createAvatar } from '@dicebear/core';
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
    writeWhole,
} from './common.mjs';

const HELP = `Draws cartoon faces, one folder for each drawing style, for tailor train.

Usage: node avatars.mjs [OPTIONS] FOLDER

Options:
  --size PIXELS     width and height of an image [default: 48]
  --count N         images of each style [default: 3000]
  --style NAME      only this style; repeat for several [default: all]
  --sheet FILE.png  also one picture of 20 faces of each style
  --credits         print the styles with designer, licence and source as a table, and draw nothing
  -h, --help        print this

A stopped run goes on with the same command. A larger --count adds images to those that are there.

Example:
  node avatars.mjs ../../runs/avatars-data --sheet ../../runs/avatars.png`;

// One person has the same colours in every style, so that a style is a way to draw and not a palette.
const SKIN = ['ffdbb4', 'edb98a', 'd08b5b', 'ae5d29', '8a5030'];
const HAIR = ['2c1b18', '5a3825', 'a55728', 'd6b370', 'c93305', 'b9bcc6', 'f08fa8', '4a7fb5'];
const CLOTHES = ['e24553', '456dff', '4fa85a', 'f3b63a', '7555ca', 'f4f4f4'];
const GROUND = ['b6e3f4', 'c0aede', 'd1d4f9', 'ffd5dc', 'c9ecc9'];

/** The variants of a style's option, and all but some: those that hide the eyes, and hats. */
const variants = (style, option) => collection[style].schema.properties[option].items.enum;
const without = (style, option, ...names) => variants(style, option).filter((name) => !names.includes(name));

/**
 * The styles. `frame` is [x of the face's middle, y of the chin, side of the square], all in widths of the
 * style's own drawing: it cuts every style so that the head fills the picture and the chin lies at the same
 * height. `options` says what may vary, given a person's colours. `disc`, [x, y, radius], is a head for a style
 * that has none.
 */
const STYLES = {
    adventurer: {
        key: 'adventurer',
        frame: [0.47, 0.79, 0.8],
        options: ({ skin, hair }) => ({
            skinColor: [skin],
            hairColor: [hair],
            earringsProbability: 0,
            featuresProbability: 0,
            hair: without('adventurer', 'hair', 'long03', 'long08', 'long18', 'long20', 'long25', 'long26'),
            glasses: without('adventurer', 'glasses', 'variant01'),
            glassesProbability: 10,
        }),
    },
    'big-ears': {
        key: 'bigEars',
        frame: [0.5, 0.92, 0.87],
        options: ({ skin, hair }) => ({ skinColor: [skin], hairColor: [hair] }),
    },
    'big-smile': {
        key: 'bigSmile',
        frame: [0.5, 0.84, 0.98],
        options: ({ skin, hair }) => ({
            skinColor: [skin],
            hairColor: [hair],
            accessories: ['glasses', 'mustache'],
            accessoriesProbability: 15,
        }),
    },
    croodles: {
        key: 'croodles',
        frame: [0.51, 0.84, 0.74],
        options: ({ skin, hair }) => ({
            baseColor: [skin],
            topColor: [hair],
            beardProbability: 0,
            mustacheProbability: 5,
            eyes: without('croodles', 'eyes', 'variant09', 'variant10'),
            top: variants('croodles', 'top').filter((name) => !/2[0-5]$/.test(name)),
        }),
    },
    dylan: {
        key: 'dylan',
        frame: [0.5, 0.83, 0.95],
        options: ({ skin, hair }) => ({ skinColor: [skin], hairColor: [hair], facialHairProbability: 0 }),
    },
    'fun-emoji': {
        key: 'funEmoji',
        frame: [0.5, 1.1, 1.4],
        disc: [0.5, 0.55, 0.55],
        options: () => ({
            eyes: without('funEmoji', 'eyes', 'glasses', 'shades'),
            mouth: without('funEmoji', 'mouth', 'faceMask', 'sick', 'drip'),
        }),
    },
    lorelei: {
        key: 'lorelei',
        frame: [0.49, 0.707, 0.75],
        options: ({ skin, hair }) => ({
            skinColor: [skin],
            hairColor: [hair],
            beardProbability: 3,
            earringsProbability: 0,
            frecklesProbability: 0,
            hair: without('lorelei', 'hair', 'variant15', 'variant21', 'variant40', 'variant41', 'variant45'),
            hairAccessoriesProbability: 0,
            glasses: without('lorelei', 'glasses', 'variant02'),
            glassesProbability: 10,
        }),
    },
    micah: {
        key: 'micah',
        frame: [0.52, 0.743, 0.88],
        options: ({ skin, hair, clothes }) => ({
            baseColor: [skin],
            hairColor: [hair],
            shirtColor: [clothes],
            facialHairColor: [hair],
            glassesColor: ['000000'],
            eyes: ['eyes', 'round', 'smiling'],
            earringsProbability: 0,
            glassesProbability: 10,
        }),
    },
    miniavs: {
        key: 'miniavs',
        frame: [0.5, 0.84, 0.88],
        options: ({ skin, hair, clothes }) => ({
            skinColor: [skin],
            hairColor: [hair],
            bodyColor: [clothes],
            glassesProbability: 10,
            mustacheProbability: 10,
        }),
    },
    notionists: {
        key: 'notionists',
        frame: [0.48, 0.636, 0.6],
        options: () => ({
            hair: without('notionists', 'hair', 'hat', 'variant03', 'variant14', 'variant17'),
            beardProbability: 10,
            bodyIconProbability: 0,
            gestureProbability: 0,
            glassesProbability: 0,
        }),
    },
    'open-peeps': {
        key: 'openPeeps',
        frame: [0.56, 0.8, 0.87],
        options: ({ skin, hair, clothes }) => ({
            skinColor: [skin],
            headContrastColor: [hair],
            clothingColor: [clothes],
            maskProbability: 0,
            face: without(
                'openPeeps',
                'face',
                'cyclops',
                'monster',
                'fear',
                'hectic',
                'lovingGrin1',
                'lovingGrin2',
            ),
            head: without('openPeeps', 'head', 'bear', 'hatBeanie', 'hatHip'),
            accessories: ['glasses', 'glasses2', 'glasses3', 'glasses4', 'glasses5'],
            accessoriesProbability: 10,
        }),
    },
    personas: {
        key: 'personas',
        frame: [0.5, 0.743, 0.8],
        options: ({ skin, hair, clothes }) => ({
            skinColor: [skin],
            hairColor: [hair],
            clothingColor: [clothes],
            eyes: without('personas', 'eyes', 'sunglasses'),
            mouth: without('personas', 'mouth', 'pacifier'),
            hair: without('personas', 'hair', 'cap', 'beanie'),
        }),
    },
    // 12 of its 16 pixels each way, so that a pixel has 4 of 48 and lies in one patch of the model.
    'pixel-art': {
        key: 'pixelArt',
        frame: [7 / 16, (1 + 0.88 * 12) / 16, 12 / 16],
        options: ({ skin, hair, clothes }) => ({
            skinColor: [skin],
            hairColor: [hair],
            clothingColor: [clothes],
            accessoriesProbability: 0,
            beardProbability: 5,
            glasses: variants('pixelArt', 'glasses').filter((name) => name.startsWith('light')),
            glassesProbability: 10,
            hatProbability: 0,
        }),
    },
    thumbs: {
        key: 'thumbs',
        frame: [0.5, 0.82, 0.9],
        options: ({ skin, ink }) => ({
            shapeColor: [skin],
            eyes: variants('thumbs', 'eyes').filter((name) => /W1[46]$/.test(name)),
            eyesColor: [ink],
            mouthColor: [ink],
            faceOffsetX: [0],
            faceOffsetY: [0],
            faceRotation: [0],
            shapeOffsetX: [0],
            shapeOffsetY: [0],
            shapeRotation: [0],
        }),
    },
    'toon-head': {
        key: 'toonHead',
        frame: [0.5, 0.768, 0.76],
        options: ({ skin, hair, clothes }) => ({
            skinColor: [skin],
            hairColor: [hair],
            clothesColor: [clothes],
            beardProbability: 15,
        }),
    },
};

/** Where the chin lies in the picture, from the top. */
const CHIN = 0.88;

/** Number `i` among all people: a seed for the style's own choices, and the colours. */
function person(i) {
    const digest = createHash('sha256').update(`avatar ${i}`).digest();
    const pick = (palette, place) => palette[digest.readUInt32LE(4 * place) % palette.length];
    const skin = pick(SKIN, 0);
    return {
        seed: digest.toString('hex'),
        skin,
        // For lines on that skin.
        ink: SKIN.indexOf(skin) < 3 ? '000000' : 'ffffff',
        hair: pick(HAIR, 1),
        clothes: pick(CLOTHES, 2),
        ground: pick(GROUND, 3),
    };
}

/** Person `i` in a style, as the bytes of a PNG. */
export function draw(style, i, size) {
    const { key, frame, disc, options } = STYLES[style];
    const whom = person(i);
    const drawn = createAvatar(collection[key], {
        seed: whom.seed,
        backgroundColor: ['transparent'],
        ...options(whom),
    });
    const svg = drawn.toString();
    const [, left, top, width] = svg.match(/viewBox="([-\d.]+) ([-\d.]+) ([\d.]+) ([\d.]+)"/).map(Number);
    const side = frame[2] * width;
    const x = left + frame[0] * width - side / 2;
    const y = top + frame[1] * width - CHIN * side;
    // The emoji come without a head: a round one in the person's colour of skin.
    const head = disc
        ? `<circle cx="${disc[0] * width}" cy="${disc[1] * width}" r="${disc[2] * width}" fill="#${whom.skin}"/>`
        : '';
    // The drawing is a picture within the picture, so that its own masks and sizes hold.
    const inner = svg.replace(
        /^<svg /,
        `<svg x="${left}" y="${top}" width="${width}" height="${width}" overflow="visible" `,
    );
    const outer =
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${x} ${y} ${side} ${side}" width="${size}" height="${size}">` +
        `<rect x="${x}" y="${y}" width="${side}" height="${side}" fill="#${whom.ground}"/>${head}${inner}</svg>`;
    return new Resvg(outer, { fitTo: { mode: 'width', value: size }, font: { loadSystemFonts: false } })
        .render()
        .asPng();
}

/** The table of styles for a page or a card, as the packages themselves name designer and licence. */
function credits() {
    const rows = Object.entries(STYLES).map(([name, { key }]) => {
        const { title, creator, source, homepage, license } = collection[key].meta;
        return `| \`${name}\` | [${title}](${source}) | [${creator}](${homepage}) | [${license.name}](${license.url}) |`;
    });
    return ['| class | design | designer | licence |', '|---|---|---|---|', ...rows].join('\n');
}

run(async () => {
    const args = readArguments(
        {
            size: { type: 'string', default: '48' },
            count: { type: 'string', default: '3000' },
            style: { type: 'string', multiple: true },
            sheet: { type: 'string' },
            credits: { type: 'boolean' },
        },
        HELP,
    );
    if (args.credits) return console.log(credits());
    const [size, count] = [
        wholeNumber('size', args.size, 8, 1024),
        wholeNumber('count', args.count, 1, 1_000_000),
    ];
    const styles = args.style ?? Object.keys(STYLES);
    for (const style of styles) {
        if (!STYLES[style]) throw new Refusal(`--style ${style}: there is ${Object.keys(STYLES).join(', ')}`);
    }
    openFolder(args.out, { gallery: 'avatars', size });
    const digits = 6;
    const done = new Map(styles.map((style) => [style, new Set(pictures(path.join(args.out, style)))]));
    const there = [...done.values()].reduce((sum, names) => sum + Math.min(names.size, count), 0);
    const progress = new Progress(styles.length * count, there);
    for (const style of styles) {
        fs.mkdirSync(path.join(args.out, style), { recursive: true });
        for (let i = 0; i < count; i++) {
            const name = `${String(i).padStart(digits, '0')}.png`;
            if (done.get(style).has(name)) continue;
            writeWhole(path.join(args.out, style, name), draw(style, i, size));
            progress.step(style);
            // Without a pause the memory of pictures that are done with would not be given back.
            await setImmediate();
        }
    }
    console.log(`${styles.length} styles with ${count} images each in ${args.out}`);
    if (args.sheet) writeSheet(args.sheet, args.out, size, 20);
});
