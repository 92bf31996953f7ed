"""Letters on pictures: sizes, wrapping, and the bands above and below a picture."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg import __version__
from napari_brainseg.core.reporting.fonts import file_for, own_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image, ImageDraw, ImageFont

__all__ = [
    "BACKGROUND",
    "NOT_FOR_DIAGNOSIS",
    "Key",
    "font_for",
    "foot_line",
    "framed",
    "letter_px",
    "outlined",
]

BACKGROUND = (17, 20, 24)
TITLE = (240, 240, 240)
TEXT = (190, 195, 200)
NOT_FOR_DIAGNOSIS = "Not for diagnosis."
LEAST_PX, MOST_PX = 16, 32
LETTERS_PER_WIDTH = 48
"""Letters grow with the picture: a wide one is looked at from further away, or made smaller."""
LINE_HEIGHT = 1.35


class Key(NamedTuple):
    """An entry of the legend."""

    text: str
    colour: tuple[int, int, int]
    dashed: bool = False
    """Whether its outline has gaps: a square of the legend has one, too."""


def letter_px(width: int) -> int:
    """Height of the letters on a picture of this width, in pixels."""
    return min(MOST_PX, max(LEAST_PX, round(width / LETTERS_PER_WIDTH)))


def foot_line() -> str:
    """Write what stands small under every picture."""
    return f"{NOT_FOR_DIAGNOSIS} BrainSeg {__version__}"


def framed(
    body: Image.Image, head: Sequence[str], legend: Sequence[Key] = (), foot: str | None = None
) -> Image.Image:
    """Set a picture between a title and a legend; long texts are wrapped, never cut off.

    Parameters
    ----------
    body : Image
        RGB.
    head : sequence of str
        Lines above the picture, the first one brighter.
    legend : sequence of Key
        Under it: a coloured square and a text each.
    foot : str, optional
        Last line; `foot_line` where left out.

    Returns
    -------
    Image
        RGB, as wide as `body` and higher.
    """
    from PIL import Image, ImageDraw

    size = letter_px(body.width)
    pad = size // 2
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    room = body.width - 2 * pad
    sizes = [size, *(round(size * 0.88) for _ in head[1:])]
    fonts = [font_for(text, of) for text, of in zip(head, sizes, strict=True)]
    upper = [
        (line, font, TITLE if number == 0 else TEXT)
        for number, (text, font) in enumerate(zip(head, fonts, strict=False))
        for line in _wrapped(measure, text, font, room)
    ]
    small = font_for("".join(key.text for key in legend), round(size * 0.88))
    square = round(size * 0.7)
    rows = _legend_rows(measure, legend, small, room, square)
    last = foot_line() if foot is None else foot
    least = font_for(last, round(size * 0.8))
    lower = _wrapped(measure, last, least, room)
    step = round(size * LINE_HEIGHT)
    above = pad + step * len(upper) + (pad // 2 if upper else 0)
    below = pad + step * (len(rows) + len(lower)) + pad // 2
    sheet = Image.new("RGB", (body.width, above + body.height + below), BACKGROUND)
    sheet.paste(body, (0, above))
    draw = ImageDraw.Draw(sheet)
    for number, (line, font, colour) in enumerate(upper):
        draw.text((pad, pad + (number + 0.5) * step), line, font=font, fill=colour, anchor="lm")
    top = above + body.height + pad
    for row in rows:
        for left, key in row:
            y = top + step / 2
            draw.rectangle((left, y - square / 2, left + square, y + square / 2), fill=key.colour)
            if key.dashed:
                gap = left + 0.36 * square, y - square / 2, left + 0.64 * square, y + square / 2
                draw.rectangle(gap, fill=BACKGROUND)
            draw.text((left + square + pad, y), key.text, font=small, fill=TEXT, anchor="lm")
        top += step
    for line in lower:
        draw.text((pad, top + step / 2), line, font=least, fill=TEXT, anchor="lm")
        top += step
    return sheet


def outlined(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    anchor: str,
) -> None:
    """Write on an image: white with a dark rim, legible on bright and on dark tissue."""
    draw.text(
        place, text, font=font_for(text, size), fill=TITLE, anchor=anchor,
        stroke_width=max(1, size // 8), stroke_fill=(0, 0, 0),
    )  # fmt: skip


@lru_cache(maxsize=64)
def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Load a font that has the letters of a text, where there is one: names may be in any.

    Parameters
    ----------
    text : str
    size : int
        Height in pixels.
    """
    from PIL import ImageFont

    return ImageFont.truetype(file_for(text) or own_file(), size)


def _wrapped(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.FreeTypeFont,
    room: float,
) -> list[str]:
    """Break a text into lines that fit; a word that is too long is broken, too."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if draw.textlength(candidate, font=font) <= room:
            line = candidate
            continue
        if line:
            lines.append(line)
        line = word
        while len(line) > 1 and draw.textlength(line, font=font) > room:
            fits = len(line) - 1
            while fits > 1 and draw.textlength(line[:fits], font=font) > room:
                fits -= 1
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line] if line else lines


def _legend_rows(
    draw: ImageDraw.ImageDraw,
    legend: Sequence[Key],
    font: ImageFont.FreeTypeFont,
    room: float,
    square: int,
) -> list[list[tuple[float, Key]]]:
    """Place the entries side by side as far as they fit; long ones go on in a line of their own."""
    pad = square * 0.75
    rows: list[list[tuple[float, Key]]] = []
    used = room
    for key in legend:
        lines = _wrapped(draw, key.text, font, room - square - 2 * pad)
        width = square + 2 * pad + max((draw.textlength(t, font=font) for t in lines), default=0.0)
        if rows and used + pad + width <= room:
            rows[-1].append((used + 2 * pad, key))
            used += 2 * pad + width
            continue
        rows.append([(pad, key._replace(text=lines[0] if lines else ""))])
        # What was wrapped stands under its square, which has the colour of the ground.
        rows += [[(pad, Key(line, BACKGROUND))] for line in lines[1:]]
        used = width if len(lines) == 1 else room
    return rows
