//! What Home Assistant is told of the door, so that it shows one by itself.
//!
//! One message an entity (<https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>),
//! which every release with event entities (2023.8) understands. There is no lock entity: it would
//! need a topic for commands, and nothing that comes over MQTT moves the lock.

use super::notice::Kind;
use super::settings::MqttSettings;
use super::state::{ALARM, AVAILABILITY, CONTACT, Fitted, HEALTH, LOCK, TAMPER};
use serde_json::{Value, json};

/// Component, object and what is said of no other entity.
type Entity = (&'static str, &'static str, Value);

/// Topics and what is kept there; none if Home Assistant is not to find the door.
pub(super) fn messages(settings: &MqttSettings, fitted: Fitted) -> Vec<(String, String)> {
    let Some(prefix) = &settings.discovery_prefix else {
        return Vec::new();
    };
    let mut entities = entities(settings);
    if fitted.sensor {
        entities.extend(sensor(settings));
    }
    if fitted.tamper {
        entities.push(binary(
            "tamper",
            "Tamper",
            "tamper",
            settings.topic(TAMPER),
            ["on", "off"],
        ));
    }
    let node = format!("facelatch_{}", settings.door);
    let message = |(component, object, entity)| {
        let topic = format!("{prefix}/{component}/{node}/{object}/config");
        (topic, whole(settings, &node, object, entity).to_string())
    };
    entities.into_iter().map(message).collect()
}

/// What every door has.
fn entities(settings: &MqttSettings) -> Vec<Entity> {
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
    let status = health("Status", "{{ value_json.status }}");
    let people = health("People enrolled", "{{ value_json.people }}");
    let lock = settings.topic(LOCK);
    vec![
        binary("lock", "Lock", "lock", lock, ["unlocked", "locked"]),
        ("event", "events", events),
        ("binary_sensor", "problem", problem),
        ("sensor", "status", status),
        ("sensor", "people", people),
    ]
}

/// What a door has that tells whether it is open.
fn sensor(settings: &MqttSettings) -> [Entity; 3] {
    let contact = settings.topic(CONTACT);
    let alarm = |object, name, class, word| {
        let topic = settings.topic(ALARM);
        let (component, object, mut entity) = binary(object, name, class, topic, ["ON", "OFF"]);
        entity["value_template"] = format!("{{{{ 'ON' if value == '{word}' else 'OFF' }}}}").into();
        (component, object, entity)
    };
    [
        binary("contact", "Door", "door", contact, ["open", "closed"]),
        alarm("forced", "Forced open", "safety", "forced"),
        alarm("held", "Held open", "problem", "held"),
    ]
}

fn binary(
    object: &'static str,
    name: &str,
    class: &str,
    topic: String,
    [on, off]: [&str; 2],
) -> Entity {
    let entity = json!({
        "name": name,
        "device_class": class,
        "state_topic": topic,
        "payload_on": on,
        "payload_off": off,
    });
    ("binary_sensor", object, entity)
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

#[cfg(test)]
mod tests {
    use super::super::tests::{ALL, settings};
    use super::*;
    use serde_json::Value;

    #[test]
    fn home_assistant_can_only_look() {
        let all = messages(&settings(""), ALL);
        assert_eq!(all.len(), 9);
        assert_eq!(messages(&settings(""), Fitted::default()).len(), 5);
        let mut ids = Vec::new();
        for (topic, payload) in &all {
            assert!(!payload.contains("command"), "{payload}");
            let entity: Value = serde_json::from_str(payload).unwrap();
            let id = entity["unique_id"].as_str().unwrap().to_owned();
            let (component, object) = topic
                .strip_prefix("homeassistant/")
                .and_then(|t| t.strip_suffix("/config"))
                .and_then(|t| t.split_once("/facelatch_front/"))
                .unwrap();
            assert!(["binary_sensor", "sensor", "event"].contains(&component));
            assert_eq!(id, format!("facelatch_front_{object}"));
            assert_eq!(entity["availability_topic"], "facelatch/front/availability");
            assert_eq!(entity["device"]["identifiers"], json!(["facelatch_front"]));
            assert!(
                entity["state_topic"]
                    .as_str()
                    .unwrap()
                    .starts_with("facelatch/front/")
            );
            ids.push(id);
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
        assert!(messages(&settings("discovery_prefix = \"\""), ALL).is_empty());
    }
}
