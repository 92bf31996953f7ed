"""The checks of `preflight`: each gets the facts and gives findings."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.label_drift import label_drift
from napari_brainseg.core.dataset.preflight import LEAST_SENSIBLE, PreflightFinding
from napari_brainseg.core.dataset.preflight_locked import (
    locked_among_corrections,
    locked_patients_are_sound,
    trains,
)
from napari_brainseg.core.formats.names import undated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.dataset.preflight import CorrectionFacts, PreflightFacts

__all__ = ["CHECKS"]

CONTRADICTS_DSC = 0.5
"""Below this DSC a correction and the ground truth tell of different lesions."""
GB = 1e9


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


def patients_of_the_base(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Tell which corrected patients the base model was trained on."""
    known = [
        c.patient
        for c in facts.corrections
        if undated(c.patient) in facts.known.persons and trains(c, facts.locked.locked)
    ]
    if known:
        yield PreflightFinding(
            kind="base-patient",
            level="note",
            message=f"The base model was trained on the original masks of {', '.join(known)}: how "
            "it did on them before flatters it.",
            patients=tuple(known),
        )


def base_is_replayed(facts: PreflightFacts) -> Iterator[PreflightFinding]:
    """Say where nothing keeps the model from forgetting."""
    if facts.corrections and facts.replayed == ():
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
    patients_of_the_base,
    base_is_replayed,
    machine_is_enough,
)


def _names(corrections: list[CorrectionFacts]) -> str:
    return ", ".join(c.patient for c in corrections)


def _and(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(10, math.ceil(seconds / 10) * 10)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
