"""Why a patient came out badly, as far as the images and the mask show it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_brainseg.core.segmentation.case_facts import CaseFacts, MaskFaults
    from napari_brainseg.core.segmentation.evaluation_results import PatientResult

__all__ = ["UNKNOWN", "Case", "Peers", "reasons"]

UNKNOWN = "nothing that these figures show sets it apart"
QUARTER = 4
"""A lesion counts as small or faint in the lowest quarter of the patients measured together."""
FAINT = 0.9
"""Separation above which no lesion is called faint, however much brighter the others are."""
APART = 0.05
"""Difference of sensitivity and precision that says on which side the fault lies."""
TOLD_SHARE = 0.1
"""Parts, islands and slices are told from this share of the lesion, mask or slices on."""
JOINED_SHARE = 0.2
"""The same for what is joined to the lesion: some of it is at every outline."""
ISLAND_APART = 0.02
"""Difference that the largest component makes to DSC to be told."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a measured patient.

    Parameters
    ----------
    facts : CaseFacts
        Of images and truth.
    faults : MaskFaults or None
        Of the mask, where it is at hand.
    """

    facts: CaseFacts
    faults: MaskFaults | None = None


@dataclass(frozen=True, slots=True)
class Peers:
    """The patients measured together, to tell what is small or faint among them.

    Parameters
    ----------
    volumes : tuple of int
        Voxels of their lesions.
    separations : tuple of float
        `CaseFacts.separation` of those that were looked at.
    """

    volumes: tuple[int, ...]
    separations: tuple[float, ...] = ()

    @classmethod
    def of(cls, results: Sequence[PatientResult], cases: Mapping[str, Case]) -> Peers:
        """Take the patients of an evaluation."""
        seen = [cases[r.patient].facts.separation for r in results if r.patient in cases]
        return cls(
            tuple(r.volume_truth_vox for r in results if r.volume_truth_vox),
            tuple(s for s in seen if s is not None),
        )


def reasons(result: PatientResult, case: Case | None, peers: Peers) -> list[str]:
    """Say what sets a patient apart; see the constants for when something is told.

    Parameters
    ----------
    result : PatientResult
        Its figures.
    case : Case or None
        What its images and mask show; ``None`` where only the figures are at hand.
    peers : Peers
        All patients measured together.

    Returns
    -------
    list of str
        Phrases: what the images have against it first, then where the mask is wrong.
    """
    found = list(_of_the_images(result, case, peers))
    if result.volume_truth_vox and not result.volume_prediction_vox:
        found.append("the lesion was missed altogether")
    else:
        found += _sides(result)
        if case is not None and case.faults is not None:
            found += _places(result, case.facts, case.faults)
        else:
            found += _island(result)
    return found or [UNKNOWN]


def _of_the_images(result: PatientResult, case: Case | None, peers: Peers) -> Iterator[str]:
    if result.volume_truth_vox == 0:
        yield "there is no lesion to find"
    if case is not None and case.facts.missing:
        names = " and ".join(case.facts.missing)
        yield f"{names} {'are' if len(case.facts.missing) > 1 else 'is'} missing (blank, or FLAIR)"
    if result.volume_truth_vox and _is_low(result.volume_truth_vox, peers.volumes):
        yield (
            f"the lesion is small: {result.volume_truth_vox:,} voxels "
            f"(median of {len(peers.volumes)} patients: {statistics.median(peers.volumes):,.0f})"
        )
    if case is None or (separation := case.facts.separation) is None:
        return
    if separation < FAINT and _is_low(separation, peers.separations):
        times = case.facts.brightness
        ratio = "" if times is None else f"{times:.2f} times as bright as what surrounds it, "
        yield (
            f"the lesion stands out little in FLAIR: {ratio}a voxel of it is brighter than one "
            f"beside it in {separation:.0%} of pairs (median of {len(peers.separations)} patients: "
            f"{statistics.median(peers.separations):.0%})"
        )


def _is_low(value: float, values: Sequence[float]) -> bool:
    """Whether a value is in the lowest quarter of at least four."""
    if len(values) < QUARTER or value >= statistics.median(values):
        return False
    return sum(v < value for v in values) * QUARTER < len(values)


def _sides(result: PatientResult) -> Iterator[str]:
    found, right = result.sensitivity, result.precision
    if found is None or right is None:
        yield from _volume(result)  # files of older versions
        return
    if min(found, right) > 1 - APART:
        return
    figures = f"{found:.0%} of the lesion found, {right:.0%} of the mask is lesion"
    if found < right - APART:
        yield f"missed more than invented ({figures})"
    elif right < found - APART:
        yield f"invented more than missed ({figures})"
    else:
        yield f"missed as much as invented ({figures})"


def _volume(result: PatientResult) -> Iterator[str]:
    if not result.volume_truth_vox:
        return
    error = result.volume_prediction_vox / result.volume_truth_vox - 1
    if abs(error) >= TOLD_SHARE:
        yield f"the mask is {abs(error):.0%} {'larger' if error > 0 else 'smaller'} than the lesion"


def _places(result: PatientResult, facts: CaseFacts, faults: MaskFaults) -> Iterator[str]:
    truth, mask = result.volume_truth_vox, result.volume_prediction_vox
    if faults.missed_parts and faults.missed_parts_vox >= TOLD_SHARE * truth:
        yield (
            f"{faults.missed_parts} of {facts.lesion_parts} parts of the lesion not touched "
            f"({faults.missed_parts_vox:,} voxels)"
        )
    if faults.missed_slices and faults.missed_slices >= TOLD_SHARE * facts.lesion_slices:
        yield f"{faults.missed_slices} of {facts.lesion_slices} slices with lesion left empty"
    if faults.false_islands and faults.false_islands_vox >= TOLD_SHARE * mask:
        islands = "an island" if faults.false_islands == 1 else f"{faults.false_islands} islands"
        yield f"{islands} apart from the lesion ({faults.false_islands_vox:,} voxels)"
    joined = faults.false_vox - faults.false_islands_vox
    if joined >= JOINED_SHARE * mask:
        yield f"{joined:,} voxels invented where the mask runs on from the lesion"
    missed, whole = faults.missed_separation, facts.separation
    if missed is not None and whole is not None and faults.missed_vox >= TOLD_SHARE * truth:
        if missed < FAINT and missed < whole - APART:
            yield f"what was missed is fainter than the rest ({missed:.0%} of pairs)"
        elif missed >= FAINT:
            yield f"what was missed is bright, not faint ({missed:.0%} of pairs)"
    false = faults.false_separation
    if false is not None and false >= FAINT and faults.false_vox >= TOLD_SHARE * mask:
        yield f"what was invented is bright in FLAIR as a lesion is ({false:.0%} of pairs)"


def _island(result: PatientResult) -> Iterator[str]:
    """Tell from the DSC of the largest component alone, where the mask is not at hand."""
    gain = result.dsc_native_lcc - result.dsc_native
    if gain > ISLAND_APART:
        yield f"false islands (its largest component alone has {result.dsc_native_lcc:.3f})"
    elif gain < -ISLAND_APART:
        yield f"in several parts (its largest component alone has {result.dsc_native_lcc:.3f})"
