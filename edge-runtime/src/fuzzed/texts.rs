//! Texts that people write, or devices.

use crate::claim::lines::{self, MAX_LEN};
use crate::config::Config;
use crate::landmarks::{HEADER, LandmarkTable};
use crate::release::TrustedKey;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

pub(super) fn door_toml(bytes: &[u8]) -> bool {
    let Ok(config) = Config::from_bytes(bytes, Path::new("door.toml")) else {
        return false;
    };
    let hold = Duration::from_millis(100)..=Duration::from_secs(60);
    assert!(hold.contains(&config.door.hold));
    assert!((1..=1000).contains(&config.decide.rule.needed()));
    assert!(config.store.log_entries >= 100);
    let claims = config.access.claims().count();
    assert_eq!(config.claims.is_some(), claims > 0);
    true
}

pub(super) fn landmarks_csv(bytes: &[u8]) -> bool {
    let path = Path::new("landmarks.csv");
    let Ok(table) = LandmarkTable::from_bytes(bytes, path) else {
        return false;
    };
    // Written and read again, it is the same.
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).expect("memory takes all");
    for (name, landmarks) in table.iter() {
        let numbers = landmarks.0.iter().flat_map(|p| [p.x, p.y]);
        assert!(numbers.clone().all(f32::is_finite), "{landmarks:?}");
        let numbers = numbers.map(|number| number.to_string());
        let row = [name.to_owned(), "0".into()].into_iter().chain(numbers);
        writer.write_record(row).expect("memory takes all");
    }
    let written = writer.into_inner().expect("memory takes all");
    let again = LandmarkTable::from_bytes(&written, path).expect("it was written well");
    assert!(table.iter().eq(again.iter()), "another table");
    true
}

/// The first byte says how the others arrive: a serial line gives them in pieces of any length.
pub(super) fn claims(bytes: &[u8]) -> bool {
    let Some((piece, bytes)) = bytes.split_first() else {
        return false;
    };
    let lines = lines_of(bytes);
    let in_pieces = lines_of(Pieces(bytes, usize::from(*piece) + 1));
    assert!(lines == in_pieces, "the lines depend on the pieces");
    let graphic = |line: &Vec<u8>| line.iter().all(u8::is_ascii_graphic);
    let good = |line: &Vec<u8>| (1..=MAX_LEN).contains(&line.len()) && graphic(line);
    assert!(lines.iter().flatten().all(good), "a line that is none");
    lines.iter().any(Option::is_some)
}

fn lines_of(source: impl Read) -> Vec<Option<Vec<u8>>> {
    let mut lines = Vec::new();
    let read = lines::read(source, |line| {
        lines.push(line.map(<[u8]>::to_vec));
        true
    });
    read.expect("memory can be read");
    lines
}

struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(to.len());
        self.0.read(&mut to[..len])
    }
}

/// The key that releases must be signed with, PEM.
pub(super) fn trusted_key(bytes: &[u8]) -> bool {
    let Some(key) = TrustedKey::from_pem(bytes) else {
        return false;
    };
    assert!(TrustedKey::from_pem(key.to_pem().as_bytes()).as_ref() == Some(&key));
    true
}
