//! The only unsafe code: the C++ that tch lacks, loading the GPU half of libtorch, and files
//! in memory.
#![allow(unsafe_code)] // each block below says why it is sound

mod mapped;
mod normalize;

pub(crate) use mapped::Mapped;
pub(crate) use normalize::{Statistics, normalize};

use std::sync::OnceLock;
use tch::{Device, Tensor};

unsafe extern "C" {
    fn facelatch_autocast_begin(cuda: bool) -> i32;
    fn facelatch_autocast_end(cuda: bool) -> i32;
    fn facelatch_channels_last(tensor: *mut std::ffi::c_void) -> i32;
    fn facelatch_prelu(tensor: *mut std::ffi::c_void, slope: *const std::ffi::c_void) -> i32;
    fn facelatch_keep_memory();
    fn facelatch_allow_tf32(allow: bool) -> i32;
}

/// Where to compute: the first GPU if libtorch finds one, otherwise the CPU.
///
/// The binary is linked against libtorch's CPU half alone; where the GPU half lies beside it, it
/// is loaded here. That must come before the first call of libtorch: it looks for devices once.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    *DEVICE.get_or_init(|| {
        // SAFETY: sets two numbers of the C library's allocator; no pointers.
        unsafe { facelatch_keep_memory() };
        if let Some(library) = load_cuda() {
            // Registered with libtorch for good: unloading it would leave dangling pointers.
            std::mem::forget(library);
        }
        let device = Device::cuda_if_available();
        if device.is_cuda() {
            // SAFETY: sets two flags of libtorch's global context; no pointers.
            told(unsafe { facelatch_allow_tf32(true) });
        }
        device
    })
}

/// # Panics
/// If libtorch threw, as tch's own methods do.
fn told(code: i32) {
    assert_eq!(code, 0, "libtorch refused");
}

fn load_cuda() -> Option<libloading::os::unix::Library> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the library's constructors register kernels with the libtorch that this process
    // links; it is libtorch's own library, made to be loaded so.
    unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) }.ok()
}

/// Runs `body` with bfloat16 autocast on `device`.
pub fn autocast_bf16<T>(device: Device, body: impl FnOnce() -> T) -> T {
    struct End(bool);
    impl Drop for End {
        fn drop(&mut self) {
            // SAFETY: clears this thread's autocast state; no pointers.
            unsafe { facelatch_autocast_end(self.0) };
        }
    }
    // SAFETY: sets this thread's autocast state; no pointers.
    told(unsafe { facelatch_autocast_begin(device.is_cuda()) });
    let _end = End(device.is_cuda());
    body()
}

/// The same values with the channels innermost in memory; `[B, C, H, W]`.
pub fn channels_last(tensor: &Tensor) -> Tensor {
    let mut copy = tensor.shallow_clone();
    // SAFETY: `as_mut_ptr` is the `at::Tensor*` that tch owns through `copy`; it is assigned a new
    // value in place and stays owned by `copy`. On failure it is unchanged.
    told(unsafe { facelatch_channels_last(copy.as_mut_ptr().cast()) });
    copy
}

/// PReLU of `[B, C, ...]`, f32 or bfloat16, with one f32 slope a channel or one for all. On the CPU
/// its gradients are computed in a fraction of the time that libtorch's own take.
pub fn prelu(values: &Tensor, slope: &Tensor) -> Tensor {
    if values.device() != Device::Cpu {
        // Under autocast the values are bfloat16, and libtorch wants one kind.
        return values.prelu(&slope.to_kind(values.kind()));
    }
    let mut copy = values.shallow_clone();
    // SAFETY: both are `at::Tensor*` that tch owns and that outlive the call; `copy` is assigned a
    // new value in place and stays owned. On failure it is unchanged.
    told(unsafe { facelatch_prelu(copy.as_mut_ptr().cast(), slope.as_ptr().cast()) });
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Generator;
    use tch::Kind;

    /// The sum of the squared output, and gradients by values and slope.
    fn gradients(
        activate: impl Fn(&Tensor, &Tensor) -> Tensor,
        shape: &[i64],
        kind: Kind,
        slopes: i64,
    ) -> [Tensor; 3] {
        let _generator = Generator::seeded(3);
        let options = (Kind::Float, Device::Cpu);
        let values = channels_last(&Tensor::randn(shape, options));
        let values = values.to_kind(kind).set_requires_grad(true);
        let slope = (Tensor::rand([slopes], options)).set_requires_grad(true);
        let output = activate(&values, &slope).to_kind(Kind::Float);
        let sum = (&output * &output).sum(Kind::Float);
        sum.backward();
        [sum.detach(), values.grad(), slope.grad()]
    }

    #[test]
    fn prelu_and_its_gradients_are_those_of_libtorch() {
        let check = |shape: &[i64], kind, slopes, tolerance: f64| {
            let own = gradients(prelu, shape, kind, slopes);
            let theirs = |v: &Tensor, s: &Tensor| v.prelu(&s.to_kind(v.kind()));
            let expected = gradients(theirs, shape, kind, slopes);
            for (own, expected) in own.iter().zip(&expected) {
                assert_eq!((own.kind(), own.size()), (expected.kind(), expected.size()));
                let apart = (own - expected).abs().max().double_value(&[]);
                let largest = expected.abs().max().double_value(&[]);
                assert!(apart <= tolerance * largest, "{shape:?} {kind:?}: {apart}");
            }
        };
        // More rows than are summed at once, channels that fill no vector, one row.
        for shape in [[3, 5, 17, 19], [2, 64, 8, 8], [1, 3, 1, 1]] {
            for slopes in [1, shape[1]] {
                check(&shape, Kind::Float, slopes, 1e-5);
                check(&shape, Kind::BFloat16, slopes, 0.02);
            }
        }
    }

    #[test]
    fn channels_last_changes_the_strides_alone() {
        let tensor = Tensor::arange(2 * 3 * 4 * 5, (Kind::Float, Device::Cpu)).view([2, 3, 4, 5]);
        let changed = channels_last(&tensor);
        assert_eq!(changed.stride(), [60, 1, 15, 3]);
        assert!(changed.equal(&tensor));
        assert_eq!(tensor.stride(), [60, 20, 5, 1]);
    }

    #[test]
    fn autocast_computes_in_bfloat16_inside_alone() {
        let a = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        let inside = autocast_bf16(Device::Cpu, || a.matmul(&a));
        assert_eq!(inside.kind(), Kind::BFloat16);
        assert_eq!(a.matmul(&a).kind(), Kind::Float);
    }
}
