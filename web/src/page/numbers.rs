//! Numbers as people read them.

use super::language::Table;

impl Table {
    /// Writes a number with its thousands apart: `143,212`.
    pub fn grouped(&self, n: u64) -> String {
        let digits = n.to_string();
        let mut out = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                out.push_str(&self.shared_thousands_mark());
            }
            out.push(digit);
        }
        out
    }

    /// Writes a number of bytes in megabytes: `2.40 MB`.
    pub fn megabytes(&self, n: u64) -> String {
        format!("{} MB", self.decimal(n as f64 / 1e6, 2))
    }

    /// Writes a number of bytes in megabytes, or in gigabytes from one on: `10.7 GB`.
    pub fn amount(&self, n: u64) -> String {
        match n {
            ..1_000_000_000 => self.megabytes(n),
            _ => format!("{} GB", self.decimal(n as f64 / 1e9, 1)),
        }
    }

    /// Writes a number of bytes in kilobytes: `145 kB`.
    pub fn kilobytes(&self, n: u64) -> String {
        format!("{} kB", self.grouped(n.div_ceil(1000)))
    }
}

/// Returns how much of `all` is here, in whole percent.
pub fn percent(got: u64, all: u64) -> u64 {
    100 * got.min(all) / all.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::language::Words;

    #[test]
    fn numbers_read_as_people_write_them() {
        let english = Words::english();
        let pairs = [(0, "0"), (999, "999"), (1000, "1,000"), (143_212, "143,212"), (1_000_000, "1,000,000")];
        for (n, words) in pairs {
            assert_eq!(english.grouped(n), words);
        }
        assert_eq!(english.megabytes(2_400_000), "2.40 MB");
        assert_eq!(
            (english.amount(2_400_000), english.amount(10_741_550_000)),
            ("2.40 MB".into(), "10.7 GB".into())
        );
        assert_eq!(english.kilobytes(144_501), "145 kB");
        assert_eq!((percent(0, 0), percent(1, 3), percent(5, 3)), (0, 33, 100));
    }
}
