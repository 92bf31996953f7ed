"""What a run can resume from, and the good models on its way; written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from napari_brainseg.core.imaging import ConfigError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BEST", "LAST", "keep_good", "load_checkpoint", "save_atomically"]

LAST = "checkpoints/last.pt"
BEST = "checkpoints/best.pt"
GOOD = "checkpoints/good"


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write a file that ``torch.load(weights_only=True)`` reads; the one before stays until then.

    Raises
    ------
    ModelError
        If it cannot be written, e.g. on a full disk; what was there is kept.
    """
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    # torch's own writer turns a full disk into a RuntimeError
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        kept = " The one before is kept." if path.is_file() else ""
        raise ModelError(
            f"{path} could not be written: {str(error).splitlines()[0]}.{kept}",
            "Free some space on that disk.",
        ) from error


def load_checkpoint(path: Path, data_sha256: str) -> dict[str, Any]:
    """Read a checkpoint of a run on the same data.

    Raises
    ------
    ConfigError
        If there is none, or the data is not what it was.
    ModelError
        If the file is damaged.
    """
    if not path.is_file():
        raise ConfigError(f"There is no checkpoint {path} to resume from.", "Start the run anew.")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"The checkpoint {path} cannot be read: {type(error).__name__}.",
            "It is damaged; start the run anew in another folder.",
        ) from error
    if state["data_sha256"] != data_sha256:
        raise ConfigError(
            f"The data has changed since {path} was written, so the run cannot go on as it was.",
            "Start a new run with the changed data.",
        )
    return state


def keep_good(
    state: dict[str, Any], run_dir: Path, *, epoch: int, dsc: float, budget_mb: int
) -> None:
    """Keep a model beside others of the run, the best ones, within a budget.

    Parameters
    ----------
    state : dict
        State dict; floating-point tensors are stored as fp16.
    run_dir : Path
        Folder of the run; files are ``checkpoints/good/epoch-<n>-dsc-<0.0000>.pt``.
    epoch : int
        1-based.
    dsc : float
        Validation DSC, by which models are ranked.
    budget_mb : int
        Room for all of them; 0 keeps none.
    """
    if not budget_mb:
        return
    folder = run_dir / GOOD
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_atomically(half, folder / f"epoch-{epoch:04d}-dsc-{max(dsc, 0.0):.4f}.pt")
    ranked = sorted(folder.glob("epoch-*-dsc-*.pt"), key=lambda p: p.stem.split("-dsc-")[1])
    while ranked and sum(p.stat().st_size for p in ranked) > budget_mb * 2**20:
        ranked.pop(0).unlink()
