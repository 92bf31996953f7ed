"""A version's figures on given patients, kept in a file: the version in use is measured once."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_brainseg import __version__
from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.engines import choose
from napari_brainseg.core.segmentation.evaluation import evaluate_folders
from napari_brainseg.core.segmentation.evaluation_results import Evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Progress
    from training.gate.patients import Measurable

__all__ = ["FOLDER", "evaluated"]

FOLDER = "gate"
"""Below the cache of a workspace."""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    sha256: str
    evaluation: Evaluation


def evaluated(
    bundle: Bundle,
    patients: Sequence[Measurable],
    *,
    device: str = "auto",
    cache: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """Measure a version, or read what was measured of it before.

    Figures are kept by everything they depend on: weights, settings, images, masks, engine and
    version of BrainSeg. A damaged file is measured anew.

    Parameters
    ----------
    bundle : Bundle
        The version.
    patients : sequence of Measurable
        At least one.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    cache : Path, optional
        Folder to keep figures in; nothing is kept without.
    progress, cancelled : callable, optional
        As `evaluate_folders` takes them.

    Raises
    ------
    DataError
        Naming patients that could not be measured.
    ModelError
        If the model or device cannot be used.
    CancelledError
        If `cancelled` said so.
    """
    key = _key(bundle, patients, device)
    path = None if cache is None else cache / f"{bundle.version}-{key[:16]}.json"
    if path is not None and (kept := _read(path, key)) is not None:
        return kept
    evaluation = evaluate_folders(
        [patient.folder for patient in patients],
        bundle,
        device=device,
        progress=progress,
        cancelled=cancelled,
    )
    if lost := evaluation.summary.not_measured:
        raise DataError(
            "The gate needs all its patients, and some could not be measured: "
            f"{'; '.join(f'{each.patient}: {each.reason}' for each in lost)}",
            "Mend their folders, and measure the gate again.",
        )
    if path is not None:
        kept_now = _Kept(key=key, sha256=_sha256(evaluation), evaluation=evaluation)
        write_atomically(path, kept_now.model_dump_json().encode())
    return evaluation


def _key(bundle: Bundle, patients: Sequence[Measurable], device: str) -> str:
    choice = choose(bundle, device)
    content = [
        bundle.manifest.model_dump(mode="json"),
        sorted((p.patient, p.image_sha256, p.mask_sha256) for p in patients),
        [choice.kind, choice.device.partition(":")[0]],
        __version__,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(path: Path, key: str) -> Evaluation | None:
    try:
        kept = _Kept.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    if kept.key != key or kept.sha256 != _sha256(kept.evaluation):
        return None
    return kept.evaluation


def _sha256(evaluation: Evaluation) -> str:
    return hashlib.sha256(evaluation.model_dump_json().encode()).hexdigest()
