//! Small images beside each other in one picture, with words that say what they are.

use std::convert::Infallible;
use std::io::Cursor;

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::mapping::{ISO_8859_1, ISO_8859_5, ISO_8859_7};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, iso_8859_1, iso_8859_5, iso_8859_7};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::{Baseline, Text};
use image::{ImageFormat, Rgb, RgbImage};

use super::grid::{GridError, to_pixel};

/// Least side of an image on the sheet, to which smaller ones are drawn by a whole number.
const LEAST: u32 = 64;

/// Most pixels of a sheet, and most along one side: what every viewer shows.
const MAX: (u64, u32) = (1 << 26, 1 << 14);

const PAPER: Rgb<u8> = Rgb([255; 3]);
const INK: Rgb<u8> = Rgb([32; 3]);
/// Where there is no image.
const BLANK: Rgb<u8> = Rgb([240; 3]);

/// Pixels of a letter, of a line of words, and between things.
const LETTER: u32 = 8;
const LINE: u32 = 15;
const GAP: u32 = 4;
const MARGIN: u32 = 12;

/// Most letters in a line beside a row, and above a column.
const BESIDE: usize = 24;
const ABOVE: usize = 7;

/// Rows of images under one title.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// What the rows have in common; empty for no line of words.
    pub title: String,
    /// What each row shows, and its images from left to right; none where there is no image.
    pub rows: Vec<(String, Vec<Option<RgbImage>>)>,
}

/// A picture of images with words beside the rows and above the columns.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// Words above each column; none for columns that need no words.
    pub columns: Vec<String>,
    /// The rows, from top to bottom.
    pub blocks: Vec<Block>,
}

/// One image out of values in [−1, 1], of `shape` `[C, H, W]` with `C` 1 or 3.
///
/// # Errors
/// [`GridError`] for another number of channels, or values that do not fill the shape.
pub fn picture(values: &[f32], shape: [usize; 3]) -> Result<RgbImage, GridError> {
    let [c, h, w] = shape;
    if !matches!(c, 1 | 3) {
        return Err(GridError::Channels(c));
    }
    if values.len() != c * h * w || values.is_empty() {
        return Err(GridError::Shape { found: values.len(), shape: [1, c, h, w] });
    }
    let at =
        |channel: usize, x: u32, y: u32| to_pixel(values[((channel % c) * h + y as usize) * w + x as usize]);
    Ok(RgbImage::from_fn(w as u32, h as u32, |x, y| Rgb([0, 1, 2].map(|channel| at(channel, x, y)))))
}

impl Sheet {
    /// The picture, a PNG.
    ///
    /// # Errors
    /// [`GridError::TooLarge`] for more images than one picture should hold.
    pub fn png(&self) -> Result<Vec<u8>, GridError> {
        let images = || self.blocks.iter().flat_map(|block| &block.rows).flat_map(|(_, images)| images);
        let sides = images().flatten().map(|image| {
            let side = image.width().max(image.height());
            side * LEAST.div_ceil(side.max(1)).max(1)
        });
        let side = sides.max().unwrap_or(LEAST);
        let rows = || self.blocks.iter().flat_map(|block| &block.rows);
        let columns =
            rows().map(|(_, images)| images.len()).max().unwrap_or(0).max(self.columns.len()) as u32;

        let above: Vec<Vec<String>> = self.columns.iter().map(|words| wrapped(words, ABOVE)).collect();
        let letters =
            |lines: &[String]| lines.iter().map(|line| line.chars().count()).max().unwrap_or(0) as u32;
        let step = above.iter().map(|lines| letters(lines) * LETTER + GAP).max().unwrap_or(0).max(side) + GAP;
        let beside: Vec<Vec<String>> = rows().map(|(words, _)| wrapped(words, BESIDE)).collect();
        let left = MARGIN + beside.iter().map(|lines| letters(lines) * LETTER).max().unwrap_or(0) + MARGIN;
        let titles = self.blocks.iter().map(|block| 2 * MARGIN + block.title.chars().count() as u32 * LETTER);
        let width = (left + columns * step + MARGIN).max(titles.max().unwrap_or(0));
        let lines = |count: usize| count as u32 * LINE;
        let row = |words: &[String]| side.max(lines(words.len())) + GAP;
        let head = lines(above.iter().map(Vec::len).max().unwrap_or(0));
        let title = |block: &Block| if block.title.is_empty() { GAP } else { LINE + 2 * GAP };
        let height = 2 * MARGIN
            + head
            + self.blocks.iter().map(|block| title(block) + GAP).sum::<u32>()
            + beside.iter().map(|words| row(words)).sum::<u32>();
        if u64::from(width) * u64::from(height) > MAX.0 || width.max(height) > MAX.1 {
            return Err(GridError::TooLarge(width as usize, height as usize));
        }

        let mut paper = Paper(RgbImage::from_pixel(width, height, PAPER));
        let mut y = MARGIN;
        for (column, words) in above.iter().enumerate() {
            for (number, line) in words.iter().enumerate() {
                let indent = (step - GAP).saturating_sub(letters(std::slice::from_ref(line)) * LETTER) / 2;
                let top = y + head - lines(words.len() - number);
                paper.write(line, left + column as u32 * step + indent, top);
            }
        }
        y += head;
        let mut words = beside.iter();
        for block in &self.blocks {
            y += GAP;
            if !block.title.is_empty() {
                paper.write(&block.title, MARGIN, y + GAP);
            }
            y += title(block);
            for ((_, images), beside) in block.rows.iter().zip(&mut words) {
                let indent = (row(beside) - GAP - lines(beside.len())) / 2;
                for (number, line) in beside.iter().enumerate() {
                    paper.write(line, MARGIN, y + indent + lines(number));
                }
                for (column, image) in images.iter().enumerate() {
                    let x = left + column as u32 * step + (step - GAP - side) / 2;
                    paper.draw(image.as_ref(), x, y, side);
                }
                y += row(beside);
            }
        }
        let mut file = Cursor::new(Vec::new());
        let written = paper.0.write_to(&mut file, ImageFormat::Png);
        written.map_err(|_| GridError::TooLarge(width as usize, height as usize))?;
        Ok(file.into_inner())
    }
}

/// Words in lines of so many letters, broken at spaces and behind hyphens. A longer word has a line of its own.
fn wrapped(words: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_inclusive([' ', '-']) {
        let fits = |line: &&mut String| line.chars().count() + word.trim_end().chars().count() <= letters;
        match lines.last_mut().filter(fits) {
            Some(line) => line.push_str(word),
            None => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// What is drawn on.
struct Paper(RgbImage);

impl Paper {
    /// Draws an image in the middle of a square, by the largest whole number that fits.
    fn draw(&mut self, image: Option<&RgbImage>, x: u32, y: u32, side: u32) {
        let Some(image) = image else {
            for (dx, dy) in (0..side).flat_map(|dy| (0..side).map(move |dx| (dx, dy))) {
                self.0.put_pixel(x + dx, y + dy, BLANK);
            }
            return;
        };
        let scale = (side / image.width().max(image.height()).max(1)).max(1);
        let (w, h) = (image.width() * scale, image.height() * scale);
        let (left, top) = (x + (side - w) / 2, y + (side - h) / 2);
        for (dx, dy) in (0..h).flat_map(|dy| (0..w).map(move |dx| (dx, dy))) {
            self.0.put_pixel(left + dx, top + dy, *image.get_pixel(dx / scale, dy / scale));
        }
    }

    /// Writes one line of words: Latin, Cyrillic and Greek letters, and a question mark for any other.
    fn write(&mut self, words: &str, x: u32, y: u32) {
        for (number, letter) in words.chars().enumerate() {
            let at = Point::new((x + number as u32 * LETTER) as i32, y as i32);
            let style = MonoTextStyle::new(font(letter), BinaryColor::On);
            let mut buffer = [0; 4];
            let text = Text::with_baseline(letter.encode_utf8(&mut buffer), at, style, Baseline::Top);
            let Ok(_) = text.draw(self);
        }
    }
}

/// The font that has a letter.
fn font(letter: char) -> &'static MonoFont<'static> {
    match letter {
        letter if ISO_8859_1.contains(letter) => &iso_8859_1::FONT_8X13,
        letter if ISO_8859_5.contains(letter) => &iso_8859_5::FONT_8X13,
        letter if ISO_8859_7.contains(letter) => &iso_8859_7::FONT_8X13,
        _ => &iso_8859_1::FONT_8X13,
    }
}

impl OriginDimensions for Paper {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Paper {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = embedded_graphics::Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for embedded_graphics::Pixel(at, colour) in pixels {
            let place = u32::try_from(at.x).ok().zip(u32::try_from(at.y).ok());
            if let Some(pixel) = place.and_then(|(x, y)| self.0.get_pixel_mut_checked(x, y))
                && colour == BinaryColor::On
            {
                *pixel = INK;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sheet: &Sheet) -> RgbImage {
        image::load_from_memory(&sheet.png().unwrap()).unwrap().to_rgb8()
    }

    #[test]
    fn a_small_image_is_drawn_by_a_whole_number_and_a_missing_one_is_left_blank() {
        let red = RgbImage::from_pixel(32, 32, Rgb([255, 0, 0]));
        let row = ("an arm".to_owned(), vec![Some(red), None]);
        let sheet =
            Sheet { columns: Vec::new(), blocks: vec![Block { title: String::new(), rows: vec![row] }] };
        let count = |picture: &RgbImage, colour| picture.pixels().filter(|pixel| **pixel == colour).count();
        let picture = drawn(&sheet);
        assert_eq!((count(&picture, Rgb([255, 0, 0])), count(&picture, BLANK)), (64 * 64, 64 * 64));
        assert!(count(&picture, INK) > 50, "the words are there");
    }

    #[test]
    fn words_of_every_alphabet_change_the_picture() {
        let with = |words: &str| {
            let row = (words.to_owned(), vec![None]);
            drawn(&Sheet { columns: vec![], blocks: vec![Block { title: String::new(), rows: vec![row] }] })
        };
        let all = ["e", "é", "Ж", "ξ", "字"].map(with);
        assert!((1..all.len()).all(|i| all[..i].iter().all(|other| *other != all[i])));
    }

    #[test]
    fn long_words_take_more_lines_and_widen_their_column() {
        assert_eq!(wrapped("latin-capital-a", 12), ["latin-", "capital-a"]);
        assert_eq!(wrapped("step 10,000", 7), ["step", "10,000"]);
        assert_eq!(wrapped("step 10,000", 12), ["step 10,000"]);
        assert_eq!(wrapped("unpronounceable", 4), ["unpronounceable"]);
        let width = |words: &str| {
            let rows = vec![(String::new(), vec![None])];
            drawn(&Sheet {
                columns: vec![words.to_owned()],
                blocks: vec![Block { title: String::new(), rows }],
            })
            .width()
        };
        assert!(width("unpronounceable") > width("short"));
    }

    #[test]
    fn values_become_an_image_and_what_is_none_is_refused() {
        let grey = picture(&[-1.0, 1.0], [1, 1, 2]).unwrap();
        assert_eq!((grey.get_pixel(0, 0).0, grey.get_pixel(1, 0).0), ([0; 3], [255; 3]));
        let colours = picture(&[1.0, -1.0, 0.0], [3, 1, 1]).unwrap();
        assert_eq!(colours.get_pixel(0, 0).0, [255, 0, 128]);
        assert!(matches!(picture(&[0.0; 4], [4, 1, 1]), Err(GridError::Channels(4))));
        assert!(matches!(picture(&[0.0; 3], [1, 2, 2]), Err(GridError::Shape { .. })));
    }

    #[test]
    fn a_sheet_that_no_viewer_shows_is_refused() {
        let rows = vec![(String::new(), vec![None; 1 << 12])];
        let sheet = Sheet { columns: Vec::new(), blocks: vec![Block { title: String::new(), rows }] };
        assert!(matches!(sheet.png(), Err(GridError::TooLarge(..))));
    }
}
