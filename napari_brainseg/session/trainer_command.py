"""A command of the trainer that runs to its end and can be called off at any moment.

Runs of training have a `TrainerProcess`; this is for what only measures.

Thread-safety: `run` blocks, so it belongs in a worker; `cancel` may be called from any thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

import psutil

from napari_brainseg.core.imaging import CancelledError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TRAINER", "TrainerCommand"]

TRAINER = (sys.executable, "-P", "-m", "training")
_NICE = 10
_TAIL = 800
"""Characters of the child's stderr in a message."""


class TrainerCommand:
    """One call of ``python -m training COMMAND ...``.

    Parameters
    ----------
    arguments : sequence of str
        The command and what follows it.
    what : str
        For messages: "The gate could not be measured".
    hint : str
        For messages: what to do about it.
    command : sequence of str, optional
        Start of the command line instead of `TRAINER`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        what: str,
        hint: str = "Mend what it says and try again.",
        command: Sequence[str] | None = None,
    ) -> None:
        self._arguments = [*(command or TRAINER), *arguments]
        self._what, self._hint = what, hint
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_cancelled = False

    def run(self, timeout_s: float | None = None) -> str:
        """Run it at low priority and wait; it is ended with its workers when this returns.

        Returns
        -------
        str
            What it wrote to its stdout.

        Raises
        ------
        CancelledError
            If `cancel` was called.
        ConfigError
            If it cannot be started, fails, or needs longer than `timeout_s`.
        """
        with tempfile.TemporaryFile(prefix="brainseg-trainer-") as errors:
            with self._lock:
                if self._is_cancelled:
                    raise CancelledError(f"{self._what}: called off.")
                try:
                    process = self._process = subprocess.Popen(
                        self._arguments,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        process_group=0 if os.name == "posix" else None,
                    )
                except OSError as error:
                    raise ConfigError(f"{self._what}: {error}.", self._hint) from error
            said = self._communicate(process, timeout_s)
            errors.seek(0)
            complaint = errors.read().decode(errors="replace").strip()[-_TAIL:]
        if self._is_cancelled:
            raise CancelledError(f"{self._what}: called off.")
        if process.returncode:
            raise ConfigError(
                f"{self._what}: {complaint or f'exit code {process.returncode}'}", self._hint
            )
        return said.decode(errors="replace")

    def cancel(self) -> None:
        """End the child at once, and one that would be started later."""
        with self._lock:
            self._is_cancelled = True
            process = self._process
        if process is not None:
            _end(process)

    def _communicate(self, process: subprocess.Popen[bytes], timeout_s: float | None) -> bytes:
        try:
            with contextlib.suppress(psutil.Error, OSError):
                if os.name == "posix":
                    psutil.Process(process.pid).nice(_NICE)
            return process.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired as error:
            raise ConfigError(
                f"{self._what}: it took longer than {timeout_s:.0f} s.", self._hint
            ) from error
        finally:
            _end(process)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child with its workers."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
