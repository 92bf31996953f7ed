"""What a run's inner folds measured: each corrected patient by a model that did not train on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.evaluation_results import PatientResult
from napari_brainseg.core.segmentation.gate_evidence import PairedPatient

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FOLDS_EVIDENCE", "FoldPatient", "FoldsEvidence", "load_folds_evidence"]

FOLDS_EVIDENCE = "folds/evidence.json"
"""Below a run folder."""


class _Folds(BaseModel):
    # Fields that only the trainer needs are left alone.
    model_config = ConfigDict(extra="ignore", frozen=True)


class FoldPatient(_Folds):
    """A corrected patient, predicted without having been trained on."""

    patient: str
    fold: int
    base: PatientResult
    """With the model that the run started from."""
    candidate: PatientResult
    """With the fold's model at the chosen interpolation."""

    @model_validator(mode="after")
    def _is_a_pair(self) -> FoldPatient:
        PairedPatient(patient=self.patient, candidate=self.candidate, current=self.base)
        return self


class FoldsEvidence(_Folds):
    """All of them; how the trainer writes ``folds/evidence.json``."""

    interpolation: dict[str, float] = Field(default_factory=dict)
    """Share of the new weights to mean DSC over the folds."""
    chosen: float = 1.0
    """Share of the new weights."""
    base: str | None = None
    """Version that the folds started from."""
    patients: tuple[FoldPatient, ...] = ()

    @model_validator(mode="after")
    def _names_each_once(self) -> FoldsEvidence:
        names = [patient.patient for patient in self.patients]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"patients stand in it twice: {', '.join(twice)}")
        return self

    @property
    def how(self) -> Literal["inner folds", "leave-one-out", "none"]:
        """Leave-one-out where every fold holds one patient."""
        if not self.patients:
            return "none"
        folds = {patient.fold for patient in self.patients}
        return "leave-one-out" if len(folds) == len(self.patients) else "inner folds"


def load_folds_evidence(path: Path) -> FoldsEvidence | None:
    """Read what the folds measured; ``None`` where a run had none.

    Raises
    ------
    DataError
        If the file cannot be read or is damaged.
    """
    try:
        return FoldsEvidence.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(
            f"The folds' figures {path} cannot be read: {error.strerror or error}.",
            "Check permissions.",
        ) from error
    except ValidationError as error:
        fault = error.errors()[0]
        raise DataError(
            f"{path} does not hold figures of inner folds "
            f"({'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}).",
            "Let the run measure its folds again.",
        ) from error
