use super::*;
use alloc::borrow::ToOwned;

fn chain(len: u64) -> (Chain, Vec<AuditEntry>) {
    let mut chain = Chain::default();
    let event = |n| AuditEvent::new(What::Opened, Some("ada"), ["", "twice"][n as usize % 2]);
    let entries = (0..len).map(|n| chain.extend(1000 + n, event(n))).collect();
    (chain, entries)
}

fn verify(chain: &Chain, entries: &[AuditEntry]) -> Result<(), ChainError> {
    let mut walk = chain.walk();
    for entry in entries {
        walk.step(entry)?;
    }
    walk.finish()
}

#[test]
fn the_bytes_are_these() {
    let (_, entries) = chain(2);
    let bytes = entries[1].encode();
    assert_eq!(bytes[..3], [1, 0xE9, 7]);
    assert_eq!(bytes[3..35], entries[0].digest().0);
    assert_eq!(&bytes[35..], b"\x02\x01\x03ada\x05twice");
    assert!(AuditEntry::decode(&bytes).unwrap() == entries[1]);
    assert!(AuditEntry::decode(&[&bytes[..], b"x"].concat()).is_none());
    assert!(AuditEntry::decode(&bytes[1..]).is_none());
}

#[test]
fn a_whole_chain_verifies_and_a_pruned_one() {
    let (mut chain, mut entries) = chain(9);
    assert_eq!(verify(&chain, &entries), Ok(()));
    for left in (0..9).rev() {
        chain.forget(&entries.remove(0)).unwrap();
        assert_eq!((chain.len(), verify(&chain, &entries)), (left, Ok(())));
    }
    let last = chain.extend(0, AuditEvent::new(What::Stopped, None, ""));
    assert_eq!((last.number, verify(&chain, &[last])), (9, Ok(())));
}

#[test]
fn every_change_is_found_where_it_is() {
    let (whole, entries) = chain(5);
    let number = |found, expected| ChainError::Number { found, expected };
    let check = |change: &dyn Fn(&mut Vec<AuditEntry>), error| {
        let mut entries = entries.clone();
        change(&mut entries);
        assert_eq!(verify(&whole, &entries), Err(error));
    };
    check(&|e| e.truncate(4), ChainError::Short { expected: 5 });
    check(&|e| e.clear(), ChainError::Short { expected: 5 });
    check(&|e| drop(e.remove(0)), number(1, 0));
    check(&|e| drop(e.remove(2)), number(3, 2));
    check(&|e| e.swap(1, 2), number(2, 1));
    check(&|e| e[2].at_ms = 0, ChainError::Link(3));
    check(&|e| e[1].event.detail.clear(), ChainError::Link(2));
    check(&|e| e[4].at_ms += 1, ChainError::Head);
    check(&|e| e.push(e[4].clone()), number(4, 5));
    let (mut longer, mut more) = chain(6);
    assert_eq!(verify(&whole, &more), Err(number(5, 5)));
    assert_eq!(longer.forget(&more[1]), Err(number(1, 0)));
    // Changes from there on, as by one who computes the digests again.
    more[0].at_ms = 7;
    (1..6).for_each(|n| more[n].previous = more[n - 1].digest());
    assert_eq!(verify(&longer, &more), Err(ChainError::Head));
}

#[test]
fn a_long_detail_is_cut_between_characters() {
    let event = AuditEvent::new(What::Failed, None, &"ü".repeat(400));
    assert_eq!(event.detail, "ü".repeat(250));
    let event = AuditEvent::new(What::Failed, None, &("x".to_owned() + &"ü".repeat(400)));
    assert_eq!(event.detail.len(), 499);
}
