"""Model versions: which is in use, how they compare, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QHeaderView, QPushButton, QTreeWidget, QTreeWidgetItem

from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.editor_field import EditorField
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QShowEvent
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.model_registry import ModelVersion

__all__ = ["ModelsPanel"]

_VERSION = Qt.ItemDataRole.UserRole
_NAME_NEEDED = object()
_ROWS = (3, 8)  # fewest and most rows before the list scrolls


class ModelsPanel(Panel):
    """Lists versions; takes one into use; rolls back.

    Parameters
    ----------
    desk : Desk
        With the registry.
    """

    selected_changed = Signal()
    """Another version is selected, or the versions changed."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.versions: tuple[ModelVersion, ...] = ()
        self._fresh = ""
        self._known: frozenset[str] | None = None
        self._loaded = False
        self.heading.setText(self.tr("Models"))
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels([self.tr("Version"), self.tr("DSC"), ""])
        self.tree.setRootIsDecorated(True)
        self.tree.setIndentation(12)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.itemSelectionChanged.connect(self._on_selected)
        self.comparison = hint_label()
        self.use_button = QPushButton(self.tr("Take into use"))
        self.use_button.setToolTip(self.tr("Predict with the selected version from now on"))
        self.use_button.clicked.connect(self.take_into_use)
        self.back_button = QPushButton(self.tr("Roll back"))
        self.back_button.setToolTip(self.tr("Go back to the version that was in use before"))
        self.back_button.clicked.connect(self.roll_back)
        self.editor_field = EditorField()
        row = QHBoxLayout()
        row.addWidget(self.use_button, 1)
        row.addWidget(self.back_button)
        self.body.addWidget(self.tree)
        self.body.addWidget(self.comparison)
        self.body.addWidget(self.editor_field)
        self.body.addLayout(row)
        self._can_roll_back = False
        self._act = Act.WAIT
        self._fit_height()
        self.ties.add(desk.models_changed, self.reload)
        self.ties.add(desk.opened, lambda _case: self._catch_up())
        self.ties.add(desk.training_started, lambda _trainer: self._remember())
        self._follow_buttons()

    def showEvent(self, event: QShowEvent) -> None:
        """Read the versions when they are looked at for the first time."""
        super().showEvent(event)
        if not self._loaded:
            self.reload()

    def reload(self) -> None:
        """Read the versions anew, in a worker: hashes are checked."""
        self._loaded = True
        self.run(
            lambda: (self.desk.registry.versions(), self.desk.registry.can_roll_back),
            self._show_versions,
        )

    def take_into_use(self) -> None:
        """Promote the selected version."""
        version = self.selected
        if version is not None:
            self._decide(lambda editor: self.desk.registry.promote(version.version, editor=editor))

    def roll_back(self) -> None:
        """Go back to the version in use before."""
        self._decide(lambda editor: self.desk.registry.rollback(editor=editor))

    @property
    def selected(self) -> ModelVersion | None:
        """The selected version."""
        items = self.tree.selectedItems()
        if not items:
            return None
        name = items[0].data(0, _VERSION)
        return next((v for v in self.versions if v.version == name), None)

    @property
    def candidate(self) -> ModelVersion | None:
        """The version that the last run made, as long as it is not in use."""
        found = next((v for v in self.versions if v.version == self._fresh), None)
        return found if found is not None and not found.is_current and not found.fault else None

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act."""
        self._act = act
        mark_next(self.use_button, act is Act.PROMOTE and not self.editor_field.is_asking)

    @property
    def is_better(self) -> bool:
        """Whether the candidate is selected and its mean DSC is not below that of the model in use.

        Only then is taking it into use the obvious next act.
        """
        new, old = self.candidate, next((v for v in self.versions if v.is_current), None)
        if new is None or old is None or new is not self.selected:
            return False
        if new.workspace_dsc is None or old.workspace_dsc is None:
            return False
        return new.workspace_dsc >= old.workspace_dsc

    def _decide(self, act: Callable[[str], Any], name: str | None = None) -> None:
        def decide() -> object:
            if name is not None:
                self.desk.editor = name
            editor = self.desk.editor
            return _NAME_NEEDED if editor is None else act(editor)

        def done(result: object) -> None:
            if result is _NAME_NEEDED:
                self.editor_field.ask(lambda given: self._decide(act, given))
            self.show_next(self._act)

        self.run(decide, done)

    def _show_versions(self, found: tuple[tuple[ModelVersion, ...], bool]) -> None:
        before = None if self.selected is None else self.selected.version
        self.versions, self._can_roll_back = found
        fresh = self._fresh
        self._notice_fresh()
        if self._fresh != fresh:
            before = self._fresh
        self.tree.blockSignals(True)
        self.tree.clear()
        items: dict[str, QTreeWidgetItem] = {}
        for version in self.versions:
            figure = numbers.dsc(version.workspace_dsc)
            item = QTreeWidgetItem([version.version, figure, self._state(version)])
            item.setData(0, _VERSION, version.version)
            for column in range(3):
                item.setToolTip(column, self._tip(version))
                font = item.font(column)
                font.setBold(version.is_current)
                item.setFont(column, font)
            parent = items.get(version.parent or "")
            if parent is None:
                self.tree.addTopLevelItem(item)
            else:
                parent.addChild(item)
            items[version.version] = item
        self.tree.expandAll()
        self._fit_height()
        if before in items:
            items[before].setSelected(True)
        self.tree.blockSignals(False)
        self._on_selected()

    def _remember(self) -> None:
        self._known = frozenset(v.version for v in self.versions)

    def _notice_fresh(self) -> None:
        if self._known is None:
            return
        made = [v for v in self.versions if not v.is_bundled and v.version not in self._known]
        if made and made[-1].version != self._fresh:
            self._fresh = made[-1].version
            self.tree.clearSelection()

    def _catch_up(self) -> None:
        # Another folder of patients has another workspace, with versions of its own.
        if self._loaded:
            self.reload()

    def _fit_height(self) -> None:
        rows = min(max(len(self.versions), _ROWS[0]), _ROWS[1])
        line = self.tree.fontMetrics().lineSpacing() + 4
        self.tree.setFixedHeight(line * (rows + 1) + 12)

    def _on_selected(self) -> None:
        self.comparison.setText(self._compare())
        self._follow_buttons()

    def _follow_buttons(self) -> None:
        chosen = self.selected
        usable = chosen is not None and not chosen.is_current and not chosen.fault
        self.use_button.setEnabled(usable)
        self.back_button.setEnabled(self._can_roll_back)
        self.selected_changed.emit()

    def _state(self, version: ModelVersion) -> str:
        if version.fault:
            return self.tr("damaged")
        if version.is_current:
            return self.tr("in use")
        return self.tr("new") if version.version == self._fresh else ""

    def _patients(self, number: int) -> str:
        if number == 1:
            return self.tr("1 validation patient")
        return self.tr("{n} validation patients").format(n=number)

    def _tip(self, version: ModelVersion) -> str:
        lines = [version.version]
        if version.workspace_dsc is not None:
            lines.append(
                self.tr("Mean DSC {dsc} on the workspace's {patients}").format(
                    dsc=numbers.dsc(version.workspace_dsc),
                    patients=self._patients(version.workspace_patients),
                )
            )
        if version.dsc is not None:
            lines.append(
                self.tr("Mean DSC {dsc} on the validation patients of its own run").format(
                    dsc=numbers.dsc(version.dsc)
                )
            )
        if version.parent:
            lines.append(self.tr("Fine-tuned from {parent}").format(parent=version.parent))
        if version.fault:
            lines.append(version.fault)
        return "\n".join(lines)

    def _compare(self) -> str:
        current = next((v for v in self.versions if v.is_current), None)
        other = self.selected
        if current is None:
            return ""
        if other is None or other is current:
            if current.workspace_dsc is not None:
                return self.tr("DSC: mean of the workspace's {patients}.").format(
                    patients=self._patients(current.workspace_patients)
                )
            return self.tr(
                "DSC: mean of the validation patients of this workspace; measured by the first "
                "fine-tuning run."
            )
        if other.fault:
            return other.fault
        if other.workspace_dsc is None or current.workspace_dsc is None:
            return self.tr("The two were not measured on the same patients yet.")
        change = other.workspace_dsc - current.workspace_dsc
        text = (
            self.tr(
                "Worse: {new} against {old} in use ({change}), mean DSC on the same {patients}."
            )
            if change < 0
            else self.tr("{new} against {old} in use ({change}), mean DSC on the same {patients}.")
        )
        return text.format(
            new=numbers.dsc(other.workspace_dsc),
            old=numbers.dsc(current.workspace_dsc),
            patients=self._patients(other.workspace_patients),
            change=f"{change:+.3f}".replace("-", "−"),
        )
