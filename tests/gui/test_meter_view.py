"""The live figures beside the brush: what stands where, and what is not known yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from napari_brainseg.session.meter import Meter
from napari_brainseg.widgets.meter_view import MeterView
from napari_brainseg.widgets.work_time import work_time

METER = Meter(
    dsc_truth=0.9123, dsc_prediction=0.8, volume_vox=12345, volume_ml=None, added_vox=1234,
    removed_vox=56, strokes=12, seconds=200.0, hd95_truth=4.123, hd95_prediction=12.04,
    truth_vox=12000, prediction_vox=13000, revision=5,
)  # fmt: skip


@pytest.fixture
def view(qtbot: Any) -> MeterView:
    made = MeterView()
    qtbot.addWidget(made)
    made.resize(300, 200)
    made.show()
    qtbot.waitExposed(made)
    made.show_meter(METER)
    return made


def heads(view: MeterView) -> str:
    return " ".join(head.text().replace("\n", " ") for head in view._heads.values())


def test_all_figures_stand_in_a_table(view: MeterView) -> None:
    assert (view.dsc_truth.text(), view.dsc_prediction.text()) == ("0.912", "0.800")
    assert (view.hd95_truth.text(), view.hd95_prediction.text()) == ("4.1", "12.0")
    assert view.volume.text() == "12\u2009345"
    assert (view.volume_truth.text(), view.volume_prediction.text()) == (
        "12\u2009000", "13\u2009000",
    )  # fmt: skip
    assert view.changed.text() == "+1\u2009234  −56"
    assert view.effort.text() == "12 strokes, 3 min 20 s"
    assert "HD95 voxels" in heads(view)
    assert "Volume voxels" in heads(view)
    assert "345 voxels more" in view.volume_truth.toolTip()
    assert "655 voxels fewer" in view.volume_prediction.toolTip()


def test_units_follow_the_spacing(view: MeterView) -> None:
    view.show_meter(
        replace(METER, volume_ml=12.345, truth_ml=12.0, hd95_unit="mm", strokes=1, seconds=3725.0)
    )
    assert "HD95 mm" in heads(view)
    assert "Volume ml" in heads(view)
    assert (view.volume.text(), view.volume_truth.text()) == ("12.3", "12.0")
    assert view.effort.text() == "1 stroke, 1 h 02 min"


def test_without_a_prediction_nothing_of_it_is_shown(view: MeterView) -> None:
    blind = replace(METER, dsc_prediction=None, hd95_prediction=None, prediction_vox=None)
    view.show_meter(blind)
    for label in (view.dsc_prediction, view.hd95_prediction, view.volume_prediction):
        assert not label.isVisible()
    assert view.dsc_truth.isVisible()
    view.show_meter(METER)
    assert view.dsc_prediction.isVisible()


def test_a_distance_older_than_the_stroke_is_not_shown_as_current(view: MeterView) -> None:
    places = [label.geometry() for label in (view.dsc_truth, view.hd95_truth, view.volume_truth)]
    view.show_meter(replace(METER, hd95_is_current=False))
    assert not view.hd95_truth.isEnabled()
    assert view._marks[view.hd95_truth].text() == "…"
    view.layout().activate()
    assert places == [
        label.geometry() for label in (view.dsc_truth, view.hd95_truth, view.volume_truth)
    ]
    view.show_meter(METER)
    assert view.hd95_truth.isEnabled()
    assert view._marks[view.hd95_truth].text() == ""


def test_what_has_no_distance_has_a_dash(view: MeterView) -> None:
    view.show_meter(replace(METER, hd95_truth=float("nan")))
    assert view.hd95_truth.text() == "–"
    assert "empty" in view.hd95_truth.toolTip()
    view.show_meter(replace(METER, hd95_truth=None, hd95_is_current=False))
    assert view.hd95_truth.text() == ""


def test_figures_of_an_earlier_stroke_that_come_late_are_dropped(view: MeterView) -> None:
    view.show_meter(replace(METER, strokes=13, revision=7))
    view.show_meter(replace(METER, strokes=12, revision=6))
    assert view.effort.text().startswith("13 strokes")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7260, "2 h 01 min")],
)
def test_time_worked(seconds: float, text: str) -> None:
    assert work_time(seconds) == text
