//! Two things at once, where there are threads and it is worth one.

/// Below this many bytes a thread costs more than it saves.
#[cfg(not(target_family = "wasm"))]
const WORTH: usize = 4 << 20;

/// The results of both, worked out side by side if `bytes` are many.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn both<A: Send, B>(bytes: usize, a: impl Fn() -> A + Sync, b: impl FnOnce() -> B) -> (A, B) {
    if bytes < WORTH {
        return (a(), b());
    }
    std::thread::scope(|scope| match std::thread::Builder::new().spawn_scoped(scope, &a) {
        Ok(thread) => {
            let b = b();
            (thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), b)
        }
        // No thread to be had: one after the other.
        Err(_) => (a(), b()),
    })
}

/// The results of both, one after the other.
#[cfg(target_family = "wasm")]
pub(crate) fn both<A, B>(_: usize, a: impl Fn() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}
