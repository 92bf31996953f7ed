from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.segmentation.metrics import dsc, hd95_mm, hd95_vox
from napari_brainseg.session.case import Case
from napari_brainseg.session.live_meter import LiveMeter
from napari_brainseg.session.meter import Overlap, dsc_from_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.meter import Meter

SHAPE = (2, 4, 5)
masks = st.lists(st.integers(0, 1), min_size=40, max_size=40).map(
    lambda values: np.array(values, np.uint8).reshape(SHAPE)
)


@given(masks, masks, st.lists(masks, max_size=4))
def test_running_counts_agree_with_counting_anew(
    fixed: np.ndarray, start: np.ndarray, later: list[np.ndarray]
) -> None:
    overlap = Overlap(fixed, start)
    current = start
    for after in later:
        indices = np.flatnonzero(current != after)
        overlap.apply(indices, current.flat[indices], after.flat[indices])
        current = after
    assert overlap.dsc == pytest.approx(dsc(current, fixed))
    assert overlap.current_vox == np.count_nonzero(current)
    assert overlap.added_vox == np.count_nonzero(current > fixed)
    assert overlap.removed_vox == np.count_nonzero(fixed > current)


def test_two_empty_masks_agree() -> None:
    assert dsc_from_counts(0, 0, 0) == 1.0


def box(*corner: int) -> np.ndarray:
    mask = np.zeros((6, 16, 16), np.uint8)
    z, y, x = corner
    mask[z : z + 3, y : y + 4, x : x + 4] = 1
    return mask


def test_meter_tells_counts_at_once_and_distances_when_they_are_measured() -> None:
    base, truth, prediction, after = box(1, 2, 2), box(1, 2, 5), box(2, 8, 2), box(1, 2, 4)
    meter = LiveMeter(
        base, base, truth=truth, prediction=prediction, spacing_mm=(5.0, 0.5, 0.5),
        voxel_volume_ml=0.00125,
    )  # fmt: skip
    indices = np.flatnonzero(base != after)
    meter.apply(indices, base.flat[indices], after.flat[indices])
    first = meter.read(strokes=1, seconds=2.0)
    assert first.dsc_truth == pytest.approx(dsc(after, truth))
    assert (first.volume_vox, first.truth_vox, first.prediction_vox) == (48, 48, 48)
    assert first.truth_ml == first.prediction_ml == first.volume_ml == pytest.approx(0.06)
    assert meter.wait(30.0)
    then = meter.read(strokes=1, seconds=2.0)
    assert then.hd95_is_current
    assert then.hd95_unit == "mm"
    assert then.hd95_truth == pytest.approx(hd95_mm(after, truth, (5.0, 0.5, 0.5)))
    assert then.hd95_prediction == pytest.approx(hd95_mm(after, prediction, (5.0, 0.5, 0.5)))
    assert then.revision > first.revision


def test_meter_of_a_blind_case_gets_its_prediction_later() -> None:
    meter = LiveMeter(box(1, 2, 2), box(1, 2, 2))
    assert meter.wait(30.0)
    blind = meter.read(strokes=0, seconds=0.0)
    assert (blind.dsc_prediction, blind.hd95_prediction, blind.prediction_vox) == (None,) * 3
    assert blind.hd95_is_current
    meter.compare_with(box(1, 2, 4), box(1, 2, 2))
    assert meter.wait(30.0)
    seen = meter.read(strokes=0, seconds=0.0)
    assert seen.hd95_prediction == hd95_vox(box(1, 2, 4), box(1, 2, 2))
    assert (seen.hd95_unit, seen.prediction_ml) == ("voxels", None)


def test_a_correction_tells_its_distances_after_each_stroke_and_undo(
    make_study: Callable[..., Study],
    predict_mask: Callable[..., Prediction],
    catalogue: Catalogue,
) -> None:
    case = Case(make_study(), catalogue)
    prediction = predict_mask(case.study)
    case.set_prediction(prediction)
    correction = case.start_correction("empty", "Ada")
    told: list[Meter] = []
    case.corrected.connect(told.append)

    def settled(strokes: int) -> Meter:
        """Wait for the figures of a state, the distances included."""
        end = time.monotonic() + 30.0
        while not any(m.strokes == strokes and m.hd95_is_current for m in told):
            assert time.monotonic() < end
            time.sleep(0.005)
        return told[-1]

    correction.data[2:4, 4:9, 6:12] = 1
    correction.commit("brush")
    meter = settled(1)
    assert meter.hd95_truth == hd95_vox(correction.data, case.truth)
    assert meter.hd95_prediction == hd95_vox(correction.data, prediction.mask)
    told.clear()
    correction.undo()
    assert np.isnan(settled(0).hd95_truth)
    told.clear()
    correction.redo()
    assert settled(1).hd95_truth == meter.hd95_truth
    assert [m.revision for m in told] == sorted(m.revision for m in told)
