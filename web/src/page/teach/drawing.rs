//! The canvas on which a visitor draws.

use super::desk::Message;
use super::pixels;
use super::shell::Shell;
use crate::page::language::TeachWords;
use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::PointerEvent;

/// Height and width of the canvas in pixels.
const SIDE: f64 = 320.0;

/// A line that was drawn: its thickness, and its points.
type Stroke = (f64, Vec<(f64, f64)>);

/// Shows the canvas and its tools.
#[component]
pub(super) fn Drawing(shell: Shell) -> impl IntoView {
    let canvas: NodeRef<Canvas> = NodeRef::new();
    let strokes = RwSignal::new(Vec::<Stroke>::new());
    let thickness = RwSignal::new(26.0);
    let drawing = RwSignal::new(false);
    // Drawn as the gallery's pictures are, so that nothing has to be inverted.
    let dark = shell.part(|desk| desk.place.dark.unwrap_or(false));
    Effect::new(move || {
        let Some(canvas) = canvas.get() else { return };
        let Ok(context) = pixels::context(&canvas) else { return };
        let (paper, ink) = if dark.get() { ("#000", "#fff") } else { ("#fff", "#000") };
        context.set_fill_style_str(paper);
        context.fill_rect(0.0, 0.0, SIDE, SIDE);
        context.set_stroke_style_str(ink);
        context.set_line_cap("round");
        context.set_line_join("round");
        strokes.with(|strokes| {
            for (thickness, points) in strokes {
                context.set_line_width(*thickness);
                context.begin_path();
                for (number, (x, y)) in points.iter().enumerate() {
                    if number == 0 { context.move_to(*x, *y) } else { context.line_to(*x, *y) }
                }
                // A point alone is a dot.
                if let [(x, y)] = points[..] {
                    context.line_to(x + 0.1, y);
                }
                context.stroke();
            }
        });
    });
    let place = move |event: &PointerEvent| {
        let shown = canvas.get_untracked().map_or(SIDE, |canvas| f64::from(canvas.client_width().max(1)));
        (f64::from(event.offset_x()) * SIDE / shown, f64::from(event.offset_y()) * SIDE / shown)
    };
    let down = move |event: PointerEvent| {
        event.prevent_default();
        if let Some(canvas) = canvas.get_untracked() {
            // Lines go on when the pen leaves the canvas.
            let _ = canvas.set_pointer_capture(event.pointer_id());
        }
        drawing.set(true);
        strokes.update(|strokes| strokes.push((thickness.get_untracked(), vec![place(&event)])));
    };
    let moved = move |event: PointerEvent| {
        if drawing.get_untracked() {
            strokes.update(|strokes| {
                if let Some((_, points)) = strokes.last_mut() {
                    points.push(place(&event));
                }
            });
        }
    };
    let up = move |_| drawing.set(false);
    let add = move |_| {
        let empty = strokes.with_untracked(Vec::is_empty);
        let picture = canvas.get_untracked().filter(|_| !empty);
        let side = shell.now(|desk| desk.place.side);
        match picture.map(|canvas| pixels::drawn(&canvas, side)) {
            Some(Ok(picture)) => {
                shell.tell(Message::Add(picture));
                strokes.set(Vec::new());
            }
            _ => shell.tell(Message::Refused(shell.now(|desk| desk.words.teach_empty_canvas()))),
        }
    };
    let undo = move |_| strokes.update(|strokes| drop(strokes.pop()));
    view! {
        <div class="source">
            <h3>{shell.say(TeachWords::teach_draw)}</h3>
            <canvas id="teach-canvas" class="pad" node_ref=canvas width=SIDE.to_string() height=SIDE.to_string()
                aria-label=shell.say(TeachWords::teach_canvas)
                on:pointerdown=down on:pointermove=moved on:pointerup=up on:pointercancel=up></canvas>
            <div class="tools">
                <label for="teach-thickness">{shell.say(TeachWords::teach_thickness)}</label>
                <input id="teach-thickness" type="range" min="6" max="60" step="2"
                    prop:value=move || thickness.get().to_string()
                    on:input=move |e| thickness.set(event_target_value(&e).parse().unwrap_or(26.0))/>
                <button type="button" class="plain" id="teach-undo" on:click=undo>
                    {shell.say(TeachWords::teach_undo)}
                </button>
                <button type="button" class="plain" id="teach-clear" on:click=move |_| strokes.set(Vec::new())>
                    {shell.say(TeachWords::teach_clear)}
                </button>
                <button type="button" id="teach-add" on:click=add>{shell.say(TeachWords::teach_add)}</button>
            </div>
        </div>
    }
}
