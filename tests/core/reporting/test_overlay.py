"""Outlines, overlays, triptychs and animations show what the masks say."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from napari_brainseg.core.reporting.animation import animation, shown_slices
from napari_brainseg.core.reporting.outline import inner_outline
from napari_brainseg.core.reporting.overlay import PREDICTION, TRUTH, encoded, grey, overlay
from napari_brainseg.core.reporting.triptych import TriptychRow, telling_slices, triptych

RED, GREEN = np.array(PREDICTION), np.array(TRUTH)


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction, (8, 40, 40); lesion in slices 2 to 5, largest in 3, worst in 5."""
    truth = np.zeros((8, 40, 40), np.uint8)
    for z, size in ((2, 4), (3, 12), (4, 8), (5, 8)):
        truth[z, 10 : 10 + size, 10 : 10 + size] = 1
    prediction = truth.copy()
    prediction[5] = np.roll(truth[5], 6, axis=1)
    return truth, prediction


@pytest.fixture
def head() -> np.ndarray:
    rng = np.random.default_rng(4)
    volume = np.zeros((8, 40, 40), np.uint8)
    volume[:, 4:36, 6:34] = rng.integers(60, 200, (8, 32, 28))
    return volume


def is_colour(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return (picture == colour).all(axis=-1)


def test_outline_lies_inside_and_is_one_pixel_wide() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[2:7, 3:8] = 1
    ring = mask.astype(bool)
    ring[3:6, 4:7] = False

    assert np.array_equal(inner_outline(mask), ring)


def test_outline_of_a_volume_is_that_of_each_slice(masks) -> None:
    truth, _ = masks

    assert np.array_equal(inner_outline(truth), np.stack([inner_outline(s) for s in truth]))


def test_outline_stays_open_at_the_edge_of_the_picture() -> None:
    mask = np.zeros((6, 6), np.uint8)
    mask[:, :3] = 1

    assert inner_outline(mask)[:, 2].all()
    assert not inner_outline(mask)[:, :2].any()


def test_grey_uses_one_window_for_all_slices() -> None:
    volume = np.zeros((2, 10, 10), np.uint16)
    volume[0, 2:, 2:], volume[1, 2:, 2:] = 1000, 500
    shown = grey(volume)

    assert shown.dtype == np.uint8
    assert (shown.min(), shown[0].max(), shown[1].max()) == (0, 255, 128)
    assert not grey(np.zeros((2, 3, 3), np.uint8)).any()


def test_overlay_paints_truth_over_prediction(head, masks) -> None:
    truth, prediction = masks
    picture = overlay(head[5], prediction[5], truth[5])

    assert np.array_equal(is_colour(picture, GREEN), inner_outline(truth[5]))
    assert np.array_equal(
        is_colour(picture, RED), inner_outline(prediction[5]) & ~inner_outline(truth[5])
    )
    rest = ~(inner_outline(truth[5]) | inner_outline(prediction[5]))
    assert (picture[rest] == head[5][rest][:, None]).all()


def test_overlay_without_truth_shows_the_prediction_alone(head, masks) -> None:
    picture = overlay(head[3], masks[1][3], None)

    assert is_colour(picture, RED).any()
    assert not is_colour(picture, GREEN).any()


def test_encoding_keeps_every_pixel_and_repeats_itself(head) -> None:
    picture = overlay(head[0], None, None)

    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded(picture)))), picture)
    assert encoded(picture) == encoded(picture)
    assert encoded(picture, "jpeg")[:3] == b"\xff\xd8\xff"


def test_telling_slices_are_the_largest_and_the_worst(masks) -> None:
    truth, prediction = masks
    empty = np.zeros_like(truth)

    assert telling_slices(truth, prediction) == {3: "largest area", 5: "most disagreement"}
    assert telling_slices(truth, truth) == {3: "largest area"}
    assert telling_slices(empty, truth) == {3: "largest area"}
    assert list(telling_slices(empty, empty)) == [4]


def test_triptych_has_three_panels_a_slice(head, masks) -> None:
    truth, prediction = masks
    rows = [TriptychRow(f"slice {z}", head[z], truth[z], prediction[z]) for z in (3, 5)]
    one, two = triptych("A patient", rows[:1]), triptych("A patient", rows)
    third = two.shape[1] // 3

    assert two.shape[0] > one.shape[0] > 256
    assert two.shape[1] > 3 * 256
    assert not is_colour(two[:, :third], RED).any()
    assert not is_colour(two[:, :third], GREEN).any()
    assert is_colour(two[:, third : 2 * third], GREEN).any()
    assert is_colour(two[:, 2 * third :], RED).any()
    with pytest.raises(ValueError, match="at least one slice"):
        triptych("Nobody", [])


def test_animation_shows_the_lesion_and_two_slices_around(masks) -> None:
    truth, prediction = masks
    empty = np.zeros_like(truth)

    assert shown_slices(truth, prediction) == range(8)
    assert shown_slices(truth, prediction, around=0) == range(2, 6)
    assert shown_slices(empty, empty) == range(1, 8)


def test_animation_plays_each_slice_with_both_outlines(head, masks) -> None:
    truth, prediction = masks
    film = Image.open(io.BytesIO(animation(head, truth, prediction, frame_ms=150)))

    assert film.n_frames == 8
    assert film.info["loop"] == 0
    assert film.info["duration"] == 150
    film.seek(5)
    frame = np.asarray(film.convert("RGB"))
    assert frame.shape[:2] == (40, 36)
    assert is_colour(frame, GREEN).sum() == inner_outline(truth[5]).sum()
    assert is_colour(frame, RED).any()
    film.seek(0)
    assert not is_colour(np.asarray(film.convert("RGB")), GREEN).any()


def test_animation_gives_up_detail_to_stay_small(head, masks) -> None:
    full = animation(head, *masks)
    small = animation(head, *masks, limit_bytes=len(full) - 1)

    assert len(small) < len(full)
    assert animation(head, *masks) == full
