//! Images on a canvas, and from there into a PNG.

use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlAnchorElement, HtmlCanvasElement, ImageData};

/// Pixels between two images of the grid.
const GAP: u32 = 2;
/// How much larger than its pixels an image is saved.
const SAVED_SCALE: u32 = 8;

/// A batch of images, laid out in a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// `[B, C, H, W]` in `[-1, 1]`.
    pub values: Vec<f32>,
    /// Channels, 1 (grey) or 3 (RGB).
    pub channels: u32,
    /// Height and width of one image in pixels.
    pub side: u32,
    /// Images in a row.
    pub columns: u32,
}

impl Grid {
    /// Number of images.
    pub fn count(&self) -> u32 {
        self.values.len() as u32 / (self.channels * self.side * self.side).max(1)
    }

    /// Width and height of the whole grid in pixels.
    pub fn size(&self) -> (u32, u32) {
        let span = |n: u32| n * self.side + n.saturating_sub(1) * GAP;
        let columns = self.columns.clamp(1, self.count().max(1));
        (span(columns), span(self.count().div_ceil(columns)))
    }

    /// Image number `index` as `[H, W, 4]` bytes, opaque.
    pub fn rgba(&self, index: u32) -> Vec<u8> {
        let plane = (self.side * self.side) as usize;
        let image = self.values.chunks_exact(plane * self.channels.max(1) as usize).nth(index as usize);
        let image = image.unwrap_or(&[]);
        let byte = |value: f32| ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8;
        let channel = |c: usize, pixel: usize| {
            let c = if self.channels < 3 { 0 } else { c };
            image.get(c * plane + pixel).map_or(0, |v| byte(*v))
        };
        (0..plane).flat_map(|pixel| [channel(0, pixel), channel(1, pixel), channel(2, pixel), 255]).collect()
    }

    /// Draws the grid, one canvas pixel for one pixel.
    ///
    /// # Errors
    /// The browser's exception.
    pub fn draw(&self, canvas: &HtmlCanvasElement) -> Result<(), JsValue> {
        let (width, height) = self.size();
        canvas.set_width(width);
        canvas.set_height(height);
        let context = context(canvas)?;
        for index in 0..self.count() {
            let rgba = self.rgba(index);
            let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), self.side, self.side)?;
            let columns = self.columns.max(1);
            let place = |n: u32| f64::from(n * (self.side + GAP));
            context.put_image_data(&image, place(index % columns), place(index / columns))?;
        }
        Ok(())
    }

    /// Hands the grid to the reader as a PNG of this name, each pixel a square of 8 × 8.
    ///
    /// # Errors
    /// The browser's exception.
    pub fn save(&self, name: &str) -> Result<(), JsValue> {
        let document = web_sys::window().and_then(|w| w.document()).ok_or(JsValue::NULL)?;
        let canvas = || document.create_element("canvas").map(|c| c.unchecked_into::<HtmlCanvasElement>());
        let (small, large) = (canvas()?, canvas()?);
        self.draw(&small)?;
        large.set_width(small.width() * SAVED_SCALE);
        large.set_height(small.height() * SAVED_SCALE);
        let context = context(&large)?;
        context.set_image_smoothing_enabled(false);
        let (width, height) = (f64::from(large.width()), f64::from(large.height()));
        context.draw_image_with_html_canvas_element_and_dw_and_dh(&small, 0.0, 0.0, width, height)?;
        let link: HtmlAnchorElement = document.create_element("a")?.unchecked_into();
        link.set_href(&large.to_data_url()?);
        link.set_download(name);
        link.click();
        Ok(())
    }
}

fn context(canvas: &HtmlCanvasElement) -> Result<CanvasRenderingContext2d, JsValue> {
    canvas.get_context("2d")?.map(JsCast::unchecked_into).ok_or(JsValue::NULL)
}
