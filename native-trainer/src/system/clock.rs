//! What time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time since the beginning of 1970; zero where the clock stands before it.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
