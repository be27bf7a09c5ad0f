//! Whole pieces of work side by side, one thread each.
//!
//! On the processor a model of this size keeps the cores busier as several independent graphs than as
//! one graph with threads inside each of its many small operations; a GPU takes one at a time.

use std::sync::Mutex;

use burn::tensor::Device;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::device;

/// Threads, each with a pool of its own so that the operations inside stay on it.
#[derive(Debug)]
pub struct Workers(Vec<ThreadPool>);

impl Workers {
    /// One worker per core when `device` is the processor, else none: work is then done in turn.
    pub fn new(device: &Device) -> Self {
        Self::with_count(device::shards(device))
    }

    /// `n` workers.
    pub fn with_count(n: usize) -> Self {
        // A thread that cannot be had is done without.
        let pool = |_| ThreadPoolBuilder::new().num_threads(1).build().ok();
        Self(if n > 1 { (0..n).map_while(pool).collect() } else { Vec::new() })
    }

    /// Number of pieces that run at once, at least 1.
    pub fn count(&self) -> usize {
        self.0.len().max(1)
    }

    /// `work` on every item; results in the order of the items.
    pub fn map<T: Send, R: Send>(&self, items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
        if self.0.is_empty() {
            return items.into_iter().map(work).collect();
        }
        let queue = Mutex::new(items.into_iter().enumerate());
        let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
        let drain = || std::iter::from_fn(&next).map(|(i, item)| (i, work(item))).collect::<Vec<_>>();
        let mut results = std::thread::scope(|scope| {
            let threads: Vec<_> = self.0.iter().map(|pool| scope.spawn(|| pool.install(drain))).collect();
            let join = |t: std::thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| {
                t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().flat_map(join).collect::<Vec<_>>()
        });
        results.sort_by_key(|(i, _)| *i);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for n in [1, 3] {
            let doubled = Workers::with_count(n).map((0..100).collect(), |i: u32| 2 * i);
            assert_eq!(doubled, (0..100).map(|i| 2 * i).collect::<Vec<_>>());
        }
    }
}
