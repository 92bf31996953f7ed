"""The checks of `preflight`: each gets the facts and gives findings."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.label_drift import label_drift
from napari_brainseg.core.dataset.locked import LEAST_LOCKED
from napari_brainseg.core.dataset.preflight import LEAST_SENSIBLE, PreflightFinding
from napari_brainseg.core.formats.names import undated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.dataset.locked import LockedPatient, LockedSet
    from napari_brainseg.core.dataset.preflight import CorrectionFacts, PreflightFacts

__all__ = ["CHECKS", "trains"]

CONTRADICTS_DSC = 0.5
"""Below this DSC a correction and the ground truth tell of different lesions."""
GB = 1e9


def trains(correction: CorrectionFacts, locked: LockedSet | None) -> bool:
    """Whether a correction may train: its patient is not locked, under whatever name."""
    patients = () if locked is None else locked.patients
    return all(_same(correction, patient) in ("", "mask") for patient in patients)


def enough_cases(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Count the corrections that would train."""
    count = sum(trains(c, facts.locked.locked) for c in facts.corrections)
    if not count:
        locked = bool(facts.corrections)
        yield PreflightFinding(
            kind="no-corrections",
            level="stop",
            message="All corrected patients are locked: nothing is left to train on."
            if locked
            else "There are no corrections to train on.",
            hint="Correct and approve a patient that is not locked."
            if locked
            else "Correct a patient and approve the correction first.",
        )
    elif count < LEAST_SENSIBLE:
        number = "One correction is" if count == 1 else f"{count} corrections are"
        more = " With a single one nothing tells whether others gain from it." if count == 1 else ""
        yield PreflightFinding(
            kind="too-few-cases",
            level="warning",
            message=f"{number} few: fine-tuning is sensible from {LEAST_SENSIBLE} on. With fewer "
            f"the model learns single cases rather than a habit.{more}",
            hint=f"Correct and approve {LEAST_SENSIBLE - count} more, or go on if you know that "
            "these cases stand for others.",
            needs_expert=True,
        )


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
    if found.is_swapped:
        yield PreflightFinding(
            kind="locked-swapped",
            level="stop",
            message="The locked set is not the one that this workspace has used so far: its file "
            "was replaced.",
            hint="Restore training_set/locked.json from a backup of the workspace.",
        )
    if found.absent:
        yield PreflightFinding(
            kind="locked-absent",
            level="stop",
            message=f"Locked patients are not at hand: {', '.join(found.absent)}.",
            hint="Open the folder of patients that holds them, so that figures stay comparable.",
            patients=found.absent,
        )
    if found.changed:
        yield PreflightFinding(
            kind="locked-changed",
            level="stop",
            message="Images or masks of locked patients are not those that were locked: "
            f"{', '.join(found.changed)}.",
            hint="Restore their files; figures on other masks do not compare.",
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


def same_content(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Find one image or mask under several names among the corrections."""
    images: defaultdict[str, list[CorrectionFacts]] = defaultdict(list)
    masks: defaultdict[str, list[CorrectionFacts]] = defaultdict(list)
    for correction in facts.corrections:
        images[correction.image_sha256].append(correction)
        if correction.lesion_vox:
            masks[correction.mask_sha256].append(correction)
    for group in images.values():
        if len(group) < 2:
            continue
        names = tuple(c.patient for c in group)
        if len({c.mask_sha256 for c in group}) > 1:
            yield PreflightFinding(
                kind="contradictory-masks",
                level="stop",
                message=f"{_and(names)} are the same image with different masks.",
                hint="Withdraw all but one of them.",
                patients=names,
            )
        else:
            yield PreflightFinding(
                kind="same-image",
                level="warning",
                message=f"{_and(names)} are the same image with the same mask: it would count "
                f"{len(names)} times.",
                hint="Withdraw all but one of them.",
                patients=names,
            )
    for group in masks.values():
        if len({c.image_sha256 for c in group}) > 1:
            names = tuple(c.patient for c in group)
            yield PreflightFinding(
                kind="same-mask",
                level="warning",
                message=f"{_and(names)} have the same mask, but different images.",
                hint="Look whether one of them was saved for the other.",
                patients=names,
            )


def known_to_the_base(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Find corrections that the base model knows under another name."""
    names = {
        "image": {digest: name for name, digest in facts.base_images.items()},
        "mask": {digest: name for name, digest in facts.base_masks.items()},
    }
    for what, by_digest in names.items():
        pairs = []
        for correction in facts.corrections:
            is_mask = what == "mask"
            if is_mask and not correction.lesion_vox:
                continue
            digest = correction.mask_sha256 if is_mask else correction.image_sha256
            other = by_digest.get(digest)
            if other is not None and undated(other) != undated(correction.patient):
                pairs.append((correction.patient, other))
        if pairs:
            named = ", ".join(f"{name} is {other}" for name, other in pairs)
            yield PreflightFinding(
                kind=f"base-{what}",
                level="warning",
                message=f"The base model was trained on the same {what} under another name: "
                f"{named}. What it gains on them says little.",
                hint="Look whether the names are right.",
                patients=tuple(name for name, _ in pairs),
            )


def masks_are_sound(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Look for masks that are empty, unchanged, or contradict the ground truth."""
    training = [c for c in facts.corrections if trains(c, facts.locked.locked)]
    empty = [c for c in training if not c.lesion_vox]
    if training and len(empty) == len(training):
        yield PreflightFinding(
            kind="all-empty",
            level="stop",
            message=f"All {len(training)} corrections are empty: the model would learn to find "
            "nothing.",
            hint="Correct patients with a lesion too.",
            patients=tuple(c.patient for c in empty),
        )
    elif empty:
        yield PreflightFinding(
            kind="empty-mask",
            level="note",
            message=f"Empty masks, which say that there is no lesion: {_names(empty)}.",
            hint="If that is not meant, reopen these patients.",
            patients=tuple(c.patient for c in empty),
        )
    if same := [c for c in training if not c.changed_vox]:
        yield PreflightFinding(
            kind="unchanged",
            level="note",
            message=f"Approved without a change: {_names(same)}. They keep what the model does "
            "well.",
            patients=tuple(c.patient for c in same),
        )
    far = [c for c in training if c.truth_dsc is not None and c.truth_dsc < CONTRADICTS_DSC]
    if far:
        named = ", ".join(f"{c.patient} (DSC {c.truth_dsc:.2f})" for c in far)
        yield PreflightFinding(
            kind="contradicts-truth",
            level="note",
            message=f"Corrections far from the ground truth that the patients came with: {named}.",
            hint="Look at them once more; the correction is what the model learns.",
            patients=tuple(c.patient for c in far),
        )


def files_are_sound(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Look for exports that cannot be read, were changed, or lack slices."""
    training = [c for c in facts.corrections if trains(c, facts.locked.locked)]
    for correction in training:
        if correction.fault:
            yield PreflightFinding(
                kind="unreadable",
                level="stop",
                message=correction.fault,
                hint=correction.fault_hint,
                patients=(correction.patient,),
            )
        if correction.warnings:
            yield PreflightFinding(
                kind="slices",
                level="warning",
                message=f"{correction.patient}: {' '.join(correction.warnings)}",
                hint="The model sees slices one by one; look whether these are meant to be gone.",
                patients=(correction.patient,),
            )
    if changed := [c for c in training if c.changed]:
        named = ", ".join(f"{c.patient} ({' and '.join(c.changed)})" for c in changed)
        yield PreflightFinding(
            kind="changed-export",
            level="stop",
            message=f"Exports are not what was signed off, another program changed them: {named}.",
            hint="Open these patients, paint or reopen, and approve again.",
            patients=tuple(c.patient for c in changed),
        )


def labels_do_not_drift(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Test whether corrections are systematically larger or smaller than predictions."""
    pairs = [
        (c.base_vox, c.lesion_vox)
        for c in facts.corrections
        if c.base_vox is not None and trains(c, facts.locked.locked)
    ]
    drift = label_drift(pairs)
    if drift is not None and drift.is_systematic:
        yield PreflightFinding(
            kind="label-drift",
            level="warning",
            message=f"{drift} The new version will draw lesions so.",
            hint="Go on if that is what you want; otherwise look whether readers draw by one rule.",
        )


def base_is_replayed(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Say where nothing keeps the model from forgetting."""
    if facts.corrections and not facts.replayed:
        yield PreflightFinding(
            kind="no-replay",
            level="warning",
            message="No base data at hand: replay impossible, forgetting is more likely.",
            hint="Open a folder that holds patients of the base model's training, if you can.",
        )


def machine_is_enough(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Compare free memory and disk with what the run needs; tell how long it takes."""
    needs = facts.needs
    if needs.disk is not None and needs.free_disk is not None and needs.free_disk < 2 * needs.disk:
        is_too_little = needs.free_disk < needs.disk
        yield PreflightFinding(
            kind="disk",
            level="stop" if is_too_little else "warning",
            message=f"{needs.free_disk / GB:.1f} GB are free on the disk of {needs.place}; the run "
            f"needs about {needs.disk / GB:.1f} GB.",
            hint="Free some space, or move the workspace to another disk.",
        )
    if (
        needs.memory is not None
        and needs.free_memory is not None
        and needs.free_memory < needs.memory
    ):
        yield PreflightFinding(
            kind="memory",
            level="warning",
            message=f"{needs.free_memory / GB:.1f} GB of memory are free; the run needs about "
            f"{needs.memory / GB:.1f} GB.",
            hint="Close other programs, or choose a smaller batch.",
        )
    if facts.expected_s is not None:
        yield PreflightFinding(
            kind="expected-time",
            level="note",
            message=f"The run takes about {_duration(facts.expected_s)} on this machine (from a "
            "measured step).",
        )


CHECKS: tuple[Callable[[PreflightFacts], Iterator[PreflightFinding]], ...] = (
    locked_among_corrections,
    locked_patients_are_sound,
    files_are_sound,
    same_content,
    enough_cases,
    masks_are_sound,
    labels_do_not_drift,
    known_to_the_base,
    base_is_replayed,
    machine_is_enough,
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


def _names(corrections: list[CorrectionFacts]) -> str:
    return ", ".join(c.patient for c in corrections)


def _and(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _count(number: int, noun: str) -> str:
    return f"{number or 'No'} {noun}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(10, math.ceil(seconds / 10) * 10)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
