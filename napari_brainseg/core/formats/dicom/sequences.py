"""Which sequence a series is: by what it is called, then by its timing, then by its contrast agent.

What people write into descriptions is no standard; the words here are those of protocols in
English, German, French, Spanish, Italian and Japanese hospitals and of the big vendors. Timing is
used where words say nothing: a FLAIR nulls fluid by an inversion 1.6 to 3 s before a late echo
(Hajnal et al. 1992, doi 10.1097/00004728-199211000-00001), a T1 has a short echo and either a
short repetition or a shorter inversion (MPRAGE, T1 FLAIR).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

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


class _Kind(NamedTuple):
    """A sequence by its words; `name` is FLAIR, T1 or what else it is."""

    name: str
    word: str


_OTHERS: tuple[tuple[str, str], ...] = (
    ("a localiser", r"locali[sz]er|localizador|localisateur|locator|scout|pilot|survey|topogram"
     r"|\bloc\b|plane loc|reperage|\b(3|three|tri) ?(pl|plane)\b|smartbrain|位置決め"),
    ("a calibration", r"calibration|\bcal\b|asset|\bref(erence)? scan\b|coil ?(survey|sens)|shim"
     r"|b[01] ?map|field ?map|phoenix|prescan"),
    ("a subtraction", r"\bsub\b|\bsubs\b|subtra\w*|soustraction|sottraz\w*|sustrac\w*|\bdiff ?img"),
    ("a projection", r"\bm ?ip\b|\bminip\b|\bmnip\b|\bmips\b|projection|\bvrt?\b"),
    ("diffusion", r"\bdwi\w*|diff?usion|difusion\w*|\badc\b|\beadc\b|trace ?w?\b|tracew|\bdti\b"
     r"|\bdki\b|ep2d ?diff|\bdiff\b|\bresolve\b|tensor|\bb ?=? ?(0|50|500|800|1000|1500|2000)\b"
     r"|\bcol ?fa\b|fract\w* aniso\w*|\bivim\b|拡散"),
    ("perfusion", r"perf\w*|\bdsc\b|\bdce\b|\bcbv\b|\bcbf\b|\bmtt\b|\bttp\b|\btmax\b|\bp?c?asl\b"
     r"|\brcbv\b|\bpbp\b|\bgbp\b|\btwist\b|\btricks\b|dynami\w*|\bdyn\b|灌流"),
    ("susceptibility", r"\bswi\w*|\bswan\b|suscept\w*|venous ?bold|\bpha(se)?\b|\bqsm\b|hemo\b"
     r"|haemo\b|\bswip\b|veno ?bold|\bmag images\b"),
    ("T2*", r"t2 ?\*|t2 ?star|t2 ?gre\b|gre ?t2|\bt2 ?ffe\b|ffe ?t2|\bmedic\b|\bhemac?\b"
     r"|fl2d t2|\bgr[ae] ?echo t2"),
    ("an angiography", r"\btof\b|angio\w*|\bc?e?mra\b|\bmrv\b|\bpca\b|phase ?contrast|\binhance\b"
     r"|time of flight|circle of willis|carotid\w*|veno\w*gra\w*"),
    ("functional", r"\bfmri\b|\bbold\b|resting|\brs ?fmri\b|\btask\b|\bmoco\b"),
    ("spectroscopy", r"\bmrs\b|spectro\w*|\bsvs\b|\bcsi\b|\bpress\b|\bsteam\b|\bmrsi\b"),
    ("a map", r"t1 ?map\w*|t2 ?map\w*|relaxometr\w*|\bmolli\b|t1 ?rho|\bsymri\b|\bmagic\b"
     r"|\bmtr\b|parametric"),
    ("double inversion", r"\bdir\b|double ?(ir|inversion)"),
    ("STIR", r"\bstir\b"),
    ("a report or screen shot", r"screen ?(save|shot|capture)|report|\bdose\b|summary|exam card"
     r"|presentation|secondary capture"),
)  # fmt: skip
_SPINE = (
    r"spine|spinal|\b[chtlbw]ws\b|\bhws\b|wirbel\w*|rachis|column[ae]|colonna|cervical\w*"
    r"|lumbar\w*|thoracic|\bcsp\b|\blsp\b|myelo\w*|頸椎|腰椎|\bknee\b|\bhip\b|\bshoulder\b"
    r"|\bpelvis\b|\babdomen\b|\bliver\b|\bprostate\b|\bbreast\b"
)
_FLAIR = (
    r"fl?air\b|flair\w*|\bflr\b|dark ?fluid|dark ?fl\b|\bda ?fl\b|\bdafl\b|fluid ?atten\w*"
    r"|\btirm\b|tirm\w*|\bspc ?ir\b|\bspcir\w*|space ?ir\b|\btir2d\w*|\bdk ?fl\w*|\bt2 ?ir\b"
)
_T1 = (
    r"t1\w*|\bt ?1 ?w?\b|mp ?rage\w*|\bmpr ns\b|\bmp2rage\w*|bravo|\bf?spgr\w*|\btfl\w*|\btfe\b"
    r"|\b3d ?tfe\b|\bvibe\b|\bthrive\b|\blava\b|\bfl[23]d\w*|\bmemprage\b|\bstar ?vibe\b"
    r"|\bturbo ?flash\b|\b3d ?ffe\b|\bisotropic gre\b|\bse2d\w*|\btfi3d\w*|\bfast ?3d\b"
    r"|\bmpage\b|\b3d grass\b"
)
_T2 = r"t2\w*|\bt ?2 ?w?\b|\btse2d\w*"
_OTHER_WEIGHTS = (
    ("T2", _T2 + r"|\bciss\b|\bfiesta\b|\bdrive\b|\bhaste\b|\bssfse\b|\bpropeller t2\b"),
    ("proton density", r"\bpd\w{0,2}\b|proton\w* ?dens\w*|\bdp\b"),
    ("MP2RAGE, one inversion", r"\binv ?[12]\b"),
)

_NO_TIMING = r"(op\b|oper\w*|surg\w*|treat\w*|therap\w*|rt\b|chemo\w*|process\w*|proc\b|resec\w*)"
_POST = (
    rf"\+ ?c\b|\bc ?\+|\+ ?(gd|gad\w*|km|ce|mdc|contr\w*)|\bgd\b|\bgado\w*|\bgad\b|\bkm\b|\bce\b"
    rf"|\bpost ?(?!{_NO_TIMING})\b|\bpost ?contr\w*|\bpost ?(gd|gad\w*|km|inj\w*|ce|c)\b"
    r"|contra?st\w*|kontrast\w*|enhanced|\binj\w*|\bapres\b|\bnach\b|\bcivi?\b|\bmdc\b|\bdopo\b"
    r"|\bdespues\b|\bpdc\b|dotarem|gadovist|magnevist|prohance|multihance|omniscan|clariscan"
    r"|elucirem|gadavist|primovist|t1 ?c\b|t1 ?c[eg]?\b|t1 ?gd|t1ce\w*|t1km\w*|\bwith c\b|\bw c\b"
    r"|\bcon c\b|\btardi\w*|\bdelayed\b|造影(?!前)"
)
_NOT = (
    r"(pre|before|without|w ?/ ?o|wo|non?|not|un|ohne|vor|sans|avant|senza|prima( del)?|sin|antes"
    r"( de)?|nativ)"
)
_PRE = (
    rf"\b{_NOT} ?-?(iv ?)?(contra?st\w*|kontrast\w*|gd|gad\w*|km|ce|inj\w*|mdc|civ|c|enhanc\w*"
    rf"|pdc)\b|\bpre(?! ?{_NO_TIMING})\b|precontra?st\w*|unenhanced|\bnative?\b|\bplain\b|\bc ?-"
    r"(?= |$)|(?<= )- ?(c|gd|gad\w*|km)\b|\bwo\b|\bw ?/ ?o\b|\bwithout\b|\bohne\b|\bsans\b"
    r"|\bsenza\b|\bnoncontrast\b|\bnc\b|\bbasale?\b|単純|造影前"
)
_NO_AGENT = re.compile(
    r"|0|-+|n|no|non|none|nil|kein\w*|ohne.*|without.*|no .*|na|n/a|nein|sans.*|senza.*|sin.*"
    r"|unknown|negative|null",
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
    "PHASE MAP": "susceptibility",
    "SCREEN SAVE": "a report or screen shot",
}

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
    if (header.b_value or 0.0) > 0.0:
        return Recognition(None, f"diffusion, b = {header.b_value:g} s/mm²")
    texts = (
        ("description", header.series_description),
        ("protocol", header.protocol_name),
        ("sequence name", header.sequence_name),
    )
    kinds = ((source, _kind(_plain(text), header)) for source, text in texts)
    source, kind = next((found for found in kinds if found[1] is not None), ("", None))
    if kind is None:
        kind, why = _by_timing(header)
        if kind is None:
            return Recognition(None, why)
    else:
        why = f"{source} says {kind.word}"
    if kind.name == "FLAIR":
        return Recognition(Modality.FLAIR, why)
    if kind.name != "T1":
        return Recognition(None, why if kind.name == kind.word else f"{why}: {kind.name}")
    return _with_contrast(header, why)


def recognise_words(text: str) -> Recognition:
    """Recognise a sequence by a description or file name alone.

    A T1 that says nothing of contrast counts as pre-contrast.
    """
    kind = _kind(_plain(text), None)
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


def says_contrast(text: str) -> tuple[bool, str] | None:
    """Whether a description says with (`True`) or without contrast, and by which word."""
    plain = _plain(text)
    if match := re.search(_PRE, plain):
        return False, match[0].strip()
    if match := re.search(_POST, plain):
        return True, match[0].strip()
    return None


def _kind(plain: str, header: HeaderRecord | None) -> _Kind | None:
    if not plain:
        return None
    for name, pattern in _OTHERS:
        if match := re.search(pattern, plain):
            return _Kind(name, match[0].strip())
    if match := re.search(_SPINE, plain):
        return _Kind("another part of the body", match[0].strip())
    flair, t1, t2 = (re.search(pattern, plain) for pattern in (_FLAIR, _T1, _T2))
    if flair:
        if not (t1 and not t2):
            return _Kind("FLAIR", "FLAIR" if "flair" in flair[0] else flair[0].strip())
        # "FLAIR T1" is GE's T1 FLAIR, unless its timing is that of a FLAIR.
        if header is not None and _is_flair_timing(header):
            return _Kind("FLAIR", "FLAIR (and T1, against its timing)")
        return _Kind("T1", "T1 FLAIR")
    for name, pattern in _OTHER_WEIGHTS:
        if (match := re.search(pattern, plain)) and not (t1 and name == "T2" and _both(plain)):
            return _Kind(name, match[0].strip())
    if t1:
        return _Kind("T1", t1[0].strip())
    return None


def _both(plain: str) -> bool:
    """Whether T1 comes before T2 as if T2 were only mentioned: ``T1 post (after T2)``."""
    return re.search(r"t1.*\b(after|nach|apres) t2", plain) is not None


def _is_flair_timing(header: HeaderRecord) -> bool:
    inversion, echo = header.inversion_time_ms, header.echo_time_ms
    return (
        inversion is not None
        and echo is not None
        and _FLAIR_TI_MS[0] <= inversion <= _FLAIR_TI_MS[1]
        and echo > _FLAIR_TE_MS
    )


def _by_timing(header: HeaderRecord) -> tuple[_Kind | None, str]:
    echo, repetition = header.echo_time_ms, header.repetition_time_ms
    inversion = header.inversion_time_ms or None
    if echo is None:
        return None, "neither description nor echo time say which sequence it is"
    said = f"TE {echo:g} ms" + (f", TR {repetition:g} ms" if repetition else "")
    said += f", TI {inversion:g} ms" if inversion else ""
    if "EP" in header.scanning_sequence:
        return None, "echo-planar: diffusion, perfusion or functional"
    if _is_flair_timing(header):
        return _Kind("FLAIR", ""), f"timing of a FLAIR ({said})"
    is_gradient = "GR" in header.scanning_sequence
    if echo < (_T1_GRADIENT_TE_MS if is_gradient else _T1_TE_MS):
        short = repetition is not None and 0.0 < repetition < _T1_TR_MS
        inverted = inversion is not None and 300.0 <= inversion < _T1_TI_MS
        if inverted or (short and (inversion is None or inversion >= 300.0)):
            return _Kind("T1", ""), f"timing of a T1 ({said})"
    return None, f"the timing fits neither FLAIR nor T1 ({said})"


def _with_contrast(header: HeaderRecord, why: str) -> Recognition:
    for source, text in (
        ("description", header.series_description),
        ("protocol", header.protocol_name),
    ):
        if (said := says_contrast(text)) is not None:
            after, word = said
            modality = Modality.POST if after else Modality.PRE
            return Recognition(modality, f"{why}, {source} says {word}")
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


def _plain(text: str) -> str:
    """Lower case without accents; what separates words becomes one space."""
    folded = unicodedata.normalize("NFKC", text).lower()
    folded = "".join(
        c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c)
    )
    folded = unicodedata.normalize("NFC", folded)
    folded = re.sub(r"w/o\b", "without", folded)
    folded = re.sub(r"[_./\\^:;,()\[\]{}<>|&#]+", " ", folded)
    # A hyphen joins words, but a sign of its own stands for "without".
    folded = re.sub(r"(?<=\w)-(?=\w)", " ", folded)
    return re.sub(r"\s+", " ", folded).strip()
