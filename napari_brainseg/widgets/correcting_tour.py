"""Correcting, driven from outside: brush, lasso, a tool with its preview, history, sign-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_brainseg.widgets.hands import Hands, TourError, stroke_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.widgets.dock import BrainSegDock

__all__ = ["begin", "correct", "look_at_unseen"]

CORRECTED_SLICES = 4
_NONE = Qt.KeyboardModifier.NoModifier
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_CONTROL = Qt.KeyboardModifier.ControlModifier
_ALT = Qt.KeyboardModifier.AltModifier
_PATIENCE_S = 60.0
_LOOK_S = 0.5
"""Longer than it takes until a slice counts as seen."""


def correct(
    hands: Hands, dock: BrainSegDock, show: Callable[[str, str, str], None], editor: str
) -> dict[str, object]:
    """Correct the open case by mouse and key, and check what came of it.

    Parameters
    ----------
    hands : Hands
        The user's.
    dock : BrainSegDock
        Of a window whose open case has a prediction and ground truth.
    show : callable
        Gets name, title and text of each step, and takes its picture.
    editor : str
        Name to give when it is asked for.

    Returns
    -------
    dict
        Figures before and after.

    Raises
    ------
    TourError
        If a step did not do what it says.
    """
    case = dock.workbench.desk.case
    if case is None:
        raise TourError("No case is open to be corrected.")
    if case.truth is None:
        raise TourError("The phantom has no ground truth.")
    correction = begin(hands, dock, case, editor)
    before = correction.meter
    slices = _paint(hands, dock, correction, case)
    if correction.meter.strokes == before.strokes:
        raise TourError("The brush strokes on the canvas changed nothing.")
    _undo_and_redo(hands, correction)
    after = correction.meter
    hands.wait_for(lambda: correction.meter.hd95_is_current, _PATIENCE_S, "the distances")
    show(
        "correction", "Correct",
        f"Brush and eraser on {slices} slices, the last stroke undone and redone by key; DSC "
        f"against the truth {before.dsc_truth:.3f} before, {after.dsc_truth:.3f} after.",
    )  # fmt: skip
    _use_tools(hands, dock, correction, show)
    return {
        "dsc_truth_before": before.dsc_truth,
        "dsc_truth_after": after.dsc_truth,
        "strokes": after.strokes,
        "added_vox": after.added_vox,
        "removed_vox": after.removed_vox,
    }


def look_at_unseen(hands: Hands, dock: BrainSegDock) -> int:
    """Look at every slice that the checks miss; returns how many that were.

    Raises
    ------
    TourError
        If the checks still miss slices then.
    """
    panel, count = dock.export, 0
    for _ in range(dock.workbench.desk.case.shape[0]):  # type: ignore[union-attr]
        hands.wait_for(lambda: panel.is_checked, _PATIENCE_S, "the checks")
        if not panel.misses_slices:
            return count
        hands.key(Qt.Key.Key_J, _SHIFT)
        hands.rest(_LOOK_S)
        count += 1
    hands.wait_for(lambda: panel.is_checked, _PATIENCE_S, "the checks")
    if panel.misses_slices:
        raise TourError("Slices were looked at one by one and still count as not seen.")
    return count


def begin(hands: Hands, dock: BrainSegDock, case: Case, editor: str) -> Correction:
    """Start the correction of the open case, and name the editor if that is asked for.

    Raises
    ------
    TourError
        If it does not start.
    """
    hands.click(dock.start.start_button)
    hands.wait_for(
        lambda: case.correction is not None or dock.start.editor_field.isVisible(), 20,
        "the question for the editor's name",
    )  # fmt: skip
    if case.correction is None:
        hands.type(dock.start.editor_field.name, editor)
    hands.wait_for(lambda: dock.correct.tools.isVisible(), 20, "the correction to start")
    if case.correction is None:
        raise TourError("The correction did not start.")
    return case.correction


def _paint(hands: Hands, dock: BrainSegDock, correction: Correction, case: Case) -> int:
    view, truth = dock.workbench.view, case.truth
    assert truth is not None
    wrong = (correction.data != truth).sum(axis=(1, 2))
    worst = [int(z) for z in np.argsort(wrong)[::-1][:CORRECTED_SLICES] if wrong[z]]
    for z in worst:
        view.go_to(z)
        hands.rest(0.3)
        for tool, region in (
            ("brush", (truth[z] > 0) & (correction.data[z] == 0)),
            ("eraser", (truth[z] == 0) & (correction.data[z] > 0)),
        ):
            path = stroke_path(region)
            if path:
                dock.correct.tools.take(tool)
                dock.workbench.brushes.size = 3
                hands.stroke(path)
    return len(worst)


def _undo_and_redo(hands: Hands, correction: Correction) -> None:
    before = correction.saved
    hands.key(Qt.Key.Key_Z, _CONTROL)
    undone = correction.saved
    hands.key(Qt.Key.Key_Z, _CONTROL | _SHIFT)
    if np.array_equal(undone, before) or not np.array_equal(correction.saved, before):
        raise TourError("Undo and redo by key did not give the mask back.")


def _use_tools(
    hands: Hands,
    dock: BrainSegDock,
    correction: Correction,
    show: Callable[[str, str, str], None],
) -> None:
    bench, view, history = dock.workbench.bench, dock.workbench.view, dock.correct.history
    view.go_to(int(correction.data.sum(axis=(1, 2)).argmax()))
    begun, mask = correction.meter.strokes, correction.saved

    # A loop around the lesion's own middle, cut out: taken back below by way of the list.
    middle = [float(np.mean(where)) for where in np.nonzero(correction.data[view.slice_index])]
    hands.key(Qt.Key.Key_L, _SHIFT)
    hands.held_stroke(_loop(middle[0], middle[1], 5.0), _SHIFT)
    hands.wait_for(lambda: correction.meter.strokes == begun + 1, 20, "the lasso's cut")
    if correction.actions()[-1].tool != "lasso":
        raise TourError("The lasso's cut is not in the history.")

    hands.key(Qt.Key.Key_D, _ALT)
    hands.wait_for(lambda: bench.tool == "dilate" and bench.changes is not None, 20, "the preview")
    if not np.array_equal(correction.data, correction.saved):
        raise TourError("A preview changed the mask.")
    hands.rest(0.3)
    show("preview", "Preview", "What dilating would add, before it is done.")
    hands.key(Qt.Key.Key_Return, _NONE)
    hands.wait_for(lambda: correction.meter.strokes == begun + 2, 20, "the dilation")

    if not history.table.isVisible():
        hands.click(history.fold.button)
    hands.wait_for(lambda: history.model.rowCount() >= begun + 3, 20, "the list of actions")
    show("history", "History", "Every action, by whichever tool; a click goes back to it.")
    row = history.model.index(begun, 0)
    QTest.mouseClick(
        history.table.viewport(), Qt.MouseButton.LeftButton,
        pos=history.table.visualRect(row).center(),
    )  # fmt: skip
    hands.wait_for(lambda: correction.meter.strokes == begun, 20, "the jump back")
    if not np.array_equal(correction.saved, mask):
        raise TourError("The jump back in the list did not give the mask back.")
    hands.click(history.fold.button)
    dock.correct.tools.take("move")


def _loop(y: float, x: float, radius: float) -> list[tuple[float, float]]:
    return [
        (y + radius * float(np.sin(a)), x + radius * float(np.cos(a)))
        for a in np.linspace(0, 2 * np.pi, 24)
    ]
