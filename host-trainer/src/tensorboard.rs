//! TensorBoard event files: the numbers of `metrics.jsonl` for whoever watches with TensorBoard.
//!
//! Records are TFRecord (length, masked CRC-32C of it, data, masked CRC-32C of it; TensorFlow's
//! `lib/io/record_writer.h`) of `Event` messages (TensorFlow's `util/event.proto`).

use crate::report::Progress;
use prost::Message;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// `SessionLog.SessionStatus.START`: what was seen of this step and of later ones is void.
const START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    /// Of a `oneof`, so that zero is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// The event file of this invocation, made with its first line. A disk that refuses ends it, not
/// the training: `metrics.jsonl` has every number.
pub(crate) struct EventFile {
    folder: PathBuf,
    done: u64,
    state: State,
}

enum State {
    Unopened,
    Open(File),
    Failed,
}

impl EventFile {
    /// In the run's folder; `done` steps of the run were done before.
    pub(crate) fn new(folder: &Path, done: u64) -> Self {
        let (folder, state) = (folder.into(), State::Unopened);
        Self {
            folder,
            done,
            state,
        }
    }

    /// Adds the numbers of a line; says on standard error, once, if it cannot.
    pub(crate) fn add(&mut self, line: &Progress) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall_time = now.unwrap_or_default().as_secs_f64();
        if let Err(error) = self.try_add(line, wall_time) {
            eprintln!(
                "no more TensorBoard events of this run, {}: {error}; the training goes on, and {} has every number",
                self.folder.display(),
                crate::report::METRICS_FILE
            );
            self.state = State::Failed;
        }
    }

    fn try_add(&mut self, line: &Progress, wall_time: f64) -> std::io::Result<()> {
        if let State::Unopened = self.state {
            // TensorBoard reads the files of a folder in the order of their names.
            let name = format!("events.out.tfevents.{wall_time:014.3}");
            let mut file = File::create_new(self.folder.join(name))?;
            file.write_all(&beginning(wall_time, self.done))?;
            self.state = State::Open(file);
        }
        match &mut self.state {
            State::Open(file) => file.write_all(&scalars(wall_time, line)),
            State::Unopened | State::Failed => Ok(()),
        }
    }
}

/// The version that every file begins with, and what voids the steps that a resumed run repeats.
fn beginning(wall_time: f64, done: u64) -> Vec<u8> {
    let event = |step, what| {
        record(&Event {
            wall_time,
            step,
            what: Some(what),
        })
    };
    let version = What::FileVersion("brain.Event:2".into());
    let start = What::SessionLog(SessionLog { status: START });
    [event(0, version), event(done as i64 + 1, start)].concat()
}

fn scalars(wall_time: f64, line: &Progress) -> Vec<u8> {
    let values = [
        ("train/loss", Some(line.loss)),
        ("train/learning_rate", Some(line.learning_rate)),
        ("train/images_per_s", Some(line.images_per_s)),
        ("validation/eer", line.validation_eer),
    ];
    let values = values.into_iter().filter_map(|(tag, value)| {
        let (tag, simple_value) = (tag.into(), Some(value? as f32));
        Some(Scalar { tag, simple_value })
    });
    let what = Some(What::Summary(Summary {
        values: values.collect(),
    }));
    record(&Event {
        wall_time,
        step: line.step as i64,
        what,
    })
}

fn record(event: &Event) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked(crc32c::crc32c(bytes)).to_le_bytes();
    [&length[..], &checksum(&length), &data, &checksum(&data)].concat()
}

/// As the format wants it, since a checksum of bytes that hold their checksum is weak.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64, validation_eer: Option<f64>) -> Progress {
        Progress {
            step,
            epoch: 1,
            loss: 12.5,
            learning_rate: 0.0,
            images_per_s: 60.5,
            elapsed_s: 1.0,
            validation_eer,
        }
    }

    #[test]
    fn the_bytes_are_those_of_tensorboards_own_writer() {
        // From `RecordWriter` and the messages of the Python package tensorboard 2.21.0.
        let check = |bytes: Vec<u8>, expected: &str| {
            let found: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(found, expected);
        };
        check(
            beginning(1.5, 40),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c\
             0f000000000000006d532b0909000000000000f83f10293a020801a6ac353d",
        );
        check(
            scalars(2.5, &line(50, None)),
            "5700000000000000e6ba948c09000000000000044010322a4a0a110a0a747261696e2f6c6f737315\
             000048410a1a0a13747261696e2f6c6561726e696e675f7261746515000000000a190a1274726169\
             6e2f696d616765735f7065725f731500007242525cde30",
        );
        check(
            scalars(2.5, &line(50, Some(0.25))),
            "6e00000000000000c4bf336409000000000000044010322a610a110a0a747261696e2f6c6f737315\
             000048410a1a0a13747261696e2f6c6561726e696e675f7261746515000000000a190a1274726169\
             6e2f696d616765735f7065725f7315000072420a150a0e76616c69646174696f6e2f656572150000\
             803e839860b1",
        );
    }

    #[test]
    fn a_file_begins_with_its_first_line_and_a_disk_that_refuses_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = EventFile::new(dir.path(), 40);
        assert!(dir.path().read_dir().unwrap().next().is_none());
        events.add(&line(50, None));
        events.add(&line(60, None));
        let file = dir.path().read_dir().unwrap().next().unwrap().unwrap();
        let name = file.file_name().into_string().unwrap();
        assert!(name.starts_with("events.out.tfevents."), "{name}");
        let records = std::fs::read(file.path()).unwrap().len();
        let both = beginning(1.5, 40).len() + 2 * scalars(1.5, &line(50, None)).len();
        assert_eq!(records, both);

        let mut nowhere = EventFile::new(&dir.path().join("nowhere"), 0);
        nowhere.add(&line(10, None));
        assert!(matches!(nowhere.state, State::Failed));
        nowhere.add(&line(20, None));
    }
}
