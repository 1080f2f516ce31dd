//! The file system of the emulated Pi: packages, files, and what the packages' own scripts would
//! have done.

use super::recipe::{FILES, GROUPS, LINKS, MASKED, MEMBERS, NOT_NEEDED, PACKAGES, USERS};
use crate::apt::{Apt, Machine};
use crate::disk;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Unpacks the packages.
pub(super) fn unpack(apt: &Apt, work: &Path) -> Result<PathBuf> {
    let tree = work.join("root");
    // Packages of these years still say /bin, and systemd wants it to be /usr/bin.
    for folder in ["bin", "sbin", "lib"] {
        fs::create_dir_all(tree.join("usr").join(folder))?;
        symlink(format!("usr/{folder}"), tree.join(folder))?;
    }
    let packages = apt.closure(Machine::EmptyArm64, &PACKAGES)?;
    apt.unpack(Machine::EmptyArm64, &packages, &tree)?;
    Ok(tree)
}

/// Does what installing would have done.
pub(super) fn settle(tree: &Path, image: &Path) -> Result<()> {
    for path in NOT_NEEDED {
        disk::remove_folder(&tree.join(path))?;
    }
    let write = |path: &str, mode, text: &str| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        disk::replace_text(text, &path, mode)
    };
    for (path, mode, text) in FILES {
        write(path, mode, text)?;
    }
    let read = |path: &Path| fs::read_to_string(path).with_context(|| path.display().to_string());
    let masters = tree.join("usr/share/base-passwd");
    let users = read(&masters.join("passwd.master"))?.replace(":*:", ":x:") + USERS;
    let groups = with_members(&read(&masters.join("group.master"))?) + GROUPS;
    write("etc/passwd", 0o644, &users)?;
    write("etc/group", 0o644, &groups)?;
    write("etc/shadow", 0o600, &shadow(&users))?;
    let key = read(&image.join("key.pub"))?;
    write("etc/ssh/authorized_keys", 0o644, &key)?;
    let host_key = read(&image.join("host_key"))?;
    write("etc/ssh/ssh_host_ed25519_key", 0o600, &host_key)?;
    make_links(tree)?;
    set_permissions(tree)
}

fn make_links(tree: &Path) -> Result<()> {
    let mask = |unit| (format!("etc/systemd/system/{unit}"), "/dev/null".to_owned());
    let links = LINKS.map(|(path, to)| (path.to_owned(), to.to_owned()));
    for (path, to) in MASKED.into_iter().map(mask).chain(links) {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().context("a link lies in a folder")?)?;
        if fs::symlink_metadata(&path).is_err() {
            symlink(to, &path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Whoever unpacks without being root loses these.
fn set_permissions(tree: &Path) -> Result<()> {
    for (path, mode) in [
        ("usr/bin/sudo", 0o4755),
        ("tmp", 0o1777),
        ("var/tmp", 0o1777),
        ("var/log/journal", 0o2755),
        ("home", 0o755),
        ("root", 0o700),
        ("mnt", 0o755),
    ] {
        let path = tree.join(path);
        if !path.exists() {
            fs::create_dir_all(&path)?;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn with_members(groups: &str) -> String {
    let line = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        let members = MEMBERS.iter().find(|(group, _)| *group == name);
        format!("{}{}\n", line, members.map_or("", |(_, members)| members))
    };
    groups.lines().map(line).collect()
}

/// Nobody has a password.
fn shadow(users: &str) -> String {
    let line = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        format!("{name}:*:19000:0:99999:7:::\n")
    };
    users.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_a_password_and_all_have_a_line() {
        assert_eq!(
            shadow("root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000::/home/pi:/bin/bash\n"),
            "root:*:19000:0:99999:7:::\npi:*:19000:0:99999:7:::\n"
        );
    }

    #[test]
    fn users_join_debians_own_groups() {
        let groups = with_members("audio:*:29:\nvideo:*:44:\n");
        assert_eq!(groups, "audio:*:29:\nvideo:*:44:pi,guest\n");
    }
}
