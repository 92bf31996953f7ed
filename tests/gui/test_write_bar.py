"""The bar over the dock: who corrects elsewhere, what is not saved, what changed on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from psygnal import Signal

from napari_brainseg.core.imaging import DataError, ScalarVolume, Study
from napari_brainseg.session.backups import Backup
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.catalogue_errors import CatalogueError, Fault
from napari_brainseg.session.disk_watch import SourceChange
from napari_brainseg.session.rescue_notice import RescueNotice
from napari_brainseg.session.salvage import Salvaged
from napari_brainseg.widgets.catalogue_notice import CatalogueNotice
from napari_brainseg.widgets.write_bar import WriteBar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class FakeDesk:
    """Holds a case; does at once what it takes."""

    opened = Signal(object)
    closed = Signal()
    correction_started = Signal(object)
    fault = Signal(object)

    def __init__(self) -> None:
        self.case: Case | None = None
        self.editor = "Ada"
        self.catalogue_notice: object = None
        self.selected: list[str] = []

    def open(self, case: Case | None) -> None:
        self.case = case
        if case is None:
            self.closed.emit()
            return
        case.correction_started.connect(self._on_started)
        self.opened.emit(case)

    def _on_started(self, correction: object) -> None:
        self.correction_started.emit(correction)

    def select(self, patient: str) -> None:
        self.selected.append(patient)

    def submit(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except DataError as error:
            self.fault.emit(error)


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def bar(qtbot: Any, desk: FakeDesk) -> WriteBar:
    made = WriteBar(desk)  # type: ignore[arg-type]
    qtbot.addWidget(made)
    return made


@pytest.fixture
def make_case(tmp_path: Path) -> Iterator[Callable[[str], Case]]:
    study = Study("P", ScalarVolume(np.ones((3, 3, 8, 8), np.uint8)))
    opened: list[Catalogue] = []

    def make(window: str) -> Case:
        opened.append(Catalogue(tmp_path / "catalogue.sqlite"))
        return Case(study, opened[-1], image_sha256="0" * 64, window=window)

    yield make
    for catalogue in opened:
        catalogue.close()


def test_the_bar_is_hidden_while_all_is_well(
    bar: WriteBar, desk: FakeDesk, make_case: Callable[[str], Case]
) -> None:
    assert bar.isHidden()
    case = make_case("mine")
    desk.open(case)
    case.start_correction("empty", "Ada").data[0, 0, 0] = 1
    case.correction.commit()
    assert bar.isHidden()
    desk.open(None)
    assert bar.isHidden()
    case.close()


def test_a_case_corrected_elsewhere_is_taken_over_after_asking_back(
    bar: WriteBar, desk: FakeDesk, make_case: Callable[[str], Case]
) -> None:
    theirs = make_case("theirs")
    theirs.start_correction("empty", "Bob")
    mine = make_case("mine")
    desk.open(mine)
    assert not bar.isHidden()
    assert "Bob is correcting this case in another window since" in bar.text
    assert "You can look" in bar.text
    bar.right.button.click()
    assert mine.read_only is not None
    assert "becomes read-only" in bar.text
    bar.right.other.click()
    assert "You can look" in bar.text
    bar.right.button.click()
    bar.right.button.click()
    assert mine.read_only is None
    assert bar.isHidden()
    theirs.follow()
    mine.close()
    theirs.close()


def test_where_nobody_corrects_any_more_it_does_not_ask_back(
    bar: WriteBar, desk: FakeDesk, make_case: Callable[[str], Case]
) -> None:
    mine = make_case("mine")
    mine.start_correction("empty", "Ada")
    theirs = make_case("theirs")
    theirs.take_over("Bob")
    mine.correction.data[0, 0, 0] = 1
    with pytest.raises(DataError):
        mine.correction.commit()
    mine.follow()
    desk.open(mine)
    assert "A stroke of yours is kept" in bar.text
    theirs.close()
    mine.follow()
    assert "Nobody corrects it now" in bar.text
    bar.right.button.click()
    assert bar.isHidden()
    assert mine.correction.data[0, 0, 0] == 1
    mine.close()


def test_strokes_that_the_disk_does_not_take_are_counted_and_tried_again(
    bar: WriteBar,
    desk: FakeDesk,
    make_case: Callable[[str], Case],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = make_case("mine")
    case.start_correction("empty", "Ada")
    desk.open(case)
    full = CatalogueError(Fault.FULL, "The catalogue x cannot be written.", "Free some space.")

    def refuse(*_args: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr("napari_brainseg.session.history_journal.StrokeJournal.write", refuse)
        for row in range(2):
            case.correction.data[0, row, 0] = 1
            with pytest.raises(DataError):
                case.correction.commit()
        assert "2 strokes are not saved yet: the disk is full." in bar.text
        assert "Free some space. Kept in memory" in bar.text
        bar.unsaved.button.click()
        assert not bar.isHidden()
    bar.unsaved.button.setEnabled(True)
    bar.unsaved.button.click()
    assert bar.isHidden()
    assert case.correction.unsaved == 0
    case.close()


def test_changed_files_are_named_and_the_patient_can_be_opened_again(
    bar: WriteBar, desk: FakeDesk, make_case: Callable[[str], Case]
) -> None:
    case = make_case("mine")
    desk.open(case)
    case.note_sources(SourceChange("P", (Path("P_2_mask.tif"),), None, images=False))
    assert "P_2_mask.tif" in bar.text
    bar.changed.button.click()
    assert desk.selected == ["P"]
    bar.changed.other.click()
    assert bar.isHidden()
    case.note_sources(SourceChange("P", (Path("P_3.tif"),), None, images=True))
    assert "P_3.tif" in bar.text
    case.note_sources(None)
    assert bar.isHidden()
    case.close()


def notice() -> RescueNotice:
    return RescueNotice(
        "The catalogue is damaged.",
        "The original lies there.",
        aside=Path("there") / "catalogue-damaged.sqlite",
        backup=Backup(Path("backup"), 3, 0.0),
        salvaged=Salvaged(),
    )


@pytest.mark.parametrize("before", [True, False])
def test_a_backup_in_place_of_the_catalogue_is_told_until_put_away(
    before: bool, qtbot: Any, desk: FakeDesk
) -> None:
    if before:
        desk.catalogue_notice = notice()
    widget = CatalogueNotice(desk)  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    desk.fault.emit(DataError("Something else.", ""))
    assert widget.isHidden() is not before
    if not before:
        desk.fault.emit(notice())
    assert "The original lies there." in widget.text
    widget.row.other.click()
    assert widget.isHidden()
