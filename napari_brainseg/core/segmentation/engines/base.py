"""What an engine is: something that turns slices into logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Engine", "OutOfMemoryError"]


class OutOfMemoryError(Exception):
    """The device could not hold the batch; a smaller one may fit."""


class Engine(Protocol):
    """Runs a network on one device."""

    description: str
    """For users, e.g. ``OpenVINO on CPU``."""
    device: str
    """``cpu``, ``cuda:0``, ``mps``."""

    def logits(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (B, Y', X') of slices (B, C, Y', X').

        Raises
        ------
        OutOfMemoryError
            If the batch does not fit the device's memory.
        """
        ...

    def preferred_batch(self, slice_shape: tuple[int, int, int]) -> int:
        """Slices (each C, Y', X') that fit the memory and keep the device busy."""
        ...

    def close(self) -> None:
        """Give back the device's memory."""
        ...
