//! The formats of `shared`.

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use shared::align::AlignTemplate;
use shared::audit::{AuditEntry, Chain};
use shared::bundle::{Bundle, Precision};
use shared::digest::Digest;
use shared::enrollment::EnrollmentRecord;
use shared::envelope::{self, EnvelopeError, Kind};
use shared::release::SignedRelease;
use shared::roster::Roster;
use shared::store::{KeptCrops, KeyFile};

const HEADER_LEN: usize = 16;
const DIGEST_LEN: usize = 32;

/// Reads a file as it is, with its checksum made right, and with its header made right, too: so
/// that every layer is reached. What is read must be written as the same bytes.
pub(crate) fn file<T>(
    kind: Kind,
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Option<T>,
    write: impl Fn(&T) -> Result<Vec<u8>, EnvelopeError>,
) -> bool {
    let mut files = vec![bytes.to_vec()];
    if bytes.len() >= HEADER_LEN + DIGEST_LEN {
        let (body, _) = bytes.split_at(bytes.len() - DIGEST_LEN);
        let mut header = b"FACELTCH".to_vec();
        header.extend((kind as u16).to_le_bytes());
        header.extend(kind.version().to_le_bytes());
        header.extend(((body.len() - HEADER_LEN) as u32).to_le_bytes());
        files.push(with_checksum(body.to_vec()));
        files.push(with_checksum([&header, &body[HEADER_LEN..]].concat()));
    }
    let taken = files.iter().filter(|bytes| {
        let value = read(bytes);
        if let Some(value) = &value {
            assert!(write(value).as_ref() == Ok(*bytes), "other bytes");
        }
        value.is_some()
    });
    taken.count() > 0
}

fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&body);
    body.extend(digest.0);
    body
}

pub(super) fn bundle(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| {
        let bundle = Bundle::decode(bytes).ok()?;
        let manifest = bundle.manifest();
        if let Ok(point) = manifest.operating_point(0.001, 3) {
            assert!(point.threshold.is_finite() && point.fmr <= 0.001 / 2.9);
        }
        let faces = manifest.self_test.iter();
        assert!(faces.clone().all(|f| f.face(&manifest.input).is_some()));
        let frames = bundle.detector().map_or(&[][..], |(m, _)| &m.self_test);
        let input = bundle.detector().map(|(m, _)| &m.input);
        assert!(
            frames
                .iter()
                .all(|f| Some(f.pixels.len()) == input.map(|i| i.rgb_len()))
        );
        assert!(
            bundle
                .precisions()
                .all(|precision| is_whole(&bundle, precision))
        );
        Some(bundle)
    };
    file(Kind::Bundle, bytes, read, Bundle::encode)
}

/// Whether each precision that can be read can be taken out, and lowers no threshold for anybody.
fn is_whole(bundle: &Bundle, precision: Precision) -> bool {
    let alone = bundle.select(precision).expect("it is one of the bundle's");
    let manifest = alone.manifest();
    let others = || manifest.accepted().map(|other| other.model);
    if let Ok(point) = manifest.operating_point(0.001, 3) {
        let across = manifest.operating_point_across(0.001, 3, others());
        let across = across.expect("they are accepted");
        assert!(across.threshold >= point.threshold && across.fmr == point.fmr);
    }
    let read = alone.encode().map(|bytes| Bundle::decode(&bytes));
    read == Ok(Ok(alone))
}

pub(super) fn record(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| {
        let record = EnrollmentRecord::decode(bytes).ok()?;
        // Whoever can be read can be compared with.
        let len = record.reference().expect("it was checked").as_slice().len();
        let mut roster = Roster::new(record.model, len);
        roster.add(&record).expect("a first record of this model");
        Some(record)
    };
    file(
        Kind::EnrollmentRecord,
        bytes,
        read,
        EnrollmentRecord::encode,
    )
}

pub(super) fn store_key(bytes: &[u8]) -> bool {
    key(Kind::StoreKey, bytes)
}

pub(super) fn transfer_key(bytes: &[u8]) -> bool {
    key(Kind::TransferKey, bytes)
}

fn key(kind: Kind, bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| KeyFile::decode(kind, bytes).ok();
    file(kind, bytes, read, |key| key.encode(kind))
}

pub(super) fn kept_crops(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| {
        let crops = KeptCrops::decode(bytes).ok()?;
        let len = AlignTemplate::rgb_len(crops.template());
        let faces = crops.faces().unwrap_or_default();
        assert!(faces.iter().all(|face| face.pixels().len() == len));
        Some(crops)
    };
    file(Kind::KeptCrops, bytes, read, KeptCrops::encode)
}

pub(super) fn sealed_transfer(bytes: &[u8]) -> bool {
    let kind = Kind::SealedTransfer;
    let read = |bytes: &[u8]| envelope::decode::<ByteBuf>(kind, bytes).ok();
    file(kind, bytes, read, |sealed| envelope::encode(kind, sealed))
}

/// Whatever is read, only what the key signed is believed.
pub(super) fn release(bytes: &[u8]) -> bool {
    let key = SigningKey::from_bytes(&[7; 32]);
    let read = |bytes: &[u8]| {
        let signed = SignedRelease::decode(bytes).ok()?;
        if let Ok(release) = signed.verify(&key.verifying_key()) {
            assert!(SignedRelease::sign(&release, &key).as_ref() == Ok(&signed));
        }
        Some(signed)
    };
    file(Kind::Release, bytes, read, SignedRelease::encode)
}

pub(super) fn log_entry(bytes: &[u8]) -> bool {
    let entry = AuditEntry::decode(bytes);
    assert!(entry.as_ref().is_none_or(|entry| entry.encode() == bytes));
    entry.is_some()
}

pub(super) fn log_chain(bytes: &[u8]) -> bool {
    let Some(chain) = Chain::decode(bytes) else {
        return false;
    };
    assert!(chain.encode() == bytes, "other bytes");
    // Entries that should be there are missed.
    assert!(chain.is_empty() || chain.walk().finish().is_err());
    true
}
