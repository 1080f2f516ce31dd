//! A real MQTT broker on this machine, and somebody who listens to it.

use crate::real_faces::tell;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A busy machine with a slow disk takes long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is so.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A port of this machine that is free now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// mosquitto with a configuration of its own; killed at the end.
pub(crate) struct Broker {
    dir: TempDir,
    program: PathBuf,
    pub(crate) port: u16,
    running: Option<Child>,
}

impl Broker {
    /// One that lets everybody in, not started yet; `None`, and a line that says so, where there
    /// is no mosquitto.
    pub(crate) fn installed() -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<_> = std::env::split_paths(&paths).collect();
        folders.push("/usr/sbin".into());
        let mut programs = folders.iter().map(|folder| folder.join("mosquitto"));
        let Some(program) = programs.find(|program| program.is_file()) else {
            tell("skipped: mosquitto is not installed");
            return None;
        };
        let mut broker = Self {
            dir: tempfile::tempdir().unwrap(),
            program,
            port: free_port(),
            running: None,
        };
        broker.configure("allow_anonymous true\n");
        Some(broker)
    }

    /// The same, started, and somebody who listens to it.
    pub(crate) fn running() -> Option<(Self, Listener)> {
        let mut broker = Self::installed()?;
        broker.start();
        let listener = Listener::at(broker.port);
        Some((broker, listener))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sets what follows the listener. It keeps what it has through a kill.
    pub(crate) fn configure(&mut self, more: &str) {
        let folder = self.dir.path().display();
        let config = format!(
            "persistence true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\nuser root\nlistener {} 127.0.0.1\n{more}",
            self.port
        );
        fs::write(self.path("broker.conf"), config).unwrap();
    }

    pub(crate) fn start(&mut self) {
        let log = fs::File::create(self.path("broker.log")).unwrap();
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.path("broker.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.running = Some(child.unwrap());
        wait_for("the broker listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) retained: bool,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap()
    }
}

/// Listens to everything, also to what came while it was away.
pub(crate) struct Listener {
    client: Client,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Listener {
    pub(crate) fn new(options: MqttOptions) -> Self {
        let (client, mut connection) = Client::new(options, 16);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (told, subscriber) = (heard.clone(), client.clone());
        let (ready, subscribed) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        subscriber.try_subscribe("#", QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.send(())),
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        told.lock().unwrap().push(Heard {
                            topic: publish.topic,
                            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
                            retained: publish.retain,
                        });
                    }
                    Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
                    Ok(_) => {}
                    Err(_) => thread::sleep(Duration::from_millis(50)),
                }
            }
        });
        subscribed.recv_timeout(PATIENCE).unwrap();
        Self { client, heard }
    }

    /// One without a password or encryption.
    pub(crate) fn at(port: u16) -> Self {
        let mut options = MqttOptions::new("listener", "127.0.0.1", port);
        options.set_clean_session(false);
        Self::new(options)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The messages about events, as objects.
    pub(crate) fn events(&self) -> Vec<Value> {
        let heard = self.heard();
        let events = heard
            .iter()
            .filter(|heard| heard.topic.contains("/front/event/"));
        events.map(Heard::json).collect()
    }

    /// The numbers of the events, each when it came first.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers = Vec::new();
        for event in self.events() {
            let number = event["seq"].as_u64().unwrap();
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers
    }

    /// What is kept at a topic, as far as it was heard.
    pub(crate) fn last(&self, topic: &str) -> Option<String> {
        let heard = self.heard();
        let last = heard.iter().rev().find(|heard| heard.topic == topic);
        last.map(|heard| heard.payload.clone())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.client.try_disconnect();
    }
}

/// A certificate authority, a broker's certificate for 127.0.0.1 and a door's, in a folder; `None`,
/// and a line that says so, where there is no `openssl`.
pub(crate) fn certificates(folder: &Path) -> Option<()> {
    if Command::new("openssl").arg("version").output().is_err() {
        tell("skipped: openssl is not installed");
        return None;
    }
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(arguments.split(' '));
        let output = command.output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    };
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for ca in ["ca", "other"] {
        openssl(&format!(
            "req -x509 {new} -keyout {ca}.key -out {ca}.pem -days 2 -subj /CN={ca}"
        ));
    }
    let extensions = [
        ("broker", "subjectAltName=IP:127.0.0.1"),
        ("door", "extendedKeyUsage=clientAuth"),
    ];
    for (name, extension) in extensions {
        fs::write(folder.join("extension"), extension).unwrap();
        openssl(&format!(
            "req {new} -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out {name}.pem -extfile extension"
        ));
    }
    Some(())
}
