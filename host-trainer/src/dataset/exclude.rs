//! The list of people who are left out of a set, such as those who are in the test sets, too.

use edge_runtime::capped_file::{self, ReadError};
use std::collections::BTreeSet;
use std::path::Path;

/// The longest list that is read: more people than any set has.
const MAX_LEN: u64 = 64 << 20;

/// The names in a list: a line each, a folder's name or a label. What follows a `#` at the start
/// of a line or after a space is a comment.
///
/// # Errors
/// [`ReadError`].
pub fn read(path: &Path) -> Result<BTreeSet<String>, ReadError> {
    let bytes = capped_file::read(path, MAX_LEN)?;
    let text = String::from_utf8_lossy(&bytes);
    let name = |line: &str| {
        let end = line.find(" #").or(line.find("\t#")).unwrap_or(line.len());
        line[..end].trim().to_string()
    };
    let names = text.lines().filter(|line| !line.starts_with('#')).map(name);
    Ok(names.filter(|name| !name.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_name_a_line_and_comments() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("overlap.txt");
        std::fs::write(
            &path,
            "# who is in LFW\nA B\n\n  12 # twelve\nc#1\t# odd\r\nA B\r\n",
        )
        .unwrap();
        let names: Vec<_> = read(&path).unwrap().into_iter().collect();
        assert_eq!(names, ["12", "A B", "c#1"]);
        let error = read(&dir.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }
}
