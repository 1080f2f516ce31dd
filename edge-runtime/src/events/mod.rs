//! What others are told of the door: an MQTT broker, and whoever reads the metrics.
//!
//! Nothing here can slow the door: its loop counts, and puts notices into a queue in memory if
//! there is room. A thread keeps them in the store until the broker has them; another keeps the
//! connection. Nothing that comes from the broker is read but its acknowledgements.

mod discovery;
mod error;
mod line;
mod link;
mod notice;
mod notices;
mod outbox;
mod secure;
mod settings;
mod state;

pub use error::EventsError;
pub use notice::{Kind, Notice};
pub use notices::Notices;
pub use settings::{Login, MqttSettings, Password, TlsSettings};
pub use state::Fitted;

use crate::event::Event;
use crate::metrics::{Metrics, MetricsSettings, server};
use crate::millis::unix_millis;
use crate::store::Store;
use outbox::{Input, Outbox};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Notices that may wait for the disk; a door makes a few a minute.
const INBOX_LEN: usize = 1024;
/// Faults that may wait until the door's loop asks.
const FAULTS_LEN: usize = 16;
/// How long the end is waited for: a store or a broker that hangs must not hold the door up.
const END_WAITS: Duration = Duration::from_secs(5);

/// Tells others of the door.
pub struct Reporter {
    notices: Notices,
    metrics: Arc<Metrics>,
    metrics_at: Option<SocketAddr>,
    messenger: Option<Messenger>,
}

impl Reporter {
    /// Begins to offer metrics and to tell a broker, as far as the settings ask for it.
    ///
    /// # Errors
    /// [`EventsError`]: what is wrong on this machine. A broker that is not there is no error.
    pub fn start(
        mqtt: Option<&MqttSettings>,
        metrics_settings: Option<&MetricsSettings>,
        fitted: Fitted,
        store: &Store,
    ) -> Result<Self, EventsError> {
        let metrics = Arc::new(Metrics::new());
        let metrics_at = metrics_settings
            .map(|settings| server::start(settings, metrics.clone()))
            .transpose()?;
        let messenger = mqtt
            .map(|settings| Messenger::start(settings, fitted, store.clone(), metrics.clone()))
            .transpose()?;
        Ok(Self {
            notices: Notices::new(mqtt.is_some_and(|mqtt| mqtt.names)),
            metrics,
            metrics_at,
            messenger,
        })
    }

    /// Where the metrics are, if they are.
    pub fn metrics_at(&self) -> Option<SocketAddr> {
        self.metrics_at
    }

    /// Takes an event, without waiting for anything.
    pub fn tell(&mut self, event: &Event) {
        self.metrics.event(event);
        let Some(notice) = self.notices.take(event, unix_millis()) else {
            return;
        };
        self.metrics.notice(&notice);
        if let Some(messenger) = &self.messenger
            && messenger.inbox.try_send(Input::Notice(notice)).is_err()
        {
            self.metrics.count_overflow();
        }
    }

    /// What the door's own log must know of the broker since it was last asked.
    pub fn faults(&mut self) -> Vec<Event> {
        let messenger = self.messenger.as_mut();
        messenger.map_or(Vec::new(), Messenger::faults)
    }

    /// Gives a broker that is there a moment to take what waits. What it does not take stays in
    /// the store.
    pub fn end(self) {
        if let Some(messenger) = self.messenger {
            messenger.end();
        }
    }
}

/// The two threads behind the broker.
struct Messenger {
    inbox: SyncSender<Input>,
    faults: Receiver<Event>,
    /// Until it is found to have failed.
    outbox: Option<JoinHandle<()>>,
    /// The connection is not made again when this is gone.
    _connecting: SyncSender<()>,
}

impl Messenger {
    fn start(
        settings: &MqttSettings,
        fitted: Fitted,
        store: Store,
        metrics: Arc<Metrics>,
    ) -> Result<Self, EventsError> {
        // What is wrong with its files is said at once.
        link::options(settings)?;
        let (inbox, inputs) = mpsc::sync_channel(INBOX_LEN);
        let (fault, faults) = mpsc::sync_channel(FAULTS_LEN);
        let (connecting, stop) = mpsc::sync_channel(0);
        let outbox = Outbox::open(settings.clone(), fitted, store, metrics, fault)?;
        let spawn = |name: &str, job: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name.into());
            thread.spawn(job).map_err(EventsError::Thread)
        };
        let outbox = spawn("events", Box::new(move || outbox.run(&inputs)))?;
        let (links, settings) = (inbox.clone(), settings.clone());
        let tell = move |link| links.send(Input::Link(link)).is_ok();
        spawn("mqtt", Box::new(move || link::keep(&settings, &stop, tell)))?;
        Ok(Self {
            inbox,
            faults,
            outbox: Some(outbox),
            _connecting: connecting,
        })
    }

    fn faults(&mut self) -> Vec<Event> {
        let mut faults: Vec<_> = self.faults.try_iter().collect();
        if let Some(failed) = self.outbox.take_if(|outbox| outbox.is_finished()) {
            let panic = failed.join().err();
            let said = panic.map_or("it ended".into(), |panic| crate::said(&*panic));
            let reason = format!("messages are not sent any more: {said}; restart the door");
            faults.push(Event::BrokerLost { reason });
        }
        faults
    }

    fn end(self) {
        let asked = Instant::now();
        let is_over = |outbox: &JoinHandle<()>| outbox.is_finished();
        let mut told = false;
        while !self.outbox.as_ref().is_none_or(is_over) && asked.elapsed() < END_WAITS {
            told = told || self.inbox.try_send(Input::End).is_ok();
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests;
