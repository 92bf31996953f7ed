"""Which series of a study stand for which sequence, where several would do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.formats.dicom.sequences import Recognition, says_contrast
from napari_brainseg.core.formats.dicom.stacks import distance_mm, normal_of
from napari_brainseg.core.imaging import KAGGLE_ORDER, DataError, Modality, SeriesInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.formats.dicom.headers import HeaderRecord
    from napari_brainseg.core.formats.kaggle3m import StudyFolder

__all__ = [
    "Stack",
    "choose_roles",
    "choose_truth",
    "plane_of",
    "recognised",
    "roles_from_options",
    "series_info",
]

_AXIAL = 0.8
"""Least cosine between the normal and the body's axis for a plane to have its name."""
_FEW_SLICES = 8
"""Fewer are a localiser, a test or a leftover."""
_REFORMATS = {"MPR", "REFORMATTED", "RESAMPLED", "CSAMANIPULATED", "CSAMPR", "CSA MPR"}
_SMALL_FIELD = re.compile(
    r"orbit|pituitar|hypophys|sella|\biac\b|\bcpa\b|temporal|hippocamp|\bface\b|\bneck\b|sinus"
)
_MANUAL = {"MANUAL", "SEMIAUTOMATIC"}
_WORDS = {
    "flair": Modality.FLAIR,
    "pre": Modality.PRE,
    "post": Modality.POST,
}


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
            key=lambda s: (s.first.samples_per_pixel == 1, *_merit(s, Modality.PRE)),
        )
        chosen[KAGGLE_ORDER[0]] = best
    return chosen


def recognised(stacks: Sequence[Stack]) -> list[Stack]:
    """Stacks with what the whole study says of them: see `_settled`."""
    settled = {stack.key: stack for stack in _settled(stacks)}
    return [settled[stack.key] for stack in stacks]


def choose_truth(stacks: Sequence[Stack]) -> str:
    """Key of the segmentation that is ground truth: the only one, if people made it."""
    masks = [stack for stack in stacks if stack.first.is_mask]
    if len(masks) != 1:
        return ""
    made = set(masks[0].first.segment_algorithms)
    return masks[0].key if made and made <= _MANUAL else ""


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


def roles_from_options(
    folder: StudyFolder, *, flair: str = "", pre: str = "", post: str = ""
) -> StudyFolder:
    """Choose series by what a user typed, e.g. as options of a command.

    Parameters
    ----------
    folder : StudyFolder
        As `discover` found it.
    flair, pre, post : str
        Key of a series, its number in the list of series (from 1), or a part of its description;
        empty leaves the sequence as it was recognised, ``none`` leaves it out.

    Raises
    ------
    DataError
        If nothing fits, more than one series does, or one series is named twice.
    """
    roles = dict(folder.roles)
    said = {"flair": flair, "pre": pre, "post": post}
    for word, text in said.items():
        if not text:
            continue
        modality = _WORDS[word]
        if text.lower() == "none":
            roles.pop(modality, None)
            continue
        key = _find(folder, text)
        # A series has one role: naming it for one takes it from another that was only recognised.
        for other, held in list(roles.items()):
            if held == key and other is not modality and not said[_word(other)]:
                del roles[other]
        roles[modality] = key
    return folder.with_roles(roles)


def _word(modality: Modality) -> str:
    return next(word for word, known in _WORDS.items() if known is modality)


def _find(folder: StudyFolder, text: str) -> str:
    images = [series for series in folder.series if not series.is_mask]
    if any(series.key == text for series in images):
        return text
    if text.isdecimal() and 1 <= int(text) <= len(images) and len(text) < 4:
        return images[int(text) - 1].key
    hits = [s for s in images if s.description.lower() == text.lower()] or [
        s for s in images if text.lower() in s.description.lower()
    ]
    if len(hits) == 1:
        return hits[0].key
    listed = "; ".join(f"{n} {s.description}" for n, s in enumerate(images, 1)) or "none"
    count = "No series" if not hits else f"{len(hits)} series"
    raise DataError(
        f"{count} of {folder.patient} fit {text!r}. There are: {listed}.",
        "Give the number of a series in this list, or more of its description.",
    )


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
    original = not ({part.upper() for part in first.image_type} & _REFORMATS) and (
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


def _taken(stack: Stack) -> tuple[float, ...]:
    """When a stack was taken: time of day, then the number of its series."""
    first = stack.first
    digits = re.sub(r"[^\d.]", "", first.acquisition_time or first.content_time)
    try:
        time = float(digits or 0.0)
    except ValueError:
        time = 0.0
    return time, float(first.series_number or 0), float(first.acquisition_number or 0)


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
    if first.pixel_spacing_mm is not None:
        sizes = [*reversed(first.pixel_spacing_mm), distance_mm(stack.records)]
        parts.append(" x ".join(f"{mm:.3g}" for mm in sizes if mm) + " mm")
    parts.append(f"{first.columns} x {first.rows}")
    return ", ".join(part for part in parts if part)
