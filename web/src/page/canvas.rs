//! Draws images on a canvas, and saves them as a PNG.

use super::grid::Grid;
use super::png;
use leptos::prelude::{on_cleanup, set_timeout};
use std::time::Duration;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{
    Blob, BlobPropertyBag, CanvasRenderingContext2d, HtmlAnchorElement, HtmlCanvasElement, ImageData, Url,
};

/// The most bytes of a file that is opened.
const LARGEST: f64 = 64e6;

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
        for (place, index) in self.placed() {
            let rgba = self.rgba(index);
            let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), side, side)?;
            self::context(&one)?.put_image_data(&image, 0.0, 0.0)?;
            let (x, y) = self.corner(place);
            let (x, y, large) = (f64::from(x * scale), f64::from(y * scale), f64::from(side * scale));
            context.draw_image_with_html_canvas_element_and_dw_and_dh(&one, x, y, large, large)?;
        }
        Ok(())
    }

    /// Saves the grid as a PNG with this name and this text inside, each pixel a square.
    ///
    /// # Errors
    /// The browser's exception.
    pub fn save(&self, name: &str, text: &str) -> Result<(), JsValue> {
        let canvas = new_canvas()?;
        self.draw(&canvas, false)?;
        let url = canvas.to_data_url()?;
        let base64 = url.split_once(',').map_or("", |(_, data)| data);
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        // The browser's decoder writes each byte as a character.
        let bytes: Vec<u8> = window.atob(base64)?.chars().map(|c| c as u8).collect();
        let url = url_of(&png::write(&bytes, text))?;
        let link: HtmlAnchorElement = document()?.create_element("a")?.unchecked_into();
        link.set_href(&url);
        link.set_download(name);
        link.click();
        // The browser has begun to read it by then.
        set_timeout(move || drop(Url::revoke_object_url(&url)), Duration::from_secs(60));
        Ok(())
    }
}

/// Returns an address under which the browser finds this PNG, until the view that asked for it goes.
pub fn picture_url(png: &[u8]) -> Option<String> {
    let url = url_of(png).ok()?;
    let given = url.clone();
    on_cleanup(move || drop(Url::revoke_object_url(&given)));
    Some(url)
}

fn url_of(png: &[u8]) -> Result<String, JsValue> {
    let kind = BlobPropertyBag::new();
    kind.set_type("image/png");
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(png));
    Url::create_object_url_with_blob(&Blob::new_with_u8_array_sequence_and_options(&parts, &kind)?)
}

/// Returns the content of a file that the visitor opened, unless it is far larger than a picture
/// that was saved here.
pub async fn bytes_of(file: Option<web_sys::File>) -> Option<Vec<u8>> {
    let file = file.filter(|file| file.size() < LARGEST)?;
    let buffer = wasm_bindgen_futures::JsFuture::from(file.array_buffer()).await.ok()?;
    Some(js_sys::Uint8Array::new(&buffer).to_vec())
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
