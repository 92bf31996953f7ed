"""What inner folds found, as files: one a fold, and all of them together."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.segmentation.evaluation_results import PatientResult
from napari_brainseg.core.segmentation.gate_evidence import AS_DRAWN_DSC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "EVIDENCE",
    "FOLDER",
    "FoldResult",
    "mean_scores",
    "read_fold",
    "summary",
    "unchanged",
    "write_evidence",
    "write_fold",
]

FOLDER = "folds"
EVIDENCE = "evidence.json"
RESULT = "result.json"


class FoldResult(BaseModel):
    """``folds/<number>/result.json``: a fold that is finished."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_sha256: str
    held_out: tuple[str, ...]
    witnesses: tuple[str, ...]
    results: dict[float, tuple[PatientResult, ...]]
    """Share of the new weights to held-out patients and witnesses; 0 is the base model."""


def read_fold(folder: Path, data_sha256: str, held_out: Sequence[str]) -> FoldResult | None:
    """Read a finished fold; ``None`` where it is not, or was another one."""
    try:
        found = FoldResult.model_validate_json((folder / RESULT).read_bytes())
    except (OSError, ValidationError):
        return None
    same = found.data_sha256 == data_sha256 and found.held_out == tuple(held_out)
    return found if same else None


def write_fold(folder: Path, result: FoldResult) -> None:
    """Write a finished fold, whole or not at all.

    Raises
    ------
    DataError
        If the disk does not take it.
    """
    write_atomically(folder / RESULT, result.model_dump_json(indent=2).encode())


def unchanged(folds: Sequence[FoldResult]) -> frozenset[str]:
    """Name corrected patients whose mask is the base model's own prediction, or as good as that.

    A reader who starts from the prediction and has nothing to mend signs it off as it is. Against
    that mask the base model has a DSC of 1 and every other model less, however good: such patients
    say nothing of which is better. (Where some of a mask was mended the rest of it still leans
    towards the base model, which no figure on corrections is free of.)
    """
    return frozenset(
        result.patient
        for fold in folds
        for result in fold.results[0.0]
        if result.patient in fold.held_out
        and result.volume_truth_vox
        and result.dsc_native >= AS_DRAWN_DSC
    )


def mean_scores(folds: Sequence[FoldResult], *, witnesses: bool = False) -> dict[float, float]:
    """Mean DSC by share: of the held-out corrected patients, or of the witnesses.

    A corrected patient is held out once; those that are `unchanged` are left out unless all are.
    A witness is measured in every fold, so that the mean is over as many networks.
    """
    same = unchanged(folds)
    if same >= {name for fold in folds for name in fold.held_out}:
        same = frozenset()
    scores: dict[float, list[float]] = {}
    for fold in folds:
        wanted = fold.witnesses if witnesses else tuple(set(fold.held_out) - same)
        for share, results in fold.results.items():
            scores.setdefault(share, []).extend(
                result.dsc_native for result in results if result.patient in wanted
            )
    return {share: statistics.fmean(each) for share, each in sorted(scores.items()) if each}


def summary(folds: Sequence[FoldResult], chosen: float) -> dict[str, Any]:
    """Figures for the bundle; JSON keys are text."""
    return {
        "folds": len(folds),
        "patients": sum(len(fold.held_out) for fold in folds),
        "unchanged": sorted(unchanged(folds)),
        "witnesses": list(folds[0].witnesses),
        "chosen": chosen,
        "dsc": _texts(mean_scores(folds)),
        "witnesses_dsc": _texts(mean_scores(folds, witnesses=True)),
    }


def write_evidence(run_dir: Path, folds: Sequence[FoldResult], chosen: float, *, base: str) -> None:
    """Write ``folds/evidence.json``: what the gate goes by, and what the share was chosen on.

    Its ``patients`` are the corrected ones, each with the figures of the base model and of a
    model that was not trained on the patient, at the chosen share. Its ``witnesses`` are replayed
    patients that no fold was trained on. The base model was: their loss is an upper bound.

    Raises
    ------
    DataError
        If the disk does not take it.
    """

    def rows(*, witnesses: bool) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for number, fold in enumerate(folds, 1):
            names = fold.witnesses if witnesses else fold.held_out
            by_share = {
                share: {result.patient: result for result in results}
                for share, results in fold.results.items()
            }
            found.extend(
                {
                    "patient": name,
                    "fold": number,
                    "base": by_share[0.0][name].model_dump(mode="json"),
                    "candidate": by_share[chosen][name].model_dump(mode="json"),
                    "dsc": {f"{a:g}": each[name].dsc_native for a, each in by_share.items()},
                }
                for name in names
                if name in by_share[0.0] and name in by_share[chosen]
            )
        return found

    content = {
        "schema_version": 1,
        "data_sha256": folds[0].data_sha256,
        "base": base,
        "interpolation": _texts(mean_scores(folds)),
        "chosen": chosen,
        "unchanged": sorted(unchanged(folds)),
        "patients": rows(witnesses=False),
        "forgetting": _texts(mean_scores(folds, witnesses=True)),
        "witnesses": rows(witnesses=True),
    }
    text = json.dumps(content, indent=2) + "\n"
    write_atomically(run_dir / FOLDER / EVIDENCE, text.encode())


def _texts(scores: Mapping[float, float]) -> dict[str, float]:
    return {f"{share:g}": score for share, score in scores.items()}
