from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from napari_brainseg.core.segmentation.bundle import BundleManifest
from napari_brainseg.core.segmentation.postprocessing import Postprocessing, postprocess

STEPS = st.builds(
    Postprocessing,
    opening_vox=st.integers(0, 3),
    closing_vox=st.integers(0, 4),
    fill_holes=st.booleans(),
    minimum_size_vox=st.integers(0, 12),
    spared_share=st.sampled_from((0.0, 0.3, 1.0)),
    largest_component=st.booleans(),
)
MAPS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 14), st.integers(1, 14)),
    elements=st.sampled_from([np.float32(0.2), np.float32(0.5), np.float32(0.9)]),
    fill=st.just(np.float32(0.9)),
)


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
        (Postprocessing(minimum_size_vox=9, spared_share=0.25), 35),
        (Postprocessing(minimum_size_vox=9, spared_share=0.3), 27),
        (Postprocessing(minimum_size_vox=100, spared_share=1), 0),
        (Postprocessing(minimum_size_vox=100, spared_share=0.25), 27),
        (Postprocessing(minimum_size_vox=100, spared_share=0.05), 35),
        (Postprocessing(minimum_size_vox=120, spared_share=0.25), 0),
        (Postprocessing(spared_share=1), 36),
        (Postprocessing(minimum_size_vox=100, spared_share=0.1, largest_component=True), 27),
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
    steps = Postprocessing(
        opening_vox=1, closing_vox=3, fill_holes=True, largest_component=True, minimum_size_vox=5
    )
    mask = postprocess(empty, threshold=0.5, steps=steps)
    assert mask.shape == empty.shape
    assert not mask.any()


def test_a_thread_between_two_lesions_is_cut_by_opening() -> None:
    probability = np.zeros((1, 12, 30), dtype=np.float32)
    probability[0, 2:9, 2:9] = probability[0, 2:9, 20:27] = 1
    probability[0, 5, 9:20] = 1

    opened = postprocess(probability, threshold=0.5, steps=Postprocessing(opening_vox=2))

    assert not opened[0, 5, 11:18].any()
    assert opened[0, 5, 5]
    assert opened[0, 5, 23]


def test_a_crack_closes_and_the_edge_of_the_picture_is_not_eaten() -> None:
    probability = np.ones((2, 20, 20), dtype=np.float32)
    probability[:, :, 10:12] = 0

    closed = postprocess(probability, threshold=0.5, steps=Postprocessing(closing_vox=2))

    assert closed[:, 1:-1].all()
    assert (closed >= (probability > 0)).all()


def test_holes_are_filled_within_a_slice_and_open_bays_are_not() -> None:
    probability = np.zeros((3, 12, 12), dtype=np.float32)
    probability[:, 2:9, 2:9] = 1
    probability[:, 4:6, 4:6] = 0
    probability[0, 4:6, 4:12] = 0  # the first slice's hole is open to the right

    filled = postprocess(probability, threshold=0.5, steps=Postprocessing(fill_holes=True))

    assert filled[1:, 4:6, 4:6].all()
    assert not filled[0, 4:6, 4:6].any()


def test_sizes_are_judged_on_what_the_shape_steps_leave() -> None:
    probability = np.zeros((1, 12, 24), dtype=np.float32)
    probability[0, 2:10, 2:10] = 1
    probability[0, 3:9, 3:9] = 0  # a ring of 28 voxels, a disk of 64 once filled
    probability[0, 2:8, 14:22] = 1  # 48 voxels
    steps = Postprocessing(fill_holes=True, largest_component=True)

    mask = postprocess(probability, threshold=0.5, steps=steps)

    assert mask[0, 5, 5]
    assert not mask[0, 5, 18]


@given(MAPS, STEPS)
def test_agrees_with_every_step_done_on_the_whole_padded_volume(
    probability: np.ndarray, steps: Postprocessing
) -> None:
    mask = postprocess(probability, threshold=0.5, steps=steps)

    assert mask.shape == probability.shape
    assert np.array_equal(mask, naive(probability >= 0.5, steps))


@given(MAPS, st.integers(1, 4))
def test_opening_only_takes_and_closing_only_adds(probability: np.ndarray, radius: int) -> None:
    plain = postprocess(probability, threshold=0.5, steps=Postprocessing())
    opened = postprocess(probability, threshold=0.5, steps=Postprocessing(opening_vox=radius))
    closed = postprocess(probability, threshold=0.5, steps=Postprocessing(closing_vox=radius))

    assert (opened <= plain).all()
    assert (closed >= plain).all()


def test_what_older_bundles_say_still_loads() -> None:
    manifest = BundleManifest.model_validate(
        {
            "name": "old",
            "version": "old-1",
            "created": "2026-01-01",
            "postprocessing": {"minimum_size_vox": 200, "largest_component": False},
        }
    )
    assert manifest.postprocessing == Postprocessing(minimum_size_vox=200)


def test_all_steps_on_a_whole_head_take_a_moment() -> None:
    z, y, x = np.ogrid[:60, :256, :256]
    probability = ((z - 30) ** 2 * 4 + (y - 90) ** 2 + (x - 100) ** 2 < 40**2).astype(np.float32)
    steps = Postprocessing(opening_vox=1, closing_vox=2, fill_holes=True, largest_component=True)

    start = time.perf_counter()
    postprocess(probability, threshold=0.5, steps=steps)

    # some 20 ms at rest; a noisy machine is no fault
    assert time.perf_counter() - start < 2


def naive(mask: np.ndarray, steps: Postprocessing) -> np.ndarray:
    """Every step by its definition, voxel sets on an unbounded plane, islands one by one."""
    margin = 12
    big = np.pad(mask, ((1, 1), (margin, margin), (margin, margin)))
    if steps.opening_vox:
        big = dilate(erode(big, steps.opening_vox), steps.opening_vox)
    if steps.closing_vox:
        big = erode(dilate(big, steps.closing_vox), steps.closing_vox)
    if steps.fill_holes:
        for number, one in enumerate(big):
            background, _ = ndimage.label(~one)
            big[number] = background != background[0, 0]
    labels, count = ndimage.label(big)
    islands = [labels == n for n in range(1, count + 1)]
    largest = max((island.sum() for island in islands), default=0)
    islands = [
        island
        for island in islands
        if island.sum() >= steps.minimum_size_vox
        or (
            steps.spared_share
            and island.sum() >= steps.spared_share * max(largest, steps.minimum_size_vox)
        )
    ]
    if steps.largest_component and islands:
        islands = [max(islands, key=np.sum)]
    clean = np.zeros_like(big)
    for island in islands:
        clean |= island
    if not islands and not (steps.minimum_size_vox or steps.largest_component):
        clean = big
    assert not clean[0].any()
    assert clean.sum() == clean[1:-1, margin:-margin, margin:-margin].sum()
    return clean[1:-1, margin:-margin, margin:-margin].astype(np.uint8)


def shifts(radius: int) -> list[tuple[int, int]]:
    span = range(-radius, radius + 1)
    return [(a, b) for a in span for b in span if a * a + b * b <= radius * radius]


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    return np.any([np.roll(mask, shift, axis=(1, 2)) for shift in shifts(radius)], axis=0)


def erode(mask: np.ndarray, radius: int) -> np.ndarray:
    return np.all([np.roll(mask, shift, axis=(1, 2)) for shift in shifts(radius)], axis=0)
