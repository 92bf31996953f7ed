"""How long a run takes and how much memory: a step of it, measured in a process of its own.

The child is the trainer's ``measure-step``: it prepares the data as the run would, makes a few
steps and says what they took, as one JSON line. It can be called off at any moment.

Thread-safety: `measure` blocks for seconds, so it belongs in a worker; `cancel` may be called from
any thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_brainseg.core.imaging import CancelledError, ConfigError
from napari_brainseg.core.protocol.run_folder import CONFIG
from napari_brainseg.session.run_folder import write_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.protocol import RunConfig

__all__ = ["ExpectedTime", "StepMeasurement"]

TIMEOUT_S = 180.0
_NICE = 10
_TAIL = 800
"""Characters of the child's stderr in a message."""


class ExpectedTime(BaseModel):
    """What a measured step tells of a run."""

    # A later trainer may say more.
    model_config = ConfigDict(extra="ignore", frozen=True)

    prepare_s: float = Field(ge=0)
    """Seconds until the data was ready."""
    step_s: float = Field(ge=0)
    """Seconds a step."""
    steps: int = Field(ge=0)
    """Of the whole run, its inner folds included."""
    expected_s: float = Field(ge=0)
    """Seconds of the whole run."""
    memory_mb: float = Field(ge=0)
    """Resident, of the trainer's process."""


class StepMeasurement:
    """One measurement; made for one run.

    Parameters
    ----------
    config : RunConfig
        Of the run.
    command : sequence of str, optional
        Start of the command line instead of ``[sys.executable, "-P", "-m", "training"]``.
    """

    def __init__(self, config: RunConfig, *, command: Sequence[str] | None = None) -> None:
        self._config = config
        self._command = tuple(command or (sys.executable, "-P", "-m", "training"))
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_cancelled = False

    def measure(self, timeout_s: float = TIMEOUT_S) -> ExpectedTime:
        """Run the child and wait for its figures; it is ended when this returns.

        Raises
        ------
        CancelledError
            If `cancel` was called.
        ConfigError
            If the child cannot be started, fails, or needs longer than `timeout_s`.
        """
        with tempfile.TemporaryDirectory(prefix="brainseg-measure-") as scratch:
            folder = Path(scratch)
            write_config(folder, self._config)
            with (folder / "stderr").open("w+b") as errors:
                said = self._run(folder / CONFIG, errors.fileno(), timeout_s)
                errors.seek(0)
                complaint = errors.read().decode(errors="replace").strip()[-_TAIL:]
        lines = said.decode(errors="replace").strip().splitlines()
        try:
            return ExpectedTime.model_validate_json(lines[-1] if lines else "")
        except ValidationError as error:
            raise ConfigError(
                f"The time of a step could not be measured: {complaint or 'no figures came'}.",
                "The run can start all the same.",
            ) from error

    def cancel(self) -> None:
        """End the child at once, and any that would be started later."""
        with self._lock:
            self._is_cancelled = True
            process = self._process
        if process is not None:
            _end(process)

    def _run(self, config: Path, errors: int, timeout_s: float) -> bytes:
        arguments = [*self._command, "measure-step", "--config", str(config)]
        with self._lock:
            if self._is_cancelled:
                raise CancelledError("The measurement was called off.")
            try:
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    process_group=0 if os.name == "posix" else None,
                )
            except OSError as error:
                raise ConfigError(
                    f"The time of a step could not be measured: {error}.",
                    "The run can start all the same.",
                ) from error
            self._process = process
        try:
            with contextlib.suppress(psutil.Error, OSError):
                if os.name == "posix":
                    psutil.Process(process.pid).nice(_NICE)
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ConfigError(
                f"A step took longer than {timeout_s:.0f} s to measure.",
                "The run can start all the same; it will be slow on this machine.",
            ) from error
        finally:
            _end(process)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._is_cancelled:
            raise CancelledError("The measurement was called off.")
        return said


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child with its workers."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
