"""A page holds everything itself and is sound HTML."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.reporting.page import Link, Page

if TYPE_CHECKING:
    from pathlib import Path

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Outline(HTMLParser):
    """Collects tags, ids and links; complains of tags that are closed out of order."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.sources: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs) -> None:
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.targets += [found["href"]] if "href" in found else []
        self.sources += [found["src"]] if "src" in found else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def written(page: Page, folder: Path) -> str:
    page.write(folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


def test_pictures_lie_in_the_page(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(DOT)
    page = Page("Pictures")
    page.picture(tmp_path / "dot.png", "from a file")
    page.gallery([(DOT, "one"), (b"GIF89a", "two"), (b"\xff\xd8\xff\xe0", "three")])

    sources = Outline(written(page, tmp_path)).sources

    assert [s.partition(";")[0] for s in sources] == [
        "data:image/png", "data:image/png", "data:image/gif", "data:image/jpeg",
    ]  # fmt: skip
    assert base64.b64decode(sources[0].partition(",")[2]) == DOT


def test_nothing_is_fetched_from_elsewhere(tmp_path: Path) -> None:
    page = Page("Quiet")
    page.table(("a",), [("1",)], sortable=True)
    page.picture(DOT, "dot")

    text = written(page, tmp_path)

    assert not re.search(r"https?://|@import|<link|src=\"(?!data:)|url\(", text)


def test_contents_lead_to_the_headings_that_have_an_anchor(tmp_path: Path) -> None:
    page = Page("Long")
    page.contents()
    page.heading("First", anchor="first")
    page.heading("Aside")
    page.heading("Below", level=3, anchor="below")

    text = written(page, tmp_path)
    outline = Outline(text)

    assert outline.targets == ["#first", "#below"]
    assert outline.ids == ["first", "below"]
    assert text.index("<nav") < text.index("<h2")
    assert ">Aside</a>" not in text


def test_text_is_never_taken_for_markup(tmp_path: Path) -> None:
    page = Page("<b>1 & 2</b>")
    page.contents()
    page.heading("<i>", anchor='"x"')
    page.paragraph("<script>alert(1)</script>", kind="fault")
    page.items(["<li>", Link("<u>", '"><b>')])
    page.table(("<th>",), [("<td>",)], caption="<caption>")
    page.picture(DOT, '"><script>')

    text = written(page, tmp_path)

    Outline(text)
    assert "<script>" not in text
    assert "&lt;b&gt;1 &amp; 2&lt;/b&gt;" in text


def test_columns_of_numbers_stand_on_the_right(tmp_path: Path) -> None:
    page = Page("Numbers")
    page.table(
        ("run", "DSC", "change"), [("a", "0.91 (0.87 to 0.94)", "−3.1 %"), ("b 2", "-", "+1")]
    )

    text = written(page, tmp_path)

    assert '<th scope="col">run</th><th scope="col" class="number">DSC</th>' in text
    assert '<td>b 2</td><td class="number">-</td><td class="number">+1</td>' in text


def test_script_is_there_for_a_sortable_table_only(tmp_path: Path) -> None:
    plain, sortable = Page("Plain"), Page("Sortable")
    plain.table(("a",), [("1",)])
    sortable.table(("a",), [("1",)], sortable=True)

    assert "<script" not in written(plain, tmp_path)
    assert 'class="sortable"' in written(sortable, tmp_path)
    assert "<script>" in written(sortable, tmp_path)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="'notes' is no PNG"):
        Page("x").picture(b"text", "notes")


def test_dark_screens_and_paper_have_their_own_colours(tmp_path: Path) -> None:
    text = written(Page("Colours"), tmp_path)

    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
