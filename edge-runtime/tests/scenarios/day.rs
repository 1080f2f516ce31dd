//! A day at the door in seconds: the real decision and the real lock, visitors and faults by
//! chance, and after every tick a rule of its own that says where the pin may be.

mod contacts;
mod door;
mod model;
mod strangers;
mod world;

use crate::chance::Chance;
use door::{Broken, Door};
use edge_runtime::event::Event;
use model::{Model, Policy};
use world::World;

const DAY_MS: u64 = 24 * 3600 * 1000;
const TICK_MS: std::ops::Range<usize> = 50..201;
/// One of each policy.
const DAYS: u64 = 12;

/// What happened in a day.
#[derive(Debug, Default)]
struct Counts {
    ticks: u64,
    frames: u64,
    releases: u64,
    camera_faults: u64,
    clock_jumps: u64,
    pin_faults: u64,
    event_faults: u64,
    contact_faults: u64,
    restarts: u64,
    forced_open: u64,
    /// Ticks at which the pin was released and did not obey, or nothing ran that could lock it.
    excused: u64,
}

/// Lives through a day; an error says when the rule was broken, and how.
fn live(seed: u64, broken: Option<Broken>) -> Result<Counts, String> {
    let policy = Policy::of(seed);
    let mut chance = Chance(seed);
    let mut world = World::new(&mut chance);
    let mut model = Model::new(policy);
    let mut door = Door::start(policy, broken, world.pin.clone(), 0);
    let mut counts = Counts::default();
    let mut now_ms = 0;
    while now_ms < DAY_MS {
        let passed_ms = (TICK_MS.start + chance.below(TICK_MS.len())) as u64;
        now_ms += passed_ms;
        world.pass(passed_ms, now_ms, &mut chance, &mut counts);
        if world.jumped {
            model.forget();
        }
        let look = world.look(now_ms, door.asks(), &mut chance);
        if let Some(look) = &look {
            counts.frames += 1;
            model.see(look, now_ms, &door);
        }
        let restarted = door.tick(now_ms, look, &world);
        if restarted {
            counts.restarts += 1;
            model.restart();
        }
        let forced = |event: &Event| matches!(event, Event::ForcedOpen { .. });
        let forced = door.told().iter().any(forced);
        counts.forced_open += u64::from(forced);
        let told = world
            .contacts
            .check(now_ms, door.runs() && !restarted, forced);
        let rule = told.and_then(|()| model.check(now_ms, &world, &door));
        let excused = rule.map_err(|why| format!("day {seed}, {now_ms} ms: {why}"))?;
        counts.excused += u64::from(excused);
        counts.ticks += 1;
    }
    counts.releases = world.pin.releases();
    Ok(counts)
}

#[test]
fn through_days_of_faults_the_lock_is_released_only_as_the_rule_says() {
    let mut sum = Counts::default();
    for seed in 0..DAYS {
        let day = live(seed, None).unwrap();
        sum.ticks += day.ticks;
        sum.frames += day.frames;
        sum.releases += day.releases;
        sum.camera_faults += day.camera_faults;
        sum.clock_jumps += day.clock_jumps;
        sum.pin_faults += day.pin_faults;
        sum.event_faults += day.event_faults;
        sum.contact_faults += day.contact_faults;
        sum.forced_open += day.forced_open;
        sum.restarts += day.restarts;
        sum.excused += day.excused;
    }
    eprintln!("{DAYS} days: {sum:?}");
    // It was a day with something in it.
    assert!(sum.ticks > DAYS * 600_000 && sum.releases > DAYS * 100);
    let faults = [
        sum.camera_faults,
        sum.clock_jumps,
        sum.pin_faults,
        sum.event_faults,
        sum.contact_faults,
        sum.forced_open,
        sum.restarts,
    ];
    assert!(faults.iter().all(|fault| *fault > DAYS * 10), "{sum:?}");
}

/// The rule that a door breaks for want of one of its parts.
fn check_broken(broken: Broken, needle: &str) {
    let mut days = (0..DAYS).map(|seed| live(seed, Some(broken)));
    let found = days.find_map(Result::err);
    let found = found.unwrap_or_else(|| panic!("{broken:?} was not noticed"));
    assert!(found.contains(needle), "{broken:?}: {found}");
    eprintln!("{broken:?}: {found}");
}

#[test]
fn a_door_that_breaks_the_rule_is_found_out() {
    check_broken(Broken::OneFrameFewer, "frames agree");
    check_broken(Broken::LongerWindow, "frames agree");
    check_broken(Broken::NoSchedules, "may not come in");
    check_broken(Broken::NoLockout, "not locked out after 3 refusals");
    check_broken(Broken::NoChallenge, "did not turn");
    check_broken(Broken::OnePerson, "a second person");
    check_broken(Broken::RemembersOverJumps, "may not come in");
    check_broken(Broken::LongerHold, "longer than");
    check_broken(Broken::LeavesReleasedAtTheEnd, "nothing runs");
    check_broken(Broken::ButtonUpsideDown, "for nobody");
    check_broken(Broken::DeadSensor, "nobody is told");
}
