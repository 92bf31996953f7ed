"""A command of the trainer that only measures: its output, its fault, its end."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_brainseg.core.imaging import CancelledError, ConfigError
from napari_brainseg.session.trainer_command import TrainerCommand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHAT = "The gate could not be measured"


def command(code: str) -> TrainerCommand:
    return TrainerCommand(["-c", code], what=WHAT, command=[sys.executable])


def test_what_it_says_comes_back() -> None:
    assert command("print('passed')").run().strip() == "passed"


def test_a_fault_is_told_with_what_the_child_said() -> None:
    code = "import sys; sys.stderr.write('No locked set.'); sys.exit(1)"
    with pytest.raises(ConfigError, match=f"{WHAT}: No locked set"):
        command(code).run()


def test_one_that_cannot_be_started_is_a_fault(tmp_path: Path) -> None:
    missing = TrainerCommand([], what=WHAT, command=[str(tmp_path / "no-such-python")])
    with pytest.raises(ConfigError, match=WHAT):
        missing.run()


def test_called_off_it_ends_with_its_child(tmp_path: Path, until: Callable[..., None]) -> None:
    told = tmp_path / "pid"
    code = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    child = command(code)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            child.run()
        except CancelledError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: told.is_file() and told.read_text())
    child.cancel()
    thread.join(60)
    assert raised
    assert not psutil.pid_exists(int(told.read_text()))
    with pytest.raises(CancelledError):
        child.run()


def test_one_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ConfigError, match="longer than 1 s"):
        command("import time; time.sleep(600)").run(timeout_s=1)
