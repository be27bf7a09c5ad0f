//! Draws images on a canvas, and saves them as a PNG.

use super::grid::Grid;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlAnchorElement, HtmlCanvasElement, ImageData};

impl Grid {
    /// Draws the grid enlarged. Each pixel is a square or, when `smooth`, blended into its
    /// neighbours.
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
            let (x, y) = self.corner(index);
            let (x, y, large) = (f64::from(x * scale), f64::from(y * scale), f64::from(side * scale));
            context.draw_image_with_html_canvas_element_and_dw_and_dh(&one, x, y, large, large)?;
        }
        Ok(())
    }

    /// Saves the grid as a PNG with this name, each pixel a square.
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
