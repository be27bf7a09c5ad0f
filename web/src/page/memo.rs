//! Parts of the state that tell their readers only of changes, and that end with their view.

use leptos::prelude::*;
use leptos::reactive::computed::ArcMemo;
use leptos::reactive::graph::{Subscriber as _, ToAnySubscriber as _};

/// Returns a memo of `value`. What it reads forgets it when the view that made it goes: otherwise a
/// state that lives as long as the page would keep a trace of every view that was ever shown.
pub fn memo<T>(value: impl Fn() -> T + Send + Sync + 'static) -> Memo<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    let memo = ArcMemo::new(move |_| value());
    let reader = memo.to_any_subscriber();
    on_cleanup(move || reader.clear_sources(&reader));
    Memo::from(memo)
}
