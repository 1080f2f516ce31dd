use super::*;

const DOOR: &str = r#"
driver = "simulated"
active_level = "high"
hold_ms = 3000
[sensor]
active_level = "high"
held_open_ms = 10000
held_open_again_ms = 20000
relock_when_closed = true
[exit_button]
active_level = "low"
[tamper]
active_level = "high"
"#;

/// A door that is watched every 10 ms.
struct Watched {
    monitor: Monitor,
    now_ms: u64,
    released_until_ms: Option<u64>,
    readings: Readings,
    /// What was told, with the time; releases and relocks besides.
    told: Vec<String>,
}

fn reading(active: bool) -> Reading {
    Some(Ok(active))
}

fn watched() -> Watched {
    let mut watched = Watched {
        monitor: Monitor::new(&toml::from_str(DOOR).unwrap()),
        now_ms: 0,
        released_until_ms: None,
        readings: Readings {
            sensor: reading(false),
            exit_button: reading(false),
            tamper: reading(false),
        },
        told: Vec::new(),
    };
    watched.pass(1000);
    watched.expect(&[]);
    watched
}

impl Watched {
    fn step(&mut self) {
        if self
            .released_until_ms
            .is_some_and(|until| self.now_ms >= until)
        {
            self.released_until_ms = None;
        }
        let released = self.released_until_ms.map(Duration::from_millis);
        let now = Duration::from_millis(self.now_ms);
        let (wish, events) = self.monitor.step(now, self.readings.clone(), released);
        let lines = events.iter().map(|event| event.to_string());
        self.told.extend(lines.map(|line| line.trim().to_owned()));
        match wish {
            Wish::Keep => {}
            Wish::Relock => {
                if self.released_until_ms.take().is_some() {
                    self.told.push(format!("{} ms  relock", self.now_ms));
                }
            }
            Wish::Release => {
                self.released_until_ms.get_or_insert(self.now_ms + 3000);
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.step();
            self.now_ms += 10;
        }
    }

    /// For a face.
    fn release(&mut self) {
        self.released_until_ms = Some(self.now_ms + 3000);
    }

    fn open(&mut self, open: bool) {
        self.readings.sensor = reading(open);
    }

    fn press(&mut self, pressed: bool) {
        self.readings.exit_button = reading(pressed);
    }

    /// What was told since the last time.
    fn expect(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.told), expected);
    }
}

#[test]
fn whoever_leaves_presses_the_button_and_closes_the_door() {
    let mut door = watched();
    door.press(true);
    door.pass(300);
    door.press(false);
    door.pass(200);
    door.open(true);
    door.pass(500);
    door.open(false);
    door.pass(500);
    door.expect(&[
        "1050 ms  RELEASED from inside, 3000 ms",
        "1550 ms  door opened",
        "2050 ms  door closed after 550 ms",
        "2050 ms  relock",
    ]);
    // The next one is not let through by a button that is still pressed.
    door.press(true);
    door.pass(5000);
    door.expect(&["2550 ms  RELEASED from inside, 3000 ms"]);
}

#[test]
fn a_press_does_not_lengthen_a_release() {
    let mut door = watched();
    door.release();
    door.pass(2000);
    door.press(true);
    door.pass(500);
    door.expect(&["3050 ms  RELEASED from inside, 950 ms"]);
}

#[test]
fn a_button_that_is_pressed_from_the_start_is_no_press() {
    let mut door = watched();
    door.monitor = Monitor::new(&toml::from_str(DOOR).unwrap());
    door.press(true);
    door.pass(59_000);
    door.expect(&[]);
    door.pass(2000);
    door.expect(&["61000 ms  fault of exit_button: it has been pressed for 60 s"]);
    door.press(false);
    door.pass(1000);
    door.press(true);
    door.pass(1000);
    door.expect(&[
        "62050 ms  exit_button works again",
        "63050 ms  RELEASED from inside, 3000 ms",
    ]);
}

#[test]
fn a_door_that_opens_while_locked_is_forced() {
    let mut door = watched();
    door.open(true);
    door.pass(1000);
    door.open(false);
    door.pass(1000);
    door.expect(&[
        "1050 ms  ALARM: door forced open",
        "2050 ms  door closed after 1050 ms",
    ]);
    // Released only after it had begun to open.
    door.open(true);
    door.pass(20);
    door.release();
    door.pass(1000);
    door.expect(&["3050 ms  ALARM: door forced open"]);
}

#[test]
fn a_door_that_opens_just_as_the_lock_locks_is_not_forced() {
    for (after_ms, expected) in [(400, "door opened"), (600, "ALARM: door forced open")] {
        let mut door = watched();
        door.release();
        door.pass(3000 + after_ms);
        door.open(true);
        door.pass(100);
        door.expect(&[&format!("{} ms  {expected}", 4050 + after_ms)]);
    }
}

#[test]
fn a_door_that_is_held_open_is_told_again_and_again() {
    let mut door = watched();
    door.release();
    door.open(true);
    door.pass(50_000);
    door.open(false);
    door.pass(1000);
    door.expect(&[
        "1050 ms  door opened",
        "11000 ms  ALARM: door open for 10000 ms",
        "31000 ms  ALARM: door open for 30000 ms",
        "51000 ms  ALARM: door open for 50000 ms",
        "51050 ms  door closed after 50050 ms",
    ]);
}

#[test]
fn a_door_that_is_open_from_the_start_is_told_and_then_held_open() {
    let mut door = watched();
    door.monitor = Monitor::new(&toml::from_str(DOOR).unwrap());
    door.open(true);
    door.pass(11_000);
    door.expect(&[
        "1050 ms  door opened",
        "11000 ms  ALARM: door open for 10000 ms",
    ]);
}

#[test]
fn somebody_at_the_case_is_told() {
    let mut door = watched();
    door.readings.tamper = reading(true);
    door.pass(1000);
    door.readings.tamper = reading(false);
    door.pass(1000);
    door.expect(&[
        "1050 ms  ALARM: tampered with",
        "2050 ms  not tampered with",
    ]);
}

#[test]
fn a_sensor_that_cannot_be_read_locks_and_the_button_still_works() {
    let mut door = watched();
    door.release();
    door.pass(100);
    door.readings.sensor = Some(Err("no bus".into()));
    door.pass(100);
    door.press(true);
    door.pass(100);
    door.expect(&[
        "1100 ms  fault of sensor: it cannot be read: no bus",
        "1100 ms  relock",
        "1250 ms  RELEASED from inside, 3000 ms",
    ]);
    // Forced while nobody could see it.
    door.pass(4000);
    door.open(true);
    door.pass(1500);
    door.expect(&[
        "6300 ms  ALARM: door forced open",
        "6300 ms  sensor works again",
    ]);
}

#[test]
fn a_button_that_cannot_be_read_never_releases() {
    let mut door = watched();
    door.readings.exit_button = Some(Err("no bus".into()));
    door.pass(1000);
    door.press(true);
    door.pass(3000);
    door.expect(&[
        "1000 ms  fault of exit_button: it cannot be read: no bus",
        "3000 ms  exit_button works again",
    ]);
}

#[test]
fn a_clock_that_jumps_locks_and_a_press_before_it_is_none() {
    for (jump_ms, reason) in [
        (-500_i64, "the clock ran back by 490 ms"),
        (7000, "no contact was read for 7010 ms"),
    ] {
        let mut door = watched();
        door.release();
        door.press(true);
        door.pass(30);
        door.now_ms = door.now_ms.checked_add_signed(jump_ms).unwrap();
        let at = door.now_ms;
        door.released_until_ms = Some(at + 1000);
        door.pass(1000);
        door.expect(&[
            &format!("{at} ms  fault of clock: {reason}"),
            &format!("{at} ms  relock"),
            &format!("{} ms  clock works again", at + 10),
        ]);
    }
}
