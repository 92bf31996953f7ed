from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.segmentation.metrics import dsc, hd95_mm, hd95_vox
from napari_brainseg.session.live_meter import LiveMeter
from napari_brainseg.session.meter import Overlap, dsc_from_counts

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
