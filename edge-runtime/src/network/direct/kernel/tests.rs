use super::*;
use proptest::prelude::*;

/// Numbers that are sums of few powers of two, so that their products and sums are exact.
fn numbers(len: usize, seed: usize) -> Vec<f32> {
    let number = |i: usize| ((i * 7 + seed * 13 + i / 11) % 9) as f32 / 4.0 - 1.0;
    (0..len).map(number).collect()
}

/// What vectors of this processor there are, and of those before it.
fn levels() -> Vec<Level> {
    let level = Level::new();
    #[cfg(target_arch = "x86_64")]
    let all = [
        level.as_sse2().map(Level::Sse2),
        level.as_sse4_2().map(Level::Sse4_2),
        level.as_avx2().map(Level::Avx2),
        Some(level),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let all = [Some(level)];
    all.into_iter().flatten().collect()
}

/// By the definition, one number after the other; weights as they are packed.
fn plain(layer: &Layer<'_>, pixels: &[f32]) -> Vec<f32> {
    let g = &layer.geometry;
    let ([rows, columns, inputs], [height, width]) = (g.input, g.output().unwrap());
    let packed = layer.bias.len();
    let pixel = |y: usize, x: usize, channel: usize| {
        let (y, x) = (y.checked_sub(g.pads[0])?, x.checked_sub(g.pads[1])?);
        let inside = y < rows && x < columns;
        inside.then(|| pixels[(y * columns + x) * inputs + channel])
    };
    let weight = |ky: usize, kx: usize, input: usize, channel: usize| {
        let place = ky * g.kernel[1] + kx;
        if g.depthwise {
            return layer.weights[place * packed + channel];
        }
        let (block, within) = (channel / BLOCK * BLOCK, channel % BLOCK);
        let wide = BLOCK.min(packed - block);
        let all = g.kernel[0] * g.kernel[1] * inputs;
        layer.weights[block * all + (place * inputs + input) * wide + within]
    };
    let mut out = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        for channel in 0..g.channels {
            let mut sum = layer.bias[channel];
            for (ky, kx) in (0..g.kernel[0]).flat_map(|y| (0..g.kernel[1]).map(move |x| (y, x))) {
                let all = if g.depthwise {
                    channel..channel + 1
                } else {
                    0..inputs
                };
                for input in all {
                    let (y, x) = (y * g.stride[0] + ky, x * g.stride[1] + kx);
                    let pixel = pixel(y, x, input).unwrap_or(0.0);
                    sum += pixel * weight(ky, kx, input, channel);
                }
            }
            let active = match layer.activation {
                Activation::None => sum,
                Activation::Slopes(slopes) if sum < 0.0 => sum * slopes[channel],
                Activation::Slopes(_) => sum,
                Activation::Clip(low, high) => sum.clamp(low, high),
            };
            out.push(active + layer.residual.map_or(0.0, |r| r[out.len()]));
        }
    }
    out
}

fn check(geometry: Geometry, activation: usize, residual: bool) {
    let packed = geometry.channels.next_multiple_of(LANES);
    let inputs = if geometry.depthwise {
        1
    } else {
        geometry.input[2]
    };
    let weights = numbers(
        packed * inputs * geometry.kernel.iter().product::<usize>(),
        1,
    );
    let (bias, slopes) = (numbers(packed, 2), vec![0.25; packed]);
    let pixels = numbers(geometry.input.iter().product(), 3);
    let len = geometry.output().unwrap().iter().product::<usize>() * geometry.channels;
    let more = numbers(len, 4);
    let layer = Layer {
        geometry,
        weights: &weights,
        bias: &bias,
        activation: [
            Activation::None,
            Activation::Slopes(&slopes),
            Activation::Clip(-0.5, 2.0),
        ][activation],
        residual: residual.then_some(&more),
    };
    let expected = plain(&layer, &pixels);
    for level in levels() {
        let mut out = vec![0.0; len];
        convolve_with(level, &layer, &pixels, &mut out);
        assert!(out == expected, "{level:?}, {geometry:?}");
    }
}

fn geometries() -> impl Strategy<Value = Geometry> {
    let side = 1..=3_usize;
    let (input, kernel) = ([3..=13_usize, 3..=13], [side.clone(), side.clone()]);
    let channels = (1..=70_usize, 1..=70_usize, any::<bool>());
    let stride = [side.clone(), side.clone()];
    let pads = [side.clone(), side.clone(), side.clone(), side];
    (input, kernel, channels, stride, pads).prop_map(
        |([rows, columns], kernel, (inputs, channels, depthwise), stride, pads)| Geometry {
            input: [rows, columns, if depthwise { channels } else { inputs }],
            channels,
            kernel,
            stride,
            pads: pads.map(|pad| pad - 1),
            depthwise,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_level_gives_what_the_definition_says(
        geometry in geometries(), activation in 0..3_usize, residual: bool,
    ) {
        check(geometry, activation, residual);
    }
}

#[test]
fn many_weights_are_read_once_with_the_same_result() {
    let geometry = Geometry {
        input: [5, 5, 96],
        channels: 96,
        kernel: [3, 3],
        stride: [1, 1],
        pads: [1; 4],
        depthwise: false,
    };
    check(geometry, 1, true);
}
