"""Folds of one cross-validation, read as one: no fold alone says much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.evaluation_results import FIGURES, Evaluation
from training.report.measured import Measured
from training.report.runs_on_disk import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["with_folds_pooled"]

OWN = {"fold": 1, "name": "model", "what": "", "why": ""}
"""Settings in which the folds of one cross-validation differ."""


def with_folds_pooled(measured: Iterable[Measured]) -> tuple[list[Measured], dict[str, str]]:
    """Put the folds of each cross-validation together.

    Parameters
    ----------
    measured : iterable of Measured
        Runs with their figures.

    Returns
    -------
    list of Measured
        Other runs as they are, and one for all folds of a cross-validation: every patient by the
        model that had not seen the person. Folds that cannot be pooled, as after the data
        changed, stay as they are.
    dict of str to str
        Name of a fold's run to the name of its whole.
    """
    kept: list[Measured] = []
    families: dict[tuple[str, str], list[Measured]] = {}
    for one in measured:
        config = one.run.config
        if config is None or config.protocol != "k-fold" or one.part != "validation":
            kept.append(one)
            continue
        alike = config.model_copy(update=OWN).model_dump_json()
        families.setdefault((str(one.run.path.parent), alike), []).append(one)
    whole_of: dict[str, str] = {}
    for family in families.values():
        whole = _pooled(family) if len(family) > 1 else None
        if whole is None:
            kept += family
        else:
            kept.append(whole)
            whole_of |= {one.run.name: whole.run.name for one in family}
    return kept, whole_of


def _pooled(folds: Sequence[Measured]) -> Measured | None:
    from training.experiments.cross_validate import pool

    first = folds[0]
    try:
        found = pool([one.evaluation for one in folds])
    except DataError:
        return None
    assert first.run.config is not None, "folds are known by their config"
    prefix = first.run.name.rpartition("/")[0] or first.run.path.parent.name
    summary = first.evaluation.summary.model_copy(
        update={
            **{name: found.figures[name] for name in FIGURES},
            "patients": len(found.patients),
            "model": ", ".join(found.models),
            "missed_lesions": found.missed_lesions,
            "tally": found.tally,
            "not_measured": found.not_measured,
        }
    )
    run = Run(
        name=f"{prefix} ({len(folds)} of {first.run.config.folds} folds)",
        path=first.run.path.parent,
        config=first.run.config,
        evaluations={"validation": Evaluation(patients=found.patients, summary=summary)},
    )
    scores = {r.patient: float(getattr(r, first.definition)) for r in found.patients}
    return Measured(run, "validation", first.definition, scores)
