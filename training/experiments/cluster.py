"""Runs on the workers of a dask.distributed scheduler, over a shared file system.

Each worker supervises its runs as a machine of its own would. What this process wants of them
stands in a small file in the folder of the runs, the lease: it names this process by a token, says
whether to go on, and changes every few seconds. A worker that sees it unchanged for long, or taken
over by another process, lets its runs write a checkpoint and leave.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import ConfigError, DataError
from training.experiments.fleet import Outcome, Wish, supervise

if TYPE_CHECKING:
    from concurrent.futures import Future

    from training.experiments.fleet import Job

__all__ = ["LEASE", "ClusterFleet", "supervise_leased"]

LEASE = "experiments.lease"
BEAT_S = 5.0
PATIENCE_S = 180.0
"""Without a beat for this long, the process that waits for the runs is taken for dead. A network
file system may show a file as it was a minute ago."""
READ_S = 1.0
ADDRESS = re.compile(r"(?:(?:tcp|tls|wss?|ucxx?)://)?[^/\s]+:[0-9]+")


class ClusterFleet:
    """Runs on the workers of a scheduler; a worker thread carries out one run at a time.

    Parameters
    ----------
    address : str
        Such as ``tcp://host:8786``.
    folder : Path
        Of the runs; every worker must see it under this path.
    timeout_s : float
        How long to try to reach the scheduler.

    Raises
    ------
    ConfigError
        If dask.distributed is not installed, or no scheduler answers.
    """

    def __init__(self, address: str, folder: Path, *, timeout_s: float = 20.0) -> None:
        if not ADDRESS.fullmatch(address):  # dask would take a minute to find that out
            raise ConfigError(
                f"{address} is no address of a dask scheduler.", "Give one such as tcp://host:8786."
            )
        try:
            import distributed
        except ImportError as error:
            raise ConfigError(
                "Runs on other machines need dask.distributed, which is not installed.",
                "pip install 'napari-brainseg[cluster]'",
            ) from error
        connect: Any = distributed.Client
        try:
            self._client = connect(address, timeout=timeout_s, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ConfigError(
                f"There is no dask scheduler at {address}: {error}.",
                "Start one with `dask scheduler`, and `dask worker ADDRESS` on each machine.",
            ) from error
        self._executor = self._client.get_executor(pure=False)
        self._lease, self._token = folder / LEASE, uuid.uuid4().hex
        self._wish, self._beats, self._next = Wish.GO_ON, 0, 0.0
        self.beat()

    def submit(self, job: Job) -> Future[Outcome]:
        """Hand a job to the scheduler."""
        future: Future[Outcome] = self._executor.submit(
            supervise_leased, job, str(self._lease), self._token
        )
        return future

    def beat(self) -> None:
        """Renew the lease."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + BEAT_S
            self._write()

    def wish(self, wish: Wish) -> None:
        """Stop or kill all jobs."""
        self._wish = max(self._wish, wish)
        self._write()

    def close(self) -> None:
        """Leave the scheduler."""
        self._client.close()
        with contextlib.suppress(OSError):
            self._lease.unlink(missing_ok=True)

    def _write(self) -> None:
        self._beats += 1
        text = f"{self._token} {int(self._wish)} {self._beats}\n"
        with contextlib.suppress(DataError):  # a full disk: the next beat tries again
            write_atomically(self._lease, text.encode())


class _Lease:
    """The lease as a worker sees it."""

    def __init__(self, path: Path, token: str, patience_s: float) -> None:
        self._path, self._token, self._patience_s = path, token, patience_s
        self._seen, self._since, self._read_at = b"", time.monotonic(), -READ_S

    def wish(self) -> Wish:
        now = time.monotonic()
        if now >= self._read_at + READ_S:
            self._read_at = now
            with contextlib.suppress(OSError):  # out of sight for a while
                content = self._path.read_bytes()
                if content != self._seen:
                    self._seen, self._since = content, now
        parts = self._seen.split()
        if now - self._since > self._patience_s or (parts and parts[0] != self._token.encode()):
            return Wish.STOP
        return Wish(int(parts[1])) if len(parts) == 3 else Wish.GO_ON


def supervise_leased(
    job: Job, lease: str, token: str, *, patience_s: float = PATIENCE_S
) -> Outcome:
    """Carry out a job on a worker, as long as the lease holds; see `supervise`."""
    if not Path(lease).is_file():
        return Outcome(
            "failed",
            f"The worker on {socket.gethostname()} does not see {lease}: its machine has to share "
            "the folder of the runs, under the same path.",
        )
    return supervise(job, _Lease(Path(lease), token, patience_s).wish)
