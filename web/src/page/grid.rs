//! A batch of images and how they lie beside each other.

/// Pixels between two images of the grid.
pub const GAP: u32 = 2;

/// A batch of images, laid out in a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// `[B, C, H, W]` in `[-1, 1]`.
    pub values: Vec<f32>,
    /// Channels, 1 (grey) or 3 (RGB).
    pub channels: u32,
    /// Height and width of one image in pixels.
    pub side: u32,
    /// How many images lie in a row.
    pub columns: u32,
    /// Which image lies at each place, row by row, or none. An empty list stands for all images in
    /// their order.
    pub places: Vec<Option<u32>>,
}

impl Grid {
    /// Counts the images.
    pub fn count(&self) -> u32 {
        self.values.len() as u32 / (self.channels * self.side * self.side).max(1)
    }

    /// Lists the places and the image at each.
    pub fn placed(&self) -> Vec<(u32, u32)> {
        if self.places.is_empty() {
            return (0..self.count()).map(|n| (n, n)).collect();
        }
        let here = |(n, image): (usize, &Option<u32>)| image.map(|image| (n as u32, image));
        self.places.iter().enumerate().filter_map(here).collect()
    }

    /// Returns width and height of the whole grid in pixels.
    pub fn size(&self) -> (u32, u32) {
        let span = |n: u32| n * self.side + n.saturating_sub(1) * GAP;
        let places = if self.places.is_empty() { self.count() } else { self.places.len() as u32 };
        let columns = self.columns.clamp(1, places.max(1));
        (span(columns), span(places.div_ceil(columns)))
    }

    /// Returns where the upper left corner of place number `index` lies, in pixels.
    pub fn corner(&self, index: u32) -> (u32, u32) {
        let columns = self.columns.max(1);
        let place = |n: u32| n * (self.side + GAP);
        (place(index % columns), place(index / columns))
    }

    /// Returns image number `index` as `[H, W, 4]` bytes, opaque.
    pub fn rgba(&self, index: u32) -> Vec<u8> {
        let plane = (self.side * self.side) as usize;
        let size = (plane * self.channels as usize).max(1);
        let image = self.values.chunks_exact(size).nth(index as usize).unwrap_or(&[]);
        let byte = |value: f32| ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8;
        let channel = |c: usize, pixel: usize| {
            let c = if self.channels < 3 { 0 } else { c };
            image.get(c * plane + pixel).map_or(0, |v| byte(*v))
        };
        (0..plane).flat_map(|pixel| [channel(0, pixel), channel(1, pixel), channel(2, pixel), 255]).collect()
    }

    /// Tells whether the images' background is dark or bright, by their border; `None` if it is neither.
    pub fn is_dark(&self) -> Option<bool> {
        let side = self.side as usize;
        let is_border = |i: usize| {
            let (x, y) = (i % side.max(1), i / side.max(1) % side.max(1));
            x == 0 || y == 0 || x + 1 == side || y + 1 == side
        };
        let border = self.values.iter().enumerate().filter(|(i, _)| is_border(*i)).map(|(_, value)| *value);
        let (sum, count) = border.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        let mean = sum / f32::max(count, 1.0);
        (mean.abs() > 0.4).then_some(mean < 0.0)
    }

    /// Returns how many canvas pixels wide and high one pixel of an image is drawn: 8 for small
    /// images, 1 for large ones.
    pub fn scale(&self) -> u32 {
        (512 / self.side.max(1)).clamp(1, 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_and_coloured_pixels_become_opaque_bytes() {
        let grey =
            Grid { values: vec![-1.0, 1.0, 0.0, 9.0], channels: 1, side: 2, columns: 1, places: Vec::new() };
        assert_eq!(grey.count(), 1);
        let bytes = grey.rgba(0);
        assert_eq!(bytes, [0, 0, 0, 255, 255, 255, 255, 255, 128, 128, 128, 255, 255, 255, 255, 255]);
        let coloured =
            Grid { values: vec![-1.0, 0.0, 1.0], channels: 3, side: 1, columns: 1, places: Vec::new() };
        assert_eq!(coloured.rgba(0), [0, 128, 255, 255]);
        assert_eq!(coloured.rgba(1), [0, 0, 0, 255], "one that is not there is black");
    }

    #[test]
    fn a_border_tells_the_background() {
        let of = |border: f32, middle: f32| {
            let values = (0..9).map(|i| if i == 4 { middle } else { border }).collect();
            Grid { values, channels: 1, side: 3, columns: 1, places: Vec::new() }.is_dark()
        };
        assert_eq!((of(-1.0, 1.0), of(0.9, -1.0), of(0.1, -1.0)), (Some(true), Some(false), None));
    }

    #[test]
    fn a_grid_is_as_large_as_its_images_and_the_gaps_between_them() {
        let grid =
            Grid { values: vec![0.0; 5 * 32 * 32], channels: 1, side: 32, columns: 3, places: Vec::new() };
        assert_eq!((grid.count(), grid.size()), (5, (3 * 32 + 2 * GAP, 2 * 32 + GAP)));
        assert_eq!(grid.corner(4), (32 + GAP, 32 + GAP));
        assert_eq!(grid.scale(), 8);
    }

    #[test]
    fn an_image_may_lie_at_several_places_and_a_place_may_be_empty() {
        let places = vec![Some(0), Some(1), Some(1), None, Some(0)];
        let grid = Grid { values: vec![0.0; 2 * 4], channels: 1, side: 2, columns: 3, places };
        assert_eq!(grid.placed(), [(0, 0), (1, 1), (2, 1), (4, 0)]);
        assert_eq!(grid.size(), (3 * 2 + 2 * GAP, 2 * 2 + GAP));
    }

    #[test]
    fn numbers_that_make_no_sense_are_no_reason_to_stop() {
        for (channels, side, columns) in [(0, 0, 0), (1, 0, 3), (0, 4, 1), (3, 4, 0)] {
            let grid = Grid { values: vec![0.5; 7], channels, side, columns, places: vec![None, Some(9)] };
            grid.size();
            grid.corner(3);
            assert_eq!(grid.rgba(0).len() as u32, 4 * side * side);
        }
    }
}
