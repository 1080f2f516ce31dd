//! What the emulated Pi is made of: packages, users, files, and which services do not start.

use super::kernel;

/// A system with systemd that one logs in to; what these need comes too.
pub(super) const PACKAGES: [&str; 31] = [
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
pub(super) const USERS: &str = "\
systemd-network:x:998:998::/:/usr/sbin/nologin
messagebus:x:101:101::/nonexistent:/usr/sbin/nologin
sshd:x:102:65534::/run/sshd:/usr/sbin/nologin
pi:x:1000:1000::/home/pi:/bin/bash
guest:x:1001:1001::/home/guest:/bin/bash
";
pub(super) const GROUPS: &str = "\
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
pub(super) const MEMBERS: [(&str, &str); 1] = [("video", "pi,guest")];

/// Path, permissions, text.
pub(super) const FILES: [(&str, u32, &str); 17] = [
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
pub(super) const LINKS: [(&str, &str); 4] = [
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
pub(super) const MASKED: [&str; 7] = [
    "getty.target",
    "serial-getty@ttyAMA0.service",
    "systemd-firstboot.service",
    "systemd-binfmt.service",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
];

/// What takes room and nobody reads there.
pub(super) const NOT_NEEDED: [&str; 9] = [
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

#[cfg(test)]
mod tests {
    use super::*;

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
