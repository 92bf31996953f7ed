"""What a run says when something ends it that nobody foresaw: too little memory, a full disk."""

from __future__ import annotations

import errno

from napari_brainseg.core.protocol import FinishReason, RunConfig, RunFinished

__all__ = ["finished_by", "is_out_of_memory"]

_NO_MEMORY = (
    "out of memory",
    "bad_alloc",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "alloc_failed",
)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("no space left", "disk quota", "file too large", "unexpected pos")
"""The last is torch's own word for a file that took less than it was given."""


def finished_by(error: BaseException, config: RunConfig | None) -> RunFinished:
    """Say what ended a run, and what mends it.

    Parameters
    ----------
    error : BaseException
        No `BrainSegError`: these say it themselves.
    config : RunConfig or None
        Of the run, for the values to lower.
    """
    if is_out_of_memory(error):
        return RunFinished(
            reason=FinishReason.FAILED,
            message=f"There is too little memory for this run: {_first_line(error)}",
            hint=_less(config),
        )
    if _is_full(error):
        return RunFinished(
            reason=FinishReason.FAILED,
            message=f"A disk is full: {_first_line(error)}",
            hint="Free some space on that disk; the run can then be resumed.",
        )
    return RunFinished(
        reason=FinishReason.FAILED,
        message=f"{type(error).__name__}: {error}",
        hint="The run's log (stderr.log) holds the details.",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the machine or of the GPU gave out."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and _holds(error, _NO_MEMORY)


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, RuntimeError) and _holds(error, _FULL_WORDS)


def _holds(error: BaseException, words: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return any(word in text for word in words)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0].rstrip(".")[:300] if lines else type(error).__name__
    return f"{text}."


def _less(config: RunConfig | None) -> str:
    now = "" if config is None else f" (now {config.batch_size})"
    crop = "" if config is None else f" (now {config.crop})"
    return (
        f"Start a new run with a smaller batch size{now} or crop{crop}, or close other programs "
        "and resume this one."
    )
