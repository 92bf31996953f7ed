"""What a person answers for by name: a version taken into use, rolled back, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_brainseg.session.health import short_version
from napari_brainseg.widgets.editor_field import EditorField

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.gates import GateRecord
    from napari_brainseg.widgets.panel import Panel

__all__ = ["ModelDecisions"]

_NAME_NEEDED = object()


class ModelDecisions(QObject):
    """Does what was decided, in the worker of a panel, once it knows who decides.

    Parameters
    ----------
    panel : Panel
        Runs the acts and shows their faults.

    Attributes
    ----------
    editor_field : EditorField
        Asks for the name, once; stands where the panel puts it.
    """

    said = Signal(str)
    """What was done; empty while it is under way."""
    changed = Signal()
    """A name is asked for, or not any more."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._panel = panel
        self.editor_field = EditorField()

    def promote(self, version: str, reason: str, gate: GateRecord | None) -> None:
        """Take a version into use."""
        registry = self._panel.desk.registry
        self._decide(
            lambda editor: registry.promote(version, editor=editor, reason=reason, gate=gate),
            self.tr("{version} is in use.").format(version=short_version(version)),
        )

    def roll_back(self, previous: str | None) -> None:
        """Take the version that was in use before into use again."""
        text = self.tr("{version} is in use again.")
        self._decide(
            lambda editor: self._panel.desk.registry.rollback(editor=editor),
            "" if previous is None else text.format(version=short_version(previous)),
        )

    def delete(self, version: str) -> None:
        """Delete a version, unless a run needs it."""
        desk = self._panel.desk

        def delete(editor: str) -> None:
            going_on = [run for run in desk.runs() if run.state == "running"]
            busy = {run.base for run in going_on if run.base is not None}
            desk.registry.delete(version, editor=editor, busy=busy)

        text = self.tr("{version} is deleted.")
        self._decide(delete, text.format(version=short_version(version)))

    def _decide(self, act: Callable[[str], Any], said: str, name: str | None = None) -> None:
        desk = self._panel.desk

        def decide() -> object:
            if name is not None:
                desk.editor = name
            editor = desk.editor
            return _NAME_NEEDED if editor is None else act(editor)

        def done(result: object) -> None:
            if result is _NAME_NEEDED:
                self.editor_field.ask(lambda given: self._decide(act, said, given))
            else:
                self.said.emit(said)
            self.changed.emit()

        self.said.emit("")
        self._panel.run(decide, done)
