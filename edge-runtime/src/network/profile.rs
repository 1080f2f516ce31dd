//! Where the time of a network goes.

use super::Plan;
use super::plan::unsupported;
use crate::memory;
use crate::network::{Convolutions, NetworkError};
use fearless_simd::{Level, dispatch, prelude::*};
use serde::Serialize;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::TDim;
use tract_onnx::tract_core::ops::Cost;
use tract_onnx::tract_core::plan::{SimpleState, eval};

/// Vectors that are summed at the same time, so that none waits for another.
const CHAINS: usize = 12;
/// Steps of one measurement of the peak.
const STEPS: u32 = 100_000;
/// Measurements of the peak; the fastest counts, for other work only slows.
const TRIES: usize = 20;

/// One step of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerTime {
    /// As in the ONNX file, or near it.
    pub name: String,
    /// What the runtime calls it.
    pub operator: String,
    /// Dimensions of its output.
    pub output: Vec<usize>,
    /// Median, milliseconds.
    pub ms: f64,
    /// Multiplications, each with its addition; 0 where it has none, or the runtime does not tell.
    pub multiply_adds: u64,
}

/// A network step by step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// Median of whole runs, without the measuring of steps, milliseconds.
    pub ms: f64,
    /// Memory that loading it took, in MiB, beyond what was free from before; `None` where the
    /// system does not tell.
    pub memory_mib: Option<f64>,
    /// In the order they are computed.
    pub layers: Vec<LayerTime>,
}

impl Plan {
    /// Each step, over so many runs.
    pub(super) fn layers(&self, planes: &[f32], runs: usize) -> TractResult<Vec<LayerTime>> {
        let mut times: BTreeMap<usize, Vec<Duration>> = BTreeMap::new();
        let mut state = SimpleState::new(&self.plan)?;
        for _ in 0..runs {
            let input = Tensor::from_shape(&self.shape, planes)?;
            state.run_plan_with_eval(tvec!(input.into()), |context, op, node, inputs| {
                let begun = Instant::now();
                let outputs = eval(context, op, node, inputs);
                times.entry(node.id).or_default().push(begun.elapsed());
                outputs
            })?;
        }
        let model = self.plan.model();
        let order = model.eval_order()?.into_iter();
        let mut layer = |id: usize| -> TractResult<Option<LayerTime>> {
            let Some(times) = times.get_mut(&id) else {
                return Ok(None);
            };
            let (node, facts) = (model.node(id), model.node_input_facts(id)?);
            let costs = node.op.cost(&facts)?;
            let multiply_adds = costs
                .into_iter()
                .filter(|(kind, _)| matches!(kind, Cost::FMA(_)));
            let multiply_adds: TDim = multiply_adds.map(|(_, count)| count).sum();
            let shape = node
                .outputs
                .first()
                .and_then(|o| o.fact.shape.as_concrete());
            Ok(Some(LayerTime {
                name: node.name.clone(),
                operator: node.op.name().into_owned(),
                output: shape.unwrap_or_default().into(),
                ms: median(times),
                multiply_adds: multiply_adds.to_i64().unwrap_or(0).try_into().unwrap_or(0),
            }))
        };
        order.filter_map(|id| layer(id).transpose()).collect()
    }
}

fn noise(len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| (i * 7919 % 255) as f32 / 127.5 - 1.0)
        .collect()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    1e3 * times[times.len() / 2].as_secs_f64()
}

/// A network to be profiled.
pub struct Profiler {
    plan: Plan,
    memory_mib: Option<f64>,
}

impl Profiler {
    /// Loads a network, [`super::Convolutions`] computed one way or the other, and runs it once.
    ///
    /// # Errors
    /// [`NetworkError`] if it does not take `shape`, or does not run.
    pub fn load(
        model: &[u8],
        shape: [usize; 4],
        convolutions: Convolutions,
    ) -> Result<Self, NetworkError> {
        let before = memory::mib(memory::ANONYMOUS);
        let plan = Plan::build(model, shape, convolutions)?;
        let after = memory::mib(memory::ANONYMOUS);
        let memory_mib = before.zip(after).map(|(before, after)| after - before);
        Ok(Self { plan, memory_mib })
    }

    /// Runs the network `runs` times on noise, and as often again step by step.
    ///
    /// # Errors
    /// [`NetworkError::Unsupported`].
    ///
    /// # Panics
    /// If `runs` is 0.
    pub fn run(&self, runs: usize) -> Result<Profile, NetworkError> {
        let planes = noise(self.plan.shape.iter().product());
        let mut whole = Vec::with_capacity(runs);
        for _ in 0..runs {
            let begun = Instant::now();
            self.plan.run(&planes)?;
            whole.push(begun.elapsed());
        }
        Ok(Profile {
            ms: median(&mut whole),
            memory_mib: self.memory_mib,
            layers: self.plan.layers(&planes, runs).map_err(unsupported)?,
        })
    }
}

/// The most 32-bit multiplications with their additions that a core of this processor makes in a
/// second, measured: independent sums in registers and nothing else.
pub fn peak_multiply_adds_per_s() -> f64 {
    let level = Level::new();
    let once = |_| {
        let begun = Instant::now();
        let lanes = dispatch!(level, simd => sums(simd, black_box(1e-9)));
        lanes as f64 / begun.elapsed().as_secs_f64()
    };
    let fastest = (0..TRIES).map(once).fold(0.0, f64::max);
    f64::from(STEPS) * CHAINS as f64 * fastest
}

/// How many numbers were summed at a time.
#[inline(always)]
fn sums<S: Simd>(simd: S, factor: f32) -> usize {
    let factor = S::f32s::splat(simd, factor);
    let mut sums = [S::f32s::splat(simd, 1.0); CHAINS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = factor.mul_add(factor, *sum);
        }
    }
    black_box(sums);
    S::f32s::LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_more_than_one_and_less_than_a_thousand_in_a_nanosecond() {
        let peak = peak_multiply_adds_per_s();
        assert!((1e8..1e12).contains(&peak), "{peak}");
    }
}
