// What tch 0.24 lacks: bf16 autocast on any device, channels-last conversion, TF32.
// Every function returns 0, or 1 if libtorch threw.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

namespace {
template <typename F> int guarded(F body) {
  try {
    body();
    return 0;
  } catch (...) {
    return 1;
  }
}

c10::DeviceType device_type(bool cuda) {
  return cuda ? c10::DeviceType::CUDA : c10::DeviceType::CPU;
}
} // namespace

extern "C" {
// Operations between begin and end that gain from it run in bfloat16.
int facelatch_autocast_begin(bool cuda) {
  return guarded([&] {
    at::autocast::set_autocast_dtype(device_type(cuda), at::kBFloat16);
    at::autocast::set_autocast_enabled(device_type(cuda), true);
    at::autocast::set_autocast_cache_enabled(true);
    at::autocast::increment_nesting();
  });
}

// The cast weights are dropped: the optimizer is about to change them.
int facelatch_autocast_end(bool cuda) {
  return guarded([&] {
    if (at::autocast::decrement_nesting() == 0)
      at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_type(cuda), false);
  });
}

// Replaces what the tensor refers to by a copy with the channels innermost.
int facelatch_channels_last(void *tensor) {
  return guarded([&] {
    auto &t = *static_cast<at::Tensor *>(tensor);
    t = t.contiguous(at::MemoryFormat::ChannelsLast);
  });
}

// Lets float matrix products use the tensor cores' TF32.
int facelatch_allow_tf32(bool allow) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(allow);
    at::globalContext().setAllowTF32CuDNN(allow);
  });
}
}
