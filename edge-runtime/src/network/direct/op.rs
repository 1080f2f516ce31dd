//! The node as tract knows it.

use super::geometry::Geometry;
use super::kernel::{self, Activation, Layer};
use super::pack;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::Cost;
use tract_onnx::tract_hir::internal::*;

/// What the node is called in a graph; no operator of ONNX.
pub(super) const OPERATOR: &str = "FacelatchDirectConv";
/// Sides, steps and channels beyond it are left to tract.
pub(super) const MOST: usize = 1 << 14;
/// So are more places of a depthwise convolution: a vector of channels of each is held, however few
/// channels there are.
const MOST_PLACES: usize = 1 << 20;

/// Inputs: pixels `[1, rows, columns, channels]`, packed weights, packed bias, then packed slopes
/// and a residual of the output's shape, if it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DirectConv {
    /// Its input's rows, columns and channels are known once tract knows them.
    pub(super) geometry: Geometry,
    /// Bits of the least and the greatest value.
    pub(super) clip: Option<[u32; 2]>,
    pub(super) slopes: bool,
    pub(super) residual: bool,
}

impl DirectConv {
    /// As attribute of a node.
    pub(super) fn numbers(&self) -> Vec<i64> {
        let g = &self.geometry;
        let sizes = [
            &g.kernel[..],
            &g.stride,
            &g.pads,
            &[g.channels, usize::from(g.depthwise)],
        ];
        let flags = [self.slopes, self.residual].map(i64::from);
        let sizes = sizes.into_iter().flatten().map(|n| *n as i64);
        sizes.chain(flags).collect()
    }

    fn read(node: &NodeProto) -> TractResult<Self> {
        let numbers: TVec<usize> = node.get_attr_tvec("layer")?;
        let [
            rows,
            columns,
            down,
            right,
            pads @ ..,
            channels,
            depthwise,
            slopes,
            residual,
        ] = numbers.as_slice()
        else {
            bail!("{} numbers", numbers.len());
        };
        let clip: Option<TVec<f32>> = node.get_attr_opt_tvec("clip")?;
        let clip = clip.map(|c| <[f32; 2]>::try_from(c.as_slice()).map(|c| c.map(f32::to_bits)));
        ensure!(numbers.iter().all(|n| *n <= MOST), "too large");
        ensure!(*down > 0 && *right > 0 && *channels > 0, "a step of zero");
        Ok(Self {
            geometry: Geometry {
                input: [0; 3],
                channels: *channels,
                kernel: [*rows, *columns],
                stride: [*down, *right],
                pads: pads.try_into()?,
                depthwise: *depthwise == 1,
            },
            clip: clip.transpose()?,
            slopes: *slopes == 1,
            residual: *residual == 1,
        })
    }

    /// With an input of that shape; also the shape of the output.
    fn of(&self, shape: &[usize]) -> TractResult<(Self, [usize; 4])> {
        let [1, rows, columns, channels] = *shape else {
            bail!("pixels of shape {shape:?}");
        };
        ensure!(shape.iter().all(|n| *n <= MOST), "too large");
        let mut op = *self;
        op.geometry.input = [rows, columns, channels];
        let places = op.geometry.padded().iter().product::<usize>();
        let depthwise_fits = channels == op.geometry.channels && places <= MOST_PLACES;
        let fits = !op.geometry.depthwise || depthwise_fits;
        let output = op.geometry.output().filter(|_| fits);
        let [rows, columns] = output.context("it does not fit its input")?;
        Ok((op, [1, rows, columns, op.geometry.channels]))
    }

    /// Whether the inputs behind the pixels are as long as the layer needs.
    fn check(&self, inputs: &[&TypedFact], output: &[usize]) -> TractResult<()> {
        let len = |i: usize| -> TractResult<usize> {
            let fact: &TypedFact = inputs.get(i).context("an input is missing")?;
            ensure!(fact.datum_type == f32::datum_type(), "no floats");
            Ok(fact
                .shape
                .as_concrete()
                .context("no shape")?
                .iter()
                .product())
        };
        let g = &self.geometry;
        let (packed, places) = (pack::packed(g.channels), g.kernel.iter().product::<usize>());
        let channels = if g.depthwise { 1 } else { g.input[2] };
        let weights = packed * places * channels;
        ensure!(len(1)? == weights && len(2)? == packed, "other weights");
        ensure!(!self.slopes || len(3)? == packed, "other slopes");
        let last = 3 + usize::from(self.slopes);
        if self.residual {
            let fact = inputs.get(last).context("an input is missing")?;
            len(last)?;
            ensure!(fact.shape.as_concrete() == Some(output), "another residual");
        }
        ensure!(
            inputs.len() == last + usize::from(self.residual),
            "{} inputs",
            inputs.len()
        );
        Ok(())
    }
}

impl Op for DirectConv {
    fn name(&self) -> StaticName {
        "DirectConv".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{:?}", self.geometry)])
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for DirectConv {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let views = inputs.iter().map(|input| {
            let plain = input.try_as_plain_ram()?;
            plain.as_slice::<f32>()
        });
        let slices = views.collect::<TractResult<TVec<&[f32]>>>()?;
        let (_, output) = self.of(inputs[0].shape())?;
        let activation = match self.clip {
            Some(clip) => {
                let [low, high] = clip.map(f32::from_bits);
                Activation::Clip(low, high)
            }
            None if self.slopes => Activation::Slopes(slices[3]),
            None => Activation::None,
        };
        let layer = Layer {
            geometry: self.geometry,
            weights: slices[1],
            bias: slices[2],
            activation,
            residual: self.residual.then(|| slices[slices.len() - 1]),
        };
        let mut out = Tensor::zero::<f32>(&output)?;
        let mut room = out.try_as_plain_ram_mut()?;
        kernel::convolve(&layer, slices[0], room.as_slice_mut()?);
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for DirectConv {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = inputs[0].shape.as_concrete().context("no shape")?;
        let (op, output) = self.of(shape)?;
        ensure!(op.geometry == self.geometry, "another input");
        self.check(inputs, &output)?;
        Ok(tvec!(f32::fact(output)))
    }

    fn cost(&self, _: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let kind = Cost::FMA(f32::datum_type());
        Ok(tvec!((kind, self.geometry.multiply_adds().to_dim())))
    }

    as_op!();
}

impl Expansion for DirectConv {
    fn name(&self) -> StaticName {
        "DirectConv".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        ensure!(!inputs.is_empty(), "no pixels");
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.given(&inputs[0].shape, move |s, shape| {
            let sizes = shape.iter().map(|n| Ok(n.to_usize()?));
            let (_, output) = self.of(&sizes.collect::<TractResult<TVec<_>>>()?)?;
            let output: TVec<TDim> = output.iter().map(|n| n.to_dim()).collect();
            s.equals(&outputs[0].shape, output)
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let pixels = inputs.first().context("no pixels")?;
        let shape = model.outlet_fact(*pixels)?.shape.as_concrete();
        let (op, _) = self.of(shape.context("no shape")?)?;
        model.wire_node(prefix, op, inputs)
    }
}

/// Lets tract read the nodes that the rewrite makes.
pub(in super::super) fn register(onnx: &mut tract_onnx::Onnx) {
    fn build(
        _: &ParsingContext,
        node: &NodeProto,
    ) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
        Ok((expand(DirectConv::read(node)?), vec![]))
    }
    onnx.op_register.insert(OPERATOR, build);
}
