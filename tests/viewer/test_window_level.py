"""Window and level: clamping, dragging, presets, shares."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.viewer.contrast import PRESETS, tissue_of
from napari_brainseg.viewer.window_level import clamped, dragged

ROOM = (-100.0, 400.0)


@pytest.mark.parametrize("window", [(-900, 900), (50, 50), (80, 20), (399, 1000), (-500, -400)])
def test_a_window_stays_in_its_room_and_has_some_width(window):
    low, high = clamped(window, ROOM)
    assert ROOM[0] <= low < high <= ROOM[1]
    assert high - low >= (ROOM[1] - ROOM[0]) / 600


def test_right_widens_and_down_raises_the_level():
    assert dragged((50, 150), ROOM, 0.1, 0.0) == pytest.approx((25, 175))
    assert dragged((50, 150), ROOM, 0.0, 0.1) == pytest.approx((100, 200))


def test_windows_of_ct_are_not_those_of_mr():
    from napari_brainseg.core.imaging import Modality
    from napari_brainseg.viewer.window_memory import WindowMemory

    rng = np.random.default_rng(1)
    head = rng.integers(20, 60, (8, 32, 32)).astype(np.int16)
    head[:, :12] = -1000
    ct, mr = tissue_of(head), tissue_of(rng.integers(0, 900, (8, 32, 32)).astype(np.int16))
    memory = WindowMemory({})
    memory.remember("CT patient", Modality.PRE, (-800.0, 2000.0), ct)
    assert memory.recall("other", Modality.PRE, mr) == mr.auto
    assert memory.recall("another CT", Modality.PRE, ct) == pytest.approx((-800, 2000))
    memory.forget(Modality.PRE, mr)
    assert memory.recall("another CT", Modality.PRE, ct) != ct.auto
    memory.forget(Modality.PRE, ct)
    assert memory.recall("another CT", Modality.PRE, ct) == ct.auto


def test_going_back_to_where_the_drag_began_gives_the_first_window_again():
    # The arithmetic knows no way there, so hitting a bound on the way leaves no trace.
    assert dragged((50, 150), ROOM, -5.0, 5.0) != (50, 150)
    assert dragged((50, 150), ROOM, 0.0, 0.0) == (50, 150)


def test_presets_come_from_the_tissue():
    rng = np.random.default_rng(0)
    volume = np.zeros((12, 60, 60), np.int16)
    volume[:, 20:40, 20:40] = rng.normal(150, 20, (12, 20, 20)).clip(1, 400)
    tissue = tissue_of(volume)
    presets = tissue.presets()
    assert tuple(presets) == PRESETS
    assert presets["Whole range"] == (0, volume.max())
    assert presets["Bright lesion"][0] == pytest.approx(150, abs=5)
    assert presets["Brain"][1] < presets["Soft"][1] < tissue.room[1]
    for low, high in presets.values():
        assert low < high


@pytest.mark.parametrize("value", [0, 9])
def test_even_a_flat_volume_has_presets(value):
    presets = tissue_of(np.full((3, 9, 9), value, np.uint8)).presets()
    assert all(low < high for low, high in presets.values())


def test_shares_carry_a_window_to_other_intensities():
    rng = np.random.default_rng(0)
    dark = rng.integers(1, 100, (9, 40, 40), dtype=np.uint8)
    here, there = tissue_of(dark), tissue_of(dark.astype(np.int16) * 10)
    window = there.window(here.shares((20.0, 60.0)))
    assert window == pytest.approx((200, 600), rel=0.02)
