"""Models that come from elsewhere: judged, given a representation of our own, put in their place.

What OpenVINO runs is not taken from others: its representation is a program of its own, read by a
large parser in the viewer's process, and need not say what the weights say. It is left out and
made anew from the checked weights, in a child process, which finds out too whether the weights fit
the network.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import sync_folder, write_atomically
from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.bundle import (
    CARD,
    IR,
    IR_WEIGHTS,
    MANIFEST,
    WEIGHTS,
    file_sha256,
    load_bundle,
)
from napari_brainseg.core.segmentation.bundle_archive import take_in
from napari_brainseg.core.segmentation.bundle_check import SUMS, check_bundle
from napari_brainseg.session.probes import last_line, run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["STAGING", "is_same_model", "judged", "put_in_place", "represent", "sweep_staging"]

STAGING = ".incoming-"
_OLD_S = 24 * 3600.0
_PATIENCE_S = 600.0
_log = logging.getLogger(__name__)


def represent(folder: Path) -> str:
    """Have a child build the network of a bundle and write OpenVINO's representation beside it.

    Parameters
    ----------
    folder : Path
        A checked bundle without a representation.

    Returns
    -------
    str
        Why there is no representation; empty if there is one.

    Raises
    ------
    ModelError
        If the weights do not fit the network, or the child fails.
    """
    command = [sys.executable, "-P", "-m", "training.represent", str(folder)]
    answer = run_program(command, _PATIENCE_S)
    try:
        told = json.loads(answer.stdout.strip().splitlines()[-1])
        fault, hint, without = (str(told[key]) for key in ("fault", "hint", "without"))
    except (ValueError, LookupError, TypeError) as error:
        raise ModelError(
            f"The network of the model could not be built: {last_line(answer)}.",
            "Check the installation with `brainseg doctor`.",
        ) from error
    if fault:
        raise ModelError(fault, hint)
    return without


@contextmanager
def judged(source: Path, models: Path) -> Iterator[Bundle]:
    """Copy a bundle from a folder or zip file into a folder of its own beside the others, checked.

    Parameters
    ----------
    source : Path
        Folder or zip file.
    models : Path
        Folder of all versions; the copy in it is gone after the block, unless it was moved.

    Raises
    ------
    ModelError
        With the reason, if it is refused.
    """
    try:
        models.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=models))
    except OSError as error:
        raise _no_room(models, error) from error
    try:
        folder = staging / "bundle"
        folder.mkdir()
        take_in(source, folder)
        yield check_bundle(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def put_in_place(
    bundle: Bundle,
    target: Path,
    make: Callable[[Path], str],
    *,
    before: Callable[[], None],
) -> None:
    """Give a judged bundle its own representation, and move it to its place in one step.

    Parameters
    ----------
    bundle : Bundle
        In a staging folder; as `judged` gives it.
    target : Path
        Must not exist.
    make : callable
        `represent`.
    before : callable
        Called when all is ready, before the move.

    Raises
    ------
    ModelError
        If the weights do not fit, or the disk is full; then `target` is not there.
    """
    folder = bundle.path
    try:
        for name in (IR, IR_WEIGHTS, SUMS):
            (folder / name).unlink(missing_ok=True)
        # The description names only what is there, also while the child looks at it.
        _describe(bundle)
        without = make(folder)
        if without:
            _log.warning("%s is used without OpenVINO: %s", bundle.version, without)
            for name in (IR, IR_WEIGHTS):
                (folder / name).unlink(missing_ok=True)
        _describe(bundle)
        for path in folder.iterdir():
            path.chmod(0o644)
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        load_bundle(folder)
        folder.chmod(0o755)
        before()
        folder.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise _no_room(target, error) from error


def is_same_model(one: Bundle, other: Bundle) -> bool:
    """Whether two bundles of one version hold the same model, however OpenVINO wrote it down."""
    a, b = one.manifest, other.manifest
    return a.files.get(WEIGHTS) == b.files.get(WEIGHTS) and a.model_dump(
        exclude={"files"}
    ) == b.model_dump(exclude={"files"})


def sweep_staging(models: Path, now: float | None = None) -> None:
    """Remove what imports and copies left that were killed more than a day ago."""
    moment = time.time() if now is None else now
    for prefix in (STAGING, ".adopt-"):
        for path in models.glob(f"{prefix}*"):
            try:
                is_old = moment - path.stat().st_mtime > _OLD_S
            except OSError:
                continue
            if is_old:
                shutil.rmtree(path, ignore_errors=True)


def _describe(bundle: Bundle) -> None:
    """Write ``model.json`` with the hashes of the files that are there; the rest as it came."""
    path = bundle.path / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    content["files"] = {
        p.name: file_sha256(p)
        for p in sorted(bundle.path.iterdir())
        if p.name not in (MANIFEST, CARD) and not p.name.startswith(".")
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode())


def _no_room(place: Path, error: OSError) -> ModelError:
    return ModelError(
        f"The model cannot be written to {place}: {error.strerror or error}.",
        "Check permissions and free space.",
    )
