"""Which sequence a series is: by what it is called, then by its timing, then by its contrast agent.

Timing is used where words say nothing: a FLAIR nulls fluid by an inversion 1.6 to 3 s before a
late echo (Hajnal et al. 1992, doi 10.1097/00004728-199211000-00001), a T1 has a short echo and
either a short repetition or a shorter inversion (MPRAGE, T1 FLAIR).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.formats.dicom.sequence_words import (
    FLAIR_OR_T1,
    Kind,
    kind_of,
    says_contrast,
)
from napari_brainseg.core.imaging import Modality

if TYPE_CHECKING:
    from napari_brainseg.core.formats.dicom.headers import HeaderRecord

__all__ = ["Recognition", "recognise", "recognise_words", "says_contrast"]


class Recognition(NamedTuple):
    """What a series was recognised as."""

    modality: Modality | None
    why: str
    by_agent_alone: bool = False
    """Whether only the contrast agent in the header says post-contrast: some scanners carry it
    over to every series of the patient."""
    by_timing: bool = False
    """Whether no word says so, only times of echo, repetition and inversion."""


_NO_AGENT = re.compile(
    r"|0|-+|n|no|non|none|nil|kein.*|ohne.*|without.*|w/?o.*|no .*|na|n/a|nein|sans.*|senza.*"
    r"|sin .*|sem .*|bez .*|без.*|нет|unenhanced|non?[ -]?contra?st.*|nati(v|ve)|plain|pre.*"
    r"|unknown|negative|null|なし|無|无|単純|平扫",
    re.IGNORECASE,
)

_IMAGE_TYPES = {
    "ADC": "diffusion",
    "DIFFUSION": "diffusion",
    "TRACEW": "diffusion",
    "FA": "diffusion",
    "LOCALIZER": "a localiser",
    "SUBTRACTION": "a subtraction",
    "SUB": "a subtraction",
    "MIN_IP": "a projection",
    "MNIP": "a projection",
    "MIP": "a projection",
    "PROJECTION IMAGE": "a projection",
    "PERFUSION": "perfusion",
    "PHASE MAP": "a phase image",
    "MOSAIC": "functional or diffusion, all slices in one picture",
    "T1 MAP": "a map",
    "T2 MAP": "a map",
    "B0 MAP": "a calibration",
    "B1 MAP": "a calibration",
    "VELOCITY MAP": "an angiography",
    "FAT": "a fat image",
    "SCREEN SAVE": "a report or screen shot",
}

_PHASES = {"P": "phase", "PHASE": "phase", "I": "imaginary", "IMAGINARY": "imaginary"}
"""Third and later values of the image type, or the complex component, of what is no magnitude."""
_GE_PHASES = {1: "phase", 3: "imaginary"}

_CONTRASTS = {
    "FLUID_ATTENUATED": "FLAIR",
    "T1": "T1",
    "T2": "T2",
    "T2_STAR": "T2*",
    "PROTON_DENSITY": "proton density",
    "DIFFUSION": "diffusion",
    "PERFUSION": "perfusion",
    "STIR": "STIR",
    "TIME_OF_FLIGHT": "an angiography",
    "FLOW_ENCODED": "an angiography",
}
"""Acquisition contrast of multi-frame files (PS3.3, C.8.13.3.1.1)."""

_FLAIR_TI_MS = (1600.0, 3000.0)
_FLAIR_TE_MS = 70.0
_T1_TE_MS = 30.0
_T1_TR_MS = 1200.0
_T1_TI_MS = 1300.0
_T1_GRADIENT_TE_MS = 10.0
"""A gradient echo later than this is T2*."""


def recognise(header: HeaderRecord) -> Recognition:
    """Recognise the sequence of a series by the header of one of its files.

    Parameters
    ----------
    header : HeaderRecord
        Of any slice.

    Returns
    -------
    Recognition
        ``modality`` is `None` where it is none of the three, and ``why`` says what it is instead.
    """
    if header.modality not in ("MR", ""):
        return Recognition(None, f"{header.modality}, not MR")
    if header.samples_per_pixel != 1:
        return Recognition(None, "colour picture")
    for part in header.image_type:
        if (other := _IMAGE_TYPES.get(part.upper())) is not None:
            return Recognition(None, f"image type says {part}: {other}")
    if part := _phase(header):
        return Recognition(None, f"{part} image, no magnitude")
    if (header.b_value or 0.0) > 0.0:
        return Recognition(None, f"diffusion, b = {header.b_value:g} s/mm²")
    texts = (
        ("description", header.series_description),
        ("protocol", header.protocol_name),
        ("sequence name", header.sequence_name),
    )
    kinds = ((source, _kind_of(text, header)) for source, text in texts)
    source, kind = next((found for found in kinds if found[1] is not None), ("", None))
    by_timing = False
    if kind is None and (contrast := _CONTRASTS.get(header.acquisition_contrast.upper())):
        kind, source = Kind(contrast, header.acquisition_contrast), "acquisition contrast"
    if kind is None:
        kind, why = _by_timing(header)
        by_timing = True
        if kind is None:
            return Recognition(None, why)
    else:
        why = f"{source} says {kind.word}"
    if kind.name == "FLAIR":
        return Recognition(Modality.FLAIR, why, by_timing=by_timing)
    if kind.name != "T1":
        return Recognition(None, why if kind.name == kind.word else f"{why}: {kind.name}")
    return _with_contrast(header, why)._replace(by_timing=by_timing)


def recognise_words(text: str) -> Recognition:
    """Recognise a sequence by a description or file name alone.

    A T1 that says nothing of contrast counts as pre-contrast.
    """
    kind = _kind_of(text, None)
    if kind is None:
        return Recognition(None, "the name says nothing of a sequence")
    if kind.name == "FLAIR":
        return Recognition(Modality.FLAIR, f"name says {kind.word}")
    if kind.name != "T1":
        return Recognition(None, f"name says {kind.word}: {kind.name}")
    said = says_contrast(text)
    if said is not None and said[0]:
        return Recognition(Modality.POST, f"name says {kind.word} and {said[1]}")
    return Recognition(Modality.PRE, f"name says {kind.word}" + (f" and {said[1]}" if said else ""))


def _kind_of(text: str, header: HeaderRecord | None) -> Kind | None:
    kind = kind_of(text)
    if kind is None or kind.name != FLAIR_OR_T1:
        return kind
    if header is not None and _is_flair_timing(header):
        return Kind("FLAIR", "FLAIR (and T1, against its timing)")
    return Kind("T1", kind.word)


def _is_flair_timing(header: HeaderRecord) -> bool:
    inversion, echo = header.inversion_time_ms, header.echo_time_ms
    return (
        inversion is not None
        and echo is not None
        and _FLAIR_TI_MS[0] <= inversion <= _FLAIR_TI_MS[1]
        and echo > _FLAIR_TE_MS
    )


def _phase(header: HeaderRecord) -> str:
    """Which part of complex numbers a picture shows; empty for magnitude and real part."""
    values = (header.complex_component, *header.image_type[2:])
    named = next((_PHASES[v.upper()] for v in values if v.upper() in _PHASES), "")
    return named or _GE_PHASES.get(header.ge_component or 0, "")


def _by_timing(header: HeaderRecord) -> tuple[Kind | None, str]:
    echo, repetition = header.echo_time_ms, header.repetition_time_ms
    inversion = header.inversion_time_ms or None
    if echo is None:
        return None, "neither description nor echo time say which sequence it is"
    said = f"TE {echo:g} ms" + (f", TR {repetition:g} ms" if repetition else "")
    said += f", TI {inversion:g} ms" if inversion else ""
    if "EP" in header.scanning_sequence:
        return None, "echo-planar: diffusion, perfusion or functional"
    if _is_flair_timing(header):
        return Kind("FLAIR", ""), f"timing of a FLAIR ({said})"
    is_gradient = "GR" in header.scanning_sequence
    if echo < (_T1_GRADIENT_TE_MS if is_gradient else _T1_TE_MS):
        short = repetition is not None and 0.0 < repetition < _T1_TR_MS
        inverted = inversion is not None and 300.0 <= inversion < _T1_TI_MS
        if inverted or (short and (inversion is None or inversion >= 300.0)):
            return Kind("T1", ""), f"timing of a T1 ({said})"
    return None, f"the timing fits neither FLAIR nor T1 ({said})"


def _with_contrast(header: HeaderRecord, why: str) -> Recognition:
    for source, text in (
        ("description", header.series_description),
        ("protocol", header.protocol_name),
    ):
        if (said := says_contrast(text)) is not None:
            after, word = said
            modality = Modality.POST if after else Modality.PRE
            joined = "and" if f"{source} says" in why else f", {source} says"
            return Recognition(modality, f"{why} {joined} {word}".replace(" ,", ","))
    agent = header.contrast_agent
    if _NO_AGENT.fullmatch(agent.strip()):
        return Recognition(Modality.PRE, f"{why}, no contrast agent named")
    start, taken = _seconds(header.contrast_start_time), _seconds(header.acquisition_time)
    if start is not None and taken is not None:
        if taken < start:
            return Recognition(Modality.PRE, f"{why}, taken before the injection")
        return Recognition(Modality.POST, f"{why}, taken after the injection")
    return Recognition(Modality.POST, f"{why}, the header names a contrast agent", True)


def _seconds(time: str) -> float | None:
    """Seconds of the day of a DICOM time, ``HHMMSS.FFFFFF`` (PS3.5, 6.2)."""
    match = re.fullmatch(r"(\d\d):?(\d\d):?(\d\d(?:\.\d*)?)", time.strip())
    if match is None:
        return None
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
