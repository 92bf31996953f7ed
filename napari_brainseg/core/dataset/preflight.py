"""What is looked at before a fine-tuning run starts: findings, and whether it may start.

Pure: nothing is read here. `preflight_checks` has the checks; the facts come from the session.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, computed_field

from napari_brainseg.core.dataset.locked import NOTHING_KNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_brainseg.core.dataset.locked import Known, LockedSet

__all__ = [
    "LEAST_SENSIBLE",
    "CorrectionFacts",
    "Level",
    "LockedFacts",
    "Needs",
    "PreflightFacts",
    "PreflightFinding",
    "PreflightReport",
    "preflight",
]

Level = Literal["stop", "warning", "note"]
LEAST_SENSIBLE = 8
"""Corrections from which on fine-tuning is sensible."""


class PreflightFinding(BaseModel):
    """Something a person should know before the run.

    ``stop`` keeps the run from starting, ``warning`` should be read, ``note`` is for the record.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    """Short and stable, e.g. ``same-image``."""
    level: Level
    message: str
    """What was found, with names and figures."""
    hint: str = ""
    """What to do."""
    patients: tuple[str, ...] = ()
    needs_expert: bool = False
    """The run may start, but somebody who knows should say so."""


class PreflightReport(BaseModel):
    """What was found, and what the run would be made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    findings: tuple[PreflightFinding, ...] = ()
    """Those that stop first, notes last."""
    corrections: tuple[str, ...] = ()
    """Patients whose corrections would train."""
    new_corrections: tuple[str, ...] = ()
    """Those of them that the model in use was not trained on."""
    replayed: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    expected_s: float | None = None
    """Duration of the whole run in seconds, from a measured step; ``None`` if not measured."""
    memory_mb: float | None = None
    """What the trainer took while a step was measured."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def can_start(self) -> bool:
        """Whether nothing stops the run."""
        return all(finding.level != "stop" for finding in self.findings)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def needs_expert(self) -> bool:
        """Whether somebody who knows should say that it may start all the same."""
        return self.can_start and any(finding.needs_expert for finding in self.findings)

    def find(self, kind: str) -> PreflightFinding | None:
        """Return the first finding of a kind, if any."""
        return next((f for f in self.findings if f.kind == kind), None)


@dataclass(frozen=True, slots=True)
class CorrectionFacts:
    """An exported correction.

    Parameters
    ----------
    patient : str
        Name of the study.
    image_sha256, mask_sha256 : str
        Content hashes, as signed off.
    lesion_vox : int
        Voxels of the corrected mask.
    base_vox : int or None
        Voxels of the model's mask that it started from; `None` if it started from another mask.
    changed_vox : int
        Voxels in which it differs from what it started from.
    is_new : bool
        The model in use was not trained on it.
    truth_dsc : float or None
        DSC against the ground truth that the patient came with, if there is one.
    changed : tuple of str
        ``"images"`` or ``"masks"`` that are not what was signed off.
    fault, fault_hint : str
        Why the export cannot be read, and the mend.
    warnings : tuple of str
        Of its slices, e.g. a gap in their numbers.
    """

    patient: str
    image_sha256: str
    mask_sha256: str
    lesion_vox: int
    base_vox: int | None = None
    changed_vox: int = 1
    is_new: bool = True
    truth_dsc: float | None = None
    changed: tuple[str, ...] = ()
    fault: str = ""
    fault_hint: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LockedFacts:
    """The locked patients as they are found now.

    Parameters
    ----------
    locked : LockedSet or None
        The set that would measure the run.
    absent : tuple of str
        Patients of it that are nowhere to be found.
    changed : tuple of str
        Patients whose images or masks are not what was locked.
    fault, fault_hint : str
        Why the set cannot be used, e.g. its file was changed or replaced, and the mend.
    """

    locked: LockedSet | None = None
    absent: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    fault: str = ""
    fault_hint: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the run needs and what there is, in bytes; `None` where unknown.

    Parameters
    ----------
    disk, free_disk : int or None
        For checkpoints, models and prepared patients; and free where the workspace lies.
    memory, free_memory : int or None
        Of the trainer; and available on this machine.
    place : str
        Folder that `free_disk` is of.
    """

    disk: int | None = None
    free_disk: int | None = None
    memory: int | None = None
    free_memory: int | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class PreflightFacts:
    """All that `preflight` judges.

    Parameters
    ----------
    corrections : tuple of CorrectionFacts
        All of the training set, those of locked patients too.
    locked : LockedFacts
        Who measures.
    known : Known
        What the base model was trained on.
    base_images : mapping of str to str
        Image hashes of patients that the base was trained on, as far as they are known.
    base_masks : mapping of str to str
        Mask hashes of these, masks without a lesion left out.
    replayed : tuple of str or None
        Patients of the base that train again; `None` where nothing could be planned.
    needs : Needs
        Memory and disk.
    expected_s, memory_mb : float or None
        From a measured step.
    """

    corrections: tuple[CorrectionFacts, ...]
    locked: LockedFacts = LockedFacts()
    known: Known = NOTHING_KNOWN
    base_images: Mapping[str, str] = field(default_factory=dict)
    base_masks: Mapping[str, str] = field(default_factory=dict)
    replayed: tuple[str, ...] | None = ()
    needs: Needs = Needs()
    expected_s: float | None = None
    memory_mb: float | None = None


def preflight(facts: PreflightFacts, *, more: Sequence[PreflightFinding] = ()) -> PreflightReport:
    """Judge whether a fine-tuning run may start.

    Parameters
    ----------
    facts : PreflightFacts
        What is there.
    more : sequence of PreflightFinding
        Found elsewhere, e.g. why no run can be planned.
    """
    from napari_brainseg.core.dataset.preflight_checks import CHECKS
    from napari_brainseg.core.dataset.preflight_locked import trains

    order: dict[Level, int] = {"stop": 0, "warning": 1, "note": 2}
    findings = [*more, *(finding for check in CHECKS for finding in check(facts))]
    training = [c for c in facts.corrections if trains(c, facts.locked.locked)]
    locked = facts.locked.locked
    return PreflightReport(
        findings=tuple(sorted(findings, key=lambda finding: order[finding.level])),
        corrections=tuple(c.patient for c in training),
        new_corrections=tuple(c.patient for c in training if c.is_new),
        replayed=facts.replayed or (),
        locked=() if locked is None else locked.names,
        expected_s=facts.expected_s,
        memory_mb=facts.memory_mb,
    )
