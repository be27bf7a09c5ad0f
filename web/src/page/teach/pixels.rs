//! Reads pictures from files, canvases and video, and draws them.

use super::header;
use super::picture::Picture;
use crate::page::language::TeachWords;
use wasm_bindgen::prelude::*;
use wasm_bindgen::{Clamped, JsCast};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, CanvasRenderingContext2d, File, HtmlAnchorElement, HtmlCanvasElement, HtmlVideoElement,
    ImageBitmap, ImageData,
};

/// The most pixels of a file that is decoded.
const MOST: u64 = 64_000_000;

/// Why a file is not taken.
pub(super) enum Refusal {
    /// The file with this name is no picture.
    NoPicture(String),
    /// The file with this name has too many pixels: its width and height.
    TooLarge(String, u32, u32),
}

impl Refusal {
    /// Says it in a sentence.
    pub(super) fn say(&self, words: &TeachWords) -> String {
        match self {
            Self::NoPicture(name) => words.teach_no_picture(name),
            Self::TooLarge(name, width, height) => {
                let millions = f64::from(*width) * f64::from(*height) / 1e6;
                words.teach_too_large(name, &words.decimal(millions, 0))
            }
        }
    }
}

/// Reads a picture file.
///
/// # Errors
/// What is wrong with the file.
pub(super) async fn read(file: &File, side: u32) -> Result<Picture, Refusal> {
    let name = file.name();
    let none = || Refusal::NoPicture(name.clone());
    let head = file.slice_with_f64_and_f64(0.0, header::LOOK as f64).map_err(|_| none())?;
    let head = JsFuture::from(head.array_buffer()).await.map_err(|_| none())?;
    let head = js_sys::Uint8Array::new(&head).to_vec();
    let (width, height) = header::size(&head).ok_or_else(none)?;
    if u64::from(width) * u64::from(height) > MOST {
        return Err(Refusal::TooLarge(name, width, height));
    }
    let window = web_sys::window().ok_or_else(none)?;
    let decoding = window.create_image_bitmap_with_blob(file).map_err(|_| none())?;
    let bitmap: ImageBitmap = JsFuture::from(decoding).await.map_err(|_| none())?.unchecked_into();
    let (width, height) = (f64::from(bitmap.width()), f64::from(bitmap.height()));
    let picture = squared(side, |context| {
        // The whole picture, in the middle of the square.
        let scale = f64::from(side) / width.max(height).max(1.0);
        let (w, h) = ((width * scale).round().max(1.0), (height * scale).round().max(1.0));
        let (x, y) = (((f64::from(side) - w) / 2.0).floor(), ((f64::from(side) - h) / 2.0).floor());
        context.draw_image_with_image_bitmap_and_dw_and_dh(&bitmap, x, y, w, h)
    });
    bitmap.close();
    picture.map_err(|_| none())
}

/// Takes a picture of a canvas that was drawn on.
pub(super) fn drawn(canvas: &HtmlCanvasElement, side: u32) -> Result<Picture, JsValue> {
    let to = f64::from(side);
    squared(side, |context| {
        context.draw_image_with_html_canvas_element_and_dw_and_dh(canvas, 0.0, 0.0, to, to)
    })
}

/// Takes a picture of the middle of what a camera sees.
pub(super) fn taken(video: &HtmlVideoElement, side: u32) -> Result<Picture, JsValue> {
    let (width, height) = (f64::from(video.video_width()), f64::from(video.video_height()));
    let (square, to) = (width.min(height), f64::from(side));
    squared(side, |context| {
        context.draw_image_with_html_video_element_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
            video,
            (width - square) / 2.0,
            (height - square) / 2.0,
            square,
            square,
            0.0,
            0.0,
            to,
            to,
        )
    })
}

fn squared(
    side: u32,
    draw: impl FnOnce(&CanvasRenderingContext2d) -> Result<(), JsValue>,
) -> Result<Picture, JsValue> {
    let canvas = canvas(side)?;
    let context = context(&canvas)?;
    // Quality counts where a large picture becomes a small one; older browsers do without.
    let _ = js_sys::Reflect::set(&context, &"imageSmoothingQuality".into(), &"high".into());
    draw(&context)?;
    let data = context.get_image_data(0.0, 0.0, f64::from(side), f64::from(side))?;
    Ok(Picture::new(&data.data(), side))
}

/// Draws images `[C, H, W]` of values 0 to 255 in a row on a canvas of as many pixels.
pub(super) fn show(
    canvas: &HtmlCanvasElement,
    images: &[Vec<u8>],
    channels: u32,
    side: u32,
) -> Result<(), JsValue> {
    let gap = u32::from(images.len() > 1);
    canvas.set_width(images.len() as u32 * (side + gap) - gap.min(images.len() as u32));
    canvas.set_height(side);
    let context = context(canvas)?;
    let plane = (side * side) as usize;
    for (number, planes) in images.iter().enumerate() {
        let channel = |c: usize, i: usize| {
            let c = if channels < 3 { 0 } else { c };
            planes.get(c * plane + i).copied().unwrap_or(0)
        };
        let rgba: Vec<u8> =
            (0..plane).flat_map(|i| [channel(0, i), channel(1, i), channel(2, i), 255]).collect();
        let data = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), side, side)?;
        context.put_image_data(&data, f64::from(number as u32 * (side + gap)), 0.0)?;
    }
    Ok(())
}

/// Turns images `[B, C, H, W]` in `[-1, 1]` into bytes, one after the other.
pub(super) fn bytes(images: &[f32], channels: u32, side: u32) -> Vec<Vec<u8>> {
    let byte = |value: &f32| ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8;
    let len = (channels * side * side).max(1) as usize;
    images.chunks_exact(len).map(|image| image.iter().map(byte).collect()).collect()
}

/// Makes a PNG of images in a row.
pub(super) async fn png(images: &[Vec<u8>], channels: u32, side: u32) -> Option<Vec<u8>> {
    let canvas = canvas(side).ok()?;
    show(&canvas, images, channels, side).ok()?;
    let made = js_sys::Promise::new(&mut |resolve, _| drop(canvas.to_blob(&resolve)));
    let blob: Blob = JsFuture::from(made).await.ok()?.dyn_into().ok()?;
    let buffer = JsFuture::from(blob.array_buffer()).await.ok()?;
    Some(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// Saves bytes as a file.
pub(super) fn save(bytes: &[u8], name: &str) -> Result<(), JsValue> {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
    save_blob(&Blob::new_with_u8_array_sequence(&parts)?, name)
}

/// Saves a file that the browser has already.
pub(super) fn save_blob(blob: &Blob, name: &str) -> Result<(), JsValue> {
    let url = web_sys::Url::create_object_url_with_blob(blob)?;
    let link: HtmlAnchorElement = document()?.create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The browser reads the file after the click.
    leptos::prelude::set_timeout(
        move || drop(web_sys::Url::revoke_object_url(&url)),
        std::time::Duration::from_secs(60),
    );
    Ok(())
}

pub(super) fn context(canvas: &HtmlCanvasElement) -> Result<CanvasRenderingContext2d, JsValue> {
    canvas.get_context("2d")?.map(JsCast::unchecked_into).ok_or(JsValue::NULL)
}

fn canvas(side: u32) -> Result<HtmlCanvasElement, JsValue> {
    let canvas: HtmlCanvasElement = document()?.create_element("canvas")?.unchecked_into();
    canvas.set_width(side);
    canvas.set_height(side);
    Ok(canvas)
}

fn document() -> Result<web_sys::Document, JsValue> {
    web_sys::window().and_then(|window| window.document()).ok_or(JsValue::NULL)
}
