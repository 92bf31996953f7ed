"""A patient's report as a PDF of one page, with its letters embedded."""

from __future__ import annotations

import io
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.reporting.patient_report_layout import (
    CHART_MM,
    GAP_MM,
    HEIGHT_MM,
    LEAST_MM,
    NAMES_MM,
    STUDIES_MM,
    WIDTH_MM,
    Layout,
    placed,
)
from napari_brainseg.core.reporting.patient_report_words import (
    BRIEF,
    FULL,
    NOT_FOR_DIAGNOSIS,
    page_words,
)
from napari_brainseg.core.reporting.pdf_letters import (
    BOLD,
    PLAIN,
    can_write,
    lettered,
    register,
    with_pictures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_brainseg.core.reporting.key_pictures import Line
    from napari_brainseg.core.reporting.patient_report import PatientReport
    from napari_brainseg.core.reporting.patient_report_words import PageWords, Section

__all__ = ["Paper", "fitted", "pdf_bytes", "render_pdf"]

Paper = Literal["a4", "letter"]
_MM = 72 / 25.4
_NO_FONT = "Boxes stand for letters that no font on this computer has; the HTML page shows them."
_INK, _SOFT, _RULE, _GROUND = "#1b1f24", "#57606a", "#c9d0d7", "#f3f5f7"
_APPROVED, _OPEN = "#009E73", "#E69F00"


def render_pdf(report: PatientReport, path: Path, *, paper: Paper = "a4") -> Path:
    """Write a report as PDF, whole or not at all.

    Raises
    ------
    DataError
        If the place cannot be written.
    """
    write_atomically(path, pdf_bytes(report, paper=paper))
    return path


def pdf_bytes(report: PatientReport, *, paper: Paper = "a4", compressed: bool = True) -> bytes:
    """Draw a report; the same report gives the same bytes.

    DejaVu Sans is embedded, so that names in Latin, Greek and Cyrillic letters appear everywhere;
    others see `pdf_letters`. Where letters are missing the page says so.

    Parameters
    ----------
    report : PatientReport
    paper : {'a4', 'letter'}
    compressed : bool
        Whether to pack the page's drawing commands.
    """
    from reportlab.lib.pagesizes import A4, LETTER
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Frame, KeepInFrame

    register()
    words, layout = fitted(report)
    width, height = A4 if paper == "a4" else LETTER
    target = io.BytesIO()
    canvas = Canvas(
        target, pagesize=(width, height), invariant=1, pageCompression=int(compressed),
        initialFontName=PLAIN, lang="en",
    )  # fmt: skip
    # Nothing of the patient: files are found by what stands in their properties, too.
    canvas.setTitle("Segmentation report")
    canvas.setAuthor("")
    canvas.setSubject(NOT_FOR_DIAGNOSIS)
    canvas.setCreator(f"BrainSeg {report.software_version}")
    canvas.setProducer("BrainSeg")
    # Of the report: without it the same bytes mean the first second of the year 2000.
    made = report.created.astimezone(UTC)
    canvas.setDateFormatter(lambda *_: f"D:{made:%Y%m%d%H%M%S}+00'00'")
    side, top = (width - WIDTH_MM * _MM) / 2, (height - HEIGHT_MM * _MM) / 2
    if paper == "a4":
        top = 12 * _MM
    room = (WIDTH_MM * _MM, height - 2 * top)
    # Shrinks what would still not fit: nothing is cut off, and it stays one page.
    body = KeepInFrame(*room, list(_story(report, words, layout)), mode="shrink")
    frame = Frame(side, top, *room, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)
    frame.addFromList([body], canvas)
    canvas.showPage()
    canvas.save()
    return target.getvalue()


def fitted(report: PatientReport, *, spare_mm: float = 2.0) -> tuple[PageWords, Layout]:
    """Put a report into words that leave the pictures their room.

    The pictures get the height that the texts leave; where that is too little, long texts and
    lists are cut short, which the page then says.

    Parameters
    ----------
    report : PatientReport
    spare_mm : float
        Height that stays empty.
    """
    register()
    for limits in (FULL, BRIEF):
        words = page_words(report, limits)
        texts = list(_story(report, words, Layout((), 1, 1.0)))
        needed = sum(part.wrap(WIDTH_MM * _MM, 10_000)[1] for part in texts) / _MM
        layout = placed(report.key_slices, words.captions, HEIGHT_MM - needed - spare_mm)
        if layout.side_mm >= LEAST_MM:
            break
    return words, layout


def _story(report: PatientReport, words: PageWords, layout: Layout) -> Iterator[Any]:
    from reportlab.platypus import Spacer

    yield _row(
        [
            [
                _text(words.title, 9, _SOFT),
                _text(words.patient, 15, bold=True),
                _text(words.about, 8, _SOFT),
            ],
            _text(NOT_FOR_DIAGNOSIS, 8, bold=True, align="right"),
        ],
        [WIDTH_MM - 54, 54],
    )
    if words.identity:
        yield _markup(" \u2002 ".join(
            f'<font color="{_SOFT}">{lettered(name, 8, _SOFT)}</font> '
            f'<b>{lettered(value, 8, _INK, bold=True)}</b>'
            for name, value in words.identity
        ), 8)  # fmt: skip
    yield Spacer(1, 2 * _MM)
    yield _basis(words)
    yield Spacer(1, 2.2 * _MM)
    yield _figures(words)
    yield Spacer(1, 2.4 * _MM)
    yield from _pictures(report, words, layout)
    yield _columns(words)
    yield from _follow_up(report, words)
    if words.warnings:
        yield from _title("What a reader should know")
        for warning in words.warnings:
            yield _text(f"•  {warning}", 8)
    yield Spacer(1, 2 * _MM)
    yield _line()
    *others, last = words.foot
    if not all(can_write(text) for text in _free_texts(words)):
        others.append(_NO_FONT)
    for line in others:
        yield _text(line, 6.5, _SOFT)
    yield _text(last, 6.5, _SOFT, bold=True)


def _free_texts(words: PageWords) -> Iterator[str]:
    """Give what people wrote, here or in the files; all else is in Latin letters."""
    yield from (words.title, words.patient, words.about, words.basis_detail, *words.warnings)
    yield from (text for pair in words.identity for text in pair)
    for section in (*words.left, *words.right):
        yield from (text for pair in section.rows for text in pair)


def _basis(words: PageWords) -> Any:
    table = _row(
        ["", [_text(words.basis, 10.5, bold=True), _text(words.basis_detail, 8)]],
        [1.3, WIDTH_MM - 1.3],
        padding=(2.2, 1.2),
    )
    bar = _APPROVED if words.is_approved else _OPEN
    table.setStyle([("BACKGROUND", (0, 0), (-1, -1), _GROUND), ("BACKGROUND", (0, 0), (0, 0), bar)])
    return table


def _figures(words: PageWords) -> Any:
    cells = [
        [
            _text(figure.label, 7, _SOFT),
            _text(figure.value, 12.5, bold=True),
            _text(figure.detail, 7, _SOFT),
        ]
        for figure in words.figures
    ]
    whole = sum(figure.weight for figure in words.figures)
    widths = [WIDTH_MM * figure.weight / whole for figure in words.figures]
    table = _row(cells, widths, padding=(2.2, 0))
    table.setStyle(
        [
            ("LINEBEFORE", (1, 0), (-1, 0), 0.5, _RULE),
            ("LEFTPADDING", (0, 0), (0, 0), 0),
        ]
    )
    return table


def _pictures(report: PatientReport, words: PageWords, layout: Layout) -> Iterator[Any]:
    from reportlab.platypus import Spacer, Table

    side = layout.side_mm * _MM
    rows: list[list[Any]] = []
    for start in range(0, len(layout.shown), layout.columns):
        places = layout.shown[start : start + layout.columns]
        cells: list[Any] = [
            [
                _image(report.key_slices[place].picture, side, side),
                Spacer(1, 0.6 * _MM),
                _text(words.captions[place], 7, _SOFT),
            ]
            for place in places
        ]
        rows.append(cells + [""] * (layout.columns - len(cells)))
    if not rows:
        yield _legend(words)
        return
    table = Table(rows, colWidths=[side + GAP_MM * _MM] * layout.columns, hAlign="LEFT")
    table.setStyle(
        [
            *_NO_PADDING,
            ("RIGHTPADDING", (0, 0), (-1, -1), GAP_MM * _MM),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.2 * _MM),
        ]
    )
    yield table
    yield _legend(words)


def _legend(words: PageWords) -> Any:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    cells: list[Any] = []
    widths: list[float] = []
    for line in words.legend:
        cells += [_sample(line), _text(line.words, 7)]
        widths += [9.0, stringWidth(line.words, PLAIN, 7) / _MM + 4.0]
    cells.append(_text(words.picture_note, 7, _SOFT))
    return _row(cells, [*widths, WIDTH_MM - sum(widths)])


def _sample(line: Line) -> Any:
    from reportlab.graphics.shapes import Drawing
    from reportlab.graphics.shapes import Line as Stroke
    from reportlab.lib.colors import HexColor

    drawing = Drawing(7 * _MM, 7)
    dashes = [1.6 * part for part in line.dashes] or None
    drawing.add(
        Stroke(
            0, 2.5, 7 * _MM, 2.5,
            strokeColor=HexColor(line.colour), strokeWidth=1.6, strokeDashArray=dashes,
        )
    )  # fmt: skip
    return drawing


def _columns(words: PageWords) -> Any:
    if not words.left:
        return _row([_sections(words.right, WIDTH_MM)], [WIDTH_MM])
    half = (WIDTH_MM - 2 * GAP_MM) / 2
    return _row(
        [_sections(words.left, half), "", _sections(words.right, half)], [half, 2 * GAP_MM, half]
    )


def _sections(sections: tuple[Section, ...], width: float) -> list[Any]:
    from reportlab.platypus import Table

    parts: list[Any] = []
    for section in sections:
        parts += _title(section.title)
        rows = [[_text(name, 8, _SOFT), _text(value, 8)] for name, value in section.rows]
        table = Table(rows, colWidths=[NAMES_MM * _MM, (width - NAMES_MM) * _MM], hAlign="LEFT")
        table.setStyle([*_NO_PADDING, ("RIGHTPADDING", (0, 0), (0, -1), 1.5 * _MM)])
        parts.append(table)
    return parts


def _follow_up(report: PatientReport, words: PageWords) -> Iterator[Any]:
    from reportlab.platypus import Table

    from napari_brainseg.core.reporting.follow_up_chart import follow_up_chart

    table = words.follow_up
    if table is None or report.follow_up is None:
        return
    yield from _title("Volume over time")
    width, height = CHART_MM
    rows = [[_text(name, 7, _SOFT, align=_side(i)) for i, name in enumerate(table.head)]]
    rows += [
        [
            _text(cell, 7.5, bold=number == table.this_row and i < 4, align=_side(i))
            for i, cell in enumerate(row)
        ]
        for number, row in enumerate(table.rows)
    ]
    room = WIDTH_MM - width - GAP_MM
    studies = Table(
        rows,
        colWidths=[part * _MM for part in (*STUDIES_MM, room - sum(STUDIES_MM))],
        hAlign="LEFT",
    )
    studies.setStyle(
        [
            *_NO_PADDING,
            ("RIGHTPADDING", (0, 0), (-1, -1), 1.2 * _MM),
            ("LEFTPADDING", (-1, 0), (-1, -1), 1.2 * _MM),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, "#e4e7eb"),
        ]
    )
    notes = [_text(note, 7, _SOFT) for note in table.notes]
    chart = _image(follow_up_chart(report.follow_up), width * _MM, height * _MM)
    yield _row([chart, [studies, *notes]], [width + GAP_MM, room])


def _title(text: str) -> list[Any]:
    from reportlab.platypus import Spacer

    return [Spacer(1, 1.9 * _MM), _text(text, 8.5, bold=True), _line(), Spacer(1, 0.7 * _MM)]


def _line() -> Any:
    from reportlab.platypus import HRFlowable

    return HRFlowable(width="100%", thickness=0.5, color=_RULE, spaceBefore=1, spaceAfter=1)


_NO_PADDING = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0.6),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0.6),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]


def _row(
    cells: list[Any], widths_mm: list[float], *, padding: tuple[float, float] = (0.0, 0.0)
) -> Any:
    from reportlab.platypus import Table

    table = Table([cells], colWidths=[width * _MM for width in widths_mm], hAlign="LEFT")
    across, down = (side * _MM for side in padding)
    table.setStyle(
        [
            *_NO_PADDING,
            ("LEFTPADDING", (0, 0), (-1, -1), across),
            ("TOPPADDING", (0, 0), (-1, -1), down),
            ("BOTTOMPADDING", (0, 0), (-1, -1), down),
        ]
    )
    return table


def _image(picture: bytes, width: float, height: float) -> Any:
    from reportlab.platypus import Image

    return Image(io.BytesIO(picture), width=width, height=height, hAlign="LEFT")


def _side(column: int) -> str:
    return "right" if column in (1, 2, 3) else "left"


def _text(
    text: str, size: float, colour: str = _INK, *, bold: bool = False, align: str = "left"
) -> Any:
    return _markup(lettered(text, size, colour, bold=bold), size, colour, bold=bold, align=align)


def _markup(
    text: str, size: float, colour: str = _INK, *, bold: bool = False, align: str = "left"
) -> Any:
    from reportlab.lib.enums import TA_LEFT, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        f"{size}{colour}{bold}{align}",
        fontName=BOLD if bold else PLAIN,
        fontSize=size,
        leading=size * 1.25,
        textColor=colour,
        alignment=TA_RIGHT if align == "right" else TA_LEFT,
        splitLongWords=1,
    )
    return with_pictures(Paragraph(text, style))
