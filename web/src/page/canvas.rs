//! Images on a canvas, and from there into a PNG.

use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlAnchorElement, HtmlCanvasElement, ImageData};

/// Pixels between two images of the grid.
const GAP: u32 = 2;

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

    /// How much larger than its pixels an image is drawn: small ones by 8, large ones not at all.
    fn scale(&self) -> u32 {
        (512 / self.side.max(1)).clamp(1, 8)
    }

    /// Draws the grid enlarged, each pixel a square or, when `smooth`, blended into its neighbours.
    ///
    /// # Errors
    /// The browser's exception.
    pub fn draw(&self, canvas: &HtmlCanvasElement, smooth: bool) -> Result<(), JsValue> {
        let (side, scale) = (self.side, self.scale());
        let (width, height) = self.size();
        canvas.set_width(width * scale);
        canvas.set_height(height * scale);
        let context = context(canvas)?;
        context.set_image_smoothing_enabled(smooth);
        // One image at a time, so that smoothing stops at its edge.
        let one = new_canvas()?;
        one.set_width(side);
        one.set_height(side);
        for index in 0..self.count() {
            let rgba = self.rgba(index);
            let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), side, side)?;
            self::context(&one)?.put_image_data(&image, 0.0, 0.0)?;
            let columns = self.columns.max(1);
            let place = |n: u32| f64::from(n * (side + GAP) * scale);
            let (x, y, large) = (place(index % columns), place(index / columns), f64::from(side * scale));
            context.draw_image_with_html_canvas_element_and_dw_and_dh(&one, x, y, large, large)?;
        }
        Ok(())
    }

    /// Hands the grid to the reader as a PNG of this name, each pixel a square.
    ///
    /// # Errors
    /// The browser's exception.
    pub fn save(&self, name: &str) -> Result<(), JsValue> {
        let canvas = new_canvas()?;
        self.draw(&canvas, false)?;
        let link: HtmlAnchorElement = document()?.create_element("a")?.unchecked_into();
        link.set_href(&canvas.to_data_url()?);
        link.set_download(name);
        link.click();
        Ok(())
    }
}

fn document() -> Result<web_sys::Document, JsValue> {
    web_sys::window().and_then(|window| window.document()).ok_or(JsValue::NULL)
}

fn new_canvas() -> Result<HtmlCanvasElement, JsValue> {
    document()?.create_element("canvas").map(JsCast::unchecked_into)
}

fn context(canvas: &HtmlCanvasElement) -> Result<CanvasRenderingContext2d, JsValue> {
    canvas.get_context("2d")?.map(JsCast::unchecked_into).ok_or(JsValue::NULL)
}
