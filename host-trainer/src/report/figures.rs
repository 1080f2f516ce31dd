//! Numbers as people read them.

/// `707850` is `707,850`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let (first, rest) = digits.split_at(head);
    let groups = rest.as_bytes().chunks(3).map(String::from_utf8_lossy);
    let first = Some(first).filter(|head| !head.is_empty());
    let parts: Vec<_> = first.map(Into::into).into_iter().chain(groups).collect();
    parts.join(",")
}

/// A number with at most three digits that count: `0.012345` is `0.0123`.
pub(crate) fn rounded(number: f64) -> String {
    let size = number.abs().max(1e-12).log10().floor() as i64;
    let digits = (2 - size).clamp(1, 12) as usize;
    trimmed(format!("{number:.digits$}"))
}

/// A share as a percentage: `0.0312` is `3.12%`.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    // Three digits would not tell 99.98% from 100%.
    let is_nearly_all = (99.0..100.0).contains(&value);
    let text = if is_nearly_all {
        trimmed(format!("{value:.2}"))
    } else {
        rounded(value)
    };
    format!("{text}%")
}

/// Without the zeros that end a decimal fraction.
fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A rate as odds: `0.001` is `1 in 1,000`.
pub(crate) fn odds(rate: f64) -> String {
    if rate <= 0.0 {
        return "none".to_owned();
    }
    format!("1 in {}", count((1.0 / rate).round() as u64))
}

/// A cosine with three decimals and a real minus sign.
pub(crate) fn score(cosine: f64) -> String {
    format!("{cosine:.3}").replace('-', "\u{2212}")
}

/// A score at an axis, with one decimal; zero has no sign.
pub(crate) fn tick(cosine: f64) -> String {
    let rounded = (cosine * 10.0).round() / 10.0 + 0.0;
    format!("{rounded:.1}").replace('-', "\u{2212}")
}

/// Seconds as `12 s`, `5 min 13 s` or `1 h 02 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Milliseconds since the scene began, in seconds: `120` is `0.12 s`.
pub(crate) fn moment(at_ms: f64) -> String {
    format!("{:.2} s", at_ms / 1000.0)
}

/// A power of ten: `-3` is `10⁻³`.
pub(crate) fn power_of_ten(exponent: i64) -> String {
    let raised = |digit: char| match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
    };
    match exponent {
        0 => "1".to_owned(),
        _ => format!(
            "10{}",
            exponent.to_string().chars().map(raised).collect::<String>()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let counts = [0, 12, 300, 6_000, 707_850, 1_000_000].map(count);
        assert_eq!(counts, ["0", "12", "300", "6,000", "707,850", "1,000,000"]);
        let shares = [0.0, 1.0, 0.95, 0.0312, 0.000_01, 0.9998, 0.995].map(percent);
        assert_eq!(
            shares,
            ["0%", "100%", "95%", "3.12%", "0.001%", "99.98%", "99.5%"]
        );
        let numbers = [0.1, 6.1728e-5, 12.5, 1_000.0, 0.0].map(rounded);
        assert_eq!(numbers, ["0.1", "0.0000617", "12.5", "1000", "0"]);
        assert_eq!([0.001, 0.0].map(odds), ["1 in 1,000", "none"]);
        let durations = [12.4, 312.5, 3_720.0].map(duration);
        assert_eq!(durations, ["12 s", "5 min 13 s", "1 h 02 min"]);
        assert_eq!([-3, 0, -12].map(power_of_ten), ["10⁻³", "1", "10⁻¹²"]);
        assert_eq!(score(-0.0417), "−0.042");
        assert_eq!([-0.4, -1e-17, 0.2].map(tick), ["−0.4", "0.0", "0.2"]);
    }
}
