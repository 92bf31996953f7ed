"""A stop that somebody waits for is obeyed in time, whatever the run is at."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.protocol import Stop
from training import deadline
from training.deadline import leaving_in_time, saving
from training.stream import StopFlag

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    monkeypatch.setattr(deadline, "DEADLINE_S", 0.05)
    monkeypatch.setattr(deadline, "_GRACE_S", 0.05)
    return threading.Event()


def test_a_run_that_does_not_come_to_its_end_leaves(left: threading.Event) -> None:
    stop = StopFlag()
    with leaving_in_time(stop, left.set):
        assert not left.wait(0.2)
        stop.obey(Stop())
        assert left.wait(20)


def test_a_checkpoint_that_is_being_written_is_waited_for(left: threading.Event) -> None:
    stop = StopFlag()
    with leaving_in_time(stop, left.set):
        with saving:
            stop.obey(Stop())
            assert not left.wait(0.3)
        assert left.wait(20)


@pytest.mark.parametrize(
    "ask", [lambda stop: None, lambda stop: stop.set("signal"), lambda stop: stop.obey(Stop())]
)
def test_one_that_ends_by_itself_is_left_alone(
    ask: Callable[[StopFlag], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()
    monkeypatch.setattr(deadline, "DEADLINE_S", 20.0)
    stop = StopFlag()
    with leaving_in_time(stop, left.set):
        ask(stop)
    assert not left.is_set()
