//! Runs whole pieces of work side by side, one thread each.

use std::sync::{Mutex, PoisonError};

/// Calls `work` on every item, on up to `threads` threads. Returns the results in the order of the
/// items.
///
/// A thread takes the next item when it is done with one, so pieces may differ in size. In
/// WebAssembly, where there are no threads, and for a single item or thread, the items are done one
/// after the other.
pub fn map<T: Send, R: Send>(threads: usize, items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len());
    if threads <= 1 || cfg!(target_arch = "wasm32") {
        return items.into_iter().map(work).collect();
    }
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let drain = || std::iter::from_fn(next).map(|(i, item)| (i, work(item))).collect::<Vec<_>>();
    let mut results = std::thread::scope(|scope| {
        // The present thread works, too. If another cannot be started, the work goes on without it.
        let others: Vec<_> =
            (1..threads).map_while(|_| std::thread::Builder::new().spawn_scoped(scope, drain).ok()).collect();
        let mut results = drain();
        for thread in others {
            results.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    });
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Splits `0..len` into `n` parts of about the same length. None is empty, so there are fewer if
/// `len` is below `n`.
pub fn parts(len: usize, n: usize) -> Vec<std::ops::Range<usize>> {
    let n = n.min(len);
    (0..n).map(|i| i * len / n..(i + 1) * len / n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for n in [0, 1, 3] {
            let doubled = map(n, (0..100).collect(), |i: u32| 2 * i);
            assert_eq!(doubled, (0..100).map(|i| 2 * i).collect::<Vec<_>>());
        }
        assert!(map(3, Vec::<u32>::new(), |i| i).is_empty());
    }

    #[test]
    fn parts_cover_the_whole_and_none_is_empty() {
        assert_eq!(parts(7, 3), [0..2, 2..4, 4..7]);
        assert_eq!(parts(2, 5), [0..1, 1..2]);
        assert!(parts(0, 3).is_empty());
    }
}
