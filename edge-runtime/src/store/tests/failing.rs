//! A disk that refuses a write: an error that says what to do, and nothing is lost.

use super::disk::Disk;
use super::script::{Contents, Step, contents, founded, script};
use crate::store::StoreError;
use std::io::ErrorKind;
use std::path::Path;

#[test]
fn a_disk_that_is_full_at_any_write_loses_nothing() {
    let faults = [
        (ErrorKind::StorageFull, "make room"),
        (ErrorKind::ReadOnlyFilesystem, "remount it writable"),
        (ErrorKind::Other, "check the disk"),
    ];
    let mut failures = 0;
    let disk = founded();
    let mut before = Contents::default();
    for step in script(20) {
        let mut after = before.clone();
        step.apply(&mut after);
        for (error, remedy) in faults {
            failures += fail_everywhere(&disk, step, [&before, &after], error, remedy);
        }
        step.run(&disk, || ()).unwrap();
        before = after;
    }
    eprintln!("{failures} writes refused");
    assert!(failures >= 500, "{failures}");
}

/// Refuses every write of a step in turn; how many there were.
fn fail_everywhere(
    disk: &Disk,
    step: Step,
    [before, after]: [&Contents; 2],
    error: ErrorKind,
    remedy: &str,
) -> usize {
    for refused in 0.. {
        let disk = Disk::of(disk.bytes());
        disk.fail_after(refused, error);
        let mut acknowledged = false;
        let done = step.run(&disk, || acknowledged = true);
        disk.recover();
        let found = contents(&disk).unwrap();
        let expected = if acknowledged { after } else { before };
        // What was written whole before it was acknowledged may stay.
        let whole = found == *expected || found == *after;
        assert!(
            whole,
            "{step:?}, write {refused}: {found:?}, expected {expected:?}"
        );
        match done {
            Ok(()) => return refused,
            Err(fault) => {
                let error = fault.of(Path::new("store.redb"));
                assert!(matches!(error, StoreError::Disk { .. }), "{error}");
                assert!(error.to_string().contains(remedy), "{error}");
            }
        }
    }
    unreachable!("a step has an end")
}
