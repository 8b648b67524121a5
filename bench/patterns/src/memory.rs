//! The memory of this process as Linux tells it; elsewhere nothing is known.

use std::fs;

/// The most that has been resident at once, in bytes.
pub(crate) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// What is resident now, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

fn status(name: &str) -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, name)
}

/// A line such as `VmHWM:     1234 kB`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn kilobytes_are_read_as_bytes() {
        let status = "Name:\tbench\nVmHWM:\t    1234 kB\nVmRSS:\t      12 kB\n";
        assert_eq!(field(status, "VmHWM:"), Some(1_263_616));
        assert_eq!(field(status, "VmRSS:"), Some(12_288));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
