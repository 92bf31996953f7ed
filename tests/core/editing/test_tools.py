"""Each tool does what it says, also with thick slices, several islands and at the border."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.editing.between import gaps, interpolate
from napari_brainseg.core.editing.flood import flood_fill
from napari_brainseg.core.editing.holes import fill_holes
from napari_brainseg.core.editing.islands import keep_largest, remove_island
from napari_brainseg.core.editing.shape import dilate, erode, smooth
from napari_brainseg.core.editing.slices import clear_slice, copy_slice
from napari_brainseg.core.editing.taking import snap, take
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from napari_brainseg.core.editing import Edit

SHAPE = (9, 40, 40)


def ball(*centre: float, radius: float = 6) -> np.ndarray:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = (2 * (z - centre[0])) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
    return (inside <= radius**2).astype(np.uint8)


def disc(y: float, x: float, radius: float) -> np.ndarray:
    return ball(4, y, x, radius=radius)[4]


def after(mask: np.ndarray, edit: Edit | None) -> np.ndarray:
    done = mask.copy()
    if edit is not None:
        edit.write(done)
    return done


def centre(plane: np.ndarray) -> np.ndarray:
    return np.argwhere(plane).mean(axis=0)


def perimeter(plane: np.ndarray) -> int:
    signed = plane.astype(int)
    return int(sum(np.abs(np.diff(signed, axis=axis)).sum() for axis in (0, 1)))


@pytest.mark.parametrize(
    "call",
    [
        lambda m: fill_holes(m, 9),
        lambda m: clear_slice(m, -1),
        lambda m: copy_slice(m, 3, 9),
        lambda m: interpolate(m, -1, 4),
        lambda m: dilate(m, 1, slice_index=12),
        lambda m: take(m, m, slice_index=9),
    ],
)
def test_a_slice_that_is_not_there_is_named(call) -> None:
    with pytest.raises(DataError, match=r"There is no slice .*: the volume has 9"):
        call(np.zeros(SHAPE, np.uint8))


@pytest.mark.parametrize(
    "call",
    [
        lambda m, o: take(m, o),
        lambda m, o: snap(m, o, 0.5, np.ones(SHAPE[1:], bool), range(9)),
        lambda m, o: flood_fill(m, o, (0, 0, 0)),
    ],
)
def test_another_grid_is_refused(call) -> None:
    with pytest.raises(DataError, match=r"shape \(9, 40, 39\), the mask \(9, 40, 40\)"):
        call(np.zeros(SHAPE, np.uint8), np.zeros((9, 40, 39)))


def test_millimetres_need_a_spacing() -> None:
    for tool in (dilate, erode, smooth):
        with pytest.raises(DataError, match=r"radius of 2 mm .* how large a voxel is") as error:
            tool(ball(4, 20, 20), 2, unit="mm")
        assert "voxels" in error.value.hint
    with pytest.raises(DataError, match="limit of 20 mm"):
        flood_fill(ball(4, 20, 20), ball(4, 20, 20), (4, 20, 20), limit_mm=20)
    with pytest.raises(DataError, match=r"-1"):
        dilate(ball(4, 20, 20), -1)


def test_a_radius_in_millimetres_reaches_thick_slices_later() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[4, 20, 20] = 1

    wide = after(mask, dilate(mask, 5, unit="mm", spacing=(5.0, 1.0, 2.5)))

    assert np.argwhere(wide).min(axis=0).tolist() == [3, 15, 18]
    assert np.argwhere(wide).max(axis=0).tolist() == [5, 25, 22]


@pytest.mark.parametrize("radius", [1.0, 1.5, 3.2])
def test_both_ways_of_widening_agree(radius: float, monkeypatch: pytest.MonkeyPatch) -> None:
    speckled = (np.random.default_rng(2).random(SHAPE) < 0.003).astype(np.uint8)
    how = {"unit": "mm", "spacing": (1.3, 0.7, 1.0)}

    by_shifts = after(speckled, dilate(speckled, radius, **how))
    monkeypatch.setattr("napari_brainseg.core.editing.shape._MOST_SHIFTS", 0)

    assert np.array_equal(by_shifts, after(speckled, dilate(speckled, radius, **how)))


def test_eroding_does_not_eat_from_the_border_of_the_volume() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:3, :10, :10] = 1

    narrow = after(mask, erode(mask, 1))

    assert narrow[:2, :9, :9].all()
    assert narrow.sum() == 2 * 9 * 9
    assert erode(np.ones(SHAPE, np.uint8), 3) is None


def test_smoothing_keeps_the_volume_and_takes_the_roughness() -> None:
    clean, rough = ball(4, 20, 20, radius=12), ball(4, 20, 20, radius=12)
    border = dilate(clean, 1, slice_index=4)
    ring = after(clean, border) > clean
    rough[ring & (np.random.default_rng(1).random(SHAPE) < 0.3)] = 1

    smoothed = after(rough, smooth(rough, 3, slice_index=4))

    assert smoothed.sum() == pytest.approx(rough.sum(), rel=0.01)
    assert perimeter(smoothed[4]) < perimeter(rough[4])
    whole = after(rough, smooth(rough, 3))
    assert whole.sum() == pytest.approx(rough.sum(), rel=0.01)
    assert np.array_equal(whole[4], after(whole, fill_holes(whole, 4))[4])


def test_holes_of_a_slice_are_not_those_of_the_volume() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:6, 10:20, 10:20] = 1
    mask[2:5, 14:16, 14:16] = 0  # a shaft, open at slice 2 and closed at 5
    mask[3, 11, 11] = 0  # a cavity

    in_volume, in_slice = after(mask, fill_holes(mask)), after(mask, fill_holes(mask, 3))

    assert in_volume[3, 11, 11] == 1
    assert not in_volume[3, 14, 14]
    assert in_slice[3, 10:20, 10:20].all()
    assert not in_slice[2, 14, 14]


def test_equal_islands_leave_one() -> None:
    mask = ball(4, 10, 10) | ball(4, 30, 30)

    left = after(mask, keep_largest(mask))

    assert np.array_equal(left, ball(4, 10, 10))
    assert remove_island(mask, (4, 20, 20)) is None
    assert remove_island(mask, (44, 20, 20)) is None
    assert np.array_equal(after(mask, remove_island(mask, (4, 30, 30))), ball(4, 10, 10))


def test_an_island_that_wanders_does_not_vanish() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[0], mask[6] = disc(10, 8, 4), disc(18, 20, 4)

    done = after(mask, interpolate(mask, 0, 6))

    sizes = done[:7].sum(axis=(1, 2))
    assert sizes.min() > 0.8 * sizes[0]
    assert centre(done[3]) == pytest.approx([14, 14], abs=0.7)


def test_two_islands_find_each_their_own() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1] = disc(10, 10, 5) | disc(30, 30, 3)
    mask[5] = disc(12, 10, 5) | disc(30, 37, 3)

    done = after(mask, interpolate(mask, 5, 1))

    assert done[3, 11, 10]
    assert done[3, 30, 33]
    assert not done[3, 20:25, 18:25].any()


def test_an_island_without_a_partner_tapers_off() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[0] = disc(10, 10, 5) | disc(30, 30, 5)
    mask[8] = disc(10, 10, 5)

    sizes = after(mask, interpolate(mask, 0, 8))[:, 20:, 20:].sum(axis=(1, 2))

    assert (np.diff(sizes.astype(int)) <= 0).all()
    assert sizes[2] > 0
    assert not sizes[4:].any()


def test_interpolation_replaces_or_keeps_what_is_between() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[2] = mask[4] = disc(10, 10, 5)
    mask[3] = disc(30, 30, 5)

    replaced = after(mask, interpolate(mask, 2, 4))
    kept = after(mask, interpolate(mask, 2, 4, keep=True))

    assert np.array_equal(replaced[3], mask[2])
    assert np.array_equal(kept[3], mask[2] | mask[3])
    assert interpolate(mask, 3, 4) is None


def test_gaps_lie_between_drawn_slices() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    for z in (1, 2, 5, 8):
        mask[z, 3, 3] = 1

    assert gaps(mask) == ((2, 5), (5, 8))
    assert gaps(np.zeros(SHAPE, np.uint8)) == ()


def test_flood_fill_stops_at_the_edge_of_the_tone() -> None:
    image = np.full(SHAPE, 60.0)
    image[ball(4, 20, 20, radius=8) != 0] = 200
    empty = np.zeros(SHAPE, np.uint8)

    one = after(empty, flood_fill(empty, image, (4, 20, 20)))
    all_ = after(empty, flood_fill(empty, image, (4, 20, 20), volume=True))

    assert np.array_equal(one[4], ball(4, 20, 20, radius=8)[4])
    assert one.sum() == one[4].sum()
    assert np.array_equal(all_, ball(4, 20, 20, radius=8))


def test_a_leak_cannot_take_the_head() -> None:
    image, empty = np.full(SHAPE, 100.0), np.zeros(SHAPE, np.uint8)

    edit = flood_fill(empty, image, (4, 20, 20), volume=True, limit_mm=10, spacing=(5, 1, 1))

    reached = np.argwhere(after(empty, edit)) - (4, 20, 20)
    assert np.hypot(np.hypot(5 * reached[:, 0], reached[:, 1]), reached[:, 2]).max() <= 10
    assert reached[:, 0].max() == 2
    assert flood_fill(empty, image, (4, 20, 99)) is None


def test_snap_acts_in_the_region_only() -> None:
    probability = np.zeros(SHAPE, np.float32)
    probability[:, 10:30, 10:30] = 0.4
    mask = ball(4, 20, 20)
    region = np.zeros(SHAPE[1:], bool)
    region[:, :20] = True

    done = after(mask, snap(mask, probability, 0.3, region, range(3, 99)))
    cut = after(mask, snap(mask, probability, 0.5, np.broadcast_to(region, SHAPE), range(3, 5)))

    assert np.array_equal(done[:3], mask[:3])
    assert np.array_equal(done[:, :, 20:], mask[:, :, 20:])
    assert done[3:, 10:30, 10:20].all()
    assert not cut[3:5, :, :20].any()
    assert np.array_equal(cut[5:], mask[5:])


def test_take_an_island_from_elsewhere() -> None:
    mask = ball(4, 10, 10) | ball(4, 30, 30)
    source = ball(4, 12, 10) | ball(4, 10, 32)

    moved = after(mask, take(mask, source, point=(4, 12, 10)))
    gone = after(mask, take(mask, source, point=(4, 30, 30)))
    new = after(mask, take(mask, source, slice_index=4, point=(4, 10, 32)))

    assert np.array_equal(moved, ball(4, 12, 10) | ball(4, 30, 30))
    assert np.array_equal(gone, ball(4, 10, 10))
    assert np.array_equal(new[4], mask[4] | ball(4, 10, 32)[4])
    assert np.array_equal(new[:4], mask[:4])
    assert take(mask, source, point=(0, 0, 0)) is None
