"""The page of the window lists every key as the code has it."""

from __future__ import annotations

from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "window.md"
NAMES = {"Control": "Ctrl", "PageUp": "Page up", "PageDown": "Page down", "Up": "↑", "Down": "↓"}


def test_the_table_of_keys_is_the_one_of_the_code() -> None:
    shortcuts = pytest.importorskip("napari_brainseg.viewer.shortcuts")
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.count("|") == 4]
    rows = {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines}

    def keys(shortcut: object) -> str:
        named = ["+".join(NAMES.get(part, part) for part in k.split("-")) for k in shortcut.keys]
        return " or ".join(named) + (", held" if shortcut.held else "")

    expected = {(s.group, keys(s), s.title) for s in shortcuts.SHORTCUTS}
    assert expected <= rows
    groups = {shortcut.group for shortcut in shortcuts.SHORTCUTS}
    assert {row for row in rows if row[0] in groups} == expected
