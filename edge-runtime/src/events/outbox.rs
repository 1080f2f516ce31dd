//! The thread that keeps notices in the store until the broker has them, and sends them in order.

use super::discovery;
use super::line::Line;
use super::link::Link;
use super::notice::Notice;
use super::notices::{RECORDS, UNNAMED_RECORD};
use super::settings::MqttSettings;
use super::state::{AVAILABILITY, Fitted, State};
use crate::event::Event;
use crate::metrics::Metrics;
use crate::store::{Backlog, Store, StoreError};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// Messages that are on the way together.
const WINDOW: usize = 64;
const TICK: Duration = Duration::from_secs(1);
/// What arrived leaves the store with the next notice, or after this time, and not one by one:
/// flash memory wears out.
const FORGET_AFTER: Duration = Duration::from_secs(5);
/// At the end so long is waited for a broker that is there.
const GRACE: Duration = Duration::from_secs(2);

/// What the thread learns.
pub(super) enum Input {
    Notice(Notice),
    Link(Link),
    /// No notices come any more.
    End,
}

/// What can be faulty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Broker,
    Store,
}

/// What waits, and how far it is.
pub(super) struct Outbox {
    settings: MqttSettings,
    fitted: Fitted,
    store: Store,
    metrics: Arc<Metrics>,
    faults: SyncSender<Event>,
    state: State,
    /// Notices that are not in the store yet.
    new: Vec<Vec<u8>>,
    backlog: Backlog,
    /// The newest message that was given to the connection, ...
    sent: u64,
    /// ... up to which all have arrived, ...
    delivered: u64,
    /// ... and are out of the store.
    forgotten: u64,
    written_at: Instant,
    line: Option<Line>,
    /// Whether it is not known yet if there is a broker.
    connecting: bool,
    /// Faults that were told, each until it is over.
    told: BTreeMap<Part, String>,
}

impl Outbox {
    /// Takes up what an earlier run left.
    pub(super) fn open(
        settings: MqttSettings,
        fitted: Fitted,
        store: Store,
        metrics: Arc<Metrics>,
        faults: SyncSender<Event>,
    ) -> Result<Self, StoreError> {
        let backlog = store.queue(0, &[], settings.queue)?;
        let first = store.waiting(1, 1)?.first().map(|message| message.number);
        let delivered = first.map_or(backlog.newest, |number| number - 1);
        metrics.set_queue(backlog.len, backlog.dropped);
        Ok(Self {
            settings,
            fitted,
            store,
            metrics,
            faults,
            state: State::new(fitted),
            new: Vec::new(),
            backlog,
            sent: delivered,
            delivered,
            forgotten: delivered,
            written_at: Instant::now(),
            line: None,
            connecting: true,
            told: BTreeMap::new(),
        })
    }

    /// Works until the end, and a moment longer if the broker is there.
    pub(super) fn run(mut self, inputs: &Receiver<Input>) {
        let mut until = None;
        while until.is_none_or(|until| Instant::now() < until && self.is_busy()) {
            let input = match inputs.recv_timeout(TICK) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            // Whatever waits is written in one transaction.
            for input in input.into_iter().chain(inputs.try_iter()) {
                match input {
                    Input::Notice(notice) => self.notice(&notice),
                    Input::Link(link) => self.link(link),
                    Input::End => until = Some(Instant::now() + GRACE),
                }
            }
            let worked = self.write(until.is_some()).and_then(|()| self.send());
            match worked {
                Ok(()) => drop(self.told.remove(&Part::Store)),
                Err(error) => {
                    self.drop_excess();
                    self.tell_fault(Part::Store, error.to_string());
                }
            }
        }
        self.end(inputs, until.unwrap_or_else(Instant::now));
    }

    fn is_busy(&self) -> bool {
        let on_the_way = self.line.as_ref().map(Line::unacknowledged);
        self.connecting || on_the_way.is_some_and(|messages| messages > 0)
    }

    fn notice(&mut self, notice: &Notice) {
        self.state.take(notice);
        if notice.quiet {
            return;
        }
        let bytes = serde_json::to_vec(notice).expect("a notice is an object of plain fields");
        self.new.push(bytes);
    }

    /// A disk that takes nothing must not fill the memory; the store would drop them, too.
    fn drop_excess(&mut self) {
        let bound = usize::try_from(self.settings.queue).unwrap_or(usize::MAX);
        let excess = self.new.len().saturating_sub(bound);
        self.new
            .drain(..excess)
            .for_each(|_| self.metrics.count_overflow());
    }

    fn link(&mut self, link: Link) {
        match (link, &mut self.line) {
            (Link::Up(client), _) => {
                let mut line = Line::new(client);
                line.show(self.settings.topic(AVAILABILITY), "online".into());
                for (topic, payload) in discovery::messages(&self.settings, self.fitted) {
                    line.show(topic, payload);
                }
                self.line = Some(line);
                self.sent = self.delivered;
                self.told.remove(&Part::Broker);
                // The door goes on if nobody reads this.
                let _ = self.faults.try_send(Event::BrokerFound);
            }
            (Link::Sent(number), Some(line)) => line.sent(number),
            (Link::Acknowledged(number), Some(line)) => {
                line.acknowledged(number);
                self.delivered = line.oldest().map_or(self.sent, |oldest| oldest - 1);
            }
            (Link::Down(reason), _) => {
                self.line = None;
                self.tell_fault(Part::Broker, reason);
            }
            (Link::Ended, _) => self.line = None,
            (Link::Sent(_) | Link::Acknowledged(_), None) => {}
        }
        self.connecting = false;
        self.metrics.set_connected(self.line.is_some());
    }

    /// Puts new notices into the store and takes out of it what has arrived; at `the_end` all.
    fn write(&mut self, the_end: bool) -> Result<(), StoreError> {
        let arrived = self.delivered - self.forgotten;
        let late = the_end || self.written_at.elapsed() >= FORGET_AFTER || arrived >= WINDOW as u64;
        if !self.new.is_empty() || arrived > 0 && late {
            let bound = self.settings.queue;
            self.backlog = self.store.queue(self.delivered, &self.new, bound)?;
            self.new.clear();
            self.forgotten = self.delivered;
            self.written_at = Instant::now();
        }
        let waiting = self.backlog.len;
        let waiting = waiting.saturating_sub(self.delivered - self.forgotten);
        self.metrics.set_queue(waiting, self.backlog.dropped);
        self.metrics.set_delivered(self.delivered);
        Ok(())
    }

    /// Shows how the door is, and gives the connection what it has room for.
    fn send(&mut self) -> Result<(), StoreError> {
        let Some(line) = &mut self.line else {
            return Ok(());
        };
        for (name, payload) in self.state.topics(self.metrics.dropped()) {
            line.show(self.settings.topic(name), payload);
        }
        // The store is not opened for each single message.
        while self.sent < self.backlog.newest && line.unacknowledged() <= WINDOW / 2 {
            let room = WINDOW - line.unacknowledged();
            let waiting = self.store.waiting(self.sent + 1, room)?;
            if waiting.is_empty() {
                self.sent = self.backlog.newest;
            }
            for message in waiting {
                let sent = numbered(message.number, &message.bytes, self.settings.names);
                if let Some((topic, payload)) = sent
                    && !line.send(message.number, self.settings.topic(&topic), payload)
                {
                    return Ok(());
                }
                self.sent = message.number;
            }
        }
        Ok(())
    }

    fn tell_fault(&mut self, part: Part, reason: String) {
        let before = self.told.insert(part, reason.clone());
        if before.as_ref() != Some(&reason) {
            let _ = self.faults.try_send(Event::BrokerLost { reason });
        }
    }

    /// Leaves the broker as a door does that is not there any more.
    fn end(mut self, inputs: &Receiver<Input>, until: Instant) {
        // What is not written now is sent again, which is allowed.
        let _ = self.write(true);
        let Some(line) = &mut self.line else { return };
        line.show(self.settings.topic(AVAILABILITY), "offline".into());
        line.end();
        // The connection needs a moment, even where the broker took all the time.
        let until = until.max(Instant::now() + TICK);
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match inputs.recv_timeout(left) {
                Ok(Input::Link(Link::Ended | Link::Down(_))) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

/// The topic and the payload of a message; `None` if another release put it there. It may have been
/// put there when names were still told.
fn numbered(number: u64, bytes: &[u8], names: bool) -> Option<(String, String)> {
    let mut message: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let topic = format!("event/{}", message.get("event_type")?.as_str()?);
    message.insert("seq".into(), number.into());
    if !names {
        message.remove("person");
        message.remove("with");
        if message
            .get("source")
            .is_some_and(|source| source == RECORDS)
        {
            message.insert("reason".into(), UNNAMED_RECORD.into());
        }
    }
    Some((topic, Value::from(message).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_kept_with_names_is_told_without_where_none_are_told_any_more() {
        let opened = json!({"event_type": "opened", "person": "ada", "with": "ben", "at_ms": 5});
        let record = json!({"event_type": "fault", "source": "records", "reason": "ada: damaged"});
        let broken = json!({"event_type": "fault", "source": "sensor", "reason": "no bus"});
        for kept in [opened, record, broken] {
            let told = |names| {
                let (topic, payload) = numbered(7, kept.to_string().as_bytes(), names).unwrap();
                assert_eq!(
                    topic,
                    format!("event/{}", kept["event_type"].as_str().unwrap())
                );
                serde_json::from_str::<Value>(&payload).unwrap()
            };
            let mut whole = kept.clone();
            whole["seq"] = 7.into();
            assert_eq!(told(true), whole);
            let unnamed = told(false);
            assert!(!unnamed.to_string().contains("ada") && !unnamed.to_string().contains("ben"));
            assert_eq!(unnamed["seq"], 7);
            if kept["source"] == "sensor" {
                assert_eq!(unnamed, whole);
            }
        }
        assert!(numbered(1, b"{}", true).is_none());
    }
}
