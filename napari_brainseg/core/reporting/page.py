"""A self-contained HTML page: text, tables and pictures in one file."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.reporting.page_style import SORT_SCRIPT, STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Link", "Page"]

SIGNATURES = {b"\x89PNG": "image/png", b"GIF8": "image/gif", b"\xff\xd8\xff": "image/jpeg"}
NUMBER = re.compile(r"[-−+]?\d[\d.,]*(?: ?%| ?MiB)?(?: \(.*\))?|-?")
"""Cells that stand on the right of their column."""


class Link(NamedTuple):
    """A cell or a line that leads somewhere."""

    text: str
    target: str
    """``#anchor`` in the page, or a path beside it."""


class Page:
    """Gathers parts in order; `write` puts them into one file.

    Parameters
    ----------
    title : str
        Title and first heading.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = [f"<h1>{escape(title)}</h1>"]
        self._headings: list[tuple[int, str, str]] = []
        self._contents_at: int | None = None
        self._sorts = False

    def contents(self) -> None:
        """Put the table of contents here: headings of the page that have an anchor."""
        self._contents_at = len(self._parts)
        self._parts.append("")

    def heading(self, text: str, *, level: int = 2, anchor: str | None = None) -> None:
        """Add a heading; with an anchor it stands in the table of contents.

        Parameters
        ----------
        text : str
            What it says.
        level : int
            2 for a section, 3 and 4 below it.
        anchor : str, optional
            Name that links lead to: ``#anchor``.
        """
        mark = ""
        if anchor is not None:
            mark = f' id="{escape(anchor)}"'
            self._headings.append((level, text, anchor))
        self._parts.append(f"<h{level}{mark}>{escape(text)}</h{level}>")

    def paragraph(
        self, text: str, *, note: bool = False, kind: Literal["", "warning", "fault"] = ""
    ) -> None:
        """Add a paragraph.

        Parameters
        ----------
        text : str
            What it says.
        note : bool
            Set off in grey.
        kind : {'', 'warning', 'fault'}
            Set off in a box.
        """
        name = "note" if note else kind
        mark = f' class="{name}"' if name else ""
        self._parts.append(f"<p{mark}>{escape(text)}</p>")

    def items(self, lines: Iterable[str | Link]) -> None:
        """Add a list with a bullet a line."""
        self._parts.append("<ul>" + "".join(f"<li>{_cell(line)}</li>" for line in lines) + "</ul>")

    def pairs(self, rows: Iterable[tuple[str, object]]) -> None:
        """Add names with their values, in as many columns as fit."""
        cells = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{_cell(value)}</dd></div>" for name, value in rows
        )
        self._parts.append(f"<dl>{cells}</dl>")

    def lines(self, text: str) -> None:
        """Add text whose line ends count, such as the end of a log."""
        self._parts.append(f"<pre>{escape(text)}</pre>")

    def table(
        self,
        head: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        sortable: bool = False,
        caption: str = "",
    ) -> None:
        """Add a table; columns of numbers stand on the right.

        Parameters
        ----------
        head : sequence of str
            Names of the columns.
        rows : iterable of sequence
            Cells as text; a `Link` becomes one.
        sortable : bool
            A click on a column's name sorts by it.
        caption : str
            Stands above.
        """
        body = [list(row) for row in rows]
        right = [
            bool(body) and all(NUMBER.fullmatch(str(row[i])) for row in body if i < len(row))
            for i in range(len(head))
        ]
        marks = [' class="number"' if is_number else "" for is_number in right]
        cells = "".join(
            f'<th scope="col"{mark}>{escape(name)}</th>'
            for name, mark in zip(head, marks, strict=True)
        )
        lines = "".join(
            "<tr>"
            + "".join(f"<td{mark}>{_cell(v)}</td>" for v, mark in zip(row, marks, strict=False))
            + "</tr>"
            for row in body
        )
        above = f"<caption>{escape(caption)}</caption>" if caption else ""
        kind = ' class="sortable"' if sortable else ""
        self._sorts = self._sorts or sortable
        self._parts.append(
            f'<div class="wide"><table{kind}>{above}<thead><tr>{cells}</tr></thead>'
            f"<tbody>{lines}</tbody></table></div>"
        )

    def picture(self, source: Path | bytes, caption: str, *, width: int | None = None) -> None:
        """Add a PNG, JPEG or GIF with its caption; its bytes go into the page.

        Parameters
        ----------
        source : Path or bytes
            The file or what it holds.
        caption : str
            Stands below, and in its place where pictures are not shown.
        width : int, optional
            Largest width on the page in pixels.
        """
        self._parts.append(_figure(source, caption, width))

    def gallery(self, pictures: Iterable[tuple[Path | bytes, str]], *, width: int = 380) -> None:
        """Add pictures side by side, as many as fit into a line.

        Parameters
        ----------
        pictures : iterable of (Path or bytes, str)
            Files or what they hold, each with its caption.
        width : int
            Width of each in pixels.
        """
        figures = "".join(_figure(source, caption, width) for source, caption in pictures)
        self._parts.append(f'<div class="gallery">{figures}</div>')

    def write(self, path: Path) -> None:
        """Write the page, whole or not at all.

        Raises
        ------
        DataError
            If the place cannot be written.
        """
        parts = list(self._parts)
        if self._contents_at is not None:
            parts[self._contents_at] = self._contents()
        script = f"<script>{SORT_SCRIPT}</script>" if self._sorts else ""
        text = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self._title)}</title><style>{STYLE}</style></head><body>"
            + "\n".join(parts)
            + f"{script}</body></html>\n"
        )
        write_atomically(path, text.encode())

    def _contents(self) -> str:
        lines = "".join(
            f'<li class="level{level}"><a href="#{escape(anchor)}">{escape(text)}</a></li>'
            for level, text, anchor in self._headings
        )
        return f'<nav aria-label="Contents"><ol>{lines}</ol></nav>'


def _cell(value: object) -> str:
    if isinstance(value, Link):
        return f'<a href="{escape(value.target)}">{escape(value.text)}</a>'
    return escape(str(value))


def _figure(source: Path | bytes, caption: str, width: int | None) -> str:
    content = source.read_bytes() if isinstance(source, Path) else source
    kind = next((k for start, k in SIGNATURES.items() if content.startswith(start)), None)
    if kind is None:
        raise ValueError(f"The picture '{caption}' is no PNG, JPEG or GIF.")
    data = base64.b64encode(content).decode()
    size = f' style="max-width:{width}px"' if width is not None else ""
    return (
        f'<figure{size}><img alt="{escape(caption)}" src="data:{kind};base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
