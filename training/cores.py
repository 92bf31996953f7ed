"""How the threads of a step wait for each other."""

from __future__ import annotations

import os

__all__ = ["wait_without_spinning"]

_WAITS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}


def wait_without_spinning() -> None:
    """Let OpenMP's threads sleep while they wait, instead of keeping their cores busy.

    A thread that spins for one whose core went to other work wastes the time of both: a run of two
    threads on two busy cores made 1 slice a second spinning and 9 sleeping. Must be called before
    Torch is imported, for OpenMP reads this once; what the user set stays.
    """
    for name, value in _WAITS.items():
        os.environ.setdefault(name, value)
