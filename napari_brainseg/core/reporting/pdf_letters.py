"""Letters of a PDF: DejaVu Sans, and other ways for the names of people whom it cannot write.

Letters that it lacks are taken from a font of this computer, embedded where that may be (TrueType),
else as a picture. Without such a font Chinese, Japanese and Korean are written in the fonts that
programs for PDF bring themselves (PDF 1.7, 9.7.5.2). What is written from right to left, or joined,
is set by Pillow (libraqm) and stands there as a picture. `can_write` tells what is left.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.reporting.fonts import file_for, has_letters, own_file

if TYPE_CHECKING:
    from reportlab.platypus import Paragraph

__all__ = ["BOLD", "PLAIN", "can_write", "lettered", "register", "with_pictures"]

PLAIN, BOLD = "BrainSeg-Sans", "BrainSeg-Sans-Bold"
_PACKS = (
    (re.compile("[\u3040-\u30ff\uff66-\uff9f]"), "HeiseiKakuGo-W5"),
    (re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"), "HYGothic-Medium"),
    (re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"), "STSong-Light"),
)
"""Kana, Hangul, and other characters of East Asia, with the font that programs bring for them."""
_JOINED = re.compile("[\u0900-\u109f\u1780-\u17ff]")
"""Scripts of South and South-East Asia, whose letters change with their neighbours."""
_DOTS_PER_PT = 600 / 72
_MARK = "letters-"
_LONGEST = 36
"""Letters of a picture: longer ones would not fit a column."""


@lru_cache(maxsize=1)
def register() -> None:
    """Make DejaVu Sans known to reportlab; it comes with Matplotlib."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name in (PLAIN, BOLD):
        pdfmetrics.registerFont(TTFont(name, own_file(bold=name == BOLD)))
    # reportlab knows a font by its last place in the family, so bold stands there twice, too.
    pdfmetrics.registerFontFamily(PLAIN, normal=PLAIN, bold=BOLD, italic=PLAIN, boldItalic=BOLD)


def lettered(text: str, size: float, colour: str, *, bold: bool = False) -> str:
    """Give a text as markup of reportlab's paragraphs, in fonts that have its letters.

    Parameters
    ----------
    text : str
    size : float
        Height of the letters in points.
    colour : str
        ``#rrggbb``.
    bold : bool
        DejaVu Sans alone has bold letters.
    """
    text = unicodedata.normalize("NFC", text)
    font = BOLD if bold else PLAIN
    if all(ord(letter) < 0x250 for letter in text):
        return escape(text)
    # Each word in one font; words that run from the right are kept together.
    words = [(word, _way(word, font)) for word in text.split(" ")]
    runs = groupby(words, key=lambda pair: pair[1])
    return " ".join(_run([word for word, _ in run], way, size, colour, font) for way, run in runs)


def can_write(text: str) -> bool:
    """Tell whether a text can be read in the PDF as it should be."""
    text = unicodedata.normalize("NFC", text)
    return all(_way(word, PLAIN) is not None for word in text.split(" "))


_Way = tuple[str, str]
"""``font`` and its name in reportlab, or ``picture`` and the file of the font."""


@lru_cache(maxsize=512)
def _way(word: str, font: str) -> _Way | None:
    if _is_joined(word):
        from PIL import features

        file = file_for(word)
        return ("picture", file) if file and features.check("raqm") else None
    if has_letters(own_file(bold=font == BOLD), word):
        return "font", font
    file = file_for(word)
    if file is not None:
        name = _embedded(file)
        return ("picture", file) if name is None else ("font", name)
    for letters, pack in _PACKS:
        if letters.search(word) and all(_is_asian(letter) for letter in word):
            return "font", _packed(pack)
    return None


def _run(words: list[str], way: _Way | None, size: float, colour: str, font: str) -> str:
    text = " ".join(words)
    if way is None or way == ("font", font):
        return escape(text)
    kind, name = way
    if kind == "font":
        return f'<font name="{name}">{escape(text)}</font>'
    parts, part = [], ""
    for word in words:
        if part and len(part) + len(word) >= _LONGEST:
            parts.append(part)
            part = ""
        part = f"{part} {word}" if part else word
    return " ".join(_picture(part, name, size, colour) for part in [*parts, part])


def with_pictures(paragraph: Paragraph) -> Paragraph:
    """Set the pictures of words into a paragraph that was made of `lettered` text."""
    from reportlab.lib.abag import ABag

    for part in paragraph.frags:
        defined = getattr(part, "cbDefn", None)
        if defined is None or not str(getattr(defined, "name", "")).startswith(_MARK):
            continue
        text, file, size, colour = json.loads(bytes.fromhex(defined.name[len(_MARK) :]))
        image, width, height, descent = _drawn(text, file, size, colour)
        part.cbDefn = ABag(kind="img", image=image, width=width, height=height, valign=-descent)
    return paragraph


def _picture(text: str, file: str, size: float, colour: str) -> str:
    """Hold a place: reportlab's own ``<img>`` reads files and addresses only."""
    mark = json.dumps((text, file, size, colour)).encode().hex()
    return f'<a name="{_MARK}{mark}"/>'


@lru_cache(maxsize=64)
def _drawn(text: str, file: str, size: float, colour: str) -> tuple[Any, float, float, float]:
    """Image, and its width, height and reach below the line in points."""
    from PIL import Image, ImageDraw, ImageFont
    from reportlab.lib.utils import ImageReader

    face = ImageFont.truetype(file, round(size * _DOTS_PER_PT))
    ascent, descent = face.getmetrics()
    ink = int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
    picture = Image.new("RGBA", (max(1, round(face.getlength(text))), ascent + descent), (*ink, 0))
    ImageDraw.Draw(picture).text((0, ascent), text, font=face, fill=ink, anchor="ls")
    width, height, below = (side / _DOTS_PER_PT for side in (*picture.size, descent))
    return ImageReader(picture), width, height, below


def _is_joined(word: str) -> bool:
    """Whether letters change with their neighbours, or run from right to left."""
    return bool(_JOINED.search(word)) or any(
        unicodedata.bidirectional(letter) in ("R", "AL") or unicodedata.combining(letter)
        for letter in word
    )


def _is_asian(letter: str) -> bool:
    return letter.isascii() or any(letters.search(letter) for letters, _ in _PACKS)


@lru_cache(maxsize=32)
def _embedded(file: str) -> str | None:
    """Name under which reportlab knows a font; ``None`` if it cannot take it in."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    name = f"BrainSeg-{Path(file).stem}"
    try:
        pdfmetrics.registerFont(TTFont(name, file))
    except (OSError, TTFError):
        return None
    return name


@lru_cache(maxsize=8)
def _packed(name: str) -> str:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name
