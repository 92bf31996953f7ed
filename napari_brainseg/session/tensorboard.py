"""TensorBoard of a run, as a child of this window that only this machine can reach.

Thread-safety: every method may be called from any thread; `open` takes seconds and is nothing for
the GUI thread.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["TensorBoard"]

_HOST = "127.0.0.1"
_FOLDER = "tensorboard"
_PATIENCE_S = 60.0
_LOOK_S = 0.1
_LEAVE_S = 3.0
_TAIL_CHARS = 300
_ENDS_WITH_US = """
import os, sys, threading
def watch():
    while os.read(0, 1024):
        pass
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
from tensorboard.main import run_main
run_main()
"""
"""A window that dies closes the pipe."""


class TensorBoard:
    """Starts TensorBoard when it is first asked for, and ends it with the window.

    It listens on 127.0.0.1 only; nothing is sent anywhere, and no browser is opened.

    Parameters
    ----------
    command : sequence of str, optional
        Start of the command line instead of ``python -m tensorboard.main``.
    """

    def __init__(self, *, command: Sequence[str] | None = None) -> None:
        self._command = None if command is None else tuple(command)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._said: Any = None
        self._shown: Path | None = None
        self._url = ""

    @property
    def available(self) -> bool:
        """Whether it is installed."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Why it is not available; empty if it is."""
        if self._command is not None or importlib.util.find_spec("tensorboard") is not None:
            return ""
        return "TensorBoard is not installed here: pip install tensorboard."

    def open(self, run_dir: Path) -> str:
        """Show a run; started once, and anew for another run.

        Parameters
        ----------
        run_dir : Path
            Folder of the run.

        Returns
        -------
        str
            Address for a browser.

        Raises
        ------
        ConfigError
            If it is not installed, the run has written nothing for it yet, or it does not start.
        """
        if self.reason:
            raise ConfigError(self.reason, "The curves in the window show the same figures.")
        folder = run_dir / _FOLDER
        if not folder.is_dir():
            raise ConfigError(
                f"The run {run_dir.name} has written nothing for TensorBoard yet.",
                "Wait for its first epoch.",
            )
        with self._lock:
            if self._shown != run_dir or self._process is None or self._process.poll() is not None:
                self._end()
                self._start(run_dir, folder)
            return self._url

    def close(self) -> None:
        """End it."""
        with self._lock:
            self._end()

    def _start(self, run_dir: Path, folder: Path) -> None:
        port = _free_port()
        command = self._command or (sys.executable, "-P", "-c", _ENDS_WITH_US)
        arguments = [*command, "--logdir", str(folder), "--host", _HOST, "--port", str(port)]
        arguments += ["--load_fast", "false", "--reload_interval", "5"]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            self._end()
            raise ConfigError(f"TensorBoard could not be started: {error}.") from error
        url = f"http://{_HOST}:{port}/"
        end = time.monotonic() + _PATIENCE_S
        while not _answers(url):
            code = self._process.poll()
            if code is not None or time.monotonic() > end:
                told = self._last_words()
                self._end()
                how = "does not answer" if code is None else f"ended with exit code {code}"
                raise ConfigError(f"TensorBoard {how}. {told}".rstrip(), "Try again.")
            time.sleep(_LOOK_S)
        self._shown, self._url = run_dir, url

    def _last_words(self) -> str:
        self._said.seek(0)
        text: str = self._said.read().decode(errors="replace").strip()
        return text[-_TAIL_CHARS:]

    def _end(self) -> None:
        process, self._process, self._shown = self._process, None, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.terminate()
            try:
                process.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._said is not None:
            self._said.close()
            self._said = None


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(OSError), opener.open(url, timeout=2) as reply:
        return bool(reply.status == 200)
    return False
