"""Words that people use for sequences and masks in file names."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.imaging import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Kind", "Word", "is_series_word", "meaning", "split"]


class Kind(Enum):
    """What a file holds, as its name tells."""

    IMAGE = "image"
    LESION = "mask of the lesion"
    OTHER_MASK = "mask of something else, or a prediction"
    FUNCTION = "diffusion, functional MRI or field map"


class Word(NamedTuple):
    """A word of a name, in lower case, and where it stands in it."""

    text: str
    start: int
    end: int

    @property
    def is_about_series(self) -> bool:
        """Whether it says something about the image, not about the patient."""
        return is_series_word(self.text) or _NEUTRAL.fullmatch(self.text) is not None


_WORD = re.compile(r"(?:[^\W_]|\+)+")
_CONTRAST_WORDS = r"contrast|gad\w*|gd|ce|km|cm"
_JOINED: tuple[tuple[str, str, str], ...] = (
    ("dark", "fluid", "darkfluid"),
    ("pre|non?|without|w/?o|vor", _CONTRAST_WORDS, "precontrast"),
    ("post|with|mit|nach", _CONTRAST_WORDS, "postcontrast"),
    ("pre|post", "op|operative|surg|surgery|surgical|rt|radio|chemo|treatment|treat", "op"),
    ("ground", "truth", "groundtruth"),
    ("brain|skull|head", "mask|segmentation|seg", "brainmask"),
    ("t1|t2|pd", "w|weighted", "w"),
)
"""Two words that mean something together: first, second, and what they become."""

_FLAIR = re.compile(r".*flair.*|t2f|fl|tirm|darkfluid")
_T1_CONTRAST = re.compile(
    r"t1w?(mprage)?(c|ce|cm|km|gd|gad|gado|gadolinium|post|contrast|postcontrast|enhanced|\+.*)"
    r"|(c|ce|gd|km)t1w?"
)
_CONTRAST = re.compile(
    r"ce|gd|gad|gado|gadolinium|gadovist|dotarem|contrast|enhanced|post|postcontrast|km|cm|\+.*"
)
_T1 = re.compile(
    r"t1|t1w|t1n|t1pre|t1nativ|t1precontrast|mprage|mp2rage|spgr|bravo"
    r"|t1w?(mprage|mpr|se|tse|fse|tfe|ffe|spgr|3d|2d|fl2d|vibe|space|flair)"
)
_PRE = re.compile(r"pre|precontrast|nativ")
_OTHER = re.compile(
    r"t2|t2w|t2star|t2tse|t2tfe|pd|pdw|swi|swan|adc|fa|md|asl|cbf|cbv|rcbv|ktrans|perf"
    r"|localizer|scout|ct|mra|tof|t1map|t2map|t1rho|unit1"
)
_FUNCTION = re.compile(
    r"bold|sbref|dwi|epi|fmap|ep2d|diff|phasediff|magnitude[12]?|fieldmap|m0scan|trace|dti|b0|b1000"
)
_LESION = re.compile(
    r"seg|segm|segmentation|mask|labels?|lesions?|tumou?rs?|roi|gt|groundtruth|truth|manual"
    r"|consensus|dseg|(lesion|tumou?r)(mask|seg|segmentation)"
)
_MADE = re.compile(
    r"brainmask|parenchyma|bet|pred|predictions?|predicted|probability|probabilities|prob|probseg"
    r"|gm|wm|csf|aseg|aparc|atlas|talairach|brodmann|parc|parcellation|difference|uncertainty"
)
_NEUTRAL = re.compile(
    r"ax|axial|tra|trans|transverse|transversal|sag|sagittal|cor|coronal|obl|oblique|2d|3d|tse|fse"
    r"|se|ir|gre|fs|fatsat|iso|space|cube|vista|brain|stripped|skullstripped|bias|biascorrected"
    r"|corrected|n4|reg|registered|coreg|coregistered|native|mni|sri24|orig|original|raw|image|img"
    r"|mr|mri|scan|series|c|w|weighted|unstripped|defaced|normalized|resampled|dixon|[0-9]mm"
    r"|stir|anat|to|in|masked|wip"
)
_ONTO = {"to", "in", "onto", "reg", "registered", "coreg", "coregistered"}
_SERIES = (_FLAIR, _T1_CONTRAST, _CONTRAST, _T1, _PRE, _OTHER, _FUNCTION, _LESION, _MADE)


def split(text: str) -> list[Word]:
    """Words of a name; two that belong together become one."""
    words = [Word(m[0].lower(), m.start(), m.end()) for m in _WORD.finditer(text)]
    joined: list[Word] = []
    for word in words:
        if joined and (together := _together(joined[-1].text, word.text)):
            joined[-1] = Word(together, joined[-1].start, word.end)
        else:
            joined.append(word)
    return joined


def is_series_word(word: str) -> bool:
    """Whether a word names a sequence or a mask."""
    return any(pattern.fullmatch(word) for pattern in _SERIES)


def meaning(words: Sequence[str]) -> tuple[Kind, Modality | None, str]:
    """Say what the words about an image mean.

    Parameters
    ----------
    words : sequence of str
        As `split` gives them.

    Returns
    -------
    kind : Kind
    role : Modality or None
    why : str
        For users.
    """
    words = _own(words)

    def hit(*patterns: re.Pattern[str]) -> str:
        return next((w for w in words for p in patterns if p.fullmatch(w)), "")

    if word := hit(_MADE):
        return Kind.OTHER_MASK, None, f"name says {word}"
    if word := hit(_LESION):
        return Kind.LESION, None, f"name says {word}"
    t1, other = hit(_T1), hit(_OTHER)
    flair = hit(_FLAIR)
    # T1 FLAIR is a T1 (GE); ``fl`` beside T1 is a gradient echo (FLASH).
    if flair and (other or not (t1 or hit(_T1_CONTRAST))):
        return Kind.IMAGE, Modality.FLAIR, f"name says {flair}"
    if word := hit(_T1_CONTRAST):
        return Kind.IMAGE, Modality.POST, f"name says {word}"
    contrast = hit(_CONTRAST) or ("c" if t1 and "c" in words else "")
    if contrast and (t1 or not other):
        said = f"{t1} {contrast}".strip()
        return Kind.IMAGE, Modality.POST, f"name says {said}"
    if word := hit(_FUNCTION):
        return Kind.FUNCTION, None, f"name says {word}"
    if t1:
        return Kind.IMAGE, Modality.PRE, f"name says {t1}"
    if other:
        return Kind.IMAGE, None, f"name says {other}, which has no place among the three"
    if word := hit(_PRE):
        return Kind.IMAGE, Modality.PRE, f"name says {word}"
    return Kind.IMAGE, None, "name says no sequence"


def _own(words: Sequence[str]) -> list[str]:
    """Leave out the sequence that an image was registered to: ``T1_to_FLAIR`` is a T1."""
    for index, word in enumerate(words):
        if word in _ONTO and any(is_series_word(w) for w in words[:index]):
            rest = words[index + 1 :]
            kept = [w for w in rest if _LESION.fullmatch(w) or _MADE.fullmatch(w)]
            return [*words[:index], *kept]
    return list(words)


def _together(first: str, second: str) -> str:
    for a, b, joined in _JOINED:
        if re.fullmatch(a, first) and re.fullmatch(b, second):
            return first + "w" if joined == "w" else joined
    return ""
