//! Lines of bytes from a source that may say anything.

use std::io::{self, Read};

/// The longest claim, in bytes.
pub(crate) const MAX_LEN: usize = 64;

/// Hands on each line without its end: printable ASCII of at most [`MAX_LEN`] bytes, or `None` in
/// the place of any other. Empty lines are left out. Ends with the source, or when `take` says
/// `false`.
///
/// # Errors
/// What the source says.
pub(crate) fn read(
    mut source: impl Read,
    mut take: impl FnMut(Option<&[u8]>) -> bool,
) -> io::Result<()> {
    let mut line = Vec::with_capacity(MAX_LEN + 1);
    let mut chunk = [0; 256];
    loop {
        let len = match source.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for byte in &chunk[..len] {
            if !matches!(byte, b'\r' | b'\n') {
                // One byte more than allowed tells a line that is too long.
                if line.len() <= MAX_LEN {
                    line.push(*byte);
                }
                continue;
            }
            let good = line.len() <= MAX_LEN && line.iter().all(u8::is_ascii_graphic);
            if !line.is_empty() && !take(good.then_some(&line)) {
                return Ok(());
            }
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<Option<String>> {
        let mut lines = Vec::new();
        let text = |line: &[u8]| String::from_utf8(line.into()).unwrap();
        read(bytes, |line| {
            lines.push(line.map(text));
            true
        })
        .unwrap();
        lines
    }

    #[test]
    fn a_line_is_a_number_or_none() {
        let said = |text: &str| lines(text.as_bytes());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(said("12\n34\r\n\n56"), [some("12"), some("34")]);
        assert_eq!(said("1 2\n\u{e9}\n7\n"), [None, None, some("7")]);
        let long = "1".repeat(MAX_LEN);
        assert_eq!(said(&format!("{long}\n")), [some(&long)]);
        assert_eq!(said(&format!("{long}1\n9\n")), [None, some("9")]);
        assert_eq!(
            said(&format!("{}\n9\n", "x".repeat(9999))),
            [None, some("9")]
        );
    }

    proptest! {
        #[test]
        fn garbage_is_bounded_and_the_next_line_is_read(
            garbage in prop::collection::vec(any::<u8>(), 0..1000),
        ) {
            let lines = lines(&[&garbage, &b"\n4711\n"[..]].concat());
            prop_assert_eq!(lines.last().unwrap().as_deref(), Some("4711"));
            prop_assert!(lines.iter().flatten().all(|line| line.len() <= MAX_LEN));
        }
    }
}
