//! Batch norm whose statistics are of several processes.

use super::told;
use crate::distributed;
use std::ffi::c_void;
use tch::Tensor;

unsafe extern "C" {
    fn facelatch_normalize(
        input: *mut c_void,
        weight: *mut c_void,
        bias: *mut c_void,
        mean: *mut c_void,
        variance: *mut c_void,
        epsilon: f64,
        count: f64,
        sum: extern "C" fn(*mut f32, i64),
    ) -> i32;
}

/// Of each channel over the batches of all processes.
pub(crate) struct Statistics {
    /// `[C]` f32.
    pub(crate) mean: Tensor,
    /// `[C]` f32, biased.
    pub(crate) variance: Tensor,
    /// Numbers that each was computed from.
    pub(crate) count: f64,
}

/// Batch norm of `[B, C, H, W]`; its gradient takes in that the statistics hang on the input.
pub(crate) fn normalize(
    input: &Tensor,
    [weight, bias]: [&Tensor; 2],
    of: &Statistics,
    epsilon: f64,
) -> Tensor {
    let mut result = input.shallow_clone();
    let mut others = [weight, bias, &of.mean, &of.variance].map(Tensor::shallow_clone);
    let [weight, bias, mean, variance] = others.each_mut().map(|t| t.as_mut_ptr().cast());
    // SAFETY: the pointers are the `at::Tensor*` that tch owns through `result` and `others`, alive
    // until the call returns; the first is assigned a new value in place and stays owned. What
    // backward needs is kept by libtorch itself.
    told(unsafe {
        facelatch_normalize(
            result.as_mut_ptr().cast(),
            weight,
            bias,
            mean,
            variance,
            epsilon,
            of.count,
            sum,
        )
    });
    result
}

/// For backward.
extern "C" fn sum(values: *mut f32, len: i64) {
    // SAFETY: libtorch's tensor of `len` contiguous numbers, which nobody else uses meanwhile.
    distributed::sum(unsafe { std::slice::from_raw_parts_mut(values, len as usize) });
}
