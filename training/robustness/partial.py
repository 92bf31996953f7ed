"""What a stopped measurement had found: kept beside the file to come, taken up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import DataError
from training.robustness.results import PatientScores

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Partial"]

SUFFIX = ".partial"


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    conditions: dict[str, str]
    patients: tuple[PatientScores, ...] = ()


class Partial:
    """Scores of patients in ``<file>.partial``, written whole after each.

    Parameters
    ----------
    target : Path
        File of the results to come.
    conditions : mapping of str to str
        Name of each condition to what it does; scores under others are not taken up.

    Raises
    ------
    DataError
        If the file is there and holds something else.
    """

    def __init__(self, target: Path, conditions: Mapping[str, str]) -> None:
        self.path = target.with_name(target.name + SUFFIX)
        self._conditions = dict(conditions)
        self._patients = {p.patient: p for p in self._read()}

    def known(self, patient: str, model: str, engine: str) -> PatientScores | None:
        """Find a patient's scores by the same model on the same engine."""
        scores = self._patients.get(patient)
        fits = scores is not None and (scores.model, scores.engine) == (model, engine)
        return scores if fits else None

    def add(self, scores: PatientScores) -> None:
        """Keep a patient's scores."""
        if self._patients.get(scores.patient) == scores:
            return
        self._patients[scores.patient] = scores
        content = _Content(conditions=self._conditions, patients=tuple(self._patients.values()))
        write_atomically(self.path, content.model_dump_json().encode())

    def remove(self) -> None:
        """Delete the file: the results stand in another now."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> tuple[PatientScores, ...]:
        try:
            content = _Content.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError) as error:
            raise DataError(
                f"{self.path} is no measurement that was stopped.", "Delete it to start anew."
            ) from error
        return content.patients if content.conditions == self._conditions else ()
