//! A picture of one's own, brought to the gallery's size, channels and background.

/// A picture at the gallery's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// `[H, W, 3]`, opaque.
    rgb: Vec<u8>,
    side: usize,
}

/// Whether pictures are inverted, so that dark becomes bright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Invert {
    /// Those whose background is bright where the gallery's is dark, or the other way round.
    #[default]
    Auto,
    /// All of them.
    Always,
    /// None of them.
    Never,
}

impl Picture {
    /// Takes the pixels of a square canvas, `[H, W, 4]`. Where nothing was painted, the picture goes
    /// on in the colour of its border.
    pub fn new(rgba: &[u8], side: u32) -> Self {
        let side = side as usize;
        let pixels = rgba.as_chunks::<4>().0;
        let painted = |x: usize, y: usize| pixels.get(y * side + x).is_some_and(|pixel| pixel[3] > 127);
        // The painted part is a rectangle, since it is a picture scaled into the square.
        let rows: Vec<usize> = (0..side).filter(|y| (0..side).any(|x| painted(x, *y))).collect();
        let columns: Vec<usize> = (0..side).filter(|x| (0..side).any(|y| painted(*x, y))).collect();
        let on_border = |x: usize, y: usize| {
            let ends = |all: &[usize], at: usize| all.first() == Some(&at) || all.last() == Some(&at);
            ends(&columns, x) || ends(&rows, y)
        };
        let border: Vec<&[u8; 4]> = (0..side * side)
            .filter(|i| painted(i % side, i / side) && on_border(i % side, i / side))
            .filter_map(|i| pixels.get(i))
            .collect();
        let ground = [0, 1, 2].map(|c| median(border.iter().map(|pixel| pixel[c]).collect()).unwrap_or(255));
        let rgb = pixels.iter().flat_map(|pixel| {
            [0, 1, 2].map(|c| {
                let (value, alpha) = (u32::from(pixel[c]), u32::from(pixel[3]));
                ((value * alpha + u32::from(ground[c]) * (255 - alpha) + 127) / 255) as u8
            })
        });
        Self { rgb: rgb.collect(), side }
    }

    /// Takes a picture that was kept, `[C, H, W]`.
    pub fn from_planes(planes: &[u8], side: u32) -> Self {
        let side = side as usize;
        let plane = side * side;
        let at = |c: usize, i: usize| planes.get(c * plane + i).or(planes.get(i)).copied().unwrap_or(0);
        Self { rgb: (0..plane).flat_map(|i| [0, 1, 2].map(|c| at(c, i))).collect(), side }
    }

    /// Returns the picture as the gallery's pictures are, `[C, H, W]`. `dark` says whether their
    /// background is dark, if that is known.
    pub fn planes(&self, channels: u32, dark: Option<bool>, invert: Invert) -> Vec<u8> {
        let pixels = self.rgb.as_chunks::<3>().0;
        let mut planes: Vec<u8> = match channels {
            1 => pixels.iter().map(grey).collect(),
            _ => (0..3).flat_map(|c| pixels.iter().map(move |pixel| pixel[c])).collect(),
        };
        let inverted = match invert {
            Invert::Always => true,
            Invert::Never => false,
            // A colour that is turned into its opposite is no longer the thing's own.
            Invert::Auto => channels == 1 && dark.is_some_and(|dark| dark != self.is_dark()),
        };
        if inverted {
            planes.iter_mut().for_each(|value| *value = 255 - *value);
        }
        if let (1, Some(dark), true) = (channels, dark, invert == Invert::Auto) {
            clear(&mut planes, self.side, dark);
        }
        planes
    }

    /// Tells whether the picture's border is dark.
    pub fn is_dark(&self) -> bool {
        let all: Vec<u8> = self.rgb.as_chunks::<3>().0.iter().map(grey).collect();
        median(border(&all, self.side)).is_some_and(|value| value < 128)
    }
}

/// Makes a photograph of ink on paper as clear as a drawing: paper is not white, nor ink black. What is
/// near the border's brightness becomes background, and the furthest from it becomes ink. A picture
/// whose border is as dark or bright as can be is left as it is.
fn clear(planes: &mut [u8], side: usize, dark: bool) {
    let Some(paper) = median(border(planes, side)) else { return };
    let far = if dark { paper } else { 255 - paper };
    if !(9..128).contains(&far) {
        return;
    }
    let mut sorted = planes.to_vec();
    sorted.sort_unstable();
    let edge = sorted.len() / 100;
    let ink = if dark { sorted[sorted.len() - 1 - edge] } else { sorted[edge] };
    let (paper, ink) = (f32::from(paper), f32::from(ink));
    if (ink - paper).abs() < 32.0 {
        return;
    }
    for value in planes {
        let part = (f32::from(*value) - paper) / (ink - paper);
        let part = ((part - 0.25) / 0.5).clamp(0.0, 1.0);
        *value = (255.0 * if dark { part } else { 1.0 - part }).round() as u8;
    }
}

fn border(plane: &[u8], side: usize) -> Vec<u8> {
    let last = side.saturating_sub(1);
    let is_border = |i: usize| [i % side, i / side].iter().any(|at| *at == 0 || *at == last);
    plane.iter().enumerate().filter(|(i, _)| is_border(*i)).map(|(_, value)| *value).collect()
}

fn median(mut values: Vec<u8>) -> Option<u8> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The brightness of a colour, as television weighs it.
fn grey(pixel: &[u8; 3]) -> u8 {
    let [r, g, b] = pixel.map(u32::from);
    ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
}

/// Returns the number of the picture that is nearest to each image, and how far it is: the root of the
/// mean squared difference of their values, which lie in `[-1, 1]`. `pictures` are as in
/// [`Picture::planes`], `images` is `[B, C, H, W]`.
pub fn nearest(pictures: &[Vec<u8>], images: &[f32]) -> Vec<(usize, f32)> {
    let len = pictures.first().map_or(0, Vec::len).max(1);
    let distance = |picture: &[u8], image: &[f32]| {
        let differences = picture.iter().zip(image).map(|(a, b)| f32::from(*a) / 127.5 - 1.0 - b);
        (differences.map(|d| d * d).sum::<f32>() / len as f32).sqrt()
    };
    let best = |image: &[f32]| {
        let all = pictures.iter().enumerate().map(|(i, picture)| (i, distance(picture, image)));
        all.min_by(|a, b| a.1.total_cmp(&b.1))
    };
    images.chunks_exact(len).filter_map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: u32 = 8;

    /// A square of `ink` on `paper`.
    fn square(paper: u8, ink: u8) -> Picture {
        let inside = |i: usize| (2..6).contains(&(i % 8)) && (2..6).contains(&(i / 8));
        let rgba = (0..64).flat_map(|i| {
            let v = if inside(i) { ink } else { paper };
            [v, v, v, 255]
        });
        Picture::new(&rgba.collect::<Vec<_>>(), SIDE)
    }

    #[test]
    fn a_drawing_stays_as_it_is_where_its_background_is_the_gallerys() {
        let drawing = square(0, 255);
        let planes = drawing.planes(1, Some(true), Invert::Auto);
        assert_eq!(planes, square(0, 255).planes(1, None, Invert::Never));
        assert_eq!((planes[0], planes[27]), (0, 255));
        assert_eq!(drawing.planes(3, Some(false), Invert::Auto).len(), 192);
    }

    #[test]
    fn ink_on_paper_becomes_bright_on_dark_unless_the_visitor_says_otherwise() {
        for paper in [square(255, 0), square(190, 60)] {
            let planes = paper.planes(1, Some(true), Invert::Auto);
            assert_eq!((planes[0], planes[27]), (0, 255));
            let planes = paper.planes(1, Some(false), Invert::Auto);
            assert_eq!((planes[0], planes[27]), (255, 0));
            assert!(paper.planes(1, Some(true), Invert::Never)[0] >= 190);
        }
        assert_eq!(square(0, 255).planes(1, None, Invert::Always)[0], 255);
    }

    #[test]
    fn a_grey_picture_without_ink_is_not_made_of_noise() {
        let planes = square(60, 70).planes(1, Some(true), Invert::Auto);
        assert_eq!((planes[0], planes[27]), (60, 70));
    }

    #[test]
    fn a_wide_picture_goes_on_in_the_colour_of_its_border() {
        let mut rgba = vec![0; 8 * 8 * 4];
        for i in 16..48 {
            rgba[4 * i..4 * i + 4].copy_from_slice(&[200, 100, 50, 255]);
        }
        let planes = Picture::new(&rgba, SIDE).planes(3, None, Invert::Never);
        assert!(planes[..64].iter().all(|v| *v == 200) && planes[128..].iter().all(|v| *v == 50));
        // An empty canvas is white, and no reason to stop.
        assert_eq!(Picture::new(&[0; 256], SIDE).planes(1, None, Invert::Never), [255; 64]);
        assert!(Picture::new(&[], 0).planes(1, Some(true), Invert::Auto).is_empty());
    }

    #[test]
    fn kept_planes_become_the_same_picture_again() {
        for channels in [1, 3] {
            let planes: Vec<u8> = (0..64 * channels).map(|i| i as u8).collect();
            let again = Picture::from_planes(&planes, SIDE).planes(channels, None, Invert::Never);
            assert_eq!(again, planes);
        }
    }

    #[test]
    fn the_nearest_picture_is_found_for_each_image() {
        let pictures = [vec![0; 4], vec![255; 4]];
        let found = nearest(&pictures, &[-1.0, -1.0, -1.0, -0.8, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!((found[0].0, found[1]), (0, (1, 0.0)));
        assert!((found[0].1 - 0.1).abs() < 1e-6);
        assert!(nearest(&[], &[0.0]).is_empty());
    }
}
