"""Preferences last, are checked, and a damaged file costs nothing but them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_brainseg.session.preferences import Preferences, Window

if TYPE_CHECKING:
    from pathlib import Path


def test_they_last_and_tell_what_changed(tmp_path: Path) -> None:
    file = tmp_path / "user" / "preferences.json"
    preferences, told = Preferences(file), []
    preferences.changed.connect(told.append)
    preferences.set(outline_width=2, fill=False, windows={"FLAIR": Window(low=0.1, high=0.7)})

    assert told == ["outline_width", "windows"]  # fill was False before
    again = Preferences(file).values
    assert (again.outline_width, again.windows["FLAIR"].high) == (2, 0.7)
    assert [p.name for p in file.parent.iterdir()] == ["preferences.json"]


@pytest.mark.parametrize("change", [{"opacity": 3.0}, {"colour_of_the_sky": "blue"}])
def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path, change: dict) -> None:
    preferences = Preferences(tmp_path / "p.json")
    with pytest.raises(ValueError, match=next(iter(change))):
        preferences.set(**change)
    assert preferences.values == Preferences(tmp_path / "none.json").values


@pytest.mark.parametrize("text", ["{", "[1]", '{"opacity": 9, "fill": true, "gone": 1}'])
def test_a_damaged_file_leaves_the_defaults(tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.json"
    file.write_text(text)
    values = Preferences(file).values
    assert values.opacity == 1.0
    assert values.fill is ("true" in text)


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    preferences = Preferences(tmp_path / "taken" / "p.json")
    preferences.set(fill=True)
    assert preferences.get("fill") is True
