from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.segmentation.metrics import dsc
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
