from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_brainseg.core.imaging import CancelledError, ConfigError
from napari_brainseg.core.protocol import RunConfig
from napari_brainseg.session.expected_time import StepMeasurement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIGURES = '{"prepare_s": 2, "step_s": 0.5, "steps": 100, "expected_s": 52, "memory_mb": 900}'


def measurement(script: str) -> StepMeasurement:
    """A trainer that runs a script; sys.argv has what it was asked."""
    return StepMeasurement(RunConfig(), command=(sys.executable, "-c", script))


def test_the_last_line_of_the_child_holds_the_figures() -> None:
    script = (
        "import sys, pathlib; assert sys.argv[1:3] == ['measure-step', '--config'];"
        "assert 'epochs' in pathlib.Path(sys.argv[3]).read_text();"
        f"print('some words'); print('{FIGURES}')"
    )
    found = measurement(script).measure()
    assert (found.expected_s, found.memory_mb, found.steps) == (52, 900, 100)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit('no such device')", "no such device"),
        ("print('{}')", "no figures came"),
        ("pass", "no figures came"),
    ],
)
def test_a_child_that_fails_is_said(script: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        measurement(script).measure()
    assert "all the same" in caught.value.hint


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    absent = StepMeasurement(RunConfig(), command=(str(tmp_path / "nothing"),))
    with pytest.raises(ConfigError, match="could not be measured"):
        absent.measure()


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = (
        f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid()));"
        "time.sleep(60)"
    )
    with pytest.raises(ConfigError, match="longer than"):
        measurement(script).measure(timeout_s=1.0)
    assert not pid.is_file() or not psutil.pid_exists(int(pid.read_text()))


def test_a_measurement_is_called_off_with_its_child(
    tmp_path: Path, until: Callable[..., None]
) -> None:
    mark = tmp_path / "runs"
    step = measurement(f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(60)")
    faults: list[BaseException] = []

    def run() -> None:
        try:
            step.measure()
        except CancelledError as error:
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(mark.exists)
    step.cancel()
    thread.join(20)
    assert not thread.is_alive()
    assert len(faults) == 1
    with pytest.raises(CancelledError):
        step.measure()
