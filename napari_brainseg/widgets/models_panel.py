"""Model versions: which is in use, what the gate says of the others, and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtWidgets import QToolButton

from napari_brainseg.core.imaging import CancelledError
from napari_brainseg.session.health import short_version
from napari_brainseg.widgets.ask_bar import AskBar
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.compare_view import CompareView, Section
from napari_brainseg.widgets.compare_words import sections_of
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.gate_patients import GatePatients
from napari_brainseg.widgets.gate_view import GateView
from napari_brainseg.widgets.model_decisions import ModelDecisions
from napari_brainseg.widgets.model_files import ModelFiles
from napari_brainseg.widgets.model_look import ModelLook, look
from napari_brainseg.widgets.model_menu import ModelMenu
from napari_brainseg.widgets.model_tree_view import ModelTreeView
from napari_brainseg.widgets.model_words import (
    comparison_text,
    detail_lines,
    reviewed_text,
    stale_text,
)
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.own_thread import OwnThread
from napari_brainseg.widgets.panel import Panel, hint_label
from napari_brainseg.widgets.promote_bar import PromoteBar
from napari_brainseg.widgets.throttle import Throttle
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QShowEvent
    from qtpy.QtWidgets import QPushButton, QWidget

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.gates import GateRecord
    from napari_brainseg.session.model_version import ModelVersion

__all__ = ["ModelsPanel"]


class ModelsPanel(Panel):
    """Lists versions, shows what the gate found, takes one into use, rolls back.

    Parameters
    ----------
    desk : Desk
        With the registry and the gates.

    Attributes
    ----------
    measure : callable
        Measures a version against the one in use; takes minutes.
    tree : ModelTreeView
    gate : GateView
    patients : GatePatients
    bar : PromoteBar
    compare : CompareView
    ask : AskBar
    files : ModelFiles
    decisions : ModelDecisions
    menu : ModelMenu
    """

    selected_changed = Signal()
    """Another version is selected, or the versions changed."""
    review_wanted = Signal(str)
    """Version whose effect is to be looked at, old and new side by side."""
    patient_chosen = Signal(str, str)
    """Version and patient: a row of the gate's tables was clicked."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self._found = ModelLook()
        self._loaded = False
        self._measuring = ""
        self._seen_fresh = ""
        self._wanted = ""
        self._act = Act.WAIT
        self.measure: Callable[[str], GateRecord] = desk.measure_gate
        self._minutes = Background(OwnThread("brainseg-gate"), self.ties)
        self.heading.setText(self.tr("Models"))
        self.menu = ModelMenu(self)
        self.menu_button = QToolButton(text="…")
        self.menu_button.setToolTip(self.tr("Compare, export, import or delete a version"))
        self.menu_button.setAccessibleName(self.tr("More"))
        self.menu_button.clicked.connect(self._open_menu)
        self.bar = PromoteBar()
        self.bar.promote_wanted.connect(self.take_into_use)
        self.bar.rollback_wanted.connect(self.roll_back)
        # The way back is always in sight, whichever version is selected.
        self.head(self.bar.back_button, self.menu_button)
        self.tree = ModelTreeView()
        self.tree.itemSelectionChanged.connect(self._on_selected)
        self.tree.menu_wanted.connect(self._on_menu)
        self.comparison = hint_label()
        self.details = hint_label()
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details_fold = Fold(self.tr("Details"), self.details)
        self.gate = GateView()
        self.gate.review_wanted.connect(self.review_wanted)
        self.gate.measure_wanted.connect(self.measure_gate)
        self.gate.stop_wanted.connect(self.stop_measuring)
        self.patients = GatePatients()
        self.patients.patient_chosen.connect(self._on_patient)
        self.compare = CompareView()
        self.ask = AskBar()
        self.decisions = ModelDecisions(self)
        self.decisions.said.connect(self._say)
        self.decisions.changed.connect(lambda: self.show_next(self._act))
        self.editor_field = self.decisions.editor_field
        self.said = hint_label()
        self.said.hide()
        self.stale = hint_label()
        for widget in (
            self.tree, self.ask, self.compare, self.comparison, self.gate, self.editor_field,
            self.bar, self.said, self.stale, self.patients, self.details_fold,
        ):  # fmt: skip
            self.body.addWidget(widget)
        self.menu.compare_wanted.connect(self.compare_with_current)
        self.files = ModelFiles(self)
        self.files.said.connect(self._say)
        self.files.imported.connect(self._on_imported)
        self.menu.export_wanted.connect(self.files.choose_export)
        self.menu.import_wanted.connect(self.files.choose_import)
        self.menu.delete_wanted.connect(self.ask_delete)
        self._count = Throttle(self._show_stale, self, 500)
        self.ties.add(desk.models_changed, self.reload)
        self.ties.add(desk.opened, lambda _case: self._catch_up())
        self.ties.add(desk.training_finished, lambda _outcome: self._catch_up())
        self.ties.add(desk.worklist.changed, lambda _patients: self._count.ask())
        self.ties.add(desk.worklist.reset, self._count.ask)
        self.ties.add(desk.preferences.changed, lambda _name: self._on_selected())
        self._on_selected()
        self._show_stale()

    # state ------------------------------------------------------------------------------------

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """All versions, as listed."""
        return self._found.versions

    @property
    def current(self) -> ModelVersion | None:
        """The version in use."""
        return self._found.current

    @property
    def selected(self) -> ModelVersion | None:
        """The selected version."""
        return self._found.of(self.tree.selected)

    @property
    def candidate(self) -> ModelVersion | None:
        """The latest version that a run made, as long as it never was in use."""
        return self._found.candidate

    @property
    def use_button(self) -> QPushButton:
        """Takes the selected version into use."""
        return self.bar.use_button

    @property
    def back_button(self) -> QPushButton:
        """Rolls back."""
        return self.bar.back_button

    @property
    def is_better(self) -> bool:
        """Whether a gate speaks for the selected version, so that its use is the obvious next act.

        A version that was in use before was given up by somebody; it is not urged again.
        """
        chosen = self.selected
        return chosen is not None and chosen.promoted_at is None and self.bar.is_passed

    # acts -------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Read the versions when they are looked at for the first time."""
        super().showEvent(event)
        if not self._loaded:
            self.reload()

    def reload(self) -> None:
        """Read versions and gates anew, in a worker: hashes are checked."""
        self._loaded = True
        self.run(lambda: look(self.desk), self._show)

    def take_into_use(self, reason: str = "") -> None:
        """Promote the selected version; a reason is needed where its gate was not passed."""
        version = self.tree.selected
        if version is not None:
            self.decisions.promote(version, reason, self._found.gates.get(version))

    def roll_back(self) -> None:
        """Go back to the version in use before."""
        self.decisions.roll_back(self._found.previous)

    def measure_gate(self, version: str) -> None:
        """Measure a version against the one in use, in a thread of its own: it takes minutes."""
        self.fault.clear()
        self._measuring = version
        self._on_selected()
        self._minutes.run(lambda: self.measure(version), self._on_measured, self._on_not_measured)

    def stop_measuring(self) -> None:
        """Call off the measurement."""
        self.gate.stop_button.setEnabled(False)
        self.desk.gate_measuring.cancel()

    def compare_with_current(self, version: str) -> None:
        """Show what differs between a version and the one in use."""
        current = self.current
        if current is None:
            return
        registry, names = self.desk.registry, self._names()

        def compare() -> tuple[Section, ...]:
            return sections_of(registry.compare(current.version, version), names)

        self.run(
            compare,
            lambda sections: self.compare.show_sections(current.version, version, sections),
        )

    def ask_delete(self, version: str) -> None:
        """Ask, in place, whether a version is to be deleted."""
        name = short_version(version)
        self.ask.ask(
            self.tr(
                "Delete {version}? What was decided about it, and its gates, stay on record."
            ).format(version=name),
            self.tr("Delete {version}").format(version=name),
            lambda: self.decisions.delete(version),
        )

    def show_reviewed(self, reviewed: Reviewed) -> None:
        """Say how far the review of a version came, which just ended."""
        current = self.current
        if current is not None and reviewed.current == current.version:
            reviews = {**self._found.reviews, reviewed.candidate: reviewed}
            self._found = replace(self._found, reviews=reviews)
            self._on_selected()

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act."""
        self._act = act
        self.bar.show_next(act is Act.PROMOTE and not self.editor_field.is_asking)

    # inside -----------------------------------------------------------------------------------

    def _show(self, found: ModelLook) -> None:
        self._found = found
        fresh = self.candidate
        name = "" if fresh is None else fresh.version
        self.tree.show_versions(found.versions, fresh=name, reasons=found.reasons)
        if name and name != self._seen_fresh:
            # What a run just made is what people want to decide about.
            self._seen_fresh = self._wanted = name
        if self._wanted in [version.version for version in found.versions]:
            self.tree.blockSignals(True)
            self.tree.select(self._wanted)
            self.tree.blockSignals(False)
            self._wanted = ""
        self._on_selected()
        self._show_stale()

    def _on_selected(self) -> None:
        chosen, current = self.selected, self.current
        self.menu.follow(chosen)
        if self.compare.sections and self.compare.version != self.tree.selected:
            self.compare.put_away()
        lines = (
            []
            if chosen is None
            else detail_lines(chosen, self._found.reasons.get(chosen.version, ""))
        )
        self.details.setText("\n".join(lines))
        self.details_fold.setVisible(chosen is not None)
        usable = chosen is not None and not chosen.is_current and not chosen.fault
        record = None if chosen is None else self._found.gates.get(chosen.version)
        self.comparison.setText(comparison_text(chosen, current, has_gate=record is not None))
        self.comparison.setVisible(bool(self.comparison.text()))
        names = self._names(record)
        self.patients.show_gate(record, names)
        if usable and chosen is not None and current is not None:
            self.gate.show_gate(
                chosen.version,
                current.version,
                record,
                names=names,
                reviewed=reviewed_text(self._found.reviews.get(chosen.version)),
                is_measuring=self._measuring == chosen.version,
                can_measure=not self._measuring,
            )
        else:
            self.gate.hide()
        self.bar.follow(
            "" if chosen is None else chosen.version,
            "" if record is None else str(record.outcome),
            can_use=usable,
            previous=self._found.previous,
        )
        self.bar.setVisible(usable)
        self.show_next(self._act)
        self.selected_changed.emit()

    def _on_measured(self, _record: GateRecord) -> None:
        self._measuring = ""
        self._catch_up()

    def _on_not_measured(self, error: BrainSegError) -> None:
        self._measuring = ""
        if not isinstance(error, CancelledError):
            self.fault.show_error(error)
        self._on_selected()

    def _on_imported(self, version: str) -> None:
        # It is listed when the versions are read anew, which was asked for already or will be.
        self._wanted = version
        self.reload()

    def _on_patient(self, patient: str) -> None:
        chosen = self.selected
        if chosen is not None:
            self.patient_chosen.emit(chosen.version, patient)

    def _open_menu(self) -> None:
        self._on_menu("", self.menu_button.mapToGlobal(self.menu_button.rect().bottomLeft()))

    def _on_menu(self, _version: str, place: QPoint) -> None:
        self.menu.follow(self.selected)
        self.menu.menu.popup(place)

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))

    def _show_stale(self) -> None:
        self.stale.setText(stale_text(self.desk.worklist.rows))
        self.stale.setVisible(bool(self.stale.text()))

    def _catch_up(self) -> None:
        # Another folder of patients has another workspace, with versions of its own.
        if self._loaded:
            self.reload()

    def _names(self, record: GateRecord | None = None) -> Names:
        hidden = bool(self.desk.preferences.get("hide_identifiers"))
        patients = [row.patient for row in self.desk.worklist.rows]
        if record is not None:
            # Their folder need not be the one that is open.
            pairs = (*record.evidence.locked, *record.evidence.corrections)
            listed = set(patients)
            patients += [pair.patient for pair in pairs if pair.patient not in listed]
        return Names(patients, hidden=hidden)
