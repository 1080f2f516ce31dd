use super::*;
use crate::quality::yaw;
use Observation::{Match, Nobody, Stranger};
use proptest::prelude::*;
use shared::align::{AlignTemplate, Landmarks, Point};

const RULE: ChallengeRule = ChallengeRule {
    within: Duration::from_secs(5),
    turned: 0.2,
    frontal: 0.08,
};

/// The last progress of frames 300 ms apart; the asked side is the left.
fn after(frames: &[(Observation<u8>, f32)]) -> Progress {
    let mut challenge = Challenge::new(RULE, 1, Side::Left, Duration::ZERO);
    let mut progress = Progress::LookAhead;
    for (i, (seen, turn)) in frames.iter().enumerate() {
        let now = Duration::from_millis(300 * i as u64);
        progress = challenge.step(now, seen, Some(*turn));
        if progress == Progress::Failed {
            break;
        }
    }
    progress
}

fn of_one(turns: &[f32]) -> Progress {
    let frames: Vec<_> = turns.iter().map(|turn| (Match(1), *turn)).collect();
    after(&frames)
}

#[test]
fn the_asked_turn_and_nothing_else_passes() {
    assert_eq!(of_one(&[0.0, 0.1, 0.25, 0.1, 0.0]), Progress::Passed);
    assert_eq!(of_one(&[0.3, 0.0, 0.3, 0.0]), Progress::Passed);
    // Still, trembling, begun aside, not come back, the other way first.
    assert_eq!(of_one(&[0.0; 9]), Progress::Turn(Side::Left));
    assert_eq!(of_one(&[0.0, 0.15, -0.15, 0.0]), Progress::Turn(Side::Left));
    assert_eq!(of_one(&[0.3, 0.3]), Progress::LookAhead);
    assert_eq!(of_one(&[0.3, 0.3, 0.0]), Progress::Turn(Side::Left));
    assert_eq!(of_one(&[0.0, 0.3, 0.3]), Progress::LookAhead);
    assert_eq!(of_one(&[0.0, -0.3, 0.3, 0.0]), Progress::Failed);
    // Too late.
    assert_eq!(of_one(&[0.0; 18]), Progress::Failed);
}

#[test]
fn it_is_one_person_throughout() {
    let around = |between: &[Observation<u8>]| {
        let mut frames = vec![(Match(1), 0.0), (Match(1), 0.3)];
        frames.extend(between.iter().map(|seen| (*seen, 0.0)));
        frames.push((Match(1), 0.0));
        after(&frames)
    };
    assert_eq!(around(&[]), Progress::Passed);
    assert_eq!(around(&[Nobody; 5]), Progress::Passed);
    assert_eq!(around(&[Nobody; 6]), Progress::Failed);
    assert_eq!(around(&[Stranger]), Progress::Failed);
    assert_eq!(around(&[Match(2)]), Progress::Failed);
}

#[test]
fn a_head_turned_too_far_to_be_recognized_has_turned_but_is_nobodys() {
    let frames = |frames: &[(bool, f32)]| {
        let seen = |known| if known { Match(1) } else { Nobody };
        after(
            &frames
                .iter()
                .map(|(known, turn)| (seen(*known), *turn))
                .collect::<Vec<_>>(),
        )
    };
    let (front, far) = ((true, 0.0), (false, 0.9));
    // Recognized on the way there, or on the way back.
    assert_eq!(frames(&[front, (true, 0.3), far, front]), Progress::Passed);
    assert_eq!(frames(&[front, far, (true, 0.3), front]), Progress::Passed);
    assert_eq!(frames(&[front, far]), Progress::LookAhead);
    // A photograph, another's head, the photograph again.
    assert_eq!(frames(&[front, far, front]), Progress::Turn(Side::Left));
    assert_eq!(
        frames(&[front, far, far, front, far, front]),
        Progress::Turn(Side::Left)
    );
    // Straight ahead counts only of the person, too.
    assert_eq!(
        frames(&[(false, 0.0), (true, 0.3), front]),
        Progress::Turn(Side::Left)
    );
    assert_eq!(
        frames(&[front, (true, 0.3), (false, 0.0)]),
        Progress::LookAhead
    );
    assert_eq!(
        frames(&[front, (false, -0.9), (true, 0.3), front]),
        Progress::Failed
    );
}

/// How a flat photograph is held: turned about its two axes (radians), rolled, and how far from
/// the camera, in distances of the eyes on it.
type Held = (f32, f32, f32, f32);

fn held() -> impl Strategy<Value = Held> {
    (-1.0..1.0_f32, -0.7..0.7_f32, -0.6..0.6_f32, 6.0..40.0_f32)
}

/// What a pinhole camera sees of the landmarks on that photograph.
fn seen(photograph: &Landmarks, (about_y, about_x, roll, distance): Held) -> Landmarks {
    let [right_eye, left_eye, ..] = photograph.0;
    let eyes_px = left_eye.x - right_eye.x;
    Landmarks(photograph.0.map(|p| {
        let (x, y) = ((p.x - 56.0) / eyes_px, (p.y - 70.0) / eyes_px);
        let (x, y) = (
            x * roll.cos() - y * roll.sin(),
            x * roll.sin() + y * roll.cos(),
        );
        let (x, z) = (x * about_y.cos(), x * about_y.sin());
        let (y, z) = (
            y * about_x.cos() - z * about_x.sin(),
            y * about_x.sin() + z * about_x.cos(),
        );
        let scale = 600.0 / (distance + z);
        Point::new(320.0 + scale * x, 240.0 + scale * y)
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    /// However it is held, moved and turned, and however the face on it looks; the landmarks are
    /// found to 2 % of the distance of the eyes.
    #[test]
    fn no_still_photograph_passes(
        shows in -0.5..0.5_f32,
        frames in prop::collection::vec((held(), -0.02..0.02_f32, any::<bool>()), 3..60),
        left in any::<bool>(),
    ) {
        let mut photograph = AlignTemplate::Arcface112x112.landmarks();
        photograph.0[2].x += shows * (photograph.0[1].x - photograph.0[0].x);
        let side = if left { Side::Left } else { Side::Right };
        let mut challenge = Challenge::new(RULE, 1, side, Duration::ZERO);
        for (i, (held, error, recognized)) in frames.into_iter().enumerate() {
            let turn = yaw(&seen(&photograph, held)).map(|turn| turn + error);
            let who = if recognized { Match(1) } else { Nobody };
            let now = Duration::from_millis(80 * i as u64);
            let progress = challenge.step(now, &who, turn);
            prop_assert!(progress != Progress::Passed);
            if progress == Progress::Failed {
                break;
            }
        }
    }
}
