//! Messages on one connection: which were given to it, went out, and arrived.

use super::link::CAPACITY;
use rumqttc::{Client, QoS};
use std::collections::{HashMap, VecDeque};

/// Number of a message in the queue; what is not from the queue has none.
type Number = Option<u64>;

pub(super) struct Line {
    client: Client,
    /// Given to the client, in order, and not on the way yet.
    given: VecDeque<Number>,
    /// On the way, by the number that the connection gave each.
    on_the_way: HashMap<u16, Number>,
    /// What was last put where it is kept.
    shown: HashMap<String, String>,
}

impl Line {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            given: VecDeque::new(),
            on_the_way: HashMap::new(),
            shown: HashMap::new(),
        }
    }

    /// Sends a message of the queue; returns whether the connection takes it now.
    pub(super) fn send(&mut self, number: u64, topic: String, payload: String) -> bool {
        self.give(Some(number), topic, payload, false)
    }

    /// Puts a message where it is kept, if it is not there already. What the connection does not
    /// take now is to be shown again later.
    pub(super) fn show(&mut self, topic: String, payload: String) {
        if self.shown.get(&topic) != Some(&payload)
            && self.give(None, topic.clone(), payload.clone(), true)
        {
            self.shown.insert(topic, payload);
        }
    }

    fn give(&mut self, number: Number, topic: String, payload: String, retain: bool) -> bool {
        let has_room = self.unacknowledged() < CAPACITY;
        let client = &self.client;
        let given = has_room
            && client
                .try_publish(topic, QoS::AtLeastOnce, retain, payload)
                .is_ok();
        if given {
            self.given.push_back(number);
        }
        given
    }

    /// Ends the connection when everything before has gone out.
    pub(super) fn end(&self) {
        // It ends by itself if it does not take this any more.
        let _ = self.client.try_disconnect();
    }

    pub(super) fn sent(&mut self, on_connection: u16) {
        if let Some(number) = self.given.pop_front() {
            self.on_the_way.insert(on_connection, number);
        }
    }

    pub(super) fn acknowledged(&mut self, on_connection: u16) {
        self.on_the_way.remove(&on_connection);
    }

    /// How many messages have not arrived yet, as far as is known.
    pub(super) fn unacknowledged(&self) -> usize {
        self.given.len() + self.on_the_way.len()
    }

    /// The oldest message of the queue that has not arrived yet.
    pub(super) fn oldest(&self) -> Number {
        let numbers = self.given.iter().chain(self.on_the_way.values());
        numbers.flatten().min().copied()
    }
}
