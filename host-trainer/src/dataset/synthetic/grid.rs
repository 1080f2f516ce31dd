//! What varies slowly over the frame is worked out at every fourth pixel and filled in between.

use super::{FRAME_HEIGHT, FRAME_WIDTH};
use shared::align::Point;

/// Pixels from point to point, each way; divides both sides of the frame.
const STEP: usize = 4;
const COLUMNS: usize = FRAME_WIDTH as usize / STEP + 1;
const ROWS: usize = FRAME_HEIGHT as usize / STEP + 1;
const _: () = assert!((COLUMNS - 1) * STEP == FRAME_WIDTH as usize);
const _: () = assert!((ROWS - 1) * STEP == FRAME_HEIGHT as usize);

/// `value` at every pixel of the frame, rows from the top. It is given pixels.
pub(super) fn fill<const N: usize>(value: impl Fn(Point) -> [f32; N]) -> Vec<[f32; N]> {
    let points = (0..COLUMNS * ROWS).map(|i| {
        let (column, row) = (i % COLUMNS * STEP, i / COLUMNS * STEP);
        value(Point::new(column as f32, row as f32))
    });
    let grid: Vec<[f32; N]> = points.collect();
    let mut pixels = Vec::with_capacity((FRAME_WIDTH * FRAME_HEIGHT) as usize);
    let mut line = [[0.0; N]; COLUMNS];
    for y in 0..FRAME_HEIGHT as usize {
        let above = &grid[y / STEP * COLUMNS..][..COLUMNS];
        let below = &grid[(y / STEP + 1) * COLUMNS..][..COLUMNS];
        for (point, (a, b)) in line.iter_mut().zip(above.iter().zip(below)) {
            *point = between(a, b, (y % STEP) as f32 / STEP as f32);
        }
        for pair in line.windows(2) {
            pixels.extend((0..STEP).map(|x| between(&pair[0], &pair[1], x as f32 / STEP as f32)));
        }
    }
    pixels
}

fn between<const N: usize>(a: &[f32; N], b: &[f32; N], t: f32) -> [f32; N] {
    std::array::from_fn(|i| a[i] + t * (b[i] - a[i]))
}
