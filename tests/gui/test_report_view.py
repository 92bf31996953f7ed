"""The report's tab: what it would stand on, identifiers off, written in a worker, opened after."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from psygnal import Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.reporting.patient_report import Basis
from napari_brainseg.session.report_export import Outlook
from napari_brainseg.widgets.report_view import ReportView
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from napari_brainseg.session.report_export import ReportWish

HOME = Path("/workspace/reports")


class FakeDesk:
    opened = Signal(object)
    closed = Signal()
    prediction_ready = Signal(object)
    correction_started = Signal(object)
    corrected = Signal(object)
    status_changed = Signal(str)

    def __init__(self) -> None:
        self.case: Any = None
        self.outlook = Outlook(Basis.PREDICTION, HOME)
        self.fault: DataError | None = None
        self.wishes: list[ReportWish] = []
        self.threads: set[str] = set()
        self.hidden = False
        self.preferences = SimpleNamespace(get=lambda _name: self.hidden)
        self.worklist = SimpleNamespace(rows=[SimpleNamespace(patient="P_1")])

    def show_case(self, patient: str, **identity: str) -> None:
        self.case = SimpleNamespace(patient=patient, study=SimpleNamespace(identity=identity))
        self.opened.emit(self.case)

    def submit(self, act: Any) -> None:
        worker = threading.Thread(target=act, name="worker")
        worker.start()
        worker.join()

    def look(self, desk: object, case: object) -> Outlook:
        assert (desk, case) == (self, self.case)
        self.threads.add(threading.current_thread().name)
        return self.outlook

    def write(self, _desk: object, case: Any, wish: ReportWish) -> tuple[Path, ...]:
        self.threads.add(threading.current_thread().name)
        self.wishes.append(wish)
        if self.fault is not None:
            raise self.fault
        kinds = (("html", wish.html), ("pdf", wish.pdf))
        return tuple(wish.folder / f"{case.patient}_report.{k}" for k, asked in kinds if asked)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    made = FakeDesk()
    monkeypatch.setattr("napari_brainseg.widgets.report_view.outlook", made.look)
    monkeypatch.setattr("napari_brainseg.widgets.report_view.export_report", made.write)
    return made


@pytest.fixture
def view(qtbot: Any, desk: FakeDesk) -> ReportView:
    from psygnal.qt import start_emitting_from_queue

    start_emitting_from_queue(msec=10)
    made = ReportView(desk)  # type: ignore[arg-type]
    qtbot.addWidget(made)
    made.resize(300, 600)
    made.show()
    return made


@pytest.fixture
def ready(view: ReportView, desk: FakeDesk, qtbot: Any) -> ReportView:
    desk.show_case("P_1", Name="Doe^Jane")
    qtbot.waitUntil(view.write_button.isEnabled, timeout=20_000)
    return view


def test_without_a_patient_there_is_nothing_to_write(view: ReportView) -> None:
    assert view.basis.text() == "No patient is open"
    assert not view.write_button.isEnabled()


def test_it_says_plainly_what_the_report_would_stand_on(
    ready: ReportView, desk: FakeDesk, qtbot: Any
) -> None:
    assert ready.basis.text() == "Prediction, not checked by a person"
    desk.outlook = Outlook(Basis.APPROVED, HOME, decided="approved by Ada")
    desk.status_changed.emit("approved")
    qtbot.waitUntil(lambda: ready.basis.text() == "Approved correction", timeout=20_000)
    assert ready.basis_hint.text().startswith("Approved by Ada. ")
    desk.outlook = Outlook(None, HOME, "The case is read blind.")
    desk.corrected.emit(None)
    qtbot.waitUntil(lambda: ready.basis.text() == "Nothing yet", timeout=20_000)
    assert ready.basis_hint.text() == "The case is read blind."
    assert not ready.write_button.isEnabled()
    assert desk.threads == {"worker"}


def test_a_report_is_written_in_a_worker_and_can_be_opened(
    ready: ReportView, desk: FakeDesk, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    ready.heading.setText("Ward 7")
    ready.paper.setCurrentIndex(1)
    ready.write_button.click()
    qtbot.waitUntil(ready.open_pdf.isVisible, timeout=20_000)
    (wish,) = desk.wishes
    assert (wish.folder, wish.heading, wish.paper) == (HOME, "Ward 7", "letter")
    assert not wish.identifiers
    assert ready.result.text() == "Written: P_1_report.html, P_1_report.pdf"
    for button in (ready.open_html, ready.open_pdf, ready.open_folder):
        button.click()
    names = [Path(place).name for place in opened]
    assert names == ["P_1_report.html", "P_1_report.pdf", "reports"]
    assert desk.threads == {"worker"}


def test_identifiers_are_off_again_with_every_patient(
    ready: ReportView, desk: FakeDesk, qtbot: Any
) -> None:
    assert "Name" in ready.identity_hint.text()
    assert "Jane" not in ready.identity_hint.text()
    ready.identifiers.setChecked(True)
    ready.write_button.click()
    qtbot.waitUntil(ready.open_html.isVisible, timeout=20_000)
    assert desk.wishes[-1].identifiers
    desk.show_case("P_2")
    qtbot.waitUntil(lambda: not ready.identifiers.isChecked(), timeout=20_000)
    assert not ready.identifiers.isEnabled()
    assert not ready.open_html.isVisible()


def test_names_do_not_show_where_they_are_hidden(
    ready: ReportView, desk: FakeDesk, qtbot: Any
) -> None:
    desk.hidden = True
    ready.write_button.click()
    qtbot.waitUntil(ready.open_html.isVisible, timeout=20_000)
    assert ready.result.text() == "Written."


def test_nothing_is_written_without_a_kind_of_file(ready: ReportView) -> None:
    ready.html.setChecked(False)
    assert ready.write_button.isEnabled()
    ready.pdf.setChecked(False)
    assert not ready.write_button.isEnabled()
    assert not ready.paper.isEnabled()


def test_another_folder_is_kept_for_the_next_patient(
    ready: ReportView, desk: FakeDesk, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_a, **_k: str(tmp_path))
    ready.choose_button.click()
    desk.show_case("P_2")
    qtbot.waitUntil(ready.write_button.isEnabled, timeout=20_000)
    ready.write_button.click()
    qtbot.waitUntil(lambda: bool(desk.wishes), timeout=20_000)
    assert desk.wishes[-1].folder == tmp_path


def test_a_fault_stands_in_the_view_and_one_can_try_again(
    ready: ReportView, desk: FakeDesk, qtbot: Any
) -> None:
    desk.fault = DataError("The disk is full.", "Make room.")
    ready.write_button.click()
    qtbot.waitUntil(ready.fault.isVisible, timeout=20_000)
    assert ready.fault.text == "The disk is full. Make room."
    assert ready.write_button.isEnabled()
    assert not ready.result.isVisible()
    desk.hidden, desk.fault = True, DataError("Cannot write reports/P_1_report.pdf.")
    ready.write_button.click()
    qtbot.waitUntil(lambda: "Cannot write" in ready.fault.text, timeout=20_000)
    assert "P_1" not in ready.fault.text


def test_an_earlier_report_is_not_replaced_silently(
    ready: ReportView, qtbot: Any, tmp_path: Path
) -> None:
    ready.set_folder(tmp_path)
    ready.write_button.click()
    qtbot.waitUntil(ready.open_pdf.isVisible, timeout=20_000)
    assert "replaced" not in ready.result.text()
    (tmp_path / "P_1_report.pdf").write_text("earlier")
    ready.write_button.click()
    qtbot.waitUntil(lambda: "replaced" in ready.result.text(), timeout=20_000)


def test_a_long_path_wraps(ready: ReportView, tmp_path: Path) -> None:
    folder = tmp_path / "a_long_name_without_spaces" / ("x" * 60)
    ready.set_folder(folder)
    text = ready.folder_hint.text()
    assert max(len(part) for part in text.split("\u200b")) <= 17
    assert text.replace("\u200b", "") == str(folder)


def test_files_made_of_a_patient_do_not_name_it_where_names_are_hidden() -> None:
    names = Names(["ABC_1_20200101", "ABC_12_20200101"], hidden=True)
    told = names.scrub("Cannot write x/ABC_1_20200101_report.pdf: ABC_12_20200101_prediction.dcm.")
    assert told == "Cannot write x/Patient 1_report.pdf: Patient 2_prediction.dcm."
    assert names.scrub("ABC_1_20200101_4_mask.tif, other_file.txt").endswith(", other_file.txt")
    assert "ABC" not in names.scrub("ABC_1_20200101_4_mask.tif")
