"""What the gate goes by: two models measured on the same patients, as a file."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.calibration import Calibration
from napari_brainseg.core.segmentation.evaluation_results import PatientResult

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AS_DRAWN_DSC",
    "EVIDENCE_NAME",
    "SCHEMA_VERSION",
    "GateEvidence",
    "LeftOut",
    "PairedPatient",
    "load_evidence",
    "parse_evidence",
    "save_evidence",
]

SCHEMA_VERSION = 1
EVIDENCE_NAME = "gate.json"
"""Name of the file in a run folder."""
AS_DRAWN_DSC = 0.998
"""A model's mask this like the corrected one was signed off as it stood: engines and precisions
differ by less, one brush stroke differs by more."""


class _Evidence(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PairedPatient(_Evidence):
    """A patient measured with both models against the same mask."""

    patient: str
    candidate: PatientResult
    current: PatientResult
    compared_with: Literal["current", "base"] = "current"
    """Whose figures `current` holds: those of the version in use, or of the model that the run
    started from where the version in use was trained on this patient and would be flattered."""

    @model_validator(mode="after")
    def _is_a_pair(self) -> PairedPatient:
        names = {self.patient, self.candidate.patient, self.current.patient}
        if len(names) > 1:
            raise ValueError(f"figures of {', '.join(sorted(names))} are no pair")
        for figure in ("volume_truth_vox", "slices"):
            first, second = getattr(self.candidate, figure), getattr(self.current, figure)
            if first != second:
                raise ValueError(
                    f"{self.patient} was not measured against the same mask: {figure} is {first} "
                    f"with the candidate and {second} with the other"
                )
        for result in (self.candidate, self.current):
            if not 0 <= result.dsc_native <= 1:
                raise ValueError(f"{self.patient} has a DSC of {result.dsc_native}")
        return self

    @property
    def has_lesion(self) -> bool:
        """Whether the mask that both were measured against has a voxel."""
        return self.candidate.volume_truth_vox > 0

    @property
    def is_as_drawn(self) -> bool:
        """Whether the reader let the other model's mask stand.

        Against its own mask that model cannot lose, so the patient tells nothing of who is better.
        """
        return self.has_lesion and self.current.dsc_native >= AS_DRAWN_DSC

    @property
    def difference(self) -> float:
        """DSC of the candidate minus that of the other; above 0 the candidate is better."""
        return self.candidate.dsc_native - self.current.dsc_native


class LeftOut(_Evidence):
    """A locked patient whose figures would prove nothing, and why."""

    patient: str
    reason: str


class GateEvidence(_Evidence):
    """A candidate and the version in use, measured on the same patients."""

    schema_version: int = SCHEMA_VERSION
    candidate: str
    """Version that may be promoted."""
    current: str
    """Version in use."""
    base: str | None = None
    """Version that the candidate's run started from; ``None`` where it is not known."""
    locked_digest: str | None = None
    """Of the locked set; ``None`` where there was none."""
    locked: tuple[PairedPatient, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    """Locked patients that one of the models was trained on."""
    corrections: tuple[PairedPatient, ...] = ()
    """Each corrected patient, predicted by a model that did not train on it: the candidate, or one
    of the same recipe."""
    corrections_how: Literal["inner folds", "leave-one-out", "unseen", "none"] = "none"
    """``unseen``: neither model was trained on them, so that both were measured as they are."""
    calibration_candidate: Calibration | None = None
    """On the locked patients, near the outlines."""
    calibration_current: Calibration | None = None
    engine: str = ""
    created: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    warnings: tuple[str, ...] = ()
    """What may make the figures worthless."""
    notes: tuple[str, ...] = ()
    """What a reader should know of how it was measured."""

    @model_validator(mode="after")
    def _is_sound(self) -> GateEvidence:
        for kind, pairs in (("locked", self.locked), ("corrected", self.corrections)):
            names = [pair.patient for pair in pairs]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{kind} patients stand twice: {', '.join(twice)}")
        if self.corrections and self.corrections_how == "none":
            raise ValueError("corrections were measured, but it is not said how")
        if both := {p.patient for p in self.locked} & {p.patient for p in self.corrections}:
            raise ValueError(f"locked and corrected at once: {', '.join(sorted(both))}")
        return self

    def to_json(self) -> str:
        """Write as indented JSON with a line end."""
        return self.model_dump_json(indent=2) + "\n"


def save_evidence(path: Path, evidence: GateEvidence) -> None:
    """Write the file as a whole.

    Raises
    ------
    DataError
        If the place cannot be written.
    """
    write_atomically(path, evidence.to_json().encode())


def load_evidence(path: Path) -> GateEvidence:
    """Read a file of `save_evidence`, or the one of a run folder.

    Parameters
    ----------
    path : Path
        The file, or a folder that holds ``gate.json``.

    Raises
    ------
    DataError
        If it is not there, damaged, or was written by a later version.
    """
    file = path / EVIDENCE_NAME if path.is_dir() else path
    try:
        text = file.read_bytes()
    except FileNotFoundError as error:
        raise DataError(
            f"There is no evidence of a gate at {file}.",
            "It is measured at the end of a fine-tuning run, or by python -m training gate.",
        ) from error
    except OSError as error:
        raise DataError(
            f"The evidence {file} cannot be read: {error.strerror or error}.", "Check permissions."
        ) from error
    return parse_evidence(text, str(file))


def parse_evidence(text: bytes | str, where: str) -> GateEvidence:
    """Read evidence from JSON.

    Parameters
    ----------
    text : bytes or str
        As `GateEvidence.to_json` gives it.
    where : str
        What it was read from, for messages.

    Raises
    ------
    DataError
        If it is damaged, or was written by a later version.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _damaged(where, str(error)) from error
    found = content.get("schema_version", SCHEMA_VERSION) if isinstance(content, dict) else None
    if isinstance(found, int | float) and not math.isnan(found) and found > SCHEMA_VERSION:
        raise DataError(
            f"The evidence {where} has schema {found}; this version of BrainSeg knows "
            f"{SCHEMA_VERSION}.",
            "Update napari-brainseg, or measure the gate again.",
        )
    try:
        return GateEvidence.model_validate_json(text)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}"
            for fault in error.errors()[:3]
        )
        raise _damaged(where, faults) from error


def _damaged(where: str, why: str) -> DataError:
    return DataError(
        f"{where} is no evidence of a gate ({why}).",
        "Measure the gate again: python -m training gate.",
    )
