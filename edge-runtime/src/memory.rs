//! Memory of this process, as Linux tells it.

/// All that is in memory, pages of the program's own file among it.
pub const RESIDENT: &str = "VmRSS:";
/// The most that was.
pub const MOST_RESIDENT: &str = "VmHWM:";
/// What was asked for and not read from a file.
pub const ANONYMOUS: &str = "RssAnon:";

/// A line of the account, in bytes; `None` where there is none.
pub fn bytes(line: &str) -> Option<u64> {
    bytes_in(&std::fs::read_to_string("/proc/self/status").ok()?, line)
}

fn bytes_in(status: &str, line: &str) -> Option<u64> {
    let found = status.lines().find_map(|l| l.strip_prefix(line))?;
    let kib: u64 = found.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// A line of the account, in MiB.
pub fn mib(line: &str) -> Option<f64> {
    bytes(line).map(|bytes| bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_in_bytes_and_one_that_is_not_there_is_none() {
        let status = "VmHWM:\t    2048 kB\nVmRSS:\t       3 kB\nRssAnon:\t many kB\n";
        let found = [MOST_RESIDENT, RESIDENT, ANONYMOUS, "Rss:"].map(|l| bytes_in(status, l));
        assert_eq!(found, [Some(2 << 20), Some(3 << 10), None, None]);
    }

    #[test]
    fn what_this_process_asks_for_counts() {
        let before = bytes(ANONYMOUS).unwrap();
        let asked = std::hint::black_box(vec![1_u8; 256 << 20]);
        let after = bytes(ANONYMOUS).unwrap();
        // Other tests of this process may give some back meanwhile.
        assert!(after >= before + (128 << 20), "{before} {after}");
        drop(asked);
    }
}
