"""Reading, driven from outside: worklist, views, overlays, contrast, strip and help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_brainseg.viewer import views
from napari_brainseg.viewer.overlay_layers import DIFFERENCE_NAME, DOUBT_NAME
from napari_brainseg.widgets.hands import Hands, TourError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.widgets.dock import BrainSegDock

__all__ = ["read"]

_NONE = Qt.KeyboardModifier.NoModifier
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_PATIENCE_S = 60.0


def read(hands: Hands, dock: BrainSegDock, show: Callable[[str, str, str], None]) -> None:
    """Go through what a reader uses, by mouse and key, and check what came of it.

    Parameters
    ----------
    hands : Hands
        The user's.
    dock : BrainSegDock
        Of a window whose open case has a prediction and ground truth.
    show : callable
        Gets name, title and text of each step, and takes its picture.

    Raises
    ------
    TourError
        If a step did not do what it says.
    """
    room, workbench = dock.room, dock.workbench
    view, display, looks = workbench.view, workbench.view.display, workbench.views
    first = view.case
    if first is None:
        raise TourError("No case is open to be read.")

    for mode, name, title, text in (
        (views.LINKED, "linked", "Linked views", "Sagittal and coronal follow a crosshair."),
        (views.THREE_D, "3d", "3D", "Prediction and ground truth as smooth surfaces."),
        (views.SIDE_BY_SIDE, "modalities", "Modalities", "All three side by side."),
    ):
        hands.key(Qt.Key.Key_G, _NONE)
        hands.wait_for(lambda m=mode: looks.mode == m, 10, f"the {mode} view")
        if mode == views.THREE_D:
            hands.wait_for(lambda: looks.scene.state == "shown", _PATIENCE_S, "the surface")
        hands.rest(0.7)
        show(name, title, text)
    hands.key(Qt.Key.Key_G, _NONE)
    hands.wait_for(lambda: looks.mode == views.AXIAL, 10, "the axial view")

    before = display.window()
    hands.right_drag(QPoint(60, 40))
    if display.window() == before:
        raise TourError("Dragging with the right button did not change window and level.")
    hands.key(Qt.Key.Key_R, _NONE)
    hands.key(Qt.Key.Key_D, _NONE)
    hands.key(Qt.Key.Key_U, _NONE)
    for name in (DIFFERENCE_NAME, DOUBT_NAME):
        if not display.is_shown(name):
            raise TourError(f"The key for the overlay {name} did not show it.")
    hands.rest(0.4)
    show("overlays", "Overlays", "What was marked too much and missed, and where the model doubts.")
    hands.key(Qt.Key.Key_D, _NONE)
    hands.key(Qt.Key.Key_U, _NONE)

    here = view.slice_index
    hands.key(Qt.Key.Key_J, _NONE)
    if view.slice_index == here and first.shape[0] > 1:
        hands.key(Qt.Key.Key_J, _NONE)
    picture = room.strip.picture
    QTest.mouseClick(picture, Qt.MouseButton.LeftButton, pos=picture.rect().center())
    hands.rest(0.2)
    middle = first.shape[0] / 2
    if abs(view.slice_index - middle) > max(2, first.shape[0] / 5):
        raise TourError("A click in the middle of the strip did not go to the middle slices.")

    hands.key(Qt.Key.Key_N, _NONE)
    hands.wait_for(lambda: view.case is not first, _PATIENCE_S, "the next case")
    second = view.case
    hands.wait_for(
        lambda: second is not None and second.prediction is not None, _PATIENCE_S, "its prediction"
    )
    hands.key(Qt.Key.Key_Q, _SHIFT)
    hands.wait_for(lambda: room.worklist.view.wide, 10, "the table")
    hands.rest(0.7)
    show("worklist", "Worklist", "All columns; another case came with its prediction.")
    hands.key(Qt.Key.Key_Q, _SHIFT)
    hands.key(Qt.Key.Key_N, _SHIFT)
    hands.wait_for(
        lambda: view.case is not None and view.case.patient == first.patient, _PATIENCE_S,
        "the case before",
    )  # fmt: skip
    hands.rest(0.3)
    hands.key(Qt.Key.Key_F1, _NONE)
    hands.wait_for(room.help.isVisible, 10, "the help")
    show("keys", "Keys", "Every key, as it is set now.")
    QTest.keyClick(room.help, Qt.Key.Key_Escape)
    hands.wait_for(lambda: not room.help.isVisible(), 10, "the end of the help")
