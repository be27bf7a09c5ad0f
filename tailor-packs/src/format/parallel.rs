//! Runs two functions at the same time, where there are threads and the work is worth one.

/// Below this many bytes a thread costs more than it saves.
#[cfg(not(target_family = "wasm"))]
const WORTH: usize = 4 << 20;

/// Returns the results of both functions. They run side by side if `bytes` is large enough.
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

/// Returns the results of both functions, which run one after the other.
#[cfg(target_family = "wasm")]
pub(crate) fn both<A, B>(_: usize, a: impl Fn() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}
