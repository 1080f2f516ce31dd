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
    fn facelatch_allow_tf32(allow: bool) -> i32;
}

/// Where to compute: the first GPU if libtorch finds one, otherwise the CPU.
///
/// The binary is linked against libtorch's CPU half alone; where the GPU half lies beside it, it
/// is loaded here. That must come before the first call of libtorch: it looks for devices once.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    *DEVICE.get_or_init(|| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

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
