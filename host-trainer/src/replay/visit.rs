//! One visit: a still photograph before the door, until it opens or enough frames were shown.

use edge_runtime::decide::{Access, Action, Decision, Look, Policy, Side};
use edge_runtime::identify::{Identifier, Verdict};
use shared::embedding::{ForeignModel, Template};
use std::time::Duration;

/// From one frame to the next.
const INTERVAL: Duration = Duration::from_millis(200);

/// How a visit ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The lock is released for this person.
    LetIn(String),
    /// Somebody matches, and somebody else nearly as well.
    TooNearAnother,
    /// Nobody matches.
    NotRecognized,
}

/// Shows a face for as many frames as must agree. Nobody came before, so no lockout is on.
pub(super) fn visit(
    identifier: &Identifier,
    policy: &Policy,
    probe: &Template,
    claim: Option<&str>,
) -> Result<Ending, ForeignModel> {
    let mut decision = Decision::new(policy.clone(), Access::default());
    let verdict = identifier.identify(probe, claim)?;
    for frame in 0..policy.rule.needed() as u32 {
        let at = INTERVAL * frame;
        let action = decision.step(&Look {
            at,
            unix_s: at.as_secs() as i64,
            seen: verdict.observation(),
            turn: Some(0.0),
            side: Side::Left,
        });
        if let Action::Release { subject, .. } = action {
            return Ok(Ending::LetIn(subject));
        }
    }
    Ok(match verdict {
        Verdict::Ambiguous { .. } => Ending::TooNearAnother,
        _ => Ending::NotRecognized,
    })
}
