//! The connection to the broker: made again whenever it breaks, ever more slowly while it cannot
//! be made.

use super::error::EventsError;
use super::secure;
use super::settings::MqttSettings;
use super::state::AVAILABILITY;
use crate::contained::contained;
use rumqttc::{
    Client, ConnectReturnCode, ConnectionError, Event, LastWill, MqttOptions, Outgoing, Packet,
    QoS, TlsConfiguration, Transport,
};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Messages that the connection takes before one of them has gone out.
pub(super) const CAPACITY: usize = 128;
const WAIT: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(60);
/// A connection that held so long was a good one. One that is taken away sooner, as by another
/// door of the same name, is not made again at once.
const GOOD: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT_S: u64 = 10;

/// What happens on the connection, in order.
pub(super) enum Link {
    /// There is a new one, with nothing on it.
    Up(Client),
    /// The next of the messages that the client was given has gone out, under this number.
    Sent(u16),
    /// The broker has the message of this number.
    Acknowledged(u16),
    /// It broke, or could not be made, and why.
    Down(String),
    /// It was ended by the client.
    Ended,
}

/// Keeps a connection until `tell` returns false, its client ends it, or `stop` loses its sender.
pub(super) fn keep(settings: &MqttSettings, stop: &Receiver<()>, tell: impl Fn(Link) -> bool) {
    let mut wait = WAIT;
    loop {
        let started = Instant::now();
        let end = contained(|| session(settings, &tell)).unwrap_or_else(End::Broken);
        let heard = match end {
            End::Asked => {
                tell(Link::Ended);
                return;
            }
            End::Broken(reason) => tell(Link::Down(reason)),
        };
        if !heard {
            return;
        }
        if started.elapsed() > GOOD {
            wait = WAIT;
        }
        if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        wait = (wait * 2).min(MAX_WAIT);
    }
}

enum End {
    /// By the client, or because nobody listens any more.
    Asked,
    Broken(String),
}

/// One connection, from the beginning to the end.
fn session(settings: &MqttSettings, tell: &impl Fn(Link) -> bool) -> End {
    let options = match options(settings) {
        Ok(options) => options,
        Err(error) => return End::Broken(error.to_string()),
    };
    let (client, mut connection) = Client::new(options, CAPACITY);
    let network = &mut connection.eventloop.network_options;
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    network.set_tcp_nodelay(true);
    loop {
        let link = match connection.recv() {
            Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => Link::Up(client.clone()),
            Ok(Ok(Event::Incoming(Packet::PubAck(ack)))) => Link::Acknowledged(ack.pkid),
            Ok(Ok(Event::Outgoing(Outgoing::Publish(number)))) => Link::Sent(number),
            Ok(Ok(Event::Outgoing(Outgoing::Disconnect))) | Err(_) => return End::Asked,
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => return End::Broken(explain(settings, &error)),
        };
        if !tell(link) {
            return End::Asked;
        }
    }
}

/// How the door connects; its files are read for it.
pub(super) fn options(settings: &MqttSettings) -> Result<MqttOptions, EventsError> {
    let name = format!("facelatch-{}", settings.door);
    let mut options = MqttOptions::new(name, &settings.host, settings.port);
    options.set_keep_alive(settings.keep_alive);
    // What waits is in the door's own queue; the broker keeps nothing for the door.
    options.set_clean_session(true);
    let will = settings.topic(AVAILABILITY);
    options.set_last_will(LastWill::new(will, "offline", QoS::AtLeastOnce, true));
    if let Some((username, password)) = secure::password(settings)? {
        options.set_credentials(username, password.as_str());
    }
    if let Some(tls) = &settings.tls {
        let tls = TlsConfiguration::Rustls(secure::tls(tls)?);
        options.set_transport(Transport::tls_with_config(tls));
    }
    Ok(options)
}

fn explain(settings: &MqttSettings, error: &ConnectionError) -> String {
    let MqttSettings { host, port, .. } = settings;
    let reason = match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => "refuses the user name or the password; check username and password in [mqtt]".into(),
        ConnectionError::ConnectionRefused(code) => format!("refuses the door: {code:?}"),
        ConnectionError::Tls(error) => format!("{error}; check [mqtt.tls]"),
        ConnectionError::NetworkTimeout => format!("no answer within {CONNECT_TIMEOUT_S} s"),
        ConnectionError::Io(error) => error.to_string(),
        error => error.to_string(),
    };
    format!("broker {host}:{port}: {reason}")
}
