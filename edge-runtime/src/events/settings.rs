//! `[mqtt]` of `door.toml`: the broker that is told what happens at the door, and what it is told.

use serde::Deserialize;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

const PLAIN_PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;
const BASE_TOPIC: &str = "facelatch";
/// Where Home Assistant looks unless it is told otherwise.
const DISCOVERY_PREFIX: &str = "homeassistant";
const MAX_WORD_LEN: usize = 32;
const MAX_TOPIC_LEN: usize = 128;
const QUEUE: RangeInclusive<u64> = 10..=1_000_000;
const QUEUE_DEFAULT: u64 = 10_000;
const KEEP_ALIVE_S: RangeInclusive<u16> = 5..=3600;
const KEEP_ALIVE_S_DEFAULT: u16 = 30;

/// A broker and what it is told, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "MqttToml")]
pub struct MqttSettings {
    /// Name or address of the broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Without it nothing is encrypted.
    pub tls: Option<TlsSettings>,
    /// Who the door is, to the broker.
    pub login: Option<Login>,
    base_topic: String,
    /// What the door is called in topics.
    pub door: String,
    /// Where Home Assistant looks for devices; `None` if it is not to find the door.
    pub discovery_prefix: Option<String>,
    /// Whether people's names leave the door.
    pub names: bool,
    /// How many messages wait for the broker; of more the oldest are dropped.
    pub queue: u64,
    /// So often the broker is asked whether it is still there.
    pub keep_alive: Duration,
}

/// Files of TLS, in PEM.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Who may have signed the broker's certificate; without it, whoever the system trusts.
    pub ca: Option<PathBuf>,
    /// The door's certificate, where the broker wants one.
    pub certificate: Option<PathBuf>,
    /// The key of it.
    pub key: Option<PathBuf>,
}

/// A user of the broker.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name.
    pub username: String,
    /// Where the password is.
    pub password: Password,
}

/// Where a password is.
#[derive(Clone)]
pub enum Password {
    /// In `door.toml`.
    Here(Zeroizing<String>),
    /// In a file of mode 0600, of which line ends at the end do not count.
    File(PathBuf),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(withheld)")
    }
}

impl MqttSettings {
    /// A topic of this door.
    pub fn topic(&self, rest: &str) -> String {
        format!("{}/{}/{rest}", self.base_topic, self.door)
    }

    /// Takes the paths relative to a folder.
    pub(crate) fn resolve(&mut self, base: &Path) {
        let resolve = |path: &mut PathBuf| *path = base.join(&*path);
        if let Some(tls) = &mut self.tls {
            let files = [&mut tls.ca, &mut tls.certificate, &mut tls.key];
            files.into_iter().flatten().for_each(resolve);
        }
        if let Some(Password::File(path)) = self.login.as_mut().map(|login| &mut login.password) {
            resolve(path);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MqttToml {
    host: String,
    port: Option<u16>,
    tls: Option<TlsSettings>,
    username: Option<String>,
    password: Option<String>,
    password_file: Option<PathBuf>,
    base_topic: Option<String>,
    door: String,
    discovery_prefix: Option<String>,
    #[serde(default)]
    names: bool,
    queue: Option<u64>,
    keep_alive_s: Option<u16>,
}

impl TryFrom<MqttToml> for MqttSettings {
    type Error = String;

    fn try_from(toml: MqttToml) -> Result<Self, String> {
        if toml.host.is_empty()
            || toml
                .host
                .contains(|c: char| c.is_whitespace() || "/:".contains(c))
        {
            return Err(format!(
                "host is {:?}, expected the name or address of a broker, as \"broker.lan\"",
                toml.host
            ));
        }
        let tls = toml.tls;
        if tls
            .as_ref()
            .is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some())
        {
            return Err("certificate and key in [mqtt.tls] need each other".into());
        }
        let port = [PLAIN_PORT, TLS_PORT][usize::from(tls.is_some())];
        let discovery_prefix = toml.discovery_prefix.unwrap_or(DISCOVERY_PREFIX.into());
        let keep_alive_s = toml.keep_alive_s.unwrap_or(KEEP_ALIVE_S_DEFAULT);
        Ok(Self {
            host: toml.host,
            port: toml.port.unwrap_or(port),
            tls,
            login: login(toml.username, toml.password, toml.password_file)?,
            base_topic: topic("base_topic", toml.base_topic.unwrap_or(BASE_TOPIC.into()))?,
            door: word("door", toml.door)?,
            discovery_prefix: match discovery_prefix.is_empty() {
                true => None,
                false => Some(topic("discovery_prefix", discovery_prefix)?),
            },
            names: toml.names,
            queue: within("queue", toml.queue.unwrap_or(QUEUE_DEFAULT), &QUEUE)?,
            keep_alive: Duration::from_secs(
                within("keep_alive_s", keep_alive_s, &KEEP_ALIVE_S)?.into(),
            ),
        })
    }
}

fn login(
    username: Option<String>,
    password: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<Login>, String> {
    let password = match (password, file) {
        (Some(password), None) => Some(Password::Here(password.into())),
        (None, Some(path)) => Some(Password::File(path)),
        (None, None) => None,
        (Some(_), Some(_)) => return Err("password and password_file exclude each other".into()),
    };
    match (username, password) {
        (Some(username), Some(password)) => Ok(Some(Login { username, password })),
        (None, None) => Ok(None),
        _ => Err("username needs a password or a password_file, and they need it".into()),
    }
}

/// Levels of a topic, as "site/doors".
fn topic(name: &str, topic: String) -> Result<String, String> {
    let levels = topic.split('/').all(is_word);
    (levels && topic.len() <= MAX_TOPIC_LEN)
        .then_some(topic.clone())
        .ok_or_else(|| {
            format!("{name} is {topic:?}, expected words of letters, digits, - and _ with / between, of at most {MAX_TOPIC_LEN} characters")
        })
}

/// One level of a topic, which stands in Home Assistant's identifiers, too.
fn word(name: &str, word: String) -> Result<String, String> {
    (is_word(&word) && word.len() <= MAX_WORD_LEN)
        .then_some(word.clone())
        .ok_or_else(|| {
            format!("{name} is {word:?}, expected 1 to {MAX_WORD_LEN} letters, digits, - and _")
        })
}

fn is_word(word: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    !word.is_empty() && word.bytes().all(allowed)
}

fn within<T: PartialOrd + fmt::Display>(
    name: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (range.start(), range.end());
    Err(format!("{name} is {value}, expected {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<MqttSettings, String> {
        let least = "host = \"broker.lan\"\ndoor = \"front\"\n";
        toml::from_str(&format!("{least}{toml}")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_as_documented() {
        let plain = read("").unwrap();
        assert_eq!((plain.port, plain.queue), (1883, 10_000));
        assert_eq!(plain.topic("lock"), "facelatch/front/lock");
        assert_eq!(plain.discovery_prefix.as_deref(), Some("homeassistant"));
        assert!(!plain.names && plain.login.is_none());
        assert_eq!(read("[tls]").unwrap().port, 8883);
        assert_eq!(
            read("discovery_prefix = \"\"").unwrap().discovery_prefix,
            None
        );
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        for (toml, needle) in [
            ("base_topic = \"a/+\"", "base_topic is"),
            ("base_topic = \"/a\"", "base_topic is"),
            ("base_topic = \"\"", "base_topic is"),
            ("base_topic = \"$SYS\"", "base_topic is"),
            ("discovery_prefix = \"a b\"", "discovery_prefix is"),
            ("queue = 9", "queue is 9, expected 10 to 1000000"),
            ("keep_alive_s = 4", "expected 5 to 3600"),
            ("username = \"door\"", "needs a password"),
            ("password = \"x\"", "needs a password"),
            (
                "username = \"d\"\npassword = \"x\"\npassword_file = \"y\"",
                "exclude",
            ),
            ("[tls]\nkey = \"door.key\"", "need each other"),
            ("[tls]\ncafile = \"ca\"", "unknown field `cafile`"),
            ("user = \"door\"", "unknown field `user`"),
        ] {
            let error = read(toml).unwrap_err();
            assert!(error.contains(needle), "{toml}: {error}");
        }
        for door in ["", "a/b", "a b", "#", "é", &"a".repeat(33)] {
            let toml = format!("host = \"h\"\ndoor = \"{door}\"");
            let error = toml::from_str::<MqttSettings>(&toml)
                .unwrap_err()
                .to_string();
            assert!(error.contains("door is"), "{error}");
        }
        for host in ["", "mqtt://broker", "a b"] {
            let toml = format!("host = \"{host}\"\ndoor = \"d\"");
            let error = toml::from_str::<MqttSettings>(&toml)
                .unwrap_err()
                .to_string();
            assert!(error.contains("host is"), "{error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let settings = read("username = \"door\"\npassword = \"hunter2\"").unwrap();
        let shown = format!("{settings:?}");
        assert!(
            shown.contains("door") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
