//! Directions in three dimensions, and how far people lie apart in them.

/// A point or a direction.
pub(super) type Vector = [f64; 3];

pub(super) fn dot(a: &Vector, b: &Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norm(a: &Vector) -> f64 {
    dot(a, a).sqrt()
}

/// Of length 1; zero stays zero.
pub(super) fn unit(a: &Vector) -> Vector {
    let length = norm(a).max(1e-12);
    a.map(|x| x / length)
}

/// Between two unit vectors, in degrees.
pub(super) fn angle_deg(a: &Vector, b: &Vector) -> f64 {
    dot(a, b).clamp(-1.0, 1.0).acos().to_degrees()
}

/// Where people lie on the sphere.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread {
    /// Mean direction of each person.
    pub(super) centers: Vec<Vector>,
    /// Mean angle of a face to its person's center.
    pub(super) within_deg: f64,
    /// Smallest angle between two centers.
    pub(super) between_deg: f64,
    /// Share of the faces that are nearest to their own person's center.
    pub(super) own_nearest: f64,
}

/// Of unit vectors and the people they are of, `0..n`; at least two people, each with a face.
pub(super) fn spread(directions: &[Vector], people: &[usize]) -> Spread {
    let mut sums = vec![[0.0; 3]; people.iter().max().map_or(0, |last| last + 1)];
    for (direction, person) in directions.iter().zip(people) {
        (0..3).for_each(|i| sums[*person][i] += direction[i]);
    }
    let centers: Vec<Vector> = sums.iter().map(unit).collect();
    let faces = || directions.iter().zip(people);
    let nearest = |face: &Vector| {
        let angles = centers
            .iter()
            .map(|center| angle_deg(face, center))
            .enumerate();
        angles
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(person, _)| person)
    };
    let own = faces().filter(|(face, person)| nearest(face) == Some(**person));
    let pairs = (0..centers.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    Spread {
        within_deg: faces()
            .map(|(face, person)| angle_deg(face, &centers[*person]))
            .sum::<f64>()
            / directions.len() as f64,
        between_deg: pairs
            .map(|(a, b)| angle_deg(&centers[a], &centers[b]))
            .fold(180.0, f64::min),
        own_nearest: own.count() as f64 / directions.len() as f64,
        centers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_those_of_a_drawing() {
        let at = |deg: f64| [deg.to_radians().cos(), deg.to_radians().sin(), 0.0];
        // Two people around 0 and 60 degrees; the last face lies with the wrong one.
        let directions = [-10.0, 10.0, 50.0, 70.0].map(at);
        let found = spread(&directions, &[0, 0, 1, 1]);
        assert!((found.within_deg - 10.0).abs() < 1e-6);
        assert!((found.between_deg - 60.0).abs() < 1e-6);
        assert_eq!(found.own_nearest, 1.0);
        let astray = spread(
            &[0.0, 0.0, 0.0, 90.0, 90.0, 0.0].map(at),
            &[0, 0, 0, 1, 1, 1],
        );
        assert!((astray.own_nearest - 5.0 / 6.0).abs() < 1e-9);
        assert_eq!(unit(&[0.0; 3]), [0.0; 3]);
    }
}
