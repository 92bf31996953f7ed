"""A child process that opens files: it may hang or die, the tests go on and name the seed."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("opening_child.py")
HANGS_AFTER_S = 60.0
"""By the wall clock, on a busy machine; the limit of 5 s is for the child's own time."""


class Opener:
    """Hands paths to a child and takes its answers; a child that hangs or dies is replaced.

    Parameters
    ----------
    scratch : Path
        For the child's caches, the only places that it may write to.
    warm : sequence of Path
        Sound studies, opened first so that imports cost no mutant its time.
    """

    def __init__(self, scratch: Path, warm: list[Path]) -> None:
        self._scratch, self._warm = scratch, [str(path) for path in warm]
        self._child: subprocess.Popen[str] | None = None

    def open(self, path: Path) -> dict[str, Any]:
        """Open a path; ``{"died": ...}`` where the child did not survive it."""
        child = self._child or self._start()
        assert child.stdin is not None
        child.stdin.write(json.dumps(str(path)) + "\n")
        child.stdin.flush()
        reply = self._reply(child)
        if "died" in reply:
            self.close()
        return reply

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _start(self) -> subprocess.Popen[str]:
        self._errors = self._scratch / "stderr.txt"
        places = {name: self._scratch / f"child {name}" for name in ("cache", "data", "tmp")}
        places["tmp"].mkdir(exist_ok=True)
        writable = os.pathsep.join(map(str, places.values()))
        with self._errors.open("wb") as errors:
            child = subprocess.Popen(
                [sys.executable, "-W", "error", "-X", "faulthandler", str(CHILD), writable],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env={
                    **os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                    "XDG_CACHE_HOME": str(places["cache"]), "XDG_DATA_HOME": str(places["data"]),
                    "TMPDIR": str(places["tmp"]),
                },
            )  # fmt: skip
        self._child = child
        assert child.stdin is not None
        child.stdin.write(json.dumps(self._warm) + "\n")
        child.stdin.flush()
        reply = self._reply(child)
        assert reply.get("ready"), reply
        return child

    def _reply(self, child: subprocess.Popen[str]) -> dict[str, Any]:
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], HANGS_AFTER_S)
        line = child.stdout.readline() if ready else ""
        if line:
            reply: dict[str, Any] = json.loads(line)
            return reply
        why = "it was closed" if ready else f"no answer in {HANGS_AFTER_S:.0f} s"
        return {"died": f"{why}; {self._errors.read_text(errors='replace')[-3000:]}"}
