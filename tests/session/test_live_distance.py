from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brainseg.core.segmentation.metrics import hd95_mm, hd95_vox
from napari_brainseg.session import live_distance
from napari_brainseg.session.live_distance import LiveDistance
from napari_brainseg.session.surface_distance import ChangingSurface, DistanceTo, surface_of

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (3, 5, 6)
SPACINGS = ((1.0, 1.0, 1.0), (2.5, 0.9, 0.9), (5.0, 0.43, 0.47))
WAIT_S = 30.0


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from((0.0, 0.02, 0.3, 0.8, 1.0)))
    return (rng.random(SHAPE) < share).astype(np.uint8)


@st.composite
def changes(draw: st.DrawFn) -> np.ndarray:
    """Voxels to turn over: a box, a few voxels, or most of the volume."""
    if draw(st.booleans()):
        return draw(masks())
    change = np.zeros(SHAPE, np.uint8)
    corner = [draw(st.integers(0, n - 1)) for n in SHAPE]
    change[tuple(slice(c, c + draw(st.integers(1, 3))) for c in corner)] = 1
    return change


@settings(max_examples=150)
@given(masks(), masks(), st.lists(changes(), max_size=5), st.sampled_from(SPACINGS))
def test_distance_kept_up_to_date_equals_measuring_anew(
    fixed: np.ndarray,
    start: np.ndarray,
    turned: list[np.ndarray],
    spacing: tuple[float, float, float],
) -> None:
    surface = ChangingSurface(start.copy(), spacing)
    distance = DistanceTo(fixed, surface)
    current = start
    for change in (np.zeros_like(start), *turned):
        current = current ^ change
        indices = np.flatnonzero(change)
        gone, come = surface.apply(indices, current.flat[indices])
        distance.follow(gone, come)
        np.testing.assert_array_equal(surface.voxels, np.flatnonzero(surface_of(current)))
        if spacing == (1.0, 1.0, 1.0):
            np.testing.assert_equal(distance.hd95, hd95_vox(current, fixed))
        # Of two partners equally far the other one may have been taken: the last bit may differ.
        expected = hd95_mm(current, fixed, spacing)
        assert distance.hd95 == pytest.approx(expected, rel=1e-12, nan_ok=True)


def box(*corner: int, size: int = 4) -> np.ndarray:
    mask = np.zeros((8, 32, 32), np.uint8)
    mask[tuple(slice(c, c + size) for c in corner)] = 1
    return mask


def turn(live: LiveDistance, mask: np.ndarray, after: np.ndarray) -> np.ndarray:
    indices = np.flatnonzero(mask != after)
    live.apply(indices, after.flat[indices])
    return after


def test_truth_and_prediction_each_have_their_distance() -> None:
    mask, truth, prediction = box(2, 8, 8), box(2, 8, 11), box(2, 20, 8)
    live = LiveDistance(mask)
    live.compare("truth", truth)
    live.compare("prediction", prediction)
    mask = turn(live, mask, box(2, 8, 9))
    assert live.wait(WAIT_S)
    found = live.distances
    assert found.is_current
    assert found.truth == hd95_vox(mask, truth)
    assert found.prediction == hd95_vox(mask, prediction)
    assert live.unit == "voxels"


def test_distances_are_in_mm_where_the_spacing_is_known() -> None:
    mask, truth = box(2, 8, 8), box(2, 8, 11)
    live = LiveDistance(mask, (2.0, 0.5, 0.5))
    live.compare("truth", truth)
    assert live.wait(WAIT_S)
    assert live.unit == "mm"
    assert live.distances.truth == pytest.approx(hd95_mm(mask, truth, (2.0, 0.5, 0.5)))


def test_nothing_to_compare_with_gives_no_distance() -> None:
    live = LiveDistance(box(2, 8, 8))
    live.compare("prediction", box(2, 8, 8))
    assert live.wait(WAIT_S)
    assert (live.distances.truth, live.distances.prediction) == (None, 0.0)
    live.compare("prediction", None)
    assert live.wait(WAIT_S)
    assert live.distances.prediction is None


def test_the_mask_painted_on_may_change_under_it() -> None:
    mask = box(2, 8, 8)
    live = LiveDistance(mask)
    mask[:] = 0
    live.compare("truth", box(2, 8, 8))
    assert live.wait(WAIT_S)
    assert live.distances.truth == 0.0


def test_only_the_latest_is_told_and_what_is_older_is_not_called_current(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measuring, go_on = threading.Event(), threading.Event()

    class Slow(DistanceTo):
        @property
        def hd95(self) -> float:
            measuring.set()
            go_on.wait(WAIT_S)
            return super().hd95

    monkeypatch.setattr(live_distance, "DistanceTo", Slow)
    mask, truth = box(2, 8, 8), box(2, 8, 11)
    live = LiveDistance(mask)
    told: list[float | None] = []
    live.changed.connect(lambda: told.append(live.distances.truth))
    live.compare("truth", truth)
    assert measuring.wait(WAIT_S)
    assert not live.distances.is_current
    for column in (9, 10, 12):
        mask = turn(live, mask, box(2, 8, column))
    go_on.set()
    assert live.wait(WAIT_S)
    until(lambda: bool(told))
    assert told == [hd95_vox(mask, truth)]


def test_a_fault_ends_the_figures_and_not_the_painting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        raise MemoryError

    live = LiveDistance(box(2, 8, 8))
    live.compare("truth", box(2, 8, 8))
    assert live.wait(WAIT_S)
    monkeypatch.setattr(ChangingSurface, "apply", fail)
    turn(live, box(2, 8, 8), box(2, 8, 9))
    assert live.wait(WAIT_S)
    assert live.distances.truth is None
    assert "not measured any more" in caplog.text


def test_one_thread_measures_and_ends_when_closed() -> None:
    live = LiveDistance(box(2, 8, 8))
    for column in range(9, 20):
        live.compare("truth", box(2, 8, column))
    assert threads() <= 1
    assert live.wait(WAIT_S)
    assert live.distances.is_current
    live.close()
    until(lambda: threads() == 0)
    live.compare("truth", box(2, 8, 8))
    assert threads() == 0
    assert not live.distances.is_current


def test_a_thread_without_work_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_distance, "_LINGER_S", 0.01)
    live = LiveDistance(box(2, 8, 8))
    live.compare("truth", box(2, 8, 9))
    until(lambda: threads() == 0)
    live.compare("truth", box(2, 8, 8))
    assert live.wait(WAIT_S)
    assert live.distances.truth == 0.0


def threads() -> int:
    """Count the measuring threads, those of other tests that linger left out."""
    return len({t for t in threading.enumerate() if t.name == "brainseg-distance"} - _BEFORE)


_BEFORE: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _threads_before() -> None:
    _BEFORE.clear()
    _BEFORE.update(threading.enumerate())


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
