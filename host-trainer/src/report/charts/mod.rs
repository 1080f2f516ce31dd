//! The charts, as SVG text.

mod det;
mod loss;
mod scores;
mod validation;

use std::error::Error;

use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;

use super::ReportError;

pub(super) use det::draw as det;
pub(super) use loss::draw as loss;
pub(super) use scores::draw as scores;
pub(super) use validation::draw as validation;

// Okabe and Ito's colors, which color-blind readers can tell apart.
/// Genuine pairs, and the network as the door runs it.
pub(crate) const BLUE: RGBColor = RGBColor(0, 114, 178);
/// Impostor pairs, and refusals.
pub(crate) const VERMILION: RGBColor = RGBColor(213, 94, 0);
/// Matches, and the released lock.
pub(crate) const GREEN: RGBColor = RGBColor(0, 128, 96);
/// The float network.
pub(crate) const ORANGE: RGBColor = RGBColor(230, 159, 0);
/// Text and the threshold.
pub(crate) const INK: RGBColor = RGBColor(31, 36, 48);
/// Side remarks.
pub(crate) const GRAY: RGBColor = RGBColor(107, 114, 128);
/// Rules and grids.
pub(crate) const RULE: RGBColor = RGBColor(226, 229, 235);

const WIDTH_PX: u32 = 720;
const FONT: &str = "sans-serif";
const FONT_PX: u32 = 14;

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Drawn = Result<(), Box<dyn Error>>;

/// Draws on an area of `WIDTH_PX` x `height_px` and returns the SVG element.
pub(crate) fn svg(
    chart: &'static str,
    height_px: u32,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, ReportError> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (WIDTH_PX, height_px)).into_drawing_area();
    let drawn = draw(&area).and_then(|()| area.present().map_err(Into::into));
    drop(area);
    match drawn {
        Ok(()) => Ok(text),
        Err(error) => Err(ReportError::Chart {
            chart,
            reason: error.to_string(),
        }),
    }
}

/// A chart with the margins that all charts share.
pub(crate) fn framed<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .margin_top(12)
        .margin_right(18)
        .x_label_area_size(46)
        .y_label_area_size(62);
    builder
}

/// Text in the charts' font.
pub(crate) fn text(color: RGBColor) -> TextStyle<'static> {
    (FONT, FONT_PX).into_font().color(&color)
}

/// A grid in the background, the figures in front.
pub(crate) fn quiet<'m, 'a, 'b, X: Ranged, Y: Ranged, D: DrawingBackend>(
    mesh: &'m mut MeshStyle<'a, 'b, X, Y, D>,
) -> &'m mut MeshStyle<'a, 'b, X, Y, D> {
    mesh.bold_line_style(RULE)
        .light_line_style(TRANSPARENT)
        .axis_style(GRAY)
        .label_style(text(GRAY))
        .axis_desc_style(text(INK))
}
