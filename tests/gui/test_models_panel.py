"""The Models panel: the tree, what the gate says, the promotion and its reasons, files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.session.effect_log import Look, Reviewed
from napari_brainseg.session.model_comparison import Difference, ModelComparison
from napari_brainseg.widgets.models_panel import ModelsPanel
from napari_brainseg.widgets.next_act import Act

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.session.gates import GateRecord
    from napari_brainseg.session.model_version import ModelVersion

    Make = Callable[..., ModelsPanel]

_spec = importlib.util.spec_from_file_location(
    "fake_models", Path(__file__).with_name("fake_models.py")
)
fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fakes)
BASE, NEW, OLDER, OTHER = fakes.BASE, fakes.NEW, fakes.OLDER, fakes.OTHER
LOCKED, FREE, FAILS, CORRECTED = fakes.LOCKED, fakes.FREE, fakes.FAILS, fakes.CORRECTED
pair, record, version = fakes.pair, fakes.record, fakes.version
CONFIG = {
    "epochs": 4, "steps_per_epoch": 60, "learning_rate": 3e-4, "replay_share": 0.6,
    "train_patients": ["a", "b", "c", "d", "e"], "replay_patients": ["a", "b"],
}  # fmt: skip


@pytest.fixture
def make(qtbot: Any) -> Iterator[Make]:
    from psygnal.qt import start_emitting_from_queue

    start_emitting_from_queue(msec=10)
    desks = []

    def make_panel(versions: list[ModelVersion], *records: GateRecord) -> ModelsPanel:
        desks.append(fakes.FakeDesk(versions, *records))
        panel = ModelsPanel(desks[-1])
        qtbot.addWidget(panel)
        panel.resize(300, 900)
        panel.show()
        qtbot.waitUntil(lambda: len(panel.versions) == len(versions), timeout=20_000)
        return panel

    yield make_panel
    for desk in desks:
        desk.gate_measuring.cancel()


def two(**facts: Any) -> list[ModelVersion]:
    """The base in use, and what a run made of it."""
    return [version(BASE), version(NEW, **facts)]


def wait(qtbot: Any, condition: Callable[[], object]) -> None:
    qtbot.waitUntil(lambda: bool(condition()), timeout=20_000)


def told(panel: ModelsPanel) -> list[tuple[Any, ...]]:
    return panel.desk.registry.told  # type: ignore[attr-defined, no-any-return]


def override(panel: ModelsPanel, reason: str = "The new scanner needs it") -> None:
    panel.use_button.click()
    panel.bar.reason_field.text.setText(reason)


def test_the_tree_shows_descent_states_and_figures(make: Make) -> None:
    panel = make(
        [
            version(BASE, workspace_dsc=0.8171),
            version(OLDER, outcome="failed", created="2026-11-10T09:00:00+00:00"),
            version(NEW, parent=OLDER, outcome="passed"),
            version(OTHER, origin="import", parent="elsewhere-1", workspace_dsc=None),
            version("torn-20261101-00000000", fault="A file is missing.", origin="run",
                    created=""),
        ]
    )  # fmt: skip
    tree = panel.tree
    assert [tree.state_of(v.version) for v in panel.versions] == [
        "in use, bundled", "✗ failed", "new, ✓ passed", "imported", "damaged",
    ]  # fmt: skip
    root = tree.topLevelItem(0)
    assert [root.text(n) for n in range(2)] == ["default (e1eadd)", "0.817"]
    assert root.child(0).child(0).text(0) == "corrected (a1b2c3)"
    assert tree.topLevelItem(1).text(1) == "–"
    assert root.font(0).bold()


def test_details_tell_where_a_version_comes_from_and_who_took_it_into_use(make: Make) -> None:
    facts = {
        "promoted_by": "Ada", "promoted_at": 1_795_000_000.0, "config": CONFIG,
        "data_sha256": "ab12cd34" * 8,
    }  # fmt: skip
    panel = make(two(**facts))
    panel.desk.registry.acts = [SimpleNamespace(version=NEW, reason="Fewer misses")]
    panel.reload()
    panel.tree.select(NEW)
    panel.details_fold.button.click()
    text = panel.details.text()
    assert "Fine-tuned from default (e1eadd)" in text
    assert "Learned from 3 corrections, 2 patients of the base replayed" in text
    assert "4 epochs, 60 steps each, rate 0.0003, 60% replay" in text
    assert "Data ab12cd\n" in text
    assert "Taken into use by Ada, 2026-11-" in text
    assert panel.details.isVisible()


def test_what_a_run_made_is_selected_and_a_passed_gate_fills_the_button(
    make: Make, qtbot: Any
) -> None:
    panel = make(two(outcome="passed"), record())
    assert panel.selected is not None
    assert panel.selected.version == NEW
    assert panel.candidate is panel.selected
    assert panel.is_better
    assert panel.gate.outcome.text() == "Passed against default (e1eadd)"
    panel.show_next(Act.PROMOTE)
    assert panel.use_button.property("next")
    assert panel.use_button.text() == "Take into use"
    panel.use_button.click()
    wait(qtbot, lambda: told(panel))
    assert told(panel) == [("promote", NEW, "A. Tester", "", panel.gate.record)]
    wait(qtbot, lambda: panel.said.text() == "corrected (a1b2c3) is in use.")


def test_reasons_stand_with_their_signs_the_kept_ones_short(make: Make) -> None:
    panel = make(two(), record())
    kept = [text for sign, text in panel.gate.reasons if sign == "✓"]
    assert kept == [
        "Locked patients: mean DSC 0.817 → 0.857 (95 % interval of the change +0.007 to +0.076)",
        "Worst change of a locked patient: −0.011, DU_6404".replace("_", "_\u200b"),
        "Corrected patients: mean DSC +0.070 (95 % interval of the change +0.025 to +0.115)",
        "No lesion is missed that was found before",
        "No more is marked in patients without a lesion",
    ]
    assert panel.gate.notes_fold.button.text() == "2 notes"
    assert not panel.gate.notes_fold.content.isVisible()
    assert panel.gate.measured.text() == (
        "Measured on 8 locked patients (digest a1b2c3), 2026-11-22"
    )


def test_a_failed_gate_is_told_in_full_and_needs_a_reason(make: Make, qtbot: Any) -> None:
    panel = make(two(outcome="failed"), record(locked=FAILS))
    gate, field = panel.gate, panel.bar.reason_field
    assert gate.outcome.text().startswith("Failed")
    assert gate.box.property("outcome") == "failed"
    crossed = [text.replace("\u200b", "") for sign, text in gate.reasons if sign == "✗"]
    assert crossed[0].startswith("Mean DSC on 7 locked patients 0.817 → 0.727 (−0.090")
    assert "HT_8018, 0.660 → 0.480" in crossed[1]
    panel.show_next(Act.PROMOTE)
    assert not panel.is_better
    assert not panel.use_button.property("next")
    assert panel.use_button.text() == "Take into use all the same…"

    panel.use_button.click()
    assert field.isVisible()
    assert not panel.use_button.isVisible()
    assert "failed the gate" in field.question.text()
    for short in ("", "yes", "  it   works "):
        field.text.setText(short)
        assert not field.accept.isEnabled()
    field.text.setText("Two missed lesions are found")
    QTest.keyClick(field.text, Qt.Key.Key_Return)
    wait(qtbot, lambda: told(panel))
    assert told(panel)[0][:4] == ("promote", NEW, "A. Tester", "Two missed lesions are found")
    assert not field.isVisible()


def test_an_override_can_be_left_and_ends_with_the_selection(make: Make) -> None:
    panel = make([*two(), version(OTHER, origin="import")])
    field = panel.bar.reason_field
    override(panel)
    field.cancel.click()
    assert not field.isVisible()
    assert panel.use_button.isVisible()
    override(panel)
    QTest.keyClick(field.text, Qt.Key.Key_Escape)
    assert not field.isVisible()
    override(panel)
    panel.tree.select(OTHER)
    assert not field.isVisible()
    assert told(panel) == []


def test_too_little_evidence_is_neither_sign(make: Make) -> None:
    panel = make(two(), record(locked=LOCKED[:3], corrections=()))
    assert panel.gate.outcome.text().startswith("Not enough evidence")
    missing = [text for sign, text in panel.gate.reasons if sign == "?"]
    assert missing[0] == "3 locked patients measured; a verdict needs at least 5."
    assert not panel.patients.corrected_fold.isVisible()
    assert panel.use_button.text() == "Take into use all the same…"
    panel.use_button.click()
    assert "not enough evidence" in panel.bar.reason_field.question.text()


def test_patients_stand_by_their_worst_change_and_a_click_chooses_one(
    make: Make, qtbot: Any
) -> None:
    panel = make(two(), record())
    gate, patients = panel.gate, panel.patients
    assert patients.locked_fold.button.text() == "8 locked patients"
    assert not patients.legend.isVisible()
    patients.locked_fold.button.click()
    assert patients.legend.isVisible()
    model = patients.locked.table.model()
    rows = [
        [model.index(r, c).data() for c in range(model.columnCount())]
        for r in range(model.rowCount())
    ]
    assert rows[0] == ["DU_6404", "0.880", "0.869", "−0.011", "−0.4"]
    assert [row[0] for row in rows[-2:]] == ["HT_8018", "HT_8105"]
    # Without a lesion there is no DSC to compare.
    assert rows[-1][1:] == ["0 vox", "0 vox", "0 vox", "–"]
    assert len(patients.locked.plot.rows) == 7
    assert patients.locked.plot.least == pytest.approx(0.6)

    table = patients.locked.table
    with qtbot.waitSignal(panel.patient_chosen, timeout=20_000) as chosen:
        spot = table.visualRect(model.index(1, 2)).center()
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert chosen.args == [NEW, "TCGA_HT_7882_19980105"]
    with qtbot.waitSignal(panel.review_wanted, timeout=20_000) as review:
        gate.review_button.click()
    assert review.args == [NEW]


def test_who_looked_at_the_effect_stands_by_the_decision(make: Make) -> None:
    panel = make(two(), record())
    assert panel.gate.reviewed.text() == "Nobody looked at the effect yet."
    looks = (Look("A", "Ada", 1.0), Look("B", "Grace", 2.0), Look("C", "Ada", 3.0))
    panel.show_reviewed(Reviewed(NEW, BASE, ("A", "B", "C", "D"), looks))
    assert panel.gate.reviewed.text() == "Effect looked at on 3 of 4 patients by Ada, Grace."
    panel.show_reviewed(Reviewed(NEW, OLDER))
    assert "3 of 4" in panel.gate.reviewed.text()


def test_rows_tell_of_missed_lesions_other_comparisons_and_marks_without_lesion(
    make: Make,
) -> None:
    odd = (
        pair("GONE", 0.6, 0.0, new_vox=0, hd95=(5.0, None)),
        pair("MARKED", 1.0, 0.0, lesion=0, old_vox=0, new_vox=1400, hd95=(None, None)),
        pair("KNOWN", 0.5, 0.7, compared_with="base"),
    )
    panel = make(two(), record(locked=(*LOCKED, *odd[:2]), corrections=odd[2:]))
    panel.patients.locked_fold.button.click()
    model = panel.patients.locked.model
    tips = {
        model.rows[r].patient: model.index(r, 0).data(Qt.ItemDataRole.ToolTipRole)
        for r in range(model.rowCount())
    }
    assert "marks nothing here, though there is a lesion" in tips["GONE"]
    assert "No HD95" in tips["GONE"]
    assert (
        "No lesion: 0 voxels marked by the version in use, 1\u2009400 by the new"
        in (tips["MARKED"])
    )
    tip = panel.patients.corrected.model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "trained on this patient" in tip


def test_without_a_gate_it_can_be_measured(make: Make, qtbot: Any) -> None:
    panel = make(two())
    gate = panel.gate
    assert "corrected (a1b2c3) was not measured against default (e1eadd)" in gate.missing.text()
    assert panel.comparison.text().startswith("0.850 against 0.850 in use (0.000)")
    gate.measure_button.click()
    measuring: Any = panel.desk.gate_measuring
    wait(qtbot, lambda: measuring.asked == [NEW])
    assert gate.progress.isVisible()
    assert not gate.measure_button.isVisible()
    # Meanwhile other work is done: the desk's own worker is free.
    panel.reload()
    panel.tree.select(BASE)
    panel.tree.select(NEW)
    assert gate.progress.isVisible()
    measuring.go_on.set()
    wait(qtbot, lambda: gate.record is not None)
    assert gate.outcome.text().startswith("Passed")
    assert not gate.measure_button.isVisible()
    assert not gate.progress.isVisible()
    assert panel.comparison.text() == ""


def test_a_measurement_that_fails_says_why_and_one_that_is_stopped_does_not(
    make: Make, qtbot: Any
) -> None:
    panel = make(two())
    measuring: Any = panel.desk.gate_measuring
    measuring.error = ModelError("No patient is locked.", "Lock at least five.")
    measuring.go_on.set()
    panel.gate.measure_button.click()
    wait(qtbot, lambda: "No patient is locked" in panel.fault.text)
    assert panel.gate.measure_button.isVisible()
    measuring.go_on.clear()
    panel.gate.measure_button.click()
    assert panel.fault.text == ""
    panel.gate.stop_button.click()
    assert not panel.gate.stop_button.isEnabled()
    wait(qtbot, panel.gate.measure_button.isVisible)
    assert panel.fault.text == ""


def test_roll_back_names_what_comes_back_and_needs_one_click(make: Make, qtbot: Any) -> None:
    panel = make([version(BASE, is_current=False), version(NEW, is_current=True)])
    assert not panel.back_button.isVisible()
    panel.desk.registry.rollback_version = BASE  # type: ignore[misc]
    panel.desk.models_changed.emit()
    wait(qtbot, panel.back_button.isVisible)
    assert panel.back_button.toolTip() == "default (e1eadd) comes back into use"
    panel.back_button.click()
    wait(qtbot, lambda: told(panel) == [("rollback", "A. Tester")])
    wait(qtbot, lambda: panel.said.text() == "default (e1eadd) is in use again.")


def test_a_version_that_was_given_up_is_not_urged_again(make: Make) -> None:
    panel = make(two(promoted_by="Ada", promoted_at=1.0, outcome="passed"), record())
    assert panel.candidate is None
    panel.tree.select(NEW)
    assert not panel.is_better
    assert panel.use_button.isEnabled()


def test_the_name_is_asked_for_once_and_goes_with_the_act(make: Make, qtbot: Any) -> None:
    panel = make(two(), record())
    panel.desk.editor = None
    panel.show_next(Act.PROMOTE)
    panel.use_button.click()
    wait(qtbot, panel.editor_field.isVisible)
    assert told(panel) == []
    assert not panel.use_button.property("next")
    panel.editor_field.name.setText("Ada")
    panel.editor_field.accept.click()
    wait(qtbot, lambda: told(panel))
    assert told(panel)[0][:3] == ("promote", NEW, "Ada")


def test_predictions_of_another_version_are_counted(make: Make, qtbot: Any) -> None:
    panel = make(two())
    worklist: Any = panel.desk.worklist
    assert not panel.stale.isVisible()
    worklist.show(True, False, True)
    wait(qtbot, panel.stale.isVisible)
    assert panel.stale.text().startswith("2 predictions are of another version")
    worklist.show(True)
    wait(qtbot, lambda: panel.stale.text().startswith("1 prediction is"))
    worklist.show(False)
    wait(qtbot, lambda: not panel.stale.isVisible())


def test_deleting_asks_in_place_with_the_name(make: Make, qtbot: Any) -> None:
    panel = make([*two(), version(OTHER, origin="import")])
    menu = panel.menu
    panel.tree.select(BASE)
    assert not menu.delete.isEnabled()
    assert menu.delete.toolTip() == "The version in use cannot be deleted"
    panel.tree.select(OTHER)
    menu.delete.trigger()
    assert "Delete ward-7 (0badca)?" in panel.ask.question.text()
    panel.ask.cancel.click()
    assert told(panel) == []
    panel.desk.going_on = [SimpleNamespace(state="running", base=OTHER)]  # type: ignore[attr-defined]
    panel.ask_delete(OTHER)
    panel.ask.accept.click()
    wait(qtbot, lambda: "A run that goes on needs" in panel.fault.text)
    panel.desk.going_on = [SimpleNamespace(state="completed", base=OTHER)]  # type: ignore[attr-defined]
    menu.delete.trigger()
    panel.ask.accept.click()
    wait(qtbot, lambda: told(panel) == [("delete", OTHER, "A. Tester")])
    panel.desk.models_changed.emit()
    wait(qtbot, lambda: len(panel.versions) == 2)
    assert not panel.ask.isVisible()


def test_versions_go_to_files_and_come_from_them(
    make: Make, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make(two())
    target = tmp_path / "model.zip"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    panel.menu.export.trigger()
    wait(qtbot, lambda: told(panel) == [("export", NEW, target)])
    wait(qtbot, lambda: str(target) in panel.said.text())
    bundle = tmp_path / "bundle" / "model.json"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(bundle), ""))
    panel.menu.import_.trigger()
    wait(qtbot, lambda: told(panel)[-1] == ("import", bundle.parent))
    wait(qtbot, lambda: panel.selected is not None and panel.selected.version == OTHER)
    assert "It is not in use before you say so" in panel.said.text()


def test_a_refused_import_says_why_in_the_panel(
    make: Make, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make(two())
    panel.desk.registry.error = ModelError("It holds a pickle.", "Ask for an export.")  # type: ignore[attr-defined]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/tmp/a.zip", ""))
    panel.menu.import_.trigger()
    wait(qtbot, lambda: "It holds a pickle" in panel.fault.text)
    assert panel.said.text() == ""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    panel.menu.import_.trigger()
    assert not panel.said.isVisible()


def test_a_comparison_tells_data_figures_and_settings(make: Make, qtbot: Any) -> None:
    panel = make([*two(), version(OTHER, origin="import")])
    panel.desk.registry.comparison = ModelComparison(  # type: ignore[attr-defined]
        BASE, NEW,
        (Difference("threshold", 0.5, 0.45), Difference("config.epochs", 20, 4),
         Difference("config.base", None, "/models/default"),
         Difference("config.freeze_norm", False, True)),
        (Difference("validation_dsc", 0.8123, 0.861),
         Difference("parent_validation_dsc", None, 0.8)),
        ("TCGA_FG_6688_20020215",), (), ("TCGA_HT_7605_19950916",), False,
        (SimpleNamespace(created=1_795_000_000.0, outcome="passed"),),
    )  # fmt: skip
    panel.menu.compare.trigger()
    wait(qtbot, panel.compare.isVisible)
    data, figures, settings, gates = panel.compare.sections
    assert "1 patient (TCGA_FG_6688" in data.note
    assert "another mask of 1 patient" in data.note
    assert figures.rows[0] == ("DSC in its run", "0.812", "0.861")
    assert figures.rows[1][1] == "–"
    assert ("Epochs", "20", "4") in settings.rows
    assert ("Threshold", "0.5", "0.45") in settings.rows
    assert not any("default" in row[2] for row in settings.rows)
    assert gates.note.endswith("passed")
    panel.tree.select(OTHER)
    assert not panel.compare.isVisible()


def test_hidden_names_stay_hidden(make: Make) -> None:
    panel = make(two(), record(locked=FAILS))
    panel.desk.preferences.hide = True  # type: ignore[attr-defined]
    panel.desk.preferences.changed.emit("hide_identifiers")
    gate = panel.gate
    told_of = " ".join(text for _sign, text in gate.reasons).replace("\u200b", "")
    assert "Patient 7" in told_of
    shown = [panel.patients.locked.table.model().index(r, 0).data() for r in range(8)]
    tip = panel.patients.locked.model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    for text in (told_of, *shown, tip):
        for patient in (*LOCKED, FREE, *CORRECTED):
            assert patient.patient not in text
            assert patient.patient[5:12] not in text


@pytest.mark.parametrize("locked", [FAILS, (*LOCKED, FREE), LOCKED[:3]])
def test_nothing_is_cut_off_in_a_narrow_dock(make: Make, locked: Any) -> None:
    panel = make(two(), record(locked=locked))
    for fold in (panel.details_fold, panel.gate.notes_fold, panel.patients.locked_fold):
        fold.button.click()
    assert panel.minimumSizeHint().width() <= 286
    panel.use_button.click()
    assert panel.minimumSizeHint().width() <= 286
