//! `[metrics]` of `door.toml`: where metrics are offered.

use serde::Deserialize;
use std::net::SocketAddr;

/// Where metrics are offered: on this machine only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "MetricsToml")]
pub struct MetricsSettings {
    /// A loopback address; port 0 is any that is free.
    pub listen: SocketAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsToml {
    listen: SocketAddr,
}

impl TryFrom<MetricsToml> for MetricsSettings {
    type Error = String;

    fn try_from(MetricsToml { listen }: MetricsToml) -> Result<Self, String> {
        // When people come and go is nobody's business on the network.
        listen.ip().is_loopback().then_some(Self { listen }).ok_or_else(|| {
            format!("listen is {listen}, expected a loopback address, as 127.0.0.1:9464; let a proxy on this machine offer it elsewhere")
        })
    }
}
