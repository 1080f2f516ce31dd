//! After a training: the network in integers, by both ways of calibration and fine-tuned if that is
//! asked for, measured in the door's runtime.

use super::fit::{agreement, embeddings};
use super::{Agreement, Layout, QuantizeError, Scheme, Tuning, calibrate, fit, tune};
use crate::backbone::Module;
use crate::backbone::graph::Graph;
use crate::config::Recipe;
use crate::dataset::packed::{PackError, PackedSet};
use crate::export::{self, Weights, folded};
use crate::measure::{HeldOut, MeasureError, Measured, Measuring, reported};
use crate::report::OperatingPoint;
use crate::train::TrainError;
use edge_runtime::atomic_file::{self, WriteError};
use serde::Serialize;
use shared::align::AlignedFace;
use shared::bundle::{Precision, Provenance};
use shared::preprocess::InputSpec;
use std::collections::HashSet;
use std::path::Path;
use tch::{Device, Tensor};

/// JSON in the run's folder: the [`Report`].
pub const REPORT_FILE: &str = "int8.json";
/// Name of the model and its bundle.
const STEM: &str = "model-int8";

/// Why a trained network is not put into integers.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The network, or the faces.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// Fine-tuning.
    #[error(
        "fine-tuning, whose learning rate is that of [quantization] (or --learning-rate): {0}; {STEM}.bundle is the network as it was calibrated"
    )]
    Train(#[from] TrainError),
    /// In the door's runtime.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// Writing the report.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Faces of people trained on, apart from each other: to calibrate with, and to choose by.
pub struct Faces {
    /// Ranges are those of these.
    pub calibrate: Vec<AlignedFace>,
    /// The nearer of two is that on these.
    pub choose: Vec<AlignedFace>,
}

impl Faces {
    /// About so many of each, evenly over the people who were not held out.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn of(set: &PackedSet, held_out: &HashSet<u32>, count: usize) -> Result<Self, PackError> {
        let trained: Vec<usize> = (0..set.len())
            .filter(|i| !held_out.contains(&set.person(*i)))
            .collect();
        let wanted = (2 * count).min(trained.len());
        let chosen = (0..wanted).map(|i| trained[i * trained.len() / wanted]);
        let (mut calibrate, mut choose) = (vec![], vec![]);
        for (i, image) in chosen.enumerate() {
            let to = if i % 2 == 0 {
                &mut calibrate
            } else {
                &mut choose
            };
            to.push(set.face(image)?);
        }
        Ok(Self { calibrate, choose })
    }
}

/// A trained network and what is needed to measure and fine-tune it.
pub struct Finish<'a> {
    /// Its recipe.
    pub recipe: &'a Recipe,
    /// As trained, norms among it.
    pub weights: &'a Weights,
    /// Of people trained on.
    pub faces: &'a Faces,
    /// The fine-tuning; none is made without.
    pub tuning: Option<Tuning<'a>>,
    /// People to measure on.
    pub held_out: &'a HeldOut<'a>,
    /// What made it.
    pub provenance: &'a Provenance,
    /// Where the files go.
    pub out: &'a Path,
}

/// One way into integers, measured.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Which.
    pub way: String,
    /// To the float network, on faces that it was chosen by.
    pub trained_people: Agreement,
    /// To the float network, on all images of held-out people.
    pub held_out_people: Agreement,
    /// Equal error rate on held-out people, all pairs.
    pub eer: f64,
    /// Thresholds, as a bundle has them.
    pub operating_points: Vec<OperatingPoint>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Faces calibrated with.
    pub faces: usize,
    /// Equal error rate of the float network.
    pub float_eer: f64,
    /// Thresholds of the float network.
    pub float_operating_points: Vec<OperatingPoint>,
    /// All that were tried, the one that is in the bundle last.
    pub ways: Vec<Figures>,
    /// Layers with a scale for each channel, those whose sums leave the network aside.
    pub scale_for_each_channel: Vec<String>,
}

/// A way into integers.
struct Tried {
    figures: Figures,
    scheme: Scheme,
    measured: Measured,
}

fn points(measured: &Measured) -> Vec<OperatingPoint> {
    let points = &measured.manifest.operating_points;
    points.iter().map(reported).collect()
}

impl Finish<'_> {
    /// Writes `model-int8.onnx`, `model-int8.bundle` and [`REPORT_FILE`]: as calibrated, and
    /// anew once it is fine-tuned.
    ///
    /// # Errors
    /// [`FinishError`]; after one of the fine-tuning the files are of the network as calibrated.
    pub fn run(&self) -> Result<Report, FinishError> {
        let graph = self
            .recipe
            .backbone
            .graph()
            .expect("checked with the recipe");
        let (graph, weights) = folded(&graph, self.weights);
        let network = (&graph, &weights);
        let input = self.recipe.input_spec(&graph);
        let layout = Layout::new(&graph)?;
        let float = Module::with_weights(graph.clone(), &weights, Device::Cpu);
        let faces = &self.faces.calibrate;
        let calibration = calibrate(&float, &input, &layout, faces)?;
        let schemes = fit(network, &input, &layout, &calibration, faces)?;
        let model = export::onnx(&graph, &weights, Precision::F32);
        let measured = self.measuring().measure(&graph, model, Precision::F32)?;
        let way = Way {
            finish: self,
            graph: &graph,
            input: &input,
            float: embeddings(&float, &input, &self.faces.choose),
            measured: &measured,
        };
        let calibrated = schemes.into_iter().map(|(method, scheme)| {
            let name = method.to_string();
            way.measured(name, &weights, scheme)
        });
        let mut tried = calibrated.collect::<Result<Vec<_>, _>>()?;
        let nearness = |tried: &Tried| tried.figures.trained_people.mean;
        tried.sort_by(|a, b| nearness(a).total_cmp(&nearness(b)));
        // A fine-tuning may fail after hours: this much is kept.
        let report = self.write(&way, &tried)?;
        let Some(tuning) = &self.tuning else {
            return Ok(report);
        };
        tried.push(way.tuned(tuning, &weights, &tried)?);
        self.write(&way, &tried)
    }

    fn measuring(&self) -> Measuring<'_> {
        Measuring {
            recipe: self.recipe,
            held_out: self.held_out,
            provenance: self.provenance,
        }
    }

    /// The last that was tried, and the report of all.
    fn write(&self, way: &Way<'_>, tried: &[Tried]) -> Result<Report, FinishError> {
        let kept = tried.last().expect("two were tried");
        kept.measured.write(self.out, STEM)?;
        let report = Report {
            faces: self.faces.calibrate.len(),
            float_eer: way.measured.scores.eer(),
            float_operating_points: points(way.measured),
            ways: tried.iter().map(|t| t.figures.clone()).collect(),
            scale_for_each_channel: kept.scheme.needy(way.graph),
        };
        let json = serde_json::to_vec_pretty(&report).expect("plain numbers");
        atomic_file::write(&self.out.join(REPORT_FILE), &json, None)?;
        Ok(report)
    }
}

/// What all ways are measured against.
struct Way<'a> {
    finish: &'a Finish<'a>,
    graph: &'a Graph,
    input: &'a InputSpec,
    /// Embeddings of the faces to choose by.
    float: Tensor,
    measured: &'a Measured,
}

impl Way<'_> {
    /// Trained on from the last that was tried.
    fn tuned(
        &self,
        tuning: &Tuning<'_>,
        weights: &Weights,
        tried: &[Tried],
    ) -> Result<Tried, FinishError> {
        let scheme = tried.last().expect("two were tried").scheme.clone();
        let tuned = tune(tuning, (self.graph, weights), &scheme)?;
        let steps = tuning.recipe.training.steps;
        self.measured(format!("fine-tuned, {steps} steps"), &tuned, scheme)
    }

    fn measured(
        &self,
        way: String,
        weights: &Weights,
        scheme: Scheme,
    ) -> Result<Tried, FinishError> {
        let model = export::int8(self.graph, weights, &scheme)?;
        let measuring = self.finish.measuring();
        let measured = measuring.measure(self.graph, model, Precision::Int8)?;
        let rounded = Module::with_weights(self.graph.clone(), weights, Device::Cpu)
            .quantized(scheme.clone());
        let faces = &self.finish.faces.choose;
        let figures = Figures {
            way,
            trained_people: agreement(&self.float, &embeddings(&rounded, self.input, faces)),
            held_out_people: Agreement::of(measured.cosines(self.measured)),
            eer: measured.scores.eer(),
            operating_points: points(&measured),
        };
        Ok(Tried {
            figures,
            scheme,
            measured,
        })
    }
}

#[cfg(test)]
mod tests;
