//! How much memory this process took.

/// The most memory that this process ever had resident, in megabytes (10^6 bytes); none where the
/// system does not say.
pub fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    peak_of(&status)
}

/// `VmHWM:     1234 kB`, in units of 1024 bytes (proc_pid_status(5)).
fn peak_of(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_status() {
        let status = "VmPeak:\t 9000 kB\nVmHWM:\t    1000 kB\nVmRSS:\t 500 kB\n";
        assert_eq!(peak_of(status), Some(1.024));
        for other in [
            "",
            "VmPeak:\t 9000 kB\n",
            "VmHWM:\t 12 MB\n",
            "VmHWM:\tkB\n",
        ] {
            assert_eq!(peak_of(other), None, "{other}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_was_used_is_in_the_peak() {
        let before = peak_mb().unwrap();
        let used = vec![1_u8; 200_000_000];
        assert!(std::hint::black_box(&used).len() as f64 / 1e6 <= peak_mb().unwrap());
        assert!(before > 0.0);
    }
}
