//! The file system of the emulated Pi: which packages, which files, and what the packages' own
//! scripts would have done.

use super::kernel;
use crate::apt::{Apt, Machine};
use crate::disk;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A system with systemd that one logs in to; what these need comes too.
const PACKAGES: [&str; 31] = [
    "base-files",
    "base-passwd",
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "dbus",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "iproute2",
    "kmod",
    "libc-bin",
    "libgcc-s1",
    "libpam-modules",
    "login",
    "mawk",
    "mount",
    "openssh-server",
    "passwd",
    "procps",
    "sed",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tar",
    "tzdata",
    "udev",
    "util-linux",
];

/// Users beside Debian's own: `pi` may become root without a password, `guest` may not. Both reach
/// lines and cameras, as users of Raspberry Pi OS do.
const USERS: &str = "\
systemd-network:x:998:998::/:/usr/sbin/nologin
messagebus:x:101:101::/nonexistent:/usr/sbin/nologin
sshd:x:102:65534::/run/sshd:/usr/sbin/nologin
pi:x:1000:1000::/home/pi:/bin/bash
guest:x:1001:1001::/home/guest:/bin/bash
";
const GROUPS: &str = "\
systemd-network:x:998:
systemd-journal:x:999:pi,guest
messagebus:x:101:
input:x:103:
sgx:x:104:
kvm:x:105:
render:x:106:
gpio:x:997:pi,guest
pi:x:1000:
guest:x:1001:
";
/// Of Debian's own groups, those that the users are in.
const MEMBERS: [(&str, &str); 1] = [("video", "pi,guest")];

/// Path, permissions, text.
const FILES: [(&str, u32, &str); 17] = [
    ("etc/hostname", 0o644, "virtual-pi\n"),
    ("etc/hosts", 0o644, "127.0.0.1 localhost virtual-pi\n"),
    // Not empty: an empty one is a first start, which switches services on.
    (
        "etc/machine-id",
        0o444,
        "0123456789abcdef0123456789abcdef\n",
    ),
    ("etc/fstab", 0o644, "/dev/vda / ext4 defaults 0 0\n"),
    ("etc/shells", 0o644, "/bin/sh\n/bin/bash\n"),
    ("etc/nsswitch.conf", 0o644, "hosts: files\n"),
    (
        "etc/ssh/sshd_config",
        0o644,
        include_str!("../guest/sshd_config"),
    ),
    ("etc/sudoers.d/pi", 0o440, "pi ALL=(ALL) NOPASSWD: ALL\n"),
    (
        "etc/pam.d/common-auth",
        0o644,
        "auth required pam_unix.so\n",
    ),
    (
        "etc/pam.d/common-account",
        0o644,
        "account required pam_unix.so\n",
    ),
    (
        "etc/pam.d/common-password",
        0o644,
        "password required pam_unix.so\n",
    ),
    (
        "etc/pam.d/common-session",
        0o644,
        "session required pam_permit.so\n",
    ),
    (
        "etc/pam.d/common-session-noninteractive",
        0o644,
        "session required pam_permit.so\n",
    ),
    (
        "etc/systemd/network/10-ethernet.network",
        0o644,
        include_str!("../guest/network"),
    ),
    (
        "etc/systemd/journald.conf.d/door.conf",
        0o644,
        include_str!("../guest/journald.conf"),
    ),
    (
        "etc/tmpfiles.d/homes.conf",
        0o644,
        include_str!("../guest/tmpfiles"),
    ),
    (
        "etc/udev/rules.d/60-pi.rules",
        0o644,
        include_str!("../guest/udev.rules"),
    ),
];

/// Path, and where it points.
const LINKS: [(&str, &str); 4] = [
    ("usr/bin/awk", "mawk"),
    (
        "etc/systemd/system/default.target",
        "/lib/systemd/system/multi-user.target",
    ),
    (
        "etc/systemd/system/multi-user.target.wants/ssh.service",
        "/lib/systemd/system/ssh.service",
    ),
    (
        "etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
        "/lib/systemd/system/systemd-networkd.service",
    ),
];

/// Units without which the machine is complete: consoles that nobody sits at, and what cannot work
/// here.
const MASKED: [&str; 7] = [
    "getty.target",
    "serial-getty@ttyAMA0.service",
    "systemd-firstboot.service",
    "systemd-binfmt.service",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
];

/// What takes room and nobody reads there.
const NOT_NEEDED: [&str; 9] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/lib/udev/hwdb.d",
    "usr/lib/aarch64-linux-gnu/gconv",
    "usr/lib/aarch64-linux-gnu/perl-base",
];

/// All that is unpacked by name.
pub(super) fn packages() -> Vec<&'static str> {
    PACKAGES.into_iter().chain([kernel::PACKAGE]).collect()
}

/// All text that the image holds beside the packages.
pub(super) fn files() -> impl std::hash::Hash {
    let first = [
        include_str!("../guest/init"),
        include_str!("../guest/init-pi3"),
    ];
    (
        FILES,
        LINKS,
        MASKED,
        NOT_NEEDED,
        [USERS, GROUPS],
        MEMBERS,
        first,
    )
}

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

    #[test]
    fn what_may_become_root_is_read_by_root_alone() {
        for (path, mode, _) in FILES {
            let writable = mode & 0o022;
            assert_eq!(writable, 0, "{path}");
        }
        let sudoers = FILES.iter().find(|file| file.0 == "etc/sudoers.d/pi");
        assert_eq!(sudoers.unwrap().1, 0o440);
    }
}
