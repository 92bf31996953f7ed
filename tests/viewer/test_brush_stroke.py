"""What a stroke of each brush writes into a mask, without a window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.viewer.brush_stroke import (
    ADAPTIVE,
    BRUSH,
    ERASER,
    THRESHOLD,
    BrushSettings,
    BrushStroke,
)

SHAPE = (5, 64, 64)


def head(value=200):
    """Grey 60 with grain, and a lesion of another grey, a disc of radius 12 in all slices."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:64, :64]
    lesion = (y - 32) ** 2 + (x - 32) ** 2 <= 12**2
    image = np.where(lesion, value, 60) + rng.integers(-8, 9, SHAPE)
    return image.astype(np.uint8), lesion


def mask(value=0):
    return np.full(SHAPE, value, np.uint8)


def test_the_disc_is_as_wide_as_its_size_and_round():
    for size in (1, 2, 7, 12):
        painted = mask()
        box = BrushStroke(painted, BrushSettings()).move_to(2, 30, 30, size)
        assert painted[2].any(axis=0).sum() == painted[2].any(axis=1).sum() == size
        assert painted.sum() == painted[2][box].sum()
        if size > 4:
            assert painted.sum() < size**2


def test_a_fast_hand_leaves_no_gaps():
    painted = mask()
    stroke = BrushStroke(painted, BrushSettings())
    stroke.move_to(2, 10, 5, 3)
    stroke.move_to(2, 10, 58, 3)
    assert painted[2, 10, 5:59].all()


def test_depth_is_the_same_disc_in_the_slices_around_clipped_at_the_ends():
    painted = mask()
    stroke = BrushStroke(painted, BrushSettings(BRUSH, depth=2))
    stroke.move_to(1, 30, 30, 8)
    assert [int(plane.any()) for plane in painted] == [1, 1, 1, 1, 0]
    assert all(np.array_equal(plane, painted[1]) for plane in painted[:4])
    assert stroke.parameters == {"size": 8, "depth": 2}


def test_the_eraser_takes_away():
    painted = mask(1)
    BrushStroke(painted, BrushSettings(ERASER, depth=1)).move_to(2, 30, 30, 8)
    assert [int((plane == 0).sum() > 0) for plane in painted] == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("place", [(-20, 30), (30, 200), (-1000, -1000)])
def test_outside_nothing_happens_and_the_rim_is_clipped(place):
    painted = mask()
    stroke = BrushStroke(painted, BrushSettings())
    assert stroke.move_to(2, *place, 8) is None
    assert stroke.move_to(-1, 30, 30, 8) is None
    assert stroke.move_to(5, 30, 30, 8) is None
    assert not painted.any()
    assert stroke.changes()[1].size == 0

    # From outside in: what lies between is painted as far as there is an image.
    BrushStroke(painted, BrushSettings()).move_to(2, 0, 0, 9)
    assert painted[2, :5, 0].all()
    assert not painted[2, 5:].any()


def test_into_another_slice_the_brush_does_not_draw_a_line():
    painted = mask()
    stroke = BrushStroke(painted, BrushSettings())
    stroke.move_to(1, 10, 10, 5)
    stroke.move_to(2, 50, 50, 5)
    stroke.move_to(2, 50, 55, 5)
    assert painted[1, 10, 10]
    assert painted[2, 50, 50:56].all()
    assert not painted[2, 10:40, 10:40].any()
    assert not painted[1, 40:].any()
    where, before, after = stroke.changes()
    assert set(where[0]) == {1, 2}
    assert not before.any()
    assert after.all()
    assert before.size == painted.sum()


def test_the_threshold_brush_keeps_to_its_window_ends_included():
    image, _ = head()
    image[2, 30, 30], image[2, 30, 31], image[2, 30, 29] = 150, 149, 180
    painted = mask()
    stroke = BrushStroke(painted, BrushSettings(THRESHOLD, 1, image, (150, 180)))
    stroke.move_to(2, 30, 30, 9)
    assert painted[2, 30, 30]
    assert painted[2, 30, 29]
    assert not painted[2, 30, 31]
    touched = painted.astype(bool)
    assert ((image[touched] >= 150) & (image[touched] <= 180)).all()
    assert stroke.parameters["window"] == [150.0, 180.0]


def test_without_a_window_it_paints_what_is_like_the_place_of_the_press():
    image, lesion = head()
    painted = mask()
    stroke = BrushStroke(painted, BrushSettings(THRESHOLD, 0, image))
    stroke.move_to(2, 32, 32, 9)
    stroke.move_to(2, 32, 60, 9)
    inside = painted[2].astype(bool)
    assert inside[lesion].sum() > 120
    assert not inside[~lesion].any()


def test_the_adaptive_brush_grows_to_the_edge_in_each_slice():
    image, lesion = head()
    image[3] = np.roll(image[3], 4, axis=1)
    painted = mask()
    stroke = BrushStroke(painted, BrushSettings(ADAPTIVE, 1, image))
    stroke.move_to(2, 32, 32, 8)

    def agreement(z, truth):
        inside = painted[z].astype(bool)
        return 2 * (inside & truth).sum() / (inside.sum() + truth.sum())

    assert agreement(2, lesion) > 0.9
    assert set(stroke.pending) == {1, 3}  # nobody sees them yet: they may grow later
    for z in stroke.pending:
        stroke.grow(z)
    assert agreement(3, np.roll(lesion, 4, axis=1)) > 0.9
    assert not stroke.pending


def test_a_cancelled_growth_leaves_what_the_brush_itself_covered():
    image, _ = head()
    painted = mask()
    painted[2, 30:50, 45:50] = 1
    before = painted.copy()
    stroke = BrushStroke(painted, BrushSettings(ADAPTIVE, 1, image))
    stroke.move_to(2, 32, 32, 8)
    assert (painted != before).sum() > 200
    assert stroke.cancel_growth() is not None

    plain = before.copy()
    BrushStroke(plain, BrushSettings(BRUSH, 1)).move_to(2, 32, 32, 8)
    assert np.array_equal(painted, plain)
    assert stroke.parameters["grown"] is False
    assert stroke.move_to(2, 10, 10, 8) is None
    assert np.array_equal(painted, plain)
    assert stroke.cancel_growth() is None


def test_a_plain_stroke_has_no_growth_to_cancel():
    painted = mask()
    stroke = BrushStroke(painted, BrushSettings())
    stroke.move_to(2, 32, 32, 8)
    after = painted.copy()
    assert stroke.cancel_growth() is None
    assert np.array_equal(painted, after)
