"""One run trains on a machine at a time, in the order they came."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.imaging import CancelledError
from napari_brainseg.core.protocol import Stop, Waiting
from napari_brainseg.core.protocol.process_mark import mark_of
from napari_brainseg.core.protocol.queue import Ticket, queue_folder, read_tickets, ticket_path
from training.stream import EventStream, StopFlag
from training.turn import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.protocol import Event

RUN = """
import sys
from pathlib import Path
from training.stream import EventStream, StopFlag
from training.turn import turn
name, folder, log = sys.argv[1:]
def note(text):
    with open(log, "a") as file:
        file.write(f"{name} {text}\\n")
stop = StopFlag()
events = EventStream(None, show=lambda event: note(f"waits for {event.ahead}"))
with stop.listening(stdin=True), turn(Path(name), events, stop, folder=Path(folder)):
    note("begins")
    while not stop:
        __import__("time").sleep(0.01)
    note("ends")
"""


class Queue:
    """Real processes that take their turns."""

    def __init__(self, root: Path) -> None:
        self.folder, self._log = root / "queue", root / "log.txt"
        self._runs: dict[str, subprocess.Popen[bytes]] = {}

    def ask(self, name: str) -> None:
        self._runs[name] = subprocess.Popen(
            [sys.executable, "-c", RUN, name, str(self.folder), str(self._log)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @property
    def log(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def until(self, *lines: str) -> None:
        end = time.monotonic() + 60
        while not set(lines) <= set(self.log):
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    def end(self, name: str) -> None:
        pipe = self._runs[name].stdin
        assert pipe is not None
        pipe.close()

    def kill(self, name: str) -> None:
        self._runs[name].send_signal(signal.SIGKILL)
        self._runs[name].wait(30)

    def close(self) -> None:
        for run in self._runs.values():
            run.kill()
            run.wait(30)
            if run.stdin is not None:
                run.stdin.close()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path)
    yield made
    made.close()


def test_runs_asked_for_at_once_train_one_after_another(queue: Queue) -> None:
    names = ("a", "b", "c")
    for name in names:
        queue.ask(name)
    for turns in range(3):
        queue.until(*(f"{name} begins" for name in _order(queue.log)[:turns]))
        end = time.monotonic() + 60
        while len(_order(queue.log)) < turns + 1:
            assert time.monotonic() < end, queue.log
            time.sleep(0.02)
        queue.end(_order(queue.log)[turns])
    end = time.monotonic() + 60
    while sum("ends" in line for line in queue.log) < 3:
        assert time.monotonic() < end, queue.log
        time.sleep(0.02)
    acts = [line.split()[1] for line in queue.log if "waits" not in line]
    assert acts == ["begins", "ends"] * 3
    assert not list(queue.folder.glob("*.ticket"))


def _order(log: list[str]) -> list[str]:
    return [line.split()[0] for line in log if line.endswith("begins")]


def test_whoever_came_first_is_next_and_a_killed_run_holds_nobody_up(queue: Queue) -> None:
    queue.ask("first")
    queue.until("first begins")
    queue.ask("second")
    queue.until("second waits for 1")
    queue.ask("third")
    queue.until("third waits for 2")
    queue.ask("fourth")
    queue.until("fourth waits for 3")
    queue.kill("third")
    queue.kill("first")
    queue.until("second begins", "fourth waits for 1")
    assert "fourth begins" not in queue.log
    queue.end("second")
    queue.until("fourth begins")


@pytest.fixture
def ahead(tmp_path: Path) -> Callable[..., Path]:
    """Put a ticket of a living process before us."""

    def put(number: int = 1, **fields: object) -> Path:
        pid = os.getppid()
        ticket = Ticket(number=number, pid=pid, mark=mark_of(pid), run_dir="other")
        path = ticket_path(tmp_path, number)
        path.write_text(ticket.model_copy(update=fields).model_dump_json())
        return path

    return put


def test_a_stop_ends_the_wait(tmp_path: Path, ahead: Callable[..., Path]) -> None:
    ahead()
    stop = StopFlag()
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        stop.obey(Stop())

    with (
        pytest.raises(CancelledError),
        turn(tmp_path / "run", EventStream(None, show=hear), stop, folder=tmp_path),
    ):
        pytest.fail("it was not its turn")
    (waiting,) = heard
    assert isinstance(waiting, Waiting)
    assert waiting.ahead == 1
    assert [path.name for path, _ in read_tickets(tmp_path)] == ["000000000001.ticket"]


@pytest.mark.parametrize("what", ["another process of this number", "damaged"])
def test_tickets_that_nobody_gives_back_are_thrown_away(
    what: str, tmp_path: Path, ahead: Callable[..., Path]
) -> None:
    if what == "damaged":
        ahead().write_text("{")
    else:
        ahead(mark=1.0)
    with turn(tmp_path / "run", EventStream(None), StopFlag(), folder=tmp_path):
        ((path, ticket),) = read_tickets(tmp_path)
        assert ticket is not None
        assert ticket.pid == os.getpid()
    assert not path.exists()


def test_the_order_does_not_depend_on_the_clock(
    tmp_path: Path, ahead: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ahead()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        before.unlink(missing_ok=True)

    events = EventStream(None, show=hear)
    with turn(tmp_path / "run", events, StopFlag(), folder=tmp_path):
        assert [json.loads(e.model_dump_json())["ahead"] for e in heard] == [1]


def test_the_folder_of_the_queue_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queue_folder().name == "queue"
    monkeypatch.setenv("BRAINSEG_QUEUE", str(tmp_path / "here"))
    assert queue_folder() == tmp_path / "here"
