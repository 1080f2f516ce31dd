//! Who the broker is, and who the door is to the broker: passwords and certificates.

use crate::broker::{Broker, certificates, free_port, wait_for};
use crate::events::{Door, lost, tell};
use edge_runtime::events::{Fitted, Reporter};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_wrong_password_is_told_once_and_the_right_one_from_a_file_works() {
    let Some(mut broker) = Broker::installed() else {
        return;
    };
    let passwords = broker.path("passwords");
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .args([passwords.to_str().unwrap(), "door", "sesame"])
        .status();
    assert!(made.unwrap().success());
    broker.configure(&format!(
        "allow_anonymous false\npassword_file {}\n",
        passwords.display()
    ));
    broker.start();
    let wrong = Door::new(broker.port, "username = \"door\"\npassword = \"seasame\"\n");
    let mut reporter = wrong.start();
    tell(&mut reporter, 1);
    let mut told = Vec::new();
    wait_for("the refusal", || {
        told.extend(lost(&mut reporter));
        !told.is_empty()
    });
    std::thread::sleep(Duration::from_secs(2));
    told.extend(lost(&mut reporter));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("refuses the user name or the password"),
        "{told:?}"
    );
    assert!(!told[0].contains("seasame"));
    reporter.end();
    assert_eq!(wrong.waiting(), 2);

    let file = broker.path("secret");
    fs::write(&file, "sesame\n").unwrap();
    let right = format!("username = \"door\"\npassword_file = {file:?}\n");
    let right = Door {
        more: right,
        ..wrong
    };
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let refused = Reporter::start(
        Some(&right.settings()),
        None,
        Fitted::default(),
        &right.store(),
    );
    let error = refused.err().unwrap().to_string();
    assert!(
        error.contains("mode 640") && error.contains("chmod 600"),
        "{error}"
    );
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let reporter = right.start();
    wait_for("the broker has them", || right.waiting() == 0);
    reporter.end();
}

#[test]
fn tls_goes_to_the_right_broker_only() {
    let Some(mut broker) = Broker::installed() else {
        return;
    };
    if certificates(broker.path("").as_path()).is_none() {
        return;
    }
    let file = |name: &str| broker.path(name).display().to_string();
    let config = format!(
        "allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
        file("ca.pem"),
        file("broker.pem"),
        file("broker.key")
    );
    for (ca, host, client, needle) in [
        ("other.pem", "127.0.0.1", true, "invalid peer certificate"),
        ("ca.pem", "localhost", true, "invalid peer certificate"),
        ("ca.pem", "127.0.0.1", false, "CertificateRequired"),
        ("ca.pem", "127.0.0.1", true, ""),
    ] {
        broker.kill();
        broker.configure(&config);
        broker.start();
        let mut more = format!("[tls]\nca = {:?}\n", broker.path(ca));
        if client {
            let (certificate, key) = (broker.path("door.pem"), broker.path("door.key"));
            fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
            more += &format!("certificate = {certificate:?}\nkey = {key:?}\n");
        }
        let door = Door::new(broker.port, &more);
        let mut settings = door.settings();
        settings.host = host.into();
        let mut reporter =
            Reporter::start(Some(&settings), None, Fitted::default(), &door.store()).unwrap();
        tell(&mut reporter, 1);
        if needle.is_empty() {
            wait_for("the broker has them", || door.waiting() == 0);
        } else {
            let mut told = Vec::new();
            wait_for(needle, || {
                told.extend(lost(&mut reporter));
                !told.is_empty()
            });
            assert!(told[0].contains(needle), "{told:?}");
        }
        reporter.end();
        assert_eq!(door.waiting(), if needle.is_empty() { 0 } else { 2 });
    }
}

#[test]
fn files_that_are_none_are_named_before_the_door_starts() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.pem");
    fs::write(&text, "no certificate").unwrap();
    fs::set_permissions(&text, Permissions::from_mode(0o600)).unwrap();
    for (more, needle) in [
        (format!("[tls]\nca = {text:?}"), "no certificates in PEM"),
        (
            "[tls]\nca = \"/none.pem\"".into(),
            "/none.pem: cannot be read",
        ),
        (
            format!("username = \"d\"\npassword_file = {:?}", dir.path()),
            "not a regular file",
        ),
    ] {
        let door = Door::new(free_port(), &more);
        let refused = Reporter::start(
            Some(&door.settings()),
            None,
            Fitted::default(),
            &door.store(),
        );
        let error = refused.err().unwrap().to_string();
        assert!(error.contains(needle), "{error}");
    }
}
