//! Memory of this process, as Linux tells it.

/// All that is in memory, pages of the program's own file among it.
pub const RESIDENT: &str = "VmRSS:";
/// The most that was.
pub const MOST_RESIDENT: &str = "VmHWM:";
/// What was asked for and not read from a file.
pub const ANONYMOUS: &str = "RssAnon:";

/// A line of the account, in bytes; `None` where there is none.
pub fn bytes(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
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
    fn what_was_asked_for_counts_and_is_a_part_of_all() {
        let before = bytes(ANONYMOUS).unwrap();
        let asked = std::hint::black_box(vec![1_u8; 64 << 20]);
        let [after, all, most] = [ANONYMOUS, RESIDENT, MOST_RESIDENT].map(|l| bytes(l).unwrap());
        assert!(after >= before + (60 << 20), "{before} {after}");
        assert!(
            after <= all && all <= most + (1 << 20),
            "{after} {all} {most}"
        );
        assert_eq!(bytes("Rss:"), None);
        drop(asked);
    }
}
