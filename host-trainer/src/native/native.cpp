// What tch 0.24 lacks: bf16 autocast on any device, channels-last conversion, TF32, batch norm over
// several processes; and a PReLU whose gradients the CPU computes in one vectorized pass, where
// libtorch's kernel goes element by element.
// Every function returns 0, or 1 if libtorch threw.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

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

// Rows that are summed together whatever the number of threads: the result is the same.
constexpr int64_t ROWS = 512;

// Gradients of rows of pixels, by the pixels and by the slopes of their channels.
template <typename T>
void prelu_rows(const T *__restrict x, const T *__restrict grad, const float *__restrict slopes,
                int64_t rows, int64_t channels, T *__restrict grad_x, float *__restrict sums) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < channels; ++c) {
      // Arithmetic in place of branches, so that the compiler vectorizes the loop.
      const float value = x[c], g = grad[c], below = value > 0 ? 0.0F : 1.0F;
      grad_x[c] = g * (1.0F - below + below * slopes[c]);
      sums[c] += g * (value * below);
    }
    x += channels, grad += channels, grad_x += channels;
  }
}

template <typename T>
void prelu_image(const at::Tensor &x, const at::Tensor &grad, const at::Tensor &slopes,
                 at::Tensor &grad_x, at::Tensor &sums) {
  const int64_t channels = x.size(-1), rows = x.numel() / channels;
  at::parallel_for(0, sums.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * ROWS, at = first * channels;
      prelu_rows(x.const_data_ptr<T>() + at, grad.const_data_ptr<T>() + at,
                 slopes.const_data_ptr<float>(), std::min(ROWS, rows - first), channels,
                 grad_x.mutable_data_ptr<T>() + at,
                 sums.mutable_data_ptr<float>() + block * channels);
    }
  });
}

struct Prelu : torch::autograd::Function<Prelu> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x,
                            const at::Tensor &slope) {
    context->save_for_backward({x, slope});
    return at::prelu(x, slope.to(x.scalar_type()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    // A view where the channels are innermost already.
    const auto x = saved[0].movedim(1, -1).contiguous();
    const auto grad = grads[0].movedim(1, -1).contiguous();
    const auto &slope = saved[1];
    const int64_t channels = x.size(-1), rows = x.numel() / channels;
    // As the forward pass rounded them.
    const auto slopes = slope.to(x.scalar_type()).to(at::kFloat).expand(channels).contiguous();
    auto grad_x = at::empty_like(x);
    auto sums = at::zeros({(rows + ROWS - 1) / ROWS, channels}, slopes.options());
    const auto run = x.scalar_type() == at::kBFloat16 ? prelu_image<at::BFloat16> : prelu_image<float>;
    run(x, grad, slopes, grad_x, sums);
    return {grad_x.movedim(-1, 1), sums.sum(0).sum_to_size(slope.sizes())};
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

// Replaces what the tensor ([B, C, ...], bf16 or f32 on the CPU) refers to by its PReLU; the
// slopes are f32, one for each channel or one for all.
int facelatch_prelu(void *tensor, const void *slope) {
  return guarded([&] {
    auto &t = *static_cast<at::Tensor *>(tensor);
    t = Prelu::apply(t, *static_cast<const at::Tensor *>(slope));
  });
}

// Freed memory stays with the process. glibc gives large blocks back to the kernel at once, which
// clears the same pages anew at every step.
void facelatch_keep_memory(void) {
#ifdef __GLIBC__
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
#endif
}

// Lets float matrix products use the tensor cores' TF32.
int facelatch_allow_tf32(bool allow) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(allow);
    at::globalContext().setAllowTF32CuDNN(allow);
  });
}
}
