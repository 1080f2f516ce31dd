//! When the pin may be released, by the words of the rule: nothing of this is the door's code.

use super::door::Door;
use super::strangers::Strangers;
use super::world::World;
use edge_runtime::decide::{Look, Observation};
use std::collections::VecDeque;
use std::mem;

pub(super) const HOLD_MS: u64 = 3000;
pub(super) const TURNED: f32 = 0.2;
/// 2026-01-05, a Monday, 00:00 UTC.
pub(super) const MONDAY: i64 = 1_767_571_200;

/// What a door asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) needed: usize,
    pub(super) of_last: usize,
    pub(super) window_ms: u64,
    pub(super) two_people_ms: Option<u64>,
    pub(super) challenge: bool,
    pub(super) lockout: Lockout,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Lockout {
    pub(super) refusals: usize,
    pub(super) within_ms: u64,
    pub(super) lasts_ms: u64,
}

impl Policy {
    /// Each day another one.
    pub(super) fn of(day: u64) -> Self {
        let needed = 2 + day as usize / 4 % 3;
        Self {
            needed,
            of_last: needed + day as usize % 3,
            window_ms: 800 + 400 * (day % 4),
            two_people_ms: (day % 4 == 1).then_some(20_000),
            challenge: day % 4 == 2,
            lockout: Lockout {
                refusals: 3,
                within_ms: 60_000,
                lasts_ms: 20_000,
            },
        }
    }
}

/// Whether somebody may come in, whoever it is.
pub(super) fn is_permitted(person: &str, unix_s: i64) -> bool {
    let day = (unix_s - MONDAY).div_euclid(86_400);
    let hour = (unix_s - MONDAY).rem_euclid(86_400) / 3600;
    match person {
        "cyd" => false,
        "dan" => day.rem_euclid(7) < 5 && (8..18).contains(&hour),
        _ => true,
    }
}

struct Seen {
    at_ms: u64,
    unix_s: i64,
    /// A name; empty for a stranger.
    who: Option<String>,
    turn: f32,
}

/// What was seen since all was forgotten, and since when the pin is released.
pub(super) struct Model {
    policy: Policy,
    seen: VecDeque<Seen>,
    strangers: Strangers,
    released: bool,
    releases: u64,
    released_at_ms: u64,
    last_tick_ms: u64,
    /// The pin did not obey since it was released.
    disobeyed: bool,
}

impl Model {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            seen: VecDeque::new(),
            strangers: Strangers::new(policy.lockout),
            released: false,
            releases: 0,
            released_at_ms: 0,
            last_tick_ms: 0,
            disobeyed: false,
        }
    }

    /// A clock jumped: what was seen before counts no more.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    pub(super) fn restart(&mut self) {
        self.forget();
        self.strangers.forget();
    }

    /// Takes in what a running door sees.
    pub(super) fn see(&mut self, look: &Look, now_ms: u64, door: &Door) {
        if !door.runs() {
            return;
        }
        let who = match &look.seen {
            Observation::Match(person) => Some(person.clone()),
            Observation::Stranger => Some(String::new()),
            Observation::Nobody => None,
        };
        self.seen.push_back(Seen {
            at_ms: now_ms,
            unix_s: look.unix_s,
            who,
            turn: look.turn.unwrap_or(0.0),
        });
        // Nothing reaches back so far.
        while self
            .seen
            .front()
            .is_some_and(|seen| seen.at_ms + 120_000 < now_ms)
        {
            self.seen.pop_front();
        }
        self.judge_strangers(look, now_ms, door.locked_out(now_ms));
    }

    fn judge_strangers(&mut self, look: &Look, now_ms: u64, locked_out: bool) {
        let (all, needed) = (self.seen.len(), self.policy.needed);
        match &look.seen {
            _ if locked_out => {}
            Observation::Match(person) => {
                let permitted = is_permitted(person, look.unix_s);
                let enough = self.agreeing(person, 0, all) >= needed;
                self.strangers.see_person(now_ms, person, permitted, enough);
            }
            // Whoever turns as asked may not be recognized for a while, which is no refusal.
            Observation::Stranger if !self.policy.challenge => {
                let begins_ms = self.strangers.begins_ms();
                if self.agreeing("", begins_ms, all) >= needed {
                    self.strangers.refuse(now_ms);
                }
            }
            _ => {}
        }
    }

    /// How many of the last frames, of the first `upto` ones, show this person in time.
    fn agreeing(&self, who: &str, begins_ms: u64, upto: usize) -> usize {
        let seen = self.seen.range(..upto);
        let last_ms = seen.clone().next_back().map_or(0, |seen| seen.at_ms);
        let shows = |seen: &&Seen| {
            seen.who.as_deref() == Some(who)
                && seen.at_ms >= begins_ms
                && last_ms - seen.at_ms <= self.policy.window_ms
        };
        seen.rev().take(self.policy.of_last).filter(shows).count()
    }

    /// Whether the pin may be where it is; whether that is excused only.
    ///
    /// # Errors
    /// The rule that is broken.
    pub(super) fn check(
        &mut self,
        now_ms: u64,
        world: &World,
        door: &Door,
    ) -> Result<bool, String> {
        let locked_out = door.locked_out(now_ms);
        self.strangers.check(now_ms, door.runs(), locked_out)?;
        let tick_ms = now_ms - mem::replace(&mut self.last_tick_ms, now_ms);
        let was_released = mem::replace(&mut self.released, world.pin.is_released());
        let before = mem::replace(&mut self.releases, world.pin.releases());
        let opened = self.releases > before;
        if was_released && (opened || !self.released) {
            self.in_time(now_ms, HOLD_MS + tick_ms)?;
        }
        if opened {
            if !world.contacts.may_leave(now_ms) {
                self.may_open(now_ms, locked_out)?;
                // The next one needs as much again.
                self.forget();
                self.strangers.forget();
            }
            self.released_at_ms = now_ms;
            self.disobeyed = false;
        }
        if !self.released {
            return Ok(false);
        }
        self.disobeyed |= world.pin.disobeys();
        match (door.runs(), world.pin.disobeys()) {
            (_, true) => Ok(true),
            // Whoever died while the pin did not obey could not lock.
            (false, false) if self.disobeyed => Ok(true),
            (false, false) => Err("the pin is released and nothing runs that would lock it".into()),
            // One that obeys again is locked within the tick.
            (true, false) if now_ms - self.released_at_ms >= HOLD_MS => Err(format!(
                "still released after {HOLD_MS} ms, longer than it may"
            )),
            (true, false) => Ok(false),
        }
    }

    fn in_time(&self, now_ms: u64, at_most_ms: u64) -> Result<(), String> {
        let held_ms = now_ms - self.released_at_ms;
        let good = self.disobeyed || held_ms <= at_most_ms;
        let late = || format!("released for {held_ms} ms, longer than {at_most_ms}");
        good.then_some(()).ok_or_else(late)
    }

    /// Whether the last frame is reason to release the lock.
    fn may_open(&self, now_ms: u64, locked_out: bool) -> Result<(), String> {
        if locked_out {
            return Err("released while all are locked out".into());
        }
        let last = self
            .seen
            .back()
            .ok_or("nobody was seen, so no frames agree")?;
        let who = last.who.as_deref().unwrap_or_default();
        if last.at_ms != now_ms || who.is_empty() {
            return Err("released for a stranger or for nobody: no frames agree".into());
        }
        let agreeing = self.agreeing(who, 0, self.seen.len());
        if agreeing < self.policy.needed {
            return Err(format!("{agreeing} frames agree, {:?}", self.policy));
        }
        if !is_permitted(who, last.unix_s) {
            return Err(format!("{who} may not come in"));
        }
        self.turned(who)?;
        self.second_person(who, last)
    }

    /// The head was turned, and looked ahead before and after.
    fn turned(&self, who: &str) -> Result<(), String> {
        let of_person = self
            .seen
            .iter()
            .filter(|seen| seen.who.as_deref() == Some(who));
        let mut turns = of_person.map(|seen| seen.turn.abs());
        let passed = turns.any(|turn| turn < TURNED)
            && turns.any(|turn| turn >= TURNED)
            && turns.any(|turn| turn < TURNED);
        let good = !self.policy.challenge || passed;
        good.then_some(())
            .ok_or_else(|| format!("{who} did not turn the head"))
    }

    /// Somebody else was let in as the first of two, a short while ago.
    fn second_person(&self, who: &str, last: &Seen) -> Result<(), String> {
        let Some(within_ms) = self.policy.two_people_ms else {
            return Ok(());
        };
        let first = (1..self.seen.len()).any(|upto| {
            let seen = &self.seen[upto - 1];
            let other = seen.who.as_deref().unwrap_or_default();
            let is_other = !other.is_empty() && other != who;
            is_other
                && last.at_ms - seen.at_ms <= within_ms
                && is_permitted(other, last.unix_s)
                && self.agreeing(other, 0, upto) >= self.policy.needed
        });
        first.then_some(()).ok_or("without a second person".into())
    }
}
