"""What a run can resume from, and the good models on its way; written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_brainseg.core.imaging import ConfigError, ModelError
from napari_brainseg.core.protocol.run_folder import CHECKPOINT as LAST
from napari_brainseg.core.protocol.run_folder import PREVIOUS
from training.deadline import saving

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BEST",
    "LAST",
    "PREVIOUS",
    "keep_good",
    "load_checkpoint",
    "save_atomically",
]

BEST = "checkpoints/best.pt"
GOOD = "checkpoints/good"


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write a file that ``torch.load(weights_only=True)`` reads; the one before stays until then.

    A checkpoint to resume from is kept as ``previous.pt`` beside the new one.

    Raises
    ------
    ModelError
        If it cannot be written, e.g. on a full disk; what was there is kept.
    """
    with saving:
        _save(state, path)


def _save(state: dict[str, Any], path: Path) -> None:
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        if path.name == Path(LAST).name:
            _keep_before(path)
        partial.replace(path)
    # torch's own writer turns a full disk into a RuntimeError
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        kept = " The one before is kept." if path.is_file() else ""
        raise ModelError(
            f"{path} could not be written: {str(error).splitlines()[0]}.{kept}",
            "Free some space on that disk.",
        ) from error


def load_checkpoint(
    path: Path, data_sha256: str, *, tell: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Read a checkpoint of a run on the same data; if it is damaged, the one before it.

    Parameters
    ----------
    path : Path
        ``last.pt``; ``previous.pt`` lies beside it. A damaged file is renamed, so that it does not
        take the place of the good one at the next checkpoint.
    data_sha256 : str
        Of the data that the run goes on with.
    tell : callable, optional
        Called with a line for the user where the one before was taken.

    Raises
    ------
    ConfigError
        If there is none, or the data is not what it was.
    ModelError
        If none of them can be read.
    """
    before = path.with_name(Path(PREVIOUS).name)
    there = [file for file in (path, before) if file.is_file()]
    if not there:
        raise ConfigError(f"There is no checkpoint {path} to resume from.", "Start the run anew.")
    faults = []
    for file in there:
        try:
            state = _read(file)
        except Exception as error:  # noqa: BLE001 (whatever damage makes of a file)
            faults.append(f"{file} ({type(error).__name__})")
            continue
        if state["data_sha256"] != data_sha256:
            raise ConfigError(
                f"The data has changed since {file} was written, so the run cannot go on as it "
                "was.",
                "Start a new run with the changed data.",
            )
        if file is before:
            with contextlib.suppress(OSError):
                path.replace(path.with_suffix(".damaged"))
            if tell is not None:
                tell(
                    f"The last checkpoint is {'damaged' if faults else 'missing'}; the run goes on "
                    "from the one before it."
                )
        return state
    raise ModelError(
        f"No checkpoint can be read: {', '.join(faults)}.",
        "They are damaged; start the run anew.",
    )


def _read(file: Path) -> dict[str, Any]:
    # torch does not look at the checksums that it writes
    with zipfile.ZipFile(file) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(broken)
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    _ = state["data_sha256"]
    return state


def _keep_before(path: Path) -> None:
    """Keep a checkpoint under the other name as well; at no moment is there none."""
    if not path.is_file():
        return
    before = path.with_name(Path(PREVIOUS).name)
    scratch = before.with_suffix(".linked")
    try:
        scratch.unlink(missing_ok=True)
        os.link(path, scratch)
        scratch.replace(before)
    except OSError:  # a disk without links
        path.replace(before)


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
