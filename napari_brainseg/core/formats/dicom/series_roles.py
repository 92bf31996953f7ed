"""Which series of a study stand for which sequence, where several would do."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.formats.dicom.sequences import Recognition, says_contrast
from napari_brainseg.core.formats.dicom.stacks import distance_mm, normal_of
from napari_brainseg.core.imaging import KAGGLE_ORDER, Modality, SeriesInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_brainseg.core.formats.dicom.headers import HeaderRecord

__all__ = [
    "Stack",
    "choice_reasons",
    "choose_roles",
    "choose_truth",
    "plane_of",
    "recognised",
    "series_info",
    "without_localisers",
]

_AXIAL = 0.8
"""Least cosine between the normal and the body's axis for a plane to have its name."""
_FEW_SLICES = 8
"""Fewer are a localiser, a test or a leftover."""
_REFORMATS = {"MPR", "REFORMATTED", "RESAMPLED", "CSAMANIPULATED", "CSAMPR", "CSA MPR"}
_SMALL_FIELD = re.compile(
    r"orbit|pituitar|hypophys|sella|\biac\b|\bcpa\b|temporal|hippocamp|\bface\b|\bneck\b|sinus"
)
_NO_MAGNITUDE = {"R", "REAL"}
"""Real part of complex numbers: a picture, but greys around nought."""
_BETTER = (
    "it has more than a few slices",
    "it shows the whole head",
    "it is an original image",
    "it was taken without contrast",
    "it is axial",
    "it has more slices",
)
"""What the values of `_merit` mean, in their order; then comes the time."""
_MANUAL = {"MANUAL", "SEMIAUTOMATIC"}


class Stack(NamedTuple):
    """One stack of a series, and what it was recognised as."""

    key: str
    records: tuple[HeaderRecord, ...]
    recognition: Recognition

    @property
    def first(self) -> HeaderRecord:
        """Its first slice."""
        return self.records[0]

    @property
    def slices(self) -> int:
        """Number of slices, frames of multi-frame files counted."""
        return sum(record.frames for record in self.records)


def choose_roles(stacks: Sequence[Stack]) -> dict[Modality, Stack]:
    """Choose one stack for each sequence.

    Of several the whole head comes before a part, the original before a reformat, a FLAIR
    without contrast before one with, axial before the other planes, more slices before fewer; of
    post-contrast series the later. Where nothing is recognised, the picture with the most slices
    is shown as the first sequence, so that a study of another kind (CT) opens too.
    """
    images = [stack for stack in stacks if not stack.first.is_mask]
    ordered = _settled(images)
    chosen: dict[Modality, Stack] = {}
    for modality in KAGGLE_ORDER:
        fitting = [stack for stack in ordered if stack.recognition.modality is modality]
        if fitting:
            chosen[modality] = max(fitting, key=lambda stack: _merit(stack, modality))
    if not chosen and images:
        best = max(
            images,
            key=lambda s: (_can_be_shown(s.first), *_merit(s, Modality.PRE)),
        )
        chosen[KAGGLE_ORDER[0]] = best
    return chosen


def choice_reasons(stacks: Sequence[Stack], chosen: Mapping[Modality, Stack]) -> dict[str, str]:
    """Say for stacks that are one sequence why one of them is taken.

    Parameters
    ----------
    stacks : sequence of Stack
        Of a study.
    chosen : mapping of Modality to Stack
        From `choose_roles`.

    Returns
    -------
    dict of str to str
        By key; stacks without rivals are left out.
    """
    said: dict[str, str] = {}
    for modality, best in chosen.items():
        rivals = [s for s in stacks if s.recognition.modality is modality and s.key != best.key]
        reasons = {s.key: _better(best, s, modality) for s in rivals}
        for key, reason in reasons.items():
            said[key] = f"another {modality} series is taken: {reason}"
        if rivals:
            said[best.key] = f"taken of {len(rivals) + 1} that fit: " + ", ".join(
                dict.fromkeys(reasons.values())
            )
    return said


def without_localisers(stacks: Sequence[Stack]) -> list[Stack]:
    """Take series of several planes, known by their timing only, for localisers."""
    planes: dict[str, set[str]] = defaultdict(set)
    for stack in stacks:
        planes[_series(stack)].add(plane_of(stack.first))
    return [
        stack._replace(recognition=Recognition(None, "several planes in one series: a localiser"))
        if stack.recognition.by_timing and len(planes[_series(stack)] - {""}) > 1
        else stack
        for stack in stacks
    ]


def _series(stack: Stack) -> str:
    return stack.key.partition("#")[0]


def recognised(stacks: Sequence[Stack]) -> list[Stack]:
    """Stacks with what the whole study says of them: see `_settled`."""
    settled = {stack.key: stack for stack in _settled(stacks)}
    return [settled[stack.key] for stack in stacks]


def choose_truth(stacks: Sequence[Stack]) -> str:
    """Key of the segmentation that is ground truth: the only one that people made.

    What a model made, e.g. one that was sent to the archive later, does not count.
    """
    masks = [stack for stack in stacks if stack.first.is_mask]
    made = {mask.key: set(mask.first.segment_algorithms) for mask in masks}
    drawn = [key for key, how in made.items() if how and how <= _MANUAL]
    return drawn[0] if len(drawn) == 1 else ""


def series_info(stack: Stack, why: str = "") -> SeriesInfo:
    """Say what people need to choose among series."""
    first = stack.first
    return SeriesInfo(
        key=stack.key,
        description=first.series_description or first.protocol_name or first.sequence_name
        or ("segmentation" if first.is_mask else "without description"),
        files=tuple(record.path for record in stack.records),
        role=stack.recognition.modality,
        why=why or stack.recognition.why,
        slices=stack.slices,
        details=_details(stack),
        is_mask=first.is_mask,
        part=first.part,
    )  # fmt: skip


def plane_of(record: HeaderRecord) -> str:
    """Name of the plane: axial, sagittal, coronal or oblique; empty where it is unknown."""
    normal = normal_of(record)
    if normal is None:
        return ""
    for name, share in zip(("sagittal", "coronal", "axial"), normal, strict=True):
        if abs(share) > _AXIAL:
            return name
    return "oblique"


def _settled(stacks: Sequence[Stack]) -> list[Stack]:
    """Let the study correct what a single header cannot know.

    Some scanners write the contrast agent of the patient into every series, also of those before
    the injection. Where every T1 is post-contrast by that alone, in series of one plane that were
    taken twice, the first of them came before.
    """
    alone = [stack for stack in stacks if stack.recognition.by_agent_alone]
    t1 = (Modality.PRE, Modality.POST)
    others = [s for s in stacks if s.recognition.modality in t1 and s not in alone]
    if len(alone) < 2 or any(s.recognition.modality is Modality.PRE for s in others):
        return list(stacks)
    first = min(alone, key=_taken)
    if _taken(first) == max(map(_taken, alone)) or not any(
        plane_of(s.first) == plane_of(first.first) for s in [*alone, *others] if s is not first
    ):
        return list(stacks)
    why = "the contrast agent stands in every T1; this one was taken first"
    changed = first._replace(recognition=Recognition(Modality.PRE, why))
    return [changed if stack is first else stack for stack in stacks]


def _merit(stack: Stack, modality: Modality) -> tuple[float, ...]:
    first = stack.first
    text = f"{first.series_description} {first.protocol_name}".lower()
    said = says_contrast(first.series_description)
    kinds = {part.upper() for part in (*first.image_type, first.complex_component)}
    original = not (kinds & (_REFORMATS | _NO_MAGNITUDE)) and (
        not first.image_type or first.image_type[0].upper() != "DERIVED"
    )
    return (
        float(stack.slices >= _FEW_SLICES),
        float(_SMALL_FIELD.search(text) is None),
        float(original and re.search(r"\b(mpr|reformat\w*|rfmt)\b", text) is None),
        float(modality is not Modality.FLAIR or said is None or not said[0]),
        float(plane_of(first) == "axial"),
        float(stack.slices),
        # Of two alike the later is further into the contrast; of the others the first.
        *(n if modality is Modality.POST else -n for n in _taken(stack)),
    )


def _better(best: Stack, other: Stack, modality: Modality) -> str:
    """Say what makes one stack better than another of the same sequence."""
    values = zip(_BETTER, _merit(best, modality), _merit(other, modality), strict=False)
    found = next((reason for reason, a, b in values if a != b), "")
    return found or f"it was taken {'later' if modality is Modality.POST else 'first'}"


def _can_be_shown(record: HeaderRecord) -> bool:
    """Whether a picture is grey and holds one slice: no mosaic of Siemens."""
    return record.samples_per_pixel == 1 and "MOSAIC" not in map(str.upper, record.image_type)


def _taken(stack: Stack) -> tuple[float, ...]:
    """When a stack was taken: time of day, then the number of its series."""
    first = stack.first
    digits = re.sub(r"[^\d.]", "", first.acquisition_time or first.content_time)
    try:
        time = float(digits or 0.0)
    except ValueError:
        time = 0.0
    return (
        time,
        float(first.series_number or 0),
        float(first.temporal_position or 0),
        float(first.acquisition_number or 0),
        float(first.instance_number or 0),
    )


def _details(stack: Stack) -> str:
    first = stack.first
    parts = [plane_of(first)]
    for name, value in (
        ("TE", first.echo_time_ms),
        ("TR", first.repetition_time_ms),
        ("TI", first.inversion_time_ms),
    ):
        if value:
            parts.append(f"{name} {round(value, 1):.6g} ms")
    if first.b_value is not None:
        parts.append(f"b {first.b_value:g} s/mm²")
    if first.temporal_position is not None and first.temporal_position > 1:
        parts.append(f"time {first.temporal_position}")
    if first.part is not None and len(first.image_type) > 2:
        parts.append(" ".join(dict.fromkeys(first.image_type[2:])))
    if first.pixel_spacing_mm is not None:
        sizes = [*reversed(first.pixel_spacing_mm), distance_mm(stack.records)]
        parts.append(" x ".join(f"{mm:.3g}" for mm in sizes if mm) + " mm")
    parts.append(f"{first.columns} x {first.rows}")
    return ", ".join(part for part in parts if part)
