//! What Home Assistant is told of the door, so that it shows one by itself.
//!
//! One message an entity (<https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>),
//! which every release with event entities (2023.8) understands. There is no lock entity: it would
//! need a topic for commands, and nothing that comes over MQTT moves the lock.

use super::notice::Kind;
use super::settings::MqttSettings;
use super::state::{AVAILABILITY, HEALTH, LOCK};
use serde_json::{Value, json};

/// Topics and what is kept there; none if Home Assistant is not to find the door.
pub(super) fn messages(settings: &MqttSettings) -> Vec<(String, String)> {
    let Some(prefix) = &settings.discovery_prefix else {
        return Vec::new();
    };
    let node = format!("facelatch_{}", settings.door);
    let message = |(component, object, entity): (&str, &str, Value)| {
        let topic = format!("{prefix}/{component}/{node}/{object}/config");
        (topic, whole(settings, &node, object, entity).to_string())
    };
    entities(settings).into_iter().map(message).collect()
}

/// Component, object and what is said of no other entity.
fn entities(settings: &MqttSettings) -> [(&'static str, &'static str, Value); 5] {
    let lock = json!({
        "name": "Lock",
        "device_class": "lock",
        "state_topic": settings.topic(LOCK),
        "payload_on": "unlocked",
        "payload_off": "locked",
    });
    let events = json!({
        "name": "Events",
        "state_topic": settings.topic("event/+"),
        "event_types": Kind::ALL.map(Kind::word),
    });
    let health = |name: &str, template: &str| {
        json!({
            "name": name,
            "state_topic": settings.topic(HEALTH),
            "value_template": template,
            "entity_category": "diagnostic",
        })
    };
    let mut problem = health("Problem", "{{ 'ON' if value_json.problem else 'OFF' }}");
    problem["device_class"] = "problem".into();
    problem["json_attributes_topic"] = settings.topic(HEALTH).into();
    [
        ("binary_sensor", "lock", lock),
        ("event", "events", events),
        ("binary_sensor", "problem", problem),
        (
            "sensor",
            "status",
            health("Status", "{{ value_json.status }}"),
        ),
        (
            "sensor",
            "people",
            health("People enrolled", "{{ value_json.people }}"),
        ),
    ]
}

/// With what every entity of the door has.
fn whole(settings: &MqttSettings, node: &str, object: &str, mut entity: Value) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    entity["unique_id"] = format!("{node}_{object}").into();
    entity["availability_topic"] = settings.topic(AVAILABILITY).into();
    entity["qos"] = 1.into();
    entity["device"] = json!({
        "identifiers": [node],
        "name": format!("Door {}", settings.door),
        "manufacturer": "Facelatch",
        "model": "edge-runtime",
        "sw_version": version,
    });
    entity["origin"] = json!({ "name": "Facelatch", "sw_version": version });
    entity
}
