"""What a run hears, and what it does about it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.imaging import CancelledError
from napari_brainseg.core.protocol import (
    Continue,
    Detach,
    Event,
    GiveWay,
    Pause,
    Paused,
    Stop,
    parse_event,
)
from training.stream import EventStream, StopFlag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Ear(EventStream):
    """Keeps events, and does something when one comes."""

    def __init__(self, react: Callable[[Event], None] = lambda _event: None) -> None:
        super().__init__(None, show=self._hear)
        self.heard: list[str] = []
        self._react = react

    def _hear(self, event: Event) -> None:
        self.heard.append(event.kind + (f" {event.why}" if isinstance(event, Paused) else ""))
        self._react(event)


def test_where_nothing_was_asked_nothing_happens() -> None:
    ear = Ear()
    StopFlag().rest(ear, lambda: pytest.fail("a checkpoint"))
    StopFlag().check()
    assert ear.heard == []


def test_a_pause_writes_a_checkpoint_and_lasts_until_it_is_ended() -> None:
    stop = StopFlag()
    ear = Ear(lambda event: stop.obey(Continue()))
    saved: list[int] = []
    stop.obey(Pause())
    stop.rest(ear, lambda: saved.append(len(ear.heard)))
    assert ear.heard == ["paused asked", "resumed"]
    assert saved == [0]


def test_a_stop_ends_a_pause_for_good() -> None:
    stop = StopFlag()
    ear = Ear(lambda event: stop.obey(Stop()))
    stop.obey(Pause())
    stop.rest(ear)
    assert ear.heard == ["paused asked"]
    assert stop.cause == "command"
    with pytest.raises(CancelledError):
        stop.check()


def test_giving_way_needs_no_checkpoint_and_ends_by_itself() -> None:
    stop, ear, saved = StopFlag(), Ear(), []
    stop.obey(GiveWay(seconds=0.05))
    stop.rest(ear, lambda: saved.append(1))
    assert ear.heard == ["paused prediction", "resumed"]
    assert saved == []


def test_the_end_of_a_prediction_leaves_the_pause_of_a_person() -> None:
    stop = StopFlag()
    later = threading.Timer(0.2, lambda: stop.obey(Continue()))

    def react(event: Event) -> None:
        if isinstance(event, Paused) and event.why == "prediction":
            stop.obey(Pause())
        elif isinstance(event, Paused):
            stop.obey(Continue(what="prediction"))
            later.start()

    ear = Ear(react)
    stop.obey(GiveWay(seconds=60))
    stop.rest(ear)
    later.join()
    assert ear.heard == ["paused prediction", "paused asked", "resumed"]


def test_a_clock_that_is_set_does_not_lengthen_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, ear = StopFlag(), Ear()
    stop.obey(GiveWay(seconds=0.05))
    before = time.time()
    monkeypatch.setattr(time, "time", lambda: before - 86_400)
    stop.rest(ear)
    assert ear.heard == ["paused prediction", "resumed"]


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_commands_in_the_run_folder_are_obeyed_and_old_ones_are_not(tmp_path: Path) -> None:
    commands = tmp_path / "commands.jsonl"
    commands.write_text('{"kind": "stop"}\n')
    stop = StopFlag()
    with stop.listening(stdin=False, run_dir=tmp_path):
        with commands.open("a") as file:
            file.write('what is this?\n{"kind": "sing"}\n{"kind": "detach"}\n')
        until(lambda: stop.is_detached)
        assert not stop
        with commands.open("a") as file:
            file.write('{"kind": "stop"}\n')
        until(lambda: stop)
    assert stop.cause == "command"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_a_terminal_that_closes_ends_a_run_unless_it_was_let_go() -> None:
    stop = StopFlag()
    with stop.listening(stdin=False):
        stop.obey(Detach())
        signal.raise_signal(signal.SIGHUP)
        assert not stop
        signal.raise_signal(signal.SIGTERM)
        assert stop.cause == "signal"
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    try:
        attached = StopFlag()
        with attached.listening(stdin=False):
            signal.raise_signal(signal.SIGHUP)
            assert attached.cause == "signal"
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = StopFlag()
        with stop.listening(stdin=False):
            signal.raise_signal(signal.SIGHUP)
            assert not stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_parent_that_stopped_reading_is_no_fault(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    # closing writes what is left
    with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "w", buffering=1) as pipe:
        stream = EventStream(pipe)
        stream.open_log(tmp_path)
        stream.send(Paused())
        stream.send(Paused())
        stream.close()
    assert (tmp_path / "events.jsonl").read_text().count("paused") == 2


def test_half_a_line_of_a_killed_process_does_not_swallow_the_next(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_text('{"kind": "resumed"}\n{"kind": "st')
    stream = EventStream(None)
    stream.open_log(tmp_path)
    stream.send(Paused())
    stream.close()
    assert isinstance(parse_event(log.read_text().splitlines()[-1]), Paused)
