"""The checks of `preflight` that guard the locked patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.locked import LEAST_LOCKED
from napari_brainseg.core.dataset.preflight import PreflightFinding
from napari_brainseg.core.formats.names import undated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_brainseg.core.dataset.locked import LockedPatient, LockedSet
    from napari_brainseg.core.dataset.preflight import CorrectionFacts, PreflightFacts

__all__ = ["locked_among_corrections", "locked_patients_are_sound", "trains"]


def trains(correction: CorrectionFacts, locked: LockedSet | None) -> bool:
    """Whether a correction may train: its patient is not locked, under whatever name."""
    patients = () if locked is None else locked.patients
    return all(_same(correction, patient) in ("", "mask") for patient in patients)


def locked_among_corrections(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Refuse a locked patient that was corrected, also under another name."""
    locked = facts.locked.locked
    refused: list[str] = []
    aliases: dict[str, list[tuple[str, str]]] = {"image": [], "mask": []}
    for correction in facts.corrections:
        for patient in () if locked is None else locked.patients:
            how = _same(correction, patient)
            if how == "name" and not _was_given_up(correction, patient):
                refused.append(correction.patient)
            elif how in aliases:
                aliases[how].append((correction.patient, patient.patient))
    if refused:
        yield PreflightFinding(
            kind="locked-corrected",
            level="warning",
            message=f"Refused for training: {', '.join(refused)}. Locked patients measure every "
            "version and never train.",
            hint="Their corrections stay; the run goes on without them.",
            patients=tuple(refused),
        )
    for what, pairs in aliases.items():
        if pairs:
            named = ", ".join(f"{name} is {other}" for name, other in pairs)
            is_image = what == "image"
            yield PreflightFinding(
                kind=f"locked-{what}",
                level="stop" if is_image else "warning",
                message=f"The same {what} is locked under another name: {named}. A model that "
                "trained on it would be measured on what it learnt by heart.",
                hint="Withdraw these corrections from the training set."
                if is_image
                else "The images differ: look whether they show the same patient, or a mask was "
                "saved for the wrong one; then withdraw the correction.",
                patients=tuple(name for name, _ in pairs),
                needs_expert=not is_image,
            )


def locked_patients_are_sound(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Look at the locked set itself."""
    found = facts.locked
    if found.fault:
        yield PreflightFinding(
            kind="locked-file", level="stop", message=found.fault, hint=found.fault_hint
        )
        return
    if found.absent:
        yield PreflightFinding(
            kind="locked-absent",
            level="stop",
            message=f"Locked patients are not at hand: {', '.join(found.absent)}.",
            hint="Open the folder of patients that holds them, so that figures stay comparable. If "
            "they are lost, extend the locked set: the next generation leaves them out.",
            patients=found.absent,
        )
    if found.changed:
        yield PreflightFinding(
            kind="locked-changed",
            level="stop",
            message="Images or masks of locked patients are not those that were locked: "
            f"{', '.join(found.changed)}.",
            hint="Restore their files; where series came to a study, choose the former ones under "
            "Series. If the change is meant, extend the locked set: the next "
            "generation takes them as they are now.",
            patients=found.changed,
        )
    patients = () if found.locked is None else found.locked.patients
    spoilt = [f"{p.patient} ({why})" for p in patients if (why := facts.known.why(p))]
    if spoilt:
        yield PreflightFinding(
            kind="locked-known",
            level="stop",
            message=f"The base model was trained on locked patients: {', '.join(spoilt)}. They "
            "would flatter it.",
            hint="Extend the locked set: the next generation leaves them out.",
            patients=tuple(p.patient for p in patients if facts.known.why(p)),
        )
    if len(patients) < LEAST_LOCKED:
        yield PreflightFinding(
            kind="few-locked" if patients else "no-locked",
            level="warning",
            message=f"{_count(len(patients), 'locked patient')}: the gate needs {LEAST_LOCKED} "
            "and will say: not enough evidence.",
            hint="Open a folder with patients that have ground truth and that the base model has "
            "not seen, then extend the locked set. Without it, promoting a version asks for a "
            "reason.",
            patients=tuple(p.patient for p in patients),
        )


def _same(correction: CorrectionFacts, patient: LockedPatient) -> str:
    """How a correction is a locked patient; ``""`` if it is not."""
    if undated(correction.patient) == undated(patient.patient):
        return "name"
    if correction.image_sha256 == patient.image_sha256:
        return "image"
    same = correction.lesion_vox > 0 and correction.mask_sha256 == patient.mask_sha256
    return "mask" if same else ""


def _was_given_up(correction: CorrectionFacts, patient: LockedPatient) -> bool:
    """Whether it was a correction when it was locked, so that all is as it should be."""
    return patient.mask_source == "correction" and correction.mask_sha256 == patient.mask_sha256


def _count(number: int, noun: str) -> str:
    return f"{number or 'No'} {noun}{'' if number == 1 else 's'}"
