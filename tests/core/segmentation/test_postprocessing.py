from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.segmentation.postprocessing import Postprocessing, postprocess


@pytest.fixture
def islands() -> np.ndarray:
    """Islands of 27, 8 and 1 voxels; the last touches the second by a corner only."""
    probability = np.zeros((6, 20, 20), dtype=np.float32)
    probability[1:4, 2:5, 2:5] = 0.9
    probability[2:4, 10:12, 10:12] = 0.7
    probability[4, 12, 12] = 0.6
    return probability


@pytest.mark.parametrize(
    ("steps", "voxels"),
    [
        (Postprocessing(), 36),
        (Postprocessing(minimum_size_vox=2), 35),
        (Postprocessing(minimum_size_vox=9), 27),
        (Postprocessing(largest_component=True), 27),
        (Postprocessing(minimum_size_vox=100), 0),
        (Postprocessing(minimum_size_vox=100, largest_component=True), 0),
    ],
)
def test_islands_are_removed_as_asked(
    islands: np.ndarray, steps: Postprocessing, voxels: int
) -> None:
    mask = postprocess(islands, threshold=0.5, steps=steps)
    assert mask.dtype == np.uint8
    assert mask.sum() == voxels
    assert not (mask & (islands < 0.5)).any()


def test_threshold_is_inclusive(islands: np.ndarray) -> None:
    assert postprocess(islands, threshold=0.7, steps=Postprocessing()).sum() == 27 + 8


def test_an_empty_prediction_stays_empty() -> None:
    empty = np.zeros((3, 8, 8), dtype=np.float32)
    mask = postprocess(empty, threshold=0.5, steps=Postprocessing(largest_component=True))
    assert mask.shape == empty.shape
    assert not mask.any()
