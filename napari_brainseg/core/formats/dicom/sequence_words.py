"""Words of descriptions: which sequence, with or without contrast.

What people write is no standard; the words are those of protocols in English, German, French,
Spanish, Italian and Japanese hospitals and of the big vendors.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

__all__ = ["FLAIR_OR_T1", "Kind", "kind_of", "says_contrast"]

FLAIR_OR_T1 = "FLAIR or T1"
"""GE's T1 FLAIR is a T1, but a FLAIR may mention T1 as well: timing decides."""


class Kind(NamedTuple):
    """A sequence by its words; `name` is FLAIR, T1 or what else it is."""

    name: str
    word: str


_OTHERS: tuple[tuple[str, str], ...] = (
    ("a localiser", r"locali[sz]er|localizador|localisateur|locator|scout|pilot|survey|topogram"
     r"|\bloc\b|plane loc|reperage|\b(3|three|tri) ?(pl|plane)\b|smartbrain|posdisp|位置決め"),
    ("a calibration", r"calibration|\bcal\b|\basset cal\w*|\bref(erence)? scan\b"
     r"|coil ?(survey|sens)|shim|b[01] ?map|field ?map|\bfmap\w*|phoenix|prescan"),
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
    ("a map", r"t1 ?map\w*|t2 ?map\w*|\bq ?t[12]\b|t[12] images\b"
     r"|relaxometr\w*|\bmolli\b|t1 ?rho|\bsymri\b|\bmagic\b"
     r"|\bmtr\b|parametric"),
    ("double inversion", r"\bdir\b|double ?(ir|inversion)"),
    ("STIR", r"\bstir\b"),
    ("a fat image", r"dixon.*\b(f|fat)\b|\bfat (only|image|fraction)\b"),
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
    r"|\bфл[аэ]и?е?р\w*|水抑制|压水|液体衰减"
)
_T1 = (
    r"t1\w*|\bt ?1 ?w?\b|mp ?rage\w*|\bmpr ns\b|\bmp2rage\w*|bravo|\bf?spgr\w*|\btfl\w*|\btfe\b"
    r"|\b3d ?tfe\b|\bvibe\b|\bthrive\b|\blava\b|\bfl[23]d\w*|\bmemprage\b|\bstar ?vibe\b"
    r"|\bturbo ?flash\b|\b3d ?ffe\b|\bisotropic gre\b|\bse2d\w*|\btfi3d\w*|\bfast ?3d\b"
    r"|\bmpage\b|\b3d grass\b|\bт1\w*"
)
_T2 = r"t2\w*|\bт2\w*|\bt ?2 ?w?\b|\btse2d\w*"
_OTHER_WEIGHTS = (
    ("T2", _T2),
    ("T2", r"\bciss\b|\bfiesta\b|\bdrive\b|\bhaste\b|\bssfse\b"),
    ("proton density", r"\bpd\w{0,2}\b|proton\w* ?dens\w*|\bdp\b"),
    ("MP2RAGE, one inversion", r"\binv ?[12]\b"),
)

_NO_TIMING = r"(op\b|oper\w*|surg\w*|treat\w*|therap\w*|rt\b|chemo\w*|process\w*|proc\b|resec\w*)"
_POST = (
    rf"\+ ?c\b|\bc ?\+|\+ ?(gd|gad\w*|km|ce|mdc|contr\w*)|\bgd\b|\bgado\w*|\bgad\b|\bkm\b|\bce\b"
    rf"|\b(post|nach|apres|dopo|despues)\b(?! ?{_NO_TIMING})"
    rf"|\bpost ?contr\w*|\bpost ?(gd|gad\w*|km|inj\w*|ce|c)\b"
    r"|contra?st\w*|kontras\w*|enhanced|\binj\w*|\bcivi?\b|\bmdc\b|\bpdc\b|dotarem|gadovist|magnevist"
    r"|prohance|multihance|omniscan|clariscan|elucirem|gadavist|primovist"
    r"|t1 ?c\b|t1 ?c[eg]?\b|t1 ?gd|t1ce\w*|t1km\w*|\bwith c\b|\bw c\b"
    r"|\bcon c\b|\btardi\w*|\bdelayed\b|造影(?!前)|\bpost ?con\b|\benh\b|\biv ?\+"
    r"|\bi v\b|\+ ?(k|iv)\b|t1\w* ?\+(?= |$)(?! ?(-|t2|pd|dwi|flair))|^\+ ?t1"
    r"|контраст\w*|\b(с|после) ?ку\b|增[强強]|조영(?! ?전)"
)
_NOT = (
    r"(pre|before|without|w ?/ ?o|wo|non?|not|un|ohne|vor|sans|avant|senza|prima( del)?|sin|antes"
    r"( de)?|nativ|sem|bez|przed|zonder|voor|utan|uden|uten|fore|без|до)"
)
_PRE = (
    rf"\b{_NOT} ?-?(iv ?)?(contra?st\w*|kontras\w*|контраст\w*|ку|gd|gad\w*|km|ce|inj\w*|mdc|civ|c"
    rf"|enhanc\w*|pdc)\b|\bpre(?! ?{_NO_TIMING})\b|precontra?st\w*|unenhanced|\bnative?\b"
    r"|\bplain\b|\bc ?-(?= |$)|(?<= )- ?(c|gd|gad\w*|km)\b|\bwo\b|\bw ?/ ?o\b|\bwithout\b"
    r"|\bohne\b|\bsans\b|\bsenza\b|\bnoncontrast\b|\bnc\b|\bbasale?\b|単純|造影前|平[扫掃]"
    r"|조영 ?전|kontrasts[iı]z\w*|\bнатив\w*"
)
_EITHER = (
    r"\bw ?(/|and|\+)? ?(wo|without)\b|\bwith (and|or) without\b|\bmit (und|oder) ohne\b"
    r"|\bavec (et|ou) sans\b|\bcon (y|e|o) (sin|senza)\b|\bpre ?(and|\+|et|und|y|e)? post\b"
    r"|\+ ?- ?c"
)
"""What a protocol for both is called; it says nothing of one series."""


def kind_of(text: str) -> Kind | None:
    """Find out which sequence a description names; `None` where it names none."""
    plain = _plain(text)
    if not plain:
        return None
    for name, pattern in _OTHERS:
        if match := re.search(pattern, plain):
            return Kind(name, _said(match))
    if match := re.search(_SPINE, plain):
        return Kind("another part of the body", _said(match))
    flair, t1, t2 = (re.search(pattern, plain) for pattern in (_FLAIR, _T1, _T2))
    if flair:
        if not (t1 and not t2):
            return Kind("FLAIR", "FLAIR" if "flair" in flair[0] else _said(flair))
        return Kind(FLAIR_OR_T1, "T1 FLAIR")
    for name, pattern in _OTHER_WEIGHTS:
        if (match := re.search(pattern, plain)) is None:
            continue
        # Techniques such as DRIVE go with T1 too; T2 may be mentioned only.
        if not (t1 and name == "T2" and (pattern is not _T2 or _mentioned(plain))):
            return Kind(name, _said(match))
    if t1:
        return Kind("T1", _said(t1))
    return None


def says_contrast(text: str) -> tuple[bool, str] | None:
    """Whether a description says with (`True`) or without contrast, and by which word."""
    plain = _plain(text)
    if re.search(_EITHER, plain):
        return None
    if match := re.search(_PRE, plain):
        return False, _said(match)
    if match := re.search(_POST, plain):
        return True, _said(match)
    return None


def _said(match: re.Match[str]) -> str:
    """Give the word that was found; abbreviations as people write them."""
    word = match[0].strip()
    return word.upper() if len(word) <= 3 and word not in ("pre", "wo", "inj", "non") else word


def _mentioned(plain: str) -> bool:
    """Whether T2 is only mentioned beside T1: ``T1 post (after T2)``."""
    return re.search(r"t1.*\b(after|nach|apres) t2", plain) is not None


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
