"""A self-contained HTML page: text, tables and pictures in one file."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Page"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1f24; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
img { max-width: 100%; border: 1px solid #ccd; }
table { border-collapse: collapse; } td, th { padding: .25rem .8rem; text-align: left;
       border-bottom: 1px solid #dde; } .note { color: #57606a; }
"""


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

    def heading(self, text: str) -> None:
        """Add a heading."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def paragraph(self, text: str, *, note: bool = False) -> None:
        """Add a paragraph; a note is set off in grey."""
        mark = ' class="note"' if note else ""
        self._parts.append(f"<p{mark}>{escape(text)}</p>")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table."""
        cells = "".join(f"<th>{escape(name)}</th>" for name in head)
        lines = "".join(
            "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>"
            for row in rows
        )
        self._parts.append(f"<table><tr>{cells}</tr>{lines}</table>")

    def picture(self, png: Path, caption: str) -> None:
        """Add a PNG with its caption; the file's bytes go into the page."""
        data = base64.b64encode(png.read_bytes()).decode()
        self._parts.append(
            f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def write(self, path: Path) -> None:
        """Write the page, whole or not at all."""
        text = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style></head><body>"
            + "\n".join(self._parts)
            + "</body></html>\n"
        )
        write_atomically(path, text.encode())
