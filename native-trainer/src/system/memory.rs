//! How much memory this machine has.

/// More than any machine has on which a run would fit: what to go by where the system does not tell.
pub const MOST: u64 = 1 << 44;

/// Bytes of memory and swap space; none where the system does not tell in a file, as only Linux does.
pub fn installed() -> Option<u64> {
    total(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// The sum of both in the words of `/proc/meminfo`, where they stand in kibibytes.
fn total(text: &str) -> Option<u64> {
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    let bytes = |name| line(name)?.trim().parse::<u64>().ok()?.checked_mul(1024);
    bytes("MemTotal:")?.checked_add(bytes("SwapTotal:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_swap_are_added_and_what_is_not_understood_is_none() {
        let text = "MemTotal:       16374512 kB\nMemFree:  9 kB\nSwapTotal:       1024 kB\n";
        assert_eq!(total(text), Some((16_374_512 + 1024) * 1024));
        assert_eq!(total("MemTotal:  7 kB"), Some(7 * 1024));
        assert_eq!(total("MemTotal:  many"), None);
        assert_eq!(total(""), None);
    }
}
