// What tch 0.24 lacks: bf16 autocast on any device, channels-last conversion, TF32, batch norm over
// several processes.
// Every function returns 0, or 1 if libtorch threw.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

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

// Puts the sum over all processes in place.
using Sum = void (*)(float *values, int64_t len);

// Batch norm with statistics that were computed from `count` numbers of each channel, over all
// processes. Forward is that of a network in use. Backward adds what the statistics owe to the
// input: with y' the normalized input, dx = w / std * (dy - mean(dy) - y' * mean(dy * y')).
struct Normalize : torch::autograd::Function<Normalize> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x,
                            const at::Tensor &weight, const at::Tensor &bias,
                            const at::Tensor &mean, const at::Tensor &variance, double epsilon,
                            double count, Sum sum) {
    context->save_for_backward({x, weight, mean, variance});
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["count"] = count;
    context->saved_data["sum"] = reinterpret_cast<int64_t>(sum);
    return std::get<0>(
        at::native_batch_norm(x, weight, bias, mean, variance, false, 0., epsilon));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto &x = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    auto epsilon = context->saved_data["epsilon"].toDouble();
    auto sum = reinterpret_cast<Sum>(context->saved_data["sum"].toInt());
    auto [dx, dweight, dbias] =
        at::native_batch_norm_backward(gradients[0], x, weight, mean, variance, {}, {}, false,
                                       epsilon, {true, true, true});
    // The sums of dy and of dy * y'. Those of this process alone are the gradients of bias and
    // weight, which the optimizer sums over the processes itself.
    auto sums = at::stack({dbias, dweight}).to(at::kCPU, at::kFloat).contiguous();
    sum(sums.data_ptr<float>(), sums.numel());
    auto means = sums.to(x.device()) / context->saved_data["count"].toDouble();
    auto factor = (variance + epsilon).rsqrt();
    auto slope = weight * factor * factor * means[1];
    auto offset = weight * factor * means[0] - slope * mean;
    auto channels = [](const at::Tensor &t) { return t.view({1, -1, 1, 1}); };
    dx -= x * channels(slope) + channels(offset);
    auto none = at::Tensor();
    return {dx, dweight, dbias, none, none, none, none, none};
  }
};
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

// Replaces the `[B, C, H, W]` input by what batch norm makes of it; see Normalize.
int facelatch_normalize(void *x, void *weight, void *bias, void *mean, void *variance,
                        double epsilon, double count, Sum sum) {
  return guarded([&] {
    auto tensor = [](void *t) -> at::Tensor & { return *static_cast<at::Tensor *>(t); };
    tensor(x) = Normalize::apply(tensor(x), tensor(weight), tensor(bias), tensor(mean),
                                 tensor(variance), epsilon, count, sum);
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
