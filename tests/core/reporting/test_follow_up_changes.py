"""Volume over time: change against the first and the smallest, and what may not be mixed."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from PIL import Image

from napari_brainseg.core.reporting.follow_up import FollowUp, FollowUpPoint
from napari_brainseg.core.reporting.follow_up_chart import follow_up_chart
from napari_brainseg.core.reporting.patient_report import Basis


def point(
    year: int, ml: float | None, basis: Basis = Basis.APPROVED, **more: object
) -> FollowUpPoint:
    voxels = None if ml is None else int(1000 * ml)
    return FollowUpPoint(f"P_{year}0101", date(year, 1, 1), voxels, ml, basis, **more)  # type: ignore[arg-type]


def test_change_is_against_the_first_and_the_smallest_before() -> None:
    points = [point(2000, 40.0), point(2001, 20.0), point(2002, 30.0), point(2003, 10.0)]
    course = FollowUp(tuple(points))
    assert [course.since_first(p).share for p in points] == [None, -0.5, -0.25, -0.75]
    # The last one is smaller than all before it, and compared with the smallest of those.
    assert [course.since_smallest(p).share for p in points] == [None, -0.5, 0.5, -0.5]
    assert not course.is_mixed


def test_an_approved_correction_and_a_prediction_are_never_mixed_silently() -> None:
    first = point(2000, 40.0)
    second = point(2001, 20.0, Basis.PREDICTION, model_version="v1")
    course = FollowUp((first, second))
    assert course.since_first(second).is_mixed
    assert course.is_mixed


def test_predictions_of_two_models_are_of_two_kinds() -> None:
    first = point(2000, 40.0, Basis.PREDICTION, model_version="v1")
    second = point(2001, 20.0, Basis.PREDICTION, model_version="v2")
    assert FollowUp((first, second)).since_first(second).is_mixed
    same = replace(second, model_version="v1")
    assert not FollowUp((first, same)).since_first(same).is_mixed


def test_corrections_are_one_kind_whatever_model_they_started_from() -> None:
    first = point(2000, 40.0, model_version="v1")
    second = point(2001, 20.0, model_version="v2")
    assert not FollowUp((first, second)).since_first(second).is_mixed


def test_a_study_without_a_mask_is_listed_and_not_compared_with() -> None:
    gap = FollowUpPoint("P_20000101", date(2000, 1, 1))
    first, second = point(2001, 20.0), point(2002, 30.0)
    course = FollowUp((gap, first, second))
    assert course.points[0] is gap
    assert course.volume(gap) is None
    assert course.since_first(gap).share is None
    assert course.since_first(first).share is None
    assert course.since_first(second).share == pytest.approx(0.5)


def test_where_one_voxel_size_is_unknown_all_are_told_in_voxels() -> None:
    first = FollowUpPoint("P_20000101", date(2000, 1, 1), 4000, None, Basis.APPROVED)
    second = FollowUpPoint("P_20010101", date(2001, 1, 1), 2000, 2.0, Basis.APPROVED)
    course = FollowUp((first, second))
    assert course.unit == "vox"
    assert course.volume(second) == 2000
    assert course.since_first(second).share == -0.5


def test_from_nothing_there_is_no_change_in_per_cent() -> None:
    first, second = point(2000, 0.0), point(2001, 20.0)
    assert FollowUp((first, second)).since_first(second).share is None


@pytest.mark.parametrize("day", [None, date(2002, 1, 1)])
def test_a_chart_is_drawn_with_and_without_dates(day: date | None) -> None:
    points = (point(2000, 40.0), replace(point(2001, 0.0, Basis.PREDICTION), day=day))
    assert follow_up_chart(FollowUp(points)).startswith(b"\x89PNG")


@pytest.mark.parametrize("days", [1, 40, 400])
def test_a_chart_of_all_kinds_of_masks_has_room_for_its_curve(days: int) -> None:
    # Matplotlib warns where legend or dates leave none.
    kinds = (Basis.APPROVED, Basis.PREDICTION, Basis.CORRECTION, Basis.TRUTH) * 3
    start = date(2000, 2, 8)
    points = tuple(
        replace(point(2000, 60.0 + number, kind), day=start + number * timedelta(days))
        for number, kind in enumerate(kinds)
    )
    picture = np.asarray(Image.open(io.BytesIO(follow_up_chart(FollowUp(points)))).convert("L"))
    columns = np.flatnonzero((picture[60:280] < 200).any(axis=0))
    assert columns.max() > 0.9 * picture.shape[1], "the curve reaches the right edge"
