//! Messages wait in order, up to the bound, sealed, and a power cut loses none.

use super::disk::{Disk, apply};
use super::script::{founded, vault};
use crate::store::fault::Fault;
use crate::store::queue::Backlog;
use crate::store::vault::{self, QUEUE};
use crate::store::{Settings, Store};
use redb::{ReadableDatabase, ReadableTable};
use std::fs;

const BOUND: u64 = 6;

/// What is to be forgotten, and how many new messages come.
type Step = (u64, u64);

fn run(disk: &Disk, (delivered, new): Step) -> Result<Backlog, Fault> {
    let database = vault::open(disk.clone(), false)?;
    let backlog = vault::change(&database, |tx| {
        let messages: Vec<_> = (0..new).map(|i| vec![i as u8; 100]).collect();
        vault().queue(tx, delivered, &messages, BOUND)
    });
    database.close()?;
    backlog
}

/// Numbers of the messages that wait.
fn waiting(disk: &Disk) -> Vec<u64> {
    let database = vault::open(disk.clone(), true).unwrap();
    let tx = database.begin_read().unwrap();
    let waiting = vault().waiting(&tx, 0, usize::MAX).unwrap();
    waiting.iter().map(|message| message.number).collect()
}

#[test]
fn the_oldest_go_when_too_many_wait() {
    let disk = founded();
    for (step, waits, newest, dropped) in [
        ((0, 2), vec![1, 2], 2, 0),
        ((1, 1), vec![2, 3], 3, 0),
        ((3, 0), vec![], 3, 0),
        ((3, 6), vec![4, 5, 6, 7, 8, 9], 9, 0),
        ((3, 2), vec![6, 7, 8, 9, 10, 11], 11, 2),
        ((6, 10), vec![16, 17, 18, 19, 20, 21], 21, 11),
        ((99, 0), vec![], 21, 11),
        ((99, 1), vec![22], 22, 11),
    ] {
        let backlog = run(&disk, step).unwrap();
        assert_eq!(waiting(&disk), waits);
        let len = waits.len() as u64;
        let expected = Backlog {
            newest,
            len,
            dropped,
        };
        assert_eq!(backlog, expected, "{step:?}");
    }
}

#[test]
fn a_power_cut_at_any_write_leaves_the_queue_before_or_after() {
    let disk = founded();
    let mut cuts = 0;
    for step in [(0, 3), (2, 2), (2, 5), (8, 0), (8, 1)] {
        let (before, bytes, told) = (waiting(&disk), disk.bytes(), disk.told_len());
        run(&disk, step).unwrap();
        let (after, told) = (waiting(&disk), &disk.told()[told..]);
        for cut in 0..=told.len() {
            let mut bytes = bytes.clone();
            told[..cut].iter().for_each(|told| apply(&mut bytes, told));
            let found = waiting(&Disk::of(bytes));
            assert!(
                found == before || found == after,
                "{step:?}, cut {cut}: {found:?}"
            );
            cuts += 1;
        }
    }
    eprintln!("{cuts} cut points");
    assert!(cuts > 100, "{cuts}");
}

#[test]
fn a_message_with_a_broken_seal_is_passed_over() {
    let disk = founded();
    run(&disk, (0, 3)).unwrap();
    let database = vault::open(disk.clone(), false).unwrap();
    vault::change(&database, |tx| {
        let mut queue = tx.open_table(QUEUE)?;
        let mut sealed = queue.get(2)?.map(|sealed| sealed.value().to_vec()).unwrap();
        sealed[30] ^= 1;
        queue.insert(2, &sealed[..])?;
        Ok(())
    })
    .unwrap();
    database.close().unwrap();
    assert_eq!(waiting(&disk), [1, 3]);
}

#[test]
fn a_store_of_an_earlier_release_gets_a_queue_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::of(dir.path().join("people"));
    let store = Store::open(&settings).unwrap();
    assert!(store.waiting(0, 9).unwrap().is_empty());
    store.queue(0, &[b"hello".into()], 9).unwrap();
    // Removing somebody writes the database anew.
    let record = super::script::record(1, 0);
    store.add(&record, false).unwrap();
    store.remove(record.subject()).unwrap();
    let again = Store::open(&settings).unwrap().waiting(1, 9).unwrap();
    assert_eq!((again.len(), &again[0].bytes[..]), (1, &b"hello"[..]));
}

#[test]
fn what_waits_cannot_be_read_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Settings::of(dir.path().join("people"))).unwrap();
    let secret = b"{\"event_type\":\"opened\",\"person\":\"ada\"}";
    store.queue(0, &[secret.into(), secret.into()], 9).unwrap();
    for file in fs::read_dir(dir.path().join("people")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for part in [&b"event_type"[..], b"opened", b"\"ada"] {
            assert!(!bytes.windows(part.len()).any(|found| found == part));
        }
    }
    assert_eq!(store.waiting(1, 9).unwrap()[1].bytes[..], secret[..]);
}
