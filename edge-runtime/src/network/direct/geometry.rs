//! What is convolved with what.

/// What is convolved with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Geometry {
    /// Input rows, columns, channels.
    pub(super) input: [usize; 3],
    /// Output channels; as many as the input's where `depthwise`.
    pub(super) channels: usize,
    /// Rows, columns.
    pub(super) kernel: [usize; 2],
    /// Rows, columns.
    pub(super) stride: [usize; 2],
    /// Zeros above, left, below, right.
    pub(super) pads: [usize; 4],
    /// Each channel by itself.
    pub(super) depthwise: bool,
}

impl Geometry {
    /// Rows and columns with the zeros.
    pub(super) fn padded(&self) -> [usize; 2] {
        let [top, left, bottom, right] = self.pads;
        [self.input[0] + top + bottom, self.input[1] + left + right]
    }

    /// Output rows, columns; `None` if the kernel is larger than the padded input.
    pub(super) fn output(&self) -> Option<[usize; 2]> {
        let padded = self.padded();
        let side = |i: usize| Some(padded[i].checked_sub(self.kernel[i])? / self.stride[i] + 1);
        Some([side(0)?, side(1)?])
    }

    /// Multiplications, each with its addition.
    pub(super) fn multiply_adds(&self) -> usize {
        let [rows, columns] = self.output().unwrap_or_default();
        let inputs = if self.depthwise { 1 } else { self.input[2] };
        rows * columns * self.channels * inputs * self.kernel[0] * self.kernel[1]
    }
}
