"""A patient's report as one self-contained HTML page that prints on one sheet.

Laid out by tables of fixed width: they look alike in browsers, mail programs and word processors,
and on A4 and Letter.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from napari_brainseg.core.reporting.key_pictures import LINES
from napari_brainseg.core.reporting.patient_report_layout import (
    CHART_MM,
    GAP_MM,
    NAMES_MM,
    STUDIES_MM,
    WIDTH_MM,
)
from napari_brainseg.core.reporting.patient_report_pdf import fitted
from napari_brainseg.core.reporting.patient_report_words import NOT_FOR_DIAGNOSIS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_brainseg.core.reporting.key_pictures import Line
    from napari_brainseg.core.reporting.patient_report import PatientReport
    from napari_brainseg.core.reporting.patient_report_layout import Layout
    from napari_brainseg.core.reporting.patient_report_words import (
        FollowUpTable,
        PageWords,
        Section,
    )

__all__ = ["render_html"]

_PX_PER_MM = 96 / 25.4
"""Of CSS pixels on paper."""

_SPARE_MM = 9.0
"""Browsers set lines a little apart from each other and from the PDF."""

_STYLE = """
:root { color-scheme: only light; }
body { font: 8pt/1.25 "DejaVu Sans", Verdana, Arial, sans-serif; color: #1b1f24; margin: 0;
  background: #eceff2; }
.sheet { width: WIDTHpx; margin: 18px auto; padding: 42px 45px; background: #fff; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
td, th { padding: 1px 4px 1px 0; text-align: left; vertical-align: top; font-size: 8pt;
  overflow-wrap: break-word; }
h1 { font-size: 15pt; line-height: 1.15; margin: 0; overflow-wrap: break-word; }
h2 { font-size: 8.5pt; margin: 9px 0 2px; padding-bottom: 2px; border-bottom: 1px solid #c9d0d7;
  color: #1b1f24; }
p { margin: 2px 0; font-size: 8pt; overflow-wrap: break-word; }
ul { margin: 2px 0; padding-left: 14px; } li { font-size: 8pt; overflow-wrap: break-word; }
.soft, th { color: #57606a; font-weight: normal; }
.heading { font-size: 9pt; color: #57606a; }
.never { text-align: right; font-weight: bold; width: 200px; }
.basis { margin: 9px 0 7px; background: #f3f5f7; }
.basis td { padding: 5px 8px; }
.basis td.bar { width: 5px; background: #E69F00; padding: 0; }
.approved td.bar { background: #009E73; }
.basis b { font-size: 10.5pt; }
.figures td { border-left: 1px solid #c9d0d7; padding: 0 6px 0 8px; }
.figures td.first { border-left: none; padding-left: 0; }
.value { font-size: 12.5pt; font-weight: bold; line-height: 1.35; }
.small { font-size: 7pt; }
.pictures { margin: 9px 0 2px; }
.pictures td { padding: 0 GAPpx 4px 0; font-size: 7pt; color: #57606a; }
.pictures td.last { padding-right: 0; }
.pictures img { display: block; margin-bottom: 2px; }
.key { display: inline-block; width: 24px; height: 0; margin: 0 4px 2px 10px;
  vertical-align: middle; border-top: 2px solid; }
.key.first { margin-left: 0; }
.note { color: #57606a; margin-left: 10px; }
.names { width: NAMESpx; color: #57606a; }
.half { width: 50%; } .half.left { padding-right: 12px; }
.studies td, .studies th { border-bottom: 1px solid #e4e7eb; padding: 2px 0 2px 0;
  font-size: 7.5pt; }
.studies td:last-child, .studies th:last-child { padding-left: 10px; }
.studies .number { text-align: right; white-space: nowrap; }
.this td { font-weight: bold; } .this td:last-child { font-weight: normal; }
.foot { border-top: 1px solid #c9d0d7; margin-top: 8px; padding-top: 3px; font-size: 6.5pt;
  color: #57606a; }
.foot p { font-size: 6.5pt; } .foot .last { font-weight: bold; }
@media screen and (max-width: 840px) { .sheet { margin: 0 auto; padding: 20px 12px; } }
@page { margin: 11mm; }
@media print {
  body { background: #fff; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .sheet { margin: 0 auto; padding: 0; }
}
"""


def render_html(report: PatientReport) -> str:
    """Write a report as HTML; everything is in the one text, nothing is fetched.

    Returns
    -------
    str
        A whole document.
    """
    words, layout = fitted(report, spare_mm=_SPARE_MM)
    style = _STYLE.replace("WIDTH", str(_px(WIDTH_MM))).replace("GAP", str(_px(GAP_MM)))
    style = style.replace("NAMES", str(_px(NAMES_MM)))
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=760">',
        f"<title>{escape(words.patient)}, segmentation report</title>",
        f'<style>{style}</style></head><body><div class="sheet">',
        *_head(words),
        *_pictures(report, words, layout),
        _columns(words),
        *_follow_up(report, words.follow_up),
        *_warnings(words.warnings),
        _foot(words.foot),
        "</div></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _head(words: PageWords) -> Iterator[str]:
    yield (
        '<table role="presentation"><tr><td>'
        f'<span class="heading">{escape(words.title)}</span>'
        f"<h1>{escape(words.patient)}</h1>"
        f'<span class="soft">{escape(words.about)}</span></td>'
        f'<td class="never">{escape(NOT_FOR_DIAGNOSIS)}</td></tr></table>'
    )
    if words.identity:
        yield f"<p>{' &ensp; '.join(_named(*pair) for pair in words.identity)}</p>"
    kind = "basis approved" if words.is_approved else "basis"
    yield (
        f'<table class="{kind}" role="presentation"><tr><td class="bar"></td><td>'
        f"<b>{escape(words.basis)}</b><br>{escape(words.basis_detail)}</td></tr></table>"
    )
    whole = sum(figure.weight for figure in words.figures)
    cells = "".join(
        f'<td{_first(number)} style="width:{100 * figure.weight / whole:.1f}%">'
        f'<span class="soft small">{escape(figure.label)}</span><br>'
        f'<span class="value">{escape(figure.value)}</span><br>'
        f'<span class="soft small">{escape(figure.detail)}</span></td>'
        for number, figure in enumerate(words.figures)
    )
    yield f'<table class="figures" role="presentation"><tr>{cells}</tr></table>'


def _pictures(report: PatientReport, words: PageWords, layout: Layout) -> Iterator[str]:
    side, columns = _px(layout.side_mm), layout.columns
    rows = []
    for start in range(0, len(layout.shown), columns):
        places = layout.shown[start : start + columns]
        rows.append("<tr>" + "".join(
            f'<td style="width:{side}px"{" class=last" if column == columns - 1 else ""}>'
            f'<img alt="{escape(_alt(report, place))}" width="{side}" height="{side}" '
            f'src="{_data(report.key_slices[place].picture)}">{escape(words.captions[place])}</td>'
            for column, place in enumerate(places)
        ) + "</tr>")  # fmt: skip
    if rows:
        width = columns * side + (columns - 1) * _px(GAP_MM)
        yield (
            f'<table class="pictures" role="presentation" style="width:{width}px">'
            f"{''.join(rows)}</table>"
        )
        keys = "".join(_key(number, line) for number, line in enumerate(words.legend))
        yield f'<p class="small">{keys}<span class="note">{escape(words.picture_note)}</span></p>'


def _alt(report: PatientReport, place: int) -> str:
    """Say what a picture shows to those who do not see it; its caption says why it is there."""
    outlines = " and ".join(LINES[name].words for name in LINES if name in report.outlines)
    shown = f"{report.modality}, slice {report.key_slices[place].index + 1}"
    return f"{shown}, outlines: {outlines}" if outlines else shown


def _key(number: int, line: Line) -> str:
    style = "dashed" if line.dashes else "solid"
    first = " first" if number == 0 else ""
    return (
        f'<span class="key{first}" style="border-top-color:{line.colour};'
        f'border-top-style:{style}"></span>{escape(line.words)}'
    )


def _columns(words: PageWords) -> str:
    left, right = (
        "".join(_section(section) for section in half) for half in (words.left, words.right)
    )
    if not left:
        return right
    return (
        f'<table role="presentation"><tr><td class="half left">{left}</td>'
        f'<td class="half">{right}</td></tr></table>'
    )


def _section(section: Section) -> str:
    rows = "".join(
        f'<tr><th class="names" scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in section.rows
    )
    return f"<h2>{escape(section.title)}</h2><table>{rows}</table>"


def _follow_up(report: PatientReport, table: FollowUpTable | None) -> Iterator[str]:
    from napari_brainseg.core.reporting.follow_up_chart import follow_up_chart

    if table is None or report.follow_up is None:
        return
    width, height = (_px(side) for side in CHART_MM)
    marks = ["", *(' class="number"',) * 3, ""]
    widths = [*(f' style="width:{_px(mm)}px"' for mm in STUDIES_MM), ""]
    head = "".join(
        f'<th scope="col"{mark}{room}>{escape(name)}</th>'
        for name, mark, room in zip(table.head, marks, widths, strict=True)
    )
    rows = "".join(
        f"<tr{' class=this' if number == table.this_row else ''}>"
        + "".join(f"<td{mark}>{escape(cell)}</td>" for cell, mark in zip(row, marks, strict=True))
        + "</tr>"
        for number, row in enumerate(table.rows)
    )
    notes = "".join(f'<p class="soft small">{escape(note)}</p>' for note in table.notes)
    yield (
        '<h2>Volume over time</h2><table role="presentation"><tr>'
        f'<td style="width:{width + 10}px"><img alt="Chart of the table" width="{width}" '
        f'height="{height}" src="{_data(follow_up_chart(report.follow_up))}"></td><td>'
        f'<table class="studies"><tr>{head}</tr>{rows}</table>{notes}</td></tr></table>'
    )


def _warnings(warnings: Iterable[str]) -> Iterator[str]:
    lines = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    if lines:
        yield f"<h2>What a reader should know</h2><ul>{lines}</ul>"


def _foot(lines: tuple[str, ...]) -> str:
    *others, last = lines
    text = "".join(f"<p>{escape(line)}</p>" for line in others)
    return f'<div class="foot">{text}<p class="last">{escape(last)}</p></div>'


def _named(name: str, value: str) -> str:
    # Names that are written from the right stay where they are in the line.
    return f'<span class="soft">{escape(name)}</span> <b><bdi>{escape(value)}</bdi></b>'


def _first(number: int) -> str:
    return ' class="first"' if number == 0 else ""


def _px(mm: float) -> int:
    return int(mm * _PX_PER_MM)


def _data(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
