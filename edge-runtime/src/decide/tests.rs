use super::*;
use Observation::{Match, Nobody, Stranger};
use proptest::prelude::*;

/// 2026-01-05, a Monday, 00:00 UTC.
const MONDAY: i64 = 1_767_571_200;

const ACCESS: &str = r#"
time_zone = "UTC"
schedules.minute = ["mon 00:00-00:01"]
people.b = { schedule = "minute" }
people.c = { valid_until = "2026-01-04" }
"#;

const LOCKOUT: &str =
    "lockout = { refusals = 2, within_ms = 9000, lasts_ms = 3000, at_most_ms = 8000 }\n";
const CHALLENGE: &str = "challenge = { within_ms = 9000, turned = 0.2, frontal = 0.08 }\n";
const TWO: &str = "two_people_within_ms = 8000\n";

fn decision(needed: usize, of_last: usize, window_ms: u64, more: &[&str]) -> Decision {
    let rule = format!(
        "agreeing_frames = {needed}\nof_last_frames = {of_last}\nwindow_ms = {window_ms}\n"
    );
    let policy = toml::from_str(&(rule + &more.concat())).unwrap();
    Decision::new(policy, toml::from_str(ACCESS).unwrap())
}

fn look(at_ms: u64, seen: Observation<&str>, turn: f32) -> Look {
    Look {
        at: Duration::from_millis(at_ms),
        unix_s: MONDAY + (at_ms / 1000) as i64,
        seen: match seen {
            Match(subject) => Match(subject.into()),
            Stranger => Stranger,
            Nobody => Nobody,
        },
        turn: Some(turn),
        side: Side::Left,
    }
}

/// What comes of looks, 500 ms apart: `+` for a release, a refusal, or nothing.
fn outcomes(more: &[&str], looks: &[(Observation<&str>, f32)]) -> Vec<String> {
    let mut decision = decision(2, 3, 2000, more);
    let looks = looks.iter().zip(0..);
    let actions = looks.map(|((seen, turn), i)| decision.step(&look(500 * i, *seen, *turn)));
    let word = |action| match action {
        Action::Release { subject, with } => format!("+{subject}{}", with.unwrap_or_default()),
        Action::Wait { refusal, .. } => refusal.map_or(String::new(), |r| format!("{r:?}")),
    };
    actions.map(word).collect()
}

#[test]
fn two_different_people_must_come_where_two_must() {
    let of = |people: &[&'static str]| {
        let looks: Vec<_> = people.iter().map(|p| (Match(*p), 0.0)).collect();
        outcomes(&[TWO], &looks)
    };
    let second = "NeedsSecondPerson";
    assert_eq!(of(&["a", "a", "d", "d"]), ["", second, "", "+da"]);
    assert_eq!(of(&["a", "a", "a", "a"]), ["", second, "", second]);
    // Whoever is not valid is no second person.
    assert_eq!(
        of(&["a", "a", "c", "c"]),
        ["", second, "Expired", "Expired"]
    );
}

#[test]
fn the_first_of_two_people_is_forgotten_in_time_and_with_the_end_of_the_schedule() {
    let second_at = |first: &str, at_ms, second_ms| {
        let mut decision = decision(1, 1, 1000, &[TWO]);
        let passed = decision.step(&look(at_ms, Match(first), 0.0));
        assert!(passed == wait(1, Refusal::NeedsSecondPerson));
        let action = decision.step(&look(second_ms, Match("d"), 0.0));
        matches!(action, Action::Release { .. })
    };
    assert!(second_at("a", 0, 8000));
    assert!(!second_at("a", 0, 8001));
    assert!(second_at("b", 58_000, 59_000));
    assert!(!second_at("b", 58_000, 60_000));
}

#[test]
fn a_head_that_turns_as_asked_opens() {
    let of = |turns: &[f32]| {
        let looks: Vec<_> = turns.iter().map(|turn| (Match("a"), *turn)).collect();
        outcomes(&[CHALLENGE, LOCKOUT], &looks).join(" ")
    };
    let asked = " TurnLeft TurnLeft";
    assert_eq!(
        of(&[0.0, 0.0, 0.0, 0.3, 0.0]),
        format!("{asked} LookAhead +a")
    );
    // A held-up photograph, and a turn to the other side.
    assert!(!of(&[0.0; 40]).contains('+'));
    assert_eq!(
        of(&[0.0, 0.0, 0.0, -0.3, 0.0]),
        format!("{asked} TurnFailed ")
    );
}

#[test]
fn frames_from_before_the_challenge_do_not_count() {
    let opens = |needed| {
        let mut decision = decision(needed, 9, 60_000, &[CHALLENGE]);
        let turns = [&vec![0.0; needed][..], &[0.3, 0.0]].concat();
        let looks = turns
            .iter()
            .zip(0..)
            .map(|(turn, i)| look(500 * i, Match("a"), *turn));
        let last = looks.map(|look| decision.step(&look)).last().unwrap();
        matches!(last, Action::Release { .. })
    };
    // The turn and the look ahead after it are two frames.
    assert!(opens(2) && !opens(3));
}

#[test]
fn a_head_turned_so_far_that_it_is_not_recognized_is_no_stranger() {
    let of = |looks: &[(Observation<&str>, f32)]| {
        let before = [(Match("a"), 0.0); 2];
        outcomes(&[CHALLENGE, LOCKOUT], &[&before, looks].concat())[2..].join(" ")
    };
    let (aside, front) = ((Match("a"), 0.3), (Match("a"), 0.0));
    for unknown in [Stranger, Nobody] {
        let far = (unknown, 0.5);
        assert_eq!(
            of(&[far, aside, far, far, front, front]),
            "LookAhead LookAhead LookAhead LookAhead  +a"
        );
        // They do not agree with anybody, nor do they pass for the person's.
        assert!(!of(&[far, far, front, far, far, front]).contains('+'));
    }
    assert_eq!(of(&[aside, (Stranger, 0.0)]), "LookAhead TurnFailed");
    // Nobody else may come between, not even someone who may not come in.
    assert_eq!(of(&[aside, (Match("d"), 0.3)]), "LookAhead TurnFailed");
    assert_eq!(of(&[aside, (Match("c"), 0.3), front]), "LookAhead Expired ");
}

#[test]
fn strangers_lock_everybody_out() {
    let looks = [&[(Stranger, 0.0); 4][..], &[(Match("a"), 0.0); 9]].concat();
    let said = outcomes(&[LOCKOUT], &looks);
    assert_eq!(said[..4], ["", "", "", "LockedOut"]);
    assert!(said[4..9].iter().all(|word| word == "LockedOut"));
    assert_eq!(said[9..], ["", "+a", "", "+a"]);
}

#[test]
fn impossible_policies_are_refused() {
    let check = |more: &str, needle: &str| {
        let rule = "agreeing_frames = 2\nof_last_frames = 3\nwindow_ms = 9\n";
        let error = toml::from_str::<Policy>(&format!("{rule}{more}")).unwrap_err();
        assert!(error.to_string().contains(needle), "{error}");
    };
    check("two_people_within_ms = 0", "two_people_within_ms is 0");
    check(&LOCKOUT.replace("= 2", "= 0"), "refusals is 0");
    check(&LOCKOUT.replace("9000", "0"), "within_ms is 0");
    check(&LOCKOUT.replace("8000", "2000"), "at_most_ms is less");
    check(&CHALLENGE.replace("9000", "999"), "within_ms is 999");
    check(&CHALLENGE.replace("0.08", "0.11"), "twice frontal");
    check(&CHALLENGE.replace("0.08", "nan"), "twice frontal");
}

/// One look by chance: when since the last one (ms, may be negative), jump of the wall clock
/// (s), who (0 nobody, 1 stranger, then people), turn, side.
type Chance = (i64, i64, u8, f32, bool);

fn chance() -> impl Strategy<Value = Vec<Chance>> {
    let step = prop_oneof![20 => 0..900_i64, 1 => -5000..0_i64, 1 => 900..20_000_i64];
    let jump = prop_oneof![20 => Just(0_i64), 1 => -90_000..90_000_i64];
    let who = prop_oneof![2 => 0..6_u8, 3 => Just(2_u8), 1 => Just(3_u8)];
    let turn = prop_oneof![2 => Just(0.0_f32), 1 => Just(0.3), 1 => Just(-0.3)];
    prop::collection::vec((step, jump, who, turn, any::<bool>()), 1..120)
}

fn looks(chances: &[Chance]) -> Vec<Look> {
    let (mut at, mut unix) = (10_000_i64, MONDAY * 1000);
    let look = |(step, jump, who, turn, left): &Chance| {
        at = (at + step).max(0);
        unix += step + jump * 1000;
        Look {
            at: Duration::from_millis(at as u64),
            unix_s: unix.div_euclid(1000),
            seen: match who {
                0 => Nobody,
                1 => Stranger,
                who => Match(["a", "b", "c", "d"][usize::from(who - 2)].into()),
            },
            turn: Some(*turn),
            side: if *left { Side::Left } else { Side::Right },
        }
    };
    chances.iter().map(look).collect()
}

/// Whether enough of the looks up to the last one agree with `subject`, by the words of the rule.
fn agree(looks: &[Look], subject: &str, needed: usize, of_last: usize, window_ms: u64) -> bool {
    let last = looks.last().unwrap().at;
    let agrees = |look: &&Look| {
        let age = last.checked_sub(look.at);
        look.seen == Match(subject.into())
            && age.is_some_and(|age| age <= Duration::from_millis(window_ms))
    };
    looks.iter().rev().take(of_last).filter(agrees).count() >= needed
}

/// Whether the first look begins a challenge that the looks pass, by the words of the rule.
fn turned(looks: &[Look], subject: &str) -> bool {
    let to_left = if looks[0].side == Side::Left {
        0.3
    } else {
        -0.3
    };
    let within = |look: &&Look| look.at <= looks[0].at + Duration::from_millis(9000);
    let mut turns = looks
        .iter()
        .take_while(within)
        .take_while(|look| match &look.seen {
            Match(person) => person == subject,
            Stranger => look.turn != Some(0.0),
            Nobody => true,
        });
    let mut reaches =
        |turn| turns.any(|look| look.seen == Match(subject.into()) && look.turn == Some(turn));
    reaches(0.0) && reaches(to_left) && reaches(0.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn nothing_opens_but_what_the_policy_says(
        chances in chance(),
        needed in 1..4_usize,
        more in 0..3_usize,
        window in 100..3000_u64,
        policies in 0..8_u8,
    ) {
        let on = |bit: u8, toml| if policies & bit > 0 { toml } else { "" };
        let toml = [on(1, TWO), on(2, LOCKOUT), on(4, CHALLENGE)];
        let of_last = needed + more;
        let looks = looks(&chances);
        let mut decision = decision(needed, of_last, window, &toml);
        let mut again = self::decision(needed, of_last, window, &toml);
        let access: Access = toml::from_str(ACCESS).unwrap();
        let (mut since, mut locked_until) = (0, Duration::ZERO);
        let (mut asked, mut asking) = (None, false);
        for (i, look) in looks.iter().enumerate() {
            let action = decision.step(look);
            // The same looks, the same decisions.
            prop_assert!(action == again.step(look));
            if i > 0 && jumped((looks[i - 1].at, looks[i - 1].unix_s), look) {
                since = i;
                asking = false;
            }
            if let Some(until) = decision.locked_out_until(look.at) {
                locked_until = locked_until.max(until);
            }
            let asks = |refusal: &Refusal| {
                matches!(refusal, Refusal::TurnLeft | Refusal::TurnRight | Refusal::LookAhead)
            };
            let before = std::mem::replace(
                &mut asking,
                matches!(&action, Action::Wait { refusal: Some(refusal), .. } if asks(refusal)),
            );
            if asking && !before {
                asked = Some(i);
            }
            let Action::Release { subject, with } = action else { continue };
            let seen = &looks[since..=i];
            prop_assert!(agree(seen, &subject, needed, of_last, window));
            if policies & 4 > 0 {
                // All of them since the challenge began, in which the head turned as asked.
                let live = &looks[asked.take().unwrap()..=i];
                prop_assert!(agree(&live[1..], &subject, needed, of_last, window));
                prop_assert!(turned(live, &subject));
            }
            prop_assert!(look.at >= locked_until);
            prop_assert_eq!(with.is_some(), policies & 1 > 0);
            for person in with.iter().chain([&subject]) {
                prop_assert!(access.check(person, look.unix_s).is_ok());
                // Each by frames and, where asked, by a turn of their own.
                let mut upto = (1..=seen.len()).map(|n| &seen[..n]);
                prop_assert!(upto.any(|seen| agree(seen, person, needed, of_last, window)));
                let mut from = (0..seen.len()).map(|n| &seen[n..]);
                prop_assert!(policies & 4 == 0 || from.any(|seen| turned(seen, person)));
            }
            prop_assert!(with != Some(subject));
            since = i + 1;
        }
    }
}
